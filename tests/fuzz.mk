# Hostile input. tests/fuzz.rs says how; fuzz/ has the same targets for libFuzzer.

FUZZ_SECONDS ?= 60
FUZZ_SEED ?= $(shell date +%s)

.PHONY: fuzz

fuzz: ## every target of tests/fuzz.rs for FUZZ_SECONDS (60) from FUZZ_SEED (the time): hostile input of all kinds
	FUZZ_SECONDS='$(FUZZ_SECONDS)' FUZZ_SEED='$(FUZZ_SEED)' $(CARGO) test --locked --package simplescalevm --test fuzz -- --nocapture
