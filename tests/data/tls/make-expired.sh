#!/bin/sh
# Makes the expired server's certificate of this folder anew, and the CA that it is from, which is valid from 2020 to
# 2120. The CA's key is thrown away.
set -e
cd "$(dirname "$0")"
work=$(mktemp -d)
: > "$work/index"
cat > "$work/ca.conf" <<END
[ca]
default_ca = ca
[ca]
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
[req]
distinguished_name = name
[name]
END
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1 -out "$1"; }
request() { openssl req -config "$work/ca.conf" -new -key "$1" -subj "/CN=$2" -out "$work/csr"; }
sign() { openssl ca -batch -notext -config "$work/ca.conf" -startdate 20200101000000Z \
    -enddate "$end" -keyfile "$work/ca.key" -in "$work/csr" "$@"; }
end=21200101000000Z
key "$work/ca.key"
request "$work/ca.key" "SimpleScaleVM test CA of what has expired"
sign -selfsign -extensions root -out expired-ca.pem
end=20210101000000Z
key expired.key
request expired.key expired
sign -cert expired-ca.pem -extensions server -out expired.pem
rm -r "$work"
