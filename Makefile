# The two commands that matter on a fresh machine with Python (3.11 or newer), make and git:
#   make demo    install into .venv and classify the example photographs
#   make test    install what the tests need as well, and run them
# Versions are pinned in constraints.txt, so that both do the same in a year.

# Where torch's small CPU build comes from when there is no NVIDIA GPU and pip's own settings have
# none. It is asked for a few seconds and left out when it does not answer; empty it
# (`make test TORCH_INDEX=`) and it is not asked.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$p && break; done)
VENV ?= .venv
MINUTES ?= 60
BIN = $(VENV)/bin
DEMO = $(addprefix examples/photos/,cat.jpg bison.jpg castle.jpg stream.jpg)
INSTALL = examples/install.py --torch-index "$(TORCH_INDEX)" --into

.PHONY: demo test check fix lint types wheel docs map bench soak fleet fuzz fuzz-share clean
.DEFAULT_GOAL := demo

$(VENV)/installed: constraints.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "clipcli needs Python 3.11 or newer; set PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) $(INSTALL) $(VENV)
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	@$(PYTHON) $(INSTALL) $(VENV) --dev
	@touch $@

# An environment of its own: what others need is not always what the tests need.
$(VENV)-bench/installed: constraints.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "clipcli needs Python 3.11 or newer; set PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) $(INSTALL) $(VENV)-bench --dev --bench
	@touch $@

demo: $(VENV)/installed
	$(BIN)/clipcli classify $(DEMO) --labels demo --top-k 3 --format table --model mini
	$(BIN)/clipcli classify examples/photos --labels demo --format table

# Some tests only, in one process: make test TESTS="tests/labels tests/docs" JOBS=0
JOBS = auto
test: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n $(JOBS) --maxprocesses 8 --dist loadfile \
		--no-loadscope-reorder $(TESTS)

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-dev
	$(BIN)/mypy

check: lint types test fuzz-share

# Mutants of whole files for every reader, each in a process with bounds on memory and time. What
# fails is kept in tests/corpus/. An hour, or some readers only: make fuzz MINUTES=5 READERS="tar torch"
fuzz: $(VENV)/installed-dev
	$(BIN)/python -m tests.fuzz.run --minutes $(MINUTES) $(READERS)

# The share of it that each change must pass: the same mutants on every machine, about a minute.
fuzz-share: $(VENV)/installed-dev
	$(BIN)/python -m tests.fuzz.run --cases 800 --seed 1

fix: $(VENV)/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Builds the wheel, installs it into an empty environment and uses it from another folder.
wheel: $(VENV)/installed-dev
	$(BIN)/python tests/wheel_smoke.py --torch-index "$(TORCH_INDEX)"

# Renews the lines that README.md and docs/ print, and docs/cli.md; shows what changed.
docs: $(VENV)/installed-dev
	$(BIN)/python -m tests.docs.renew

# Prints the rooms of the code, what they import, and how large everything is.
map: $(VENV)/installed-dev
	@$(BIN)/python -m tests.map

# Writes tests/benchmarks/RESULTS.md. Some sections only, or in a hurry: make bench ONLY="640x480 limit" QUICK=1
bench: $(VENV)-bench/installed
	$(VENV)-bench/bin/python tests/benchmarks/run_all.py $(ONLY) $(if $(QUICK),--quick)

soak: $(VENV)/installed-dev
	$(BIN)/python -m pytest -m soak

# Batches on Ray: workers and whole runs are killed at random, machines lost, a store fails. Half an hour.
fleet: $(VENV)/installed-dev
	$(BIN)/python -m pip install --quiet "ray>=2.40" s3fs "moto[server]"
	$(BIN)/python -m pytest -m soak tests/workflows/fleet

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
