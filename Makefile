# Everything runs in .venv, which make builds by itself from the locked requirements. Needed: Python 3.11 or later.

PYTHON ?= python3
PROFILE ?= dev
# One more than there are processors: tests wait for servers, locks and browsers, too.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
ARGS ?=
BASE ?= HEAD~1

bin := .venv/bin
python := $(bin)/python
example := examples/campaigns
.DEFAULT_GOAL := help

# Containers set it. The tests start hundreds of processes, each of which would compile pgassay anew.
unexport PYTHONDONTWRITEBYTECODE
# Each pytest would load it for a second, and the tests start many; one test runs its command.
export PYTEST_ADDOPTS := -p no:schemathesis $(PYTEST_ADDOPTS)

.PHONY: help
help: ## list what can be made
	@echo "make check    apply sql/migrations to a real PostgreSQL and show who reaches whose rows"
	@echo "make test     run the tests (PROFILE=dev|ci|thorough: more examples, fewer left out; ARGS=\"--pg system -k rights\")"
	@echo "make faults   break each promise of the Jobs system once, and print which test noticed"
	@echo "make verdicts compare the verdicts of the corpus with those of another commit (BASE=main; ARGS=\"-k notes\")"
	@echo "make panel    serve the campaign API and its Control Panel on a PostgreSQL with a sample (PORT=9002)"
	@echo "make panel-test, panel-load, panel-bench, panel-picture: its tests, 30 s of load, what it costs, the README's picture"
	@echo "make lint     check style and types, and lint the SQL: ruff, mypy, the import linter, sqlfluff, pgassay lint"
	@echo "make format   put Python and SQL in shape"
	@echo "make bench    measure what the harness and the counters cost (ARGS=--long: what large campaigns do)"
	@echo "make lock     write requirements/ anew from pyproject.toml"
	@echo "make clean    remove the virtual environment, caches and what was built"

.PHONY: check
check: .venv/run
	@$(bin)/pgassay check $(ARGS)

.PHONY: test
test: .venv/dev
	@$(python) -m pytest -n $(WORKERS) --hypothesis-profile=$(PROFILE) $(ARGS)

.PHONY: panel
panel: .venv/panel
	@exec $(python) -m campaigns dev $(ARGS)

.PHONY: panel-test
panel-test: .venv/dev
	@cd $(example) && ../../$(python) -m pytest -n $(WORKERS) $(ARGS)

.PHONY: panel-bench
panel-bench: .venv/dev
	@$(python) -m benchmarks.campaigns $(ARGS)

.PHONY: panel-picture
panel-picture: .venv/dev
	@$(python) $(example)/scripts/picture.py

.PHONY: panel-load
panel-load: .venv/dev
	@cd $(example) && CAMPAIGNS_LOAD_SECONDS=30 ../../$(python) -m pytest -s tests/test_load.py $(ARGS)

.PHONY: faults
faults: .venv/dev
	@$(python) -m pytest -n $(WORKERS) --hypothesis-profile=faults --pg-faults tests/harness/test_planted_faults.py $(ARGS)

.PHONY: verdicts
verdicts: .venv/dev
	@$(python) -m tests.harness.verdicts --base $(BASE) $(ARGS)

.PHONY: lint
lint: .venv/dev
	$(python) -m ruff check
	$(python) -m ruff format --check
	$(python) -m mypy
	$(bin)/lint-imports
	$(python) -m tests.harness.platform_names
	$(bin)/sqlfluff lint --disable-progress-bar sql/supabase sql/rows.sql
	@$(bin)/pgassay lint --fail-on warning $(ARGS)

.PHONY: format
format: .venv/dev
	$(python) -m ruff check --fix
	$(python) -m ruff format
	$(bin)/sqlfluff fix --disable-progress-bar sql

.PHONY: bench
bench: .venv/run
	@$(python) -m benchmarks $(ARGS)

.PHONY: lock
lock: .venv/dev
	$(python) -m pip install --quiet uv
	for name in run dev; do \
	    $(python) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	        --extra embedded --extra container --group build $$([ $$name = dev ] && echo --extra lint --group test --group lint) \
	        --output-file requirements/$$name.txt pyproject.toml $$([ $$name = dev ] && echo $(example)/pyproject.toml) || exit 1; \
	done
	$(python) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	    --constraint requirements/dev.txt --output-file requirements/panel.txt $(example)/pyproject.toml

.PHONY: clean
clean:
	rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What `make panel` needs besides what `make check` does: the libraries of the example, and the example.
.venv/panel: requirements/panel.txt $(example)/pyproject.toml .venv/run
	@echo "Installing the campaign API into .venv (once)"
	@$(python) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/panel.txt
	@$(python) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable $(example)
	@touch $@

# What `make check` needs; what the tests and linters need besides. Each is installed once for its lock file.
.venv/run: requirements/run.txt pyproject.toml | .venv/bin/python
	@echo "Installing pgassay into .venv (once)"
	@$(python) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	@$(python) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev: requirements/dev.txt $(example)/pyproject.toml .venv/run
	@echo "Installing what the tests and linters need into .venv (once)"
	@$(python) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(python) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable $(example)
	@touch $@

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "pgassay needs Python 3.11 or later; '$(PYTHON)' is: $$($(PYTHON) --version 2>&1 || echo not there)."; \
	    echo "Install a later one, or name it: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "Python's venv is missing. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@$(PYTHON) -m venv .venv
