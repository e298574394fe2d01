"""The calls that the assets make. Paths and parameters are spotipy's; the wire is `transport`'s."""

import random as random_module
import re
import threading
import time as time_module
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import polars as pl
import spotipy

from spotify_assets.spotify import records
from spotify_assets.spotify.answers import Question
from spotify_assets.spotify.batches import (
    PAGE_SIZE,
    Answering,
    Halving,
    Page,
    Progress,
    chunks,
    follow_pages,
    read_page,
    run_batches,
)
from spotify_assets.spotify.call_log import CallLog
from spotify_assets.spotify.credentials import Credentials
from spotify_assets.spotify.errors import (
    BadRequestError,
    MalformedAnswerError,
    NotFoundError,
    TransientError,
)
from spotify_assets.spotify.fields import Item, MalformedItemError, show
from spotify_assets.spotify.records import AlbumBatch, Batch, Rows, SetAside
from spotify_assets.spotify.transport import Clock, Random, RetryPolicy, Sleep, Transport

API_URL = "https://api.spotify.com/v1/"
ACCOUNTS_URL = "https://accounts.spotify.com/"

# Ids that one call may carry.
ALBUMS_AT_ONCE = 20
TRACKS_AT_ONCE = 50
ARTISTS_AT_ONCE = 50
AUDIO_FEATURES_AT_ONCE = 100

_SPOTIFY_ID = re.compile(r"[0-9A-Za-z]+")
_MARKET = re.compile(r"[A-Z]{2}")
_T = TypeVar("_T")


class _Calls(spotipy.Spotify):  # type: ignore[misc]  # spotipy has no types
    """spotipy's paths and parameters over our transport.

    spotipy's own wire (`_internal_call`) turns answers it cannot read into None, waits for hours, prints the
    token at level DEBUG and sends it to any host that a `next` link names; none of it is used.
    """

    def __init__(self, transport: Transport, answering: Answering, stop: threading.Event) -> None:
        # It gets no session at all: its destructor would close ours as well.
        super().__init__(requests_session=False)
        self._transport = transport
        self._answering = answering
        self._stop = stop

    def _internal_call(self, method: str, url: str, payload: object, params: dict[str, Any]) -> object:
        if method != "GET" or payload or url.startswith("http"):
            raise BadRequestError("only reading by a relative path is meant to happen", endpoint=url)
        path, _, query = url.partition("?")
        # spotipy writes "albums/?ids="; documented is "albums?ids=".
        path = path.strip("/")
        inline = dict(pair.split("=", 1) for pair in query.split("&") if pair)
        parameters = {name: value for name, value in {**inline, **params}.items() if value is not None}
        question = _question(path, parameters)
        answer = self._transport.get(question, path, parameters, self._stop)
        self._answering.note(question.endpoint, question.ids)
        return answer

    def new_releases(self, country: str, limit: int, offset: int) -> object:
        """Ask as spotipy does, without its warning on every call.

        A filter around the call would be shared by all threads, and silence everybody's warnings.
        """
        return self._get("browse/new-releases", country=country, limit=limit, offset=offset)

    def audio_features(self, tracks: Sequence[str]) -> object:
        """Ask as spotipy does, without its warning; see `new_releases`."""
        return self._get("audio-features", ids=",".join(tracks))


def _question(path: str, parameters: dict[str, Any]) -> Question:
    if "ids" in parameters:
        return Question(path, str(parameters["ids"]).split(","))
    kind, _, rest = path.partition("/")
    if kind == "albums" and rest.endswith("/tracks"):
        return Question("albums/{id}/tracks", (rest.removesuffix("/tracks"),))
    return Question(path)


