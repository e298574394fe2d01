"""The marts of weekly popularity as their definitions say, in plain Python: from measurements and nothing else."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

WEEK = timedelta(weeks=1)
WEEKS_ON_THE_LIST = 8

Row = dict[str, Any]
Rows = dict[tuple[date, str, str], Row]
Measured = Mapping[str, Mapping[date, int]]
"""By track, what was measured on which day."""


@dataclass(frozen=True)
class Listed:
    """An album that is listed from the week in which it is new; `shown` is what its rows say of it in every week."""

    album_id: str
    new_since: date
    track_ids: Sequence[str]
    shown: Row

    @property
    def weeks(self) -> list[date]:
        """The week since which it is new, and the seven after it."""
        return [monday(self.new_since) + number * WEEK for number in range(WEEKS_ON_THE_LIST)]


def monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def last_of_each_week(measured: Measured) -> dict[date, dict[str, tuple[date, int]]]:
    """By week and track the measurement that counts: the last one, with its day."""
    weeks: dict[date, dict[str, tuple[date, int]]] = defaultdict(dict)
    for track_id, values in measured.items():
        for day in sorted(values):
            weeks[monday(day)][track_id] = (day, values[day])
    return dict(weeks)


def track_weeks(measure: str, measured: Measured) -> Rows:
    """Each track in each week in which it was measured, against the week before and against all tracks."""
    weeks = last_of_each_week(measured)
    rows: Rows = {}
    for week, tracks in weeks.items():
        all_values = [value for _, value in tracks.values()]
        for track_id, (day, value) in tracks.items():
            _, previous = weeks.get(week - WEEK, {}).get(track_id, (None, None))
            below = sum(other < value for other in all_values)
            equal = all_values.count(value)
            rows[week, measure, track_id] = {
                "measured_on": day,
                "value": value,
                "previous": previous,
                "delta": None if previous is None else value - previous,
                "percentile": (below + equal / 2) / len(all_values),
                "tracks_measured": len(all_values),
            }
    return rows


@dataclass(frozen=True)
class Score:
    """What the tracks of an album came to in a week."""

    tracks_measured: int
    value_mean: float
    value_max: int


Scores = dict[str, Score]
"""By album; without those of which no track was measured."""


def scores_of_week(week: date, albums: Sequence[Listed], tracks: Mapping[str, tuple[date, int]]) -> Scores:
    """The albums that are listed in the week and have a track that was measured in it."""
    scores: Scores = {}
    for album in albums:
        values = [tracks[track_id][1] for track_id in album.track_ids if track_id in tracks]
        if week in album.weeks and values:
            scores[album.album_id] = Score(len(values), sum(values) / len(values), max(values))
    return scores


def ranks(scores: Scores) -> dict[str, int]:
    """Places from 1: the highest mean first, then the highest track, then the album id by its bytes."""
    order = sorted(
        scores, key=lambda album: (-scores[album].value_mean, -scores[album].value_max, album.encode())
    )
    return {album_id: place for place, album_id in enumerate(order, start=1)}


def weekly_releases(measure: str, albums: Sequence[Listed], measured: Measured, today: date) -> Rows:
    """Each album in each of its weeks up to this one."""
    last = last_of_each_week(measured)
    all_weeks = sorted({week for album in albums for week in album.weeks if week <= today})
    scores = {week: scores_of_week(week, albums, last.get(week, {})) for week in all_weeks}
    places = {week: ranks(scores[week]) for week in all_weeks}
    return {
        (week, measure, album.album_id): row
        for album in albums
        for week, row in _history(album, scores, places)
    }


def _history(
    album: Listed, scores: Mapping[date, Scores], places: Mapping[date, Mapping[str, int]]
) -> Iterator[tuple[date, Row]]:
    """The album's rows, week by week."""
    so_far: list[int] = []
    for week in album.weeks:
        if week not in places:
            return
        score = scores[week].get(album.album_id)
        rank = places[week].get(album.album_id)
        previous = places.get(week - WEEK, {}).get(album.album_id)
        so_far += [] if rank is None else [rank]
        yield (
            week,
            {
                **album.shown,
                "tracks": len(album.track_ids),
                "tracks_measured": score.tracks_measured if score else 0,
                "value_mean": score.value_mean if score else None,
                "value_max": score.value_max if score else None,
                "rank": rank,
                "previous_rank": previous,
                "peak_rank": min(so_far, default=None),
                "weeks_on_list": len(so_far),
                "status": status(rank, previous, len(so_far)),
            },
        )


def status(rank: int | None, previous: int | None, weeks_on_list: int) -> str:
    """What became of an album since the week before."""
    if rank is None:
        return "unmeasured"
    if weeks_on_list == 1:
        return "new"
    if previous is None:
        return "re-entry"
    if rank == previous:
        return "same"
    return "up" if rank < previous else "down"
