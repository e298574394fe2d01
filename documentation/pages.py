"""Which pages are generated, and by what."""

from collections.abc import Callable, Mapping
from pathlib import Path

from documentation.dictionary import data_dictionary

DOCS = Path(__file__).parents[1] / "docs"

PAGES: Mapping[str, Callable[[], str]] = {"data-dictionary.md": data_dictionary}
"""By the file's name in `docs/`, the function that gives its text."""
