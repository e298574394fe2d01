"""What a reader of a table wants to know of a column: its type as Postgres names it, and the values it can have."""

import re

from sqlalchemy import URL, CheckConstraint, Column, Table

_POSTGRES = URL.create("postgresql+psycopg").get_dialect()()
_ALLOWED = re.compile(
    r"(?P<column>\w+) (?:in \((?P<list>.*)\)|between (?P<low>\S+) and (?P<high>\S+)|>= (?P<least>\S+))"
)


def type_name(column: Column[object]) -> str:
    """The type in Postgres' words, with its short name for times."""
    compiled = column.type.compile(_POSTGRES).lower()
    return compiled.replace("timestamp with time zone", "timestamptz")


def allowed_values(table: Table) -> dict[str, str]:
    """By column, the values that a check allows, in words."""
    facts: dict[str, list[str]] = {}
    for check in _checks(table):
        if found := _of_one_column(check, table):
            facts.setdefault(found["column"], []).append(_in_words(found))
    return {column: ", ".join(words) for column, words in facts.items()}


def other_checks(table: Table) -> list[str]:
    """The conditions that hold for each row and are not about the values of one column alone."""
    return [check for check in _checks(table) if not _of_one_column(check, table)]


def _checks(table: Table) -> list[str]:
    checks = [constraint for constraint in table.constraints if isinstance(constraint, CheckConstraint)]
    return sorted(str(check.sqltext) for check in checks)


def _of_one_column(check: str, table: Table) -> re.Match[str] | None:
    found = _ALLOWED.fullmatch(check)
    return found if found and found["column"] in table.columns else None


def _in_words(found: re.Match[str]) -> str:
    if found["list"]:
        return ", ".join(f"`{value.strip().strip(chr(39))}`" for value in found["list"].split(","))
    if found["least"]:
        return f"{_bound(found['least'])} or more"
    return f"{_bound(found['low'])} to {_bound(found['high'])}"


def _bound(text: str) -> str:
    """A number with its thousands apart, or a column by its name."""
    return f"{int(text):,}" if text.lstrip("-").isdigit() else f"`{text}`"
