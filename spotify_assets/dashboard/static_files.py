"""Style, script and the vendored charts: held in memory, packed once, and named by their content."""

import gzip
import hashlib
import mimetypes
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

_FOR_A_YEAR = "public, max-age=31536000, immutable"


class StaticFiles:
    """The files of `static/`.

    Their address holds a digest of all of them, so that a browser keeps each for good and never a stale one.
    """

    def __init__(self) -> None:
        contents = dict(_files(files(__package__) / "static", ""))
        together = b"".join(name.encode() + content for name, content in sorted(contents.items()))
        self.digest = hashlib.sha256(together).hexdigest()[:12]
        self._plain = contents
        self._packed = {name: gzip.compress(content, 9, mtime=0) for name, content in contents.items()}

    def address(self, name: str) -> str:
        """Where a file is.

        Raises:
            KeyError: there is no such file.
        """
        self._plain[name]
        return f"/static/{self.digest}/{name}"

    async def answer(self, request: Request) -> Response:
        """A file, packed for those who take it so."""
        name = request.path_params["name"]
        if request.path_params["digest"] != self.digest or name not in self._plain:
            raise HTTPException(404)
        headers = {"Cache-Control": _FOR_A_YEAR, "Vary": "Accept-Encoding"}
        kind = mimetypes.guess_type(name)[0] or "text/plain"
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(self._packed[name], headers=headers, media_type=kind)
        return Response(self._plain[name], headers=headers, media_type=kind)


def _files(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry, f"{prefix}{entry.name}/")
        else:
            yield f"{prefix}{entry.name}", entry.read_bytes()
