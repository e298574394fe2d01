"""The embedded Postgres: a server in one folder, shared by every process that uses the folder.

Each user holds a lease (a shared lock the kernel drops when the process dies); the last one to close stops
the server, and where the last one was killed a small watcher process does.
"""

import atexit
import hashlib
import os
import secrets
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Self

import psycopg
from psycopg import sql

from spotify_assets.warehouse.file_locks import FileLock, exclusively
from spotify_assets.warehouse.postgres_binaries import Binaries, find_binaries
from spotify_assets.warehouse.server_process import (
    Account,
    command_line,
    copy_for_everyone,
    postmaster_pid,
    server_account,
    stop_server,
)

USER = "postgres"
DATABASE = "spotify_assets"
# Where root keeps what the server's account cannot reach below root's own folders.
SYSTEM_FOLDER = Path("/var/lib/spotify-assets")

_START_TIMEOUT = 300.0
_LOCK_WAIT = _START_TIMEOUT + 100.0
_POLL = 0.02
_PORT_ATTEMPTS = 5
_LOG_LIMIT = 10_000_000
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class EmbeddedPostgresError(RuntimeError):
    """The embedded server cannot be used; the message says what happened and how to go on."""


@dataclass(frozen=True)
class ServerAddress:
    """How to reach a running server."""

    port: int
    password: str = field(repr=False)
    host: str = "127.0.0.1"
    user: str = USER
    database: str = DATABASE


@dataclass(frozen=True)
class _Ground:
    """The folder the server itself works in: cluster, password, port, log."""

    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def password(self) -> Path:
        return self.folder / "password"

    @property
    def port(self) -> Path:
        return self.folder / "port"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"


