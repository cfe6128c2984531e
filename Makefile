# Each target makes .venv when it is missing; only Python 3.11+ and a package registry are needed.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-all check bench

.venv/.installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	@touch $@

demo: .venv/.installed
	$(BIN)/cms demo

# Needs nothing but what pip installs.
test: .venv/.installed
	$(BIN)/python -m pytest -n auto

# And then what needs Debian or npm packages (.ci/run installs them), or runs long. Here nothing is skipped.
test-all: test
	$(BIN)/python -m pytest -n auto -m extended

check: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m tests.checks

bench: .venv/.installed
	$(BIN)/python -m tests.benchmarks
	$(BIN)/python -m tests.benchmarks.others
	$(BIN)/python -m tests.benchmarks.zipf
	$(BIN)/python -m tests.benchmarks.pool
	$(BIN)/python -m tests.benchmarks.growth
	$(BIN)/python -m tests.benchmarks.media
	$(BIN)/python -m tests.benchmarks.search
	$(BIN)/python -m tests.benchmarks.related
