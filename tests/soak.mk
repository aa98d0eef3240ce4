# The long run. tests/soak.rs says what it does and judges.

SOAK_SECONDS ?= 1800
SOAK_SEED ?= 1

.PHONY: soak

soak: ## daemon and mock cloud for SOAK_SECONDS (1800) through storms of trouble (SOAK_SEED); is anything growing?
	$(CARGO) build --release --locked --package simplescalevm
	SOAK_DAEMON='$(abspath $(TARGET_DIR))/release/simplescalevm' SOAK_SECONDS='$(SOAK_SECONDS)' SOAK_SEED='$(SOAK_SEED)' \
	    nice $(CARGO) test --locked --package simplescalevm --test soak -- --nocapture through
