#!/bin/sh
# Verifies a download of consent receipts, offline, with openssl and sha256sum alone.
#   verify_receipts.sh receipts.jsonl receipt-key.pem [SHA-256 of the last receipt you know of]
# Each receipt must be signed by the key, carry the next number, name the hash of the one before and
# belong to the same client and customer. A tail that was cut off shows only against a known last hash.
set -eu
export LC_ALL=C
lines=$1 key=$2 known=${3:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
number=0 owner='' seen=''
previous=$(printf '%064d' 0)
fail() { echo "receipt $number: $1" >&2; exit 1; }
while IFS= read -r line || [ -n "$line" ]; do
  number=$((number + 1))
  printf '%s' "$line" | sed 's/^{"signature":"\([^"]*\)".*$/\1/' | openssl base64 -d -A >"$work/signature"
  printf '%s' "$line" | sed 's/^{"signature":"[^"]*","receipt":\(.*\)}$/\1/' | tr -d '\n' >"$work/receipt"
  openssl dgst -sha256 -verify "$key" -signature "$work/signature" "$work/receipt" >/dev/null 2>&1 ||
    fail 'the signature does not fit'
  grep -q "^{\"format\":\"passerelle-receipt-1\",\"sequence\":$number,\"previous\":\"$previous\"," "$work/receipt" ||
    fail 'it does not follow the one before'
  whose=$(sed 's/^.*"at":"[^"]*","client":"\([^"]*\)","customer":"\([^"]*\)".*$/\1 \2/' "$work/receipt")
  [ "${owner:=$whose}" = "$whose" ] || fail 'it belongs to another chain'
  previous=$(sha256sum <"$work/receipt" | cut -d ' ' -f 1)
  [ "$previous" != "$known" ] || seen=yes
  printf '{"signature":"%s","receipt":' "$(openssl base64 -A <"$work/signature")" >>"$work/again"
  { cat "$work/receipt"; echo '}'; } >>"$work/again"
done <"$lines"
[ "$number" = 0 ] || cmp -s "$lines" "$work/again" || fail 'something stands beside the receipts'
[ -z "$known" ] || [ -n "$seen" ] || fail 'the receipt you know of is missing'
echo "$number receipts, the last one is $previous"