class EmbeddedPostgres:
    """This process's share in the server of one folder.

    Args:
        directory: the folder; made when missing, readable by its owner only.
        environ: the environment to look for PG_BIN and PATH in.
        system_folder: where root puts what the server's account cannot reach in `directory`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        environ: Mapping[str, str] | None = None,
        system_folder: Path = SYSTEM_FOLDER,
    ) -> None:
        self.directory = directory.absolute()
        self._environ = os.environ if environ is None else environ
        self._system_folder = system_folder
        self._lease: FileLock | None = None
        self._lease_holder = 0

    def start(self) -> ServerAddress:
        """Attach to the server, starting it (and making its cluster) where needed; again: check it still runs.

        Raises:
            EmbeddedPostgresError: it cannot be started; the message ends with the tail of the server's log.
            BinariesNotFoundError: there is no PostgreSQL on this machine.
        """
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            account = server_account(self.directory)
            account.own(self.directory)
            with self._exclusively(account):
                self._take_lease(account)
                ground = self._ground(account)
                address = self._answering(ground) or self._launch(ground, account)
                self._ensure_watched(ground)
                return address
        except PermissionError as error:
            raise EmbeddedPostgresError(
                f"The database folder {self.directory} cannot be used by this user ({error}): run as the user "
                "who made it, or set SPOTIFY_ASSETS_HOME to a folder of your own"
            ) from error

    def close(self, *, stop_if_last: bool = True) -> None:
        """Give the lease back; the last user stops the server. Closing twice is fine."""
        lease, self._lease = self._lease, None
        if lease is None:
            return
        if self._lease_holder != os.getpid():
            # A forked child: the lease is its parent's.
            lease.close()
            return
        atexit.unregister(self.close)
        with lease:
            if stop_if_last and (self.directory / ".lock").exists():
                self._stop_if_last(lease)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _stop_if_last(self, lease: FileLock) -> None:
        account = server_account(self.directory)
        with self._exclusively(account):
            data = self._ground(account).data
            if _is_last(lease) and not stop_server(data):
                raise EmbeddedPostgresError(f"The server on {data} did not stop within a minute")

    def _exclusively(self, account: Account) -> AbstractContextManager[None]:
        return exclusively(self.directory / ".lock", within=_LOCK_WAIT, owner=(account.uid, account.gid))

    def _take_lease(self, account: Account) -> None:
        if self._lease is not None and self._lease_holder == os.getpid():
            return
        if self._lease is not None:
            self._lease.close()
        self._lease = FileLock(self.directory / ".lease", owner=(account.uid, account.gid))
        self._lease.share()
        self._lease_holder = os.getpid()
        atexit.register(self.close)

    def _ground(self, account: Account) -> _Ground:
        location = self.directory / "location"
        if location.exists():
            folder = Path(location.read_text(encoding="utf-8").strip())
            if folder.is_dir():
                return _Ground(folder)
        elif (self.directory / "data").exists() or account.reaches(self.directory):
            # A cluster that is there was reached once: only a new one is placed.
            return _Ground(self.directory)
        return _Ground(self._place_elsewhere(account, location))

    def _place_elsewhere(self, account: Account, location: Path) -> Path:
        """A folder that the server's account can reach, noted in the file `location`.

        Only root comes here. The random part keeps a home that was deleted from coming back with old rows.
        """
        self._system_folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        name = hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:12]
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self._system_folder))
        account.own(folder)
        if not account.reaches(folder):
            folder.rmdir()
            raise EmbeddedPostgresError(
                f"PostgreSQL does not run as root, and the user {account.name} it runs as here reaches neither "
                f"{self.directory} nor {self._system_folder}: set SPOTIFY_ASSETS_HOME to a folder whose parents "
                "other users may enter"
            )
        location.write_text(f"{folder}\n", encoding="utf-8")
        return folder

    def _answering(self, ground: _Ground) -> ServerAddress | None:
        """The address, when the server of this folder answers there. A pid alone proves nothing."""
        port = _remembered_port(ground.port)
        if not port or not ground.password.exists():
            return None
        address = ServerAddress(port=port, password=ground.password.read_text().strip())
        return address if _serves(address, ground.data) else None

    def _launch(self, ground: _Ground, account: Account) -> ServerAddress:
        if postmaster_pid(ground.data) is None:
            binaries = self._reachable_binaries(account)
            self._ensure_cluster(ground, account, binaries)
            (ground.data / "postmaster.pid").unlink(missing_ok=True)
            address = self._start_on_a_free_port(ground, account, binaries)
        else:
            # Alive and not answering: it recovers from a crash.
            address = self._await_answer(ground, lambda: postmaster_pid(ground.data) is not None)
        if address is None:
            raise EmbeddedPostgresError(f"The embedded Postgres did not start. {_log_tail(ground)}")
        _ensure_database(address)
        return address

    def _start_on_a_free_port(
        self, ground: _Ground, account: Account, binaries: Binaries
    ) -> ServerAddress | None:
        _rotate(ground.log)
        for _ in range(_PORT_ATTEMPTS):
            port = _free_port(_remembered_port(ground.port))
            _write_private(ground.port, f"{port}\n", account)
            logged = ground.log.stat().st_size if ground.log.exists() else 0
            settings = [f"--{name}={value}" for name, value in {**_SETTINGS, "port": port}.items()]
            pid = account.run_detached(
                [binaries.postgres, "-D", ground.data, *settings],
                log=ground.log,
                folder=ground.folder,
                environ=_server_environ(self._environ),
            )
            address = self._await_answer(ground, partial(_is_running, pid))
            if address is not None or "could not bind" not in _log_since(ground.log, logged):
                return address
        return None

    def _await_answer(self, ground: _Ground, is_alive: Callable[[], bool]) -> ServerAddress | None:
        deadline = time.monotonic() + _START_TIMEOUT
        while time.monotonic() < deadline:
            alive = is_alive()
            if (address := self._answering(ground)) is not None:
                return address
            if not alive:
                return None
            time.sleep(_POLL)
        return None

    def _ensure_cluster(self, ground: _Ground, account: Account, binaries: Binaries) -> None:
        major = binaries.major_version()
        if ground.data.is_dir():
            made_by = (ground.data / "PG_VERSION").read_text().strip()
            if made_by != major:
                raise EmbeddedPostgresError(
                    f"The database in {ground.data} was made by PostgreSQL {made_by}, and the server found in "
                    f"{binaries.folder} is PostgreSQL {major}. Name the bin folder of a PostgreSQL {made_by} in "
                    f"PG_BIN, or set SPOTIFY_ASSETS_HOME to a new folder to start afresh"
                )
            return
        _write_private(ground.password, secrets.token_urlsafe(24), account)
        # Made aside and renamed: one that was cut short is never taken for a cluster.
        aside = ground.folder / "data.new"
        shutil.rmtree(aside, ignore_errors=True)
        locale = "C" if sys.platform == "darwin" else "C.UTF-8"
        made = account.run(
            [binaries.initdb, "-D", aside, "-U", USER, "-A", "scram-sha-256", f"--pwfile={ground.password}",
             "-E", "UTF8", f"--locale={locale}", "--no-sync"],
            cwd=ground.folder,
            env=_server_environ(self._environ),
        )  # fmt: skip
        if made.returncode != 0:
            shutil.rmtree(aside, ignore_errors=True)
            raise EmbeddedPostgresError(
                f"An empty database could not be made in {ground.folder}: {made.stderr.strip()[-2000:]}"
            )
        aside.rename(ground.data)

    def _reachable_binaries(self, account: Account) -> Binaries:
        """The server programs, copied to where the account can reach them if it cannot (root's own venv)."""
        binaries = find_binaries(self._environ)
        if account.reaches(binaries.postgres) and account.reaches(binaries.folder.parent):
            return binaries
        folders = binaries.installation()
        # Another build of the same version must not meet the old copy: the path and time name it.
        identity = f"{binaries.folder}:{binaries.postgres.stat().st_mtime_ns}"
        copy = self._system_folder / f"postgresql-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
        if not copy.is_dir():
            copy_for_everyone(folders, copy)
        return Binaries(copy / folders[0].name / binaries.folder.relative_to(folders[0]))

    def _ensure_watched(self, ground: _Ground) -> None:
        account = server_account(self.directory)
        with FileLock(self.directory / ".watch", owner=(account.uid, account.gid)) as watch_lock:
            if not watch_lock.try_take():
                return
        package_root = Path(__file__).parents[2]
        myself = Account("", os.geteuid(), os.getegid())
        myself.run_detached(
            [sys.executable, "-m", "spotify_assets.warehouse.embedded_watch", self.directory, ground.data],
            log=Path(os.devnull),
            folder=Path("/"),
            environ={**_server_environ(self._environ), "PYTHONPATH": str(package_root)},
        )


def _is_last(lease: FileLock) -> bool:
    if lease.try_take():
        return True
    # Our own lease is dropped before the exclusive one is tried, and the watcher, which waits for that
    # moment, may have been faster. It gives the lease back at once and then waits for .lock, which we hold.
    lease.share()
    return lease.try_take()


def _is_running(pid: int) -> bool:
    return command_line(pid) is not None


def _serves(address: ServerAddress, data: Path) -> bool:
    try:
        with psycopg.connect(
            host=address.host,
            port=address.port,
            user=address.user,
            password=address.password,
            dbname="postgres",
            connect_timeout=5,
            sslmode="disable",
            application_name="spotify-assets",
        ) as connection:
            row = connection.execute("show data_directory").fetchone()
    except psycopg.OperationalError:
        # Nothing listens, another program does, another server refuses the password, or ours still recovers.
        return False
    return row is not None and Path(row[0]) == data


def _ensure_database(address: ServerAddress) -> None:
    with psycopg.connect(
        host=address.host, port=address.port, user=address.user, password=address.password, dbname="postgres",
        autocommit=True,
    ) as connection:  # fmt: skip
        known = connection.execute("select 1 from pg_database where datname = %s", (address.database,))
        if known.fetchone() is None:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(address.database)))
        # Everyone may connect by default: a reader of ours has nothing to look for in these.
        connection.execute("revoke all on database postgres, template1 from public")


