"""Locks on files that the kernel drops when their process dies, however it dies."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

_POLL = 0.02


class LockTimeoutError(RuntimeError):
    """Another process holds a lock for longer than its work can take."""


class FileLock:
    """One open file and the lock this process has on it.

    The file is never deleted: a lock on a deleted file would exclude nobody.
    """

    def __init__(self, path: Path, *, owner: tuple[int, int] | None = None, create: bool = True) -> None:
        self.path = path
        # Readable by nobody else, and closed on exec: a child must not keep the lock alive.
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0)
        self._descriptor = os.open(path, flags, 0o600)
        if owner is not None and os.geteuid() == 0:
            os.fchown(self._descriptor, *owner)

    def is_current(self) -> bool:
        """False when the folder was deleted, and perhaps made anew, since the file was opened."""
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(os.fstat(self._descriptor), there)

    def share(self) -> None:
        """Wait for the shared lock."""
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def take(self) -> None:
        """Wait for the exclusive lock."""
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def try_take(self) -> bool:
        """Take the exclusive lock if nobody else has any; else keep none."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Give the lock back; the file stays open."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give the lock back, unless a forked child still has the same file open."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def exclusively(
    path: Path,
    *,
    within: float,
    owner: tuple[int, int] | None = None,
    create: bool = True,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> Iterator[None]:
    """Hold the exclusive lock of `path`.

    Raises:
        LockTimeoutError: another process kept it for longer than `within` seconds.
    """
    deadline = monotonic() + within
    with FileLock(path, owner=owner, create=create) as lock:
        while not lock.try_take():
            if monotonic() > deadline:
                raise LockTimeoutError(
                    f"Another process has been starting or stopping the database for {within:.0f} s "
                    f"(it holds {path}): end it, and try again"
                )
            sleep(_POLL)
        yield
