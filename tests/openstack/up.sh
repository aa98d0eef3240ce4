#!/bin/bash
# Brings the OpenStack test rig up from nothing (or from where it stands).
# OSRIG_FRESH=1: throw the old databases and state away first.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"
t0=$(date +%s)
say() { echo "up.sh: [$(( $(date +%s) - t0 )) s] $*"; }
[ -x "$VENV/bin/nova-compute" ] || { echo "run install.sh first" >&2; exit 1; }
bash "$here/preflight.sh" up
if [ "${OSRIG_FRESH:-}" ]; then "$here/down.sh" --wipe; fi
mkdir -p "$ETC" "$RUN" "$LOG" "$STATE" "$FAULT"
bash "$here/config.sh"
export OSRIG_AUTH_URL=$AUTH_URL OSRIG_PLACEMENT_PORT=$PLACEMENT_PORT \
    OSRIG_GLANCE_PORT=$GLANCE_PORT OSRIG_NOVA_PORT=$NOVA_PORT \
    OSRIG_NEUTRON_PORT=$NEUTRON_PORT OSRIG_PUBKEY=$STATE/ops.pub

start memcached
start epmd
start rabbit
if ! [ -d "$STATE/mysql/mysql" ]; then
    mariadb-install-db --no-defaults --user=root --datadir="$STATE/mysql" \
        --auth-root-authentication-method=normal --skip-test-db \
        --skip-name-resolve > "$LOG/mariadb-install.log" 2>&1
fi
start mariadb
wait_for 60 mariadb sql -e 'select 1'
if ! [ -e "$STATE/dbs-made" ]; then
    for d in keystone placement glance neutron nova_api nova_cell0 nova_cell1; do
        echo "create database if not exists $d character set utf8mb3;"
    done | sql
    sql -e "create user if not exists osrig@'127.0.0.1' identified by 'osrig';
            grant all on *.* to osrig@'127.0.0.1';"
    touch "$STATE/dbs-made"
fi
say "mariadb is up"

if ! [ -e "$STATE/keystone-done" ]; then
    mkdir -p "$STATE/keystone"
    chmod 700 "$STATE/keystone"
    K="keystone-manage --config-file $ETC/keystone.conf"
    {
        $K db_sync
        $K fernet_setup --keystone-user root --keystone-group root
        $K credential_setup --keystone-user root --keystone-group root
        $K bootstrap --bootstrap-password "$ADMIN_PASS" \
            --bootstrap-region-id RegionOne \
            --bootstrap-public-url "$AUTH_URL" \
            --bootstrap-internal-url "$AUTH_URL" \
            --bootstrap-admin-url "$AUTH_URL"
    } > "$LOG/keystone-manage.log" 2>&1 || { tail "$LOG/keystone-manage.log"; exit 1; }
    touch "$STATE/keystone-done"
fi
start keystone

syncs=
sync() { # sync NAME COMMAND...: once, in the background
    local name=$1; shift
    [ -e "$STATE/$name-synced" ] && return 0
    { "$@" > "$LOG/$name-sync.log" 2>&1 && touch "$STATE/$name-synced"; } &
    syncs="$syncs $!"
}
nova_sync() {
    local m="nova-manage --config-file $ETC/nova.conf"
    local q="rabbit://guest:guest@$HOST:$RABBIT_PORT/"
    local d="mysql+pymysql://osrig:osrig@$HOST:$MYSQL_PORT"
    set -e
    $m api_db sync
    $m cell_v2 map_cell0 --database_connection "$d/nova_cell0?charset=utf8"
    $m cell_v2 list_cells | grep -q ' cell1 ' || $m cell_v2 create_cell \
        --name cell1 --transport-url "$q" \
        --database_connection "$d/nova_cell1?charset=utf8"
    $m db sync
}
sync neutron neutron-db-manage --config-file "$ETC/neutron.conf" upgrade heads
sync nova nova_sync
small_syncs() {
    set -e
    placement-manage --config-file "$ETC/placement.conf" db sync
    glance-manage --config-file "$ETC/glance-api.conf" db_sync
}
sync small small_syncs
for p in $syncs; do
    wait "$p" || { say "a database sync failed: see $LOG/*-sync.log"; exit 1; }
done
say "databases are there"

wait_for 60 keystone http_up "$KEYSTONE_PORT"
[ -e "$STATE/catalog-done" ] || { python3 "$here/fixtures.py" catalog; touch "$STATE/catalog-done"; }
say "keystone and its catalogue are there"

wait_for 60 rabbitmq listening "$RABBIT_PORT"
for s in $(services); do start "$s"; done
for p in $PLACEMENT_PORT $GLANCE_PORT $NOVA_PORT $NEUTRON_PORT; do
    wait_for 120 "answer on port $p" http_up "$p"
done
say "the APIs answer"
if ! [ -e "$STATE/ops" ]; then
    ssh-keygen -q -t ed25519 -N '' -C ops -f "$STATE/ops"
fi
python3 "$here/fixtures.py" cloud
say "the fixtures are there"
computes_mapped() {
    nova-manage --config-file "$ETC/nova.conf" cell_v2 discover_hosts >/dev/null 2>&1
    [ "$(sql -N -e 'select count(*) from nova_api.host_mappings')" -ge "$COMPUTES" ]
}
wait_for 60 "nova-compute" computes_mapped
say "$COMPUTES compute hosts are mapped"
# The scheduler passes over a host whose last heartbeat, perhaps from before a stop, is over a minute old.
computes_alive() {
    [ "$(sql -N -e "set time_zone = '+00:00'; select count(*) from nova_cell1.services
        where \`binary\` = 'nova-compute' and unix_timestamp(updated_at) >= $t0")" -ge "$COMPUTES" ]
}
wait_for 90 "heartbeat of every nova-compute" computes_alive
say "$COMPUTES compute hosts are alive"
python3 "$here/fixtures.py" smoke
bash "$here/openrc.sh" scaler > "$BASE/openrc"
bash "$here/openrc.sh" admin > "$BASE/openrc-admin"
say "ready; $BASE/openrc:"
cat "$BASE/openrc"
