"""What a view makes of the marts: a page of sections, from which HTML, JSON and CSV are written alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spotify_assets.dashboard.tables import Cell, Table


class NotFoundError(LookupError):
    """There is nothing at this address; the message says what is not there."""


@dataclass(frozen=True)
class Chart:
    """A chart, and what it says to whoever does not see it.

    Attributes:
        title: What it shows.
        finding: Its main finding in a sentence, with n: read out in place of the picture.
        spec: Vega-Lite, with its data.
        note: As of when, n, coverage.
        height: In px, kept free before it is drawn, so that nothing moves.
    """

    title: str
    finding: str
    spec: Mapping[str, Any]
    note: str
    height: int


@dataclass(frozen=True)
class Multiples:
    """The same small chart of several things.

    Attributes:
        title: What they have in common.
        charts: In their order; of each its own note is left out.
        addresses: Where each leads.
        note: As of a chart.
    """

    title: str
    charts: Sequence[Chart]
    addresses: Sequence[str]
    note: str


@dataclass(frozen=True)
class Facts:
    """A few numbers or words in a row, each with its name.

    Attributes:
        title: For whoever does not see them.
        entries: Names with what they name; a cell where it has links, or is not there.
        are_words: Whether they are words, which are set smaller than numbers.
    """

    title: str
    entries: Sequence[tuple[str, str | Cell]]
    are_words: bool = False


@dataclass(frozen=True)
class Prose:
    """A sentence or two, such as what a formula is."""

    title: str
    paragraphs: Sequence[str]


@dataclass(frozen=True)
class Tab:
    """One of a few sides of a page: its name, its address, and whether it is the one that is seen."""

    label: str
    address: str
    is_current: bool


@dataclass(frozen=True)
class Tabs:
    """The sides of a page, and what tells them from each other."""

    title: str
    tabs: Sequence[Tab]


Section = Chart | Facts | Multiples | Prose | Table


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        title: Its heading.
        lead: One sentence: what is seen here.
        table: What the JSON and the CSV at its address hold: exactly what the page shows.
        sections: In their order; the table is one of them.
        uses: The filters that change this page; the others are carried on and named as having no effect.
        steps: Links to the page before and after, such as weeks, by their labels.
        image: Address of a picture beside the heading.
        links: Other pages about the same, here or elsewhere, by their labels.
        choices: What a filter can be, by its name, where only the marts know.
        tabs: The sides of the page.
        defaults: What the page takes for filters that the address leaves out, by their names.
    """

    title: str
    lead: str
    table: Table
    sections: Sequence[Section]
    uses: frozenset[str]
    steps: Sequence[tuple[str, str]] = ()
    image: str | None = None
    links: Sequence[tuple[str, str]] = ()
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict)
    tabs: Tabs | None = None
    defaults: Mapping[str, str] = field(default_factory=dict)
