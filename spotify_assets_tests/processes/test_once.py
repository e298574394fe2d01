"""`spotify-assets once`, and plain Dagster commands, in a folder with nothing set."""

import re
import signal
import time

import pytest

from spotify_assets_tests.processes.conftest import Clone, interrupt


def test_once_with_nothing_set_loads_the_sandbox_and_says_so(clone: Clone) -> None:
    first = clone.run("spotify-assets", "once")
    assert first.returncode == 0, first.stdout
    assert "No Spotify credentials found: using the sandbox API" in first.stdout
    assert re.search(r"Albums\s+200\b", first.stdout)
    assert "SANDBOX DATA" in first.stdout
    assert len(re.findall(r"^  [1-5]\. ", first.stdout, re.MULTILINE)) == 5
    assert "SPOTIFY_SANDBOX=1" in (clone.folder / ".env").read_text(encoding="utf-8")
    assert clone.processes() == [], "everything that was started has ended"

    second = clone.run("spotify-assets", "once")
    assert second.returncode == 0, second.stdout
    assert "Loading" not in second.stdout
    assert re.search(r"API calls\s+5 +browse/new-releases 4, token 1\n", second.stdout)


def test_plain_dagster_commands_work_in_a_shell_with_nothing_set(sandboxed_clone: Clone) -> None:
    """Without DAGSTER_HOME Dagster makes a temporary instance, whose partitions would be gone at the next command."""
    clone = sandboxed_clone
    module = ("-m", "spotify_assets.definitions")

    listed = clone.run("dagster", "asset", "list", *module)
    assert listed.returncode == 0, listed.stdout
    assert {"spotify/new_releases", "spotify/tracks", "marts/track_catalog"} <= set(listed.stdout.split())

    polled = clone.run("dagster", "asset", "materialize", "--select", "spotify/new_releases", *module)
    assert polled.returncode == 0, polled.stdout

    keys = _partitions(clone)
    assert len(keys) == 6
    everything = ("dagster", "asset", "materialize", "--select", "spotify/releases*", *module)
    one = clone.run(*everything, "--partition", keys[2])
    assert one.returncode == 0, one.stdout
    assert _loaded_albums(clone) == 1

    many = clone.run(*everything, "--partition-range", f"{keys[0]}...{keys[4]}")
    assert many.returncode == 0, many.stdout
    assert _loaded_albums(clone) == 5

    reversed_range = clone.run(*everything, "--partition-range", f"{keys[5]}...{keys[4]}")
    assert reversed_range.returncode != 0
    assert "holds no album" in reversed_range.stdout


def test_without_credentials_a_dagster_command_fails_and_says_what_to_set(clone: Clone) -> None:
    polled = clone.run(
        "dagster",
        "asset",
        "materialize",
        "--select",
        "spotify/new_releases",
        "-m",
        "spotify_assets.definitions",
    )
    assert polled.returncode != 0
    assert "SPOTIFY_SANDBOX=1" in polled.stdout


def test_the_definitions_validate_with_nothing_set(clone: Clone) -> None:
    validated = clone.run("dagster", "definitions", "validate", "-m", "spotify_assets.definitions")
    assert validated.returncode == 0, validated.stdout


def test_an_unusable_variable_is_named_before_anything_starts(clone: Clone) -> None:
    clone.environ["SPOTIFY_MARKETS"] = "UK"
    refused = clone.run("spotify-assets", "once")
    assert refused.returncode == 1
    assert "SPOTIFY_MARKETS: UK" in refused.stdout
    assert "Traceback" not in refused.stdout
    assert not (clone.folder / ".spotify_assets").exists()


@pytest.mark.parametrize("command", [("once",), ("database", "status")], ids=" ".join)
def test_a_database_that_does_not_answer_is_said_in_a_sentence(
    clone: Clone, command: tuple[str, ...]
) -> None:
    """It was a traceback of two screens."""
    clone.environ.update(SPOTIFY_SANDBOX="1", DATABASE_URL="postgresql://me:hush@127.0.0.1:1/warehouse")
    refused = clone.run("spotify-assets", *command)
    assert refused.returncode == 1
    assert "Connection refused. Check DATABASE_URL" in refused.stdout
    assert "Traceback" not in refused.stdout
    assert "hush" not in refused.stdout


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_an_interrupted_pass_ends_everything_and_the_next_goes_on(
    sandboxed_clone: Clone, how: signal.Signals
) -> None:
    clone = sandboxed_clone
    running = clone.start("spotify-assets", "once")
    deadline = time.monotonic() + 120
    while "Asking for new releases" not in clone.said("spotify-assets") and time.monotonic() < deadline:
        assert running.poll() is None, clone.said("spotify-assets")
        time.sleep(0.1)
    if how == signal.SIGINT:
        interrupt(running)
    else:
        running.send_signal(how)
        running.wait(60)
    assert running.returncode == 130, clone.said("spotify-assets")
    assert clone.processes() == []
    again = clone.run("spotify-assets", "once")
    assert again.returncode == 0, again.stdout
    assert re.search(r"Albums\s+6\b", again.stdout)


def test_doctor_finds_a_good_set_up_good_and_names_what_to_mend(sandboxed_clone: Clone) -> None:
    clone = sandboxed_clone
    before = clone.run("spotify-assets", "doctor")
    assert before.returncode == 1
    assert "MEND  Database" in before.stdout
    assert clone.run("spotify-assets", "database", "status").returncode == 1
    assert clone.run("spotify-assets", "database", "migrate").returncode == 0
    assert clone.run("spotify-assets", "database", "status").returncode == 0
    after = clone.run("spotify-assets", "doctor")
    assert after.returncode == 0, after.stdout


def test_the_database_address_can_hide_its_password(sandboxed_clone: Clone) -> None:
    shown = sandboxed_clone.run("spotify-assets", "database", "url", "--hide-password").stdout.strip()
    assert shown.startswith("postgresql+psycopg://")
    assert ":***@127.0.0.1" in shown
    for_psql = sandboxed_clone.run("spotify-assets", "database", "url", "--libpq").stdout.strip()
    assert for_psql.startswith("postgresql://")
    assert "***" not in for_psql


def _partitions(clone: Clone) -> list[str]:
    return clone.run("python", "-c", _PRINT_PARTITIONS).stdout.split()


def _loaded_albums(clone: Clone) -> int:
    return int(clone.run("python", "-c", _PRINT_ALBUMS).stdout)


_PRINT_PARTITIONS = """
import dagster as dg
from dagster._core.instance.ref import InstanceRef
with dg.DagsterInstance.from_ref(InstanceRef.from_dir(".", config_dir=".")) as instance:
    print("\\n".join(instance.get_dynamic_partitions("album_id")))
"""
_PRINT_ALBUMS = """
from pathlib import Path
from spotify_assets.warehouse.database import create_engine, warehouse_url
engine = create_engine(warehouse_url(None, Path(".spotify_assets")))
with engine.connect() as connection:
    print(connection.exec_driver_sql("select count(*) from spotify.releases").scalar_one())
"""
