#!/usr/bin/env bash
# The metrics of a running daemon by the tools of Prometheus: the text by `promtool check metrics`, the alert
# rules by `promtool check rules` and `promtool test rules`, and all of it by a Prometheus that scrapes it.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v promtool >/dev/null || ! command -v prometheus >/dev/null; then
    echo "not there: prometheus; installing Debian's"
    tools/apt-install.sh prometheus
fi
cargo=${CARGO:-cargo}
"$cargo" build --quiet --locked --package simplescalevm --package simplescalevm-mock --bins
bin=$(realpath "${CARGO_TARGET_DIR:-target}/debug")
work=$(mktemp -d)
pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait
    rm -rf "$work"
}
trap cleanup EXIT
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
# eventually WHAT COMMAND...: the command holds within a minute.
eventually() {
    local what=$1
    shift
    for _ in $(seq 120); do
        if "$@" >/dev/null 2>&1; then return 0; fi
        sleep 0.5
    done
    echo "never: $what" >&2
    cat "$work/daemon.log" >&2
    return 1
}

echo "== rules and dashboard"
promtool check rules deploy/prometheus/simplescalevm.rules.yml
promtool test rules deploy/prometheus/simplescalevm.rules.test.yml
tests/dashboard.py deploy/grafana/simplescalevm.json docs/status-api.md

echo "== a daemon with callers"
port=$(free_port)
DEMO_PORT=$port DEMO_SECONDS=120 DEMO_CALLERS=1 DEMO_CALL_TIME=2 DEMO_BUILD_TIME=0.5 DEMO_BOOT_TIME=0.5 \
    SCALING_INTERVAL=2 PROBE_INTERVAL=0.5 \
    "$bin/demo" "$bin/simplescalevm" >"$work/daemon.log" 2>&1 &
pids+=($!)
url=http://127.0.0.1:$port
has() { curl -fsS "$url/metrics" | grep -qE "$1"; }
eventually 'a deleted replica' has '^simplescalevm_deleted_total\{reason="termination"\} [1-9]'
eventually 'a ready replica' has '^simplescalevm_replica_ready_seconds_count [1-9]'
eventually 'a gone replica' has '^simplescalevm_replica_lifetime_seconds_count [1-9]'
eventually 'the quota' has '^simplescalevm_quota_used\{resource="instances"\} '

echo "== promtool check metrics"
curl -fsS "$url/metrics" >"$work/metrics.txt"
promtool check metrics <"$work/metrics.txt"
tests/metric_names.py "$work/metrics.txt" docs/status-api.md
head=$(curl -fsS -D - -o "$work/open.txt" -H 'Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5' "$url/metrics")
grep -qi '^content-type: application/openmetrics-text; version=1.0.0; charset=utf-8' <<<"$head"
[ "$(tail -n 1 "$work/open.txt")" = '# EOF' ]
if grep -E 'server-[0-9a-f]{6}-|[0-9a-f]{8}-[0-9a-f]{4}-' "$work/metrics.txt"; then
    echo "a label holds a name or an id" >&2
    exit 1
fi

echo "== a Prometheus that scrapes it"
prometheus_port=$(free_port)
cat >"$work/prometheus.yml" <<YAML
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [ $PWD/deploy/prometheus/simplescalevm.rules.yml ]
scrape_configs:
  - job_name: simplescalevm
    static_configs: [ { targets: [ "127.0.0.1:$port" ] } ]
YAML
prometheus --config.file "$work/prometheus.yml" --storage.tsdb.path "$work/tsdb" \
    --web.listen-address "127.0.0.1:$prometheus_port" >"$work/prometheus.log" 2>&1 &
pids+=($!)
query() {
    curl -fsS --get --data-urlencode "query=$1" "http://127.0.0.1:$prometheus_port/api/v1/query" |
        python3 -c 'import json, sys; r = json.load(sys.stdin)["data"]["result"]; sys.exit(0 if r else 1)'
}
eventually 'Prometheus scrapes' query 'up{job="simplescalevm"} == 1'
eventually 'the metrics arrive' query 'simplescalevm_available_resources >= 0'
eventually 'counters arrive by name' query 'simplescalevm_api_requests_total{service="compute"} > 0'
eventually 'histograms arrive' query 'histogram_quantile(0.9, rate(simplescalevm_probe_duration_seconds_bucket[1m])) > 0'
# Each question of the dashboard is one that Prometheus understands.
tests/dashboard.py deploy/grafana/simplescalevm.json docs/status-api.md --queries | while read -r question; do
    curl -fsS --get --data-urlencode "query=$question" "http://127.0.0.1:$prometheus_port/api/v1/query" >/dev/null ||
        { echo "not understood: $question" >&2; exit 1; }
done
echo "all is well"
