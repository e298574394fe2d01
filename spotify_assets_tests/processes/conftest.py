"""A folder such as a clone is, and commands run in it with nothing set."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from spotify_assets.sandbox.server import SandboxServer

REPOSITORY = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
# What a shell has with nothing set. HOME is empty: no configuration of the user's takes part.
KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR")


@dataclass
class Clone:
    """A folder with what a clone has for commands to find; `environ` is added to an otherwise empty environment."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def shell(self) -> dict[str, str]:
        """The environment that commands get."""
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        return {**kept, "HOME": str(self.folder / "empty-home"), **self.environ}

    def run(self, *command: str, seconds: float = 240) -> subprocess.CompletedProcess[str]:
        """Run one of the project's commands to its end."""
        return subprocess.run(
            [str(BIN / command[0]), *command[1:]],
            cwd=self.folder,
            env=self.shell,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
        )

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start one of the project's commands in a process group of its own, its output in `<command>.out`."""
        with (self.folder / f"{command[0]}.out").open("w", encoding="utf-8") as output:
            return subprocess.Popen(
                [str(BIN / command[0]), *command[1:]],
                cwd=self.folder,
                env=self.shell,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
                process_group=0,
            )

    def said(self, command: str) -> str:
        """What a started command has printed so far."""
        return (self.folder / f"{command}.out").read_text(encoding="utf-8")

    def processes(self) -> list[str]:
        """The processes that run in this folder or on its data, other than this one."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                here = (entry / "cwd").readlink()
            except OSError:
                continue
            if int(entry.name) != os.getpid() and (
                str(self.folder) in command or here.is_relative_to(self.folder)
            ):
                found.append(f"{entry.name} {command}")
        return found


def make_clone(**environ: str) -> Clone:
    """A new clone in a folder that other users may enter, as the embedded server's account must when run as root."""
    folder = Path(tempfile.mkdtemp(prefix="spotify-assets-clone-"))
    folder.chmod(0o755)
    (folder / "empty-home").mkdir()
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(REPOSITORY / name, folder / name)
    return Clone(folder, environ)


@pytest.fixture
def clone() -> Iterator[Clone]:
    """A clone with nothing set."""
    made = make_clone()
    yield made
    shutil.rmtree(made.folder)


@pytest.fixture
def small_sandbox() -> Iterator[SandboxServer]:
    """A sandbox of six albums of three tracks."""
    with SandboxServer(albums=6, tracks_per_album=3) as sandbox:
        yield sandbox


@pytest.fixture
def sandboxed_clone(clone: Clone, small_sandbox: SandboxServer) -> Clone:
    """A clone whose commands use the small sandbox."""
    clone.environ.update(
        SPOTIFY_SANDBOX="1",
        SPOTIFY_API_URL=small_sandbox.api_url,
        SPOTIFY_ACCOUNTS_URL=small_sandbox.accounts_url,
    )
    return clone


def interrupt(process: subprocess.Popen[str], seconds: float = 60) -> int:
    """Press Ctrl-C: the signal goes to the whole process group, as a terminal sends it."""
    os.killpg(process.pid, signal.SIGINT)
    return process.wait(seconds)
