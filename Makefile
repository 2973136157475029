# Everything sets itself up: a venv with all packages, unixODBC and a SQL Server driver.
.SHELLFLAGS := -eu -c
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Tests that count what they checked by something that we did not write, and the table of it.
PYTEST := $(BIN)/python -m pytest -q -n 2 --dist worksteal
COUNTED := SITEKEEPER_FIDELITY="$(CURDIR)/.fidelity/counts.jsonl" $(PYTEST) --junitxml=.fidelity/tests.xml
TABLE := $(BIN)/python -m tests.fidelity.print_table .fidelity/counts.jsonl .fidelity/tests.xml

# all, or rest: go on where a `make chaos` was stopped.
CHAOS ?= all

.PHONY: setup demo test sweeps planted drops chaos fidelity check bench lab clean

setup: $(READY)

$(READY): pyproject.toml modules/sitekeeper_lab/pyproject.toml .ci/odbc.sh
	@test -x $(BIN)/python || python3 -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' -e modules/sitekeeper_lab
	@bash .ci/odbc.sh $(VENV)
	@touch $@

demo: $(READY)          ## start a simulated hierarchy, back it up, look at the sets, stop it
	@bash .ci/demo $(BIN)

test: $(READY)          ## the tests (minutes), and the table of what was checked by things that we did not write
	@rm -rf .fidelity; mkdir -p .fidelity
	@$(COUNTED) -m 'not sweep' --durations=10 && ended=0 || ended=$$?; $(TABLE); exit $$ended

sweeps: $(READY)        ## the rest of them: samples of kill points, faults and drops, random nights, foreign suites
	@rm -rf .fidelity; mkdir -p .fidelity
	@$(COUNTED) -m sweep --durations=10 && ended=0 || ended=$$?; $(TABLE); exit $$ended

drops: $(READY)         ## the connection dropped at every single request of a backup, of a drill (some 30 minutes)
	@SITEKEEPER_ALL_DROPS=1 $(BIN)/python -m pytest -q -s -n 2 tests/backup/test_dropped_connections.py tests/drill/test_dropped_connections.py

planted: $(READY)      ## forty faults, planted one after the other: each is caught by its test (some 10 minutes)
	@$(BIN)/python tests/planted/run_planted.py

chaos: $(READY)         ## killed, frozen, struck at every point, into docs/reliability.md (hours; CHAOS=rest goes on where it was stopped)
	@[ "$(CHAOS)" = rest ] || rm -rf .chaos
	@SITEKEEPER_CHAOS=$(CHAOS) $(BIN)/python -m pytest -q -n 2 --dist load --tb=line tests/chaos \
	  && ended=0 || ended=$$?; $(BIN)/python tests/chaos/write_reliability.py; exit $$ended

fidelity: $(READY)      ## what was checked by things that we did not write: one table
	@rm -rf .fidelity; mkdir -p .fidelity
	@$(COUNTED) tests/fidelity tests/contract && ended=0 || ended=$$?; $(TABLE); exit $$ended

check: $(READY)         ## formatting, lint, types, import contracts
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --verbose | tail -n 8

bench: $(READY)         ## ratios against what a user would otherwise run, into .bench/results.json
	@$(BIN)/python -m benchmarks.run

lab: $(READY)           ## start the lab and leave it running (sitekeeper lab down stops it)
	@$(BIN)/sitekeeper lab up

clean:
	rm -rf .demo .bench .chaos .fidelity .foreign .lab $(VENV) .odbc .mypy_cache .ruff_cache .pytest_cache
