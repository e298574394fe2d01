from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spotify_assets.sandbox import codes
from spotify_assets.sandbox.ids import IdCodec, Kind, is_well_formed

CODEC = IdCodec("one key")
NUMBERS = st.integers(0, 2**40)


@given(NUMBERS, st.sampled_from(Kind))
def test_an_id_looks_like_spotifys_and_leads_back_to_its_number(number: int, kind: Kind) -> None:
    text = CODEC.encode(kind, number)
    assert is_well_formed(text)
    assert CODEC.decode(text, kind) == number


@given(NUMBERS)
def test_an_id_of_another_kind_is_unknown(number: int) -> None:
    """A track id in a batch of albums must be null, not some album."""
    assert CODEC.decode(CODEC.encode(Kind.TRACK, number), Kind.ALBUM) is None


@given(NUMBERS)
def test_an_id_of_another_catalogue_is_unknown(number: int) -> None:
    assert IdCodec("another key").decode(CODEC.encode(Kind.ALBUM, number), Kind.ALBUM) is None


@given(st.text(max_size=30))
def test_any_text_is_refused_and_never_raises(text: str) -> None:
    assert CODEC.decode(text, Kind.ALBUM) is None


def test_an_id_beyond_128_bits_is_unknown() -> None:
    """22 characters can hold more than 128 bits: the number must not overflow into a false hit."""
    assert CODEC.decode("Z" * 22, Kind.ALBUM) is None


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_upc_leads_back_to_its_album_and_has_a_right_check_digit(album: int, offset: int) -> None:
    upc = codes.upc(album, offset)
    assert codes.album_of_upc(upc, offset) == album
    digits = list(map(int, upc[-12:]))
    assert (sum(digits[0::2]) * 3 + sum(digits[1::2])) % 10 == 0


@given(st.integers(0, 10**10), st.integers(1958, 2026), st.integers(0, 10**9))
def test_an_isrc_leads_back_to_its_track(track: int, year: int, offset: int) -> None:
    isrc = codes.isrc(track, year, offset)
    assert len(isrc) == 12
    assert codes.track_of_isrc(isrc, offset) == track


@given(st.text(max_size=14))
def test_any_text_as_a_code_never_raises(text: str) -> None:
    codes.album_of_upc(text, 0)
    codes.track_of_isrc(text, 0)
