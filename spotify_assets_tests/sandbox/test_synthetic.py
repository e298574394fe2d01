from __future__ import annotations

import statistics
import time
from collections import Counter
from datetime import timedelta
from itertools import pairwise

import pytest

from spotify_assets.sandbox.model import VARIOUS_ARTISTS, Album, Track, measured_features, reccobeats_features
from spotify_assets.sandbox.release_calendar import PERIOD
from spotify_assets.sandbox.synthetic import SyntheticCatalogue
from spotify_assets_tests.sandbox.caller import NOW

TODAY = NOW.date()


@pytest.fixture(scope="module")
def large() -> SyntheticCatalogue:
    return SyntheticCatalogue(albums=3000, seed=3)


@pytest.fixture(scope="module")
def albums(large: SyntheticCatalogue) -> list[Album]:
    return large.new_releases(NOW).page(0, 3000)


@pytest.fixture(scope="module")
def tracks(albums: list[Album]) -> list[Track]:
    return [track for album in albums for track in album.tracks]


def test_a_restart_on_another_day_gives_the_same_albums() -> None:
    one, other = SyntheticCatalogue(50, seed=5), SyntheticCatalogue(50, seed=5)
    later = NOW + timedelta(days=3)
    shown, shown_later = one.new_releases(NOW).page(0, 50), other.new_releases(later).page(0, 50)
    common = {album.album_id for album in shown} & {album.album_id for album in shown_later}
    assert 40 <= len(common) < 50
    assert all(one.find_album(album_id, NOW) == other.find_album(album_id, later) for album_id in common)


def test_another_seed_shares_no_album_with_it() -> None:
    one, other = SyntheticCatalogue(50, seed=5), SyntheticCatalogue(50, seed=6)
    for album in one.new_releases(NOW).page(0, 50):
        assert other.find_album(album.album_id, NOW) is None


def test_the_list_is_newest_first_and_within_eight_weeks(albums: list[Album]) -> None:
    days = [album.released_on for album in albums]
    assert days == sorted(days, reverse=True)
    assert (NOW - PERIOD).date() <= days[-1] <= days[0] <= TODAY


def test_an_album_that_rolled_off_the_list_still_answers_by_its_id(large: SyntheticCatalogue) -> None:
    album = large.new_releases(NOW).item(0)
    later = NOW + timedelta(weeks=9)
    listed = {found.album_id for found in large.new_releases(later).page(0, 3000)}
    assert album.album_id not in listed
    assert large.find_album(album.album_id, later) == album


def test_an_album_is_unknown_until_it_is_out(large: SyntheticCatalogue) -> None:
    coming = large.album(large.calendar.newest(NOW) + 1)
    assert large.find_album(coming.album_id, NOW) is None
    assert large.find_track(coming.tracks[0].track_id, NOW) is None
    assert large.find_upc(coming.upc, NOW) is None
    assert large.find_album(coming.album_id, NOW + timedelta(days=1)) == coming


def test_every_id_and_code_of_an_album_leads_back_to_it(
    large: SyntheticCatalogue, albums: list[Album]
) -> None:
    for album in albums[::100]:
        assert large.find_album(album.album_id, NOW) == album
        assert large.find_upc(album.upc, NOW) == album
        for track in album.tracks:
            assert large.find_track(track.track_id, NOW) == track
            assert large.find_isrc(track.isrc, NOW) == track
            for credit in track.artists:
                artist = large.find_artist(credit.artist_id, NOW)
                assert artist is not None
                assert artist.credit == credit


def test_ids_and_codes_are_unique(albums: list[Album], tracks: list[Track]) -> None:
    assert len({album.album_id for album in albums}) == len({album.upc for album in albums}) == len(albums)
    assert len({track.track_id for track in tracks}) == len({track.isrc for track in tracks}) == len(tracks)


def test_kinds_and_lengths_of_albums_are_plausible(albums: list[Album], tracks: list[Track]) -> None:
    kinds = Counter(album.album_type for album in albums)
    assert kinds["single"] == pytest.approx(1500, abs=120)
    assert kinds["compilation"] == pytest.approx(180, abs=50)
    assert len(tracks) / len(albums) == pytest.approx(8, abs=0.6)
    assert all(album.total_tracks <= 3 for album in albums if album.album_type == "single")
    assert any(album.total_tracks > 50 for album in albums)


def test_discs_and_track_numbers_are_whole(albums: list[Album]) -> None:
    assert any(album.tracks[-1].disc_number > 1 for album in albums)
    for album in albums:
        places = [(track.disc_number, track.track_number) for track in album.tracks]
        assert places[0] == (1, 1)
        for (disc, number), following in pairwise(places):
            assert following in ((disc, number + 1), (disc + 1, 1))


def test_a_compilation_of_various_artists_names_each_tracks_own(albums: list[Album]) -> None:
    various = [album for album in albums if album.artists[0].name == VARIOUS_ARTISTS]
    assert various
    for album in various:
        assert album.album_type == "compilation"
        assert len({track.artists[0].artist_id for track in album.tracks}) > 1


def test_no_track_credits_an_artist_twice(tracks: list[Track]) -> None:
    """A duplicate would break a key of (track, artist) in the warehouse."""
    assert any(len(track.artists) > 1 for track in tracks)
    assert all(len(set(track.artists)) == len(track.artists) for track in tracks)


