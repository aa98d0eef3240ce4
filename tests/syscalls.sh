#!/usr/bin/env bash
# Whether the program gets by with the system calls, sockets and mappings that its systemd unit allows: traces a run
# against the mock cloud and compares.  Usage: tests/syscalls.sh PROGRAM MOCK_CLOUD
set -euo pipefail
program=$(realpath "$1") mock_cloud=$(realpath "$2")
unit=$(cd "$(dirname "$0")/.." && pwd)/deploy/systemd/simplescalevm.service
fail() { echo "FAILED: $*" >&2; exit 1; }
for tool in strace systemd-analyze pgrep; do
    command -v $tool >/dev/null || { echo "$tool is not there: the unit's filter is not compared"; exit 0; }
done
work=$(mktemp -d)
started=()
trap 'kill "${started[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT

# The calls of a set, and of the sets in it.
expand() {
    local word
    for word in "$@"; do
        case $word in
            @*) expand $(systemd-analyze syscall-filter "$word" | awk 'NR > 1 && $1 !~ /^#/ { print $1 }') ;;
            *) echo "$word" ;;
        esac
    done
}
: >"$work/allowed"
while read -r filter; do
    case $filter in
        '~'*) expand ${filter#\~} | sort -u | comm -13 - "$work/allowed" >"$work/rest" && mv "$work/rest" "$work/allowed" ;;
        *) expand $filter | sort -u - "$work/allowed" >"$work/rest" && mv "$work/rest" "$work/allowed" ;;
    esac
done < <(sed -n 's/^SystemCallFilter=//p' "$unit")

"$mock_cloud" --port 0 --replica-port 0 --build-time 0.2 --boot-time 0.2 >"$work/openrc" &
started+=($!)
for _ in $(seq 100); do
    grep -q 'control API' "$work/openrc" && break
    sleep 0.1
done
# shellcheck disable=SC1091
. "$work/openrc"
export APP_HOST=127.0.0.1 APP_PORT=$((20000 + RANDOM % 10000)) SCALING_INTERVAL=1 PROBE_INTERVAL=0.5
export OPENSTACK_NETWORK=internal EXTERNAL_ADDRESS_MANAGEMENT=true
# By a name, so that it is looked up.
export OS_AUTH_URL=${OS_AUTH_URL/127.0.0.1/localhost}
cd "$work"
strace -f -o "$work/trace" "$program" 2>"$work/log" &
tracer=$!
started+=("$tracer")
for _ in $(seq 300); do
    [ "$(grep -c 'serving' "$work/log" || true)" -ge 3 ] && break
    sleep 0.1
done
for path in / /status /metrics /healthz; do
    curl --silent --max-time 20 --output /dev/null "http://127.0.0.1:$APP_PORT$path" || fail "$path"
done
kill -TERM "$(pgrep --parent "$tracer")"
wait "$tracer" || fail "it ended with $?"

sed -nE 's/^[0-9]+ +([a-z_0-9]+)\(.*/\1/p' "$work/trace" | sort -u >"$work/used"
echo "$(wc -l <"$work/used") system calls are used, $(wc -l <"$work/allowed") allowed"
not_allowed=$(comm -23 "$work/used" "$work/allowed")
[ -z "$not_allowed" ] || fail "the unit does not allow: $not_allowed"
families=$(sed -nE 's/.* socket\((AF_[A-Z0-9]+).*/\1/p' "$work/trace" | sort -u)
allowed=$(sed -n 's/^RestrictAddressFamilies=//p' "$unit")
for family in $families; do
    grep -qw "$family" <<<"$allowed" || fail "the unit does not allow sockets of $family"
done
if grep -E 'mmap|mprotect' "$work/trace" | grep -E 'PROT_WRITE\|PROT_EXEC'; then fail "memory is writable and executable"; fi
echo "The unit allows all that the program does."
