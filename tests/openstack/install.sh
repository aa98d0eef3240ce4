#!/bin/bash
# Installs what the OpenStack test rig needs: MariaDB, RabbitMQ and memcached from Debian,
# OpenStack 2025.1 from PyPI in a virtual environment. Does nothing twice.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"
bash "$here/preflight.sh" install
t0=$(date +%s)
mkdir -p "$BASE/log"

if ! [ -x /usr/sbin/mariadbd ] || ! [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] \
   || ! command -v mariadb-install-db >/dev/null || ! command -v memcached >/dev/null; then
    # Keep the packages from starting their services (all are started by hand).
    made=
    if ! [ -e /usr/sbin/policy-rc.d ]; then
        printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
        chmod 755 /usr/sbin/policy-rc.d
        made=1
    fi
    "$here/../../tools/apt-install.sh" mariadb-server rabbitmq-server memcached
    [ -z "$made" ] || rm -f /usr/sbin/policy-rc.d
fi
echo "install.sh: Debian packages there after $(( $(date +%s) - t0 )) s"

want=$(sha256sum < "$here/constraints.txt")
if [ "$(cat "$VENV/.osrig-done" 2>/dev/null)" != "$want" ]; then
    py=$(find_python)
    rm -rf "$VENV"
    "$py" -m venv "$VENV"
    # constraints.txt is the full `pip freeze` of a venv that works.
    "$VENV/bin/pip" install -q --no-deps -r "$here/constraints.txt"
    # This oslo.messaging polls for RPC replies every 0.5 s (lp-2035113), which
    # makes a server boot 6 s slower than it needs to be: poll every 0.02 s.
    sed -i '/class ReplyWaiters/,/raise oslo_messaging/s/time\.sleep(0\.5)/time.sleep(0.02)/' \
        "$VENV"/lib/python3.*/site-packages/oslo_messaging/_drivers/amqpdriver.py
    echo "$want" > "$VENV/.osrig-done"
fi
echo "install.sh: done in $(( $(date +%s) - t0 )) s"
