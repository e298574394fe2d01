"""Runs that write the same table at once, and runs that are killed: nothing lost, doubled or mixed."""

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import URL, Engine, text

from spotify_assets.warehouse import tables
from spotify_assets.warehouse.catalogue import TableAddress
from spotify_assets.warehouse.reading import read
from spotify_assets.warehouse.table_locks import MAX_KEY_LOCKS, lock_partitions
from spotify_assets.warehouse.writing import Partitions, replace

TABLE = TableAddress("spotify", "track_details")
FREE_TABLE = TableAddress("lab", "track_details")
TRACKS = 12


def details(albums: list[str], version: int) -> pl.DataFrame:
    """Twelve tracks an album; which ones differs from version to version, as does the popularity."""
    rows = [(album, f"{album}-{track + version % 3}") for album in albums for track in range(TRACKS)]
    return pl.DataFrame(rows, schema=["album_id", "track_id"], orient="row").with_columns(
        popularity=pl.lit(version % 100, pl.Int16),
        isrc=pl.lit(None, pl.String),
        fetched_at=pl.lit("2026-01-02").str.to_datetime(time_zone="UTC"),
    )


def write(engine: Engine, albums: list[str], version: int, table: TableAddress = TABLE) -> None:
    declared = tables.track_details if table == TABLE else None
    partitions = Partitions("album_id", tuple(albums))
    replace(engine, table, details(albums, version), partitions=partitions, declared=declared)


def assert_every_album_is_of_one_version(engine: Engine, table: TableAddress, albums: set[str]) -> None:
    by_album = (
        read(engine, table)
        .group_by("album_id")
        .agg(pl.len(), pl.col("track_id", "popularity").n_unique())
        .rename({"track_id": "tracks", "popularity": "versions"})
    )
    assert set(by_album.get_column("album_id")) == albums
    assert set(by_album.select("len", "tracks", "versions").rows()) == {(TRACKS, TRACKS, 1)}


@pytest.mark.parametrize("table", [TABLE, FREE_TABLE], ids=["with a primary key", "without a key"])
def test_runs_on_the_same_partitions_neither_fail_nor_mix(engine: Engine, table: TableAddress) -> None:
    """Without the locks: UniqueViolation with a key, doubled albums without one, deadlocks in both."""
    albums = [f"album{number}" for number in range(40)]

    def runs(seed: int) -> None:
        chance = random.Random(seed)
        for version in range(6):
            write(engine, chance.sample(albums, 20), seed * 10 + version, table)

    write(engine, albums, 0, table)
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(runs, range(5)))
    assert_every_album_is_of_one_version(engine, table, set(albums))


def test_small_and_large_runs_on_partitions_that_do_not_exist_yet_do_not_mix(engine: Engine) -> None:
    """A run of more partitions than locks fit into the server's table locks the whole table."""
    albums = [f"album{number}" for number in range(MAX_KEY_LOCKS + 20)]

    def run(number: int) -> None:
        write(engine, albums if number % 3 == 0 else albums[number::7], number)

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(run, range(9)))
    assert_every_album_is_of_one_version(engine, TABLE, set(albums))


def test_runs_on_other_partitions_do_not_wait(engine: Engine) -> None:
    write(engine, ["a", "b"], 0)
    with engine.connect() as open_run:
        # What a run holds that has locked partition a and not committed yet.
        lock_partitions(open_run, TABLE, ["a"])
        write(engine, ["b"], 1)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(write, engine, ["a"], 2)
            time.sleep(0.3)
            assert not waiting.done()
            open_run.rollback()
            waiting.result(timeout=20)
    assert_every_album_is_of_one_version(engine, TABLE, {"a", "b"})


def test_a_reader_sees_the_old_rows_until_the_whole_table_is_replaced(engine: Engine) -> None:
    """TRUNCATE would lock the reader out, or show it an empty table."""
    table = TableAddress("lab", "whole")
    replace(engine, table, pl.DataFrame({"n": [1]}), partitions=None, declared=None)
    with engine.connect() as reader:
        assert reader.execute(text("select n from lab.whole")).scalar_one() == 1
        replace(engine, table, pl.DataFrame({"n": [2]}), partitions=None, declared=None)
        assert reader.execute(text("select n from lab.whole")).scalar_one() == 2


WRITER = """
import sys
from spotify_assets.warehouse.database import create_engine
from spotify_assets_tests.warehouse.test_concurrent_writes import ALBUMS, write
engine = create_engine(sys.stdin.readline().strip())
print("ready", flush=True)
for version in range(1, 1000):
    write(engine, ALBUMS, version)
    print(version, flush=True)
"""
ALBUMS = [f"album{number}" for number in range(300)]


def test_kill_9_in_the_middle_of_a_write_leaves_whole_versions(
    engine: Engine, empty_database_url: URL
) -> None:
    """Killed at seeded moments of a loop that does nothing but write; several fall into the transaction."""
    write(engine, ALBUMS, 0)
    chance = random.Random(7)
    for _ in range(6):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        with writer:
            assert writer.stdin is not None
            assert writer.stdout is not None
            writer.stdin.write(empty_database_url.render_as_string(hide_password=False) + "\n")
            writer.stdin.flush()
            assert writer.stdout.readline() == "ready\n"
            assert writer.stdout.readline() == "1\n"
            time.sleep(chance.uniform(0.0, 0.4))
            os.kill(writer.pid, signal.SIGKILL)
        stored = read(engine, TABLE)
        assert stored.height == len(ALBUMS) * TRACKS
        assert stored.get_column("popularity").n_unique() == 1
        # The next run waits until the server has noticed that the client is gone, and no longer.
        write(engine, ALBUMS, 0)
    assert_every_album_is_of_one_version(engine, TABLE, set(ALBUMS))