class SpotifyClient:
    """Reads new releases, albums, tracks, audio features and artists as typed frames.

    Threads may share one client. Nothing is written to disk, and no token or secret to any log.

    A single id that Spotify answers with 5xx steadily is set aside and does not fail its batch, see
    `batches.Halving`; where that would leave no id of a call, the call raises `TransientError`.

    Args:
        credentials: of the application.
        api_url: base of the Web API, with its version.
        accounts_url: base of the token service.
        max_retry_after: longest wait in seconds that a 429 may ask for; a longer one is an error at once.
        threads: calls made at a time.
        time: seconds since the epoch.
        sleep: waits that many seconds; by default a wait that Ctrl-C ends.
        random: a number from 0 to 1.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        api_url: str = API_URL,
        accounts_url: str = ACCOUNTS_URL,
        max_retry_after: float = 60.0,
        threads: int = 4,
        time: Clock = time_module.time,
        sleep: Sleep | None = None,
        random: Random = random_module.random,
    ) -> None:
        self._threads = threads
        self._answering = Answering()
        self._transport = Transport(
            credentials,
            api_url=api_url,
            accounts_url=accounts_url,
            policy=RetryPolicy(max_retry_after=max_retry_after),
            threads=threads,
            time=time,
            sleep=sleep,
            random=random,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; later calls raise `StoppedError`."""
        self._transport.close()

    @property
    def calls(self) -> CallLog:
        """What went over the wire so far."""
        return self._transport.calls

    @property
    def source(self) -> Literal["live", "sandbox"]:
        """Whether answers come from Spotify or from the project's sandbox; authenticates when needed.

        Raises:
            SpotifyError: no token could be had.
        """
        return "sandbox" if self._transport.token().is_sandbox else "live"

    def new_releases(self, market: str, on_progress: Progress | None = None) -> Batch:
        """Every album on a market's list of new releases, in its order.

        Source: GET /browse/new-releases, pages of 50. The parameter `country` is no longer documented, and
        still sent. The list is a small editorial subset that spans months.

        Args:
            market: ISO 3166-1 alpha-2 code.
            on_progress: told (pages read, pages in all).

        Returns:
            A frame with the columns `records.SIGHTINGS`.

        Raises:
            ForbiddenError: the endpoint is closed to this application.
            SpotifyError: see `errors`.
        """
        _check_market(market, "browse/new-releases")
        calls = _Calls(self._transport, self._answering, threading.Event())

        def fetch(offset: int) -> Page:
            answer = calls.new_releases(market, PAGE_SIZE, offset)
            return read_page(_member(answer, "albums"), offset, "browse/new-releases")

        entries: list[tuple[int, object]] = []
        for number, page in enumerate(follow_pages(fetch, None, "browse/new-releases"), start=1):
            entries += enumerate(page.items, start=page.offset + 1)
            if on_progress is not None:
                more = 0 if page.is_last or page.total is None else page.total - page.next_offset
                on_progress(number, number + -(-more // PAGE_SIZE))
        return records.sightings(market, entries)

    def albums(
        self, album_ids: Sequence[str], market: str, on_progress: Progress | None = None
    ) -> AlbumBatch:
        """Albums with all their tracks.

        Source: GET /albums?ids=, 20 a call; tracks beyond the first page from GET /albums/{id}/tracks.

        Args:
            album_ids: Spotify ids; each is asked for once.
            market: ISO 3166-1 alpha-2 code; Spotify relinks tracks that the market has under another id.
            on_progress: told (batches done, batches in all).

        Returns:
            Frames with the columns `records.RELEASES` and `records.TRACKS`, keyed by the ids asked for.
            An album whose tracks cannot be read whole is set aside with them.

        Raises:
            ForbiddenError: the endpoint is closed to this application.
            SpotifyError: see `errors`.
        """
        _check_market(market, "albums")

        def ask(ids: Sequence[str], calls: _Calls) -> AlbumBatch:
            values = _items(calls.albums(ids, market=market), "albums")
            return _read_albums(ids, values, calls, market)

        parts, set_aside = self._in_batches("albums", album_ids, ALBUMS_AT_ONCE, ask, on_progress)
        return AlbumBatch(
            releases=_stack(records.RELEASES, [part.releases for part in parts]),
            tracks=_stack(records.TRACKS, [part.tracks for part in parts]),
            set_aside=(*set_aside, *(item for part in parts for item in part.set_aside)),
        )

    def audio_features(self, track_ids: Sequence[str], on_progress: Progress | None = None) -> Batch:
        """Audio features of tracks.

        Source: GET /audio-features?ids=, 100 a call.

        Args:
            track_ids: Spotify ids; each is asked for once.
            on_progress: told (batches done, batches in all).

        Returns:
            A frame with the columns `records.AUDIO_FEATURES`, one row for each distinct id: status 'absent'
            and nulls where Spotify has no features for it, or none that can be used (those are set aside).

        Raises:
            ForbiddenError: the endpoint is closed to this application, as to all created since 2024-11-27.
            SpotifyError: see `errors`.
        """

        def ask(ids: Sequence[str], calls: _Calls) -> Batch:
            return records.audio_features(ids, _items(calls.audio_features(ids), "audio-features"))

        parts, set_aside = self._in_batches(
            "audio-features", track_ids, AUDIO_FEATURES_AT_ONCE, ask, on_progress
        )
        answered = {key for part in parts for key in part.frame["track_id"]}
        absent = records.audio_features([key for key in dict.fromkeys(track_ids) if key not in answered], ())
        return _joined(records.AUDIO_FEATURES, [*parts, absent], set_aside)

    def tracks(self, track_ids: Sequence[str], market: str, on_progress: Progress | None = None) -> Batch:
        """Popularity and ISRC of tracks, which the tracks of an album do not carry.

        Source: GET /tracks?ids=, 50 a call.

        Args:
            track_ids: Spotify ids; each is asked for once.
            market: ISO 3166-1 alpha-2 code.
            on_progress: told (batches done, batches in all).

        Returns:
            A frame with the columns `records.TRACK_DETAILS`, keyed by the ids asked for also where Spotify
            answers with another. `popularity` is null where Spotify withholds it.

        Raises:
            ForbiddenError: the endpoint is closed to this application.
            SpotifyError: see `errors`.
        """
        _check_market(market, "tracks")

        def ask(ids: Sequence[str], calls: _Calls) -> Batch:
            return records.track_details(ids, _items(calls.tracks(ids, market=market), "tracks"))

        parts, set_aside = self._in_batches("tracks", track_ids, TRACKS_AT_ONCE, ask, on_progress)
        return _joined(records.TRACK_DETAILS, parts, set_aside)

    def artists(self, artist_ids: Sequence[str], on_progress: Progress | None = None) -> Batch:
        """Names, genres, followers and popularity of artists.

        Source: GET /artists?ids=, 50 a call.

        Args:
            artist_ids: Spotify ids; each is asked for once.
            on_progress: told (batches done, batches in all).

        Returns:
            A frame with the columns `records.ARTISTS`. All but the name is null where Spotify withholds it.

        Raises:
            ForbiddenError: the endpoint is closed to this application.
            SpotifyError: see `errors`.
        """

        def ask(ids: Sequence[str], calls: _Calls) -> Batch:
            return records.artists(ids, _items(calls.artists(ids), "artists"))

        parts, set_aside = self._in_batches("artists", artist_ids, ARTISTS_AT_ONCE, ask, on_progress)
        return _joined(records.ARTISTS, parts, set_aside)

    def _in_batches(
        self,
        endpoint: str,
        ids: Sequence[str],
        size: int,
        ask: Callable[[Sequence[str], _Calls], _T],
        on_progress: Progress | None,
    ) -> tuple[list[_T], list[SetAside]]:
        """Ask for distinct ids in batches; what is no Spotify id at all is never sent.

        Returns:
            What the calls gave, and the ids that no call gave an answer for.
        """
        distinct = list(dict.fromkeys(ids))
        asked = [key for key in distinct if _is_id(key)]
        malformed = [
            SetAside(endpoint, None, f"{show(key)} is not a Spotify id")
            for key in distinct
            if not _is_id(key)
        ]

        def call(batch: Sequence[str], stop: threading.Event) -> list[_T | TransientError]:
            calls = _Calls(self._transport, self._answering, stop)
            return Halving(lambda some: ask(some, calls), self._answering).run(batch)

        found = run_batches(chunks(asked, size), call, self._threads, on_progress)
        parts, faults = _sorted_out([outcome for outcomes in found for outcome in outcomes])
        if faults and len(faults) == len(asked):
            raise faults[0]
        return parts, [*malformed, *map(_answered_5xx, faults)]


def _sorted_out(outcomes: Sequence[_T | TransientError]) -> tuple[list[_T], list[TransientError]]:
    parts = [outcome for outcome in outcomes if not isinstance(outcome, TransientError)]
    return parts, [outcome for outcome in outcomes if isinstance(outcome, TransientError)]


def _answered_5xx(fault: TransientError) -> SetAside:
    return SetAside(fault.endpoint, fault.ids[0], f"answers {fault.status} steadily")


def _read_albums(ids: Sequence[str], values: Sequence[object], calls: _Calls, market: str) -> AlbumBatch:
    releases = Rows("albums")
    tracks = Rows("albums/{id}/tracks")
    for album_id, value in records.pair(releases, ids, values).items():
        if value is None:
            releases.put_aside(album_id, records.UNKNOWN_TO_SPOTIFY)
        else:
            _read_album(album_id, value, calls, market, releases, tracks)
    set_aside = (*releases.set_aside, *tracks.set_aside)
    return AlbumBatch(
        records.frame(records.RELEASES, releases.rows), records.frame(records.TRACKS, tracks.rows), set_aside
    )


def _read_album(
    album_id: str, value: object, calls: _Calls, market: str, releases: Rows, tracks: Rows
) -> None:
    try:
        row = records.release_row(album_id, Item(value))
        pages = _track_pages(album_id, value, calls, market)
    except MalformedItemError as error:
        releases.put_aside(album_id, str(error))
    except (MalformedAnswerError, NotFoundError) as error:
        # Half an album would look like a whole one.
        releases.put_aside(album_id, f"its tracks cannot be read: {error}")
    else:
        releases.rows.append(row)
        _read_tracks(album_id, pages, tracks)


def _read_tracks(album_id: str, pages: Sequence[Page], tracks: Rows) -> None:
    found = records.album_tracks(album_id, [track for page in pages for track in page.items])
    tracks.rows += found.rows
    tracks.set_aside += found.set_aside
    given, promised = sum(len(page.items) for page in pages), pages[-1].total
    if promised is not None and given < promised:
        tracks.put_aside(album_id, f"its pages promise {promised} tracks and give {given}")


def _track_pages(album_id: str, value: object, calls: _Calls, market: str) -> list[Page]:
    endpoint = "albums/{id}/tracks"

    def fetch(offset: int) -> Page:
        answer = calls.album_tracks(album_id, limit=PAGE_SIZE, offset=offset, market=market)
        return read_page(answer, offset, endpoint)

    # The first page comes with the album.
    embedded = _member(value, "tracks")
    return list(follow_pages(fetch, None if embedded is None else read_page(embedded, 0, endpoint), endpoint))


def _check_market(market: str, endpoint: str) -> None:
    if not _MARKET.fullmatch(market):
        raise BadRequestError(f"{market!r} is not an ISO 3166-1 alpha-2 code, such as US", endpoint=endpoint)


def _is_id(key: object) -> bool:
    return isinstance(key, str) and _SPOTIFY_ID.fullmatch(key) is not None


def _member(answer: object, name: str) -> object:
    return answer.get(name) if isinstance(answer, dict) else None


def _items(answer: object, endpoint: str) -> list[object]:
    name = endpoint.replace("-", "_")
    values = _member(answer, name)
    if not isinstance(values, list):
        raise MalformedAnswerError(f"the answer holds no list {name!r}", endpoint=endpoint, status=200)
    return values


def _stack(schema: records.Schema, frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat([records.frame(schema), *frames])


def _joined(schema: records.Schema, parts: Sequence[Batch], set_aside: Sequence[SetAside]) -> Batch:
    return Batch(
        frame=_stack(schema, [part.frame for part in parts]),
        set_aside=(*set_aside, *(item for part in parts for item in part.set_aside)),
    )
