"""Writes the pages of `docs/` that follow from the code; `make docs` runs it, and a test finds stale pages."""
