# Every target that CI runs is here. `make demo` and `make test` do all the set-up themselves.

PYTHON ?= python3
PIP_ARGS ?=
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# MNIST is taken from a folder beside the checkout when there is one; otherwise it is downloaded, and
# where that is not possible the small digits that scikit-learn bundles are used.
export MNIST_DIR ?= $(abspath $(wildcard ../shared/data/mnist))
export PATH := $(abspath $(BIN)):$(PATH)

.PHONY: demo test redteam browser lint format course points calibrate bench clean help

help:  ## show this list
	@grep -hE '^[a-z]+:.*##' Makefile | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

demo: $(STAMP)  ## make a small class, grade it with nbgrader, print the scores
	autograder demo

test: $(STAMP)  ## run the tests
	pytest -n 2 --dist loadfile -m "not redteam and not browser" $(PYTEST_ARGS)

redteam: $(STAMP)  ## grade more than sixty hostile submissions, kill a batch twenty times (10 minutes)
	pytest -n 2 --dist loadfile -m redteam $(PYTEST_ARGS)

browser: $(STAMP)  ## open the pages in headless Chromium (2 minutes); pictures go to build/screenshots
	pytest -m browser $(PYTEST_ARGS)

lint: $(STAMP)  ## check format, style and types
	ruff format --check .
	ruff check .
	mypy

format: $(STAMP)  ## rewrite files in the project's format
	ruff format .
	ruff check --fix .

course: $(STAMP)  ## generate release/ and reference/ from source/
	autograder course

points: $(STAMP)  ## work out what every known mistake is worth, write docs/points.md (2 minutes)
	python -m benchmarks.points

calibrate: $(STAMP)  ## measure the accuracy thresholds anew (20 minutes for each assignment)
	for name in $(notdir $(wildcard source/*)); do python benchmarks/calibrate.py $$name || exit 1; done

bench: $(STAMP)  ## compare the speed with stock nbgrader and Otter, draw docs/figures/bench.png (an hour)
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) --constraint constraints.txt --editable ".[bench]"
	python -m benchmarks.bench --json docs/figures/bench.json
	python -m benchmarks.chart

clean:  ## remove what the other targets made
	rm -rf $(VENV) demo-course build *.egg-info .pytest_cache .mypy_cache .ruff_cache

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) --constraint constraints.txt --editable ".[dev]"
	touch $@
