"""A table as a page shows it and as a file holds it: the same columns, the same rows, in the same order."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

Row = Mapping[str, Any]

NOT_MEASURED = "not measured"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Cell:
    """What a page shows of a value.

    Attributes:
        text: In words; of a value that is not there, why.
        href: Where it leads.
        is_missing: Whether the value is not there: shown in another colour, and said in words.
        tone: good or bad, for a change; told by the text as well, never by the colour alone.
        image: Address of a picture shown before the text.
        parts: Several things in place of the text, each with its own link, such as artists.
    """

    text: str
    href: str | None = None
    is_missing: bool = False
    tone: str | None = None
    image: str | None = None
    parts: Sequence["Cell"] = ()


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: As the files have it; a column of the rows.
        label: As the page has it, with its unit.
        cell: What the page shows of a row; default: the value as it is.
        missing: What a null means here, in words; a function where it depends on the row.
        is_number: Numbers stand at the right.
        is_text: Names have room, so that their rows stay low.
        is_sortable: Whether the address may ask for this order.
        is_shown: False for what only files have, such as ids.
        explanation: One sentence for whoever points at the label.
    """

    name: str
    label: str
    cell: Callable[[Row], Cell] | None = None
    missing: str | Callable[[Row], str] = UNKNOWN
    is_number: bool = False
    is_text: bool = False
    is_sortable: bool = True
    is_shown: bool = True
    explanation: str | None = None

    def shown(self, row: Row) -> Cell:
        """What the page shows of a row."""
        value = row[self.name]
        if value is None or value == []:
            return Cell(self.missing if isinstance(self.missing, str) else self.missing(row), is_missing=True)
        return self.cell(row) if self.cell else Cell(in_words(value))


@dataclass(frozen=True)
class Table:
    """Rows with their columns.

    Attributes:
        caption: What it shows, in words.
        columns: In their order.
        rows: Those of this page and of its files.
        note: Its n, its coverage, what was left out.
        total: Rows in all, where only some are shown.
        empty: What to say where there is none: why, and what to do.
        sort: Name of the column by which the rows are in order.
        descending: Whether from the highest.
        page_rows: Those of `rows` that the page shows, where the files hold more; None: all of them.
    """

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    note: str
    empty: str
    total: int | None = None
    sort: str | None = None
    descending: bool = False
    page_rows: Sequence[Row] | None = None

    @property
    def shown_rows(self) -> Sequence[Row]:
        """Those that the page shows."""
        return self.rows if self.page_rows is None else self.page_rows

    @property
    def shown_columns(self) -> list[Column]:
        """Those that the page shows."""
        return [column for column in self.columns if column.is_shown]

    def as_csv(self) -> str:
        """The rows as CSV: nulls empty, lists separated by semicolons, times in ISO 8601."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow([column.name for column in self.columns])
        writer.writerows([_in_csv(row[column.name]) for column in self.columns] for row in self.rows)
        return text.getvalue()

    def as_json(self) -> list[dict[str, Any]]:
        """The rows as JSON holds them: nulls null, dates in ISO 8601."""
        return [{column.name: _in_json(row[column.name]) for column in self.columns} for row in self.rows]


def in_words(value: object) -> str:
    """A value as a page writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)


def number(name: str, digits: int = 1) -> Callable[[Row], Cell]:
    """A number with so many digits after the point."""
    return lambda row: Cell(f"{row[name]:,.{digits}f}")


# A spreadsheet takes what begins with one of these for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def _in_csv(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        value = "; ".join(map(str, value))
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def _in_json(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime | date) else value
