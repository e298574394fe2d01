"""UPCs, ISRCs and ids of Deezer's that can be read back, so that a search for one needs no index."""

from __future__ import annotations

_ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_COUNTRIES = ("US", "GB", "QZ", "DE", "FR", "SE", "BR", "JP", "KR", "IN", "NL", "ES", "CA", "AU", "NG", "MX")
_UPC_SPACE = 10**10
_ISRC_REGISTRANTS = 36**3
_ISRC_SPACE = len(_COUNTRIES) * _ISRC_REGISTRANTS * 10**5
_DEEZER_TRACKS = 10**4  # ids that Deezer reserves for an album's tracks
_DEEZER_OFFSET = 628_318_530
# Odd, not divisible by 3 or 5: coprime to all spaces, so that multiplication is a permutation of each.
_STRIDE = 7_727_464_129


def _check_digit(digits: str) -> int:
    odd, even = sum(map(int, digits[0::2])), sum(map(int, digits[1::2]))
    return -(odd * 3 + even) % 10


def upc(album: int, offset: int) -> str:
    """The UPC of album number `album`: 12 digits, for every tenth album written with a leading zero as an EAN."""
    digits = f"1{(album * _STRIDE + offset) % _UPC_SPACE:010d}"
    text = f"{digits}{_check_digit(digits)}"
    return f"0{text}" if album % 10 == 3 else text


def album_of_upc(text: str, offset: int) -> int | None:
    """The number of the album that may carry this UPC; the caller compares, for leading zeros count."""
    digits = text[-12:]
    if not digits.isascii() or not digits.isdigit() or len(digits) != 12:
        return None
    return (int(digits[1:11]) - offset) * pow(_STRIDE, -1, _UPC_SPACE) % _UPC_SPACE


def isrc(track: int, year: int, offset: int) -> str:
    """The ISRC of track number `track`, such as QZK8A2600123."""
    rest, serial = divmod((track * _STRIDE + offset) % _ISRC_SPACE, 10**5)
    country, registrant = divmod(rest, _ISRC_REGISTRANTS)
    high, low = divmod(registrant, 36)
    letters = _ALPHANUMERIC[high // 36] + _ALPHANUMERIC[high % 36] + _ALPHANUMERIC[low]
    return f"{_COUNTRIES[country]}{letters}{year % 100:02d}{serial:05d}"


def track_of_isrc(text: str, offset: int) -> int | None:
    """The number of the track that may carry this ISRC; the caller compares the year."""
    country, letters, serial = text[:2], text[2:5], text[7:]
    is_ours = len(text) == 12 and country in _COUNTRIES and serial.isdigit() and serial.isascii()
    if not is_ours or any(letter not in _ALPHANUMERIC for letter in letters):
        return None
    registrant = 0
    for letter in letters:
        registrant = registrant * 36 + _ALPHANUMERIC.index(letter)
    value = (_COUNTRIES.index(country) * _ISRC_REGISTRANTS + registrant) * 10**5 + int(serial)
    return (value - offset) * pow(_STRIDE, -1, _ISRC_SPACE) % _ISRC_SPACE


def deezer_album_id(album: int) -> int:
    """Deezer's id of album number `album`."""
    return 1 + (album * _STRIDE + _DEEZER_OFFSET) % _UPC_SPACE


def album_of_deezer_id(deezer_id: int) -> int | None:
    """The number of the album that has this id on Deezer, if there are so many."""
    if not 1 <= deezer_id <= _UPC_SPACE:
        return None
    return (deezer_id - 1 - _DEEZER_OFFSET) * pow(_STRIDE, -1, _UPC_SPACE) % _UPC_SPACE


def deezer_track_id(album: int, place: int) -> int:
    """Deezer's id of the track at `place` (from 0) of album number `album`."""
    number = album * _DEEZER_TRACKS + place
    return 1 + (number * _STRIDE + _DEEZER_OFFSET) % (_UPC_SPACE * _DEEZER_TRACKS)


def track_of_deezer_id(deezer_id: int) -> tuple[int, int] | None:
    """The number of the album and the place (from 0) of the track with this id on Deezer."""
    space = _UPC_SPACE * _DEEZER_TRACKS
    if not 1 <= deezer_id <= space:
        return None
    return divmod((deezer_id - 1 - _DEEZER_OFFSET) * pow(_STRIDE, -1, space) % space, _DEEZER_TRACKS)
