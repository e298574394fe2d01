"""Which files are generated, and by what."""

from collections.abc import Callable, Mapping
from pathlib import Path

from documentation.dictionary import data_dictionary
from documentation.lineage import lineage_file
from documentation.worked_examples import examples_page
from spotify_assets.assets.marts import LINEAGE

DOCS = Path(__file__).parents[1] / "docs"

GENERATED: Mapping[Path, Callable[[], str]] = {
    DOCS / "data-dictionary.md": data_dictionary,
    LINEAGE: lineage_file,
    DOCS / "examples.md": examples_page,
}
"""By file, the function that gives its text."""
