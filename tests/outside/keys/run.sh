#!/usr/bin/env bash
# Secrets read and messages signed as the functions do it, compared with `moto` (PyPI) and
# `cryptography`. Needs Rust and Python; what it installs goes away at the end.
set -euo pipefail
cd "$(dirname "$0")"
here="$PWD"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  'moto[server,kms,secretsmanager,ssm]==5.1.*' boto3 cryptography

cd "$here/../../.."
# With the features of the whole workspace, so that nothing is built twice.
cargo build --quiet --locked --workspace --example keys
"$work/venv/bin/python" "$here/check.py" "${CARGO_TARGET_DIR:-target}/debug/examples/keys"