def test_few_artists_release_often_and_most_seldom(albums: list[Album]) -> None:
    often = Counter(album.artists[0] for album in albums if album.artists[0].name != VARIOUS_ARTISTS)
    counts = sorted(often.values(), reverse=True)
    assert 5 <= counts[0] <= len(albums) * 0.03
    assert statistics.median(counts) == 1


def test_names_hold_other_scripts_and_quotes(albums: list[Album], tracks: list[Track]) -> None:
    text = "".join(track.name for track in tracks) + "".join(album.artists[0].name for album in albums)
    for sign in "夜봄Зάلद🔥\"'\\“%":
        assert sign in text, sign
    assert all(track.name.strip() for track in tracks)


def test_release_dates_are_mostly_days_with_a_few_old_years_and_months(albums: list[Album]) -> None:
    precisions = Counter(album.release_date_precision for album in albums)
    assert precisions["day"] >= 0.95 * len(albums)
    assert precisions["year"] > precisions["month"] > 0
    lengths = {"year": 4, "month": 7, "day": 10}
    assert all(len(album.release_date) == lengths[album.release_date_precision] for album in albums)


def test_a_twentieth_of_the_tracks_has_no_features_and_more_of_the_newest(tracks: list[Track]) -> None:
    def missing(some: list[Track]) -> float:
        return sum(measured_features(track, TODAY) is None for track in some) / len(some)

    newest = [track for track in tracks if track.released_on == TODAY]
    assert missing(tracks) == pytest.approx(0.055, abs=0.015)
    assert missing(newest) > 2 * missing(tracks)


def test_reccobeats_knows_little_of_new_tracks_and_most_of_old_ones(tracks: list[Track]) -> None:
    def known(days: int) -> float:
        return sum(
            reccobeats_features(track, track.released_on + timedelta(days=days)) is not None
            for track in tracks
        ) / len(tracks)

    assert known(0) < 0.05 < known(28) < 0.2 < known(365) < known(1500) < 0.95


def test_popularity_climbs_peaks_and_decays(large: SyntheticCatalogue, tracks: list[Track]) -> None:
    well_known = [track for track in tracks if track.popularity > 50]

    def mean(days: int) -> float:
        return statistics.mean(
            large.popularity(track, track.released_on + timedelta(days=days)) for track in well_known
        )

    assert mean(-1) == 0
    assert mean(0) < mean(4) < mean(12) > mean(40) > mean(120)


def test_popularity_moves_daily_and_is_always_the_same(
    large: SyntheticCatalogue, tracks: list[Track]
) -> None:
    days = [TODAY + timedelta(days=day) for day in range(20)]
    history = [large.popularity(tracks[0], day) for day in days]
    again = SyntheticCatalogue(albums=3000, seed=3)
    assert len(set(history)) > 1
    assert history == [again.popularity(tracks[0], day) for day in days]
    assert all(0 <= large.popularity(track, TODAY) <= 100 for track in tracks)


@pytest.mark.parametrize("feature", ["energy", "danceability", "loudness"])
def test_what_sounds_lively_is_more_popular(
    large: SyntheticCatalogue, tracks: list[Track], feature: str
) -> None:
    """The marts look for this relation: it must be there, and not be all there is."""
    rows = [
        (getattr(track.audio_features, feature), large.popularity(track, TODAY))
        for track in tracks
        if track.audio_features is not None
    ]
    relation = statistics.correlation([row[0] for row in rows], [row[1] for row in rows])
    assert 0.12 < relation < 0.6


def test_feature_values_stay_in_their_ranges(tracks: list[Track]) -> None:
    measured = [track.audio_features for track in tracks if track.audio_features is not None]
    for features in measured:
        shares = (features.danceability, features.energy, features.speechiness, features.acousticness)
        assert all(0 <= value <= 1 for value in (*shares, features.liveness, features.valence))
        assert 0 <= features.instrumentalness <= 1
        assert -60 <= features.loudness <= 1.5
        assert 0 <= features.tempo <= 250
    assert any(features.tempo == 0 and features.time_signature == 0 for features in measured)


def test_tracks_per_album_fixes_every_length() -> None:
    """The benchmarks count on exactly twelve."""
    catalogue = SyntheticCatalogue(100, tracks_per_album=12)
    assert {album.total_tracks for album in catalogue.new_releases(NOW).page(0, 100)} == {12}


def test_a_hundred_thousand_albums_start_at_once() -> None:
    started = time.perf_counter()
    listing = SyntheticCatalogue(100_000).new_releases(NOW)
    assert listing.total == 100_000
    assert len(listing.page(99_980, 50)) == 20
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(("albums", "tracks"), [(0, None), (-1, None), (1, 0), (1, 128)])
def test_sizes_that_cannot_be_are_refused(albums: int, tracks: int | None) -> None:
    with pytest.raises(ValueError, match="not"):
        SyntheticCatalogue(albums, tracks_per_album=tracks)


def test_a_catalogue_of_one_album_works() -> None:
    catalogue = SyntheticCatalogue(1)
    listing = catalogue.new_releases(NOW)
    assert listing.total == 1
    album = listing.item(0)
    assert catalogue.artist_albums(album.artists[0].artist_id, NOW).total == 1
