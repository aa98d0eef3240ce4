#!/usr/bin/env bash
# Installs the Debian package in a copy of this machine's root (an overlay that is thrown away), configures and runs it
# as the service would, removes and purges it, and looks at what is left.  Usage: tests/package.sh DEB MOCK_CLOUD  (as root)
set -euo pipefail
deb=$(realpath "$1") mock_cloud=$(realpath "$2")
unit=$(cd "$(dirname "$0")/.." && pwd)/deploy/systemd/simplescalevm.service
fail() { echo "FAILED: $*" >&2; exit 1; }

if [ -z "${IN_OWN_MOUNTS:-}" ]; then
    [ "$(id -u)" -eq 0 ] || fail "dpkg -i needs root"
    if command -v systemd-analyze >/dev/null; then
        verdict=$(systemd-analyze security --offline=yes --no-pager "$unit" | tail -n 1)
        echo "systemd-analyze security:$verdict"
        grep -qE 'level for simplescalevm.service: [01]\.[0-9]' <<<"$verdict" || fail "the service is less sandboxed than it should be"
    fi
    if ! unshare --mount true 2>/dev/null; then
        echo "This machine does not allow mounts: the package is not installed anywhere."
        dpkg-deb --info "$deb"
        dpkg-deb --contents "$deb"
        exit 0
    fi
    IN_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$deb" "$mock_cloud"
fi

work=$(mktemp -d)
mount -t tmpfs tmpfs "$work"
started=()
cleanup() {
    kill "${started[@]}" 2>/dev/null || true
    cd /
    umount --recursive --lazy "$work" && rmdir "$work"
}
trap cleanup EXIT
mkdir "$work"/{upper,temporary,root}
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/temporary" "$work/root"
root=$work/root
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
cp "$deb" "$root/package.deb"
# An empty environment: nothing of the caller's settings gets in.
inside=(env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive chroot "$root")
inside() { "${inside[@]}" "$@"; }
service=("${inside[@]}" setpriv --reuid simplescalevm --regid simplescalevm --init-groups --no-new-privs
    env -C /etc/simplescalevm)
read -ra exec_start < <(sed -n 's/^ExecStart=//p' "$unit")
service+=("${exec_start[@]}")
settings=/etc/simplescalevm/simplescalevm.env

echo "== installation"
inside dpkg --install /package.deb
template=/usr/lib/systemd/system/simplescalevm@.service
for wanted in "755 root:root /usr/bin/simplescalevm" "644 root:root $template" "750 root:simplescalevm /etc/simplescalevm" \
    "640 root:simplescalevm $settings" "644 root:root /usr/lib/systemd/system/simplescalevm.service"; do
    found=$(inside stat --format '%a %U:%G %n' "${wanted##* }")
    [ "$found" = "$wanted" ] || fail "$found, not $wanted"
done
# A slim Debian leaves documents and manual pages out.
if inside dpkg --verify simplescalevm | grep -v ' /usr/share/'; then fail "files are not as packed"; fi
if inside sh -c 'command -v systemd-analyze' >/dev/null; then
    inside systemd-analyze verify --man=no /usr/lib/systemd/system/simplescalevm.service "$template"
fi
# The template differs from the service in its name and its settings, and in nothing else.
differs=$(inside diff /usr/lib/systemd/system/simplescalevm.service "$template" | grep '^>' || true)
expected='> Description=SimpleScaleVM, autoscaler for a pool of OpenStack VMs (%i)
> ExecStart=/usr/bin/simplescalevm --env-file /etc/simplescalevm/%i.env'
[ "$differs" = "$expected" ] || fail "the template's own lines: $differs"
status=0
"${service[@]}" 2>"$work/log" || status=$?
cat "$work/log"
[ "$status" -eq 2 ] || fail "with settings that are not filled in it ended with $status, not 2"

echo "== configuration and run"
"$mock_cloud" --port 0 --replica-port 0 --build-time 0.2 --boot-time 0.2 >"$work/openrc" &
started+=($!)
for _ in $(seq 100); do
    grep -q 'control API' "$work/openrc" && break
    sleep 0.1
