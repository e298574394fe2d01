"""Run every benchmark and write RESULTS.md."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import event_log, rate_limit, whole_job

RESULTS = Path(__file__).with_name("RESULTS.md")


def main() -> None:
    """Run them one after the other; the report replaces the last one."""
    sections = []
    for benchmark in (whole_job, event_log, rate_limit):
        print(benchmark.__name__, flush=True)
        sections.append(benchmark.run())
    header = f"""# Benchmark results

Written by `make bench` on {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores, Python {platform.python_version()},
{platform.system()} {platform.machine()}, embedded Postgres 18. Read ratios rather than seconds: they were taken in one
run on one machine.
"""
    RESULTS.write_text("\n".join([header, *sections]), encoding="utf-8")
    print(f"Written: {RESULTS}")


if __name__ == "__main__":
    main()
