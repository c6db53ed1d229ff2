# The four things people do here: set up, demonstrate, test, clean. Each does all it needs, says what it installs, and is
# quick when there is nothing to do.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.ONESHELL:
.DEFAULT_GOAL := help

VENV := .venv
STAMPS := $(VENV)/.stamps
MONITOR := monitor/target/release/unishare-monitor
RUST_SOURCES := $(shell find monitor -path monitor/target -prune -o -type f \( -name '*.rs' -o -name 'Cargo.*' -o -name '*.S' \) -print 2>/dev/null)

# In a checkout all state (sources, objects, pool, images) lies beside it.
export UNISHARE_HOME ?= $(CURDIR)/.state
# Our own C: the guest, the catalogue's apps and runners.
GUEST_C = 'src/unishare/guest/*.[ch]' 'src/unishare/catalog/*.[ch]'
# Used by every recipe that needs Rust: found late, because `make setup` may be what installs it.
CARGO_RUN = cargo=$$(packaging/find-cargo); export PATH="$$(dirname "$$cargo"):$$PATH" CARGO="$$cargo"

# Hosts that this machine is not, for tests/hardware.
EMULATORS := qemu-system-x86 busybox-static
MORE_EMULATORS := bochs bochs-term bochsbios vgabios isolinux syslinux-common xorriso bsdutils
HOSTS := amd-v amd-v-npt=0 vt-x vt-x-eptad=0 vt-x-ept=0

.PHONY: help setup packages demo test emulators test-hardware hardware-costs results lint format man c-reference clean distclean

help:
	@echo "make setup   Debian packages, .venv, Rust build (says what it installs)"
	echo "make demo    build six functions, run 1000 of them with and without sharing, print what it saved"
	echo "make test    all tests: Python, Rust, style"
	echo "make test-hardware  the KVM tests on emulated AMD-V and VT-x hosts, all kinds: an hour or more"
	echo "make hardware-costs  what an instance costs on each of them, as a table: half an hour"
	echo "make results  what docs/results/ holds, measured anew on a quiet machine: hours (RESULTS='map sizes': only those)"
	echo "make lint    ruff, mypy, rustfmt, clippy"
	echo "make man     manual pages of all commands, in build/man/man1"
	echo "make c-reference   docs/c-api.md, from the guest's headers"
	echo "make clean   remove what was built; make distclean also .venv and .state"

setup: $(STAMPS)/python $(MONITOR)

packages:
	@packaging/install-debian-packages

$(MONITOR): $(RUST_SOURCES) | packages
	@$(CARGO_RUN)
	echo "unishare: building the monitor (cargo, release)"
	cargo build --release --locked --quiet --manifest-path monitor/Cargo.toml </dev/null
	touch $@

$(VENV)/bin/python: | packages
	@python=$$(packaging/find-python)
	echo "unishare: making a virtual environment in $(VENV) with $$python"
	"$$python" -m venv $(VENV)

# The editable install builds the monitor too; made after it, it finds it built.
$(STAMPS)/python: pyproject.toml $(VENV)/bin/python | $(MONITOR)
	@$(CARGO_RUN)
	echo "unishare: installing Python packages into $(VENV) (pip, from pyproject.toml)"
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,evaluation]' </dev/null
	mkdir -p $(STAMPS) && touch $@

demo: setup
	@$(VENV)/bin/unishare demo

test: setup $(if $(CI),emulators)
	@$(CARGO_RUN)
	cargo test --release --locked --quiet --manifest-path monitor/Cargo.toml </dev/null
	$(VENV)/bin/python -m pytest -q </dev/null

# For CI, which tests an emulated host as well. Where they cannot be had these tests are skipped, with the reason.
emulators: setup
	@packaging/install-debian-packages $(EMULATORS) || echo "unishare: tests on emulated hosts will be skipped" >&2

test-hardware: setup
	@packaging/install-debian-packages $(EMULATORS) $(MORE_EMULATORS)
	UNISHARE_HARDWARE="$(HOSTS)" $(VENV)/bin/python -m pytest -q tests/hardware --timeout 7200 </dev/null

# Figures of this machine are fair only while nothing else runs on it.
hardware-costs: setup
	@packaging/install-debian-packages $(EMULATORS) $(MORE_EMULATORS)
	$(VENV)/bin/unishare build --layout aligned hello && $(VENV)/bin/unishare build --layout aslr hello
	PYTHONPATH=tests $(VENV)/bin/python -m hardware.costs here $(HOSTS) </dev/null

# The same; which file comes from which command is in the script.
results: setup
	@UNISHARE=$(VENV)/bin/unishare packaging/bench-results $(RESULTS)

lint: setup
	@$(CARGO_RUN)
	$(VENV)/bin/ruff check src tests
	$(VENV)/bin/ruff format --check src tests
	$(VENV)/bin/mypy
	cargo fmt --check --manifest-path monitor/Cargo.toml
	cargo clippy --release --locked --quiet --all-targets --manifest-path monitor/Cargo.toml -- -D warnings
	git ls-files $(GUEST_C) | xargs $(VENV)/bin/clang-format --dry-run -Werror

format: setup
	@$(CARGO_RUN)
	$(VENV)/bin/ruff check --fix --quiet src tests
	$(VENV)/bin/ruff format src tests
	cargo fmt --manifest-path monitor/Cargo.toml
	git ls-files $(GUEST_C) | xargs $(VENV)/bin/clang-format -i

man: setup
	@$(VENV)/bin/python packaging/man-pages build/man/man1
	echo "unishare: manual pages are in build/man: man -M build/man unishare-run"

c-reference: setup
	@$(VENV)/bin/python packaging/c-reference

clean:
	rm -rf build dist monitor/target src/*.egg-info .pytest_cache .mypy_cache .ruff_cache $(STAMPS)

distclean: clean
	rm -rf $(VENV) .state
