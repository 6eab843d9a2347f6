# Everything a fresh Debian or Ubuntu machine needs is set up by the target that needs it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
# Peers that the tests drive; installed where that is allowed, else named.
PACKAGES := kamailio kamailio-json-modules kamailio-extra-modules sip-tester libseccomp2 systemd espeak-ng nodejs npm
COMMANDS := kamailio sipp systemd-analyze espeak-ng node npm
FOREIGN := $(patsubst %/package-lock.json,%/node_modules/.installed,$(shell git ls-files 'tests/*package-lock.json' 2>/dev/null))

.PHONY: help demo test lint pytest peers bench clean

help:
	@echo 'make demo    set up, and see calls being decided'
	@echo 'make test    set up, and pass the tests'
	@echo 'make lint    style and types alone'
	@echo 'make bench   decisions a second on this machine'
	@echo 'make clean   remove what the others made'

demo: $(VENV)/.installed
	$(BIN)/scriptforge demo

test: peers $(VENV)/.tested-with $(FOREIGN) lint pytest

pytest: $(VENV)/.tested-with
	$(BIN)/pytest -q

lint: $(VENV)/.tested-with
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed
	$(BIN)/scriptforge bench

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name node_modules -prune -exec rm -rf {} +

peers:
	@missing=; for command in $(COMMANDS); do \
	    PATH="$$PATH:/usr/sbin" command -v $$command >/dev/null || missing="$$missing $$command"; done; \
	ldconfig -p | grep -q libseccomp.so.2 || missing="$$missing libseccomp"; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	install="apt-get install -y --no-install-recommends $(PACKAGES)"; \
	if [ "$$(id -u)" = 0 ]; then as=; elif sudo -n true 2>/dev/null; then as=sudo; \
	else echo "missing:$$missing. Install them: sudo $$install" >&2; exit 1; fi; \
	echo "installing$$missing"; \
	$$as apt-get update -qq; \
	have=$$(command -v node >/dev/null && echo yes || echo no); \
	packages="$(PACKAGES)"; \
	if [ "$$have" = yes ]; then packages="$(filter-out nodejs npm,$(PACKAGES))"; fi; \
	DEBIAN_FRONTEND=noninteractive $$as apt-get install -y -qq --no-install-recommends $$packages >/dev/null

# Debian splits venv out of Python; the newest interpreter from 3.11 on is taken.
$(VENV)/bin/python:
	@for python in python3.13 python3.12 python3.11 python3; do \
	    if command -v $$python >/dev/null && $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        found=$$python; break; fi; done; \
	if [ -z "$${found:-}" ]; then echo 'Python 3.11 or later is needed: sudo apt-get install python3 python3-venv' >&2; exit 1; fi; \
	if ! $$found -m venv $(VENV) 2>/dev/null; then rm -rf $(VENV); \
	    if [ "$$(id -u)" = 0 ]; then as=; elif sudo -n true 2>/dev/null; then as=sudo; \
	    else echo 'venv is needed: sudo apt-get install python3-venv' >&2; exit 1; fi; \
	    $$as apt-get update -qq; \
	    DEBIAN_FRONTEND=noninteractive $$as apt-get install -y -qq python3-venv >/dev/null; \
	    $$found -m venv $(VENV); fi

$(VENV)/.installed: pyproject.toml $(VENV)/bin/python
	@if [ ! -e $(VENV)/.tested-with ] || [ pyproject.toml -nt $(VENV)/.tested-with ]; then \
	    $(BIN)/pip install -q --disable-pip-version-check -e .; fi
	@touch $@

$(VENV)/.tested-with: pyproject.toml $(VENV)/bin/python
	$(BIN)/pip install -q --disable-pip-version-check -e '.[dev]'
	@touch $@ $(VENV)/.installed

%/node_modules/.installed: %/package-lock.json
	cd $* && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
