"""Deezer: a second measure of popularity, genres and label, by UPC, for any Spotify key and without one of its own.

Source: api.deezer.com. Every error is an HTTP 200 with an `error` in it; 50 calls in 5 s are allowed an address. It is
a second opinion: none of its faults fails anything.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import polars as pl
import requests

from spotify_assets.spotify.answers import Question, limit_error, read_answer
from spotify_assets.spotify.batches import MOST_PAGES, Gathered, Part
from spotify_assets.spotify.deezer_matching import DeezerTrack, Match, SpotifyTrack, matches
from spotify_assets.spotify.endpoints import DEEZER_ALBUM, DEEZER_ALBUM_BY_UPC, DEEZER_TRACKS
from spotify_assets.spotify.errors import (
    ApiError,
    BadRequestError,
    NotFoundError,
    TransientError,
)
from spotify_assets.spotify.fields import Item, MalformedItemError, show
from spotify_assets.spotify.forbearance import Problem, ask_optional
from spotify_assets.spotify.moments import moment
from spotify_assets.spotify.records import INT32_MAX, INT64_MAX, Row, Schema, SetAside, frame
from spotify_assets.spotify.transport import Transport
from spotify_assets.spotify.wire import Wire

ALBUMS: Schema = {
    "album_id": pl.String(),
    "status": pl.String(),
    "deezer_album_id": pl.Int64(),
    "upc": pl.String(),
    "label": pl.String(),
    "genres": pl.List(pl.String()),
    "fans": pl.Int64(),
}
TRACK_RANKS: Schema = {
    "album_id": pl.String(),
    "track_id": pl.String(),
    "deezer_track_id": pl.Int64(),
    "rank": pl.Int32(),
    "isrc": pl.String(),
    "matched_by": pl.String(),
}
HIGHEST_RANK = 1_000_000

_TRACKS_AT_ONCE = 100
# A limit of 50 calls in 5 s frees a place after 5 s at the latest.
_QUOTA_SECONDS = 5.0
_NO_DATA, _QUOTA, _BUSY = 800, 4, 700


@dataclass(frozen=True)
class Wanted:
    """A Spotify album to be found on Deezer.

    Attributes:
        album_id: Spotify's id.
        upc: as Spotify writes it.
        tracks: of the album, as Spotify has them.
        deezer_album_id: where it was found before.
        known: matches that were made before, by Deezer's track id.
    """

    album_id: str
    upc: str
    tracks: Sequence[SpotifyTrack]
    deezer_album_id: int | None = None
    known: Sequence[Match] = ()


@dataclass(frozen=True)
class Found:
    """What Deezer said of one album.

    Attributes:
        album: a row of ALBUMS.
        ranks: rows of TRACK_RANKS.
        unmatched: tracks of the album that Deezer does not have, or that could not be told.
        set_aside: what was answered and not used.
    """

    album: Row
    ranks: Sequence[Row] = ()
    unmatched: int = 0
    set_aside: tuple[SetAside, ...] = ()


@dataclass(frozen=True)
class DeezerBatch:
    """What Deezer said of some albums.

    Attributes:
        albums: a frame with the columns ALBUMS, a row for each album that was answered.
        track_ranks: a frame with the columns TRACK_RANKS, a row for each matched track with a rank.
        unmatched: tracks of albums that Deezer has, which were not matched.
        set_aside: answers that were not used: another release than asked for, fields that cannot be stored.
        problem: why not all was answered; None where all was.
    """

    albums: pl.DataFrame
    track_ranks: pl.DataFrame
    unmatched: int = 0
    set_aside: tuple[SetAside, ...] = ()
    problem: Problem | None = None

    def with_albums_without_upc(self, album_ids: Sequence[str]) -> pl.DataFrame:
        """The albums, with a row for each of these, which there was nothing to ask by."""
        rows = [(album_id, "no_upc", None, None, None, None, None) for album_id in album_ids]
        return pl.concat([self.albums, frame(ALBUMS, rows)])


@dataclass
class _Answer:
    """One album as Deezer has it."""

    album_id: int
    upc: str
    label: str | None
    genres: list[str]
    fans: int | None
    tracks: list[DeezerTrack] = field(default_factory=list)


class Deezer:
    """Asks Deezer.

    Args:
        wire: what the calls go through.
        url: base of the API.
    """

    def __init__(self, wire: Wire, url: str) -> None:
        self._transport = Transport(wire, url, read=read_deezer)
        self._threads = wire.threads

    def albums(self, wanted: Sequence[Wanted]) -> DeezerBatch:
        """Find albums and the ranks of their tracks.

        Source: GET /album/upc:{upc}, as given and without leading zeros, or /album/{id} where it is known; and
        GET /album/{id}/tracks, unless all tracks were matched before: one call an album, or two.
        """
        by_id = {album.album_id: album for album in wanted}
        gathered = Gathered[Found](list(by_id))

        def ask(ids: Sequence[str], stop: threading.Event) -> Part[Found]:
            return Part(ids, self._find(by_id[ids[0]], stop))

        problem = ask_optional([[key] for key in by_id], ask, self._threads, gathered)
        return _batch(gathered.in_order(), problem)

    def _find(self, wanted: Wanted, stop: threading.Event) -> Found:
        try:
            return self._read(wanted, stop)
        except (MalformedItemError, BadRequestError, NotFoundError) as error:
            # The others may be in order.
            reason = SetAside(DEEZER_ALBUM, wanted.album_id, str(error))
            return Found(_absent(wanted), set_aside=(reason,))

    def _read(self, wanted: Wanted, stop: threading.Event) -> Found:
        answer = self._album(wanted, stop)
        if answer is None:
            return Found(_absent(wanted))
        if not is_same_upc(answer.upc, wanted.upc):
            reason = SetAside(
                DEEZER_ALBUM_BY_UPC,
                wanted.album_id,
                f"another release was answered: UPC {answer.upc}, not {wanted.upc}",
            )
            return Found(_absent(wanted), set_aside=(reason,))
        set_aside: list[SetAside] = []
        found = _matched_before(wanted, answer.tracks)
        if found is None:
            # One track that cannot be stored costs neither the album nor the other ranks.
            tracks, reasons = _readable(self._tracks(answer.album_id, stop))
            found = matches(wanted.tracks, tracks)
            set_aside = [SetAside(DEEZER_TRACKS, wanted.album_id, reason) for reason in reasons]
        row = (
            wanted.album_id, "found", answer.album_id, answer.upc, answer.label, answer.genres, answer.fans,
        )  # fmt: skip
        ranks = [_rank_row(wanted, match) for match in found if match.deezer_track.rank is not None]
        return Found(row, ranks, unmatched=len(wanted.tracks) - len(found), set_aside=tuple(set_aside))

    def _album(self, wanted: Wanted, stop: threading.Event) -> _Answer | None:
        """The album by Deezer's id, by the UPC as given, or by the UPC without its leading zeros."""
        if wanted.deezer_album_id is not None:
            answer = self._album_at(f"album/{wanted.deezer_album_id}", DEEZER_ALBUM, wanted, stop)
            if answer is not None and is_same_upc(answer.upc, wanted.upc):
                return answer
        spellings = dict.fromkeys((wanted.upc, wanted.upc.lstrip("0")))
        answers = (
            self._album_at(f"album/upc:{upc}", DEEZER_ALBUM_BY_UPC, wanted, stop) for upc in spellings if upc
        )
        return next((answer for answer in answers if answer is not None), None)

    def _album_at(self, path: str, endpoint: str, wanted: Wanted, stop: threading.Event) -> _Answer | None:
        try:
            return _album(Item(self._transport.get(Question(endpoint, (wanted.album_id,)), path, {}, stop)))
        except NotFoundError:
            return None

    def _tracks(self, deezer_album_id: int, stop: threading.Event) -> list[Item]:
        question = Question(DEEZER_TRACKS, (str(deezer_album_id),))
        path = f"album/{deezer_album_id}/tracks"
        tracks: list[Item] = []
        seen = 0
        for _ in range(MOST_PAGES):
            parameters = {"limit": _TRACKS_AT_ONCE, "index": seen}
            page = Item(self._transport.get(question, path, parameters, stop))
            items = page.objects("data")
            tracks += items
            seen += len(items)
            if not items or seen >= (page.optional_integer("total", 0, INT32_MAX) or 0):
                return tracks
        raise MalformedItemError(f"more than {MOST_PAGES} pages of tracks")


