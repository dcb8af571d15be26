//! Draft-cavage signatures, as a bank checks them: which headers, whose key, which bytes, how old.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use ring::digest;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::tls::authority::TestAuthority;

/// How far a signed date may be from the bank's clock.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// What authorities sign certificates with.
const CERTIFICATE_ALGORITHMS: [&dyn SignatureVerificationAlgorithm; 2] = [
    webpki::ring::ECDSA_P256_SHA256,
    webpki::ring::RSA_PKCS1_2048_8192_SHA256,
];

/// What a façade wants signed; each is met at real banks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavour {
    /// Digest and request id, certificate in a header, named by serial number and issuer.
    BerlinGroup,
    /// Host, date and request id; the token must not be signed. The certificate is at an address.
    HostAndDate,
    /// Method and address, digest always, date, everything about the person. The address of the
    /// certificate ends with its fingerprint.
    TargetAndPerson,
}

/// Why a call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SignatureFault {
    CertificateMissing,
    CertificateInvalid,
    SignatureMissing,
    SignatureInvalid(&'static str),
    Date,
    Unreadable,
}

impl SignatureFault {
    /// The Berlin Group code and what to say with it.
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::CertificateMissing => ("CERTIFICATE_MISSING", "a client certificate is demanded"),
            Self::CertificateInvalid => (
                "CERTIFICATE_INVALID",
                "the certificate is unknown, over, or another third party's",
            ),
            Self::SignatureMissing => ("SIGNATURE_MISSING", "the request is not signed"),
            Self::SignatureInvalid(text) => ("SIGNATURE_INVALID", text),
            Self::Date => (
                "TIMESTAMP_INVALID",
                "the date is more than five minutes away",
            ),
            Self::Unreadable => ("FORMAT_ERROR", "the body cannot be read"),
        }
    }
}

/// The parts of a `Signature` header.
struct Claimed {
    key_id: String,
    algorithm: String,
    headers: Vec<String>,
    signature: Vec<u8>,
}

impl Claimed {
    fn read(headers: &HeaderMap) -> Result<Self, SignatureFault> {
        let malformed = SignatureFault::SignatureInvalid("the Signature header is malformed");
        let text = text(headers, "signature").ok_or(SignatureFault::SignatureMissing)?;
        let mut parts: BTreeMap<&str, &str> = BTreeMap::new();
        let mut rest = text;
        while let Some((name, after)) = rest.split_once("=\"") {
            let (value, next) = after.split_once('"').ok_or(malformed)?;
            parts.insert(name.trim_start_matches(',').trim(), value);
            rest = next;
        }
        let part = |name: &str| parts.get(name).copied().ok_or(malformed);
        Ok(Self {
            key_id: part("keyId")?.to_owned(),
            algorithm: part("algorithm")?.to_owned(),
            headers: part("headers")?.split(' ').map(str::to_owned).collect(),
            signature: STANDARD.decode(part("signature")?).map_err(|_| malformed)?,
        })
    }

    fn covers(&self, name: &str) -> bool {
        self.headers.iter().any(|header| header == name)
    }
}

/// Checks a call from its head to its bytes, and answers whose signature it is.
pub(super) fn check(
    flavour: Flavour,
    head: &Parts,
    body: &[u8],
    authority: &TestAuthority,
    now: Timestamp,
) -> Result<CertificateDer<'static>, SignatureFault> {
    let claimed = Claimed::read(&head.headers)?;
    check_coverage(flavour, head, body, &claimed)?;
    check_digest(&head.headers, body)?;
    let text = signing_text(head, &claimed)?;
    let algorithm: &dyn SignatureVerificationAlgorithm = match claimed.algorithm.as_str() {
        "rsa-sha256" => webpki::ring::RSA_PKCS1_2048_8192_SHA256,
        "rsa-sha512" => webpki::ring::RSA_PKCS1_2048_8192_SHA512,
        _ => return Err(SignatureFault::SignatureInvalid("an unknown algorithm")),
    };
    let candidates = candidates(flavour, &head.headers, &claimed, authority)?;
    let signers: Vec<_> = candidates
        .into_iter()
        .filter(|der| {
            EndEntityCert::try_from(der).is_ok_and(|certificate| {
                certificate
                    .verify_signature(algorithm, text.as_bytes(), &claimed.signature)
                    .is_ok()
            })
        })
        .collect();
    if signers.is_empty() {
        return Err(SignatureFault::SignatureInvalid(
            "the signature does not verify",
        ));
    }
    // In their time and the authority's, now that it is known who signed.
    let signer = signers
        .into_iter()
        .find(|der| is_trusted(der, authority, now))
        .ok_or(SignatureFault::CertificateInvalid)?;
    check_date(&head.headers, &claimed, now)?;
    Ok(signer)
}

