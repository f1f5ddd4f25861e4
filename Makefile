# Needs Python >= 3.11 with venv and pip, nothing else: `make demo`, `make test`. Another interpreter: make PYTHON=python3.12.
# The oldest supported one comes first, because it is the one that CI and constraints.txt are made with.
SUPPORTED := python3.11 python3.12 python3.13 python3
WORKS := -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null
PYTHON ?= $(shell for p in $(SUPPORTED); do if $$p $(WORKS); then echo $$p; break; fi; done)

BIN := .venv/bin
INSTALLED := .venv/installed
# benchmarks/README.md says what each measures; `trainer` fetches MNIST into data/ if it is not there.
BENCHMARKS := iteration update trainer scaling memory leaderboard arithmetic

.PHONY: demo site docs test lint portable bench package clean

demo: $(INSTALLED)
	$(BIN)/resbench sweep configs/sweeps/digits_demo.yaml --jobs 2
	$(BIN)/resbench leaderboard --records runs/demo

# The published records as pages, tables and figures; open site/leaderboard.html.
site: $(INSTALLED)
	$(BIN)/resbench leaderboard --out site --figures site >/dev/null

# The documentation as a site, from docs/; open site/docs/index.html. A broken link or reference ends it.
docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# One thread a test process: two processes that each start a thread per core only wait for each other. The tests of a
# file share what they have set up, and files keep their order (tests/conftest.py).
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Trainings here and on processors that QEMU emulates (Debian: qemu-user), bit for bit: docs/portable.md.
portable: $(INSTALLED)
	$(BIN)/python -m tests.portable --emulate Haswell Skylake-Client EPYC-Rome

bench: $(INSTALLED)
	for name in $(BENCHMARKS); do echo "== $$name" && $(BIN)/python -m benchmarks.$$name || exit 1; done
	$(BIN)/python -m benchmarks.iteration --noisy
	$(BIN)/python -m benchmarks.iteration --per-vector

# Wheel and sdist in dist/, checked, and the wheel installed and used in an empty environment (downloads torch).
package: $(INSTALLED)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[release]"
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	$(BIN)/twine check --strict dist/*
	$(PYTHON) -m venv dist/empty
	dist/empty/bin/python -m pip install --quiet -c constraints.txt dist/*.whl
	cd dist && empty/bin/resbench list configs >/dev/null
	cd dist && empty/bin/resbench fit --config digits_digital.yaml --trainer.max_epochs=1 --experiment.root=runs
	rm -rf dist/empty dist/runs

clean:
	rm -rf .venv build dist site .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(INSTALLED): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "no Python 3.11, 3.12 or 3.13 with venv was found: make PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	touch $@
