"""Chunks of ids over a few threads, halves of those that fail, and pages by offset: each done here alone."""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

import requests

from spotify_assets.spotify.endpoints import PAGE_SIZE, SEARCH, SEARCH_PAGE_SIZE, SEARCH_WINDOW
from spotify_assets.spotify.errors import (
    BadRequestError,
    MalformedAnswerError,
    NotFoundError,
    StoppedError,
    TransientError,
)
from spotify_assets.spotify.wire import WAKE_EVERY

# Far beyond any list this client reads; a server whose pages never end must not keep it for ever.
MOST_PAGES = 200

_T = TypeVar("_T")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Page:
    """One page of a list.

    Attributes:
        items: its entries, null ones included.
        offset: index of the first entry in the whole list.
        next_offset: where the next page begins.
        total: length of the whole list, or None when the page does not say.
    """

    items: Sequence[object]
    offset: int
    next_offset: int
    total: int | None

    @property
    def is_last(self) -> bool:
        """True when nothing can follow: the page is empty, or reaches the end of the list."""
        return not self.items or (self.total is not None and self.next_offset >= self.total)


def read_page(payload: object, offset: int, endpoint: str) -> Page:
    """Read a page object.

    The `next` link is not used: it may point to any host, and following it would send the token there.

    Args:
        payload: the page object of an answer.
        offset: index that was asked for.
        endpoint: for the error.

    Raises:
        MalformedAnswerError: there is no list of items in it. An answer that cannot be read is not an
            empty list.
    """
    items = payload.get("items") if isinstance(payload, dict) else None
    if not isinstance(payload, dict) or not isinstance(items, list):
        raise MalformedAnswerError("the answer holds no page of items", endpoint=endpoint, status=200)
    limit, total = payload.get("limit"), payload.get("total")
    # Spotify leaves entries out of a page without moving the next one; a server that gives shorter pages
    # than asked for says so in `limit`.
    step = max(limit, len(items)) if isinstance(limit, int) and limit <= PAGE_SIZE else len(items)
    return Page(items, offset, offset + step, total if isinstance(total, int) else None)


def follow_pages(fetch: Callable[[int], Page], first: Page | None, endpoint: str) -> Iterator[Page]:
    """Give the pages of a list, in order.

    Args:
        fetch: asks for the page at an offset.
        first: the page that is known already, if any.
        endpoint: for the error.

    Raises:
        MalformedAnswerError: the pages do not end.
    """
    page = fetch(0) if first is None else first
    for _ in range(MOST_PAGES):
        yield page
        if page.is_last:
            return
        page = fetch(page.next_offset)
    raise MalformedAnswerError(f"more than {MOST_PAGES} pages", endpoint=endpoint, status=200)


def follow_search(fetch: Callable[[int], Page]) -> Iterator[Page]:
    """Give the pages of a search, in order, as far as results can be reached.

    `total` drifts from page to page, so that the highest one seen counts; a page may hold fewer entries than asked
    for, or only null ones.

    Args:
        fetch: asks for the page at an offset.

    Raises:
        ApiError: a page could not be read. Only a 400 or 404 after the first page is taken for the end of what can be
            reached: links go on beyond it (spotipy#683, #868).
    """
    offset = highest_total = 0
    while offset + SEARCH_PAGE_SIZE <= SEARCH_WINDOW:
        try:
            page = fetch(offset)
        except (BadRequestError, NotFoundError) as error:
            if offset == 0:
                raise
            _logger.warning("%s; %s ends after %d results", error, SEARCH, offset)
            return
        yield page
        highest_total = max(highest_total, page.total or 0)
        if not page.items or (page.total is not None and page.next_offset >= highest_total):
            return
        offset = page.next_offset


def chunks(ids: Sequence[str], size: int) -> list[Sequence[str]]:
    """Cut into pieces of at most `size`, in order."""
    return [ids[start : start + size] for start in range(0, len(ids), size)]


@dataclass(frozen=True)
class Part(Generic[_T]):
    """What one call gave, and the ids it was about."""

    ids: Sequence[str]
    content: _T


@dataclass
class Gathered(Generic[_T]):
    """The parts that the calls for some ids have given so far.

    Attributes:
        ids: all that are asked for, distinct.
        on_part: told of each part as it comes, from the calling thread.
        parts: in the order in which they came.
        given_up: the faults of ids that are answered 5xx steadily.
    """

    ids: Sequence[str]
    on_part: Callable[[Part[_T]], None] | None = None
    parts: list[Part[_T]] = field(default_factory=list)
    given_up: list[TransientError] = field(default_factory=list)

    def add(self, part: Part[_T]) -> None:
        """Take a part."""
        self.parts.append(part)
        if self.on_part is not None:
            self.on_part(part)

    def take(self, outcomes: Sequence[Part[_T] | TransientError]) -> None:
        """Take what a batch gave."""
        for outcome in outcomes:
            if isinstance(outcome, TransientError):
                self.given_up.append(outcome)
            else:
                self.add(outcome)

    @property
    def unanswered(self) -> list[str]:
        """The ids that no part is about, in order."""
        answered = {key for part in self.parts for key in part.ids}
        return [key for key in self.ids if key not in answered]

    @property
    def left(self) -> list[str]:
        """The ids that are still to be asked for, in order."""
        given_up = {key for fault in self.given_up for key in fault.ids}
        return [key for key in self.unanswered if key not in given_up]

    def in_order(self) -> list[_T]:
        """What the parts hold, in the order of the ids."""
        place = {key: number for number, key in enumerate(self.ids)}
        return [part.content for part in sorted(self.parts, key=lambda part: place[part.ids[0]])]


