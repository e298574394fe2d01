"""Answers apart from HTTP: status, body, headers, and the error bodies the services are known to send."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Quota = Literal["quota", "deezer_quota"]

_QUOTA_REASON = "QUOTA_EXCEEDED"
_DEEZER_QUOTA = {"type": "Exception", "message": "Quota limit exceeded", "code": 4}
HTML_ERROR = (
    "<html><head><title>{status} {phrase}</title></head>"
    "<body><center><h1>{status} {phrase}</h1></center></body></html>"
)


@dataclass(frozen=True)
class Answer:
    """One answer. `body` is JSON where it is a dict or list, text or HTML where it is a string."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


class RefusedError(Exception):
    """A request that is answered with an error; carries the answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.status} {answer.body}")
        self.answer = answer


def api_error(
    status: int, message: str | None, headers: Mapping[str, str] | None = None, reason: str | None = None
) -> Answer:
    """An error of the Web API; without a message the body has none, as for closed audio features."""
    error: dict[str, Any] = {"status": status}
    if message is not None:
        error["message"] = message
    if reason is not None:
        error["reason"] = reason
    return Answer(status, {"error": error}, headers or {})


def token_error(error: str, description: str | None = None) -> Answer:
    """An error of the accounts service: another shape than the Web API's."""
    body = {"error": error}
    if description is not None:
        body["error_description"] = description
    return Answer(400, body)


def unauthorized(message: str, error: str) -> Answer:
    """401 with the header that tells a missing token from an expired one."""
    challenge = f'Bearer realm="spotify", error="{error}", error_description="{message}"'
    return api_error(401, message, {"www-authenticate": challenge})


def rate_limited(retry_after: str | None) -> Answer:
    """429 of the rate limit; `retry_after` None leaves the header out, as was seen in the wild."""
    return api_error(
        429, "API rate limit exceeded", {} if retry_after is None else {"retry-after": retry_after}
    )


def quota_exceeded(seconds: str) -> Answer:
    """429 of the daily quota of development mode."""
    return api_error(429, "Too many requests", {"retry-after": seconds}, reason=_QUOTA_REASON)


def deezer_no_data() -> Answer:
    """What Deezer does not have, or cannot make sense of: HTTP 200, as all its errors."""
    return Answer(200, {"error": {"type": "DataException", "message": "no data", "code": 800}})


def deezer_quota_exceeded() -> Answer:
    """Too many calls of Deezer within 5 seconds: HTTP 200, and no word on how long to wait."""
    return Answer(200, {"error": dict(_DEEZER_QUOTA)})


def quota(answer: Answer) -> Quota | None:
    """The quota that an answer says is used up; None also for a 429 of the rate limit."""
    error = answer.body.get("error") if isinstance(answer.body, dict) else None
    if not isinstance(error, dict):
        return None
    if error == _DEEZER_QUOTA:
        return "deezer_quota"
    return "quota" if error.get("reason") == _QUOTA_REASON else None


def premium_required() -> Answer:
    """403 for every call while the owner of the app has no Premium."""
    message = (
        "Active premium subscription required for the owner of the app. It can take a few hours to recover."
    )
    return api_error(403, message)


def html_error(status: int) -> Answer:
    """The page of a proxy in front of the API."""
    phrase = {500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable"}.get(
        status, "Error"
    )
    return Answer(status, HTML_ERROR.format(status=status, phrase=phrase))
