#!/bin/bash
# ci.sh: a step of .ci/run. Installs what is needed (once per machine), runs everything against a real
# OpenStack, and stops it again. SKIP_OPENSTACK=1 leaves it out, and so does a machine that cannot have it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ "${SKIP_OPENSTACK:-}" = 1 ]; then
    echo "openstack: left out, SKIP_OPENSTACK=1"
    exit 0
fi
if ! "$here/preflight.sh" install up; then
    echo "openstack: left out, this machine lacks what is said above"
    exit 0
fi
exec "$here/test.sh"