def run_batches(
    batches: Sequence[Sequence[str]],
    call: Callable[[Sequence[str], threading.Event], _T],
    threads: int,
    on_result: Callable[[_T], None],
) -> None:
    """Make one call for each batch, a few at a time, and hand over what each gives, as it comes.

    The first error cancels what has not started, ends the waits of what has, and is raised. What is answered meanwhile
    is handed over before: it would else be asked for again. Ctrl-C waits for nothing.

    Args:
        batches: arguments of the calls.
        call: gets a batch, and an event that tells it to give up.
        threads: calls at a time.
        on_result: takes a result, in the calling thread.
    """
    stop = threading.Event()
    waiting: SimpleQueue[Sequence[str]] = SimpleQueue()
    ended: SimpleQueue[tuple[_T] | BaseException] = SimpleQueue()
    failures: list[BaseException] = []
    for batch in batches:
        waiting.put(batch)

    def work() -> None:
        with contextlib.suppress(Empty):
            while True:
                batch = waiting.get_nowait()
                try:
                    result = call(batch, stop)
                except BaseException as error:  # noqa: BLE001 -- raised by the calling thread
                    # By the thread itself: it would else begin the next batch before the error is seen.
                    stop.set()
                    ended.put(error)
                else:
                    ended.put((result,))

    try:
        # Within the try: Ctrl-C may come while the first calls wait already and the last threads are not started.
        for number in range(min(threads, len(batches))):
            # Not an executor, and daemons: an interrupt in the middle of a submission or a start leaves a lock locked
            # for ever, and the process would wait at its end for threads that wait for that lock.
            threading.Thread(target=work, name=f"spotify-{number}", daemon=True).start()
        for _ in batches:
            outcome = _next(ended)
            if isinstance(outcome, BaseException):
                failures.append(outcome)
            else:
                on_result(*outcome)
    finally:
        # After an interrupt nobody waits for the requests that are under way.
        stop.set()
    if failures:
        # Not the error of a call that was given up for another's.
        raise next((each for each in failures if not isinstance(each, StoppedError)), failures[0])


def _next(ended: "SimpleQueue[_T]") -> _T:
    # Not futures.wait: it takes a lock of every future, and an interrupt meanwhile leaves them locked for ever.
    while True:
        # The system may hand a signal to any thread; only one that wakes now and then gets to see it.
        with contextlib.suppress(Empty):
            return ended.get(timeout=WAKE_EVERY)


class Answering:
    """For each endpoint an id that it has answered in this client's life. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: dict[str, str] = {}

    def note(self, endpoint: str, ids: Sequence[str]) -> None:
        """Note that a call for these ids was answered."""
        if ids:
            with self._lock:
                self._ids[endpoint] = ids[0]

    def known(self, endpoint: str) -> str | None:
        """An id that can be answered; None when the endpoint has answered none so far."""
        with self._lock:
            return self._ids.get(endpoint)


@dataclass(frozen=True)
class Halving(Generic[_T]):
    """Finds the ids that Spotify answers with 5xx steadily, and which fail every batch they are in.

    Seen on audio-features (spotipy#805). A batch that fails with a 5xx after all its retries is asked for
    again in halves, down to single ids. In an outage that would be hundreds of calls, and set good ids
    aside: so it goes on, and gives an id up, only while an id that was answered before is answered again.

    Attributes:
        ask: makes one call.
        answering: ids that were answered before; filled by whoever makes the calls.
        witness: another id that may be asked for where none was answered before.
    """

    ask: Callable[[Sequence[str]], _T]
    answering: Answering
    witness: str | None = None

    def run(self, ids: Sequence[str]) -> list[_T | TransientError]:
        """Ask for a batch.

        Returns:
            What the calls gave, in the order of the ids; an error stands for the one id it names.

        Raises:
            TransientError: an outage, or a fault that is not a 5xx.
            ApiError: any other error of a call.
        """
        return self._settle(ids, self._try(ids))

    def _try(self, ids: Sequence[str]) -> _T | TransientError:
        try:
            return self.ask(ids)
        except TransientError as error:
            if not _is_about_ids(error):
                raise
            return error

    def _settle(self, ids: Sequence[str], outcome: _T | TransientError) -> list[_T | TransientError]:
        if not isinstance(outcome, TransientError):
            return [outcome]
        if len(ids) == 1:
            self._rule_out_outage(outcome)
            return [outcome]
        _logger.info("%s; asking for halves", outcome)
        halves = chunks(ids, -(-len(ids) // 2))
        outcomes = [self._try(half) for half in halves]
        if all(isinstance(found, TransientError) for found in outcomes):
            self._rule_out_outage(outcome)
        pairs = zip(halves, outcomes, strict=True)
        return [settled for half, found in pairs for settled in self._settle(half, found)]

    def _rule_out_outage(self, error: TransientError) -> None:
        """Raise the error unless its endpoint answers now: what it has answered before, or else the witness."""
        known = self.answering.known(error.endpoint)
        if known is None and self.witness not in error.ids:
            known = self.witness
        if known is None:
            raise error
        try:
            self.ask([known])
        except TransientError as still_out:
            raise error from still_out
        if self.answering.known(error.endpoint) is None:
            # The witness was answered without that endpoint.
            raise error


def _is_about_ids(error: TransientError) -> bool:
    # A fault of the token service comes out of the same calls, and names no ids.
    is_5xx = error.status is not None and error.status >= requests.codes.internal_server_error
    return is_5xx and bool(error.ids)
