"""Many calls by a few threads: what is answered is kept, the error raised is the cause, and Ctrl-C is heard."""

import concurrent.futures
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType

import pytest

from spotify_assets.spotify import batches
from spotify_assets.spotify.batches import Answering, Gathered, Part, chunks, run_batches
from spotify_assets.spotify.errors import BadRequestError, ForbiddenError, StoppedError, TransientError

Call = Callable[[Sequence[str], threading.Event], str]


def single(ids: Sequence[str]) -> list[Sequence[str]]:
    return [[key] for key in ids]


def refused(key: str) -> ForbiddenError:
    return ForbiddenError("closed", endpoint="albums", status=403, ids=[key])


def stopped(key: str) -> StoppedError:
    return StoppedError("given up", endpoint="albums", ids=[key])


# --- Results ---


@pytest.mark.parametrize("threads", [1, 4])
def test_every_batch_is_called_once_and_every_result_is_handed_over(threads: int) -> None:
    called: list[str] = []
    results: list[str] = []

    def call(batch: Sequence[str], stop: threading.Event) -> str:
        assert not stop.is_set()
        called.extend(batch)
        return "".join(batch)

    run_batches([["a", "b"], ["c"], ["d", "e"]], call, threads, results.append)
    assert sorted(called) == ["a", "b", "c", "d", "e"]
    assert sorted(results) == ["ab", "c", "de"]


def test_no_batches_are_no_call() -> None:
    run_batches([], lambda batch, _: batch[0], 4, pytest.fail)


def test_so_many_calls_are_made_at_a_time_and_no_more() -> None:
    together, lock = threading.Barrier(3), threading.Lock()
    under_way: list[str] = []
    most = 0

    def call(batch: Sequence[str], _: threading.Event) -> str:
        nonlocal most
        with lock:
            under_way.append(batch[0])
            most = max(most, len(under_way))
        # Two would wait for the third for ever.
        together.wait(10)
        with lock:
            under_way.remove(batch[0])
        return batch[0]

    results: list[str] = []
    run_batches(single("abcdefghi"), call, 3, results.append)
    assert sorted(results) == list("abcdefghi")
    assert most == 3


def test_results_are_handed_over_in_the_calling_thread() -> None:
    """Whoever takes them may write to a database connection, which belongs to one thread."""
    threads: list[int] = []
    run_batches(single("abc"), lambda batch, _: batch[0], 4, lambda _: threads.append(threading.get_ident()))
    assert set(threads) == {threading.get_ident()}


def test_a_result_is_handed_over_before_the_last_call_is_answered() -> None:
    """A load that is killed after an hour must have written what it was answered in that hour."""
    handed_over = threading.Event()

    def call(batch: Sequence[str], _: threading.Event) -> str:
        if batch[0] == "b":
            assert handed_over.wait(10)
        return batch[0]

    run_batches(single("ab"), call, 2, lambda _: handed_over.set())


# --- Errors ---


def test_what_is_answered_while_another_call_fails_is_handed_over_before_the_error_is_raised() -> None:
    """It was paid for, and would be asked for again."""
    failed, answered = threading.Event(), threading.Event()

    def call(batch: Sequence[str], stop: threading.Event) -> str:
        if batch[0] == "bad":
            answered.wait(10)
            failed.set()
            raise refused("bad")
        answered.set()
        # Under way when the other one fails, and answered after that.
        assert failed.wait(10)
        assert stop.wait(10)
        return batch[0]

    results: list[str] = []
    with pytest.raises(ForbiddenError):
        run_batches(single(["good", "bad"]), call, 2, results.append)
    assert results == ["good"]


