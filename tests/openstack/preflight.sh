#!/bin/bash
# preflight.sh install|up: says in one line each what is missing on this machine, exit code 1 if
# anything is. Both may be given.
set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
missing=0
lacks() { echo "openstack: $*" >&2; missing=1; }

[ "$(id -u)" = 0 ] || lacks "root is needed: the services are installed with apt and started by hand"
for what in "$@"; do
    case $what in
    install)
        command -v apt-get > /dev/null ||
            lacks "apt-get is needed: MariaDB, RabbitMQ and memcached come from Debian or Ubuntu packages"
        if ! [ -x "$VENV/bin/nova-compute" ]; then
            find_python > /dev/null ||
                lacks "Python 3.10, 3.11 or 3.12 with the modules venv and ensurepip is needed (package python3-venv)"
            mkdir -p "$BASE"
            free=$(df -Pm "$BASE" | awk 'NR == 2 {print $4}')
            [ "${free:-0}" -ge 2048 ] || lacks "2 GiB of disk are needed in $BASE, there are ${free:-?} MiB"
        fi ;;
    up)
        if is_up; then continue; fi
        free=$(awk '/^MemAvailable:/ {print int($2 / 1024)}' /proc/meminfo)
        [ "${free:-0}" -ge "$MEMORY_MIB" ] ||
            lacks "$MEMORY_MIB MiB of free memory are needed, there are ${free:-?} MiB"
        command -v ssh-keygen > /dev/null || lacks "ssh-keygen is needed (package openssh-client)" ;;
    *) echo "preflight.sh install|up" >&2; exit 2 ;;
    esac
done
exit "$missing"
