"""Ask the worked examples anew, and run the notebook, of a sandbox warehouse made for it; then write the pages."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL

from documentation.__main__ import main as write_pages
from documentation.notebook import NOTEBOOK, as_text, executed
from documentation.sandbox_weeks import load_weeks
from documentation.worked_examples import ask, worked_examples
from spotify_assets.warehouse.database import create_engine, migrate, release_embedded, warehouse_url


def main() -> None:
    """Replace every answer and the notebook's outputs."""
    with _warehouse() as url:
        engine = create_engine(url)
        for example in worked_examples():
            example.answer.write_text(ask(engine, example), encoding="utf-8")
        engine.dispose()
        _say("Running the notebook")
        NOTEBOOK.write_text(as_text(executed(url)), encoding="utf-8")
    write_pages()


@contextmanager
def _warehouse() -> Iterator[URL]:
    with tempfile.TemporaryDirectory(prefix="spotify-assets-") as name:
        folder = Path(name)
        # Run as root, the server works under another account.
        folder.chmod(0o755)
        url = warehouse_url(None, folder)
        try:
            migrate(url)
            load_weeks(url, folder, _say)
            yield url
        finally:
            release_embedded(folder)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main()
