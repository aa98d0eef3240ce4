#!/usr/bin/env bash
# Runs the static program in an empty root with nothing but /etc/hosts and /etc/resolv.conf, as the image would:
# no libc, no CA files, no /tmp, no /dev, nobody's user.  Usage: tests/chroot.sh PROGRAM MOCK_CLOUD  (as root)
set -euo pipefail
program=$1 mock_cloud=$2
[ "$(id -u)" -eq 0 ] || { echo "chroot needs root" >&2; exit 1; }
work=$(mktemp -d)
started=()
trap 'kill "${started[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root/etc"
chmod 755 "$work" "$root" "$root/etc"
cp "$program" "$root/simplescalevm"
printf '127.0.0.1 localhost cloud.test\n' >"$root/etc/hosts"
printf 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n' >"$root/etc/resolv.conf"

# INTERP: the program would ask for a loader. NEEDED: for libraries.
if readelf --program-headers "$program" | grep INTERP || readelf --dynamic "$program" | grep NEEDED; then
    echo "The program is not static." >&2
    exit 1
fi
grep -q 'ISRG Root X1' "$program" || { echo "The program holds no CA roots." >&2; exit 1; }
echo "The root holds: $(cd "$root" && find . -type f -printf '%P (%s bytes)  ')"

"$mock_cloud" --port 0 --replica-port 0 --build-time 0.2 --boot-time 0.2 >"$work/openrc" &
started+=($!)
for _ in $(seq 100); do
    grep -q 'control API' "$work/openrc" && break
    sleep 0.1
done
# Settings: the cloud's, and these. By a name that only /etc/hosts of the empty root knows.
cat >>"$work/openrc" <<'END'
export OS_AUTH_URL=${OS_AUTH_URL/127.0.0.1/cloud.test} OPENSTACK_NETWORK=internal EXTERNAL_ADDRESS_MANAGEMENT=true
export APP_HOST=127.0.0.1 APP_PORT=0 SCALING_INTERVAL=1 PROBE_INTERVAL=0.5
END
inside=(env -i PATH="$PATH" bash -c '. "$1"; shift; exec chroot --userspec=65534:65534 "$@"' -
    "$work/openrc" "$root" /simplescalevm)

"${inside[@]}" --version
"${inside[@]}" check
"${inside[@]}" plan
echo "The daemon, until its three replicas serve:"
"${inside[@]}" >"$work/log" 2>&1 &
daemon=$!
started+=("$daemon")
for _ in $(seq 150); do
    [ "$(grep -c 'serving' "$work/log" || true)" -ge 3 ] && break
    sleep 0.1
done
kill -TERM "$daemon"
status=0
wait "$daemon" || status=$?
cat "$work/log"
[ "$(grep -c 'serving' "$work/log")" -ge 3 ] || { echo "Its replicas do not serve." >&2; exit 1; }
[ "$status" -eq 0 ] || { echo "It ended with $status." >&2; exit 1; }
echo "The static program works in an empty root."
