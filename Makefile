# Each target makes the virtualenv and installs what it needs; none does a thing twice.

VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
# the GPU build of ONNX Runtime where there is an NVIDIA driver, else the CPU build
RUNTIME ?= $(if $(shell command -v nvidia-smi 2>/dev/null),gpu,cpu)
DEMO ?= var/demo
# where it may: as root of a Debian
INSTALL_BROWSER = test "$$(id -u)" = 0 && command -v apt-get && apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends chromium fonts-noto-core fonts-noto-cjk

.PHONY: help demo serve test lint fix clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

demo: $(VENV)/.demo ## the tour: build a real index, ask one question in each of seven languages
	@$(BIN)/python -m offline demo --folder $(DEMO)

serve: $(VENV)/.demo ## the service on XQG_HOST:XQG_PORT, with the demo index unless XQG_BUNDLE is set
	@test -n "$$XQG_BUNDLE" || $(BIN)/python -m offline demo --folder $(DEMO) --prepare-only
	@XQG_BUNDLE=$${XQG_BUNDLE:-$(DEMO)/bundle} XQG_INDEX=$${XQG_INDEX:-edge:$(DEMO)/index} exec $(BIN)/python -m app

test: $(VENV)/.dev ## every test, with the real model, the real engine and a real browser
	@$(BIN)/python -m deploy.chromium || { $(INSTALL_BROWSER); } || echo 'the tests in tests/browser will be skipped'
	@$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.dev ## ruff and mypy, changing nothing
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

fix: $(VENV)/.dev ## format, mend what can be mended, and write the README's table of settings
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@PYTHONPATH=. $(BIN)/python deploy/readme_settings.py
	@$(BIN)/python -m deploy.supply_chain.licences

clean: ## remove the virtualenv and all that the commands built
	rm -rf $(VENV) var build *.egg-info .mypy_cache .pytest_cache .ruff_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'xQG needs Python 3.11 or later; say which, as in: make PYTHON=python3.12 demo' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install -e '.[$(RUNTIME),offline,demo]' -c constraints.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.demo
	$(BIN)/pip install -e '.[$(RUNTIME),openvino,otel,mcp,offline,evaluate,ray,demo,dev]' -c constraints.txt
	$(BIN)/pip install --no-deps llama-index-core -c constraints.txt  # for its copy of NLTK's Punkt data alone
	@touch $@
