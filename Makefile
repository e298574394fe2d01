# The commands of the README. Needs git, make and Python 3.11 or newer; everything else comes from the lock files.

# The Python of .venv first, so that a newer one on the machine does not make .venv anew; PYTHON=... chooses another.
# Each is tried: pyenv leaves commands that only say which versions there would be.
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))
PYTHON ?= $(shell for python in .venv/bin/python python3.13 python3.12 python3.11 python3 python; do \
	$$python -c '$(FITS)' 2>/dev/null && { echo $$python; break; }; done)
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help run run-once test lint bench docs examples lock clean runtime dev python

help: ## Show the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

run: runtime ## Load everything once, then serve the Dagster UI until Ctrl-C
	@$(BIN)/spotify-assets up

run-once: runtime ## Load everything once, then exit
	@$(BIN)/spotify-assets once

lint: dev ## Lint, types, SQL lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint spotify_assets docs

test: lint ## Lint, types, SQL lint and the whole test suite
	$(BIN)/python -m pytest -n 2 --dist loadfile

bench: dev ## Run the benchmarks (or BENCHMARK=marts alone); writes benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks $(BENCHMARK)

docs: dev ## Write the generated pages of docs/ anew
	$(BIN)/python -m documentation

examples: dev ## Ask the worked examples, and run the notebook, of a sandbox warehouse anew
	$(BIN)/python -m documentation.make_examples

COMPILE := $(BIN)/uv pip compile pyproject.toml --extra editable --universal --python-version 3.11 --generate-hashes --no-strip-extras \
	--no-emit-index-url --custom-compile-command 'make lock' --quiet
lock: dev ## Compile the lock files anew from pyproject.toml
	$(COMPILE) --output-file requirements.lock
	$(COMPILE) --extra dev --constraint requirements.lock --output-file requirements-dev.lock

clean: ## Remove the virtual environment and caches (data in .spotify_assets stays)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis

runtime dev: python
	@"$(PYTHON)" .ci/prepare_venv.py $@

python:
	@"$(PYTHON)" -c '$(FITS)' 2>/dev/null || { echo "No Python 3.11 to 3.14 was found$(PYTHON:%= as %): install one," \
		"or name it: make PYTHON=/path/to/python3.11 run" >&2; exit 1; }
