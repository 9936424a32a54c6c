# Needs Python >= 3.11 and make. `make demo PYTHON=python3.12` picks another interpreter;
# `make check BIN=path/to/bin` uses an environment of your own.

PYTHON ?= python3
VENV := .venv
BIN ?= $(VENV)/bin
SAMPLE := sample_models/digits_sparse.onnx
SMALL := build/digits_small.onnx

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test check fuzz contain bench models clean

help:  ## show this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 10

demo: $(VENV)/.installed  ## reduce a trained sample network, verify the result, print its stats
	@mkdir -p build
	$(BIN)/lumpcli reduce $(SAMPLE) $(SMALL) --force
	$(BIN)/lumpcli verify $(SAMPLE) $(SMALL)
	$(BIN)/lumpcli stats $(SMALL)

test: $(VENV)/.installed-dev  ## install what is missing, then `make check`
	@$(MAKE) --no-print-directory check

check:  ## lint, format, types, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

fuzz: $(VENV)/.installed-dev  ## reduce 5,000 random graphs of every operator (about five minutes)
	$(BIN)/python -m tests.graphs.fuzz --graphs 5000 --seed 0

contain: $(VENV)/.installed-dev  ## compare 10^8 numbers of random networks with their bounds on random boxes (minutes)
	$(BIN)/python -m tests.bounds.fuzz --checks 1e8 --seed 0

bench: $(VENV)/.installed  ## time, memory and gains against peers (about a quarter of an hour; OPTIONS=--quick)
	@$(MAKE) --no-print-directory $(VENV)/.installed-bench || \
		echo "not every peer can be installed here: the results say which are missing"
	$(BIN)/python benchmarks/bench.py $(OPTIONS)

models: $(VENV)/.installed-models  ## rebuild the sample models (half a minute: two are trained)
	$(BIN)/python -m sample_models.make

clean:  ## remove the environment, build products and caches
	rm -rf $(VENV) build dist .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: an environment is installed again whenever pyproject.toml changes.
$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "lumpcli needs Python >= 3.11: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.installed-%: $(VENV)/.installed
	$(VENV)/bin/python -m pip install --quiet --editable '.[$*]'
	@touch $@
