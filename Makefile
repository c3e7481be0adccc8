# Needs nothing but Python 3.11 or newer: everything is installed into .venv, nothing into the system.
# Another Python: make tour PYTHON=/path/to/python3

PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11,$(shell \
	$p -c 'import sys; sys.version_info >= (3, 11) and print("$p")' 2>/dev/null)))

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile

tour: .venv/installed  ## see what a network sees: a page in tour/ (PHOTO=cat.jpg and NET=SPEC if you like)
	.venv/bin/phosphene tour $${PHOTO:+"$$PHOTO"} $${NET:+--net "$$NET"}
	@echo "The tour is here: $(CURDIR)/tour/index.html"

test: .venv/installed-test  ## the fast tests
	.venv/bin/pytest -n auto

slow: .venv/installed-test  ## the slow tests: whole commands on real networks
	.venv/bin/pytest -m slow -n auto --dist worksteal

gpu: .venv/installed-test  ## where there is a GPU: every command makes the same picture there
	@.venv/bin/python -c 'import sys, torch; torch.cuda.is_available() or sys.exit("there is no GPU here")'
	PHOSPHENE_GPU=1 .venv/bin/pytest -n auto tests/faces/replay/test_gpu.py

check: .venv/installed-test  ## style, types, which storey imports which, and how large things are
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/python -m tests.house.limits

mutants: .venv/installed-mutants  ## small faults put into ten modules: do their tests notice? (resumes)
	nice -n 15 .venv/bin/python -m tests.house.mutants

clean:  ## remove .venv and the caches
	rm -rf .venv .mutants dist .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/bin/pip:
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo 'phosphene needs Python 3.11 or newer, and $(or $(PYTHON),python3) is not;' \
			'if you have one: make PYTHON=/path/to/it' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments; on Debian or Ubuntu: sudo apt install python3-venv" \
			"(or $$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'))" >&2; exit 1; }
	$(PYTHON) -m venv .venv

# $(call install,WHAT): the tested versions, or, where they don't exist (a newer Python), whatever fits.
define install
	@.venv/bin/pip install -c constraints.txt -e '$(1)' || { \
		echo 'The versions of constraints.txt cannot be installed here; trying without.' >&2; \
		.venv/bin/pip install -e '$(1)'; }
endef

.venv/installed: pyproject.toml constraints.txt | .venv/bin/pip
	$(call install,.)
	@touch $@

.venv/installed-test: pyproject.toml constraints.txt | .venv/bin/pip
	$(call install,.[test])
	@touch .venv/installed $@

.venv/installed-mutants: pyproject.toml constraints.txt | .venv/bin/pip
	$(call install,.[mutants])
	@touch .venv/installed .venv/installed-test $@

.PHONY: help tour test slow gpu check mutants clean
.NOTPARALLEL:
