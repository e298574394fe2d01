"""The long-running processes of `spotify-assets up`: Dagster's webserver and daemon, ended together."""

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.error import URLError
from urllib.request import urlopen

_READY_WITHIN = 120.0
_END_WITHIN = 15.0


class AlreadyRunningError(RuntimeError):
    """Another `up` runs on the same home folder; the message says where."""


class ServerFailedError(RuntimeError):
    """A server ended or did not come up; the message names it and its log."""


@contextlib.contextmanager
def only_one(home: Path, address: str) -> Iterator[None]:
    """Hold the home folder for one `up`; the kernel gives it free even after kill -9.

    Raises:
        AlreadyRunningError: another one holds it.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / "up.lock").open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunningError(_who_holds(lock, home)) from None
        lock.truncate(0)
        lock.write(json.dumps({"pid": os.getpid(), "address": address}))
        lock.flush()
        yield


def _who_holds(lock: IO[str], home: Path) -> str:
    lock.seek(0)
    try:
        holder = json.loads(lock.read())
    except json.JSONDecodeError:
        return f"spotify-assets is already starting on {home}."
    return f"spotify-assets is already running on {home}: process {holder['pid']}, {holder['address']}."


def refuse_taken_port(port: int, option: str) -> None:
    """Raise ServerFailedError where something else listens on the port already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ServerFailedError(
                f"Port {port} of 127.0.0.1 cannot be used ({error.strerror}): end what uses it, or choose another"
                f" with {option}."
            ) from error


@dataclass
class Server:
    """A process that serves until it is ended, with a session of its own so that all its children end with it."""

    name: str
    command: Sequence[str]
    log: Path
    own_environment: Mapping[str, str] | None = None
    process: subprocess.Popen[bytes] | None = None

    def start(self, environ: Mapping[str, str], folder: Path) -> None:
        """Start it, with its own environment where it has one; what it prints goes to its log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 -- the project's own commands
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(environ if self.own_environment is None else self.own_environment),
                cwd=folder,
                start_new_session=True,
            )

    def refuse_if_ended(self) -> None:
        """Raise ServerFailedError where it ended by itself."""
        if self.process is not None and (code := self.process.poll()) is not None:
            raise ServerFailedError(
                f"The {self.name} ended with exit code {code}; the end of its log:\n{self.tail()}"
            )

    def tail(self) -> str:
        """The last lines of its log, and where it is."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:]
        return "\n".join([*lines, f"({self.log})"])

    def ask_to_end(self) -> None:
        """Send the signal at which Dagster's processes end in good order."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)

    def end(self, deadline: float) -> None:
        """Wait for it until `deadline`, then end it and whatever it started."""
        if self.process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.1, deadline - time.monotonic()))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def dagster_servers(folder: Path, home: Path, port: int) -> list[Server]:
    """Dagster's webserver and daemon on the project's workspace."""
    bin_folder = Path(sys.executable).parent
    workspace = ["-w", str(folder / "workspace.yaml")]
    logs = home / "logs"
    return [
        Server(
            "Dagster webserver",
            [str(bin_folder / "dagster-webserver"), "-h", "127.0.0.1", "-p", str(port), *workspace],
            logs / "webserver.log",
        ),
        Server(
            "Dagster daemon", [str(bin_folder / "dagster-daemon"), "run", *workspace], logs / "daemon.log"
        ),
    ]


@contextlib.contextmanager
def running(servers: Sequence[Server], environ: Mapping[str, str], folder: Path) -> Iterator[None]:
    """Start the servers, and end them all, with everything they started, when the block is left."""
    try:
        for server in servers:
            server.start(environ, folder)
        yield
    finally:
        for server in servers:
            server.ask_to_end()
        deadline = time.monotonic() + _END_WITHIN
        for server in servers:
            server.end(deadline)


def wait_until_ready(url: str, servers: Sequence[Server]) -> None:
    """Return when `url` answers.

    Raises:
        ServerFailedError: a server ended, or nothing answered in time.
    """
    deadline = time.monotonic() + _READY_WITHIN
    while not _answers(url):
        for server in servers:
            server.refuse_if_ended()
        if time.monotonic() > deadline:
            raise ServerFailedError(
                f"{url} did not answer within {_READY_WITHIN:.0f} s:\n{servers[0].tail()}"
            )
        time.sleep(0.3)


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as answer:  # noqa: S310 -- a loopback address of our own
            return bool(answer.status == 200)
    except (URLError, TimeoutError, ConnectionError):
        return False


def watch(servers: Sequence[Server]) -> None:
    """Return never while all servers run; raise ServerFailedError when one ends."""
    while True:
        for server in servers:
            server.refuse_if_ended()
        time.sleep(1)
