"""Payloads of the Web API to Polars frames with declared schemas. Pure.

A malformed item never fails a batch: it is set aside with its reason, and the rest is loaded.
The frames carry no times; whoever writes them adds those.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

import polars as pl

from spotify_assets.spotify.endpoints import NEW_RELEASES, RECCOBEATS_FEATURES
from spotify_assets.spotify.fields import Item, MalformedItemError

INT16_MAX = 2**15 - 1
INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1

UNKNOWN_TO_SPOTIFY = "unknown to Spotify"

Schema = Mapping[str, pl.DataType]
Row = tuple[Any, ...]

SIGHTINGS: Schema = {
    "market": pl.String(),
    "album_id": pl.String(),
    "album_name": pl.String(),
    "album_type": pl.String(),
    "release_date": pl.Date(),
    "release_date_precision": pl.String(),
    "position": pl.Int32(),
}
RELEASES: Schema = {
    "album_id": pl.String(),
    "name": pl.String(),
    "album_type": pl.String(),
    "release_date": pl.Date(),
    "release_date_precision": pl.String(),
    "total_tracks": pl.Int32(),
    "label": pl.String(),
    "popularity": pl.Int16(),
    "upc": pl.String(),
    "image_url": pl.String(),
    "artist_ids": pl.List(pl.String()),
    "artist_names": pl.List(pl.String()),
}
TRACKS: Schema = {
    "album_id": pl.String(),
    "track_id": pl.String(),
    "name": pl.String(),
    "disc_number": pl.Int16(),
    "track_number": pl.Int32(),
    "duration_ms": pl.Int32(),
    "explicit": pl.Boolean(),
    "is_playable": pl.Boolean(),
    "artist_ids": pl.List(pl.String()),
    "artist_names": pl.List(pl.String()),
}
AUDIO_FEATURES: Schema = {
    "track_id": pl.String(),
    "status": pl.String(),
    "source": pl.String(),
    "danceability": pl.Float64(),
    "energy": pl.Float64(),
    "key": pl.Int16(),
    "loudness": pl.Float64(),
    "mode": pl.Int16(),
    "speechiness": pl.Float64(),
    "acousticness": pl.Float64(),
    "instrumentalness": pl.Float64(),
    "liveness": pl.Float64(),
    "valence": pl.Float64(),
    "tempo": pl.Float64(),
    "time_signature": pl.Int16(),
}
TRACK_DETAILS: Schema = {"track_id": pl.String(), "popularity": pl.Int16(), "isrc": pl.String()}
ARTISTS: Schema = {
    "artist_id": pl.String(),
    "name": pl.String(),
    "genres": pl.List(pl.String()),
    "followers": pl.Int64(),
    "popularity": pl.Int16(),
}

# Read as the API gives them: key -1, tempo 0 and time_signature 0 are its ways to say "not found".
_FEATURES: tuple[tuple[str, Callable[[Item, str], float | None]], ...] = (
    *((name, lambda item, name: item.optional_number(name, 0, 1)) for name in ("danceability", "energy")),
    ("key", lambda item, name: item.optional_integer(name, -1, 11)),
    # Slightly above 0 dB occurs on loud masters.
    ("loudness", lambda item, name: item.optional_number(name, -100, 20)),
    ("mode", lambda item, name: item.optional_integer(name, 0, 1)),
    *(
        (name, lambda item, name: item.optional_number(name, 0, 1))
        for name in ("speechiness", "acousticness", "instrumentalness", "liveness", "valence")
    ),
    ("tempo", lambda item, name: item.optional_number(name, 0, 1000)),
    ("time_signature", lambda item, name: item.optional_integer(name, 0, 16)),
)


@dataclass(frozen=True)
class SetAside:
    """An item that was not loaded.

    Attributes:
        endpoint: the endpoint's name as in `CallLog`.
        item_id: the Spotify id asked for or found, or None when the item has none that can be trusted.
        reason: why, naming the field and its value.
    """

    endpoint: str
    item_id: str | None
    reason: str


@dataclass(frozen=True)
class Batch:
    """What a call gave.

    Attributes:
        frame: one row for each item that could be loaded; has its declared columns also without rows.
        set_aside: the other items.
    """

    frame: pl.DataFrame
    set_aside: tuple[SetAside, ...] = ()


@dataclass(frozen=True)
class FeatureBatch(Batch):
    """What was learned of audio features.

    Attributes:
        unanswered: tracks that could not be asked for; their rows say 'absent', though nothing is known of them.
        problem: why, in a sentence; None where all were asked for.
    """

    unanswered: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True)
class AlbumBatch:
    """Albums and their tracks, from the same answers.

    Attributes:
        releases: one row for each album.
        tracks: one row for each track of those albums.
        set_aside: albums ("albums") and tracks ("albums/{id}/tracks") that were not loaded.
    """

    releases: pl.DataFrame
    tracks: pl.DataFrame
    set_aside: tuple[SetAside, ...] = ()

    @classmethod
    def joined(cls, parts: Sequence[Self], set_aside: Sequence[SetAside] = ()) -> Self:
        """One batch of several, in their order; `set_aside` stands before what they set aside."""
        return cls(
            releases=pl.concat([frame(RELEASES), *(part.releases for part in parts)]),
            tracks=pl.concat([frame(TRACKS), *(part.tracks for part in parts)]),
            set_aside=(*set_aside, *(item for part in parts for item in part.set_aside)),
        )


@dataclass
class Rows:
    """Rows on their way to a frame, with what was set aside.

    Attributes:
        endpoint: the endpoint's name as in `CallLog`.
        rows: in the order of the frame's columns.
        set_aside: items that were not loaded.
    """

    endpoint: str
    rows: list[Row] = field(default_factory=list)
    set_aside: list[SetAside] = field(default_factory=list)

    def add(self, item_id: str | None, value: object, read: Callable[[Item], Row]) -> bool:
        """Read one item to a row, or set it aside; tells whether it was loaded."""
        try:
            self.rows.append(read(Item(value)))
        except MalformedItemError as error:
            self.put_aside(item_id, str(error))
            return False
        return True

    def put_aside(self, item_id: str | None, reason: str) -> None:
        """Set an item aside with its reason."""
        self.set_aside.append(SetAside(self.endpoint, item_id, reason))

    def batch(self, schema: Schema) -> Batch:
        """Close the list."""
        return Batch(frame(schema, self.rows), tuple(self.set_aside))


def frame(schema: Schema, rows: Sequence[Row] = ()) -> pl.DataFrame:
    """A frame of exactly the declared columns and types, also without rows."""
    return pl.DataFrame(rows, schema=dict(schema), orient="row", strict=True)


def sightings(market: str, entries: Iterable[tuple[int, object]], endpoint: str = NEW_RELEASES) -> Batch:
    """New releases of one market, in the order of its list, each album once.

    Args:
        market: ISO 3166-1 alpha-2 code.
        entries: position in the market's list from 1, and the simplified album.
        endpoint: what was asked for the list.
    """
    rows = Rows(endpoint)
    seen: set[str] = set()
    for position, value in entries:
        album_id = item_id_of(value)
        # Pages overlap when the list moves on between two calls.
        if album_id is not None and album_id in seen:
            continue
        if rows.add(album_id, value, partial(_sighting, market, position)):
            seen.add(str(album_id))
    return rows.batch(SIGHTINGS)


def _sighting(market: str, position: int, item: Item) -> Row:
    day, precision = item.release_date()
    return (
        market,
        item.identifier(),
        item.text("name"),
        _album_type(item),
        day,
        precision,
        position,
    )


def release_row(album_id: str, item: Item) -> Row:
    """One album as a row of RELEASES, keyed by the id that was asked for."""
    day, precision = item.release_date()
    artists = item.objects("artists")
    return (
        album_id,
        item.text("name"),
        _album_type(item),
        day,
        precision if day else None,
        _total_tracks(item),
        item.optional_text("label"),
        _popularity(item),
        item.optional_object("external_ids").optional_text("upc"),
        _image_url(item),
        [artist.identifier() for artist in artists],
        [artist.text("name") for artist in artists],
    )


def track_row(album_id: str, item: Item) -> Row:
    """One simplified track as a row of TRACKS."""
    artists = item.objects("artists")
    return (
        album_id,
        item.identifier(),
        item.text("name"),
        item.integer("disc_number", 0, INT16_MAX),
        item.integer("track_number", 0, INT32_MAX),
        item.integer("duration_ms", 0, INT32_MAX),
        item.flag("explicit"),
        item.optional_flag("is_playable"),
        [artist.identifier() for artist in artists],
        [artist.text("name") for artist in artists],
    )


def album_tracks(album_id: str, values: Iterable[object]) -> Rows:
    """The tracks of one album, each id once.

    A track at the place of one that is there already is a page that overlaps, and passed over; the same id
    at another place (two recordings relinked to one) is set aside, since a track is one row.
    """
    rows = Rows("albums/{id}/tracks")
    places: dict[str, tuple[object, object]] = {}
    for value in values:
        track_id = item_id_of(value)
        place = (value.get("disc_number"), value.get("track_number")) if isinstance(value, dict) else None
        first = places.get(track_id) if track_id is not None else None
        if first is not None:
            if first != place:
                rows.put_aside(track_id, f"the same id stands on disc and track {first} and {place}")
        # A track without an id is told by the album it stands in.
        elif rows.add(track_id or album_id, value, partial(track_row, album_id)) and place is not None:
            places[str(track_id)] = place
    return rows


def audio_features(track_ids: Sequence[str], values: Sequence[object]) -> Batch:
    """One row for each id asked for: 'measured' where the API has features, else 'absent'.

    Args:
        track_ids: distinct, in the order of the request.
        values: the answer's list, with null for a track without features.
    """
    rows = Rows("audio-features")
    pairs = pair(rows, track_ids, values)
    for track_id in track_ids:
        value = pairs.get(track_id)
        # A malformed object leaves the track absent as well, so that another source can fill it.
        if value is None or not rows.add(track_id, value, partial(_features, track_id)):
            rows.rows.append(_absent(track_id))
    return rows.batch(AUDIO_FEATURES)


def reccobeats_features(track_ids: Sequence[str], values: Sequence[object]) -> Batch:
    """One row for each id asked for: 'measured' where ReccoBeats has features, else 'absent'.

    ReccoBeats leaves out what it does not know, promises no order, and has ids of its own: a row belongs to the track
    at the end of its `href`. It has no time_signature.

    Args:
        track_ids: distinct Spotify ids.
        values: the answer's list.
    """
    rows = Rows(RECCOBEATS_FEATURES)
    found: dict[str, object] = {}
    for value in values:
        track_id = _end_of_href(value)
        if track_id in track_ids:
            found.setdefault(str(track_id), value)
        else:
            rows.put_aside(track_id, "was not asked for")
    for track_id in track_ids:
        read = partial(_features, track_id, source="reccobeats")
        if track_id not in found or not rows.add(track_id, found[track_id], read):
            rows.rows.append(_absent(track_id))
    return rows.batch(AUDIO_FEATURES)


def absent_features(track_ids: Sequence[str]) -> pl.DataFrame:
    """Rows that say of each track that there are no features of it."""
    return frame(AUDIO_FEATURES, [_absent(track_id) for track_id in track_ids])


def _features(track_id: str, item: Item, source: str = "spotify") -> Row:
    features = tuple(read(item, name) for name, read in _FEATURES)
    if all(feature is None for feature in features):
        return _absent(track_id)
    return (track_id, "measured", source, *features)


def _absent(track_id: str) -> Row:
    return (track_id, "absent", None, *(None for _ in _FEATURES))


def _end_of_href(value: object) -> str | None:
    href = value.get("href") if isinstance(value, dict) else None
    return storable_id(href.rstrip("/").rpartition("/")[2]) if isinstance(href, str) else None


def track_details(track_ids: Sequence[str], values: Sequence[object]) -> Batch:
    """One row for each id that the API knows, keyed by the id asked for also when it was relinked.

    Args:
        track_ids: distinct, in the order of the request.
        values: the answer's list, with null for an unknown track.
    """
    return _known("tracks", TRACK_DETAILS, _track_detail, track_ids, values)


def withheld_details(track_ids: Sequence[str]) -> pl.DataFrame:
    """Rows that say of each track that neither popularity nor ISRC is given to this application."""
    return frame(TRACK_DETAILS, [(track_id, None, None) for track_id in track_ids])


def _track_detail(track_id: str, item: Item) -> Row:
    return (track_id, _popularity(item), item.optional_object("external_ids").optional_text("isrc"))


def artists(artist_ids: Sequence[str], values: Sequence[object]) -> Batch:
    """One row for each id that the API knows.

    Args:
        artist_ids: distinct, in the order of the request.
        values: the answer's list, with null for an unknown artist.
    """
    return _known("artists", ARTISTS, _artist, artist_ids, values)


def artists_by_name(names: Mapping[str, str]) -> pl.DataFrame:
    """Artists of whom nothing but the name is known, as credits give it: all that newer applications get."""
    return frame(ARTISTS, [(artist_id, name, None, None, None) for artist_id, name in names.items()])


def _artist(artist_id: str, item: Item) -> Row:
    return (
        artist_id,
        item.text("name"),
        item.texts("genres"),
        item.optional_object("followers").optional_integer("total", 0, INT64_MAX),
        _popularity(item),
    )


def _known(
    endpoint: str,
    schema: Schema,
    read: Callable[[str, Item], Row],
    ids: Sequence[str],
    values: Sequence[object],
) -> Batch:
    rows = Rows(endpoint)
    for key, value in pair(rows, ids, values).items():
        if value is None:
            rows.put_aside(key, UNKNOWN_TO_SPOTIFY)
        else:
            rows.add(key, value, partial(read, key))
    return rows.batch(schema)


def pair(rows: Rows, ids: Sequence[str], values: Sequence[object]) -> dict[str, object]:
    """Say which value of a batch's answer belongs to which id asked for.

    By position, since a relinked track carries another id than the one asked for and, for newer
    applications, no `linked_from`. By id where the answer is shorter or longer than the question, or holds
    just the ids asked for in another order.

    Args:
        rows: takes the values that belong to none.
        ids: distinct, in the order of the request.
        values: the answer's list.

    Returns:
        The value for every id, in the order of the request; None where the API gave null or nothing.
    """
    own_ids = [item_id_of(value) for value in values]
    if len(values) == len(ids) and set(own_ids) != set(ids):
        return dict(zip(ids, values, strict=True))
    pairs: dict[str, object] = dict.fromkeys(ids)
    for own_id, value in zip(own_ids, values, strict=True):
        asked = next((key for key in (_linked_from(value), own_id) if key in pairs), None)
        if asked is not None:
            pairs[asked] = value
        elif value is not None:
            rows.put_aside(own_id, "was not asked for")
    return pairs


def item_id_of(value: object) -> str | None:
    """The id that an object states, or None when it states none that can be written down."""
    return storable_id(value.get("id")) if isinstance(value, dict) else None


def storable_id(key: object) -> str | None:
    """The id, or None when it is not text that a log or a table could hold."""
    return key if isinstance(key, str) and key.isascii() and key.isprintable() else None


def _linked_from(value: object) -> str | None:
    return item_id_of(value.get("linked_from")) if isinstance(value, dict) else None


def _album_type(item: Item) -> str:
    # "ALBUM" and "SINGLE" in upper case have been answered for months (2021).
    return item.text("album_type").lower()


def _popularity(item: Item) -> int | None:
    return item.optional_integer("popularity", 0, 100)


def _total_tracks(item: Item) -> int:
    total = item.optional_integer("total_tracks", 0, INT32_MAX)
    # Answers before 2018 state it in the page of tracks alone.
    return item.optional_object("tracks").integer("total", 0, INT32_MAX) if total is None else total


def _image_url(item: Item) -> str | None:
    images = item.objects("images")
    return images[0].optional_text("url") if images else None
