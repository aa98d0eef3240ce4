# Targets of the simulation; included by the Makefile. See docs/SIMULATION.md.

.PHONY: simulate mutants

simulate: ## replay one simulated history (SEED=7), or run many (HISTORIES=200000), or a long one (DAYS=365)
	@$(CARGO) build --quiet --locked --profile simulation --package simplescalevm --example simulate
	@exec '$(TARGET_DIR)/simulation/examples/simulate'

mutants: ## break the decisions and the loop on purpose: the tests must notice every time
	python3 tests/simulation/mutants.py
