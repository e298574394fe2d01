"""What the Makefile runs before every command, on a small project that needs no package index."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci" / "prepare_venv.py"
PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
# The least that pip takes for a build backend; it leaves a line in builds.txt each time it is called.
BACKEND = """
import zipfile
from pathlib import Path

def build_wheel(folder, config_settings=None, metadata_directory=None):
    with Path("builds.txt").open("a") as builds:
        builds.write("built\\n")
    with zipfile.ZipFile(Path(folder) / "small-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("small-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: small\\nVersion: 1\\n")
        wheel.writestr("small-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("small-1.dist-info/RECORD", "")
    return "small-1-py3-none-any.whl"

build_editable = build_wheel
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A clone in a folder whose name has a space."""
    folder = tmp_path / "a clone"
    folder.mkdir()
    for name, content in {
        "requirements.lock": "# nothing\n",
        "requirements-dev.lock": "# nothing\n",
        "pyproject.toml": PYPROJECT,
        "backend.py": BACKEND,
    }.items():
        (folder / name).write_text(content)
    (folder / ".ci").mkdir()
    shutil.copy(SCRIPT, folder / ".ci")
    return folder


def start(project: Path, level: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, ".ci/prepare_venv.py", level], cwd=project, stderr=subprocess.PIPE, text=True
    )


def prepare(project: Path, level: str = "runtime") -> str:
    process = start(project, level)
    told = process.communicate(timeout=120)[1]
    assert process.returncode == 0, told
    return told


def builds(project: Path) -> int:
    return len((project / "builds.txt").read_text().splitlines())


def test_only_what_changed_is_installed_and_what_was_broken_is_made_afresh(project: Path) -> None:
    """An interrupted install once stayed half made for ever: its files were newer than the lock."""
    assert "Creating .venv" in prepare(project)
    assert prepare(project) == ""
    assert builds(project) == 1

    (project / "requirements.lock").write_text("# changed\n")
    assert "Creating" not in prepare(project)
    assert builds(project) == 2

    (project / ".venv" / "unfinished").touch()
    assert "Creating .venv" in prepare(project)
    assert builds(project) == 3

    moved = project.rename(project.with_name("moved clone"))
    assert "Creating .venv" in prepare(moved)
    assert builds(moved) == 4


def test_the_development_level_holds_the_runtime_level_too(project: Path) -> None:
    prepare(project, "dev")
    assert prepare(project, "runtime") == ""


def test_two_at_once_install_once(project: Path) -> None:
    processes = [start(project, "runtime") for _ in range(2)]
    told = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], told
    assert builds(project) == 1


def test_a_failed_install_is_told_and_tried_again(project: Path) -> None:
    (project / "backend.py").write_text("def build_editable(*_): raise SystemExit('no disk')\n")
    process = start(project, "runtime")
    told = process.communicate(timeout=120)[1]
    assert process.returncode != 0
    assert "That failed" in told
    assert "Traceback" not in told.split("That failed")[1]
    (project / "backend.py").write_text(BACKEND)
    assert "Creating .venv" in prepare(project)
