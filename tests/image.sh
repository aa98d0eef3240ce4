#!/usr/bin/env bash
# Builds the image with `make build` and runs it against the mock cloud, without Docker and without a registry.
# Usage: tests/image.sh TARGET_DIR MOCK_CLOUD  (as root)
#
# Wants buildah and debootstrap (Debian). The image that the Dockerfile starts from is made here, under the name that
# it asks for: a minimal Debian from a Debian mirror, gcc, and this machine's Rust. It is kept in TARGET_DIR/image-base.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$(realpath "$1") mock_cloud=$(realpath "$2")
fail() { echo "FAILED: $*" >&2; exit 1; }
step() { printf '== %s   [%d s]\n' "$*" $SECONDS; }
[ "$(id -u)" -eq 0 ] || fail "building with chroot isolation needs root"
for program in buildah debootstrap pgrep; do
    command -v $program >/dev/null || fail "$program is not there: apt-get install buildah debootstrap procps"
done

work=$(mktemp -d "$target/image.XXXXXX")
started=()
engine=(buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs)
buildah() { command "${engine[@]}" "$@"; }
export BUILDAH_ISOLATION=chroot BUILDAH_FORMAT=docker
cleanup() {
    kill "${started[@]}" 2>/dev/null || true
    buildah rm --all >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap cleanup EXIT

from=$(sed -nE 's/^FROM ([^ ]+) AS build$/\1/p' Dockerfile)
suite=${from##*-}
base=$target/image-base
step "the base image $from"
if [ ! -e "$base/complete" ]; then
    rm -rf "$base"
    debootstrap --variant=minbase --include=gcc,libc6-dev,ca-certificates "$suite" "$base/root" \
        "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$work/debootstrap.log" || { tail "$work/debootstrap.log"; exit 1; }
    rm -rf "$base"/root/var/cache/apt/archives/*.deb "$base"/root/var/lib/apt/lists/* "$base"/root/usr/share/{doc,locale}/*
    # As in the official image: /usr/local/rustup and /usr/local/cargo. Documentation and sources stay away.
    sysroot=$(rustc --print sysroot)
    name=$(basename "$sysroot")
    mkdir -p "$base/root/usr/local/rustup/toolchains/$name" "$base/root/usr/local/cargo/bin"
    tar -C "$sysroot" --exclude ./share/doc --exclude ./lib/rustlib/src -c . |
        tar -C "$base/root/usr/local/rustup/toolchains/$name" -x
    printf 'default_toolchain = "%s"\nprofile = "minimal"\nversion = "12"\n' "$name" >"$base/root/usr/local/rustup/settings.toml"
    cp "$(command -v rustup)" "$base/root/usr/local/cargo/bin/rustup"
    for proxy in cargo rustc; do ln -s rustup "$base/root/usr/local/cargo/bin/$proxy"; done
    # The authorities that this machine trusts: its way to the registry may need them.
    cp /etc/ssl/certs/ca-certificates.crt "$base/root/etc/ssl/certs/ca-certificates.crt"
    touch "$base/complete"
fi
container=$(buildah from scratch)
buildah add --quiet "$container" "$base/root" / >/dev/null
buildah config --env RUSTUP_HOME=/usr/local/rustup --env CARGO_HOME=/usr/local/cargo \
    --env PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
buildah commit --quiet --rm "$container" "docker.io/library/$from" >/dev/null

step "make build"
version=$(sed -nE 's/^version = "([^"]+)"$/\1/p' Cargo.toml | head -n 1)
make --no-print-directory build ENGINE="${engine[*]}" VERSION="$version" PROVIDER=openstack
image=renater/simplescalevm:openstack-$version

step "what the image is"
container=$(buildah from "$image")
mounted=$(buildah mount "$container")
files=$(cd "$mounted" && find . -type f -printf '%P %s\n')
echo "files: $files bytes"
[ "$(cut -d ' ' -f 1 <<<"$files")" = simplescalevm ] || fail "it holds more than the program"
buildah push --quiet "$image" "docker-archive:$work/image.tar" >/dev/null
echo "size: $(stat -c %s "$mounted/simplescalevm") bytes; as an archive $(stat -c %s "$work/image.tar"), compressed $(gzip -c "$work/image.tar" | wc -c)"
config() { buildah inspect --type image --format "{{$1}}" "$image"; }
expect() { [ "$2" = "$3" ] || fail "$1 is $2, not $3"; }
expect User "$(config .Docker.Config.User)" 65534:65534
expect Entrypoint "$(config .Docker.Config.Entrypoint)" '[/simplescalevm]'
expect Healthcheck "$(config .Docker.Config.Healthcheck.Test)" '[CMD /simplescalevm healthcheck]'
expect StopSignal "$(config .Docker.Config.StopSignal)" SIGTERM
expect Version "$(config '(index .Docker.Config.Labels "org.opencontainers.image.version")')" "$version"

step "its run"
"$mock_cloud" --port 0 --replica-port 0 --build-time 0.2 --boot-time 0.2 >"$work/openrc" &
started+=($!)
for _ in $(seq 100); do
    grep -q 'control API' "$work/openrc" && break
    sleep 0.1
done
settings=()
while IFS= read -r setting; do settings+=(--env "$setting"); done < <(
    set -a
    # shellcheck disable=SC1091
    . "$work/openrc"
    # shellcheck disable=SC2034
    APP_HOST=127.0.0.1 APP_PORT=$((20000 + RANDOM % 10000)) SCALING_INTERVAL=1 PROBE_INTERVAL=0.5
    env | grep -E '^(OS|OPENSTACK|REPLICA|APP|SCALING|PROBE)_'
)
run=(command "${engine[@]}" run "${settings[@]}" "$container" /simplescalevm)
"${run[@]}" --version
"${run[@]}" check
"${run[@]}" >"$work/log" 2>&1 &
runner=$!
started+=("$runner")
for _ in $(seq 150); do
    [ "$(grep -c 'serving' "$work/log" || true)" -ge 3 ] && break
    sleep 0.1
done
"${run[@]}" healthcheck || { cat "$work/log"; fail "healthcheck"; }
# The program itself, below buildah's own processes.
daemon=$runner
while below=$(pgrep --parent "$daemon" | head -n 1) && [ -n "$below" ]; do daemon=$below; done
echo "user: $(awk '/^Uid/ { print $2 }' "/proc/$daemon/status"), threads: $(awk '/^Threads/ { print $2 }' "/proc/$daemon/status"), memory: $(awk '/^VmRSS/ { print $2, $3 }' "/proc/$daemon/status")"
[ "$(awk '/^Uid/ { print $2 }' "/proc/$daemon/status")" = 65534 ] || fail "it does not run as 65534"
kill -TERM "$daemon"
status=0
wait "$runner" || status=$?
cat "$work/log"
[ "$status" -eq 0 ] || fail "it ended with $status"
[ "$(grep -c 'serving' "$work/log")" -ge 3 ] || fail "its replicas do not serve"
if "${run[@]}" healthcheck; then fail "healthcheck is content with nobody"; fi
step "the image is built, runs and is well"
