# Every target sets up what it needs: a virtual environment in .venv, with pinned versions.
# `make demo` installs what users need, `make test` adds what developers need.
PYTHON ?= python3
BIN := .venv/bin
# Each process would compile the library again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check lint docs site pretrain-demo clean

demo: .venv/user
	$(BIN)/mmfeat demo demo

# Four workers for two cores, because tests that kill and restart processes wait a lot.
test: lint
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

# For the person who changes a line: under a minute on two cores.
check: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow"

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/ready
	$(BIN)/python -m tests.test_docs

site: .venv/ready
	$(BIN)/python -m sphinx -q -W docs build/site
	@echo build/site/index.html

pretrain-demo: .venv/user
	$(BIN)/python -m mmfeat.demo.pretrain

clean:
	rm -rf .venv build *.egg-info demo

# What a user needs. Where an index has torch for the CPU, PIP_EXTRA_INDEX_URL=ADDRESS takes it.
.venv/user: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: mmfeat needs Python 3.11 or newer; this is older; run make PYTHON=python3.11")'
	@echo "making the environment .venv: 79 packages, 5.7 GB, of which 3.6 GB are of GPUs"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

# What a developer needs besides.
.venv/ready: .venv/user
	@echo "adding to .venv what tests need: 254 packages in all, 7.1 GB"
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@
