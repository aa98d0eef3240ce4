#!/usr/bin/env bash
# Builds TARGET_DIR/static/simplescalevm, which needs nothing beside it.  Usage: tools/static.sh TARGET_DIR
#
# With musl where rustup can add that target; otherwise with glibc linked in.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}
export CARGO_TARGET_DIR=$1
machine=$(uname -m)
musl=$machine-unknown-linux-musl
target=$musl
if command -v rustup >/dev/null; then
    rustup target add "$musl"
elif [ ! -d "$(rustc --print sysroot)/lib/rustlib/$musl/lib" ]; then
    target=$machine-unknown-linux-gnu
    echo "There is neither rustup nor the target $musl: glibc is linked in instead." >&2
    export RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static"
fi
if [ "$target" = "$musl" ]; then
    # The crate ring looks for a musl-gcc of its own; any gcc does.
    variable=CC_${musl//-/_}
    export "$variable=${!variable:-gcc}"
fi
"$cargo" build --locked --release --package simplescalevm --target "$target"
mkdir -p "$1/static"
cp "$1/$target/release/simplescalevm" "$1/static/simplescalevm"
echo "$1/static/simplescalevm ($target): $(stat -c %s "$1/static/simplescalevm") bytes"
