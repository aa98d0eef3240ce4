#!/usr/bin/env bash
# tools/apt-install.sh waits for the lock of another apt instead of failing. Wants root and Debian.
set -euo pipefail
cd "$(dirname "$0")/.."
python3 - <<'PY'
import fcntl, subprocess, sys, time
lock = open("/var/lib/dpkg/lock-frontend", "w")
fcntl.lockf(lock, fcntl.LOCK_EX)
child = subprocess.Popen(["tools/apt-install.sh", "make"])
time.sleep(12)
early = child.poll()
fcntl.lockf(lock, fcntl.LOCK_UN)
status = child.wait(timeout=600)
if early is not None or status != 0:
    sys.exit(f"with the lock held: {early}; after it was freed: {status}")
print("apt-install.sh waited for the lock, then installed")
PY
