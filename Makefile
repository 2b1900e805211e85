# Everything is set up in .venv, inside this folder, on first use and again when pyproject.toml changes.
PYTHON ?= python3
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
# two processes, each with whole files: what a file trains, it trains once
WORKERS := -n 2 --dist loadfile
READY := .venv/ready
# the floors of pyproject.toml, and what Matplotlib 3.7 was released with: a later pyparsing warns
FLOORS := $(shell sed -n -e '/^dependencies/s/>=/==/gp' -e '/^test/s/>=/==/gp' pyproject.toml | grep -oE '(numpy|scipy|matplotlib|pytest)==[0-9.]+') 'pyparsing<3.1' jupytext

.PHONY: help demo book slides check test test-slow test-oldest
.DELETE_ON_ERROR:

help:
	@echo "make demo         watch SAB learn what truncated BPTT cannot (3 minutes)"
	@echo "make book         the tutorials, run, with the page, the glossary and the API as a site in book/ (a few minutes)"
	@echo "make slides       ten slides for the projector, slides.pdf"
	@echo "make check        format and lint (ruff)"
	@echo "make test         all tests but the slow ones (a few minutes)"
	@echo "make test-slow    the slow ones"
	@echo "make test-oldest  make test on the oldest NumPy, SciPy, Matplotlib and pytest (Python 3.10 or 3.11)"

demo: $(READY)
	@.venv/bin/python -m sab_numpy demo

book: .venv/book
	@.venv/bin/python tutorials/book/build.py

.venv/book: $(READY)
	@echo "adding Sphinx to .venv (once) ..."
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[book]'
	@touch .venv/book

slides: $(READY)
	@.venv/bin/python figures/slides.py slides.pdf

check: $(READY)
	@.venv/bin/python -m ruff format --check --quiet . && .venv/bin/python -m ruff check --quiet .

test: $(READY)
	@$(ONE_THREAD) .venv/bin/python -m pytest -q $(WORKERS)

test-slow: $(READY)
	@$(ONE_THREAD) .venv/bin/python -m pytest -q -m slow

test-oldest: .venv-oldest/ready
	@$(ONE_THREAD) .venv-oldest/bin/python -m pytest -q

.venv-oldest/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info >= (3, 12))' || \
		{ echo "the oldest NumPy has no wheel for this Python: make test-oldest PYTHON=python3.11"; exit 1; }
	@echo "setting up .venv-oldest (once): $(FLOORS) ..."
	@$(PYTHON) -m venv .venv-oldest
	@.venv-oldest/bin/python -m pip install --quiet --disable-pip-version-check --editable . $(FLOORS)
	@touch .venv-oldest/ready

$(READY): pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing: install Python 3.10 or later"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Python 3.10 or later is needed: make PYTHON=/path/to/a/later/python"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
		{ echo "python3-venv is missing: install it (Debian, Ubuntu: sudo apt install python3-venv) and run make again"; exit 1; }
	@echo "setting up .venv (once) ..."
	@$(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $(READY)
