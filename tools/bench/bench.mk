# Targets of the measurements; included by the Makefile. See docs/BENCHMARKS.md.

.PHONY: bench bench-slow bench-smoke

# What it is compared with is named by BEFORE: another static program of the daemon (none: HAProxy alone).
BEFORE ?=

bench: ## measure the daemon beside HAProxy: cost of a probe, reaction, failover, size (BEFORE=old-program; wants root)
	@CARGO='$(CARGO)' BEFORE='$(BEFORE)' tools/bench.sh '$(TARGET_DIR)'

bench-smoke: ## the same, briefly and without optimisation: that the measurements still run
	@CARGO='$(CARGO)' tools/bench.sh '$(TARGET_DIR)' --quick

bench-slow: ## measure what a slow or hanging cloud costs (BEFORE=old-program)
	@$(CARGO) build --quiet --locked --release --package simplescalevm --package simplescalevm-mock --bins
	@python3 tools/bench/slow.py --cloud '$(TARGET_DIR)/release/mock-cloud' $(if $(BEFORE),before='$(BEFORE)') \
		now='$(TARGET_DIR)/release/simplescalevm'
