"""Asking a service whose faults fail nothing: single ones are passed over, and several in a row end the asking."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from spotify_assets.spotify.batches import Gathered, Part, run_batches
from spotify_assets.spotify.errors import ApiError, RateLimitedError, StoppedError

# One answer that cannot be used may be about what was asked; three in a row are about the service.
_MOST_IN_A_ROW = 3

_T = TypeVar("_T")
_Ask = Callable[[Sequence[str], threading.Event], Part[_T]]

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Problem:
    """Why not all was answered.

    Attributes:
        sentence: says what happened.
        gave_up: whether the rest was not asked for at all: the service does not answer, or asks to wait.
    """

    sentence: str
    gave_up: bool


def ask_optional(
    batches: Sequence[Sequence[str]], ask: _Ask[_T], threads: int, gathered: Gathered[_T]
) -> Problem | None:
    """Make one call for each batch, as `run_batches`, and gather what is answered.

    Without it, one track or album that the service answers badly would keep all that stand behind it from being asked
    about, on every day.

    Returns:
        Why not all was answered; None where all was. Nothing is raised for it.
    """
    forbearing = _Forbearing(ask)

    def take(outcome: Part[_T] | ApiError) -> None:
        if isinstance(outcome, Part):
            gathered.add(outcome)

    try:
        run_batches(batches, forbearing, threads, take)
    except ApiError as error:
        problem = Problem(str(error), gave_up=True)
    else:
        if forbearing.first is None:
            return None
        problem = Problem(str(forbearing.first), gave_up=False)
    _logger.warning("%s; %d were not answered", problem.sentence, len(gathered.left))
    return problem


@dataclass
class _Forbearing(Generic[_T]):
    """Makes calls and gives their errors instead of raising them, until too many come in a row."""

    ask: _Ask[_T]
    first: ApiError | None = None

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._in_a_row = 0

    def __call__(self, ids: Sequence[str], stop: threading.Event) -> Part[_T] | ApiError:
        try:
            part = self.ask(ids, stop)
        except (RateLimitedError, StoppedError):
            raise
        except ApiError as error:
            if self._is_too_much(error):
                raise
            return error
        with self._lock:
            self._in_a_row = 0
        return part

    def _is_too_much(self, error: ApiError) -> bool:
        with self._lock:
            self.first = self.first or error
            self._in_a_row += 1
            return self._in_a_row >= _MOST_IN_A_ROW
