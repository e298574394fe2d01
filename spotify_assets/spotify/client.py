"""The calls that the assets make, by the best plan that the key allows.

Paths and parameters are spotipy's; the wire is `wire`'s. Where Spotify has closed an endpoint to the application, each
method takes another way to the same rows: search for the list of new releases, one call an album for batches,
ReccoBeats for audio features. A key can lose access in the middle of a method; what was answered by then is kept.
"""

import logging
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import polars as pl
import spotipy

from spotify_assets.spotify import records
from spotify_assets.spotify.access import Access
from spotify_assets.spotify.answers import Question
from spotify_assets.spotify.batches import (
    Answering,
    Gathered,
    Halving,
    Page,
    Part,
    chunks,
    follow_pages,
    follow_search,
    read_page,
    run_batches,
)
from spotify_assets.spotify.call_log import CallLog
from spotify_assets.spotify.credentials import Credentials, TokenKeeper
from spotify_assets.spotify.endpoints import (
    ALBUM_TRACKS,
    ALBUMS,
    ALBUMS_AT_ONCE,
    ARTISTS,
    ARTISTS_AT_ONCE,
    AUDIO_FEATURES,
    AUDIO_FEATURES_AT_ONCE,
    NEW_RELEASES,
    PAGE_SIZE,
    SEARCH,
    SEARCH_PAGE_SIZE,
    TRACKS,
    TRACKS_AT_ONCE,
)
from spotify_assets.spotify.errors import (
    BadRequestError,
    ForbiddenError,
    MalformedAnswerError,
    NotFoundError,
    TransientError,
)
from spotify_assets.spotify.fields import Item, MalformedItemError, show
from spotify_assets.spotify.identifiers import is_id, is_market
from spotify_assets.spotify.reccobeats import ReccoBeats
from spotify_assets.spotify.records import AlbumBatch, Batch, FeatureBatch, Rows, SetAside
from spotify_assets.spotify.token_service import TokenService
from spotify_assets.spotify.transport import Transport
from spotify_assets.spotify.wire import Wire

API_URL = "https://api.spotify.com/v1/"
ACCOUNTS_URL = "https://accounts.spotify.com/"

NO_SOURCE_OF_FEATURES = (
    "no source of audio features: Spotify's are closed to this key, and RECCOBEATS_API_URL is empty"
)
# The albums of the past two weeks: what is left to applications without the list of new releases.
_NEW_ALBUMS = "tag:new"
# Spotify's own examples in its documentation of these endpoints.
_SAMPLE_IDS = {
    ALBUMS: "4aawyAB9vmqN3uQ7FjRGTy",
    TRACKS: "11dFghVXANMlKmJXsNCbNl",
    AUDIO_FEATURES: "11dFghVXANMlKmJXsNCbNl",
    ARTISTS: "0TnOYISbd1XYRBk9myaseg",
}

_SPEAKS_OF_AN_ID = re.compile(r"\bid\b", re.IGNORECASE)

_logger = logging.getLogger(__name__)

_T = TypeVar("_T")
_Ask = Callable[[Sequence[str], "_Calls"], _T]
_OnPage = Callable[[Batch], None] | None


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
        return self._get(NEW_RELEASES, country=country, limit=limit, offset=offset)

    def audio_features(self, tracks: Sequence[str]) -> object:
        """Ask as spotipy does, without its warning; see `new_releases`."""
        return self.ask_for_ids(AUDIO_FEATURES, tracks)

    def ask_for_ids(self, endpoint: str, ids: Sequence[str]) -> object:
        """Ask a batch endpoint."""
        return self._get(endpoint, ids=",".join(ids))


def _question(path: str, parameters: dict[str, Any]) -> Question:
    if "ids" in parameters:
        return Question(path, str(parameters["ids"]).split(","))
    kind, _, rest = path.partition("/")
    if kind == "albums" and rest.endswith("/tracks"):
        return Question(ALBUM_TRACKS, (rest.removesuffix("/tracks"),))
    if kind in ("albums", "tracks") and rest:
        return Question(f"{kind}/{{id}}", (rest,))
    return Question(path)


