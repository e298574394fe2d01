from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from spotify_assets_tests.marts import rows
from spotify_assets_tests.marts.rows import Row

MONDAY = date(2026, 1, 5)
WEEK = timedelta(weeks=1)
SPOTIFY, DEEZER = "spotify_popularity", "deezer_rank"
Key = tuple[date, str, str]


def _in_week(number: int, weekday: int = 0) -> date:
    """Monday of the given week, counted from 0, or a later day of it."""
    return MONDAY + timedelta(weeks=number, days=weekday)


def _weekly(engine: Engine, as_of: date | datetime) -> dict[Key, Row]:
    moment = as_of if isinstance(as_of, datetime) else rows.at_noon(as_of)
    return rows.build(
        engine,
        "weekly_popular_releases",
        moment,
        lambda row: (row["week_start"], row["measure"], row["album_id"]),
    )


def _history(engine: Engine, as_of: date, album_id: str = "a") -> list[Row]:
    """The Spotify rows of one album, week by week."""
    weekly = sorted(_weekly(engine, as_of).items())
    return [row for (_, measure, album), row in weekly if (measure, album) == (SPOTIFY, album_id)]


def _albums(*album_ids: str, released: date = MONDAY) -> dict[str, list[Row]]:
    """Albums of one track each, which is named as the album."""
    return {
        "spotify.releases": [rows.release(album_id, released) for album_id in album_ids],
        "spotify.tracks": [rows.track(album_id, album_id) for album_id in album_ids],
    }


def _measured(*measurements: tuple[str, date, int]) -> dict[str, list[Row]]:
    return {"spotify.popularity_snapshots": [rows.snapshot(*measurement) for measurement in measurements]}


@pytest.mark.parametrize(
    ("release_date", "seen", "first_week"),
    [
        pytest.param(_in_week(1, 4), [_in_week(1, 5)], 1, id="seen in its week"),
        pytest.param(_in_week(0), [_in_week(3, 2), _in_week(2, 6)], 2, id="first seen later, in one market"),
        pytest.param(_in_week(4, 6), [_in_week(1)], 4, id="announced before its release"),
        pytest.param(date(2020, 1, 1), [_in_week(2)], 2, id="only its year is known"),
        pytest.param(None, [_in_week(2)], 2, id="no release date"),
        pytest.param(_in_week(3), [], 3, id="never sighted"),
        pytest.param(None, [], 1, id="never sighted and no release date: the week it was fetched"),
    ],
)
def test_an_album_is_listed_from_its_release_or_first_sighting_and_seven_weeks_more(
    engine: Engine, release_date: date | None, seen: list[date], first_week: int
) -> None:
    rows.load(
        engine,
        {
            "spotify.releases": [rows.release("a", release_date, fetched_at=rows.at_noon(_in_week(1)))],
            "spotify.new_releases": [
                rows.sighting("a", rows.at_noon(day), market)
                for day, market in zip(seen, ("US", "DE"), strict=False)
            ],
        },
    )
    weeks = [row["week_start"] for row in _history(engine, _in_week(30))]
    assert weeks == [_in_week(first_week + later) for later in range(8)]


def test_the_list_ends_with_the_week_of_as_of(engine: Engine) -> None:
    rows.load(engine, _albums("a"))
    assert len(_history(engine, _in_week(2, 6))) == 3
    # Monday 00:30 in Berlin is still Sunday in UTC.
    assert len(_weekly(engine, datetime.fromisoformat("2026-01-19T00:30+01:00"))) == 2


def test_an_album_without_tracks_is_listed_as_unmeasured(engine: Engine) -> None:
    rows.load(engine, {"spotify.releases": [rows.release("a", MONDAY)]})
    [row] = _history(engine, MONDAY)
    assert (row["tracks"], row["tracks_measured"], row["status"]) == (0, 0, "unmeasured")
    assert [row[name] for name in ("value_mean", "value_max", "rank", "previous_rank", "peak_rank")] == [
        None
    ] * 5
    assert row["weeks_on_list"] == 0


