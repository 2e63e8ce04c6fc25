# `make` alone tells what there is. Everything is set up by the target that needs it.
.DEFAULT_GOAL := help
.PHONY: help setup packages demo test bench live rest newest with-ansible check style types plays \
  fast fix lab-up lab-down lock clean
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

PYTHON ?= python3
# Of each Python that is named: PYTHON=python3.13 has .venv-python3.13
NAMED := $(filter-out python python3,$(notdir $(PYTHON)))
VENV := .venv$(if $(NAMED),-$(NAMED))
RUNS := $(VENV)/.runs
STAMP := $(VENV)/.locked
UV := $(shell command -v uv)
UV_SYNC = uv sync --locked --quiet $(if $(NAMED),--python $(PYTHON))
export UV_PROJECT_ENVIRONMENT := $(VENV)
export LAB ?=
# Where it is set, every process would compile all that it imports anew.
unexport PYTHONDONTWRITEBYTECODE
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

PIP = $(VENV)/bin/python -m pip install --disable-pip-version-check
EXPORT = --no-emit-project --no-annotate --no-header --quiet
CONTENT = playbooks roles inventory src/ansible_collections
RAISE_LAB = $(PYTHON) tests/lab/lab.py up

help: ## Tell what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

setup: $(STAMP) ## Make .venv with the locked versions of everything, tests and checks too

# What running needs, and nothing else.
$(RUNS): pyproject.toml uv.lock requirements.lock | packages
ifneq ($(UV),)
	@echo "Installing what running needs into $(VENV), with uv"
	$(UV_SYNC) --no-dev --inexact
else
	@echo "Making $(VENV) and installing what running needs into it, 100 MB"
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -c 'import pip' 2>/dev/null || $(VENV)/bin/python -m ensurepip >/dev/null
	@$(call install,requirements.lock)
endif
	@touch $@

$(STAMP): requirements-dev.lock $(RUNS)
ifneq ($(UV),)
	@echo "Installing what tests and checks need, with uv"
	$(UV_SYNC) --all-extras
else
	@echo "Installing what tests and checks need, 360 MB more, most of it Ansible's collections"
	@$(call install,requirements-dev.lock)
endif
	@touch $@

# Says how far it is. Modules are compiled when they are first imported: most never are.
define install
$(PIP) --no-compile --require-hashes -r $(1) | { \
  fetched=0; all=$$(grep -c == $(1)); \
  while read -r word name _; do case $$word in \
    Collecting|Processing) fetched=$$((fetched + 1)); \
      if test -t 1; then \
        printf '\r\033[K  %d of at most %d: %s' $$fetched $$all "$${name%%=*}"; \
      fi;; \
    Installing) if test -t 1; then printf '\r\033[K'; fi; \
      echo "  $$fetched packages are fetched, now they are unpacked";; \
  esac; done; } && \
$(PIP) --quiet --no-deps --editable .
endef

packages:
	@missing=; \
	command -v ssh >/dev/null || missing+=" openssh-client"; \
	test -n "$(UV)" -o -x $(VENV)/bin/python || \
	  $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || missing+=" python3-venv"; \
	if test -n "$$missing"; then \
	  root=no; \
	  if test "$$(id -u)" = 0; then root=; elif sudo -n true 2>/dev/null; then root=sudo; fi; \
	  if test "$$root" = no || ! command -v apt-get >/dev/null; then \
	    echo "Install these first: apt-get install$$missing" >&2; exit 1; \
	  fi; \
	  echo "Installing$$missing"; \
	  $$root apt-get -qq update; \
	  $$root env DEBIAN_FRONTEND=noninteractive \
	    apt-get -qq install --yes --no-install-recommends $$missing >/dev/null; \
	fi; \
	test -n "$(UV)" -o -x $(VENV)/bin/python || \
	  $(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
	    echo "Install Python 3.11, 3.12 or 3.13 first, and name it: make PYTHON=python3.13" >&2; \
	    exit 1; \
	  }

demo: $(RUNS) ## Look, change a file and take it back, on this machine; V=1 shows every call
	@python tests/mikrus/demo.py $(if $(V),--verbose)
	@playrail demo $(if $(V),--verbose)

# A lab that cannot be raised has said why in one line: nothing is tested then.
test: setup ## Run every test, those on real hosts and Molecule too; LAB=none leaves these out
ifeq ($(LAB),none)
	@pytest --quiet --numprocesses=2 --dist=worksteal
else
	@$(RAISE_LAB) || { \
	  echo "No test was run; \`make test LAB=none\` runs those that need no lab." >&2; exit 1; }
	@$(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync=target live rest
endif

# Each process has hosts of its own to change. Much of the time is waiting, so there are more
# of them than cores.
live:
	@pytest --quiet --numprocesses=4 --dist=loadfile --no-loadscope-reorder tests/live

rest:
	@pytest --quiet --numprocesses=2 --dist=worksteal --ignore=tests/live

# All that starts Ansible, imports it, or is run by it. Those on the lab's hosts take too long for
# a second time; so do those of plays that start cold, for warm ones do all that these do and more;
# of plans what they read is Ansible's, and the rest is not.
WITH_ANSIBLE = $(addprefix tests/,ansible commands door engines export modules \
  plans/test_plan_reads.py)
NEWEST = $(shell for one in python3.13 $$HOME/.pyenv/versions/3.13*/bin/python3.13; do \
  if $$one -c '' 2>/dev/null; then echo $$one; break; fi; done)

newest: ## Run the tests of all that touches Ansible with Python 3.13, so with the newest Ansible
	@test -n "$(NEWEST)" || { \
	  echo "There is no Python 3.13 here, so the newest Ansible was not tried." >&2; exit 1; }
	@$(MAKE) --no-print-directory PYTHON=$(NEWEST) with-ansible

with-ansible: setup
	@pytest --quiet --numprocesses=2 --dist=worksteal -m "not lab" -k "not cold" $(WITH_ANSIBLE)

check: setup ## Check all that is quick and needs no hosts, in about a minute
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target style types plays fast

style:
	ruff check
	ruff format --check
	python tests/checks/limits.py
	PYTHONPATH=tests lint-imports --no-logo
	deptry src/playrail
	python tests/checks/lock.py
	python tests/checks/tools_list.py

types:
	mypy

plays:
	ansible-lint --nocolor $(CONTENT)

fast:
	pytest --quiet --numprocesses=2 --dist=worksteal -m "not lab and not slow"

fix: setup ## Mend what can be mended by itself
	ruff check --fix
	ruff format

bench: setup ## Measure against stock Ansible, SSH libraries and a peer, on the lab; 15 minutes
	@$(RAISE_LAB)
	@python -m tests.bench

lab-up: ## Raise the lab of real hosts, or mend it
	@$(RAISE_LAB)

lab-down: ## End the lab; its images stay
	@$(PYTHON) tests/lab/lab.py down

lock: ## Choose versions anew, for uv and for pip
	uv lock --upgrade
	uv export --locked $(EXPORT) --no-dev --output-file requirements.lock
	uv export --locked $(EXPORT) --all-extras --output-file requirements-dev.lock

clean: ## Remove what was made here, but for the lab
	rm -rf .venv .venv-* dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .ansible
	find src tests playbooks roles -name __pycache__ -type d -prune -exec rm -rf {} +
