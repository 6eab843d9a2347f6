# Everything is done in .venv of this directory. Outside it only Debian packages for the tests are installed, and
# only as root or where sudo asks for no password.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules --no-print-directory
# Else each of the hundreds of processes that tests start would compile our modules anew.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
# The same versions of what we depend on, and of what builds us, wherever this is installed.
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_BUILD_CONSTRAINT := $(PIP_CONSTRAINT)
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check
# Folders of JavaScript programs that tests drive. Their install scripts are not run.
NODE_TESTS := $(patsubst %/package-lock.json,%,$(shell find tests -name package-lock.json -not -path '*/node_modules/*'))
# What the benchmark measures beside us.
NODE_BENCH := bench/node
# The formatter of our JavaScript, pinned by its lock file.
PRETTIER := .ci/prettier
PRETTIER_COMMAND := $(PRETTIER)/node_modules/.bin/prettier --log-level warn
NATIVE := $(shell find native -name '*.[ch]')
JAVASCRIPT := "{bench,examples,sandbox,sidecar,tests}/**/*.{js,mjs,ts}"
PYTEST ?=

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

.PHONY: demo
demo: .venv/installed ## a call's routing before and after each example script, through a real daemon
	@$(BIN)/python -m examples.demo

.PHONY: test
test: .venv/installed-dev packages $(NODE_TESTS:=/node_modules/.installed) ## lint and all tests; installs what they need
	@status=0; $(MAKE) lint || status=1; $(BIN)/python -m pytest -q $(PYTEST) || status=1; exit $$status

.PHONY: lint
lint: .venv/installed-dev $(PRETTIER)/node_modules/.installed ## ruff, mypy, and the formatting of Python, C and JavaScript
	@status=0; \
	$(BIN)/ruff check --quiet || status=1; \
	$(BIN)/ruff format --check --quiet || { echo "Python is not formatted: run make format"; status=1; }; \
	$(BIN)/clang-format --dry-run -Werror $(NATIVE) || { echo "C is not formatted: run make format"; status=1; }; \
	$(PRETTIER_COMMAND) --check $(JAVASCRIPT) || { echo "JavaScript is not formatted: run make format"; status=1; }; \
	$(BIN)/mypy --strict --no-error-summary || status=1; \
	exit $$status

.PHONY: sanitize
sanitize: .venv/installed-dev ## tests of what is in C under the address and undefined-behaviour sanitizers
	@.ci/sanitize $(PYTEST)

.PHONY: fuzz
fuzz: .venv/installed ## what is in C under libFuzzer, FUZZ_SECONDS for each target
	@.ci/fuzz $(FUZZ_SECONDS)

.PHONY: format
format: .venv/installed-dev $(PRETTIER)/node_modules/.installed ## format Python, C and JavaScript
	@$(BIN)/ruff format --quiet
	@$(BIN)/clang-format -i $(NATIVE)
	@$(PRETTIER_COMMAND) --write $(JAVASCRIPT)

.PHONY: bench
bench: .venv/installed $(if $(shell command -v npm),$(NODE_BENCH)/node_modules/.installed) ## decisions a second on this machine; beside Node, if that is installed
	@$(BIN)/scriptforge bench

.PHONY: kills
kills: .venv/installed-dev ## a hundred kills at random of two machines' processes and their databases, under calls and jobs; as root
	@SCRIPTFORGE_KILLS=100 $(BIN)/python -m pytest -q tests/acceptance/test_cluster.py -k at_random

.PHONY: constraints
constraints: ## newest versions of all that we depend on into constraints.txt
	@packaging/constraints

.PHONY: units
units: ## the unit of several instances out of the unit of one
	@packaging/units

.PHONY: wheel
wheel: .venv/installed-dev ## a source archive and a wheel for every Python from 3.11, in dist
	@packaging/wheel

.PHONY: deb
deb: .venv/installed-dev ## a package for Debian 12 and 13, in dist
	@packaging/deb

.PHONY: check-package
check-package: deb $(addprefix check-package-,bookworm trixie) ## install, try and purge it in clean Debian 12 and 13

.PHONY: check-package-%
check-package-%: deb
	@packaging/check-package $*

.PHONY: check-demo
check-demo: $(addprefix check-demo-,bookworm trixie) ## the demo from a fresh clone, in clean Debian 12 and 13

.PHONY: check-demo-%
check-demo-%:
	@packaging/check-demo $*

.PHONY: check-systemd
check-systemd: deb ## two instances, restart and upgrade under systemd in a container
	@packaging/check-systemd $(or $(DISTRIBUTION),trixie)

.PHONY: check-container
check-container: ## build the container's image and have a daemon in it answer
	@packaging/check-container

.PHONY: clean
clean: ## remove .venv, node_modules and caches
	rm -rf $(dir $(CORE_MODULES)) .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist $(NODE_TESTS:=/node_modules) bench/node/node_modules \
	    $(PRETTIER)/node_modules
	rm -f sandbox/*.so sidecar/*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: packages
packages:
	@.ci/packages --tests

.PHONY: node
node:
	@.ci/packages --node

# Node's core modules as scripts have them: in no repository, and in every wheel.
CORE_MODULES := sidecar/hosts/node/built/manifest.json
$(CORE_MODULES): packaging/core-modules sidecar/npm/esbuild.py sidecar/hosts/node/package-lock.json $(shell find sidecar/hosts/node/modules -name '*.js') | .venv/bin/python
	@$(PIP) install msgspec node-semver
	@$(BIN)/python packaging/core-modules
	@touch $@

# A marker is older than what it was made of once pyproject.toml, the version, the C sources or a lock file change: then
# it is made again.
INSTALLED_FROM := pyproject.toml setup.py constraints.txt sidecar/__init__.py $(NATIVE)
.venv/bin/python:
	@python=$$(.ci/python); echo "Making .venv with $$($$python --version)"; $$python -m venv .venv

.venv/installed: $(INSTALLED_FROM) | .venv/bin/python $(CORE_MODULES)
	@.ci/compiler $(BIN)/python
	@echo "Installing ScriptForge Sidecar in .venv"; $(PIP) install --editable '.[platform]'
	@touch $@

.venv/installed-dev: $(INSTALLED_FROM) | .venv/bin/python $(CORE_MODULES)
	@.ci/compiler $(BIN)/python
	@echo "Installing ScriptForge Sidecar and its tests' packages in .venv"; $(PIP) install --editable '.[dev,platform]'
	@touch $@ .venv/installed

# Its isolates are compiled, and their install script is the only one that is run.
$(NODE_BENCH)/node_modules/.installed: $(NODE_BENCH)/package-lock.json
	@echo "Installing the Node side of the benchmark: some minutes, V8's isolates are compiled"
	@cd $(NODE_BENCH) && npm ci --no-audit --no-fund --loglevel error || { \
	    rm -rf node_modules; \
	    echo "Node cannot be measured, see above. Without it: $(BIN)/scriptforge bench --no-node" >&2; \
	    exit 1; \
	}
	@touch $@

%/node_modules/.installed: %/package-lock.json | node
	@cd $* && npm ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@