def test_a_week_takes_the_last_snapshot_of_each_track_within_it(engine: Engine) -> None:
    rows.load(
        engine,
        {
            "spotify.releases": [rows.release("a", MONDAY)],
            "spotify.tracks": [rows.track("a", name) for name in ("x", "y", "z")],
            # The first day of the next week, and a snapshot that came under another album of the track.
            **_measured(
                ("x", _in_week(0, 1), 90),
                ("x", _in_week(0, 6), 10),
                ("y", MONDAY, 21),
                ("x", _in_week(1), 99),
            ),
        },
    )
    first, second = _history(engine, _in_week(1))
    assert (first["tracks"], first["tracks_measured"]) == (3, 2)
    assert (first["value_mean"], first["value_max"]) == (15.5, 21)
    assert (second["tracks_measured"], second["value_mean"]) == (1, 99)


def test_a_snapshot_after_as_of_is_not_used(engine: Engine) -> None:
    rows.load(engine, _albums("a") | _measured(("a", _in_week(0, 2), 50), ("a", _in_week(0, 3), 60)))
    assert [row["value_mean"] for row in _history(engine, _in_week(0, 2))] == [50]


def test_ties_go_by_the_highest_track_and_then_by_id_so_that_ranks_are_a_permutation(engine: Engine) -> None:
    tables = _albums("B", "a", "ab", "c")
    tables["spotify.tracks"].append(rows.track("c", "c2"))
    measured = _measured(
        ("a", MONDAY, 40), ("B", MONDAY, 40), ("ab", MONDAY, 40), ("c", MONDAY, 30), ("c2", MONDAY, 50)
    )
    rows.load(engine, tables | measured)
    ranks = {album: row["rank"] for (_, _, album), row in _weekly(engine, MONDAY).items()}
    # By bytes, as Python sorts: a server's language would put a before B.
    assert ranks == {"c": 1, "B": 2, "a": 3, "ab": 4}


def test_each_status_follows_from_the_weeks_before(engine: Engine) -> None:
    measured = [("a", 0, 50), ("a", 1, 70), ("a", 2, 40), ("a", 3, 30), ("a", 5, 90)]
    rows.load(
        engine,
        _albums("a", "b")
        | _measured(
            *((track, _in_week(week), value) for track, week, value in measured),
            *(("b", _in_week(week), 60) for week in range(6)),
        ),
    )
    found = [
        (row["status"], row["rank"], row["previous_rank"], row["peak_rank"], row["weeks_on_list"])
        for row in _history(engine, _in_week(6))
    ]
    assert found == [
        ("new", 2, None, 2, 1),
        ("up", 1, 2, 1, 2),
        ("down", 2, 1, 1, 3),
        ("same", 2, 2, 1, 4),
        # Not measured: the rank of the week before is named, but nothing is inherited.
        ("unmeasured", None, 2, 1, 4),
        ("re-entry", 1, None, 1, 5),
        ("unmeasured", None, 1, 1, 5),
    ]


def test_an_album_first_measured_in_a_later_week_is_new_then(engine: Engine) -> None:
    rows.load(engine, _albums("a") | _measured(("a", _in_week(2), 50)))
    assert [row["status"] for row in _history(engine, _in_week(2))] == ["unmeasured", "unmeasured", "new"]


def test_the_two_measures_are_ranked_apart(engine: Engine) -> None:
    rows.load(
        engine,
        _albums("a", "b")
        | _measured(("a", MONDAY, 90), ("b", MONDAY, 10))
        | {
            "deezer.albums": [rows.deezer_album("a", genres=["Pop"], label="Label")],
            "deezer.track_ranks": [
                rows.deezer_rank("b", "b", MONDAY, 900_000),
                # Matched on an album that does not hold the track.
                rows.deezer_rank("b", "a", MONDAY, 1),
            ],
        },
    )
    weekly = _weekly(engine, MONDAY)
    assert {key[1:]: row["rank"] for key, row in weekly.items()} == {
        (SPOTIFY, "a"): 1,
        (SPOTIFY, "b"): 2,
        (DEEZER, "a"): None,
        (DEEZER, "b"): 1,
    }
    assert weekly[MONDAY, DEEZER, "b"]["value_mean"] == 900_000
    assert (weekly[MONDAY, SPOTIFY, "a"]["genres"], weekly[MONDAY, SPOTIFY, "a"]["label"]) == (
        ["Pop"],
        "Label",
    )


def test_deezer_is_not_listed_before_it_was_ever_asked(engine: Engine) -> None:
    rows.load(engine, _albums("a"))
    assert [measure for _, measure, _ in _weekly(engine, MONDAY)] == [SPOTIFY]


