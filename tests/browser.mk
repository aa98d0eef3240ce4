# Targets of the tests of the page and of the metrics.
.PHONY: test-browser test-metrics

test-browser: ## test the page in a headless Chromium (installs Debian's, if it is not there)
	CARGO='$(CARGO)' tests/browser.sh

test-metrics: ## test metrics, alert rules and dashboard with Prometheus' own tools (installs Debian's)
	CARGO='$(CARGO)' tests/metrics.sh
