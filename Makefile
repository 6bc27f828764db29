# `make fit` and `make test` work on a fresh clone: they make .venv and install what they need, once.
# PYTHON=... chooses the interpreter; ARGS="..." goes to the command or to pytest, such as
#   make fit ARGS="uganda_dairy --data farmers.csv"

BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
WANTED := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))
USABLE := import sys, pip; sys.exit(sys.version_info < (3, 12))
CHECK_VENV = $(BIN)/python -c "$(USABLE)" 2>/dev/null || { \
  echo "make: .venv holds no working Python 3.12 or later; remove it and try again" >&2; exit 1; }
# Exit 3 is a finished run with rows withheld or not estimable, each named on stderr.
FINISHED := || test $$? -eq 3

.PHONY: fit fit-full example test test-all check size bench fuzz coverage alarms golden r-fixtures docs tutorial

fit: .venv/fit.stamp
	$(BIN)/python -m coopgap.fit $(ARGS) $(FINISHED)

fit-full: .venv/fit.stamp
	$(BIN)/python -m coopgap.fit --checks full $(ARGS) $(FINISHED)

example: .venv/fit.stamp
	$(BIN)/python -m coopgap.fit --out reports/example $(ARGS) $(FINISHED)

test: .venv/dev.stamp
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow" $(ARGS)

test-all: .venv/dev.stamp
	$(BIN)/python -m pytest $(ARGS)

check: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

# Lines, modules and long functions by package; tests/test_size.py holds the bars.
size: .venv/dev.stamp
	$(BIN)/python tests/test_size.py

bench: .venv/dev.stamp
	$(BIN)/python tests/benchmarks/run.py $(ARGS)

# What no test has thought of; ARGS="--minutes 30 --seed 2 reader" for longer, or for one part.
fuzz: .venv/dev.stamp
	$(BIN)/python tests/fuzz/run.py $(ARGS)

# The book, as one folder of pages: site/index.html. ARGS="--site-dir DIR" puts it elsewhere.
docs: .venv/docs.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet $(ARGS)

# The tutorial of the book in a fresh environment, from a wheel.
tutorial: .venv/fit.stamp
	$(BIN)/python tests/tutorial.py

# Stops and goes on; ARGS="--minutes 30" for a part. Blocks are kept in reports/coverage.
coverage: .venv/dev.stamp
	$(BIN)/python tests/coverage/run.py $(ARGS)

# Likewise, of the check of phone answers among in-person subsamples.
alarms: .venv/dev.stamp
	$(BIN)/python tests/alarms/count.py $(ARGS)

# The tables as they are to stay; ARGS="census quick" for some. A commit that makes them anew says why.
golden: .venv/dev.stamp
	$(BIN)/python tests/golden/make.py $(ARGS)

# Two runs write the same bytes. Uganda needs the path of the published file in COOPGAP_UGANDA.
r-fixtures: .venv/fit.stamp
	$(BIN)/python tests/r/example.py
	$(BIN)/python tests/r/invented.py
	Rscript tests/r/all.R
	@if [ -n "$$COOPGAP_UGANDA" ]; then \
	  echo "Rscript tests/r/uganda.R"; Rscript tests/r/uganda.R; \
	else \
	  echo "tests/r/fixtures/uganda.json left as it is: COOPGAP_UGANDA is not set"; \
	fi

.venv/fit.stamp: pyproject.toml constraints.txt | $(BIN)/python
	@$(CHECK_VENV)
	$(INSTALL) -e ".[office]"
	@touch $@

.venv/docs.stamp: pyproject.toml constraints.txt | $(BIN)/python
	@$(CHECK_VENV)
	$(INSTALL) -e ".[office,docs]"
	@touch .venv/fit.stamp $@

.venv/dev.stamp: pyproject.toml constraints.txt | $(BIN)/python
	@$(CHECK_VENV)
	$(INSTALL) -e ".[dev]"
	@touch .venv/fit.stamp .venv/docs.stamp $@

# An interpreter is chosen by running it: a name on the PATH may be a shim with nothing behind it,
# and a system Python may come without venv.
$(BIN)/python:
	@for candidate in $(PYTHON) python3 python3.14 python3.13 python3.12 python py; do \
	  if "$$candidate" -c "$(WANTED)" >/dev/null 2>&1; then \
	    echo "$$candidate -m venv .venv"; exec "$$candidate" -m venv .venv; \
	  fi; \
	done; \
	echo "make: found no Python 3.12 or later with venv; install one, or name it: make PYTHON=..." >&2; \
	exit 1
