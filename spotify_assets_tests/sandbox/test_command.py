from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def running(*arguments: str) -> Iterator[list[str]]:
    """The command in a process of its own, with what it has printed; interrupted at the end."""
    command = [sys.executable, "-c", _RUN, "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            printed: list[str] = []
            while not printed or "Ctrl-C stops" not in printed[-1]:
                printed.append(process.stdout.readline())
                assert printed[-1]
            yield printed
        finally:
            process.send_signal(signal.SIGINT)
            rest, _ = process.communicate(timeout=10)
    assert (process.returncode, rest) == (0, "Stopped.\n")


def root_of(printed: list[str]) -> str:
    return printed[0].split()[-1].removesuffix("v1/")


def test_the_command_names_its_addresses_and_serves_until_it_is_interrupted() -> None:
    with running("--albums", "5", "--tracks-per-album", "2", "--fault", "html:on=markets") as printed:
        addresses = re.findall(r"^(\S.*?) +http://[^/]+/(\S*)$", "".join(printed), re.MULTILINE)
        answer = requests.get(f"{root_of(printed)}sandbox/health", timeout=10).json()
    assert addresses == [
        ("Spotify Web API", "v1/"),
        ("Token service", "api/token"),
        ("ReccoBeats", "reccobeats/v1/"),
        ("Deezer", "deezer/"),
        ("Calls so far", "sandbox/calls"),
    ]
    assert answer["new_releases"] == 5


def test_the_limits_given_to_the_command_are_those_of_the_server() -> None:
    limits = ("--rate-limit", "0", "--rate-window", "2500ms", "--deezer-limit", "1")
    form = {"grant_type": "client_credentials", "client_id": "id", "client_secret": "secret"}
    with running("--albums", "5", *limits) as printed:
        url = root_of(printed)
        token = requests.post(f"{url}api/token", data=form, timeout=10).json()["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        limited = requests.get(f"{url}v1/markets", headers=bearer, timeout=10)
        errors = [requests.get(f"{url}deezer/album/1", timeout=10).json()["error"] for _ in range(2)]
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "2.50")
    assert [error["code"] for error in errors] == [800, 4]
