# The two commands of the README. Each makes .venv from the hash-pinned lock when it is missing or stale.
#   make run    set up, then run the main job on the two built-in studies
#   make test   set up, then run the checks and the tests
# PYTHON=python3.12 chooses another interpreter; CORES=8 more cores; COVER=1 measures what the tests cover.
#   make gallery   the pages of figures in docs/, from the two built-in studies
#   make torture   long campaigns: expressions, studies and files that nobody would write, runs that are killed
#   make versions   the library's tests on the other Pythons, and on the oldest dependencies

PYTHON ?= python3
CORES ?= 2
VENV := .venv
BIN := $(VENV)/bin
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES)

.PHONY: run test check gallery torture versions clean

run: $(VENV)/run.stamp
	$(SNAKEMAKE)
	$(SNAKEMAKE) --configfile config/demo_injected_current.yaml
	@echo
	@echo "Open results/demo-head-direction/report/index.html and results/demo-injected-current/report/index.html"

test: $(VENV)/dev.stamp
	$(MAKE) check
	$(BIN)/pytest -n $(CORES) --dist loadfile $(if $(COVER),--cov)

gallery: run
	$(BIN)/python docs/make_gallery.py results

torture: $(VENV)/dev.stamp
	$(BIN)/python tests/fuzzed_studies.py
	$(BIN)/python tests/fuzzed_files.py 10000
	$(BIN)/python tests/killed_runs.py 20
	TORTURE=1 $(BIN)/pytest tests/workflow/test_disk.py tests/workflow/test_hostile_study.py

versions:
	.ci/versions

check: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint
	$(BIN)/codespell

# A stamp is as old as what it was made from; dev holds all that run needs.
$(VENV)/run.stamp: locks/run.txt pyproject.toml | $(VENV)/bin/python
	@if [ -f $(VENV)/dev.stamp ]; then $(MAKE) $(VENV)/dev.stamp; else \
	    $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r locks/run.txt && \
	    $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . ; fi
	@touch $@

$(VENV)/dev.stamp: locks/dev.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r locks/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) .venvs .snakemake results/demo-head-direction results/demo-injected-current