def _remembered_port(path: Path) -> int:
    """The port of the last start; 0 when there was none, or the file was cut short."""
    text = path.read_text().strip() if path.exists() else ""
    return int(text) if text.isdigit() else 0


def _free_port(last: int) -> int:
    """The port of the last start if it is still free, so that addresses outlive a restart; else any free one."""
    for port in (last, 0):
        with socket.socket() as probe:
            # As the server does: connections that were closed a moment ago do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise EmbeddedPostgresError("No free port is left on 127.0.0.1")


def _write_private(path: Path, text: str, account: Account) -> None:
    """Write a file only its owner can read, whole or not at all."""
    aside = path.with_name(f"{path.name}.new")
    aside.unlink(missing_ok=True)
    with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123 -- mode at creation
        file.write(text)
    account.own(aside)
    aside.rename(path)


def _server_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """What the server needs of our environment, and no secret that stands there."""
    kept = ("PATH", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    return {"LC_ALL": "C", **{name: environ[name] for name in kept if name in environ}}


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > _LOG_LIMIT:
        log.replace(log.with_name("server.log.old"))


def _log_since(log: Path, position: int) -> str:
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(position)
        return file.read().decode(errors="replace")


def _log_tail(ground: _Ground) -> str:
    lines = _log_since(ground.log, 0).splitlines()[-15:]
    return "\n".join([f"The last lines of {ground.log}:", *lines]) if lines else f"{ground.log} is empty."
