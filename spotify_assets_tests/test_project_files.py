"""The files around the code agree with each other, and name nobody's machine."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from spotify_assets.spotify.endpoints import (
    AUDIO_FEATURES,
    CLOSABLE,
    RECCOBEATS_FEATURES,
    SPOTIFY,
    service_of,
)
from spotify_assets.spotify.forecast import Choices, Workload, expected_calls

REPOSITORY = Path(__file__).parents[1]
LOCKS = ("requirements.lock", "requirements-dev.lock")
PACKAGE = re.compile(r"^([\w.-]+)(?:\[[\w,-]+\])?==(\S+)", re.MULTILINE)


def text(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def locked(name: str) -> set[tuple[str, str]]:
    """Packages and versions; a package may be locked twice, for different Pythons."""
    return set(PACKAGE.findall(text(name)))


def tracked(*folders: str) -> list[str]:
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a git clone: which files belong to the project is not known")
    # Git refuses a clone of another user's, which is what a container with a mounted clone sees.
    git = ["git", "-c", f"safe.directory={REPOSITORY}"]
    listed = subprocess.run(
        [*git, "ls-files", "-z", *folders], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return [name for name in listed.stdout.split("\0") if name and (REPOSITORY / name).exists()]


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_a_hash_and_no_lock_names_an_address(name: str) -> None:
    """An address would tie every clone to the package index of whoever compiled the lock."""
    entries = re.split(r"\n(?=[\w])", text(name).split("make lock\n", 1)[1])
    assert len(entries) > 50
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in text(name)
    assert "--index" not in text(name)


def test_the_development_lock_holds_the_runtime_lock_version_for_version() -> None:
    """`make test` installs the development lock alone: what it tests must be what `make run` and the image run."""
    runtime, dev = (locked(name) for name in LOCKS)
    assert runtime - dev == set()


def test_every_dependency_of_pyproject_is_locked() -> None:
    """A dependency added without `make lock` is missing from every fresh clone."""
    project = tomllib.loads(text("pyproject.toml"))["project"]
    for name, dependencies in zip(
        LOCKS, (project["dependencies"], project["optional-dependencies"]["dev"]), strict=True
    ):
        asked = {re.split(r"[\[<>=~! ]", dependency)[0].lower() for dependency in dependencies}
        assert asked <= {package for package, _ in locked(name)}


def test_every_dependency_says_above_it_why_it_is_there() -> None:
    """Two may share a reason; a third under the same comment has most likely none."""
    block = text("pyproject.toml").split("\ndependencies = [\n", 1)[1].split("\n]", 1)[0]
    assert block.lstrip().startswith("#")
    groups = re.split(r"(?:^ *#.*\n)+", block, flags=re.MULTILINE)[1:]
    assert [group.split() for group in groups if len(group.split()) > 2] == []


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_the_make_targets_that_a_document_names_exist(document: str) -> None:
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text(document), re.DOTALL))
    named = set(re.findall(r"\bmake (?:[A-Z]+=\S+ )*([a-z][a-z-]*)", code))
    assert named <= set(re.findall(r"^([a-z][a-z-]*):", text("Makefile"), re.MULTILINE))


def test_the_calls_that_the_page_on_keys_promises_are_those_of_the_plan() -> None:
    [row] = re.findall(
        r"^\| calls for 1,000 albums of 12 tracks \|(.*)\|$", text("docs/keys.md"), re.MULTILINE
    )
    choices = Choices(asks_single_tracks=False, asks_reccobeats=True, asks_deezer=True)
    kinds: list[set[str]] = [set(), {AUDIO_FEATURES}, set(CLOSABLE)]
    for cell, closed in zip(row.split("|"), kinds, strict=True):
        calls = expected_calls(Workload(albums=1000, tracks=12_000, artists=1200), closed, choices)
        to_spotify = sum(count for endpoint, count in calls.items() if service_of(endpoint) == SPOTIFY)
        assert cell.split()[0].rstrip(",") == f"{to_spotify:,}"
        reccobeats = calls.get(RECCOBEATS_FEATURES)
        assert ("to ReccoBeats" in cell) == (reccobeats is not None)
        assert reccobeats is None or f"and {reccobeats} to ReccoBeats" in cell


def test_no_file_names_a_package_registry_or_a_folder_of_one_machine() -> None:
    forbidden = re.compile(
        r"pypi\.org|pythonhosted\.org|registry\.npmjs|artifactory|extra-index-url"
        r"|(?<![\w.:/}])/(?:home|Users|root|work|workspace)/\w",
        re.IGNORECASE,
    )
    found = {
        name: match.group()
        for name in tracked()
        if (match := forbidden.search((REPOSITORY / name).read_text(encoding="utf-8", errors="replace")))
    }
    # The pattern itself stands in this file.
    found.pop("spotify_assets_tests/test_project_files.py", None)
    assert found == {}


def test_an_installed_wheel_carries_every_file_of_the_package(tmp_path: Path) -> None:
    """The image runs from a wheel: without dagster.yaml in it, its first command ended in FileNotFoundError."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    )
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        assert set(tracked("spotify_assets")) <= set(wheel.namelist())
        assert wheel.read("spotify_assets/launch/dagster.yaml").decode() == text("dagster.yaml")
