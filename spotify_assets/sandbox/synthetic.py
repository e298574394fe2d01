"""The synthetic catalogue: any number of albums, each a pure function of (seed, size, its number).

Nothing is stored. Album number k comes out at a moment of the ReleaseCalendar, its id carries k, and everything
about it is drawn from a generator keyed by k, so that a restart on another day finds the same albums under the
same ids, and 100,000 albums cost no more to start than ten.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import lru_cache
from random import Random

from spotify_assets.sandbox import codes, names
from spotify_assets.sandbox.draws import draws, share
from spotify_assets.sandbox.ids import IdCodec, Kind
from spotify_assets.sandbox.markets import MARKETS
from spotify_assets.sandbox.model import (
    VARIOUS_ARTISTS,
    Album,
    Artist,
    ArtistCredit,
    AudioFeatures,
    Listing,
    Track,
)
from spotify_assets.sandbox.release_calendar import ReleaseCalendar

_FRESH = timedelta(days=14)
_SLOTS = 128  # track numbers an album reserves; no album has more tracks
_NOBODY = 0  # the number of the artist "Various Artists"
_CACHED_ALBUMS = 1024


def _clip(value: float, low: float, high: float) -> float:
    return max(low, min(high, value))


def _unit(value: float) -> float:
    return round(_clip(value, 0.0, 1.0), 3)


def _image_url(rng: Random, size: str) -> str:
    return f"https://i.scdn.co/image/{size}{rng.getrandbits(96):024x}"


def draw_features(rng: Random) -> AudioFeatures:
    """Audio features of one track: loud tracks are energetic, acoustic ones are not, few are instrumental."""
    energy = _clip(rng.gauss(0.63, 0.19), 0.01, 0.99)
    danceability = _clip(rng.gauss(0.6, 0.15), 0.06, 0.98)
    is_instrumental = rng.random() < 0.12
    # Spoken word and silence come without a beat; Spotify then says 0.
    has_beat = rng.random() >= 0.003
    return AudioFeatures(
        danceability=_unit(danceability) if has_beat else 0.0,
        energy=_unit(energy),
        key=rng.randrange(12),
        loudness=round(_clip(-14 + 10.5 * energy + rng.gauss(0, 1.6), -60.0, 1.0), 3),
        mode=int(rng.random() < 0.6),
        speechiness=_unit(min(0.96, 0.024 + rng.expovariate(15))),
        acousticness=_unit(_clip(0.95 - energy + rng.gauss(-0.08, 0.2), 0.0001, 0.996)),
        instrumentalness=_unit(rng.uniform(0.3, 0.96)) if is_instrumental else 0.0,
        liveness=_unit(min(0.98, 0.05 + rng.expovariate(8))),
        valence=_unit(_clip(0.2 + 0.45 * danceability + rng.gauss(0, 0.2), 0.03, 0.98)),
        tempo=round(_clip(rng.gauss(121, 27), 58, 208), 3) if has_beat else 0.0,
        time_signature=rng.choices((4, 3, 5, 1), (91, 6, 2, 1))[0] if has_beat else 0,
    )


def appeal(features: AudioFeatures) -> float:
    """How well a track's sound takes with the public, in standard deviations: the relation marts can find."""
    return (
        0.5 * (features.danceability - 0.6) / 0.15
        + 0.35 * (features.energy - 0.63) / 0.19
        + 0.25 * (features.loudness + 7.4) / 2.6
    )


