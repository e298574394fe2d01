"""What faults make of an answer: another in its place, or the right one disfigured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

from spotify_assets.sandbox.answers import (
    Answer,
    api_error,
    deezer_quota_exceeded,
    html_error,
    premium_required,
    quota_exceeded,
    rate_limited,
)
from spotify_assets.sandbox.endpoints import Call
from spotify_assets.sandbox.render import Json

Striking = Mapping[str, str]

# Sixteenths of the total, in turn: none is the one before it, and the first page promises the least.
_DRIFTS = (-4, 3, -2, 4, -1, 2, -3, 1)
# Where an answer keeps its items: a page's own (of Spotify, Deezer and ReccoBeats), pages or batches under a key.
_PAGE_KEYS = ("items", "data", "content")
_LIST_KEYS = (*_PAGE_KEYS, "tracks", "albums", "artists", "audio_features")


def answer_in_place(striking: Striking, now: datetime) -> Answer | None:
    """The answer that a fault puts in the place of the right one."""
    if "rate-limit" in striking:
        return rate_limited(_retry_after(striking["rate-limit"], now))
    if "quota" in striking:
        return quota_exceeded(striking["quota"])
    if "deezer-quota" in striking:
        return deezer_quota_exceeded()
    if "status" in striking:
        return _failure(striking["status"])
    if "html" in striking:
        return replace(html_error(502), status=200)
    if "audio-features-closed" in striking:
        return api_error(403, None)
    if "premium-required" in striking:
        refusal = premium_required()
        is_text = striking["premium-required"] == "text"
        return Answer(403, refusal.body["error"]["message"]) if is_text else refusal
    return None


def _retry_after(value: str, now: datetime) -> str | None:
    if value == "date":
        return format_datetime(now + timedelta(seconds=2), usegmt=True)
    return None if value == "none" else value


def _failure(value: str) -> Answer:
    code, _, body = value.partition("/")
    status = int(code)
    if body == "empty":
        return Answer(status, "")
    return html_error(status) if body == "html" else api_error(status, "Server error")


def disfigured(answer: Answer, call: Call, striking: Striking) -> Answer:
    """A right answer with an album or an item taken out of it, or with pages that say something else."""
    if answer.status != 200 or not isinstance(answer.body, dict):
        return answer
    if "vanished" in striking:
        answer = _without_album(answer, call, striking["vanished"])
    if "null-items" in striking:
        for items in _lists(answer.body):
            items[:1] = [None] * len(items[:1])
    if "drifting-total" in striking:
        _drift(answer.body, int(striking["drifting-total"]))
    if "null-page" in striking:
        answer = replace(answer, body=_without_pages(answer.body, striking["null-page"]))
    return answer


def _without_album(answer: Answer, call: Call, album_id: str) -> Answer:
    if "id" in call.path:
        is_meant = album_id in ("", call.path["id"])
        return api_error(404, "Resource not found") if is_meant else answer
    albums = answer.body.get("albums")
    if not isinstance(albums, list):
        return answer
    gone = album_id or call.query["ids"].split(",")[0]
    kept = [None if album is not None and album["id"] == gone else album for album in albums]
    return replace(answer, body={"albums": kept})


def _lists(body: Json) -> list[list[Any]]:
    """The lists an answer is about: of its pages, of a batch, or the tracks of an album."""
    # An album or a track names its artists too, and is not about them.
    names = ("tracks",) if "id" in body else _LIST_KEYS
    values = [body.get(name) for name in names]
    paged = [value.get(key) for value in values if isinstance(value, dict) for key in _PAGE_KEYS]
    return [items for items in (*values, *paged) if isinstance(items, list)]


def _is_page(value: object) -> bool:
    return isinstance(value, dict) and "items" in value and "total" in value


def _drift(body: Json, turn: int) -> None:
    """Change the total of every page; `next` stays right."""
    for page in (body, *body.values()):
        if _is_page(page):
            page["total"] += round(page["total"] * _DRIFTS[turn % len(_DRIFTS)] / 16)


def _without_pages(body: Json, missing: str) -> Json | None:
    if missing == "items":
        return _emptied(body) if _is_page(body) else {name: _emptied(value) for name, value in body.items()}
    if _is_page(body):
        return None
    return {name: None if _is_page(value) else value for name, value in body.items()}


def _emptied(value: Any) -> Any:  # noqa: ANN401 -- any value of a JSON object
    return {**value, "items": None} if _is_page(value) else value
