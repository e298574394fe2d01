"""Write every generated file anew."""

from documentation.pages import GENERATED


def main() -> None:
    """Replace them."""
    for path, written in GENERATED.items():
        path.write_text(written(), encoding="utf-8")


if __name__ == "__main__":
    main()
