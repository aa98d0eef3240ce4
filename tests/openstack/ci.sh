#!/bin/bash
# ci.sh SECONDS: a step of .ci/run. Runs scenarios against a real OpenStack, as many as SECONDS allow, and stops it again.
# ci.sh install: installs what that needs (once per machine), if this machine can have an OpenStack at all.
# Both leave themselves out, and say so: with SKIP_OPENSTACK=1, on a machine that cannot have an OpenStack, and where
# fewer seconds than it wants are left. `make test-openstack` runs all scenarios.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
seconds=${1:-3600}
needed=480
scenarios=("floor reached and kept" "termination" "server in ERROR" "done for one answer" "moved from a hung holder" "never came up")
# With so many seconds these as well.
needed_for_more=840
more=("check" "plan" "two writers of one floating IP" "ERROR while it answers" "server locked" "two outages within an hour")
if [ "${SKIP_OPENSTACK:-}" = 1 ]; then
    echo "openstack: left out, SKIP_OPENSTACK=1"
    exit 0
fi
if ! "$here/preflight.sh" install up; then
    echo "openstack: left out, this machine lacks what is said above"
    exit 0
fi
if [ "$seconds" = install ]; then
    exec "$here/install.sh"
fi
if [ "$seconds" -lt $needed ]; then
    echo "openstack: left out, it wants $needed s and $seconds s are left; make test-openstack runs it"
    exit 0
fi
if [ "$seconds" -ge $needed_for_more ]; then
    scenarios+=("${more[@]}")
fi
status=0
timeout --signal=TERM --kill-after=20 "$seconds" "$here/test.sh" "${scenarios[@]}" || status=$?
if [ $status -eq 124 ]; then
    echo "openstack: broken off after $seconds s, its result is not known; make test-openstack runs it"
    exit 0
fi
exit $status
