#!/usr/bin/env bash
# Tests the mock cloud with the official OpenStack command-line client (from PyPI, versions pinned below).
# Usage: mock/tests/openstack_client.sh   (OPENSTACK=/path/to/openstack uses a client that is there already)
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
packages=(python-openstackclient==7.5.0 openstacksdk==4.4.0 osc-lib==3.2.0 cliff==4.9.1 keystoneauth1==5.10.0
    python-keystoneclient==5.6.0 python-cinderclient==9.7.0 'setuptools<81')

if [ -z "${OPENSTACK:-}" ]; then
    venv=$target/openstack-client
    if [ ! -x "$venv/bin/openstack" ]; then
        python3 -m venv "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}"
    fi
    OPENSTACK=$venv/bin/openstack
fi

cargo build --quiet -p simplescalevm-mock
work=$(mktemp -d)
"$target/debug/mock-cloud" --port 0 --replica-port 0 --build-time 0.3 --boot-time 0.2 --delete-time 0.2 >"$work/openrc" &
cloud=$!
trap 'kill "$cloud" 2>/dev/null || true; rm -rf "$work"' EXIT
for _ in $(seq 50); do
    grep -q 'control API' "$work/openrc" && break
    sleep 0.1
done
for name in $(env | grep -o '^OS_[A-Z_]*' || true); do unset "$name"; done
export HOME=$work no_proxy='*'
. "$work/openrc"
control=$(sed -n 's/^# control API: //p' "$work/openrc")

failures=0
# expect WANTED COMMAND...: the output matches the extended regular expression.
expect() {
    local wanted=$1 output
    shift
    output=$("$OPENSTACK" "$@" 2>&1) || true
    if grep -Eq -- "$wanted" <<<"$output"; then
        echo "ok      openstack $*"
    else
        echo "FAILED  openstack $*"
        echo "        wanted: $wanted"
        sed 's/^/        /' <<<"$output"
        failures=$((failures + 1))
    fi
}
value() { "$OPENSTACK" "$@" -f value; }

expect '^[0-9a-f]{32}$' token issue -f value -c project_id
expect 'nova +\| compute' catalog list
expect 'd2-8.*512' flavor list
expect '^512$' flavor show d2-8 -f value -c ram
expect 'Debian 11 +\| active' image list
expect '^active$' image show 'Debian 11' -f value -c status
expect 'ops .*ssh' keypair list
expect '^ops$' keypair show ops -f value -c name
expect 'Ext-Net' network list
expect 'internal-v4.*127.66.0.0/16' subnet list
expect 'router .*ACTIVE' router list
expect 'default' security group list
expect '^nova available$' availability zone list --compute -f value
expect 'total_instances_used +\| +0 ' limits show --absolute

expect '^BUILD$' server create --image 'Debian 11' --flavor d2-8 --network Ext-Net --key-name ops \
    --property group=scaled --security-group default flat -f value -c status
expect '^ACTIVE$' server create --image 'Debian 11' --flavor s1-2 --network internal --wait inner -f value -c status
expect 'flat +\| ACTIVE +\| Ext-Net=127\.64\.[0-9.]+, fd00:64::[0-9a-f]+ +\| Debian 11 +\| d2-8' server list
expect '^inner$' server list --name '^inner$' -f value -c Name
expect '^$' server list --status ERROR -f value
expect "'group': 'scaled'" server show flat -f value -c properties
expect '^$' server set --property group=other flat
expect "'group': 'other'" server show flat -f value -c properties
expect '^$' server unset --property group flat
expect '^\{\}$' server show flat -f value -c properties
expect 'Image nope|No Image found|No image' server create --image nope --flavor d2-8 --network Ext-Net x
expect 'Network is not|No Network|nope' server create --image 'Debian 11' --flavor d2-8 --network nope x
expect 'ACTIVE' server create --image 'Debian 11' --flavor d2-8 --network Ext-Net --min 2 --max 2 --wait many -f value -c status
expect 'many-2' server list -f value -c Name

address=$(value floating ip list -c ID | sed -n 1p)
port=$(value port list --server inner -c ID)
expect 'inner|127\.66\.' port list --server inner
expect '^$' floating ip set --port "$port" "$address"
expect "^$port\$" floating ip show "$address" -f value -c port_id
expect 'internal=127\.65\.[0-9.]+, 127\.66\.' server list
expect '^$' floating ip unset --port "$address"
expect '^None$' floating ip show "$address" -f value -c port_id
expect '^mine$' floating ip create --description mine public -f value -c description
expect '^$' server add floating ip inner "$(value floating ip show "$address" -c floating_ip_address)"
expect 'ACTIVE' floating ip show "$address" -f value -c status

expect '^$' server lock flat
expect '409.*is locked' server delete flat
expect '^$' server unlock flat
expect '^$' server stop flat
expect '^SHUTOFF$' server show flat -f value -c status
expect '^$' server start flat
expect '^$' server pause flat
expect '^PAUSED$' server show flat -f value -c status
expect '^$' server unpause flat
expect '^$' server set --name renamed inner
expect '^renamed$' server show renamed -f value -c name
expect '^$' server delete --wait flat renamed many-1 many-2
expect '^$' server list -f value
expect '^DOWN$' floating ip show "$address" -f value -c status

curl -fsS -X PUT "$control/settings" -d '{"quota_instances": 0}' >/dev/null
expect 'Quota exceeded for instances: Requested 1, but already used 0 of 0 instances' \
    server create --image 'Debian 11' --flavor d2-8 --network Ext-Net x
curl -fsS -X PUT "$control/settings" -d '{"quota_instances": -1, "no_host": true}' >/dev/null
expect 'Error creating server|ERROR' server create --image 'Debian 11' --flavor d2-8 --network Ext-Net --wait x
# By its id: a list, which a look-up by name goes through, does not show the fault of such a server.
expect 'No valid host was found' server show "$(value server list -c ID)" -f value -c fault
export OS_PASSWORD=wrong
expect 'HTTP 401' token issue

echo "$failures failures"
[ "$failures" -eq 0 ]
