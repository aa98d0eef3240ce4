#!/usr/bin/env bash
# The page in a headless Chromium. BROWSER_PICTURES=DIR keeps pictures of it there.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v chromium >/dev/null || ! command -v chromedriver >/dev/null; then
    echo "not there: chromium, chromedriver; installing Debian's"
    tools/apt-install.sh chromium chromium-driver fonts-dejavu-core
fi
exec "${CARGO:-cargo}" test --locked --package simplescalevm --test browser -- --ignored --test-threads 2
