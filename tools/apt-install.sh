#!/usr/bin/env bash
# Installs Debian packages, and waits for its turn if somebody else is installing.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
for attempt in 1 2 3; do
    if apt-get -o DPkg::Lock::Timeout=300 update -qq &&
        apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$@" >/dev/null; then
        exit 0
    fi
    echo "apt-get failed (attempt $attempt)" >&2
    sleep $((attempt * 5))
done
exit 1
