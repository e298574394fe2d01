from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from spotify_assets.sandbox.server import SandboxServer
from spotify_assets.sandbox.synthetic import SyntheticCatalogue
from spotify_assets_tests.sandbox.caller import NOW, Caller

SHARED = Path(__file__).parents[3] / "shared"


@pytest.fixture(scope="session")
def catalogue() -> SyntheticCatalogue:
    return SyntheticCatalogue(albums=300, seed=7)


@pytest.fixture
def serve(catalogue: SyntheticCatalogue) -> Iterator[Callable[..., Caller]]:
    """Start a sandbox with any options; it stops with the test."""
    with ExitStack() as stack:

        def start(**options: Any) -> Caller:
            given = {"catalogue": catalogue, "now": lambda: NOW, **options}
            caller = Caller(stack.enter_context(SandboxServer(**given)))
            stack.callback(caller.close)
            return caller

        yield start


@pytest.fixture(scope="module")
def extended(catalogue: SyntheticCatalogue) -> Iterator[Caller]:
    with SandboxServer(catalogue=catalogue, now=lambda: NOW) as server:
        caller = Caller(server)
        yield caller
        caller.close()


@pytest.fixture(scope="module")
def development(catalogue: SyntheticCatalogue) -> Iterator[Caller]:
    with SandboxServer(catalogue=catalogue, now=lambda: NOW, access="development") as server:
        caller = Caller(server)
        yield caller
        caller.close()


@pytest.fixture(scope="session")
def recorded() -> Path:
    """The recorded answers of the real services."""
    folder = SHARED / "realdata" / "fixtures"
    if not folder.is_dir():
        pytest.skip(f"the recorded answers are not on this machine ({folder})")
    return folder


@pytest.fixture(scope="session")
def openapi_text() -> Path:
    path = SHARED / "reference" / "spotify-openapi.yaml"
    if not path.is_file():
        pytest.skip(f"the OpenAPI text is not on this machine ({path})")
    return path


@pytest.fixture(scope="session")
def real_catalogue_folder() -> Path:
    folder = SHARED / "realdata" / "catalogue"
    if not folder.is_dir():
        pytest.skip(f"the real catalogue is not on this machine ({folder})")
    return folder