fn check_coverage(
    flavour: Flavour,
    head: &Parts,
    body: &[u8],
    claimed: &Claimed,
) -> Result<(), SignatureFault> {
    let (always, when_present): (&[&str], &[&str]) = match flavour {
        Flavour::BerlinGroup => (
            &["digest", "x-request-id"],
            &["psu-id", "psu-corporate-id", "tpp-redirect-uri"],
        ),
        Flavour::HostAndDate => (&["host", "date", "x-request-id"], &[]),
        Flavour::TargetAndPerson => (
            &["(request-target)", "digest", "date"],
            &["content-type", "content-length"],
        ),
    };
    let person: Vec<&str> = match flavour {
        Flavour::TargetAndPerson => head
            .headers
            .keys()
            .map(axum::http::HeaderName::as_str)
            .filter(|name| name.starts_with("psu-"))
            .collect(),
        _ => Vec::new(),
    };
    let with_body: &[&str] = match flavour {
        Flavour::HostAndDate if !body.is_empty() => &["content-type", "digest"],
        _ => &[],
    };
    let present = when_present
        .iter()
        .filter(|name| head.headers.contains_key(**name));
    let demanded = always.iter().chain(with_body).chain(present).chain(&person);
    for name in demanded {
        if !claimed.covers(name) {
            return Err(SignatureFault::SignatureInvalid(
                "a header that must be signed is not",
            ));
        }
    }
    if flavour == Flavour::HostAndDate && claimed.covers("authorization") {
        return Err(SignatureFault::SignatureInvalid(
            "the token must not be signed",
        ));
    }
    Ok(())
}

/// The bytes are the ones that were digested.
fn check_digest(headers: &HeaderMap, body: &[u8]) -> Result<(), SignatureFault> {
    let wrong = SignatureFault::SignatureInvalid("the digest is not the body's");
    let Some(claimed) = text(headers, "digest") else {
        return if body.is_empty() { Ok(()) } else { Err(wrong) };
    };
    let (name, value) = claimed.split_once('=').ok_or(wrong)?;
    let algorithm = match name {
        "SHA-256" => &digest::SHA256,
        "SHA-512" => &digest::SHA512,
        _ => return Err(wrong),
    };
    if STANDARD.encode(digest::digest(algorithm, body)) == value {
        Ok(())
    } else {
        Err(wrong)
    }
}

fn signing_text(head: &Parts, claimed: &Claimed) -> Result<String, SignatureFault> {
    let absent = SignatureFault::SignatureInvalid("a signed header is not there");
    let lines: Result<Vec<String>, _> = claimed
        .headers
        .iter()
        .map(|name| {
            if name == "(request-target)" {
                let method = head.method.as_str().to_lowercase();
                let target = head
                    .uri
                    .path_and_query()
                    .map_or("/", |target| target.as_str());
                return Ok(format!("{name}: {method} {target}"));
            }
            text(&head.headers, name)
                .map(|value| format!("{name}: {value}"))
                .ok_or(absent)
        })
        .collect();
    Ok(lines?.join("\n"))
}

/// The certificates the signature may be of. A real bank downloads what an address names; this one
/// knows what its authority issued, and goes nowhere.
fn candidates(
    flavour: Flavour,
    headers: &HeaderMap,
    claimed: &Claimed,
    authority: &TestAuthority,
) -> Result<Vec<CertificateDer<'static>>, SignatureFault> {
    let fingerprint = |der: &CertificateDer<'_>| hex::encode(digest::digest(&digest::SHA256, der));
    match flavour {
        Flavour::BerlinGroup => {
            let encoded = text(headers, "tpp-signature-certificate")
                .ok_or(SignatureFault::CertificateMissing)?;
            let der = STANDARD
                .decode(encoded)
                .map(CertificateDer::from)
                .map_err(|_| SignatureFault::CertificateInvalid)?;
            let serial = EndEntityCert::try_from(&der)
                .map(|certificate| hex::encode_upper(certificate.serial()))
                .map_err(|_| SignatureFault::CertificateInvalid)?;
            let named = claimed
                .key_id
                .strip_prefix("SN=")
                .and_then(|rest| rest.split_once(",CA="))
                .is_some_and(|(number, issuer)| {
                    number == serial.trim_start_matches("00") && !issuer.is_empty()
                });
            if !named {
                return Err(SignatureFault::SignatureInvalid(
                    "keyId does not name the certificate",
                ));
            }
            Ok(vec![der])
        }
        Flavour::HostAndDate if claimed.key_id.starts_with("http") => Ok(authority.seals()),
        Flavour::TargetAndPerson => {
            let seals = authority.seals().into_iter();
            Ok(seals
                .filter(|der| claimed.key_id.ends_with(&format!("_{}", fingerprint(der))))
                .collect())
        }
        Flavour::HostAndDate => Err(SignatureFault::SignatureInvalid("keyId is no address")),
    }
}

fn is_trusted(der: &CertificateDer<'_>, authority: &TestAuthority, now: Timestamp) -> bool {
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let anchor: Option<TrustAnchor<'_>> = anchor_from_trusted_cert(authority.der()).ok();
    let anchors: Vec<TrustAnchor<'_>> = anchor.into_iter().collect();
    EndEntityCert::try_from(der).is_ok_and(|certificate| {
        certificate
            .verify_for_usage(
                &CERTIFICATE_ALGORITHMS,
                &anchors,
                &[],
                time,
                KeyUsage::client_auth(),
                None,
                None,
            )
            .is_ok()
    })
}

fn check_date(
    headers: &HeaderMap,
    claimed: &Claimed,
    now: Timestamp,
) -> Result<(), SignatureFault> {
    if !claimed.covers("date") {
        return Ok(());
    }
    let date = text(headers, "date")
        .and_then(|text| rfc2822::DateTimeParser::new().parse_timestamp(text).ok())
        .ok_or(SignatureFault::Date)?;
    if now.duration_since(date).abs() > TOLERANCE {
        return Err(SignatureFault::Date);
    }
    Ok(())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
