#!/bin/sh
# Makes the certificates of this folder anew: a CA, and a server's for 127.0.0.1 and 127.66.0.1,
# both valid from 2020 to 2120 whatever day it is made on. The CA's key is thrown away.
# Then self-signed ones for the same addresses, with one key: self.pem (marked as an authority, as
# openssl req -x509 makes them), plain.pem (not marked) and self-expired.pem (valid until 2021).
set -e
cd "$(dirname "$0")"
work=$(mktemp -d)
: > "$work/index"
cat > "$work/ca.conf" <<END
[ca]
default_ca = ca
[ca]
unique_subject = no
database = $work/index
new_certs_dir = $work
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
[server]
basicConstraints = CA:FALSE
subjectAltName = IP:127.0.0.1,IP:127.66.0.1
[self]
basicConstraints = critical,CA:TRUE
subjectAltName = IP:127.0.0.1,IP:127.66.0.1
[req]
distinguished_name = name
[name]
END
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1 -out "$1"; }
request() { openssl req -config "$work/ca.conf" -new -key "$1" -subj "/CN=$2" -out "$work/csr"; }
sign() { openssl ca -batch -notext -config "$work/ca.conf" -startdate 20200101000000Z \
    -enddate "${end:-21200101000000Z}" -keyfile "${by:-$work/ca.key}" -in "$work/csr" "$@"; }
key "$work/ca.key"
request "$work/ca.key" "SimpleScaleVM test CA"
sign -selfsign -extensions root -out ca.pem
key server.key
request server.key replica
sign -cert ca.pem -extensions server -out server.pem
key self.key
request self.key "self-signed"
by=self.key
sign -selfsign -extensions self -out self.pem
sign -selfsign -extensions server -out plain.pem
end=20210101000000Z sign -selfsign -extensions self -out self-expired.pem
rm -r "$work"
