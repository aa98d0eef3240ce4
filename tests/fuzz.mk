# Hostile input. tests/fuzz.rs says how; fuzz/ has the same targets for libFuzzer.

FUZZ_SECONDS ?= 60
FUZZ_SEED ?= $(shell date +%s)
FUZZ_TARGETS ?= answer probe cloud dotenv clouds_yaml status

.PHONY: fuzz libfuzzer

fuzz: ## every target of tests/fuzz.rs for FUZZ_SECONDS (60) from FUZZ_SEED (the time): hostile input of all kinds
	FUZZ_SECONDS='$(FUZZ_SECONDS)' FUZZ_SEED='$(FUZZ_SEED)' \
	    $(CARGO) test --locked --profile simulation --package simplescalevm --test fuzz -- --nocapture

# Wants a nightly toolchain and `cargo install cargo-fuzz`. What is worth keeping is in fuzz/corpus/TARGET.min afterwards; what broke
# is in fuzz/artifacts. Leaks are not looked for: threads that are just ending look like some.
libfuzzer: ## FUZZ_TARGETS, one after another for FUZZ_SECONDS each, guided by coverage
	for target in $(FUZZ_TARGETS); do \
	    mkdir -p fuzz/corpus/$$target fuzz/corpus/$$target.min; \
	    $(CARGO) +nightly fuzz run $$target fuzz/corpus/$$target tests/fuzz/corpus/$$target -- \
	        -max_total_time='$(FUZZ_SECONDS)' -max_len=65536 -timeout=30 -rss_limit_mb=3000 -detect_leaks=0; \
	    $(CARGO) +nightly fuzz run $$target fuzz/corpus/$$target.min fuzz/corpus/$$target tests/fuzz/corpus/$$target -- \
	        -set_cover_merge=1 -max_len=3000 -detect_leaks=0; \
	done