done
port=$((20000 + RANDOM % 10000))
# As an administrator would: values into the installed file, each in place of its line.
(
    set -a
    # shellcheck disable=SC1091
    . "$work/openrc"
    # shellcheck disable=SC2034
    APP_HOST=127.0.0.1 APP_PORT=$port SCALING_INTERVAL=1 PROBE_INTERVAL=0.5
    env | grep -E '^(OS|OPENSTACK|REPLICA|APP|SCALING|PROBE)_'
) >"$work/values"
while IFS='=' read -r name value; do
    inside sed -i "/^#\?$name=/d" "$settings"
    printf '%s=%s\n' "$name" "$value" >>"$root$settings"
done <"$work/values"
"${service[@]}" check
"${service[@]}" 2>"$work/log" &
daemon=$!
started+=("$daemon")
for _ in $(seq 150); do
    [ "$(grep -c 'serving' "$work/log" || true)" -ge 3 ] && break
    sleep 0.1
done
"${service[@]}" healthcheck || fail "healthcheck"
# No other process of its user may look into its memory, where the password is.
owner=$(stat --format %U "/proc/$(pgrep --full --newest '^/usr/bin/simplescalevm --env-file')/environ")
[ "$owner" = root ] || fail "its memory is open to $owner"

echo "== a second pool, as an instance of the template"
instance=$(sed -n 's/^ExecStart=//p' "$root$template")
read -ra second < <(sed 's/%i/turn/' <<<"$instance")
sed -e "s/^APP_PORT=.*/APP_PORT=$((port + 1))/" -e 's/^OPENSTACK_METADATA_VALUE=.*/OPENSTACK_METADATA_VALUE=turn/' \
    "$root$settings" >"$root/etc/simplescalevm/turn.env"
inside chown --reference "$settings" /etc/simplescalevm/turn.env
inside chmod --reference "$settings" /etc/simplescalevm/turn.env
turn=("${service[@]:0:$((${#service[@]} - ${#exec_start[@]}))}" "${second[@]}")
"${turn[@]}" 2>"$work/turn" &
other=$!
started+=("$other")
for _ in $(seq 150); do
    [ "$(grep -c 'serving' "$work/turn" || true)" -ge 3 ] && break
    sleep 0.1
done
"${turn[@]}" healthcheck || fail "healthcheck of the second one"
grep -q 'pool=turn' "$work/turn" || fail "the second one keeps another pool"
# It says that there is no reload, and stays.
kill -HUP "$other" "$daemon"
sleep 1
kill -TERM "$other"
status=0
wait "$other" || status=$?
[ "$status" -eq 0 ] || fail "the second one ended with $status"
grep -q 'SIGHUP' "$work/turn" || fail "SIGHUP is not told"
rm "$root/etc/simplescalevm/turn.env"
kill -TERM "$daemon"
status=0
wait "$daemon" || status=$?
cat "$work/log"
[ "$status" -eq 0 ] || fail "it ended with $status"
[ "$(grep -c 'serving' "$work/log")" -ge 3 ] || fail "its replicas do not serve"

echo "== upgrade, removal, purge"
before=$(inside md5sum "$settings")
inside dpkg --install /package.deb >/dev/null
[ "$(inside md5sum "$settings")" = "$before" ] || fail "the upgrade changed the settings"
[ "$(inside stat --format '%a %U:%G' "$settings")" = "640 root:simplescalevm" ] || fail "the upgrade changed the settings' rights"
inside dpkg --remove simplescalevm
inside test -f "$settings" || fail "the removal took the settings along"
if inside test -e /usr/bin/simplescalevm; then fail "the program is still there"; fi
inside dpkg --purge simplescalevm
if inside getent passwd simplescalevm || inside getent group simplescalevm; then fail "the user is still there"; fi
# Whiteouts (character devices) are files of this machine that were deleted: there must be none either.
left=$(cd "$work/upper" && find . \( -name '*simplescalevm*' -o -type c \) ! -path './var/log/*' ! -path './var/lib/dpkg/*')
[ -z "$left" ] || fail "left behind: $left"
if inside dpkg --status simplescalevm 2>/dev/null; then fail "dpkg still knows it"; fi
echo "The package installs, runs and purges cleanly."
