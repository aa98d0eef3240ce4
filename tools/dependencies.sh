#!/usr/bin/env bash
# Counts what the daemon is made of, and fails if an async runtime is among it.
set -euo pipefail
cd "$(dirname "$0")/.."
crates=$("${CARGO:-cargo}" tree --locked --package simplescalevm --edges normal,build --prefix none --format '{p}' |
    sed 's/ (\*)$//; s/ (proc-macro)$//' | sort -u)
echo "The daemon is made of $(wc -l <<<"$crates") crates (its own three, build scripts and macros included)."
runtimes='tokio|tokio-.*|async-std|async-executor|async-io|async-global-executor|smol|smol-.*|futures-executor|glommio|monoio|embassy-executor|actix-rt|hyper|reqwest'
if found=$(grep -E "^($runtimes) v" <<<"$crates"); then
    echo "An async runtime, or what brings one, is among them:" >&2
    echo "$found" >&2
    exit 1
fi