def read_deezer(question: Question, response: requests.Response, now: float) -> object:
    """Give the JSON of a good answer; see `answers.read_answer`. An error comes with status 200.

    Raises:
        NotFoundError: code 800, no data.
        RateLimitedError: code 4, too many calls.
        TransientError: code 700, busy.
        BadRequestError: any other code.
        ApiError: see `errors`.
    """
    payload = read_answer(question, response, now)
    error = payload.get("error") if isinstance(payload, dict) else None
    if not error:
        return payload
    code = error.get("code") if isinstance(error, dict) else None
    said = error.get("message") if isinstance(error, dict) else error
    message = f"code {code}: {str(said)[:200]}"
    if code == _QUOTA:
        asked_at = moment(now)
        resume_at = asked_at + timedelta(seconds=_QUOTA_SECONDS)
        raise limit_error(question, resume_at, asked_at, is_quota=False)
    kinds: dict[object, type[ApiError]] = {_NO_DATA: NotFoundError, _BUSY: TransientError}
    kind = kinds.get(code, BadRequestError)
    raise kind(message, endpoint=question.endpoint, status=response.status_code, ids=question.ids)


def is_same_upc(one: str, other: str) -> bool:
    """Whether two UPCs are the same but for leading zeros, which Deezer often leaves out."""
    return one.lstrip("0") == other.lstrip("0")


