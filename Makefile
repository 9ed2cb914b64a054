# rayctl: every command that people and CI type. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.made-from-lock
CODE   := rayctl crd e2e unit bench conftest.py
NAME   ?= demo
NODES  ?= 4
# Tests mostly wait; of beds, each runs one of its own. More than two want more than two CPUs.
PARALLEL ?= 2
FAULTS ?= 300
SEED   ?=
export PYTHONPATH := $(CURDIR)

##@ Start here
.PHONY: help demo test
help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z][a-z0-9-]*:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: setup ## A real Kubernetes, the operator, two Ray clusters, programs on them (KEEP=1 leaves it standing)
	@$(BIN)/python -m e2e.demo

test: setup ## Everything: lint, unit, integration, e2e; quickest first
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory integration
	@$(MAKE) --no-print-directory e2e

##@ Parts of the test
.PHONY: lint unit integration e2e
lint: setup ## Formatting, style, types, import contracts, dead code
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy $(CODE)
	$(BIN)/lint-imports
	$(BIN)/vulture rayctl crd unit e2e bench --min-confidence 80
	$(BIN)/python crd/generate.py --check

unit: setup ## No cluster, about a minute
	$(BIN)/pytest unit -n $(PARALLEL)

integration: setup ## Against a real kube-apiserver, and a real Ray head
	$(BIN)/pytest e2e -m "apiserver or ray" --timeout 300 -n $(PARALLEL) --dist loadfile

e2e: setup ## On real nodes with real Ray
	$(BIN)/pytest e2e -m nodes --timeout 900 -n $(PARALLEL) --dist loadfile

.PHONY: faults
faults: setup ## Seeded faults on a real control plane, and a checker of its records (FAULTS=10000 SEED=1 REAL=1)
	$(BIN)/python -m e2e.faults --faults $(FAULTS) $(if $(SEED),--seed $(SEED)) $(if $(REAL),--real)

##@ The test bed
.PHONY: bed-up bed-down bed-status
bed-up: setup ## Start a Kubernetes cluster to play with; prints its KUBECONFIG (NAME=demo NODES=4)
	@$(BIN)/python -m e2e.cluster up --name $(NAME) --nodes $(NODES)

bed-down: setup ## Stop it and remove all of it
	@$(BIN)/python -m e2e.cluster down --name $(NAME)

bed-status: setup ## Say what runs
	@$(BIN)/python -m e2e.cluster status

##@ Development
.PHONY: setup lock format crd proto image bench clean
setup: $(STAMP) ## Make .venv from the lock file

# The lock has hashes of every wheel: two machines get the same versions, or an error.
$(STAMP): requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "rayctl needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) --version). Set PYTHON=…"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { echo "Python's venv module is missing (Debian: apt-get install python3-venv)"; exit 1; }
	@echo "Making $(VENV) from requirements-dev.lock …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

LOCK := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q
lock: setup ## Compile all lock files anew
	$(LOCK) pyproject.toml -o requirements.lock
	$(LOCK) --group dev pyproject.toml -c requirements.lock -o requirements-dev.lock
	echo 'hatchling>=1.27' | $(LOCK) --no-annotate - -o requirements-build.lock
	for file in e2e/images/ray*/*.in; do $(LOCK) "$$file" -o "$${file%.in}.lock"; done

format: setup ## Format the code and mend what ruff can mend
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

crd: setup ## Write crd/raycluster.yaml from the types
	$(BIN)/python crd/generate.py

proto: setup ## Write rayctl/gcs/protocol_pb2.py and its stub from protocol.proto
	$(BIN)/python -m grpc_tools.protoc --proto_path=. --python_out=. --pyi_out=. rayctl/gcs/protocol.proto

image: setup ## Build the operator's image
	@$(BIN)/python -c 'from e2e.cluster.images import ensure; from e2e.cluster.image_recipes import Kind; print(ensure(Kind.OPERATOR))'

bench: setup ## Measure the operator beside a bare client, on fake nodes; with Ray on real ones (40 minutes)
	$(BIN)/python -m bench.fleet
	$(BIN)/python -m bench.latency
	$(BIN)/python -m bench.growth
	$(BIN)/python -m bench.crowd
	$(BIN)/python -m bench.scaling
	$(BIN)/python -m bench.reconcile
	$(BIN)/python -m bench.demand
	$(BIN)/python -m bench.outage
	$(BIN)/python -m bench.handover --trials 10

clean: ## Remove .venv and what tools left
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist failures