@pytest.mark.parametrize("threads", [1, 4])
def test_what_has_not_begun_when_a_call_fails_is_not_begun(threads: int) -> None:
    called: list[str] = []

    def call(batch: Sequence[str], stop: threading.Event) -> str:
        if stop.is_set():
            raise stopped(batch[0])
        called.append(batch[0])
        if batch[0] == "id0":
            raise refused("id0")
        assert stop.wait(10)
        return batch[0]

    with pytest.raises(ForbiddenError):
        run_batches(single([f"id{n}" for n in range(100)]), call, threads, lambda _: None)
    assert len(called) <= threads


def test_the_error_raised_is_the_cause_and_not_that_of_a_call_given_up_for_it() -> None:
    """Which of the two ends first is chance; "given up: another call failed" helps nobody."""
    given_up = threading.Event()

    def call(batch: Sequence[str], stop: threading.Event) -> str:
        if batch[0] == "bad":
            stop.set()
            # The other one ends first.
            assert given_up.wait(10)
            raise refused("bad")
        assert stop.wait(10)
        try:
            raise stopped(batch[0])
        finally:
            given_up.set()

    with pytest.raises(ForbiddenError, match="closed"):
        run_batches(single(["waiting", "bad"]), call, 2, lambda _: None)


def test_calls_that_were_all_given_up_raise_that_they_were() -> None:
    def call(batch: Sequence[str], _: threading.Event) -> str:
        raise stopped(batch[0])

    with pytest.raises(StoppedError):
        run_batches(single("abc"), call, 2, lambda _: None)


def test_of_two_causes_one_is_raised() -> None:
    both = threading.Barrier(2)

    def call(batch: Sequence[str], _: threading.Event) -> str:
        both.wait(10)
        raise BadRequestError("no", endpoint="albums", status=400, ids=batch)

    with pytest.raises(BadRequestError):
        run_batches(single("ab"), call, 2, lambda _: None)


def test_an_error_that_is_no_answer_is_raised_as_it_is() -> None:
    """A bug in a reader must not be taken for a fault of the service."""

    def call(batch: Sequence[str], _: threading.Event) -> str:
        raise KeyError(batch[0])

    with pytest.raises(KeyError):
        run_batches(single("ab"), call, 1, lambda _: None)


def test_an_error_of_whoever_takes_the_results_ends_the_calls() -> None:
    called: list[str] = []

    def call(batch: Sequence[str], stop: threading.Event) -> str:
        if stop.is_set():
            raise stopped(batch[0])
        called.append(batch[0])
        # The first result is taken while the second call is under way.
        assert batch[0] == "id0" or stop.wait(10)
        return batch[0]

    def take(_: str) -> None:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        run_batches(single([f"id{n}" for n in range(100)]), call, 1, take)
    assert called[:1] == ["id0"]
    assert len(called) <= 2


# --- Ctrl-C ---

# Lines in one piece: of two threads' prints the line ends may come after both.
_PROGRAM = """
import os
import signal
import sys
import threading
from spotify_assets.spotify.batches import run_batches

def say(line):
    os.write(1, f"{line}\\n".encode())

taken = threading.Event()

def take(result):
    say(f"taken {result}")
    taken.set()

def call(batch, stop):
    if batch[0] == "answered":
        return batch[0]
    if batch[0] == "request":
        say("under way")
        # As a request that is answered late: it knows of no interrupt. The test answers it.
        os.read(0, 1)
        return batch[0]
    if not stop.is_set():
        say("waiting")
        if batch[0] == "interrupting":
            taken.wait(10)
            signal.pthread_kill(threading.get_ident(), signal.SIGINT)
    # As a call that waits out a 429: it ends when it is told to give up.
    stop.wait(600)
    raise RuntimeError("given up")

third = "interrupting" if sys.argv[1] == "another thread" else "waiting"
batches = [["answered"], ["request"], [third], *[["waiting"]] * 100]
try:
    run_batches(batches, call, 12, take)
except KeyboardInterrupt:
    say("interrupted")
"""


