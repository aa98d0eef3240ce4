# shellcheck shell=bash disable=SC2034
# Shared by the scripts of the OpenStack test rig; to be sourced.
# Everything lives under $BASE and listens on 127.0.0.1 only.
BASE=${OSRIG_BASE:-/var/tmp/osrig}
VENV=$BASE/venv
ETC=$BASE/etc
RUN=$BASE/run
LOG=$BASE/log
STATE=$BASE/state
FAULT=$BASE/fault
HOST=127.0.0.1
MYSQL_PORT=${OSRIG_MYSQL_PORT:-13306}
RABBIT_PORT=${OSRIG_RABBIT_PORT:-15673}
RABBIT_DIST_PORT=${OSRIG_RABBIT_DIST_PORT:-15674}
MEMCACHED_PORT=${OSRIG_MEMCACHED_PORT:-21211}
EPMD_PORT=${OSRIG_EPMD_PORT:-14369}
KEYSTONE_PORT=${OSRIG_KEYSTONE_PORT:-5000}
PLACEMENT_PORT=${OSRIG_PLACEMENT_PORT:-8778}
GLANCE_PORT=${OSRIG_GLANCE_PORT:-9292}
NOVA_PORT=${OSRIG_NOVA_PORT:-8774}
NEUTRON_PORT=${OSRIG_NEUTRON_PORT:-9696}
AUTH_URL=http://$HOST:$KEYSTONE_PORT/v3
ADMIN_PASS='admin'
# A password with all that gets quoted wrongly.
# shellcheck disable=SC2016
SCALER_PASS='p@ss "w$rd#1'
SVC_PASS=svc
COMPUTES=${OSRIG_COMPUTES:-2}
# Token lifetime in seconds; `ctl.sh token-ttl N` changes it in a running rig.
TOKEN_TTL=${OSRIG_TOKEN_TTL:-3600}
# How long services believe a token that they have checked (revocation is
# noticed after at most so many seconds).
TOKEN_CACHE=${OSRIG_TOKEN_CACHE:-5}

# The longest page of nova's lists; `ctl.sh max-limit N` changes it in a running rig.
MAX_LIMIT=${OSRIG_MAX_LIMIT:-1000}

export OSRIG_FAULT_DIR=$FAULT
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY
export no_proxy=127.0.0.1,localhost NO_PROXY=127.0.0.1,localhost
plugins="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/plugin"
export PYTHONPATH=$plugins PYTHONDONTWRITEBYTECODE=1 PYTHONWARNINGS=ignore
export PATH=$VENV/bin:$PATH

# Free memory that is asked for before the services are started.
MEMORY_MIB=${OSRIG_MEMORY_MIB:-4096}

find_python() { # prints a Python that the pinned packages run on
    local p
    for p in python3 python3.12 python3.11 python3.10 /usr/bin/python3; do
        if "$p" -c 'import sys, venv, ensurepip; sys.exit(not (3, 9) < sys.version_info[:2] < (3, 13))' 2> /dev/null; then
            echo "$p"
            return 0
        fi
    done
    return 1
}

is_up() { # are all services there?
    local s
    for s in $(services); do alive "$s" || return 1; done
}

services() {
    printf '%s\n' mariadb memcached epmd rabbit keystone placement glance neutron \
        nova-conductor nova-scheduler nova-api
    local i
    for i in $(seq "$COMPUTES"); do echo "nova-compute$i"; done
}

starttime() { # starttime PID: tells a process from a later one with its number
    local s
    s=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    s=${s##*) }
    # shellcheck disable=SC2086 # the fields of /proc/PID/stat
    set -- $s
    [ "$1" != Z ] && echo "${20}"
}

alive() { # alive NAME: is the process that the pid file names still there?
    local pid when
    { read -r pid when < "$RUN/$1.pid"; } 2>/dev/null || return 1
    [ -n "$when" ] && [ "$(starttime "$pid")" = "$when" ]
}

spawn() { # spawn NAME COMMAND...; its pid file holds the pid and start time
    local name=$1; shift
    if alive "$name"; then return 0; fi
    (
        # A service must not keep what its starter holds, such as a lock or a pipe.
        for fd in /proc/self/fd/*; do
            fd=${fd##*/}
            [ "$fd" -le 2 ] || eval "exec $fd>&-"
        done
        exec setsid nohup "$@" >> "$LOG/$name.log" 2>&1 < /dev/null
    ) &
    echo "$! $(starttime $!)" > "$RUN/$name.pid"
}

uwsgi_app() { # uwsgi_app NAME PORT MODULE PROCESSES
    spawn "$1" uwsgi --http-socket "$HOST:$2" --module "$3:application" \
        --processes "$4" --threads 1 --master --lazy-apps --need-app \
        --die-on-term --buffer-size 65535 --thunder-lock --enable-threads \
        --add-header 'Connection: close' --disable-logging --so-keepalive \
        --listen 100
}