def is_upc(text: str | None) -> bool:
    """Whether Deezer can be asked by it: digits, not all of them zero."""
    return text is not None and text.isascii() and text.isdigit() and text.strip("0") != ""


def _matched_before(wanted: Wanted, embedded: Sequence[DeezerTrack]) -> list[Match] | None:
    """The known matches with today's ranks; None where they do not cover every track."""
    by_id = {track.deezer_track_id: track for track in embedded}
    found = [
        Match(match.track_id, _ranked_anew(match.deezer_track, track), match.matched_by)
        for match in wanted.known
        if (track := by_id.get(match.deezer_track.deezer_track_id)) is not None
    ]
    return (
        found if {match.track_id for match in found} == {track.track_id for track in wanted.tracks} else None
    )


def _ranked_anew(known: DeezerTrack, now: DeezerTrack) -> DeezerTrack:
    return DeezerTrack(
        known.deezer_track_id, now.rank, now.duration, known.disc_number, known.track_number, known.isrc
    )


def _album(item: Item) -> _Answer:
    genres = item.optional_object("genres").objects("data")
    return _Answer(
        album_id=item.integer("id", 1, INT64_MAX),
        upc=item.optional_text("upc") or "",
        label=item.optional_text("label"),
        genres=[name for genre in genres if (name := genre.optional_text("name"))],
        fans=item.optional_integer("fans", 0, INT64_MAX),
        # What cannot be read here is read again, and set aside, with the pages of tracks.
        tracks=_readable(item.optional_object("tracks").objects("data"))[0],
    )


def _readable(items: Sequence[Item]) -> tuple[list[DeezerTrack], list[str]]:
    """The tracks that can be read, and why the others cannot."""
    tracks: list[DeezerTrack] = []
    reasons: list[str] = []
    for item in items:
        try:
            tracks.append(_track(item))
        except MalformedItemError as error:
            reasons.append(f"track {show(item.raw('id'))}: {error}")
    return tracks, reasons


def _track(item: Item) -> DeezerTrack:
    return DeezerTrack(
        deezer_track_id=item.integer("id", 1, INT64_MAX),
        rank=item.optional_integer("rank", 0, HIGHEST_RANK),
        duration=item.integer("duration", 0, INT32_MAX),
        disc_number=item.optional_integer("disk_number", 0, INT32_MAX),
        track_number=item.optional_integer("track_position", 0, INT32_MAX),
        isrc=item.optional_text("isrc") or None,
    )


def _absent(wanted: Wanted) -> Row:
    return (wanted.album_id, "absent", None, None, None, None, None)


def _rank_row(wanted: Wanted, match: Match) -> Row:
    track = match.deezer_track
    return (
        wanted.album_id,
        match.track_id,
        track.deezer_track_id,
        track.rank,
        track.isrc,
        match.matched_by,
    )


def _batch(found: Sequence[Found], problem: Problem | None) -> DeezerBatch:
    return DeezerBatch(
        albums=frame(ALBUMS, [each.album for each in found]),
        track_ranks=frame(TRACK_RANKS, [row for each in found for row in each.ranks]),
        unmatched=sum(each.unmatched for each in found),
        set_aside=tuple(item for each in found for item in each.set_aside),
        problem=problem,
    )
