"""Reads one HTTP answer: the JSON it carries, or the error it stands for. Pure: no waiting, no sending."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import requests

from spotify_assets.spotify.endpoints import CLOSABLE
from spotify_assets.spotify.errors import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    ForbiddenError,
    MalformedAnswerError,
    NotFoundError,
    PremiumRequiredError,
    QuotaExceededError,
    RateLimitedError,
    RefusedError,
    TransientError,
)
from spotify_assets.spotify.moments import moment

# Spotify counts calls in a rolling window of 30 s; a third of it is a fair guess when a 429 names no wait.
DEFAULT_RETRY_AFTER = 10.0
# A 429 with "Retry-After: 0" has been seen; calling again at once lengthens the penalty.
SHORTEST_RETRY_AFTER = 1.0
# A day has been seen; an absurd one must not lock an endpoint for ever.
LONGEST_RETRY_AFTER = 7 * 86_400.0

_TEXT_SHOWN = 200
_SERVER_TIMEOUTS = (408, 425)


@dataclass(frozen=True)
class Question:
    """What was asked, as errors name it.

    Attributes:
        endpoint: the endpoint's name as in `CallLog`.
        ids: the ids asked for.
    """

    endpoint: str
    ids: Sequence[str] = ()


@dataclass(frozen=True)
class Complaint:
    """An error body, whatever its form.

    Attributes:
        message: its text; None when it has none, as the 403 of a closed endpoint.
        reason: the machine-readable reason, such as "QUOTA_EXCEEDED", or None.
        is_json: False for plain text and HTML.
    """

    message: str | None
    reason: str | None
    is_json: bool


def read_answer(question: Question, response: requests.Response, now: float) -> object:
    """Give the JSON of a good answer.

    Args:
        question: what was asked.
        response: the answer, its body read.
        now: the time in seconds since the epoch, to which a Retry-After is added.

    Raises:
        ApiError: of the class that the status and the body stand for.
    """
    if response.status_code == requests.codes.ok:
        return _read_json(question, response)
    raise _error_for(question, response, now)


def _read_json(question: Question, response: requests.Response) -> object:
    text = response.content.lstrip()
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        # An answer without a length that is cut short ends without any complaint from the HTTP library.
        if text[:1] in (b"{", b"["):
            raise TransientError(
                "the answer's JSON is cut short", endpoint=question.endpoint, status=200, ids=question.ids
            ) from error
        what = f"not JSON: {_shorten(response.text)!r}" if text else "empty"
        raise MalformedAnswerError(
            f"the answer is {what}", endpoint=question.endpoint, status=200, ids=question.ids
        ) from error


def _error_for(question: Question, response: requests.Response, now: float) -> ApiError:
    status = response.status_code
    if status == requests.codes.too_many_requests:
        return _rate_limited(question, response, now)
    if status >= requests.codes.internal_server_error or status in _SERVER_TIMEOUTS:
        return _transient(question, response, now)
    message = read_complaint(response).message or "no message"
    if status == requests.codes.forbidden:
        return _forbidden(question, response)
    if status < requests.codes.bad_request:
        # Redirects are not followed: the token would travel along.
        message = f"neither an answer nor an error: {message}"
    return _class_for(status)(message, endpoint=question.endpoint, status=status, ids=question.ids)


def _class_for(status: int) -> type[ApiError]:
    if status < requests.codes.bad_request:
        return MalformedAnswerError
    known: dict[int, type[ApiError]] = {401: AuthenticationError, 404: NotFoundError}
    return known.get(status, BadRequestError)


def _transient(question: Question, response: requests.Response, now: float) -> TransientError:
    error = TransientError(
        read_complaint(response).message or "no message",
        endpoint=question.endpoint,
        status=response.status_code,
        ids=question.ids,
    )
    error.retry_after = parse_retry_after(response.headers.get("Retry-After"), now)
    return error


def _rate_limited(question: Question, response: requests.Response, now: float) -> RateLimitedError:
    seconds = parse_retry_after(response.headers.get("Retry-After"), now)
    seconds = DEFAULT_RETRY_AFTER if seconds is None else max(seconds, SHORTEST_RETRY_AFTER)
    is_quota = read_complaint(response).reason == "QUOTA_EXCEEDED"
    asked_at = moment(now)
    return limit_error(question, asked_at + timedelta(seconds=seconds), asked_at, is_quota=is_quota)


def limit_error(
    question: Question, resume_at: datetime, now: datetime, *, is_quota: bool
) -> RateLimitedError:
    """The error for a call that is not allowed before a time.

    Args:
        question: what was or would have been asked.
        resume_at: from when on calls are allowed again.
        now: the time.
        is_quota: the quota is used up; else too many calls were made in too short a time.
    """
    what = "the application's quota is used up" if is_quota else "too many requests"
    return (QuotaExceededError if is_quota else RateLimitedError)(
        f"{what}; call again after {resume_at:%Y-%m-%d %H:%M:%S} UTC",
        resume_at=resume_at,
        retry_after=(resume_at - now).total_seconds(),
        endpoint=question.endpoint,
        ids=question.ids,
    )


def _forbidden(question: Question, response: requests.Response) -> ApiError:
    """Tell the three meanings of a 403 apart."""
    complaint = read_complaint(response)
    text = complaint.message or ""
    kind: type[ApiError] = RefusedError
    message = f"refused: {text}" if text else "refused without a message"
    # Seen both as JSON and as plain text, with the token endpoint still answering 200.
    if "premium subscription" in text.lower():
        kind = PremiumRequiredError
        message = f"{text} (after renewing Premium it can take hours until calls work again)"
    elif _says_closed(complaint) and question.endpoint in CLOSABLE:
        kind = ForbiddenError
        message = "this endpoint is closed to this application"
    return kind(message, endpoint=question.endpoint, status=403, ids=question.ids)


def _says_closed(complaint: Complaint) -> bool:
    if complaint.message is None:
        return True
    return complaint.is_json and complaint.message.strip(" .").lower() == "forbidden"


def read_complaint(response: requests.Response) -> Complaint:
    """Read an error body in any form seen: object, text in `error`, a list, plain text, HTML, nothing."""
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        return Complaint(message=_shorten(response.text) or None, reason=None, is_json=False)
    # "errors" is ReccoBeats'.
    error = body.get("error", body.get("errors")) if isinstance(body, dict) else body
    if isinstance(error, dict):
        return Complaint(_text(error.get("message")), _text(error.get("reason")), is_json=True)
    if isinstance(error, str) and isinstance(body, dict):
        # The form of the accounts service: {"error": "invalid_client", "error_description": "…"}.
        parts = [error, _text(body.get("error_description"))]
        return Complaint(": ".join(part for part in parts if part) or None, reason=None, is_json=True)
    return Complaint(None if error is None else _shorten(json.dumps(error)), reason=None, is_json=True)


def parse_retry_after(header: str | None, now: float) -> float | None:
    """Read a Retry-After header: seconds, whole or not, or an HTTP date.

    Args:
        header: the header's text, or None.
        now: seconds since the epoch.

    Returns:
        Seconds from 0 to a week; None when there is no header or it cannot be read.
    """
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        seconds = _seconds_until(header, now)
    if math.isnan(seconds):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def _seconds_until(http_date: str, now: float) -> float:
    try:
        moment = parsedate_to_datetime(http_date)
    except (ValueError, OverflowError):
        return math.nan
    # "-0000" gives a naive time, which an HTTP date means as UTC.
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now


def _text(value: object) -> str | None:
    return _shorten(value) if isinstance(value, str) and value.strip() else None


def _shorten(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _TEXT_SHOWN else f"{flat[:_TEXT_SHOWN]}…"
