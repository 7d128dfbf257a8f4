# onair: the commands of this project. `make` lists them.

PYTHON ?= python3
UV ?= uv
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup setup-test run rehearsal check test test-fault bench lock clean

# A developer's own pip and Python settings must not decide what is installed here, nor how it runs:
# without bytecode on disk every process of a test compiles the whole server anew.
unexport PIP_FIND_LINKS PIP_EXTRA_INDEX_URL PIP_CONSTRAINT PIP_REQUIREMENT PIP_USER PIP_TARGET
unexport PIP_PREFIX PIP_NO_BINARY PIP_ONLY_BINARY PIP_PRE PIP_REQUIRE_VIRTUALENV
unexport PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE PYTHONOPTIMIZE

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'

setup: $(VENV)/.installed-run ## make .venv and install what the server needs
setup-test: $(VENV)/.installed-test

run: setup ## start the demo: a live room, its host console and the API, on http://127.0.0.1:8000
	@$(BIN)/onair demo

PLAN ?= default

rehearsal: setup ## rehearse a sale on this machine, in about a minute: load, books, GO or NO-GO, report
	@$(BIN)/onair rehearse --plan $(PLAN)

# The gate draws the same examples each time, so that what it refuses is what changed; `make test-fault`
# draws new ones, and `make check SEED=N` repeats them.
SEED ?= 1111

check: setup-test ## format, lint, types, import rules, unit and property tests (under a minute)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/unit tests/property --hypothesis-seed=$(SEED)

test: setup-test ## install what tests need and run all of them
	@bash tests/run_all.sh

test-fault: SEED := $(shell date +%s)
test-fault: setup-test ## tests that kill, stop and delay real processes, and property tests, with more seeds
	@echo "property tests: SEED=$(SEED)"
	$(BIN)/python -m pytest -q tests/property --hypothesis-seed=$(SEED)
	$(BIN)/python -m pytest -q tests/fault --seeds 5
	@echo; cat .artifacts/faults.md .artifacts/sharing-faults.md

bench: setup-test ## the benchmarks: fan-out, memory, connects, orders, visits and crowds, measured in one run
	$(BIN)/python -m loadtest.bench --get-peers

lock: ## choose the newest allowed versions anew and write requirements/*.lock (needs uv)
	$(UV) pip compile --quiet --upgrade $(LOCK_OPTIONS) --group build --extra loadtest -o requirements/run.lock pyproject.toml
	$(UV) pip compile --quiet --upgrade $(LOCK_OPTIONS) --group build --group test --extra loadtest \
	  -c requirements/run.lock -o requirements/test.lock pyproject.toml
LOCK_OPTIONS := --no-config --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --custom-compile-command "make lock"

clean: ## remove what was installed and built; .onair, the data of the demo, stays
	rm -rf $(VENV) build *.egg-info .artifacts .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	  .import_linter_cache tests/e2e/sdk_js/node_modules

# The stamps below are newer than what they were made from, so a second `make run` starts at once.

$(VENV)/.made:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "onair needs Python 3.11 or newer, and '$(PYTHON)' was not found."; \
	  echo "Install it, or name another one: make run PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "onair needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)."; \
	  echo "Name a newer one: make run PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments: its module venv or ensurepip is missing."; \
	  echo "On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
	  echo "Making $(VENV) with $$($(PYTHON) --version)"; $(PYTHON) -m venv --clear $(VENV); }
	@touch $@

$(VENV)/.installed-run: $(VENV)/.made requirements/run.lock pyproject.toml
	@echo "Installing what the server needs (once)"
	@$(PIP) install --require-hashes -r requirements/run.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed-run requirements/test.lock
	@echo "Installing what the tests need (once)"
	@$(PIP) install --require-hashes -r requirements/test.lock
	@touch $@
