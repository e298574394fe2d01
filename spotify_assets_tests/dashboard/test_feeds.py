"""The Atom feeds: valid, their entries the same for good, and honest about invented music."""

from datetime import UTC, datetime
from xml.etree.ElementTree import Element, fromstring

import pytest

from spotify_assets.dashboard.feeds import Entry, Feed, Line, as_atom, end_of
from spotify_assets.dashboard.marts import Build
from spotify_assets_tests.dashboard.conftest import Site

ATOM = {"atom": "http://www.w3.org/2005/Atom", "html": "http://www.w3.org/1999/xhtml"}


def feed_of(site: Site, address: str) -> Element:
    answer = site.get(address)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith("application/atom+xml")
    return fromstring(answer.content)  # noqa: S314 -- written by the server under test


def text_of(place: Element, path: str) -> str:
    text = place.findtext(path, namespaces=ATOM)
    assert text, path
    return text


@pytest.mark.parametrize(
    "address", ["/ranking.atom", "/movers.atom", "/ranking.atom?measure=deezer_rank&type=single"]
)
def test_a_feed_has_all_that_atom_asks_for(site: Site, address: str) -> None:
    feed = feed_of(site, address)
    assert feed.tag == "{http://www.w3.org/2005/Atom}feed"
    assert text_of(feed, "atom:author/atom:name")
    entries = feed.findall("atom:entry", ATOM)
    assert entries
    for place in (feed, *entries):
        assert text_of(place, "atom:id").startswith("tag:127.0.0.1,2026:/")
        assert text_of(place, "atom:title")
        assert datetime.fromisoformat(text_of(place, "atom:updated")).tzinfo is not None
    ids = [text_of(entry, "atom:id") for entry in entries]
    assert len(ids) == len(set(ids))
    links = {link.get("rel"): link.get("href") for link in feed.findall("atom:link", ATOM)}
    assert links["self"] == f"{site.address}{address}"
    assert links["alternate"] == f"{site.address}{address.replace('.atom', '')}"


def test_a_feed_is_as_old_as_the_build_of_its_mart(site: Site) -> None:
    as_of = site.value("select as_of from marts.builds where mart = 'weekly_popular_releases'")
    assert datetime.fromisoformat(text_of(feed_of(site, "/ranking.atom"), "atom:updated")) == as_of


def test_invented_music_is_called_so_in_title_and_subtitle(site: Site) -> None:
    for address in ("/ranking.atom", "/movers.atom"):
        feed = feed_of(site, address)
        assert text_of(feed, "atom:title").startswith("Sandbox data: ")
        assert "invented" in text_of(feed, "atom:subtitle")


def test_the_ranking_s_feed_has_an_entry_for_each_week_that_is_over(site: Site) -> None:
    feed = feed_of(site, "/ranking.atom")
    as_of = site.value("select as_of from marts.builds where mart = 'weekly_popular_releases'")
    weeks = site.rows(
        "select distinct week_start from marts.weekly_popular_releases"
        " where measure = 'spotify_popularity' and rank is not null order by week_start desc"
    )
    over = [row["week_start"] for row in weeks if end_of(row["week_start"]) <= as_of]
    # The running week is left out: its entry would change with each measurement, or stay as its Monday was.
    assert 1 < len(over) < len(weeks)
    entries = feed.findall("atom:entry", ATOM)
    assert [datetime.fromisoformat(text_of(entry, "atom:updated")) for entry in entries] == [
        end_of(week) for week in over
    ]
    first = site.rows(
        "select name from marts.weekly_popular_releases"
        " where measure = 'spotify_popularity' and week_start = :week and rank <= 10 order by rank",
        week=over[0],
    )
    links = entries[0].findall("atom:content/html:div/html:ol/html:li/html:a", ATOM)
    assert [link.text for link in links] == [row["name"] for row in first]
    assert all((link.get("href") or "").startswith(f"{site.address}/albums/") for link in links)


def test_the_movers_feed_has_an_entry_for_each_of_a_week_s_tracks(site: Site) -> None:
    feed = feed_of(site, "/movers.atom?direction=rising&min_change=2")
    titles = [text_of(entry, "atom:title") for entry in feed.findall("atom:entry", ATOM)]
    rows = site.get("/movers.json?direction=rising&min_change=2&week=2026-11-02").json()["rows"]
    expected = [
        f"+{row['delta']}: {row['track_name']} by {', '.join(row['artist_names'])}" for row in rows[:20]
    ]
    assert titles[: len(expected)] == expected
    assert expected


def test_a_feed_is_linked_where_readers_and_people_look_for_it(site: Site) -> None:
    for address, linked in (
        ("/", "/ranking.atom"),
        ("/ranking?type=single&week=2026-11-02&page=2&sort=name", "/ranking.atom?type=single"),
        ("/movers?week=2026-11-02", "/movers.atom"),
    ):
        page = site.page(address)
        assert '<link rel="alternate" type="application/atom+xml" title="' in page
        assert page.count(f'href="{linked}"') == 2, address


def test_a_feed_of_one_week_is_refused_as_it_would_end_with_it(site: Site) -> None:
    for query in ("week=2026-11-02", "sort=rank", "page=2", "descending=yes"):
        answer = site.get(f"/ranking.atom?{query}")
        assert answer.status_code == 400
        assert "A feed is of the latest weeks" in answer.text


def test_a_feed_that_a_reader_holds_is_not_sent_again(site: Site) -> None:
    tag = site.get("/movers.atom").headers["ETag"]
    assert site.get("/movers.atom", **{"If-None-Match": tag}).status_code == 304


def test_the_links_of_a_feed_lead_to_the_host_that_was_asked(site: Site) -> None:
    answer = site.get("/ranking.atom", Host="charts.example.org")
    feed = fromstring(answer.content)  # noqa: S314 -- written by the server under test
    assert text_of(feed, "atom:id") == "tag:charts.example.org,2026:/ranking"
    assert all(
        (link.get("href") or "").startswith("http://charts.example.org/")
        for link in feed.iterfind(".//atom:link", ATOM)
    )


def test_a_name_that_xml_cannot_hold_does_not_spoil_the_feed() -> None:
    built = datetime(2026, 11, 24, tzinfo=UTC)
    entry = Entry(
        "x/1", "Bell\x07 & <Co>", "/x", built, "text\x00", [Line("", "]]>\ufffe", "/albums/1", "\x1b after")]
    )
    build = Build("track_week", built, built, 1, "whole", "live")
    body = as_atom(Feed("Title", "Subtitle", [entry], frozenset()), build, "http://h", "/x", "")
    feed = fromstring(body)  # noqa: S314 -- written by the line before
    assert text_of(feed, "atom:entry/atom:title") == "Bell\ufffd & <Co>"
    assert text_of(feed, "atom:title") == "Title"


def test_a_view_without_a_feed_has_none(site: Site) -> None:
    assert site.get("/status.atom").status_code == 404
    assert "atom+xml" not in site.page("/status")
