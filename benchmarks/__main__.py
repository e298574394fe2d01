"""Run every benchmark, or those that are named, and write their sections of RESULTS.md."""

import os
import platform
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import event_log, marts, rate_limit, whole_job

RESULTS = Path(__file__).with_name("RESULTS.md")
BENCHMARKS: Mapping[str, Callable[[], str]] = {
    "whole_job": whole_job.run,
    "event_log": event_log.run,
    "rate_limit": rate_limit.run,
    "marts": marts.run,
}
_HEADER = """# Benchmark results

Written by `make bench`; `make bench BENCHMARK=marts` takes one of them anew. Read ratios rather than seconds: those of
one section were taken in one run on one machine.
"""


def main(names: list[str]) -> None:
    """Run them one after the other; the sections of the others stay as they are."""
    if unknown := sorted(set(names) - set(BENCHMARKS)):
        sys.exit(f"There is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}.")
    sections = _sections(RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else "")
    for name in names or BENCHMARKS:
        print(name, flush=True)
        sections[name] = f"<!-- {name} -->\n{BENCHMARKS[name]()}\n{_circumstances()}\n"
        ordered = [sections[each] for each in BENCHMARKS if each in sections]
        RESULTS.write_text("\n".join([_HEADER, *ordered]), encoding="utf-8")
    print(f"Written: {RESULTS}")


def _sections(report: str) -> dict[str, str]:
    """The sections of an earlier report, by name."""
    marked = report.split("<!-- ")[1:]
    return {part.partition(" -->")[0]: f"<!-- {part.rstrip()}\n" for part in marked}


def _circumstances() -> str:
    return (
        f"Taken on {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}, embedded Postgres 18."
    )


if __name__ == "__main__":
    main(sys.argv[1:])
