"""Stops an embedded server that nobody uses any more, for users that were killed and could not do it.

Runs as `python -m spotify_assets.warehouse.embedded_watch FOLDER DATA`, one process per server, detached.
It sleeps in the kernel until the last user's lease is gone.
"""

import sys
from pathlib import Path

from spotify_assets.warehouse.file_locks import FileLock, exclusively
from spotify_assets.warehouse.server_process import stop_server

# Longer than any start or stop takes.
_LOCK_WAIT = 400.0


def watch(folder: Path, data: Path) -> None:
    """Wait until no process holds a lease of `folder`, then stop the server on `data`.

    Creates no file: the folder may be on its way to being deleted.
    """
    with (
        FileLock(folder / ".watch", create=False) as watch_lock,
        FileLock(folder / ".lease", create=False) as lease,
    ):
        if not watch_lock.try_take():
            return
        while True:
            lease.take()
            # Given back at once: users take .lock before the lease, so holding the lease while waiting
            # for .lock would lock us out of each other for ever.
            lease.release()
            with exclusively(folder / ".lock", within=_LOCK_WAIT, create=False):
                if not lease.is_current():
                    return
                if lease.try_take():
                    stop_server(data)
                    # Before .lock is free: the next user must see that nobody watches.
                    watch_lock.release()
                    return


def main(arguments: list[str]) -> int:
    """Watch the folder named; a folder that was deleted in the meantime needs no watching."""
    try:
        watch(Path(arguments[0]), Path(arguments[1]))
    except FileNotFoundError:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
