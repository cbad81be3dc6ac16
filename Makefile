# The two commands that matter on a fresh machine with Python (3.11 or newer), make and git:
#   make demo    install into .venv and classify the example photographs
#   make test    install what the tests need as well, and run them
# Versions are pinned in constraints.txt, so that both do the same in a year.

# Where torch comes from when there is no NVIDIA GPU: its own index of small CPU builds.
# Empty it (`make test TORCH_INDEX=`) to take whatever the default package index has.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$p && break; done)
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet install -c constraints.txt
CPU_TORCH = $(if $(TORCH_INDEX),$(shell command -v nvidia-smi >/dev/null 2>&1 || echo --index-url $(TORCH_INDEX)),)

.PHONY: demo test check fix lint types wheel bench soak clean
.DEFAULT_GOAL := demo

$(VENV)/python: constraints.txt
	@test -n "$(PYTHON)" || { echo "clipcli needs Python 3.11 or newer; set PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "could not make a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "installing into $(VENV) (torch first, a minute or two) ..."
	@$(PIP) $(CPU_TORCH) torch
	@$(PIP) hatchling editables
	@touch $@

$(VENV)/installed: $(VENV)/python pyproject.toml
	@$(PIP) --no-build-isolation --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	@$(PIP) --no-build-isolation --editable '.[dev]'
	@touch $@

demo: $(VENV)/installed
	$(BIN)/clipcli classify examples/photos --labels demo --top-k 3

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-dev
	$(BIN)/mypy

check: lint types test

fix: $(VENV)/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Builds the wheel, installs it into an empty environment and uses it from another folder.
wheel: $(VENV)/installed-dev
	$(BIN)/python tests/wheel_smoke.py $(if $(CPU_TORCH),--torch-index $(TORCH_INDEX))

# Writes tests/benchmarks/RESULTS.md. Some sections only, or in a hurry: make bench ONLY="640x480 limit" QUICK=1
bench: $(VENV)/installed-dev
	$(BIN)/python tests/benchmarks/run_all.py $(ONLY) $(if $(QUICK),--quick)

soak: $(VENV)/installed-dev
	$(BIN)/python -m pytest -m soak

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
