#!/usr/bin/env bash
# Builds what is measured, sees to HAProxy and nginx, and measures.  Usage: tools/bench.sh TARGET_DIR [--quick]
#
# Wants root: everything runs in a network namespace of its own, and nothing is left running.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}
target=$(realpath -m "$1")
shift
missing=()
for program in haproxy nginx iptables; do
    command -v "$program" >/dev/null || missing+=("$program")
done
command -v ip >/dev/null || missing+=(iproute2)
if [ ${#missing[@]} -gt 0 ]; then
    # Debian starts what it installs, unless told otherwise.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        trap 'rm -f $policy' EXIT
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod +x $policy
    fi
    tools/apt-install.sh "${missing[@]}"
fi
daemons=()
if [ -n "${BEFORE:-}" ]; then
    daemons+=("before=$(realpath "$BEFORE")")
fi
if [ "${1:-}" = --quick ]; then
    "$cargo" build --quiet --locked --package simplescalevm --package simplescalevm-mock --bins
    set -- --quick --cloud "$target/debug/mock-cloud" --out "$target/bench-smoke" "now=$target/debug/simplescalevm"
else
    tools/static.sh "$target"
    "$cargo" build --quiet --locked --release --package simplescalevm-mock --bin mock-cloud
    "$cargo" build --quiet --locked --release --example core_speed
    set -- --cloud "$target/release/mock-cloud" --out "$target/bench" --core "$target/release/examples/core_speed" \
        "${daemons[@]}" "now=$target/static/simplescalevm"
fi
timeout 3600 python3 tools/bench/bench.py "$@"