class SpotifyClient:
    """Reads new releases, albums, tracks, audio features and artists as typed frames.

    Threads may share one client. Nothing is written to disk, and no token or secret to any log.

    A single id that Spotify answers with 5xx steadily is set aside and does not fail its batch, see
    `batches.Halving`; where that would leave no id of a call, the call raises `TransientError`.

    Methods that ask for many ids take `on_part`: it is told of what each call gave and for which ids, from the calling
    thread, also when the method raises in the end.

    Args:
        credentials: of the application.
        wire: what the calls go through; closed with the client.
        api_url: base of the Web API, with its version.
        accounts_url: base of the token service.
        access: which endpoints the application may use; by default all, until one says otherwise.
        reccobeats: asked for audio features where Spotify's are closed; None: nobody is.
        asks_single_tracks: whether tracks are asked for one by one where batches are closed. All that gives is the
            ISRC, at a call a track, which is what uses up a quota.
    """

    def __init__(
        self,
        credentials: Credentials,
        wire: Wire,
        *,
        api_url: str = API_URL,
        accounts_url: str = ACCOUNTS_URL,
        access: Access | None = None,
        reccobeats: ReccoBeats | None = None,
        asks_single_tracks: bool = False,
    ) -> None:
        self.access = Access("extended") if access is None else access
        self._wire = wire
        self._tokens = TokenKeeper(TokenService(wire, accounts_url, credentials).request, wire.time)
        self._transport = Transport(wire, api_url, tokens=self._tokens)
        self.reccobeats = reccobeats
        self.asks_single_tracks = asks_single_tracks
        self._answering = Answering()

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
        self._wire.close()

    @property
    def calls(self) -> CallLog:
        """What went over the wire so far."""
        return self._wire.calls

    @property
    def source(self) -> Literal["live", "sandbox"]:
        """Whether answers come from Spotify or from the project's sandbox; authenticates when needed.

        Raises:
            ApiError: no token could be had.
        """
        return "sandbox" if self._tokens.token(self._wire.closed).is_sandbox else "live"

    def probe(self) -> Mapping[str, bool | None]:
        """Ask each endpoint that Spotify closes to some applications, once, and remember what it answers.

        Returns:
            By endpoint: True for open, False for closed, None where the answer did not say.

        Raises:
            PremiumRequiredError: the account that owns the application has lost Premium.
            ApiError: the key is refused altogether, see `errors`.
        """
        return self.access.ask_all(partial(_ask_for_sample, self._calls(threading.Event())))

    def new_releases(self, market: str, on_page: _OnPage = None) -> Batch:
        """The new albums of a market, in the order of its list.

        Source: GET /browse/new-releases, pages of 50: a small editorial subset that spans months. The parameter
        `country` is no longer documented, and still sent. Where that is closed, GET /search for `tag:new`, pages of
        10: albums of the past two weeks, at most 1000 of them, known artists first.

        Args:
            market: ISO 3166-1 alpha-2 code.
            on_page: told of each page as it comes, also when the method raises in the end.

        Returns:
            A frame with the columns `records.SIGHTINGS`, each album once.

        Raises:
            ApiError: see `errors`.
        """
        _check_market(market, NEW_RELEASES)
        if self._allows(NEW_RELEASES):
            try:
                found = self._listed(market, on_page)
            except ForbiddenError as error:
                self._close(NEW_RELEASES, error)
            else:
                self.access.learn(NEW_RELEASES, is_open=True)
                return found
        return self._searched(market, on_page)

    def albums(
        self,
        album_ids: Sequence[str],
        market: str,
        on_part: Callable[[Part[AlbumBatch]], None] | None = None,
    ) -> AlbumBatch:
        """Albums with all their tracks.

        Source: GET /albums?ids=, 20 a call; where that is closed GET /albums/{id}. Tracks beyond the first page
        from GET /albums/{id}/tracks.

        Args:
            album_ids: Spotify ids; each is asked for once.
            market: ISO 3166-1 alpha-2 code; Spotify relinks tracks that the market has under another id.
            on_part: told of what each call gave.

        Returns:
            Frames with the columns `records.RELEASES` and `records.TRACKS`, keyed by the ids asked for.
            An album whose tracks cannot be read whole is set aside with them.

        Raises:
            ApiError: see `errors`.
        """
        _check_market(market, ALBUMS)
        ids, malformed = _sorted_by_form(ALBUMS, album_ids)
        gathered = Gathered[AlbumBatch](ids, on_part)

        def ask_many(some: Sequence[str], calls: _Calls) -> AlbumBatch:
            values = _items(calls.albums(some, market=market), ALBUMS)
            return _read_albums(some, values, calls, market)

        def ask_one(some: Sequence[str], calls: _Calls) -> AlbumBatch:
            return _read_albums(some, [_or_none(partial(calls.album, some[0], market=market))], calls, market)

        if not self._ask_if_open(ALBUMS, ALBUMS_AT_ONCE, ask_many, gathered):
            self._ask_in_batches(gathered, 1, ask_one)
        return AlbumBatch.joined(gathered.in_order(), [*malformed, *_given_up(gathered)])

    def audio_features(
        self, track_ids: Sequence[str], on_part: Callable[[Part[Batch]], None] | None = None
    ) -> FeatureBatch:
        """Audio features of tracks.

        Source: GET /audio-features?ids=, 100 a call; where that is closed, ReccoBeats, 40 a call.

        Args:
            track_ids: Spotify ids; each is asked for once.
            on_part: told of what each call gave.

        Returns:
            A frame with the columns `records.AUDIO_FEATURES`, one row for each distinct id: status 'absent'
            and nulls where there are no features, or none that can be used (those are set aside), or nobody
            could be asked (those are in `unanswered`).

        Raises:
            ApiError: of Spotify, see `errors`. A fault of ReccoBeats is told in `problem`.
        """
        ids, malformed = _sorted_by_form(AUDIO_FEATURES, track_ids)
        gathered = Gathered[Batch](ids, on_part)

        def ask(some: Sequence[str], calls: _Calls) -> Batch:
            return records.audio_features(some, _items(calls.audio_features(some), AUDIO_FEATURES))

        problem = None
        if not self._ask_if_open(AUDIO_FEATURES, AUDIO_FEATURES_AT_ONCE, ask, gathered):
            problem = self._ask_elsewhere(gathered)
        batch = _joined(records.AUDIO_FEATURES, gathered.in_order(), [*malformed, *_given_up(gathered)])
        no_ids = [key for key in _distinct(track_ids) if not is_id(key)]
        absent = records.absent_features([*gathered.unanswered, *no_ids])
        return FeatureBatch(pl.concat([batch.frame, absent]), batch.set_aside, tuple(gathered.left), problem)

    def tracks(
        self, track_ids: Sequence[str], market: str, on_part: Callable[[Part[Batch]], None] | None = None
    ) -> Batch:
        """Popularity and ISRC of tracks, which the tracks of an album do not carry.

        Source: GET /tracks?ids=, 50 a call. Where that is closed the application gets no popularity by any call:
        GET /tracks/{id} gives the ISRC alone, and is asked only with `asks_single_tracks`.

        Args:
            track_ids: Spotify ids; each is asked for once.
            market: ISO 3166-1 alpha-2 code.
            on_part: told of what each call gave.

        Returns:
            A frame with the columns `records.TRACK_DETAILS`, keyed by the ids asked for also where Spotify
            answers with another. `popularity` and `isrc` are null where Spotify withholds them.

        Raises:
            ApiError: see `errors`.
        """
        _check_market(market, TRACKS)
        ids, malformed = _sorted_by_form(TRACKS, track_ids)
        gathered = Gathered[Batch](ids, on_part)

        def ask_many(some: Sequence[str], calls: _Calls) -> Batch:
            return records.track_details(some, _items(calls.tracks(some, market=market), TRACKS))

        def ask_one(some: Sequence[str], calls: _Calls) -> Batch:
            return records.track_details(some, [_or_none(partial(calls.track, some[0], market=market))])

        if not self._ask_if_open(TRACKS, TRACKS_AT_ONCE, ask_many, gathered):
            if self.asks_single_tracks:
                self._ask_in_batches(gathered, 1, ask_one)
            else:
                gathered.add(Part(gathered.left, Batch(records.withheld_details(gathered.left))))
        return _joined(records.TRACK_DETAILS, gathered.in_order(), [*malformed, *_given_up(gathered)])

    def artists(
        self, artist_ids: Sequence[str], on_part: Callable[[Part[Batch]], None] | None = None
    ) -> Batch:
        """Names, genres, followers and popularity of artists.

        Source: GET /artists?ids=, 50 a call.

        Args:
            artist_ids: Spotify ids; each is asked for once.
            on_part: told of what each call gave.

        Returns:
            A frame with the columns `records.ARTISTS`. All but the name is null where Spotify withholds it.

        Raises:
            ForbiddenError: batches are closed to this application. One call an artist would give nothing but the
                name, which credits hold already.
            ApiError: see `errors`.
        """
        ids, malformed = _sorted_by_form(ARTISTS, artist_ids)
        gathered = Gathered[Batch](ids, on_part)

        def ask(some: Sequence[str], calls: _Calls) -> Batch:
            return records.artists(some, _items(calls.artists(some), ARTISTS))

        if not self._ask_if_open(ARTISTS, ARTISTS_AT_ONCE, ask, gathered):
            raise ForbiddenError("this endpoint is closed to this application", endpoint=ARTISTS, status=403)
        return _joined(records.ARTISTS, gathered.in_order(), [*malformed, *_given_up(gathered)])

    def _calls(self, stop: threading.Event) -> _Calls:
        return _Calls(self._transport, self._answering, stop)

    def _allows(self, endpoint: str) -> bool:
        self._resolve_doubt()
        return self.access.allows(endpoint)

    def _resolve_doubt(self) -> None:
        self.access.resolve_doubt(partial(_ask_for_sample, self._calls(threading.Event())))

    def _close(self, endpoint: str, error: ForbiddenError) -> None:
        """Remember that an endpoint is closed; the error is raised where it speaks of another one."""
        if error.endpoint != endpoint:
            raise error
        _logger.warning("%s; going on without it", error)
        self.access.learn(endpoint, is_open=False)
        self._resolve_doubt()

    def _listed(self, market: str, on_page: _OnPage) -> Batch:
        calls = self._calls(threading.Event())

        def fetch(offset: int) -> Page:
            return read_page(
                _member(calls.new_releases(market, PAGE_SIZE, offset), "albums"), offset, NEW_RELEASES
            )

        return _sightings(market, follow_pages(fetch, None, NEW_RELEASES), NEW_RELEASES, on_page)

    def _searched(self, market: str, on_page: _OnPage) -> Batch:
        calls = self._calls(threading.Event())

        def fetch(offset: int) -> Page:
            answer = calls.search(
                _NEW_ALBUMS, limit=SEARCH_PAGE_SIZE, offset=offset, type="album", market=market
            )
            return read_page(_member(answer, "albums"), offset, SEARCH)

        return _sightings(market, follow_search(fetch), SEARCH, on_page)

    def _ask_elsewhere(self, gathered: Gathered[Batch]) -> str | None:
        """Ask ReccoBeats for the features that are left; why not all could be asked for, in a sentence."""
        if self.reccobeats is None:
            return NO_SOURCE_OF_FEATURES if gathered.left else None
        problem = self.reccobeats.audio_features(gathered)
        return problem.sentence if problem else None

    def _ask_if_open(self, endpoint: str, size: int, ask: _Ask[_T], gathered: Gathered[_T]) -> bool:
        """Ask for what is left in batches; False where the endpoint is closed, or is found closed meanwhile."""
        if not gathered.left:
            return True
        if not self._allows(endpoint):
            return False
        try:
            if not self.access.is_known(endpoint):
                # Alone: of a closed endpoint this is the one call.
                self._ask_in_batches(gathered, size, ask, most=1)
                self.access.learn(endpoint, is_open=True)
            self._ask_in_batches(gathered, size, ask)
        except ForbiddenError as error:
            self._close(endpoint, error)
            return False
        return True

    def _ask_in_batches(
        self, gathered: Gathered[_T], size: int, ask: _Ask[_T], most: int | None = None
    ) -> None:
        """Ask for the ids that are left, in batches, at most `most` of them."""
        left = gathered.left

        def call(batch: Sequence[str], stop: threading.Event) -> list[Part[_T] | TransientError]:
            calls = self._calls(stop)
            return Halving(lambda some: Part(some, ask(some, calls)), self._answering, left[-1]).run(batch)

        run_batches(chunks(left, size)[:most], call, self._wire.threads, gathered.take)
        if gathered.given_up and not gathered.parts and not gathered.left:
            raise gathered.given_up[0]


