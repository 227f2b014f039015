# `make grade` and `make test` set up whatever is missing, once, and then do what their names say.

# Another interpreter: make PYTHON=/path/to/python3.11 test
PYTHON ?= python3

# Without an NVIDIA GPU, torch is first looked for here, among PyTorch's builds for the CPU alone.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

# How long `make fuzz` goes on.
MINUTES ?= 10

VENV := .venv
# What grading needs, and what testing needs besides.
GRADING := $(VENV)/.installed
TESTING := $(VENV)/.installed-dev

.DEFAULT_GOAL := help
.PHONY: help grade test validate bench fuzz lint install sandbox clean

help:
	@echo 'make grade      grade submissions/dl1 with rubrics/dl1; reports in results/'
	@echo 'make test       run the test suite'
	@echo 'make validate   prove the rubric dl1: right answers pass it, mistakes do not'
	@echo 'make bench      measure this harness, nbgrader and otter-grader, and a class of 300'
	@echo 'make fuzz       try damaged notebooks, messages and files for MINUTES=10'
	@echo 'make lint       check style and types'
	@echo 'make clean      remove the environment and all caches; results/ stays'

grade: sandbox $(GRADING)
	$(VENV)/bin/grader grade submissions/dl1 --rubric rubrics/dl1 -o results

# Compiled once, and not by each of some thousand processes that the tests start.
test: sandbox $(TESTING)
	PYTHONDONTWRITEBYTECODE= $(VENV)/bin/python -m pytest -n auto --dist loadfile --no-loadscope-reorder --durations 30

validate: sandbox $(GRADING)
	$(VENV)/bin/grader validate rubrics/dl1 -o validation

bench: sandbox $(TESTING)
	$(VENV)/bin/python benchmarks/run.py
	$(VENV)/bin/python benchmarks/scale.py

lint: $(TESTING)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

fuzz: $(TESTING)
	PYTHONPATH=tests $(VENV)/bin/python -m fuzz --minutes $(MINUTES)

install: $(TESTING)

# Make ends a recipe that failed with a line of its own, which says nothing of use. So what tools/setup prints, which is
# what is wrong and what to do, is made that line. Recipes are expanded under -n, -q and -t too, where nothing is to run.
set_up = $(if $(asked_only),,$(call stop,$(shell said=$$($(settings) tools/setup $(1)) || echo "$${said:-$(cut_short)}")))
settings = PYTHON='$(PYTHON)' VENV='$(VENV)' TORCH_INDEX='$(TORCH_INDEX)'
stop = $(if $(1),$(error $(1)))
asked_only = $(strip $(foreach flag,n q t,$(findstring $(flag),$(filter-out --%,$(firstword -$(MAKEFLAGS))))))
cut_short = the installation was cut short: the same command again goes on with it

# The version is part of the package's metadata, hence __init__.py.
$(GRADING): pyproject.toml constraints.txt grader/__init__.py
	$(call set_up,packages --editable .)
	@touch $@

$(TESTING): pyproject.toml constraints.txt grader/__init__.py
	$(call set_up,packages --editable '.[dev]')
	@touch $@ $(GRADING)

sandbox:
	$(call set_up,sandbox)

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
