# Every target sets up what it needs in .venv; nothing has to be active or running.

PYTHON ?= $(shell for each in python3 python3.13 python3.12 python3.11 python; do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet
PYTEST := $(BIN)/python -m pytest
PYTEST_ARGS ?=
UNIT := $(wildcard tests/unit tests/golden)
ENGINE := $(wildcard tests/integration tests/rules tests/faults tests/acceptance)
# A selection such as PYTEST_ARGS="-k timers" may leave one of the runs without a test, which is no failure then.
OR_NONE_SELECTED := || test $$? -eq 5 -a -n "$(subst ",,$(PYTEST_ARGS))"
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--no-emit-index-url --custom-compile-command "make requirements"

# A stamp is younger than the pins it was installed from, or the installation is repeated.
CREATED := $(VENV)/.created
BASE := $(VENV)/.base
ALL := $(VENV)/.all

.PHONY: setup demo run test test-unit test-sqlite test-postgres lint types bench docs requirements clean

setup: $(ALL)

# Some systems split ensurepip from Python; their pip can still fill an environment.
$(CREATED):
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name one: make PYTHON=/path/to/python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV) || { $(PYTHON) -m venv --clear --without-pip $(VENV) && \
		$(PYTHON) -m pip --quiet --python $(BIN)/python install pip; }
	@touch $@

$(BASE): requirements/base.txt requirements/client.txt client_lib/pyproject.toml $(CREATED)
	$(PIP) install --require-hashes -r requirements/base.txt -r requirements/client.txt
	$(PIP) install --no-deps --no-build-isolation --editable client_lib
	@touch $@

$(ALL): requirements/test.txt requirements/dev.txt $(BASE)
	$(PIP) install --require-hashes -r requirements/base.txt -r requirements/test.txt -r requirements/dev.txt
	@touch $@

demo: $(BASE)
	@$(BIN)/python examples/orders/demo.py

run: $(BASE)
	@$(BIN)/python -m workflow_engine.run

test: test-unit test-sqlite test-postgres

test-unit: $(ALL)
	$(PYTEST) -n auto --dist worksteal $(UNIT) $(PYTEST_ARGS) $(OR_NONE_SELECTED)

# Everything that touches the engine runs twice: on the database of the embedded default and on that of production.
test-sqlite: $(ALL)
	ENGINE_DB=sqlite $(PYTEST) $(ENGINE) $(PYTEST_ARGS) $(OR_NONE_SELECTED)

test-postgres: $(ALL)
	ENGINE_DB=postgres $(PYTEST) $(ENGINE) $(PYTEST_ARGS) $(OR_NONE_SELECTED)

lint: $(ALL)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python manage.py check --fail-level WARNING
	$(BIN)/python manage.py makemigrations --check --dry-run

types: $(ALL)
	$(BIN)/mypy

bench: $(ALL)
	$(PYTEST) tests/benchmarks -s -o timeout=1800 $(PYTEST_ARGS)

docs: $(BASE)
	$(BIN)/python -m workflow_engine.reference

requirements: $(ALL)
	for each in base client library test dev; do $(COMPILE) requirements/$$each.in -o requirements/$$each.txt || exit 1; done

clean:
	rm -rf $(VENV) var .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
