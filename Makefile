# `make grade` and `make test` set up whatever is missing, once, and then do what their names say.

# Another interpreter: make PYTHON=/path/to/python3.11 test
PYTHON ?= python3

VENV := .venv
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help grade test validate bench lint install sandbox clean

help:
	@echo 'make grade      grade submissions/dl1 with rubrics/dl1; reports in results/'
	@echo 'make test       run the test suite'
	@echo 'make validate   prove the rubric dl1: right answers pass it, mistakes do not'
	@echo 'make bench      measure this harness, nbgrader and otter-grader, and a class of 300'
	@echo 'make lint       check style and types'
	@echo 'make clean      remove the environment and all caches; results/ stays'

grade: sandbox $(INSTALLED)
	$(VENV)/bin/grader grade submissions/dl1 --rubric rubrics/dl1 -o results

test: sandbox $(INSTALLED)
	$(VENV)/bin/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

validate: sandbox $(INSTALLED)
	$(VENV)/bin/grader validate rubrics/dl1 -o validation

bench: sandbox $(INSTALLED)
	$(VENV)/bin/python benchmarks/run.py
	$(VENV)/bin/python benchmarks/scale.py

lint: $(INSTALLED)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

install: $(INSTALLED)

# Debian's Python has no ensurepip unless python3-venv is installed: so the environment is made without pip,
# and the interpreter's own pip installs into it. The version is part of the package's metadata, hence __init__.py.
$(INSTALLED): pyproject.toml constraints.txt grader/__init__.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	    { echo '$(PYTHON) is not Python 3.11 or newer; name one that is: make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@$(PYTHON) -m pip --version >/dev/null 2>&1 || \
	    { echo '$(PYTHON) has no pip; install it: sudo apt-get install python3-pip' >&2; exit 1; }
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv --without-pip --clear $(VENV)
	$(PYTHON) -m pip --disable-pip-version-check --python $(VENV)/bin/python install -c constraints.txt -e '.[dev]'
	@touch $@

# Student code runs only inside bubblewrap.
sandbox:
	@if command -v bwrap >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update && apt-get install -y --no-install-recommends bubblewrap; \
	else \
	    echo 'bubblewrap is missing; install it: sudo apt-get install bubblewrap' >&2; exit 1; \
	fi

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
