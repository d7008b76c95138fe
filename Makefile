# `make demo` and `make test` do everything from a bare clone: environment, installation, run.
PYTHON ?= python3
BIN := .venv/bin
DEMO := esrgan-wgangp
# A process a core with one thread each: tests are many and small.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --maxprocesses 8 --dist worksteal

.PHONY: demo report docs tutorial test test-all test-gpu check schema format clean

# On shared cores, OpenMP's active waiting makes training several times slower (docs/training.md).
demo: .venv/.installed
	OMP_WAIT_POLICY=PASSIVE $(BIN)/zoo train $(DEMO) --profile demo

# One page from the records of `zoo bench`; opens from disk.
report: .venv/.installed
	$(BIN)/zoo report

# The site, in build/site; to search it: python3 -m http.server --directory build/site
docs: .venv/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Run the tutorial and keep what it shows.
tutorial: .venv/.installed-docs
	$(BIN)/python docs/run_tutorial.py docs/tutorial.ipynb

test: .venv/.installed-dev
	$(PYTEST)

test-all: .venv/.installed-dev
	$(BIN)/pytest -m "not gpu and not network"

test-gpu: .venv/.installed-dev
	$(BIN)/pytest -m gpu

# The schema that editors read and the page of settings, from the models that read the registry.
schema: .venv/.installed
	$(BIN)/python -m zoo.recipes.json_schema
	$(BIN)/python -m zoo.commands.settings

check: .venv/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(PYTEST)

format: .venv/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

# A stamp, so that nothing is installed twice, and everything again when pyproject.toml changes.
# pip, not python, marks a whole environment: where ensurepip is missing, python is there without it.
.venv/bin/pip:
	$(PYTHON) -m venv .venv

.venv/.installed: pyproject.toml | .venv/bin/pip
	@echo "installing zoo and its packages into .venv (minutes; torch alone is large)"
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -e .
	touch $@

.venv/.installed-dev: pyproject.toml | .venv/bin/pip
	@echo "installing zoo and its packages into .venv (minutes; torch alone is large)"
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -e '.[dev]'
	touch .venv/.installed $@

.venv/.installed-docs: pyproject.toml | .venv/bin/pip
	@echo "installing zoo and its packages into .venv (minutes; torch alone is large)"
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -e '.[docs]'
	touch .venv/.installed $@