def test_genres_are_those_of_the_albums_artists_where_deezer_has_none(engine: Engine) -> None:
    rows.load(
        engine,
        {
            "spotify.releases": [rows.release("a", MONDAY, artist_ids=["one", "two"])],
            "spotify.artists": [rows.artist("one", ["z", "y"]), rows.artist("two", ["y", "x"])],
            "deezer.albums": [rows.deezer_album("a", status="absent")],
        },
    )
    assert [row["genres"] for row in _weekly(engine, MONDAY).values()] == [["x", "y", "z"]] * 2


@dataclass
class _Album:
    """An album of a made-up history."""

    released: date
    seen: date | None
    # By track: the value measured on each day.
    tracks: list[dict[date, int]] = field(default_factory=list)


_days = st.integers(0, 34).map(lambda day: MONDAY + timedelta(days=day))
# Few values, so that ties are common.
_tracks = st.dictionaries(_days, st.sampled_from([0, 10, 20, 30, 100]), max_size=6)
_made_up = st.builds(_Album, _days, st.none() | _days, st.lists(_tracks, max_size=3))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(albums=st.lists(_made_up, max_size=5), as_of=_days)
def test_any_history_is_ranked_as_a_plain_computation_ranks_it(
    engine: Engine, albums: list[_Album], as_of: date
) -> None:
    by_id = {f"album {number}": album for number, album in enumerate(albums)}
    rows.load(engine, _tables_of(by_id))
    found = {
        (week, album_id): (
            row["value_mean"],
            row["value_max"],
            row["tracks_measured"],
            row["rank"],
            row["previous_rank"],
            row["peak_rank"],
            row["weeks_on_list"],
            row["status"],
        )
        for (week, _, album_id), row in _weekly(engine, as_of).items()
    }
    assert found == _plainly_ranked(by_id, as_of)


def _tables_of(albums: dict[str, _Album]) -> dict[str, list[Row]]:
    tracks = [
        (album_id, f"{album_id} {number}", history)
        for album_id, album in albums.items()
        for number, history in enumerate(album.tracks)
    ]
    return {
        "spotify.releases": [rows.release(album_id, album.released) for album_id, album in albums.items()],
        "spotify.new_releases": [
            rows.sighting(album_id, rows.at_noon(album.seen))
            for album_id, album in albums.items()
            if album.seen
        ],
        "spotify.tracks": [rows.track(album_id, track_id) for album_id, track_id, _ in tracks],
        "spotify.popularity_snapshots": [
            rows.snapshot(track_id, day, value, album_id)
            for album_id, track_id, history in tracks
            for day, value in history.items()
        ],
    }


def _plainly_ranked(albums: dict[str, _Album], as_of: date) -> dict[tuple[date, str], tuple[object, ...]]:
    """Week after week, as one would with a pencil."""
    ranked: dict[tuple[date, str], tuple[object, ...]] = {}
    ranks: dict[str, dict[date, int]] = defaultdict(dict)
    week = MONDAY
    while week <= as_of:
        listed = {name: _values(album, week, as_of) for name, album in albums.items() if _is_new(album, week)}
        order = sorted((-sum(v) / len(v), -max(v), name) for name, v in listed.items() if v)
        for place, (_, _, name) in enumerate(order, start=1):
            ranks[name][week] = place
        for name, values in listed.items():
            mean, highest = (sum(values) / len(values), max(values)) if values else (None, None)
            ranked[week, name] = (mean, highest, len(values), *_standing(ranks[name], week))
        week += WEEK
    return ranked


def _is_new(album: _Album, week: date) -> bool:
    start = max(album.released, album.seen or album.released)
    first = start - timedelta(days=start.weekday())
    return first <= week < first + 8 * WEEK


def _values(album: _Album, week: date, as_of: date) -> list[int]:
    values = []
    for history in album.tracks:
        days = [day for day in history if week <= day < week + WEEK and day <= as_of]
        if days:
            values.append(history[max(days)])
    return values


def _standing(ranks: dict[date, int], week: date) -> tuple[object, ...]:
    rank, previous = ranks.get(week), ranks.get(week - WEEK)
    peak = min(ranks.values(), default=None)
    if rank is None:
        status = "unmeasured"
    elif len(ranks) == 1:
        status = "new"
    elif previous is None:
        status = "re-entry"
    else:
        status = "up" if rank < previous else "down" if rank > previous else "same"
    return rank, previous, peak, len(ranks), status
