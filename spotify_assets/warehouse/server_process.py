"""Operating system side of the embedded server: the account it runs as, its process, detached children."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_POLL = 0.02

# Becomes another user, then the command. Its own program, because subprocess' `user=` forks, and with that runs the
# fork handlers of whatever is loaded: in Dagster's code server, which serves gRPC, the child died of SIGSEGV in a part
# of the starts. Without `user=` subprocess uses vfork, which runs none.
_BECOME = (
    "import os, sys; uid, gid = map(int, sys.argv[1:3]); os.setgroups([]); os.setgid(gid); os.setuid(uid);"
    " os.execvp(sys.argv[3], sys.argv[3:])"
)


@dataclass(frozen=True)
class Account:
    """The user that the server's programs run as; PostgreSQL refuses to run as root."""

    name: str
    uid: int
    gid: int

    def run(self, command: Sequence[str | Path], **options: Any) -> subprocess.CompletedProcess[str]:  # noqa: ANN401 -- handed on to subprocess.run
        """Run a command as this account and wait for it; its output is captured as text."""
        become: list[str] = []
        if os.geteuid() != self.uid:
            become = [sys.executable, "-I", "-S", "-c", _BECOME, str(self.uid), str(self.gid)]
        return subprocess.run(  # noqa: S603 -- programs of this package and of the chosen PostgreSQL
            [*become, *(str(part) for part in command)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            **options,
        )

    def run_detached(
        self, command: Sequence[str | Path], *, log: Path, folder: Path, environ: Mapping[str, str]
    ) -> int:
        """Start a command that outlives this process, in a session of its own; return its pid.

        A shell starts it in the background and leaves: so it is no child of ours that could become a zombie,
        and Ctrl-C in our terminal does not reach it. Arguments travel as `"$@"`, never as shell text.
        """
        started = self.run(
            ["/bin/sh", "-c", '"$@" >>"$0" 2>&1 </dev/null & echo $!', log, *command],
            start_new_session=True,
            cwd=folder,
            env=dict(environ),
        )
        return int(started.stdout)

    def reaches(self, path: Path) -> bool:
        """True when this account can read `path` (and enter it, where it is a folder).

        Raises:
            OSError: it could not be found out. Taken for a no, a database would be made anew elsewhere.
        """
        probe = 'test -r "$0" && { test ! -d "$0" || test -x "$0"; }'
        asked = self.run(["/bin/sh", "-c", probe, path], cwd="/")
        if asked.returncode not in (0, 1):
            raise OSError(
                f"Whether {self.name} reaches {path} is unknown ({asked.returncode}): {asked.stderr}"
            )
        return asked.returncode == 0

    def own(self, path: Path) -> None:
        """Give one file or folder of ours to this account; nothing to do unless we are root."""
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.gid)


def server_account(folder: Path) -> Account:
    """Who runs the server of `folder`: this user; for root the folder's owner, or `nobody` where that is root."""
    uid = os.geteuid()
    if uid == 0:
        owner = folder.stat().st_uid
        entry = _entry_of(owner) if owner != 0 else pwd.getpwnam("nobody")
    else:
        entry = _entry_of(uid)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _entry_of(uid: int) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        # Containers may run under ids that no passwd file knows: initdb then says so, in its own words.
        return pwd.struct_passwd((str(uid), "x", uid, os.getegid(), "", "/", "/bin/sh"))


def copy_for_everyone(folders: Sequence[Path], target: Path) -> None:
    """Copy `folders` into the new folder `target`, readable by every user; safe when two do it at once."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    aside = Path(tempfile.mkdtemp(prefix=f"{target.name}-", dir=target.parent))
    for folder in folders:
        shutil.copytree(folder, aside / folder.name, symlinks=True)
    for path in (aside, *aside.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    try:
        aside.rename(target)
    except OSError:
        # Another process was first. Anything else that keeps the target away is an error.
        shutil.rmtree(aside)
        if not target.is_dir():
            raise


def command_line(pid: int, proc: Path = Path("/proc")) -> tuple[str, ...] | None:
    """The arguments of a running process; None when there is none, or only its zombie."""
    if (proc / "self" / "cmdline").exists():
        try:
            raw = (proc / str(pid) / "cmdline").read_bytes()
            # Empty as well for a moment while a process becomes another program: it is alive, and has no name yet.
            if not raw and _is_dead((proc / str(pid) / "stat").read_text()):
                return None
        except (FileNotFoundError, ProcessLookupError):
            return None
        return tuple(os.fsdecode(part) for part in raw.rstrip(b"\0").split(b"\0"))
    listed = subprocess.run(  # noqa: S603 -- fixed command
        ["/bin/ps", "-ww", "-o", "stat=,command=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    stat, _, command = listed.stdout.strip().partition(" ")
    return (command.strip(),) if command and not stat.startswith("Z") else None


def _is_dead(stat: str) -> bool:
    # Behind the name, which may hold anything, blanks and brackets included.
    return stat.rpartition(")")[2].split()[0] in {"Z", "X"}


def postmaster_pid(data: Path) -> int | None:
    """The pid of the server that runs on `data`, by its own pid file; None when no such process is alive.

    After a crash or reboot the pid in the file may be any other program's, and the file may be cut short:
    only a live `postgres -D data` counts.
    """
    try:
        first_line = (data / "postmaster.pid").read_text(errors="replace").partition("\n")[0]
    except FileNotFoundError:
        return None
    if not first_line.strip().isdigit() or int(first_line) <= 1:
        return None
    command = command_line(int(first_line))
    if command is None or "postgres" not in command[0] or not any(str(data) in part for part in command):
        return None
    return int(first_line)


def stop_server(
    data: Path,
    *,
    within: float = 60.0,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> bool:
    """Shut the server on `data` down (fast: open transactions are rolled back); True when it has gone.

    Also true when none was running.
    """
    pid = postmaster_pid(data)
    if pid is None:
        return True
    os.kill(pid, signal.SIGINT)
    deadline = monotonic() + within
    while command_line(pid) is not None:
        if monotonic() > deadline:
            return False
        sleep(_POLL)
    return True
