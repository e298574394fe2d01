"""Chunks of ids over a few threads, halves of those that fail, and pages by offset: each done here alone."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Generic, TypeVar

import requests

from spotify_assets.spotify.errors import MalformedAnswerError, TransientError
from spotify_assets.spotify.transport import WAKE_EVERY

# Far beyond any list this client reads; a server whose pages never end must not keep it for ever.
MOST_PAGES = 200
PAGE_SIZE = 50

Progress = Callable[[int, int], None]

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


def chunks(ids: Sequence[str], size: int) -> list[Sequence[str]]:
    """Cut into pieces of at most `size`, in order."""
    return [ids[start : start + size] for start in range(0, len(ids), size)]


def run_batches(
    batches: Sequence[Sequence[str]],
    call: Callable[[Sequence[str], threading.Event], _T],
    threads: int,
    on_progress: Progress | None,
) -> list[_T]:
    """Make one call for each batch, a few at a time; results in the order of the batches.

    The first error cancels what has not started, ends the waits of what has, and is raised. So does Ctrl-C.

    Args:
        batches: arguments of the calls.
        call: gets a batch, and an event that tells it to give up.
        threads: calls at a time.
        on_progress: told how many batches of how many are done, from the calling thread.
    """
    stop = threading.Event()
    executor = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="spotify")
    try:
        # Within the try: Ctrl-C may come while the first calls wait already and the last are not submitted.
        return _collect([executor.submit(call, batch, stop) for batch in batches], on_progress)
    except Exception:
        # No thread outlives the call.
        stop.set()
        executor.shutdown(cancel_futures=True)
        raise
    finally:
        # After an interrupt nobody waits for the requests that are under way.
        stop.set()
        executor.shutdown(wait=False, cancel_futures=True)


def _collect(futures: Sequence[Future[_T]], on_progress: Progress | None) -> list[_T]:
    pending = set(futures)
    while pending:
        # The system may hand a signal to any thread; only one that wakes now and then gets to see it.
        done, pending = wait(pending, timeout=WAKE_EVERY, return_when=FIRST_COMPLETED)
        for number, future in enumerate(done, start=1):
            future.result()
            if on_progress is not None:
                on_progress(len(futures) - len(pending) - len(done) + number, len(futures))
    return [future.result() for future in futures]


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
    """

    ask: Callable[[Sequence[str]], _T]
    answering: Answering

    def run(self, ids: Sequence[str]) -> list[_T | TransientError]:
        """Ask for a batch.

        Returns:
            What the calls gave, in the order of the ids; an error stands for the one id it names.

        Raises:
            TransientError: an outage, or a fault that is not a 5xx.
            SpotifyError: any other error of a call.
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
        """Raise the error unless its endpoint answers now what it has answered before."""
        known = self.answering.known(error.endpoint)
        if known is None:
            raise error
        try:
            self.ask([known])
        except TransientError as still_out:
            raise error from still_out


def _is_about_ids(error: TransientError) -> bool:
    # A fault of the token service comes out of the same calls, and names no ids.
    is_5xx = error.status is not None and error.status >= requests.codes.internal_server_error
    return is_5xx and bool(error.ids)
