# The front door: what a newcomer types. The build itself is meson's, the work of a target is in tools/.
# make VERBOSE=1 shows the compiler's commands; BUILD=directory builds elsewhere.
BUILD ?= build
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60
MESON := .venv/bin/meson
NINJA := .venv/bin/ninja $(if $(VERBOSE),-v,--quiet)
PYTHON := .venv/bin/python
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: all demo check check-fast bench fuzz lint format docs install setup clean help

all: ## build the library, the command and the Python package into build/
	@tools/setup.sh build
	@test -f $(BUILD)/build.ninja || $(MESON) setup $(BUILD)
	@$(NINJA) -C $(BUILD)

demo: ## train and apply two models on a physics sample: about two minutes
	@tools/setup.sh demo
	@$(MAKE) --no-print-directory all
	@tools/demo.sh $(BUILD)

check: ## everything: compilers, sanitizers, C and Python tests, lint
	@tools/setup.sh check
	@$(PYTHON) tools/check.py full

check-fast: ## build, C tests, quick Python tests and lint, in less than a minute
	@tools/setup.sh check
	@$(PYTHON) tools/check.py fast

bench: ## speed beside rivals and limits, in tables: reading and batches, serving, files on servers
	@tools/setup.sh check
	@$(MAKE) --no-print-directory all
	@$(PYTHON) bench/run.py
	@$(PYTHON) bench/serve.py
	@PYTHONPATH=$(BUILD)/python $(PYTHON) bench/remote.py

fuzz: ## each fuzz target for FUZZ_SECONDS (60)
	@tools/setup.sh check
	@tools/fuzz.sh $(FUZZ_SECONDS)

lint: ## floors, formatting, exported symbols, banned calls, headers, lengths, generated pages
	@tools/setup.sh check
	@test -f $(BUILD)/build.ninja || $(MESON) setup $(BUILD)
	@$(NINJA) -C $(BUILD)
	@$(PYTHON) tools/lint.py $(BUILD)

format: ## put C and Python into the house's format
	@tools/setup.sh check
	@clang-format -i $$(git ls-files -co --exclude-standard '*.c' '*.h' 'wires/*.cc' 'wires/*.hh')
	@.venv/bin/ruff format --quiet $$(git ls-files -co --exclude-standard '*.py')

docs: all ## write the generated pages of docs/ anew
	@$(BUILD)/src/cli/mlaas --page markdown >docs/cli.md
	@$(BUILD)/src/cli/mlaas --page params >docs/params.md

install: all ## install library, command, headers, pages and package under PREFIX (/usr/local)
	@$(MESON) configure $(BUILD) --prefix $(PREFIX)
	@$(MESON) install -C $(BUILD) --quiet

setup: ## install everything that is missing for the targets above
	@tools/setup.sh check

clean: ## remove what was built; the Python environments stay
	rm -rf $(BUILD) build-* demo

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14
