#!/usr/bin/env bash
# Runs the image with .env, in the background, as the container "simplescalevm".
# Usage: tools/start-docker.sh IMAGE     or, only to look at .env: tools/start-docker.sh --check
#
# `docker run --env-file` takes what follows the first `=` as it stands: quotes, comments behind a value and
# ${NAME} become part of it. The daemon, like the reference, reads them as a shell would. A file that means
# two things is refused here rather than let a password be wrong in the container only.
set -euo pipefail
cd "$(dirname "$0")/.."
file=.env

differs=$(awk -v quote="'" '
    /^[ \t]*(#|$)/ { next }
    {
        name = $0; sub(/=.*/, "", name)
        value = $0; if (!sub(/^[^=]*=/, "", value)) next
        why = ""
        first = substr(value, 1, 1)
        if (name ~ /[ \t]/) why = "a blank or \"export\" before the ="
        else if (first == "\"" || first == quote) why = "a value in quotes"
        else if (value ~ /(^[ \t])|([ \t]$)/) why = "a blank at either end of the value"
        else if (value ~ /[ \t]#/) why = "a # after a blank"
        else if (value ~ /\$\{/) why = "${...}"
        if (why != "") { sub(/^[ \t]*(export[ \t]+)?/, "", name); printf "  line %d, %s: %s\n", NR, name, why }
    }' "$file")
if [ -n "$differs" ]; then
    {
        echo "$file means one thing to the daemon and another to the container engine:"
        echo "$differs"
        echo "Write NAME=value without quotes; blanks, #, \" and \$ inside a value need none."
    } >&2
    exit 1
fi
[ "$1" != --check ] || exit 0

image=$1
engine=${ENGINE:-docker}
setting() { sed -n "s/^$1=//p" "$file" | tail -n 1; }

# The daemon listens on all addresses of its container; APP_HOST says which of this machine lead there.
host=$(setting APP_HOST)
port=$(setting APP_PORT)
port=${port:-8000}
case "$host" in
    '' | 0.0.0.0 | ::) publish=$port:$port ;;
    localhost) publish=127.0.0.1:$port:$port ;;
    *:*) publish="[$host]:$port:$port" ;;
    *) publish=$host:$port:$port ;;
esac
options=(--publish "$publish" --env APP_HOST=0.0.0.0)

# Files that settings name are not in the image.
for name in OPENSTACK_CLOUD_INIT_FILE OPENSTACK_SCALED_CLOUD_INIT_FILE OS_CACERT SSL_CERT_FILE \
    REPLICA_API_CA_FILE OS_CLIENT_CONFIG_FILE OS_CLIENT_SECURE_FILE; do
    path=$(setting "$name")
    [ -n "$path" ] || continue
    [ -f "$path" ] || { echo "$name: there is no file $path" >&2; exit 1; }
    inside=/settings/$name/$(basename "$path")
    options+=(--volume "$(realpath "$path"):$inside:ro" --env "$name=$inside")
done

# One daemon per pool: the former one ends first, and is given the time to finish its request.
if "$engine" inspect simplescalevm >/dev/null 2>&1; then
    "$engine" stop simplescalevm
    "$engine" rm simplescalevm
fi
"$engine" run --detach --name simplescalevm --hostname simplescalevm --restart unless-stopped \
    --read-only --cap-drop ALL --security-opt no-new-privileges --ulimit core=0 --stop-timeout 60 \
    --env-file "$file" "${options[@]}" "$image"
