from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from spotify_assets.sandbox.command import sandbox, seconds

_RUN = "from spotify_assets.sandbox.command import sandbox; sandbox()"


@pytest.mark.parametrize(("text", "expected"), [("50ms", 0.05), ("0.05", 0.05), ("2s", 2.0), ("0", 0.0)])
def test_a_latency_is_written_in_seconds_or_milliseconds(text: str, expected: float) -> None:
    assert seconds(text) == pytest.approx(expected)


def test_help_names_every_option_and_how_to_write_a_fault() -> None:
    text = CliRunner().invoke(sandbox, ["--help"]).output
    for option in sandbox.params:
        assert option.opts[0] in text
    assert "NAME[=VALUE][:every=N]" in text


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--latency", "soon"], "'soon' is not a duration"),
        (["--rate-window", "0ms"], "must be longer than 0"),
        (["--fault", "sunspots"], "unknown fault 'sunspots'"),
        (["--albums", "0"], "0 is not in the range"),
        (["--catalogue", "nowhere.json"], "does not exist"),
    ],
)
def test_a_wrong_option_is_a_usage_error(arguments: list[str], complaint: str) -> None:
    result = CliRunner().invoke(sandbox, arguments)
    assert result.exit_code == 2
    assert complaint in result.output


def test_a_bad_catalogue_and_a_taken_port_are_told_in_one_line(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text("{}")
    result = CliRunner().invoke(sandbox, ["--catalogue", str(bad)])
    assert (result.exit_code, "has no albums" in result.output) == (1, True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(sandbox, ["--port", str(port)])
    assert result.exit_code == 1
    assert f"cannot listen on 127.0.0.1:{port}" in result.output


def test_the_command_serves_until_it_is_interrupted() -> None:
    arguments = ["--port", "0", "--albums", "5", "--tracks-per-album", "2", "--fault", "html:on=markets"]
    with subprocess.Popen(
        [sys.executable, "-c", _RUN, *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            found = re.search(r"http://\S+/", process.stdout.readline())
            assert found is not None
            url = found[0].removesuffix("v1/")
            assert any("Ctrl-C stops" in process.stdout.readline() for _ in range(5))
            answer = requests.get(f"{url}sandbox/health", timeout=10).json()
            assert answer["new_releases"] == 5
        finally:
            process.send_signal(signal.SIGINT)
            rest, _ = process.communicate(timeout=10)
    assert (process.returncode, rest) == (0, "Stopped.\n")
