#!/bin/bash
# Stops the rig's processes (only those that its pid files name, each checked by
# its start time). --wipe: also removes databases, state, logs.
set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
for s in $(services | tac); do stop "$s" & done; wait
for f in "$RUN"/*.pid; do # others of an earlier OSRIG_COMPUTES
    [ -e "$f" ] || continue
    n=$(basename "$f" .pid)
    case $n in *-own) ;; *) stop "$n" ;; esac
done
if [ "${1:-}" = --wipe ]; then
    rm -rf "$ETC" "$RUN" "$LOG" "$STATE" "$FAULT" "$BASE/openrc" "$BASE/openrc-admin"
fi
