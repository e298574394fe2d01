"""What Deezer knows of the albums: a second measure of popularity, genres and labels, for any Spotify key."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from sqlalchemy import Row

from spotify_assets.assets.call_report import reported_calls
from spotify_assets.assets.enrich import TRACK_DETAILS
from spotify_assets.assets.extract import OWNERS, RELEASES, TRACKS
from spotify_assets.assets.table_metadata import table_metadata
from spotify_assets.resources import Clock, Spotify, Warehouse
from spotify_assets.spotify.deezer import Deezer, DeezerBatch, Wanted, is_upc
from spotify_assets.spotify.deezer_matching import DeezerTrack, Match, SpotifyTrack
from spotify_assets.spotify.errors import ApiError
from spotify_assets.warehouse import tables
from spotify_assets.warehouse.statements import (
    AlbumDueAtDeezer,
    albums_due_at_deezer,
    record_set_aside,
    tracks_to_match,
    write_deezer,
)

DEEZER_ALBUMS = dg.AssetKey(["deezer", "albums"])
TRACK_RANKS = dg.AssetKey(["deezer", "track_ranks"])
DEEZER_POOL = "deezer_api"

# What was answered is written after so many albums: a crash costs no more.
_ALBUMS_AT_ONCE = 100


@dataclass
class _Tally:
    """What was asked and answered, over all chunks."""

    due: int = 0
    tried: set[str] = field(default_factory=set)
    no_upc: int = 0
    found: int = 0
    absent: int = 0
    matched_by: dict[str, int] = field(default_factory=lambda: {"isrc": 0, "position": 0})
    unmatched: int = 0
    set_aside: int = 0
    problem: str | None = None
    is_given_up: bool = False

    def add(self, batch: DeezerBatch) -> None:
        statuses = batch.albums["status"].to_list()
        self.found += statuses.count("found")
        self.absent += statuses.count("absent")
        ways = batch.track_ranks["matched_by"].to_list()
        for way in self.matched_by:
            self.matched_by[way] += ways.count(way)
        self.unmatched += batch.unmatched
        self.set_aside += len(batch.set_aside)
        if batch.problem is not None:
            self.problem = self.problem or batch.problem.sentence
            self.is_given_up = batch.problem.gave_up

    def metadata(self) -> dict[str, Any]:
        """For the asset; what starts with "tracks" for the ranks as well."""
        return {
            "albums_due": self.due,
            "albums_found": self.found,
            "albums_absent": self.absent,
            "albums_without_upc": self.no_upc,
            "albums_left": max(0, self.due - self.found - self.absent - self.no_upc),
            "tracks_matched_by_isrc": self.matched_by["isrc"],
            "tracks_matched_by_position": self.matched_by["position"],
            "tracks_unmatched": self.unmatched,
            "set_aside": self.set_aside,
            **({"problem": self.problem} if self.problem else {}),
        }


@dg.multi_asset(
    name="deezer_albums_and_ranks",
    outs={
        "albums": dg.AssetOut(
            key=DEEZER_ALBUMS,
            description="What Deezer says of each album in its first eight weeks, found by UPC: label, genres, fans."
            " Asked daily. An album that Deezer does not have, or that has no UPC, has a row that says so.",
            group_name="enrich",
            kinds={"deezer", "postgres"},
            owners=OWNERS,
            code_version="1",
            metadata=table_metadata(tables.deezer_albums),
        ),
        "track_ranks": dg.AssetOut(
            key=TRACK_RANKS,
            description="History of Deezer's rank (0-1,000,000), one row per track of an album and UTC day. Tracks are"
            " matched by ISRC, or by disc and place with the lengths within 3 s; unmatched ones have no row.",
            group_name="enrich",
            kinds={"deezer", "postgres"},
            owners=OWNERS,
            code_version="1",
            metadata=table_metadata(tables.deezer_track_ranks),
        ),
    },
    deps=[RELEASES, TRACKS, TRACK_DETAILS],
    internal_asset_deps={"albums": {RELEASES}, "track_ranks": {DEEZER_ALBUMS, TRACKS, TRACK_DETAILS}},
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=DEEZER_POOL,
)
def deezer_albums_and_ranks(
    context: dg.AssetExecutionContext, spotify: Spotify, warehouse: Warehouse, clock: Clock
) -> Iterator[dg.MaterializeResult[None]]:
    """Ask Deezer about the albums that are due today; one step for both, since the same answers hold both.

    A second opinion never fails a run: albums that could not be asked about are asked about by the next one.
    """
    with reported_calls(context, DEEZER_ALBUMS, spotify, warehouse, clock) as report:
        tally = _ask_about_due(spotify, warehouse, clock)
    if tally.problem:
        context.log.warning("%s", tally.problem)
    metadata = {**tally.metadata(), **report.metadata()}
    yield dg.MaterializeResult(asset_key=DEEZER_ALBUMS, metadata=metadata)
    # The same step: its calls are counted with the first alone.
    yield dg.MaterializeResult(
        asset_key=TRACK_RANKS,
        metadata={name: value for name, value in metadata.items() if name.startswith("tracks_")},
    )


def _ask_about_due(spotify: Spotify, warehouse: Warehouse, clock: Clock) -> _Tally:
    """Ask about all that is due, chunk by chunk; what another run was told meanwhile is not asked again."""
    tally = _Tally()
    deezer: Deezer | None = None
    while due := _next_chunk(warehouse, clock, tally):
        if deezer is None:
            try:
                deezer = spotify.deezer()
            except ApiError as error:
                # No token: whether the albums are real ones is not known.
                tally.problem = str(error)
                break
        if deezer is None:
            tally.problem = "switched off: DEEZER_API_URL is empty"
            break
        _ask_about_chunk(due, deezer, warehouse, clock, tally)
        if tally.is_given_up:
            break
    return tally


def _next_chunk(warehouse: Warehouse, clock: Clock, tally: _Tally) -> list[AlbumDueAtDeezer]:
    with warehouse.engine.connect() as connection:
        due = albums_due_at_deezer(connection, clock.now().date(), tried=tally.tried, most=_ALBUMS_AT_ONCE)
    tally.due = max(tally.due, due[0].albums_due if due else 0)
    return due


def _ask_about_chunk(
    due: Sequence[AlbumDueAtDeezer], deezer: Deezer, warehouse: Warehouse, clock: Clock, tally: _Tally
) -> None:
    """Ask about some albums, and write what is answered in one transaction."""
    with warehouse.engine.connect() as connection:
        tracks = tracks_to_match(connection, [album.album_id for album in due])
    wanted = [_wanted(album, album.upc, tracks.get(album.album_id, [])) for album in due if is_upc(album.upc)]
    batch = deezer.albums(wanted)
    unasked = [album.album_id for album in due if not is_upc(album.upc)]
    with warehouse.engine.begin() as connection:
        write_deezer(connection, batch.with_albums_without_upc(unasked), batch.track_ranks, clock.now())
        record_set_aside(connection, DEEZER_ALBUMS.to_user_string(), batch.set_aside, clock.now())
    tally.tried.update(album.album_id for album in due)
    tally.no_upc += len(unasked)
    tally.add(batch)


def _wanted(album: AlbumDueAtDeezer, upc: str | None, rows: Sequence[Row[Any]]) -> Wanted:
    tracks = [
        SpotifyTrack(row.track_id, row.disc_number, row.track_number, row.duration_ms, row.isrc)
        for row in rows
    ]
    known = [
        Match(row.track_id, DeezerTrack(row.deezer_track_id, None, 0, isrc=row.deezer_isrc), row.matched_by)
        for row in rows
        if row.deezer_track_id is not None
    ]
    return Wanted(album.album_id, upc or "", tracks, album.deezer_album_id, known)
