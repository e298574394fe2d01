"""`spotify-assets probe` and `plan`: what the key may do, and what a load will cost, as a user sees them."""

import re
from collections.abc import Iterator

import pytest

from spotify_assets.sandbox.server import SandboxServer
from spotify_assets_tests.processes.conftest import Clone


@pytest.fixture
def development_sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(albums=24, tracks_per_album=3, access="development") as sandbox:
        yield sandbox


@pytest.fixture
def development_clone(clone: Clone, development_sandbox: SandboxServer) -> Clone:
    """A clone whose key is one of development mode."""
    clone.environ.update(
        SPOTIFY_SANDBOX="1",
        SPOTIFY_API_URL=development_sandbox.api_url,
        SPOTIFY_ACCOUNTS_URL=development_sandbox.accounts_url,
    )
    return clone


def test_a_probe_asks_each_endpoint_once_and_the_plan_goes_by_its_answers(
    development_clone: Clone, development_sandbox: SandboxServer
) -> None:
    clone = development_clone
    probed = clone.run("spotify-assets", "probe")
    assert probed.returncode == 0, probed.stdout
    assert "This key has development access." in probed.stdout
    assert len(re.findall(r"^  \S+ +closed ", probed.stdout, re.MULTILINE)) == 5
    assert "no popularity" in probed.stdout
    calls = development_sandbox.calls()
    assert calls.pop("token") == 1
    assert set(calls.values()) == {1}
    assert len(calls) == 5

    planned = clone.run("spotify-assets", "plan", "--albums", "1000", "--tracks-per-album", "12")
    assert planned.returncode == 0, planned.stdout
    assert "with development access" in planned.stdout
    assert re.search(r"albums/\{id\} +1,000\n", planned.stdout)
    assert re.search(r"reccobeats/audio-features +300\n", planned.stdout)
    assert "extended" not in planned.stdout
    assert development_sandbox.calls() == {"token": 1, **calls}, "a plan makes no call"


def test_the_plan_of_a_load_is_what_the_load_then_costs(
    development_clone: Clone, development_sandbox: SandboxServer
) -> None:
    clone = development_clone
    loaded = clone.run("spotify-assets", "once")
    assert loaded.returncode == 0, loaded.stdout
    found = re.search(r"Albums +(\d+)", loaded.stdout)
    assert found is not None
    planned = clone.run("spotify-assets", "plan", "--albums", found[1])
    assert "the mean of the" in planned.stdout
    for endpoint in ("albums/{id}", "reccobeats/audio-features"):
        count = re.search(rf"{re.escape(endpoint)} +([\d,]+)\n", planned.stdout)
        assert count is not None
        assert int(count[1]) == development_sandbox.calls()[endpoint]


def test_a_key_of_which_nothing_is_known_is_planned_for_both_ways(clone: Clone) -> None:
    planned = clone.run("spotify-assets", "plan", "--albums", "100")
    assert planned.returncode == 0, planned.stdout
    assert "with extended access" in planned.stdout
    assert "with development access" in planned.stdout


def test_a_known_limit_says_how_long_a_load_takes_at_least(clone: Clone) -> None:
    clone.environ.update(SPOTIFY_CALLS_PER_30_SECONDS="100", SPOTIFY_ACCESS="development")
    planned = clone.run("spotify-assets", "plan", "--albums", "1000")
    assert "The limit of spotify makes that 5 min 0 s at least." in planned.stdout


def test_a_probe_without_credentials_says_what_to_set(clone: Clone) -> None:
    probed = clone.run("spotify-assets", "probe")
    assert probed.returncode == 1
    assert "SPOTIPY_CLIENT_ID" in probed.stdout
    assert "Traceback" not in probed.stdout


def test_a_probe_of_an_account_without_premium_says_that_sentence(
    development_clone: Clone, development_sandbox: SandboxServer
) -> None:
    development_sandbox.set_faults("premium-required=text")
    probed = development_clone.run("spotify-assets", "probe")
    assert probed.returncode == 1
    assert "Active premium subscription required" in probed.stdout
    assert "Traceback" not in probed.stdout


def test_a_probe_that_got_no_answer_does_not_call_the_key_extended(
    development_clone: Clone, development_sandbox: SandboxServer
) -> None:
    development_sandbox.set_faults("rate-limit=86400:on=tracks")
    probed = development_clone.run("spotify-assets", "probe")
    assert probed.returncode == 1
    assert "is not known" in probed.stdout
    assert re.search(r"tracks +did not say", probed.stdout)


def test_the_doctor_says_what_the_key_may_do_and_until_when_it_must_wait(
    development_clone: Clone, development_sandbox: SandboxServer
) -> None:
    clone = development_clone
    clone.run("spotify-assets", "probe")
    development_sandbox.set_faults("quota=52531:on=search")
    assert clone.run("spotify-assets", "once").returncode == 1
    told = clone.run("spotify-assets", "doctor").stdout
    assert "development access" in told
    assert "search: the quota is used up; nothing is asked before" in told
