"""Feeds: what is new in a view, as Atom 1.0 (RFC 4287), for whoever reads news and not dashboards.

An entry is of a week that is over: it says the same for good, and no reader shows it anew after each measurement.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import quote, urlsplit
from xml.etree.ElementTree import Element, SubElement, tostring

from spotify_assets.dashboard.filters import FilterError, Filters
from spotify_assets.dashboard.marts import Build

MEDIA_TYPE = "application/atom+xml"
NOT_SUBSCRIBED = frozenset({"week", "weeks", "sort", "descending", "page"})
"""What a feed does not take: it is of the latest weeks, in their own order."""
_ATOM = "http://www.w3.org/2005/Atom"
_XHTML = "http://www.w3.org/1999/xhtml"
# Of the year in which these ids were made up, as RFC 4151 wants it.
_ID_YEAR = 2026
_NEVER_BUILT = datetime(1970, 1, 1, tzinfo=UTC)
# XML 1.0 has no way to write these.
_NOT_IN_XML = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Line:
    """A line of an entry.

    Attributes:
        before: Text before the link.
        linked: Text of the link.
        address: Where it leads, within the dashboard.
        after: Text after it.
    """

    before: str
    linked: str
    address: str
    after: str


@dataclass(frozen=True)
class Entry:
    """An entry.

    Attributes:
        name: Tells it from all others of the dashboard, for good.
        title: In a list of news.
        address: What it leads to, within the dashboard.
        updated: When it began to be true.
        text: A sentence or two.
        lines: A list that follows, in order.
    """

    name: str
    title: str
    address: str
    updated: datetime
    text: str
    lines: Sequence[Line] = ()


@dataclass(frozen=True)
class Feed:
    """A feed.

    Attributes:
        title: Of what it is.
        subtitle: When there is an entry, and what of.
        entries: The latest first.
        uses: The filters that change it, beside those of NOT_SUBSCRIBED.
    """

    title: str
    subtitle: str
    entries: Sequence[Entry]
    uses: frozenset[str]


def subscribed(filters: Filters, uses: frozenset[str]) -> Filters:
    """What of the filters a feed of a view holds on to."""
    return replace(filters, **{name: _UNSET[name] for name in _UNSET if name not in uses - NOT_SUBSCRIBED})  # type: ignore[arg-type]


def refuse_what_passes(filters: Filters) -> None:
    """A feed of one week would end with it.

    Raises:
        FilterError: the address asks for a week, a page or an order.
    """
    for name in sorted(NOT_SUBSCRIBED):
        if getattr(filters, name) != _UNSET[name]:
            raise FilterError(f"A feed is of the latest weeks, in their own order: leave {name} away.")


def end_of(week: date) -> datetime:
    """When a week is over."""
    return datetime.combine(week + timedelta(days=7), time(), UTC)


def is_over(week: date, build: Build | None) -> bool:
    """Whether the build knew the whole of a week."""
    return build is not None and build.as_of >= end_of(week)


def as_atom(feed: Feed, build: Build | None, site: str, path: str, query: str) -> bytes:
    """A feed as Atom.

    Args:
        feed: what it says.
        build: of the mart that it is made from.
        site: the dashboard's address as the reader has it, without a slash at its end.
        path: the view's path; the feed is beside it.
        query: the filters that are held on to.
    """
    is_invented = build is not None and build.source == "sandbox"
    asked = f"?{query}" if query else ""
    root = Element("feed", {"xmlns": _ATOM, "xml:lang": "en"})
    _add(root, "id", _tag(site, f"{path}{asked}"))
    _add(root, "title", f"Sandbox data: {feed.title}" if is_invented else feed.title)
    _add(
        root,
        "subtitle",
        f"Artists, albums and numbers are invented: cite nothing from it. {feed.subtitle}"
        if is_invented
        else feed.subtitle,
    )
    _add(root, "updated", _instant(build.as_of if build else _NEVER_BUILT))
    _link(root, "self", f"{site}{path}.atom{asked}", MEDIA_TYPE)
    _link(root, "alternate", f"{site}{path}{asked}", "text/html")
    _add(SubElement(root, "author"), "name", "spotify-assets")
    for entry in feed.entries:
        _write(SubElement(root, "entry"), entry, site)
    written: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _write(place: Element, entry: Entry, site: str) -> None:
    _add(place, "id", _tag(site, f"/{entry.name}"))
    _add(place, "title", entry.title)
    _add(place, "updated", _instant(entry.updated))
    _link(place, "alternate", f"{site}{entry.address}", "text/html")
    division = SubElement(SubElement(place, "content", {"type": "xhtml"}), "div", {"xmlns": _XHTML})
    _add(division, "p", entry.text)
    if entry.lines:
        ordered = SubElement(division, "ol")
        for line in entry.lines:
            _write_line(SubElement(ordered, "li"), line, site)


def _write_line(place: Element, line: Line, site: str) -> None:
    place.text = _writable(line.before)
    link = SubElement(place, "a", {"href": _writable(f"{site}{line.address}")})
    link.text, link.tail = _writable(line.linked), _writable(line.after)


def _add(place: Element, name: str, text: str) -> None:
    SubElement(place, name).text = _writable(text)


def _link(place: Element, rel: str, address: str, media_type: str) -> None:
    SubElement(place, "link", {"rel": rel, "type": media_type, "href": _writable(address)})


def _writable(text: str) -> str:
    return _NOT_IN_XML.sub("\ufffd", text)


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _tag(site: str, name: str) -> str:
    """An id that stays when the address of the entry does not (RFC 4151)."""
    host = quote(urlsplit(site).hostname or "localhost", safe="")
    return f"tag:{host},{_ID_YEAR}:{name}"


_UNSET: Mapping[str, object] = {field.name: field.default for field in fields(Filters)}
