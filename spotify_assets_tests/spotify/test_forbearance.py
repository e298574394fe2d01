"""A service whose faults fail nothing: when the next batch is still asked for, and when the asking ends."""

import threading
from collections.abc import Callable, Sequence

import pytest

from spotify_assets.spotify.answers import Question, limit_error
from spotify_assets.spotify.batches import Gathered, Part
from spotify_assets.spotify.errors import (
    ApiError,
    ForbiddenError,
    MalformedAnswerError,
    StoppedError,
    TransientError,
)
from spotify_assets.spotify.forbearance import Problem, ask_optional
from spotify_assets.spotify.moments import moment
from spotify_assets_tests.spotify.conftest import NOW

IDS = [f"t{number}" for number in range(10)]


def fault(key: str, kind: type[ApiError] = TransientError) -> ApiError:
    return kind("Bad Gateway", endpoint="a/service", status=502, ids=[key])


def limit(key: str) -> ApiError:
    return limit_error(Question("a/service", (key,)), moment(NOW + 3600), moment(NOW), is_quota=False)


def ask_all(answer: Callable[[str], str]) -> tuple[Problem | None, list[str], list[str]]:
    """The problem, what was answered, and what was asked, with a call for each id, one after the other."""
    gathered = Gathered[str](IDS)
    asked: list[str] = []

    def ask(ids: Sequence[str], stop: threading.Event) -> Part[str]:
        if stop.is_set():
            # As the wire does.
            raise StoppedError("given up", endpoint="a/service", ids=ids)
        asked.extend(ids)
        return Part(ids, answer(ids[0]))

    problem = ask_optional([[key] for key in IDS], ask, 1, gathered)
    return problem, gathered.in_order(), asked


def failing(keys: Sequence[str], make: Callable[[str], ApiError] = fault) -> Callable[[str], str]:
    def answer(key: str) -> str:
        if key in keys:
            raise make(key)
        return key

    return answer


def test_where_all_is_answered_there_is_no_problem() -> None:
    assert ask_all(failing([])) == (None, IDS, IDS)


@pytest.mark.parametrize("kind", [TransientError, ForbiddenError, MalformedAnswerError])
def test_one_that_is_answered_badly_does_not_keep_the_others_from_being_asked_about(
    kind: type[ApiError],
) -> None:
    """It would on every day: the tracks behind it would never be asked about."""
    problem, answered, asked = ask_all(failing(["t0"], lambda key: fault(key, kind)))
    assert problem == Problem(str(fault("t0", kind)), gave_up=False)
    assert answered == IDS[1:]
    assert asked == IDS


def test_three_in_a_row_end_the_asking_and_what_was_answered_is_kept() -> None:
    """A service that is down is not asked a thousand times."""
    problem, answered, asked = ask_all(failing(["t2", "t3", "t4"]))
    assert problem == Problem(str(fault("t4")), gave_up=True)
    assert answered == IDS[:2]
    assert asked == IDS[:5]


def test_an_answer_in_between_begins_the_count_anew() -> None:
    bad = ["t0", "t1", "t3", "t4", "t6", "t7", "t9"]
    problem, answered, asked = ask_all(failing(bad))
    assert problem == Problem(str(fault("t0")), gave_up=False)
    assert answered == ["t2", "t5", "t8"]
    assert asked == IDS


def test_a_limit_ends_the_asking_at_once() -> None:
    """Each further call would lengthen the penalty."""
    problem, answered, asked = ask_all(failing(["t3"], limit))
    assert problem == Problem(str(limit("t3")), gave_up=True)
    assert answered == IDS[:3]
    assert asked == IDS[:4]


def test_a_fault_of_our_own_is_raised() -> None:
    def answer(key: str) -> str:
        raise ZeroDivisionError(key)

    with pytest.raises(ZeroDivisionError):
        ask_all(answer)
