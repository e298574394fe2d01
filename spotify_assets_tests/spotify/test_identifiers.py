"""The forms in which people have the id of an album, and what a call may carry as an id or a market."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotify_assets.spotify.identifiers import album_id_in, is_id, is_market

ID = "4aawyAB9vmqN3uQ7FjRGTy"


@pytest.mark.parametrize(
    "text",
    [
        ID,
        f"spotify:album:{ID}",
        f"https://open.spotify.com/album/{ID}",
        f"http://open.spotify.com/album/{ID}",
        f"https://open.spotify.com/album/{ID}?si=abc&utm_source=copy-link",
        f"https://open.spotify.com/album/{ID}#top",
        f"https://open.spotify.com/intl-de/album/{ID}",
        f"https://open.spotify.com/intl-pt/album/{ID}?si=1",
        f"spotify:album:{ID}?si=1",
    ],
)
def test_an_album_is_found_in_every_form_that_people_copy(text: str) -> None:
    assert album_id_in(text) == ID


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ID[:-1],
        f"{ID}x",
        f" {ID}",
        f"{ID}\n",
        f"{ID[:-1]}-",
        f"{ID[:-1]}é",
        f"spotify:track:{ID}",
        f"spotify:album:{ID}x",
        f"spotify:album:{ID[:-1]}",
        f"spotify:album:{ID}\n",
        f"https://open.spotify.com/track/{ID}",
        f"https://open.spotify.com/album/{ID}/more",
        f"https://open.spotify.com.example/album/{ID}",
        f"https://example.com/?u=https://open.spotify.com/album/{ID}",
        f"open.spotify.com/album/{ID}",
        f"ftp://open.spotify.com/album/{ID}",
    ],
)
def test_what_is_no_album_is_none(text: str) -> None:
    """A track's link in a list of albums would be asked for as an album, and set aside as unknown."""
    assert album_id_in(text) is None


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=22, max_size=22), st.text())
def test_every_id_is_found_whatever_follows_the_question_mark(album_id: str, rest: str) -> None:
    assert album_id_in(album_id) == album_id
    link = album_id_in(f"https://open.spotify.com/album/{album_id}?{rest}")
    # A link is one line.
    assert link == (None if "\n" in rest else album_id)


@given(st.text())
def test_whatever_is_found_may_go_into_a_call(text: str) -> None:
    found = album_id_in(text)
    assert found is None or (is_id(found) and len(found) == 22)


@pytest.mark.parametrize(
    ("key", "is_one"),
    [
        (ID, True),
        ("a", True),
        ("", False),
        ("a b", False),
        ("a\n", False),
        ("é", False),
        (5, False),
        (None, False),
    ],
)
def test_an_id_is_letters_and_digits(key: object, is_one: bool) -> None:
    assert is_id(key) is is_one


@pytest.mark.parametrize(
    ("code", "is_one"),
    [("US", True), ("ZZ", True), ("us", False), ("USA", False), ("U", False), ("", False), ("US\n", False)],
)
def test_a_market_is_two_capital_letters(code: str, is_one: bool) -> None:
    assert is_market(code) is is_one
