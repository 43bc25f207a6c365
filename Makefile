# Two commands matter: `make demo` and `make test`. Each sets up what it needs, in $(VENV).

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# The exact spelling matters: any other one may pull gigabytes of CUDA libraries.
TORCH ?= torch==2.13.0
# Setuptools warns of every editable install.
PIP := PYTHONWARNINGS=ignore $(BIN)/python -m pip --disable-pip-version-check install --quiet
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint check notebooks bench docs clean

help: ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 14

demo: $(VENV)/.demo ## range test, training, search and report on real digits (under 3 minutes)
	$(BIN)/lrtool demo

test: $(VENV)/.dev ## the tests, without the slow ones
	$(BIN)/python -m pytest -n $(WORKERS) -m "not slow"

test-all: $(VENV)/.dev ## every test, the slow ones too
	$(BIN)/python -m pytest -n $(WORKERS)

lint: $(VENV)/.dev ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test ## lint and test: what CI runs

notebooks: $(VENV)/.dev ## run every notebook in full
	$(BIN)/python -m pytest -n $(WORKERS) tests/notebooks -m "slow or not slow"

bench: $(VENV)/.dev ## every benchmark, in full (hours); one alone: .venv/bin/python benchmarks/NAME.py
	set -e; for file in benchmarks/[a-z]*.py; do echo "== $$file"; $(BIN)/python $$file; done

docs: $(VENV)/.dev ## build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean: ## remove the environment and everything built
	rm -rf $(VENV) build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache

$(VENV)/.python:
	$(PYTHON) -m venv $(VENV)
	$(PIP) --constraint constraints.txt pip
	@echo "installing torch and the rest into $(VENV); the first time takes a few minutes"
	$(PIP) $(TORCH)
	@touch $@

$(VENV)/.demo: $(VENV)/.python pyproject.toml constraints.txt
	$(PIP) --constraint constraints.txt --editable '.[demo]'
	@touch $@

$(VENV)/.dev: $(VENV)/.python pyproject.toml constraints.txt
	$(PIP) --constraint constraints.txt --editable '.[dev]'
	@# fastai asks for torchvision, whose wheels want CUDA's torch; what the docs show of it does not.
	$(PIP) --constraint constraints.txt --no-deps fastai
	@touch $@ $(VENV)/.demo
