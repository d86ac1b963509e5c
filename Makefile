# `make` alone lists the targets. Everything needs only make and Python 3.11 to 3.13 with venv and pip;
# name another interpreter with PYTHON=/path/to/python.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
ROOMS := monarq/jobs monarq/producer monarq/worker monarq/dashboard

# Prints the first Python that will do. A PYTHON given by the caller is the only candidate.
FIND_PYTHON = for python in $(if $(PYTHON),"$(PYTHON)",python3 python3.13 python3.12 python3.11); do \
	"$$python" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
		2>/dev/null && { echo "$$python"; exit 0; }; \
	done; \
	echo 'Monarq needs Python 3.11, 3.12 or 3.13 with venv and pip (on Debian also: python3-venv).' >&2; \
	echo 'None was found; name one: make setup PYTHON=/path/to/python3.12' >&2; \
	exit 1

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(VENV)/.project ## Make .venv with hash-pinned dependencies and Monarq itself, editable

$(VENV)/.deps: requirements/build.txt requirements/dev.txt
	@python=$$($(FIND_PYTHON)) || exit 1; \
	echo "setup: $(VENV) with $$("$$python" --version), hash-pinned dependencies (a minute or two, once)"; \
	"$$python" -m venv $(VENV)
	@$(PIP) install --require-hashes -r requirements/build.txt -r requirements/dev.txt
	@touch $@

$(VENV)/.project: $(VENV)/.deps pyproject.toml
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: test
# Four at a time, even on two cores, since many tests wait: for leases to end, or for processes to start.
test: setup ## Run all tests (arguments for pytest: make test ARGS="-k claim")
	@$(BIN)/python -m pytest --numprocesses 4 --dist loadfile --durations 15 $(ARGS)

.PHONY: check
check: setup ## Format, lint, types, import contracts, and the rules that hold for the repository
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/ruff check --select TID251 $(ROOMS)
	$(BIN)/mypy -p monarq -p demo -p tests.typing
	$(BIN)/pyright tests/typing
	$(BIN)/lint-imports
	$(BIN)/python -m pytest --quiet tests/meta

.PHONY: format
format: setup ## Format and sort imports in place
	$(BIN)/ruff check --select I --fix .
	$(BIN)/ruff format .

.PHONY: demo
demo: setup ## Start the whole stack and watch it do real work
	@$(BIN)/python -m demo

.PHONY: bench
bench: setup ## Measure Monarq against its peers and write docs/benchmarks.md (long)
	@$(BIN)/python -m benchmarks run

.PHONY: bench-quick
bench-quick: setup ## Monarq, arq and the raw loop only, in under 5 minutes
	@$(BIN)/python -m benchmarks quick

.PHONY: bench-history
bench-history: setup ## Search a million finished jobs, by every filter (some minutes)
	@$(BIN)/python -m benchmarks.history

.PHONY: bench-relay
bench-relay: setup ## The relay of the outbox: jobs/s by one process, and the time from commit to start
	@$(BIN)/python -m benchmarks relay

.PHONY: bench-observed
bench-observed: setup ## What metrics and traces cost: CPU per job with and without (some minutes)
	@$(BIN)/python -m benchmarks observed

.PHONY: bench-dashboard
bench-dashboard: setup ## Ask every page of the dashboard over a million finished jobs (some minutes)
	@DASHBOARD_ROWS=1000000 DASHBOARD_READY=100000 $(BIN)/python -m pytest -q -s tests/browser/test_at_size.py

.PHONY: screenshots
screenshots: setup ## Take the pictures of docs/images anew, of a stack with made-up data (wants Chromium)
	@$(BIN)/python -m tests.browser.screenshots

# Compiled with the oldest Python that is supported, so that its conditional requirements are in the lock too.
.PHONY: lock
lock: ## Renew requirements/*.txt (wants Python 3.11; UPGRADE=--upgrade for newer versions)
	@python=$$($(FIND_PYTHON)) || exit 1; "$$python" -m venv .lock-venv
	@.lock-venv/bin/python -m pip --quiet --disable-pip-version-check install pip-tools==7.6.2
	@set -e; compile() { \
		CUSTOM_COMPILE_COMMAND='make lock' .lock-venv/bin/pip-compile --quiet --generate-hashes --strip-extras \
			--allow-unsafe --no-emit-options $(UPGRADE) "$$@"; \
	}; \
	compile --output-file requirements/build.txt requirements/build.in; \
	compile --all-extras --output-file requirements/dev.txt pyproject.toml
	@! grep -n '://' requirements/*.txt || { echo 'lock: an address got into the lock files' >&2; exit 1; }

.PHONY: clean
clean: ## Remove everything that make made
	rm -rf $(VENV) .lock-venv .monarq .artefacts build dist monarq.egg-info \
		.mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
