"""Processes killed in the middle: the next pass loads everything."""

import re
import time
from collections.abc import Callable

from spotify_assets.sandbox.server import SandboxServer
from spotify_assets_tests.processes.conftest import Clone


def wait_until(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def loads_everything(clone: Clone) -> bool:
    passed = clone.run("spotify-assets", "once")
    assert passed.returncode == 0, passed.stdout
    return re.search(r"Albums\s+6\b", passed.stdout) is not None


def test_two_kills_in_the_middle_of_a_call_neither_lose_albums_nor_block_the_next_pass(
    sandboxed_clone: Clone, small_sandbox: SandboxServer
) -> None:
    """The runs stayed STARTED and kept both places in the pool: the third pass waited for ever, and said nothing."""
    small_sandbox.set_faults("slow=30:on=albums")
    for _ in range(2):
        running = sandboxed_clone.start("spotify-assets", "once")
        wait_until(lambda: "Loading 6 albums" in said(sandboxed_clone))
        # The step is in its call by then, with its place in the pool.
        time.sleep(2)
        running.kill()
        running.wait()
    small_sandbox.set_faults()
    assert loads_everything(sandboxed_clone)


def said(clone: Clone) -> str:
    return clone.said("spotify-assets")
