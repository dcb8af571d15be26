// Verifies the signed requests of standard input, one JSON object per line, with the npm package
// `http-signature` and Node's own hashes: node verify.cjs certificate.pem < requests.jsonl
'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');
const httpSignature = require('http-signature');

const certificate = new crypto.X509Certificate(fs.readFileSync(process.argv[2]));
const publicKey = certificate.publicKey.export({ type: 'spki', format: 'pem' });
const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
const url = 'https://aisp.example/qseal.cer';

// What each institution's bank insists on, written from its documentation and not from our profiles.
const banks = {
  'sandbox-bank': {
    signed: ['digest', 'x-request-id'],
    keyId: (keyId) => keyId.startsWith(`SN=${certificate.serialNumber.replace(/^(00)+/, '')},CA=`),
  },
  'sandbox-bank-explicit': {
    signed: ['(request-target)', 'date', 'digest', 'x-request-id'],
    digest: '512',
    keyId: (keyId) => keyId.startsWith(`SN=${certificate.serialNumber.replace(/^(00)+/, '')},CA=`),
  },
  'sandbox-bank-stet': {
    signed: ['host', 'date', 'x-request-id'],
    unsigned: ['authorization'],
    keyId: (keyId) => keyId === url,
  },
  'sandbox-bank-stet-a2': {
    signed: ['(request-target)', 'date', 'digest', 'x-request-id', 'psu-ip-address'],
    unsigned: ['authorization'],
    keyId: (keyId) => keyId === `${url}_${fingerprint}`,
  },
};

// Whether the package takes the request, or why not.
function refusal({ institution, request }) {
  const bank = banks[institution];
  let parsed;
  try {
    parsed = httpSignature.parseRequest(
      { method: request.method, url: request.url, httpVersion: '1.1', headers: request.headers },
      { authorizationHeaderName: 'signature', headers: bank.signed },
    );
  } catch (error) {
    return error.message;
  }
  if (!httpSignature.verifySignature(parsed, publicKey)) return 'the signature does not verify';
  if (!bank.keyId(parsed.params.keyId)) return `keyId ${parsed.params.keyId}`;
  const over = (bank.unsigned ?? []).find((name) => parsed.params.headers.includes(name));
  if (over) return `${over} is signed`;
  const [, algorithm, digest] = /^SHA-(256|512)=(.*)$/.exec(request.headers.digest ?? '') ?? [];
  if (request.body && !algorithm) return 'a body without a digest';
  if (bank.digest && algorithm !== bank.digest) return `digest SHA-${algorithm}`;
  if (algorithm) {
    const own = crypto.createHash(`sha${algorithm}`).update(request.body).digest('base64');
    if (own !== digest) return 'the digest is not the body\'s';
  }
  return null;
}

// Each change on the way must be noticed wherever it can be.
function* changes(signed) {
  const change = (edit) => {
    const copy = structuredClone(signed);
    edit(copy.request);
    return copy;
  };
  const names = /headers="([^"]*)"/.exec(signed.request.headers.signature)[1].split(' ');
  for (const name of names) {
    if (name === '(request-target)') {
      yield ['the address', change((request) => { request.url += '?page=2'; })];
      yield ['the method', change((request) => { request.method = 'DELETE'; })];
    } else if (name === 'date') {
      const later = new Date(Date.now() + 60000).toUTCString();
      yield [name, change((request) => { request.headers.date = later; })];
    } else {
      yield [name, change((request) => { request.headers[name] += 'x'; })];
    }
    if (name !== '(request-target)') {
      yield [`${name} removed`, change((request) => { delete request.headers[name]; })];
    }
  }
  if (signed.request.body) {
    yield ['the body', change((request) => { request.body += ' '; })];
  }
  yield ['no signature', change((request) => { delete request.headers.signature; })];
}

const lines = fs.readFileSync(0, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
const seen = new Set();
let failures = 0;
let noticed = 0;
for (const line of lines) {
  const what = `${line.institution}: ${line.request.method} ${line.request.url}`;
  if (!line.request.headers.signature) continue; // A token request: banks want the certificate only.
  seen.add(line.institution);
  const why = refusal(line);
  if (why) {
    failures += 1;
    console.error(`REFUSED ${what}: ${why}`);
  } else {
    console.log(`verified ${what}`);
  }
  for (const [name, changed] of changes(line)) {
    if (refusal(changed)) {
      noticed += 1;
    } else {
      failures += 1;
      console.error(`NOT NOTICED ${what}: ${name}`);
    }
  }
}
const missing = Object.keys(banks).filter((name) => !seen.has(name));
if (missing.length > 0) {
  failures += 1;
  console.error(`no signed request of ${missing.join(', ')}`);
}
console.log(`${noticed} changes noticed, ${failures} failures`);
process.exit(failures === 0 ? 0 : 1);