@pytest.mark.parametrize("woken", ["the main thread", "another thread"])
def test_ctrl_c_waits_for_nothing_and_begins_no_further_call(woken: str) -> None:
    """Threads that sit a wait out, or a main thread that waits for them, would keep the process for a minute."""
    program = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, woken],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    # Ends what hangs; nothing else depends on it.
    alarm = threading.Timer(60, program.kill)
    alarm.start()
    try:
        lines = sorted(program.stdout.readline() for _ in range(13))
        assert lines == ["taken answered\n", "under way\n", *["waiting\n"] * 11]
        if woken == "the main thread":
            program.send_signal(signal.SIGINT)
        # While the request is still under way.
        assert program.stdout.readline() == "interrupted\n"
        output, errors = program.communicate("x")
    finally:
        alarm.cancel()
        program.kill()
        program.communicate()
    assert (output, program.returncode) == ("", 0), errors


# Where the main thread waits for calls, as it does now and as it did: not how the library starts its threads.
_TRACED = (batches.__file__, concurrent.futures._base.__file__)


class InterruptAt:
    """Presses Ctrl-C at the n-th line there that the main thread comes to."""

    def __init__(self, line: int) -> None:
        self._lines_left = line

    def __call__(self, frame: FrameType, event: str, _argument: object) -> "InterruptAt":
        if event == "line" and frame.f_code.co_filename in _TRACED:
            self._lines_left -= 1
            if self._lines_left == 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return self


def ends_before(line: int) -> bool:
    """Whether four calls are made in fewer lines; else they are interrupted there."""

    def call(batch: Sequence[str], stop: threading.Event) -> str:
        # Some are under way, wherever the main thread is.
        stop.wait(0.002)
        return batch[0]

    before = sys.gettrace()
    try:
        sys.settrace(InterruptAt(line))
        run_batches(single("abcd"), call, 2, lambda _: None)
    except KeyboardInterrupt:
        return False
    finally:
        sys.settrace(before)
    return True


def test_ctrl_c_at_any_line_leaves_no_thread_behind() -> None:
    """Now and then the process hung: the main thread had the locks of all calls, for a moment, and then for ever."""
    line = 1
    while not ends_before(line):
        for thread in threading.enumerate():
            if thread.name.startswith("spotify"):
                thread.join(10)
                assert not thread.is_alive(), f"interrupted at line {line}"
        line += 1
    assert line > 20


# --- What is gathered ---


def fault(key: str) -> TransientError:
    return TransientError("server error", endpoint="albums", status=500, ids=[key])


def test_what_is_left_is_neither_answered_nor_given_up_and_in_order() -> None:
    told: list[str] = []
    gathered = Gathered[str](list("abcdef"), lambda part: told.append(part.content))
    gathered.take([Part(["d", "b"], "second"), fault("e")])
    gathered.add(Part(["a"], "first"))
    assert gathered.unanswered == ["c", "e", "f"]
    assert gathered.left == ["c", "f"]
    assert gathered.in_order() == ["first", "second"]
    assert told == ["second", "first"]


def test_a_part_goes_by_its_first_id() -> None:
    gathered = Gathered[int](list("abcdef"))
    for number, ids in enumerate(["ef", "ab", "cd"]):
        gathered.add(Part(ids, number))
    assert gathered.in_order() == [1, 2, 0]


@pytest.mark.parametrize(
    ("count", "size", "sizes"), [(0, 20, []), (1, 20, [1]), (20, 20, [20]), (45, 20, [20, 20, 5])]
)
def test_chunks_are_full_but_for_the_last(count: int, size: int, sizes: list[int]) -> None:
    ids = [str(n) for n in range(count)]
    cut = chunks(ids, size)
    assert [len(chunk) for chunk in cut] == sizes
    assert [key for chunk in cut for key in chunk] == ids


def test_an_endpoint_is_known_by_an_id_that_it_has_answered() -> None:
    answering = Answering()
    answering.note("search", [])
    answering.note("albums", ["a", "b"])
    assert (answering.known("albums"), answering.known("search"), answering.known("tracks")) == (
        "a",
        None,
        None,
    )