def _ask_for_sample(calls: _Calls, endpoint: str) -> None:
    if endpoint == NEW_RELEASES:
        calls.new_releases("US", 1, 0)
    else:
        calls.ask_for_ids(endpoint, [_SAMPLE_IDS[endpoint]])


def _or_none(call: Callable[[], object]) -> object:
    """What a call for one id gives; None where Spotify does not know it, as a batch has null in its place."""
    try:
        return call()
    except NotFoundError:
        return None
    except BadRequestError as error:
        if not _SPEAKS_OF_AN_ID.search(error.message):
            raise
        return None


def _sightings(market: str, pages: Iterable[Page], endpoint: str, on_page: _OnPage) -> Batch:
    """What the pages of a list hold, each album once, and each entry with its position from 1."""
    entries: list[tuple[int, object]] = []
    for page in pages:
        of_page = list(enumerate(page.items, start=page.offset + 1))
        if on_page is not None:
            on_page(records.sightings(market, of_page, endpoint))
        entries += of_page
    return records.sightings(market, entries, endpoint)


def _distinct(ids: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(ids))


def _sorted_by_form(endpoint: str, ids: Sequence[str]) -> tuple[list[str], list[SetAside]]:
    """The distinct ids that a call may carry; what is no id at all is never sent, and set aside."""
    malformed = [
        SetAside(endpoint, None, f"{show(key)} is not a Spotify id")
        for key in _distinct(ids)
        if not is_id(key)
    ]
    return [key for key in _distinct(ids) if is_id(key)], malformed


def _given_up(gathered: Gathered[_T]) -> list[SetAside]:
    """The ids that Spotify answers with 5xx steadily."""
    return [
        SetAside(fault.endpoint, fault.ids[0], f"answers {fault.status} steadily")
        for fault in gathered.given_up
    ]


def _read_albums(ids: Sequence[str], values: Sequence[object], calls: _Calls, market: str) -> AlbumBatch:
    releases = Rows(ALBUMS)
    tracks = Rows(ALBUM_TRACKS)
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
    def fetch(offset: int) -> Page:
        answer = calls.album_tracks(album_id, limit=PAGE_SIZE, offset=offset, market=market)
        return read_page(answer, offset, ALBUM_TRACKS)

    # The first page comes with the album.
    embedded = _member(value, "tracks")
    first = None if embedded is None else read_page(embedded, 0, ALBUM_TRACKS)
    return list(follow_pages(fetch, first, ALBUM_TRACKS))


def _check_market(market: str, endpoint: str) -> None:
    if not is_market(market):
        raise BadRequestError(f"{market!r} is not an ISO 3166-1 alpha-2 code, such as US", endpoint=endpoint)


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
