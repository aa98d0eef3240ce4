#!/bin/bash
# test.sh [WORD...]: runs the scenarios of tests/openstack.rs (those whose name holds one of the words)
# and the client's contract tests against the real OpenStack, and the latter against the mock cloud too.
# Brings OpenStack up if it is not, and leaves it as it was.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"
root=$(cd "$here/../.." && pwd)
cargo=${CARGO:-cargo}
was_up=1
is_up || was_up=
failed=
t0=$(date +%s)
say() { echo "test.sh: [$(( $(date +%s) - t0 )) s] $*"; }

mock_pid=
leave() {
    if [ -n "$mock_pid" ]; then kill "$mock_pid" 2> /dev/null; wait "$mock_pid" 2> /dev/null; fi
    "$here/ctl.sh" reset > /dev/null || say "the faults could not all be taken back"
    "$here/ctl.sh" purge || say "the servers could not all be deleted"
    if [ -z "$was_up" ]; then
        say "stopping OpenStack, as it was before"
        "$here/down.sh"
    fi
}

cd "$root" || exit 1
# Built first, so that a mistake shows at once.
"$cargo" test --no-run --test openstack &&
    "$cargo" test --no-run -p openstack-sdk-blocking --test cloud_contract &&
    "$cargo" build -p simplescalevm-mock --bin mock-cloud || exit 1
if [ -z "$was_up" ]; then
    "$here/install.sh" || exit 1
    if ! "$here/up.sh" > "$BASE/up.out" 2>&1; then
        cat "$BASE/up.out"
        exit 1
    fi
    say "OpenStack is up"
fi
trap leave EXIT
"$here/ctl.sh" reset || exit 1

OPENSTACK_TESTS=1 "$cargo" test -q --test openstack -- "$@" || failed="$failed scenarios"
say "scenarios: done"

contract() { # contract NAME: the client's promises, against the cloud of the OS_* variables
    OS_CONTRACT=1 "$cargo" test -q -p openstack-sdk-blocking --test cloud_contract || return 1
    say "contract tests against the $1 cloud: done"
}
if [ $# -eq 0 ]; then
    (eval "$(bash "$here/openrc.sh" scaler)"; contract real) || failed="$failed contract-real"
    port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
    target=${CARGO_TARGET_DIR:-$root/target}
    "$target/debug/mock-cloud" --port "$port" --replica-port 0 > "$LOG/mock-cloud.log" 2>&1 &
    mock_pid=$!
    wait_for 10 "mock cloud" listening "$port"
    # The first lines it prints are its OS_* variables.
    (eval "$(cat "$LOG/mock-cloud.log")"; contract mock) || failed="$failed contract-mock"
fi
if [ -n "$failed" ]; then
    say "FAILED:$failed"
    exit 1
fi
say "all is well"