class SyntheticCatalogue:
    """An endless catalogue of which exactly `albums` albums came out during the last eight weeks.

    `tracks_per_album` fixes the length of every album (1 to 127), for measurements. The ids depend on all three
    arguments: the same id is always the same album.
    """

    def __init__(self, albums: int = 200, seed: int = 1, tracks_per_album: int | None = None) -> None:
        if albums < 1:
            raise ValueError(f"a catalogue needs at least 1 album, not {albums}")
        if tracks_per_album is not None and not 1 <= tracks_per_album < _SLOTS:
            raise ValueError(f"tracks per album must be 1 to {_SLOTS - 1}, not {tracks_per_album}")
        self.albums = albums
        self.key = f"{seed}/{albums}/{tracks_per_album or 'any'}"
        self.calendar = ReleaseCalendar(self.key, albums)
        self.ids = IdCodec(self.key)
        self.artists = max(60, albums)
        self._tracks_per_album = tracks_per_album
        self._offset = int(share(self.key, "codes") * 10**9)
        self._album = lru_cache(_CACHED_ALBUMS)(self._build_album)
        self._artist = lru_cache(4 * _CACHED_ALBUMS)(self._build_artist)

    # The truth, for tests that compare.

    def album(self, k: int) -> Album:
        """Album number k, whether it is out yet or not."""
        return self._album(k)

    def artist(self, number: int) -> Artist:
        """Artist number 1 to `artists`, the best known first; 0 is Various Artists."""
        return self._artist(number)

    def popularity(self, track: Track, day: date) -> int:
        """0 to 100 on a UTC day: climbs for two weeks after the release, then decays, with daily noise."""
        age = (day - track.released_on).days
        if age < 0:
            return 0
        rise = 1 - 0.65 * math.exp(-age / 4)
        decay = 0.35 + 0.65 * math.exp(-max(0, age - 14) / 60)
        noise = 3 * (share(self.key, track.track_id, day.toordinal()) - 0.5)
        return round(_clip(track.popularity * rise * decay + noise, 0, 100))

    # What the server asks (see model.Catalogue).

    def new_releases(self, now: datetime) -> Listing[Album]:
        """Exactly `albums` albums: those of the last eight weeks, newest first."""
        newest = self.calendar.newest(now)
        return Listing(self.albums, lambda place: self.album(newest - place))

    def fresh(self, now: datetime) -> Listing[Album]:
        """The albums of the last two weeks, newest first."""
        newest = self.calendar.newest(now)
        return Listing(newest - self.calendar.newest(now - _FRESH), lambda place: self.album(newest - place))

    def find_album(self, album_id: str, now: datetime) -> Album | None:
        """Any album that is out, however old."""
        return self._released(self.ids.decode(album_id, Kind.ALBUM), now)

    def find_track(self, track_id: str, now: datetime) -> Track | None:
        """Any track of an album that is out."""
        return self._track(self.ids.decode(track_id, Kind.TRACK), now)

    def find_artist(self, artist_id: str, now: datetime) -> Artist | None:
        """Any artist of the pool, with or without a release."""
        del now
        number = self.ids.decode(artist_id, Kind.ARTIST)
        return None if number is None or number > self.artists else self.artist(number)

    def find_upc(self, upc: str, now: datetime) -> Album | None:
        """The album with exactly this UPC, leading zeros included."""
        album = self._released(codes.album_of_upc(upc, self._offset), now)
        return album if album is not None and album.upc == upc else None

    def find_isrc(self, isrc: str, now: datetime) -> Track | None:
        """The track with exactly this ISRC."""
        track = self._track(codes.track_of_isrc(isrc, self._offset), now)
        return track if track is not None and track.isrc == isrc else None

    def album_number(self, album: Album) -> int:
        """The number that its id carries."""
        number = self.ids.decode(album.album_id, Kind.ALBUM)
        if number is None:
            raise ValueError(f"album {album.album_id} is none of this catalogue")
        return number

    def numbered_album(self, number: int, now: datetime) -> Album | None:
        """Album number `number`, if it is out."""
        return self._released(number, now) if number >= 0 else None

    def artist_albums(self, artist_id: str, now: datetime) -> Listing[Album]:
        """The artist's albums among the new releases; older ones would need a walk through all of time."""
        number = self.ids.decode(artist_id, Kind.ARTIST)
        newest = self.calendar.newest(now)
        found = [k for k in range(newest, newest - self.albums, -1) if self._main_artist(k) == number]
        return Listing(len(found), lambda place: self.album(found[place]))

    def track_popularity(self, track: Track, day: date) -> int:
        """See `popularity`."""
        return self.popularity(track, day)

    def album_popularity(self, album: Album, day: date) -> int:
        """The mean of its three most popular tracks."""
        best = sorted((self.popularity(track, day) for track in album.tracks), reverse=True)[:3]
        return round(sum(best) / len(best))

    def artist_popularity(self, artist: Artist, day: date) -> int:
        """Fame, with a slow wave of some points."""
        phase = share(self.key, artist.artist_id) * math.tau
        return round(_clip(artist.popularity + 3 * math.sin(day.toordinal() / 20 + phase), 0, 100))

    def artist_followers(self, artist: Artist, day: date) -> int:
        """Grows by about a fifth a year."""
        years = (day - date(2020, 1, 1)).days / 365.25
        return max(0, round(artist.followers * (1 + 0.2 * years)))

    # How it is made.

    def _released(self, k: int | None, now: datetime) -> Album | None:
        return self.album(k) if k is not None and self.calendar.is_out(k, now) else None

    def _track(self, number: int | None, now: datetime) -> Track | None:
        if number is None:
            return None
        k, place = divmod(number, _SLOTS)
        album = self._released(k, now)
        return album.tracks[place] if album is not None and place < album.total_tracks else None

    def _skewed(self, part: float) -> int:
        """An artist number: few artists come up often, most hardly ever."""
        return 1 + int(self.artists * part**1.7)

    def _is_compilation(self, k: int) -> bool:
        return share(self.key, "compilation", k) < 0.06

    def _main_artist(self, k: int) -> int:
        is_various = self._is_compilation(k) and share(self.key, "various", k) < 0.7
        return _NOBODY if is_various else self._skewed(share(self.key, "main artist", k))

    def _build_artist(self, number: int) -> Artist:
        rng = draws(self.key, "artist", number)
        fame = 1 - (number / self.artists) ** 0.5
        return Artist(
            artist_id=self.ids.encode(Kind.ARTIST, number),
            name=VARIOUS_ARTISTS if number == _NOBODY else names.artist_name(rng),
            genres=() if number == _NOBODY else names.genres(rng),
            image_url=_image_url(rng, "ab6761610000e5eb"),
            popularity=0 if number == _NOBODY else round(18 + 76 * fame),
            followers=round(150 * math.exp(12 * fame) * rng.uniform(0.6, 1.6)),
            fame=fame,
        )

    def _length(self, rng: Random, k: int) -> tuple[str, int]:
        """Album type and number of tracks: half singles; on average about eight tracks."""
        part = rng.random()
        if self._is_compilation(k):
            kind, tracks = "compilation", rng.randrange(51, 111) if part < 0.08 else rng.randrange(12, 31)
        elif part < 0.54:
            kind, tracks = "single", rng.choices((1, 2, 3), (7, 2, 1))[0]
        else:
            kind, tracks = "album", rng.randrange(51, 91) if part > 0.994 else rng.randrange(8, 17)
        if self._tracks_per_album is None:
            return kind, tracks
        return "album" if kind == "single" and self._tracks_per_album > 6 else kind, self._tracks_per_album

    def _shown_date(self, rng: Random, released_on: date) -> tuple[str, str]:
        """Release date and precision as Spotify shows them: 3 of 100 are reissues with a vague old date."""
        part = rng.random()
        if part < 0.02:
            return str(rng.randrange(1958, 2015)), "year"
        if part < 0.03:
            return f"{rng.randrange(1975, 2015)}-{rng.randrange(1, 13):02d}", "month"
        return released_on.isoformat(), "day"

    def _markets(self, rng: Random) -> tuple[str, ...]:
        """Nine of ten albums are sold everywhere, the others lack some markets, hardly any is sold nowhere."""
        part = rng.random()
        if part < 0.9:
            return MARKETS
        missing = set(rng.sample(MARKETS, rng.randrange(1, 12)))
        return () if part > 0.999 else tuple(market for market in MARKETS if market not in missing)

    def _build_album(self, k: int) -> Album:
        rng = draws(self.key, "album", k)
        released_on = self.calendar.moment(k).date()
        album_type, total = self._length(rng, k)
        shown, precision = self._shown_date(rng, released_on)
        main = self.artist(self._main_artist(k))
        album_id = self.ids.encode(Kind.ALBUM, k)
        markets = self._markets(rng)
        name = names.title(rng)
        build = self._track_builder(k, album_id, main, released_on, markets)
        places = _places(rng, total)
        return Album(
            album_id=album_id,
            name=name,
            album_type=album_type,
            release_date=shown,
            release_date_precision=precision,
            released_on=released_on,
            artists=(main.credit, *self._guests(rng, main, 0.08)),
            label=names.label(rng),
            upc=codes.upc(k, self._offset),
            image_url=_image_url(rng, "ab67616d0000b273"),
            markets=markets,
            popularity=None,
            tracks=tuple(build(place, disc, number) for place, (disc, number) in enumerate(places)),
        )

    def _guests(self, rng: Random, main: Artist, chance: float) -> list[ArtistCredit]:
        if rng.random() >= chance:
            return []
        drawn = [self.artist(self._skewed(rng.random())) for _ in range(rng.choice((1, 1, 1, 2)))]
        return list(dict.fromkeys(artist.credit for artist in drawn if artist.artist_id != main.artist_id))

    def _track_builder(
        self, k: int, album_id: str, main: Artist, released_on: date, markets: tuple[str, ...]
    ) -> Callable[[int, int, int], Track]:
        def build(place: int, disc_number: int, track_number: int) -> Track:
            rng = draws(self.key, "track", k, place)
            number = k * _SLOTS + place
            is_various = main.name == VARIOUS_ARTISTS
            artist = self.artist(self._skewed(rng.random())) if is_various else main
            guests = self._guests(rng, artist, 0.18)
            features = draw_features(rng)
            height = 14 + 50 * artist.fame + 8 * appeal(features) - min(place, 12) * 0.7
            return Track(
                track_id=self.ids.encode(Kind.TRACK, number),
                album_id=album_id,
                name=names.track_title(rng, [guest.name for guest in guests if rng.random() < 0.8]),
                disc_number=disc_number,
                track_number=track_number,
                duration_ms=round(_clip(rng.gauss(196_000, 46_000), 31_000, 780_000)),
                explicit=rng.random() < 0.25,
                artists=(artist.credit, *guests),
                isrc=codes.isrc(number, released_on.year, self._offset),
                markets=markets,
                released_on=released_on,
                popularity=_clip(height + rng.gauss(0, 6), 1, 99),
                audio_features=None if rng.random() < 0.04 else features,
                # Most tracks are measured when they come out, the others within some days.
                measured_after_days=0 if rng.random() < 0.7 else math.ceil(rng.expovariate(1 / 2)),
                reccobeats_after_days=reccobeats_delay(rng),
            )

        return build


def reccobeats_delay(rng: Random) -> int | None:
    """Days until ReccoBeats knows a track: hardly any at once, a tenth within weeks, nine tenths in the end."""
    part = rng.random()
    if part < 0.02:
        return 0
    return None if part > 0.92 else round(rng.expovariate(1 / 300))


def _places(rng: Random, total: int) -> list[tuple[int, int]]:
    """Disc and track number of each track: long albums come on several discs, a few short ones too."""
    discs = math.ceil(total / 22) if total > 24 or (total > 11 and rng.random() < 0.05) else 1
    per_disc = math.ceil(total / discs)
    return [(place // per_disc + 1, place % per_disc + 1) for place in range(total)]
