#!/bin/bash
# Handles of the OpenStack test rig.
usage() { cat <<U
ctl.sh status                       which services run, and their memory
ctl.sh start|stop|restart|kill SVC  one service (kill: SIGKILL)
ctl.sh pause|resume SVC             SIGSTOP / SIGCONT: it accepts and hangs
ctl.sh log SVC                      path of its log
ctl.sh os [admin] ARGS...           the openstack client as scaler (or admin)
ctl.sh servers                      all servers of the project, with faults
ctl.sh fill N [PREFIX]              boot N servers and wait for them
ctl.sh purge                        delete all servers of all projects, free the floating IPs
ctl.sh error|shutoff|delete SERVER  put one server in ERROR / stop / delete it
ctl.sh active SERVER                back from ERROR to ACTIVE
ctl.sh computes disable|enable      no host takes servers: "No valid host"
ctl.sh bind-fail on|off             neutron binds no port: server goes to ERROR
ctl.sh quota NAME N                 instances, cores, floatingip, port, ...
ctl.sh token-ttl SECONDS            lifetime of new tokens (restarts keystone)
ctl.sh max-limit N                  longest page of nova's lists (restarts nova-api)
ctl.sh journal on|off               write every request to $FAULT/journal, a line each
ctl.sh revoke                       user scaler's tokens are worth nothing now
ctl.sh user disable|enable          user scaler cannot log in any more / can
ctl.sh fault nova|neutron|keystone|placement JSON|off
                                    delays and errors, see plugin/osrig_fault.py;
                                    nova-2, nova-any-word: further sets of rules
ctl.sh slow SECONDS|off             every nova API request takes that longer
ctl.sh reset                        all of these off again, all services up
U
}
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"
export OSRIG_AUTH_URL=$AUTH_URL
api() { python3 "$here/admin.py" "$@"; }
known() { services | grep -qxF "$1" || { echo "no service '$1'; there are: $(services | paste -sd ' ')" >&2; exit 2; }; }
ready() { # wait until a service that was just started answers
    case $1 in
    keystone) wait_for 60 keystone http_up "$KEYSTONE_PORT" ;;
    placement) wait_for 60 placement http_up "$PLACEMENT_PORT" ;;
    glance) wait_for 60 glance http_up "$GLANCE_PORT" ;;
    neutron) wait_for 60 neutron http_up "$NEUTRON_PORT" ;;
    nova-api) wait_for 60 nova-api http_up "$NOVA_PORT" ;;
    mariadb) wait_for 60 mariadb sql -e 'select 1' ;;
    rabbit) wait_for 60 rabbitmq listening "$RABBIT_PORT" ;;
    esac
}
fault() {
    mkdir -p "$FAULT"
    if [ "$2" = off ]; then rm -f "$FAULT/$1.json"; else
        python3 -c 'import json, sys; json.loads(sys.argv[1])' "$2"
        echo "$2" > "$FAULT/.$1.new"
        mv "$FAULT/.$1.new" "$FAULT/$1.json"
    fi
}
[ $# -gt 0 ] || { usage; exit 2; }
cmd=$1; shift
case $cmd in
status)
    for s in $(services); do
        if alive "$s"; then
            read -r pid _ < "$RUN/$s.pid"
            rss=$(ps -o rss= -g "$pid" | awk '{s += $1} END {print int(s/1024)}')
            echo "$s pid $pid up, $rss MiB"
        else echo "$s down"; fi
    done ;;
start) known "$1"; start "$1"; ready "$1" ;;
stop) known "$1"; stop "$1" ;;
kill) known "$1"; stop "$1" KILL ;;
restart) known "$1"; stop "$1"; start "$1"; ready "$1" ;;
pause|resume)
    known "$1"; alive "$1" || { echo "$1 is down" >&2; exit 1; }
    read -r pid _ < "$RUN/$1.pid"
    if [ "$cmd" = pause ]; then kill -STOP -- "-$pid"; else kill -CONT -- "-$pid"; fi ;;
log) echo "$LOG/$1.log" ;;
os)
    who='scaler'; if [ "${1:-}" = admin ]; then who='admin'; shift; fi
    eval "$(bash "$here/openrc.sh" "$who")"; exec openstack "$@" ;;
servers|purge|revoke) api "$cmd" ;;
fill|quota|computes|user) api "$cmd" "$@" ;;
error|shutoff|delete) api "$cmd" "$1" ;;
active) api error "$1" active ;;
bind-fail) if [ "$1" = on ]; then touch "$FAULT/neutron-bind-fail"; else rm -f "$FAULT/neutron-bind-fail"; fi ;;
token-ttl)
    sed -i "s/^expiration = .*/expiration = $1/" "$ETC/keystone.conf"
    stop keystone; start keystone; ready keystone ;;
max-limit)
    sed -i "s/^max_limit = .*/max_limit = $1/" "$ETC/nova.conf"
    stop nova-api; start nova-api; ready nova-api ;;
journal) if [ "$1" = on ]; then : > "$FAULT/journal"; else rm -f "$FAULT/journal" "$FAULT/held"; fi ;;
fault) fault "$1" "$2" ;;
slow) if [ "$1" = off ]; then fault nova off; else fault nova "{\"delay\": $1}"; fi ;;
reset)
    rm -f "$FAULT"/*.json "$FAULT/neutron-bind-fail" "$FAULT/journal" "$FAULT/held"
    for s in $(services); do
        if alive "$s"; then read -r pid _ < "$RUN/$s.pid"; kill -CONT -- "-$pid"; fi
        start "$s"
    done
    for s in $(services); do ready "$s"; done
    if ! grep -qx "expiration = $TOKEN_TTL" "$ETC/keystone.conf"; then
        sed -i "s/^expiration = .*/expiration = $TOKEN_TTL/" "$ETC/keystone.conf"
        stop keystone; start keystone; ready keystone
    fi
    if ! grep -qx "max_limit = $MAX_LIMIT" "$ETC/nova.conf"; then
        sed -i "s/^max_limit = .*/max_limit = $MAX_LIMIT/" "$ETC/nova.conf"
        stop nova-api; start nova-api; ready nova-api
    fi
    api reset ;;
*) usage; exit 2 ;;
esac
