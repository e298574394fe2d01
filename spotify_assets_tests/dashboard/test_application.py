"""What holds for every view: its files, its headers, what it may see, and that nothing makes it fail."""

import gzip
import re
from collections.abc import Iterator
from urllib.parse import quote, urlencode

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import URL, text

from spotify_assets.dashboard.filters import _PARSERS
from spotify_assets.dashboard.security import HEADERS
from spotify_assets.dashboard.views import VIEWS
from spotify_assets_tests.conftest import own_database
from spotify_assets_tests.dashboard.conftest import Site, served

HOSTILE = (
    "'; drop table marts.track_catalog; --",
    '"><script>alert(1)</script>',
    "../../etc/passwd",
    "%00",
    "\N{RIGHT-TO-LEFT OVERRIDE}\N{PILE OF POO}",
    "{{7*7}}",
    "-1",
    "9" * 400,
)


def addresses(site: Site) -> list[str]:
    """The address of every view; where it is about one thing, of one that there is."""
    ids = {
        "album_id": site.value("select min(album_id) from marts.track_catalog"),
        "track_id": site.value("select min(track_id) from marts.track_catalog"),
        "artist_id": site.value("select min(artist_id) from marts.artist_feature_profile"),
    }
    return [view.path.format(**ids) for view in VIEWS]


def test_every_view_answers_as_page_file_and_data(site: Site) -> None:
    for address in addresses(site):
        assert site.get(address).headers["content-type"] == "text/html; charset=utf-8"
        answer = site.get(f"{address}.json")
        assert answer.status_code == 200
        body = answer.json()
        assert body["rows"] is not None
        assert body["source"] == "sandbox"
        text_of_file = site.get(f"{address}.csv")
        assert text_of_file.headers["content-type"] == "text/csv; charset=utf-8"
        assert len(text_of_file.text.splitlines()) >= 1 + len(body["rows"])


def test_every_answer_has_the_headers_that_keep_a_page_to_itself(site: Site) -> None:
    """Those of errors lacked them: they are made outside of the rest."""
    for path in ("/", "/ranking.csv", "/nothing", "/?week=x", "/healthz", "/static/0/x"):
        answer = site.get(path)
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, path
    policy = HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy


def test_no_page_has_a_script_or_a_style_of_its_own(site: Site) -> None:
    """The browser would not run it: what is not from a file is data."""
    for address in addresses(site):
        page = site.page(address)
        kinds = set(re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", page))
        assert all('type="application/json"' in kind for kind in kinds), address
        assert not re.search(r"\son\w+=|\sstyle=|<style", page), address


def test_sandbox_data_is_said_to_be_invented_on_every_page(site: Site) -> None:
    for address in addresses(site):
        assert "Sandbox data." in site.page(address)


def test_a_page_that_has_not_changed_is_not_sent_again(site: Site) -> None:
    for address in addresses(site):
        tag = site.get(address).headers["etag"]
        again = site.get(address, **{"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
        assert site.get(address, **{"If-None-Match": 'W/"another"'}).status_code == 200


@pytest.fixture
def own_site(postgres_server: URL, weeks_template: str) -> Iterator[Site]:
    """A site whose warehouse may be changed."""
    with own_database(postgres_server, weeks_template) as url:
        yield from served(url)


def test_a_new_build_of_a_mart_gives_the_page_another_tag(own_site: Site) -> None:
    before = own_site.get("/").headers["etag"]
    with own_site.owner.begin() as connection:
        connection.execute(text("update marts.builds set built_at = now() where mart = 'track_week'"))
    assert own_site.get("/").headers["etag"] != before


def test_a_warehouse_that_cannot_be_read_is_said_to_be_so(own_site: Site) -> None:
    with own_site.owner.begin() as connection:
        connection.execute(text("alter table marts.builds rename to builds_gone"))
    for path in ("/", "/ranking.json", "/readyz"):
        answer = own_site.get(path)
        assert answer.status_code == 503
        assert "builds" not in answer.text
        assert "cannot be read at the moment" in answer.text
    assert own_site.get("/healthz").status_code == 200


def test_a_question_that_takes_too_long_is_given_up(own_site: Site) -> None:
    """It would hold a connection while others wait."""
    with own_site.owner.connect() as connection:
        connection.execute(text("lock table marts.weekly_popular_releases in access exclusive mode"))
        answer = own_site.get("/")
    assert answer.status_code == 503
    assert "took too long" in answer.text


def test_an_empty_warehouse_says_so_on_every_page(postgres_server: URL, migrated_template: str) -> None:
    with own_database(postgres_server, migrated_template) as url:
        for site in served(url):
            for view in VIEWS:
                path = view.path.format(album_id="none", track_id="none", artist_id="none")
                assert site.get(path).status_code == (404 if "{" in view.path else 200), path
            assert "There is no ranking yet." in site.page("/")


def test_static_files_are_packed_and_kept_for_good(site: Site) -> None:
    page = site.page("/")
    for address in re.findall(r'(?:href|src)="(/static/[^"]+)"', page):
        answer = requests.get(
            site.address + address, headers={"Accept-Encoding": "gzip"}, stream=True, timeout=30
        )
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        packed = answer.raw.read(decode_content=False)
        assert (
            gzip.decompress(packed)
            == requests.get(
                site.address + address, headers={"Accept-Encoding": "identity"}, timeout=30
            ).content
        )
    stale = re.sub("/static/[0-9a-f]+/", "/static/000000000000/", address)
    assert site.get(stale).status_code == 404


def test_the_login_sees_the_marts_and_nothing_else(site: Site) -> None:
    role = f"dashboard_{site.owner.url.database}"
    rights = site.rows(
        "select table_schema, privilege_type from information_schema.role_table_grants where grantee = :role",
        role=role,
    )
    assert {(row["table_schema"], row["privilege_type"]) for row in rights} == {("marts", "SELECT")}


def test_anything_but_get_is_refused(site: Site) -> None:
    assert requests.post(f"{site.address}/", timeout=30).status_code == 405


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_text_in_any_parameter_or_id_makes_no_page_fail(site: Site, value: str) -> None:
    for view in VIEWS:
        ids = dict.fromkeys(("album_id", "track_id", "artist_id"), quote(value, safe=""))
        answers = [site.get(view.path.format(**ids))]
        for name in _PARSERS:
            query = urlencode({name: value})
            answers.append(site.get(f"{view.path.format(**ids)}?{query}"))
        for answer in answers:
            assert answer.status_code in (200, 400, 404), answer.url
            assert "<script>alert(1)" not in answer.text
            assert "Traceback" not in answer.text
    assert site.value("select count(*) > 0 from marts.track_catalog")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    view=st.sampled_from(VIEWS),
    kind=st.sampled_from(["", ".json", ".csv"]),
    pairs=st.lists(st.tuples(st.sampled_from(sorted(_PARSERS)), st.text(max_size=12)), max_size=4),
)
def test_no_address_makes_a_page_fail(
    site: Site, view: object, kind: str, pairs: list[tuple[str, str]]
) -> None:
    path = getattr(view, "path").format(album_id="a", track_id="t", artist_id="a")  # noqa: B009 -- drawn as an object
    answer = site.get(f"{path}{kind}?{urlencode(pairs, errors='replace')}")
    assert answer.status_code in (200, 400, 404), answer.text
