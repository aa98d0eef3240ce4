#!/usr/bin/env bash
# Makes TARGET_DIR/deb/simplescalevm_VERSION_ARCHITECTURE.deb of the static program.  Usage: deploy/deb.sh TARGET_DIR
#
# Wants the static program (make static) and dpkg-deb; needs no root.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$1
program=$target/static/simplescalevm
[ -x "$program" ] || { echo "There is no $program: run make static first." >&2; exit 1; }
version=$("$program" --version | cut -d ' ' -f 2)
case $(uname -m) in
    x86_64) architecture=amd64 ;;
    aarch64) architecture=arm64 ;;
    *) architecture=$(dpkg --print-architecture) ;;
esac
# The same input gives the same package: no time of today is in it.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.toml)}

root=$target/deb/root
rm -rf "$target/deb"
mkdir -p "$root/DEBIAN"
put() { install -D --mode "$1" "$2" "$root/$3"; }
zip() { gzip --best --no-name --stdout "$1" >"$2"; }

put 755 "$program" usr/bin/simplescalevm
put 644 deploy/systemd/simplescalevm.service usr/lib/systemd/system/simplescalevm.service
# One daemon per pool: the same service, with the settings of its instance.
sed -e 's|^Description=.*|& (%i)|' -e 's|/etc/simplescalevm/simplescalevm\.env|/etc/simplescalevm/%i.env|' \
    deploy/systemd/simplescalevm.service >"$root/usr/lib/systemd/system/simplescalevm@.service"
chmod 644 "$root/usr/lib/systemd/system/simplescalevm@.service"
put 644 deploy/completions/simplescalevm.bash usr/share/bash-completion/completions/simplescalevm
put 644 deploy/completions/_simplescalevm usr/share/zsh/vendor-completions/_simplescalevm
put 644 deploy/completions/simplescalevm.fish usr/share/fish/vendor_completions.d/simplescalevm.fish
install -d "$root/usr/share/man/man8"
zip deploy/simplescalevm.8 "$root/usr/share/man/man8/simplescalevm.8.gz"

doc=usr/share/doc/simplescalevm
put 644 deploy/debian/copyright $doc/copyright
put 644 README.md $doc/README.md
put 644 CHANGELOG.md $doc/CHANGELOG.md
changelog() {
    printf 'simplescalevm (%s) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n' "$version"
    printf ' -- SimpleScaleVM maintainers <simplescalevm@users.noreply.github.com>  %s\n' "$(LC_ALL=C date --utc --date "@$SOURCE_DATE_EPOCH" '+%a, %d %b %Y %T +0000')"
}
changelog | gzip --best --no-name >"$root/$doc/changelog.gz"
put 644 deploy/debian/lintian-overrides usr/share/lintian/overrides/simplescalevm
# In folders as here, so that the links between them lead somewhere.
for page in docs/status-api.md docs/manual/*.md; do put 644 "$page" "$doc/$page"; done
for file in docs/manual/examples/*; do put 755 "$file" "$doc/$file"; done
for file in deploy/prometheus/*.rules.yml deploy/grafana/*.json; do
    [ ! -f "$file" ] || put 644 "$file" "$doc/$file"
done

# The settings: those of .env.example, without what the service has no use for.
install -d --mode 750 "$root/etc/simplescalevm"
awk '/^### / { skip = /Container image|Mock replica/ } /^$/ { blank = 1; next }
    !skip { if (blank && NR > 1) print ""; print } { blank = 0 }' .env.example |
    sed -e 's/^# Settings of SimpleScaleVM.*/# Settings of the service simplescalevm. Fill in the login, then:/' \
        -e 's/^# SimpleScaleVM and `docker run --env-file`.*/#   simplescalevm --env-file \/etc\/simplescalevm\/simplescalevm.env check/' \
        -e 's/^# the same; a blank needs none\. What stands/#   systemctl enable --now simplescalevm\n#\n# Values need no quotes. What stands/' \
        >"$root/etc/simplescalevm/simplescalevm.env"
chmod 640 "$root/etc/simplescalevm/simplescalevm.env"
echo /etc/simplescalevm/simplescalevm.env >"$root/DEBIAN/conffiles"

for script in postinst prerm postrm; do put 755 "deploy/debian/$script" "DEBIAN/$script"; done
size=$(du --summarize --apparent-size --block-size 1024 --exclude DEBIAN "$root" | cut -f 1)
sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@SIZE@/$size/" \
    deploy/debian/control.in >"$root/DEBIAN/control"
(cd "$root" && find usr -type f -exec md5sum {} + | sort -k 2 >DEBIAN/md5sums)
find "$root" -type d ! -path '*/etc/simplescalevm' -exec chmod 755 {} +
find "$root" -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +
package=$target/deb/simplescalevm_${version}_$architecture.deb
dpkg-deb --root-owner-group --uniform-compression -Zxz --build "$root" "$package" >/dev/null
echo "$package: $(stat -c %s "$package") bytes"
