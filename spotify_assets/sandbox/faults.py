"""Faults on request: how the real services misbehave, one by one.

A fault is written `NAME[=VALUE][:OPTION=VALUE...]`, for example `rate-limit=7:every=10` or
`status=503/html:on=albums:times=2`.

| name | value (default) | what the caller sees |
|---|---|---|
| `rate-limit` | Retry-After (1): `7`, `1.5`, `86400`, `date`, `none` | 429; `date` writes an HTTP date 2 s ahead |
| `quota` | Retry-After (52531) | 429 with reason QUOTA_EXCEEDED, as development mode gets |
| `deezer-quota` | - | Deezer's "Quota limit exceeded", which comes with status 200 |
| `status` | code and body (`500/json`): `503/html`, `502/empty` | that status with a JSON, HTML or empty body |
| `html` | - | 200 with an HTML page instead of JSON |
| `truncated` | - | 200 whose body breaks off half-way |
| `dropped` | - | the connection closes without an answer |
| `slow` | seconds (10) | the right answer, late |
| `token-down` | code (503) | the token service fails, the API does not |
| `token-expiry` | - | all tokens given out so far run out; the call answers 401 |
| `audio-features-closed` | - | 403 without a message for audio features, as newer applications get |
| `premium-required` | `json` or `text` (`json`) | 403: the owner of the application lost Premium |
| `vanished` | album id (the first asked for) | the album is null in a batch, 404 on its own |
| `null-items` | - | the first item of a page or batch is null |
| `null-page` | `items` or `page` (`items`) | the items of a page are null, or the whole page |
| `duplicate-items` | - | each page begins with the last item of the page before, and `total` counts both |
| `drifting-total` | - | `total` is up to a quarter too low or too high, on each page another; `next` is right |
| `search-border-404` | - | beyond the first 1000 results 404 "Not found." instead of 400 "Bad request" |
| `relinked` | - | with a market, tracks come under another id, their own in `linked_from` |
| `access` | `development` or `extended` (`development`) | the kind of access changes for these calls |

| option | meaning |
|---|---|
| `every=N` | only each Nth call it concerns |
| `times=N` | N times in all, then no more |
| `after=N` | not before N calls it concerns have passed |
| `on=ENDPOINT` | only calls of this endpoint, named as in GET /sandbox/calls; `deezer/*` is every one of Deezer |

Without `on` a fault concerns every call of the Web API, and neither ReccoBeats, Deezer nor the token service.
Those that belong somewhere concern what they belong to: `token-down`, `audio-features-closed`, `vanished` (albums),
`deezer-quota` (all of Deezer), and of search `null-page`, `duplicate-items`, `drifting-total` and
`search-border-404`. With `on`, `null-page` and `drifting-total` reach any page of the Web API, `duplicate-items`
those of new releases and of an artist's albums.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

_DEFAULTS = {
    "rate-limit": "1",
    "quota": "52531",
    "deezer-quota": "",
    "status": "500/json",
    "html": "",
    "truncated": "",
    "dropped": "",
    "slow": "10",
    "token-down": "503",
    "token-expiry": "",
    "audio-features-closed": "",
    "premium-required": "json",
    "vanished": "",
    "null-items": "",
    "null-page": "items",
    "duplicate-items": "",
    "drifting-total": "",
    "search-border-404": "",
    "relinked": "",
    "access": "development",
}
NAMES = tuple(_DEFAULTS)
_OWN_ENDPOINTS = {
    "token-down": ("token",),
    "audio-features-closed": ("audio-features", "audio-features/{id}"),
    "vanished": ("albums", "albums/{id}", "albums/{id}/tracks"),
    "null-page": ("search",),
    "duplicate-items": ("search",),
    "drifting-total": ("search",),
    "search-border-404": ("search",),
    "deezer-quota": ("deezer/*",),
}
# What a fault without `on` leaves alone.
_OTHER_SERVICES = ("token", "reccobeats/*", "deezer/*")
# A value may hold colons itself (an HTTP date), so only known options end it.
_OPTION = re.compile(r":(every|times|after|on)=")
_VALUE_FORMS = {
    "status": re.compile(r"[45]\d\d(/(json|html|empty))?"),
    "slow": re.compile(r"\d+(\.\d+)?"),
    "token-down": re.compile(r"[45]\d\d"),
    "premium-required": re.compile(r"json|text"),
    "access": re.compile(r"development|extended"),
    "null-page": re.compile(r"items|page"),
}


class FaultError(ValueError):
    """A fault that cannot be understood; the text says what would be."""


def _count(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise FaultError(f"{name} of a fault must be a whole number, not {text!r}")
    return int(text)


def _is_among(endpoint: str, names: Sequence[str]) -> bool:
    """Whether an endpoint is one of these; a name that ends in /* is every endpoint below it."""
    return any(endpoint.startswith(name[:-1]) if name.endswith("/*") else endpoint == name for name in names)


@dataclass
class Fault:
    """One fault, with the calls it has seen and the times it has struck."""

    name: str
    value: str = ""
    every: int = 1
    times: int | None = None
    after: int = 0
    on: str | None = None
    seen: int = field(default=0, compare=False)
    struck: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        if self.name not in _DEFAULTS:
            raise FaultError(f"unknown fault {self.name!r}; there are: {', '.join(NAMES)}")
        self.value = self.value or _DEFAULTS[self.name]
        form = _VALUE_FORMS.get(self.name)
        if form is not None and form.fullmatch(self.value) is None:
            raise FaultError(f"fault {self.name} does not take the value {self.value!r}, see --help")
        if self.every < 1:
            raise FaultError("every of a fault must be at least 1")

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read `NAME[=VALUE][:OPTION=VALUE...]`.

        Raises:
            FaultError: unknown name, value or option.
        """
        head, *options = _OPTION.split(text)
        name, _, value = head.partition("=")
        given = dict(zip(options[0::2], options[1::2], strict=True))
        return cls(
            name,
            value,
            every=_count("every", given.get("every", "1")),
            times=_count("times", given["times"]) if "times" in given else None,
            after=_count("after", given.get("after", "0")),
            on=given.get("on"),
        )

    def __str__(self) -> str:
        """The text `parse` reads."""
        text = f"{self.name}={self.value}" if self.value else self.name
        options = {"every": self.every, "times": self.times, "after": self.after, "on": self.on}
        unset = {"every": 1, "times": None, "after": 0, "on": None}
        return text + "".join(f":{name}={value}" for name, value in options.items() if value != unset[name])

    def concerns(self, endpoint: str) -> bool:
        """Whether this fault looks at calls of the endpoint at all."""
        if self.on is not None:
            return _is_among(endpoint, (self.on,))
        own = _OWN_ENDPOINTS.get(self.name)
        if own is not None:
            return _is_among(endpoint, own)
        return not _is_among(endpoint, _OTHER_SERVICES)

    @property
    def told(self) -> str:
        """What an answer it has just struck needs to know: its value, or which answer of how many it is."""
        return str(self.struck - 1) if self.name == "drifting-total" else self.value

    def strikes(self, endpoint: str) -> bool:
        """Count one call and say whether the fault befalls it."""
        if not self.concerns(endpoint):
            return False
        self.seen += 1
        turn = self.seen - self.after
        is_due = turn >= 1 and turn % self.every == 0
        if not is_due or (self.times is not None and self.struck >= self.times):
            return False
        self.struck += 1
        return True


class Faults:
    """The faults in force."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._faults = list(faults)

    def set(self, faults: Sequence[Fault]) -> None:
        """Put these in the place of all there were; none clears them."""
        self._faults = list(faults)

    def striking(self, endpoint: str) -> dict[str, str]:
        """The faults that befall a call of this endpoint, by name, with what they tell its answer."""
        return {fault.name: fault.told for fault in self._faults if fault.strikes(endpoint)}

    def report(self) -> list[dict[str, str | int]]:
        """The faults in force and how often each struck."""
        return [{"fault": str(fault), "struck": fault.struck} for fault in self._faults]
