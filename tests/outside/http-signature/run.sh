#!/usr/bin/env bash
# Our signatures, verified by the npm package `http-signature`. Needs Rust, Node and openssl; what it
# installs goes into the folder given, or into one that goes away at the end.
set -euo pipefail
cd "$(dirname "$0")"
here="$PWD"

for tool in node npm openssl; do
  command -v "$tool" >/dev/null || { echo "$tool is not installed: signatures are not checked"; exit 0; }
done

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
tools="${1:-$work}"

[ -d "$tools/node_modules/http-signature" ] ||
  npm install --silent --no-audit --no-fund --prefix "$tools" http-signature@1.4.0

openssl req -x509 -newkey rsa:2048 -nodes -days 2 -sha256 \
  -subj '/C=FR/O=Example Mutual/organizationIdentifier=PSDFR-ACPR-12345/CN=QSealC "test"' \
  -keyout "$work/key.pem" -out "$work/certificate.pem" 2>/dev/null
cat "$work/certificate.pem" "$work/key.pem" >"$work/qseal.pem"

cd "$here/../../.."
# With the features of the whole workspace, so that nothing is built twice.
cargo build --quiet --locked --workspace --example signed_requests
"${CARGO_TARGET_DIR:-target}/debug/examples/signed_requests" "$work/qseal.pem" >"$work/requests.jsonl"

NODE_PATH="$tools/node_modules" node "$here/verify.cjs" "$work/certificate.pem" <"$work/requests.jsonl"
