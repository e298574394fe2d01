"""Write every generated page anew."""

from documentation.pages import DOCS, PAGES


def main() -> None:
    """Replace the pages in `docs/` that are generated."""
    for name, written in PAGES.items():
        (DOCS / name).write_text(written(), encoding="utf-8")


if __name__ == "__main__":
    main()
