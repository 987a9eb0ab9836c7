# "make" prints the targets. Only make itself is needed: the rest comes with "make setup".
PYTHON := .venv/bin/python
PROGRAM ?= programs/lz77

.DEFAULT_GOAL := help
.PHONY: help setup test lint docs bench bench-all bench-projects bench-models lock clean demo programs

help: ## print this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST)

setup: ## install what is missing: clang, LLVM, and .venv
	@sh tools/setup.sh

test: setup ## run the tests; ARGS="-m 'not slow'" leaves the slow ones out
	$(PYTHON) -m pytest $(ARGS)

lint: setup ## ruff and mypy
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

demo: setup ## tune one included program; PROGRAM=programs/NAME picks it
	.venv/bin/colt-llvm tune $(PROGRAM) $(ARGS)

docs: setup ## build the documents into build/docs
	$(PYTHON) -m sphinx -q -W --keep-going -b html docs build/docs

bench: setup ## compare all search strategies (under an hour on two cores, on a quiet machine); writes docs/BENCHMARKS.md
	.venv/bin/colt-llvm bench run strategies -o bench-results/strategies
	$(PYTHON) -m benchmarks report

bench-all: bench ## what else docs/BENCHMARKS.md holds: a minute a program, decisions, long searches, ablations, speed, code size, run time (about a day)
	.venv/bin/colt-llvm bench run minute -o bench-results/minute
	.venv/bin/colt-llvm bench run decisions -o bench-results/decisions
	.venv/bin/colt-llvm bench run long -o bench-results/long
	.venv/bin/colt-llvm bench run runtime -o bench-results/runtime-peers
	.venv/bin/colt-llvm bench run ablations -o bench-results/ablations
	for part in speed wrapper size runtime control report; do $(PYTHON) -m benchmarks $$part || exit 1; done

bench-projects: setup ## five projects of other people, tuned and tested (over an hour; needs apt's packages); ARGS="--only bzip2"
	$(PYTHON) -m benchmarks.projects $(ARGS)

bench-models: setup ## three small language models on this machine (an hour; fetches 900 MB); ARGS="--models models.toml": yours
	$(PYTHON) -m benchmarks.real_models $(ARGS)
	$(PYTHON) -m benchmarks report

programs: setup ## build all included programs with colt-cc into build/programs, and check what they print
	$(MAKE) -C programs tuned
	$(PYTHON) tools/build_programs.py

lock: setup ## write requirements.lock anew from pyproject.toml
	sh tools/lock.sh $(ARGS)

clean: ## remove .venv, caches and built files; runs in colt-runs stay
	rm -rf .venv .uv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find colt_llvm benchmarks tests tools -name __pycache__ -prune -exec rm -rf {} +
