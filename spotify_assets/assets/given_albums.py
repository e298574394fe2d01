"""Albums that somebody names in a file or a table: a way to discover that takes no call at all."""

import csv
import io
import re
from pathlib import Path

from sqlalchemy import Engine, MetaData, Table, select
from sqlalchemy.exc import NoSuchTableError

from spotify_assets.spotify.identifiers import album_id_in

_COLUMN = "album_id"
_TABLE_NAME = re.compile(r"(?P<schema>\w+)\.(?P<table>\w+)")
_SHOWN = 3


class GivenAlbumsError(ValueError):
    """The file or table cannot be used; the message names it, the line, and what would do."""


def given_album_ids(source: str, engine: Engine) -> list[str]:
    """The ids of the albums that a file or a table names, in its order, each once.

    Args:
        source: a file with an id, a `spotify:album:` URI or an open.spotify.com link in each line (blank lines and
            those that begin with # count for nothing), or a CSV file with a column `album_id`; or a table of the
            warehouse, as schema.table, with that column.
        engine: the warehouse.

    Raises:
        GivenAlbumsError: there is no such file or table, or something in it is no album. Nothing of it is used then.
    """
    path = Path(source)
    if path.is_file():
        return _checked(source, _lines(source, path))
    if name := _TABLE_NAME.fullmatch(source):
        return _checked(source, _rows(source, engine, name["schema"], name["table"]))
    raise GivenAlbumsError(
        f"{source}: there is no such file, and it is no name of a table (schema.table). Give a file with an album id in"
        f" each line, a CSV file with a column {_COLUMN}, or a table with that column."
    )


def _lines(source: str, path: Path) -> list[tuple[str, str]]:
    """Where each id stands, and its text."""
    try:
        # utf-8-sig: spreadsheets begin a file with a mark that is no part of the first word.
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise GivenAlbumsError(f"{source} cannot be read: {error}") from error
    first = text.partition("\n")[0]
    if _COLUMN in re.split(r"[,;\t]", first.strip().replace('"', "")):
        return _cells(source, text, first)
    numbered = enumerate(text.splitlines(), start=1)
    return [
        (f"line {number}", line.strip())
        for number, line in numbered
        if line.strip() and line.strip()[0] != "#"
    ]


def _cells(source: str, text: str, first: str) -> list[tuple[str, str]]:
    separator = next((mark for mark in ",;\t" if mark in first), ",")
    rows = csv.DictReader(io.StringIO(text), delimiter=separator)
    try:
        cells = [(f"line {rows.line_num}", (row[_COLUMN] or "").strip()) for row in rows]
    except csv.Error as error:
        raise GivenAlbumsError(f"{source}, line {rows.line_num}: {error}") from error
    return [(place, cell) for place, cell in cells if cell]


def _rows(source: str, engine: Engine, schema: str, name: str) -> list[tuple[str, str]]:
    try:
        table = Table(name, MetaData(), schema=schema, autoload_with=engine)
    except NoSuchTableError as error:
        raise GivenAlbumsError(
            f"{source}: there is no such file, and no such table in the warehouse"
        ) from error
    if _COLUMN not in table.columns:
        raise GivenAlbumsError(
            f"Table {source} has no column {_COLUMN}; it has {', '.join(table.columns.keys())}"
        )
    with engine.connect() as connection:
        values = connection.execute(select(table.columns[_COLUMN])).scalars()
        return [
            (f"row {number}", str(value)) for number, value in enumerate(values, start=1) if value is not None
        ]


def _checked(source: str, places: list[tuple[str, str]]) -> list[str]:
    ids = {place: album_id_in(text) for place, text in places}
    # Without the text: the file may be the wrong one, and hold secrets.
    wrong = [f"{place} ({len(text)} characters)" for place, text in places if ids[place] is None]
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise GivenAlbumsError(
            f"{source}: {', '.join(wrong[:_SHOWN])}{more}: not an album id of 22 letters and digits, a spotify:album:"
            " URI or a link to an album. Nothing of it was used."
        )
    if not places:
        raise GivenAlbumsError(f"{source} names no album")
    return list(dict.fromkeys(album_id for album_id in ids.values() if album_id is not None))
