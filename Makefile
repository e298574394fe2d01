# The commands of the README. Needs git, make and Python 3.11 or newer; everything else comes from the lock files.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(not ((3, 11) <= sys.version_info < (3, 15)))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes

.DEFAULT_GOAL := help
.PHONY: help run run-once test lint bench lock clean

help: ## Show the commands
	@grep -hE '^[a-z-]+:.*## ' Makefile | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

run: .venv/runtime.stamp ## Load everything once, then serve the Dagster UI until Ctrl-C
	@$(BIN)/spotify-assets up

run-once: .venv/runtime.stamp ## Load everything once, then exit
	@$(BIN)/spotify-assets once

test: .venv/dev.stamp ## Lint, types, SQL lint and the whole test suite
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint spotify_assets
	$(BIN)/python -m pytest -n 2 --dist loadgroup

bench: .venv/dev.stamp ## Run the benchmarks; writes benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks

lock: .venv/dev.stamp ## Compile the lock files anew from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --custom-compile-command 'make lock' --quiet --output-file requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra dev --constraint requirements.lock --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --custom-compile-command 'make lock' --quiet --output-file requirements-dev.lock

clean: ## Remove the virtual environment and caches (data in .spotify_assets stays)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer was not found: install it, or name it: make PYTHON=/path/to/python3.11 run" >&2; exit 1; }
	@echo "Creating .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv

.venv/runtime.stamp: .venv/bin/python requirements.lock pyproject.toml
	@echo "Installing the locked dependencies (about a minute, once)"
	@$(INSTALL) --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev.stamp: .venv/runtime.stamp requirements-dev.lock
	@echo "Installing the locked development tools (once)"
	@$(INSTALL) --requirement requirements-dev.lock
	@touch $@
