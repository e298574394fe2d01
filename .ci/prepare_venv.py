"""Bring .venv up to date with the lock files; the Makefile runs it before every command.

    python .ci/prepare_venv.py runtime|dev

Nothing but the standard library: this is what runs on a machine that has only Python. Where nothing changed it takes
a tenth of a second.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

VENV = Path(".venv")
PYTHON = VENV / "bin" / "python"
# There while something is being installed: where it is found later, that was interrupted.
UNFINISHED = VENV / "unfinished"
LOCKS = {"runtime": Path("requirements.lock"), "dev": Path("requirements-dev.lock")}
PIP = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]


def main(level: str) -> int:
    """Make .venv if it is not there or not whole, and install what changed; the exit code of what failed, or 0."""
    try:
        with _one_at_a_time():
            if not _is_whole():
                _create()
            if _stamp(level).read_text(encoding="utf-8") != _wanted(level):
                _install(level)
    except subprocess.CalledProcessError as error:
        _say("That failed: the reason is above. The next make tries again.")
        return error.returncode
    except KeyboardInterrupt:
        _say("\nInterrupted: the next make goes on, with a fresh .venv where this one is not whole.")
        return 130
    return 0


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """`make run` and `make test` may be started together. A file that is always there is locked: none is left."""
    with Path(__file__).open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("Another make prepares .venv: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_whole() -> bool:
    """False too where the clone was moved (scripts name their Python by its path) or that Python was removed."""
    if UNFINISHED.exists() or not all(_stamp(level).exists() for level in LOCKS):
        return False
    if (VENV / "path").read_text(encoding="utf-8") != str(VENV.absolute()):
        return False
    asks_for = "import pip, sys; print(*sys.version_info[:2])"
    with contextlib.suppress(OSError):
        answer = subprocess.run([PYTHON, "-c", asks_for], capture_output=True, text=True, check=False)  # noqa: S603 -- our own
        return answer.stdout.split() == [str(part) for part in sys.version_info[:2]]
    return False


def _create() -> None:
    _say(f"Creating .venv with Python {sys.version.split()[0]}")
    shutil.rmtree(VENV, ignore_errors=True)
    # The one this Python was made from: this may be the .venv that has just been removed.
    base = sys._base_executable  # type: ignore[attr-defined]
    try:
        subprocess.run([base, "-m", "venv", VENV], check=True)  # noqa: S603 -- the Python that runs this
    except subprocess.CalledProcessError:
        _say(f"{base} cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv")
        raise
    (VENV / "path").write_text(str(VENV.absolute()), encoding="utf-8")
    for level in LOCKS:
        _stamp(level).write_text("", encoding="utf-8")


def _install(level: str) -> None:
    started = time.monotonic()
    packages = re.findall(r"^[\w.\[\]-]+==", LOCKS[level].read_text(encoding="utf-8"), re.MULTILINE)
    _say(f"Installing {len(packages)} locked packages into .venv (a minute or two, once)")
    UNFINISHED.touch()
    # A setting of the user's for installs outside of virtual environments would be refused in one.
    environ = {**os.environ, "PIP_USER": "0"}
    for what in (["--require-hashes", "-r", str(LOCKS[level])], ["--no-build-isolation", "-e", "."]):
        subprocess.run([*PIP, *what], env=environ, check=True)  # noqa: S603 -- pip of our own .venv
    # The development lock holds all of the other one.
    for done in LOCKS if level == "dev" else [level]:
        _stamp(done).write_text(_wanted(done), encoding="utf-8")
    UNFINISHED.unlink()
    _say(f"Installed in {time.monotonic() - started:.0f} s")


def _stamp(level: str) -> Path:
    return VENV / f"{level}.installed"


def _wanted(level: str) -> str:
    """Digest of what decides an install. Content, not times: git sets those anew."""
    return hashlib.sha256(LOCKS[level].read_bytes() + Path("pyproject.toml").read_bytes()).hexdigest()


def _say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