start() { # start NAME
    mkdir -p "$RUN" "$LOG"
    case $1 in
    mariadb)
        spawn mariadb /usr/sbin/mariadbd --no-defaults --user=root \
            --datadir="$STATE/mysql" --socket="$RUN/mysql.sock" \
            --pid-file="$RUN/mariadbd-own.pid" \
            --bind-address=$HOST --port="$MYSQL_PORT" --skip-name-resolve \
            --max-connections=1000 --skip-log-bin --innodb-buffer-pool-size=512M \
            --innodb-flush-log-at-trx-commit=0 --innodb-doublewrite=0 \
            --innodb-flush-method=nosync --character-set-server=utf8mb3 ;;
    memcached)
        spawn memcached memcached -l $HOST -p "$MEMCACHED_PORT" -U 0 -m 128 -u nobody ;;
    epmd)
        spawn epmd epmd -address $HOST -port "$EPMD_PORT" ;;
    rabbit)
        mkdir -p "$STATE/rabbit"
        HOME=$STATE/rabbit \
        ERL_EPMD_ADDRESS=$HOST ERL_EPMD_PORT=$EPMD_PORT \
        RABBITMQ_NODENAME=osrig@localhost RABBITMQ_NODE_IP_ADDRESS=$HOST \
        RABBITMQ_NODE_PORT=$RABBIT_PORT RABBITMQ_DIST_PORT=$RABBIT_DIST_PORT \
        RABBITMQ_CONF_ENV_FILE=/dev/null \
        RABBITMQ_CONFIG_FILE=$ETC/rabbitmq.conf \
        RABBITMQ_ADVANCED_CONFIG_FILE=$ETC/rabbitmq-advanced.config \
        RABBITMQ_ENABLED_PLUGINS_FILE=$ETC/rabbitmq-plugins \
        RABBITMQ_MNESIA_BASE=$STATE/rabbit/mnesia \
        RABBITMQ_LOG_BASE=$LOG RABBITMQ_LOGS=- \
        RABBITMQ_PID_FILE=$RUN/rabbit-own.pid \
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none" \
        spawn rabbit /usr/lib/rabbitmq/bin/rabbitmq-server ;;
    keystone)
        OS_KEYSTONE_CONFIG_FILES=$ETC/keystone.conf OS_KEYSTONE_CONFIG_DIR=$ETC \
            uwsgi_app keystone "$KEYSTONE_PORT" osrig_keystone_wsgi 2 ;;
    placement)
        OS_PLACEMENT_CONFIG_DIR=$ETC \
            uwsgi_app placement "$PLACEMENT_PORT" osrig_placement_wsgi 1 ;;
    glance)
        spawn glance glance-api --config-file "$ETC/glance-api.conf" ;;
    neutron)
        spawn neutron neutron-server --config-file "$ETC/neutron.conf" ;;
    nova-api)
        spawn nova-api nova-api-os-compute --config-file "$ETC/nova.conf" ;;
    nova-conductor|nova-scheduler)
        spawn "$1" "$1" --config-file "$ETC/nova.conf" ;;
    nova-compute*)
        spawn "$1" nova-compute --config-file "$ETC/nova-common.conf" \
            --config-file "$ETC/$1/compute.conf" ;;
    *) echo "no service '$1'; there are: $(services | paste -sd ' ')" >&2; return 2 ;;
    esac
}

pgrp_left() { # is any process of the process group $1 left (zombies aside)?
    local f s
    for f in /proc/[0-9]*/stat; do
        s=$(cat "$f" 2>/dev/null) || continue
        s=${s##*) }
        # shellcheck disable=SC2086
        set -- "$1" $s
        [ "$4" = "$1" ] && [ "$2" != Z ] && return 0
    done
    return 1
}

stop() { # stop NAME [SIGNAL]: its whole process group (setsid made it one)
    local pid sig=${2:-TERM} i
    if ! alive "$1"; then rm -f "$RUN/$1.pid"; return 0; fi
    read -r pid _ < "$RUN/$1.pid"
    kill -CONT -- "-$pid" 2>/dev/null
    kill "-$sig" -- "-$pid" 2>/dev/null
    for i in $(seq 100); do
        pgrp_left "$pid" || break
        [ "$i" = 60 ] && kill -KILL -- "-$pid" 2>/dev/null
        sleep 0.2
    done
    rm -f "$RUN/$1.pid"
}

sql() { mariadb --no-defaults --socket="$RUN/mysql.sock" -uroot "$@"; }

wait_for() { # wait_for SECONDS WHAT COMMAND...
    local n=$(( $1 * 5 )) what=$2 i; shift 2
    for i in $(seq "$n"); do
        if "$@" >/dev/null 2>&1; then return 0; fi
        sleep 0.2
    done
    echo "no $what in time" >&2
    return 1
}

listening() { (exec 3<>"/dev/tcp/$HOST/$1") 2>/dev/null; }

http_up() { # http_up PORT: something answers HTTP there
    python3 - "$HOST" "$1" <<'P'
import http.client, sys
c = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=5)
c.request('GET', '/')
sys.exit(c.getresponse().status >= 500)
P
}
