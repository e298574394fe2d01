"""The notebook of the marts: run from top to bottom, and as it is kept, with its outputs."""

import base64
import hashlib
import os
import struct
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from sqlalchemy import URL

from spotify_assets.warehouse.database import libpq_uri

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "marts.ipynb"
ADDRESS = "MARTS_URL"
"""The variable in which the notebook looks for the address of the warehouse."""

_CELL_SECONDS = 120
# As kept: neither the version of the Python that ran it nor the name of its environment.
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def executed(url: URL, *more_cells: str, until: str | None = None) -> NotebookNode:
    """The notebook, run in a kernel of its own.

    Args:
        url: the warehouse, as whoever's login it is.
        more_cells: code to run after it.
        until: the id of a cell after which to end; none: the last.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    if until is not None:
        del notebook.cells[1 + [cell.id for cell in notebook.cells].index(until) :]
    notebook.cells += [nbformat.v4.new_code_cell(source) for source in more_cells]
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=_CELL_SECONDS,
        record_timing=False,
        resources={"metadata": {"path": str(NOTEBOOK.parent)}},
    )
    # A profile of its own: the user's may run code at the start of every kernel.
    with tempfile.TemporaryDirectory() as profile:
        client.execute(env={**os.environ, "IPYTHONDIR": profile, ADDRESS: libpq_uri(url)})
    return notebook


def digest(notebook: NotebookNode) -> str:
    """What its code comes to: outputs belong to the code that gave them."""
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256("\0".join(code).encode()).hexdigest()


def as_text(notebook: NotebookNode) -> str:
    """The content of its file: without the names of one machine, with small pictures and the digest of what ran."""
    notebook.metadata = NotebookNode({**_METADATA, "executed": digest(notebook)})
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if picture := output.get("data", {}).get("image/png"):
                output.data["image/png"] = base64.b64encode(_smaller(base64.b64decode(picture))).decode()
    return f"{nbformat.writes(notebook).rstrip()}\n"


def _smaller(png: bytes) -> bytes:
    """The same picture, packed better: as drawn it is three times as large."""
    chunks = list(_chunks(png))
    pixels = zlib.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT"))
    others = [(kind, data) for kind, data in chunks if kind not in (b"IDAT", b"IEND")]
    packed = [*others, (b"IDAT", zlib.compress(pixels, 9)), (b"IEND", b"")]
    return png[:8] + b"".join(_framed(kind, data) for kind, data in packed)


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 8
    while place < len(png):
        (length,) = struct.unpack_from(">I", png, place)
        yield png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        place += length + 12


def _framed(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
