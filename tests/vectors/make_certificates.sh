#!/bin/sh
# Makes certificates.json with the openssl of the system: certificates, and the public keys in them.
# usage: tests/vectors/make_certificates.sh >tests/vectors/certificates.json
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# A JSON string of a PEM file.
text() { printf '"%s"' "$(awk '{ printf "%s\\n", $0 }' "$1")"; }

certificate() {
    name=$1
    shift
    openssl genpkey "$@" -out "$dir/key" 2>/dev/null
    openssl req -x509 -new -key "$dir/key" -subj "/CN=$name" -days 1 -out "$dir/certificate"
    openssl pkey -in "$dir/key" -pubout -out "$dir/public"
    printf '  "%s": {"certificate": %s, "public": %s}' "$name" "$(text "$dir/certificate")" "$(text "$dir/public")"
}

printf '{\n'
certificate rsa -algorithm RSA -pkeyopt rsa_keygen_bits:2048
printf ',\n'
certificate rsa_other -algorithm RSA -pkeyopt rsa_keygen_bits:2048
printf ',\n'
certificate rsa_1024 -algorithm RSA -pkeyopt rsa_keygen_bits:1024
printf ',\n'
certificate rsa_pss -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048
printf ',\n'
certificate p256 -algorithm EC -pkeyopt ec_paramgen_curve:P-256
printf ',\n'
certificate ed25519 -algorithm Ed25519
printf '\n}\n'
