# Needs python3 (3.11 or later, with its venv module) and make; the rest is installed into $(VENV).
PYTHON ?= python3
VENV ?= .venv
CONFIG ?= config.example.yaml
ARGS ?=

BIN := $(VENV)/bin
PEERS := build/peers

.DEFAULT_GOAL := help
.PHONY: help run test lint types check bench bench-peers clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: $(VENV)/.ready ## set up and serve $(CONFIG) on 127.0.0.1:8317; ARGS='--port 9000' to change
	@echo "==> Serving $(CONFIG); Ctrl-C stops it"
	@exec $(BIN)/ai-proxy serve --config $(CONFIG) $(ARGS)

test: $(VENV)/.ready-dev ## set up and run the whole suite; ARGS='-k name' to choose
	@$(BIN)/python -m pytest -n auto $(ARGS)

lint: $(VENV)/.ready-dev ## ruff
	@$(BIN)/python -m ruff check .

types: $(VENV)/.ready-dev ## mypy, strict
	@$(BIN)/python -m mypy

check: $(VENV)/.ready ## mappings, providers and the cases beside them
	@$(BIN)/ai-proxy check --config $(CONFIG)

bench: $(VENV)/.ready-dev ## mappings against hand-written Python, the gateway against a bare loop
	@$(BIN)/python benchmarks/translate.py
	@$(BIN)/python benchmarks/gateway.py $(ARGS)

bench-peers: $(VENV)/.ready-dev $(PEERS)/.ready ## the gateway with LiteLLM beside it
	@$(BIN)/python benchmarks/gateway.py --litellm $(PEERS)/bin/litellm $(ARGS)

clean: ## remove the environment and all caches
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist

$(VENV)/.ready: pyproject.toml | $(BIN)/pip
	@echo "==> Installing ai-proxy into $(VENV)"
	@$(BIN)/python -m pip install --disable-pip-version-check -e .
	@touch $@

$(VENV)/.ready-dev: pyproject.toml | $(BIN)/pip
	@echo "==> Installing ai-proxy and its development tools into $(VENV)"
	@$(BIN)/python -m pip install --disable-pip-version-check -e '.[dev]'
	@touch $@ $(VENV)/.ready

$(PEERS)/.ready: | $(BIN)/pip
	@echo "==> Installing LiteLLM's proxy into $(PEERS)"
	@$(BIN)/python -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install --disable-pip-version-check --quiet 'litellm[proxy]' || { \
	  echo "LiteLLM's proxy could not be installed: pip says above why." >&2; \
	  echo "Without it: make bench" >&2; exit 1; }
	@touch $@

# pip is the last thing that venv writes: an interrupted run is taken up again here.
$(BIN)/pip:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "ai-proxy needs Python 3.11 or later, and there is no '$(PYTHON)' here." >&2; \
	  echo "Install it, or name another: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "ai-proxy needs Python 3.11 or later; '$(PYTHON)' is $$($(PYTHON) -V)." >&2; \
	  echo "Name another: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$$($(PYTHON) -V) comes without its venv module here." >&2; \
	  echo "On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "==> Creating a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
