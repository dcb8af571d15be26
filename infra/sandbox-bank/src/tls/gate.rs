//! What the strict bank demands before a façade hears of a call, and how each refuses.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rustls_pki_types::CertificateDer;
use serde_json::json;
use url::form_urlencoded;
use x509_cert::der::Decode;
use x509_cert::der::asn1::Utf8StringRef;
use x509_cert::der::oid::ObjectIdentifier;

use crate::bank::Bank;
use crate::consent::ThirdParty;
use crate::tls::authority::TestAuthority;
use crate::tls::listener::Presented;
use crate::tls::signature::{Flavour, SignatureFault, check};

/// The most a third party sends.
const MAX_BODY: usize = 64 * 1024;

/// `organizationIdentifier`.
const ORGANISATION_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.97");

/// What the gate knows.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) bank: Arc<Bank>,
    pub(super) authority: Arc<TestAuthority>,
}

/// Who an address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Browsers.
    Page,
    /// Third parties: tokens. A certificate, no signature.
    Tokens,
    /// Third parties: account data and consents. A certificate and a signature.
    Data(Flavour),
}

fn side(path: &str) -> Side {
    let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match segments.as_slice() {
        // The aggregator knows its clients by a secret, as real ones do.
        ["powens", ..] | ["stet", _, "authorize"] => Side::Page,
        [.., "token" | "revoke"] => Side::Tokens,
        ["stet", "v1.4", ..] => Side::Data(Flavour::HostAndDate),
        ["stet", ..] => Side::Data(Flavour::TargetAndPerson),
        all if is_data_of_berlin(all) => Side::Data(Flavour::BerlinGroup),
        _ => Side::Page,
    }
}

/// Whether a path goes through `v1/{resource}`, wherever the façade is mounted.
fn is_data_of_berlin(segments: &[&str]) -> bool {
    segments
        .windows(2)
        .any(|pair| matches!(pair, ["v1", "consents" | "accounts" | "card-accounts"]))
}

/// Lets a call through that is as it must be.
pub(super) async fn pass(
    State(gate): State<Arc<Gate>>,
    ConnectInfo(Presented(certificate)): ConnectInfo<Presented>,
    request: Request,
    next: Next,
) -> Response {
    let side = side(request.uri().path());
    if side == Side::Page {
        return next.run(request).await;
    }
    let examined = gate.examine(side, certificate.as_ref(), request).await;
    match examined {
        Ok(request) => next.run(request).await,
        Err(fault) => refuse(side, fault),
    }
}

impl Gate {
    async fn examine(
        &self,
        side: Side,
        certificate: Option<&CertificateDer<'static>>,
        request: Request,
    ) -> Result<Request, SignatureFault> {
        let certificate = certificate.ok_or(SignatureFault::CertificateMissing)?;
        let third_party = organisation(certificate).ok_or(SignatureFault::CertificateInvalid)?;
        let (head, body) = request.into_parts();
        let body = to_bytes(body, MAX_BODY)
            .await
            .map_err(|_| SignatureFault::Unreadable)?;
        let third_party = ThirdParty(third_party);
        match side {
            Side::Page => {}
            Side::Tokens => {
                let mut form = form_urlencoded::parse(&body);
                let claimed = form.find(|(name, _)| name == "client_id");
                if claimed.is_none_or(|(_, value)| value != third_party.0) {
                    return Err(SignatureFault::CertificateInvalid);
                }
            }
            Side::Data(flavour) => {
                let signer = check(flavour, &head, &body, &self.authority, self.bank.now())?;
                if organisation(&signer).as_ref() != Some(&third_party.0) {
                    return Err(SignatureFault::CertificateInvalid);
                }
            }
        }
        let mut request = Request::from_parts(head, Body::from(body));
        request.extensions_mut().insert(third_party);
        Ok(request)
    }
}

/// Who a certificate was issued to.
fn organisation(certificate: &CertificateDer<'_>) -> Option<String> {
    let read = x509_cert::Certificate::from_der(certificate).ok()?;
    let subject = read.tbs_certificate.subject;
    subject
        .0
        .iter()
        .flat_map(|part| part.0.iter())
        .find(|attribute| attribute.oid == ORGANISATION_IDENTIFIER)
        .and_then(|attribute| attribute.value.decode_as::<Utf8StringRef<'_>>().ok())
        .map(|text| text.as_str().to_owned())
}

/// Each standard's own words.
fn refuse(side: Side, fault: SignatureFault) -> Response {
    let (code, text) = fault.words();
    let status = match fault {
        SignatureFault::Date | SignatureFault::Unreadable => StatusCode::BAD_REQUEST,
        _ => StatusCode::UNAUTHORIZED,
    };
    let document = match side {
        Side::Tokens => json!({"error": "invalid_client", "error_description": text}),
        Side::Data(Flavour::BerlinGroup) | Side::Page => {
            json!({"tppMessages": [{"category": "ERROR", "code": code, "text": text}]})
        }
        Side::Data(_) => json!({"status": status.as_u16(), "error": code, "message": text}),
    };
    (status, Json(document)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_for_everybody_and_data_for_third_parties() {
        for (path, expected) in [
            ("/", Side::Page),
            ("/authorize", Side::Page),
            ("/login/abc", Side::Page),
            ("/.well-known/oauth-authorization-server", Side::Page),
            ("/stet/v1.4/authorize", Side::Page),
            ("/powens/2.0/auth/token/access", Side::Page),
            ("/token", Side::Tokens),
            ("/stet/v1.6/token", Side::Tokens),
            ("/stet/v1.6/revoke", Side::Tokens),
            ("/v1/consents", Side::Data(Flavour::BerlinGroup)),
            (
                "/v1/accounts/a/transactions",
                Side::Data(Flavour::BerlinGroup),
            ),
            (
                "/decoupled/v1/consents/c/status",
                Side::Data(Flavour::BerlinGroup),
            ),
            ("/stet/v1.4/accounts", Side::Data(Flavour::HostAndDate)),
            ("/stet/v1.6/consents", Side::Data(Flavour::TargetAndPerson)),
        ] {
            assert_eq!(side(path), expected, "{path}");
        }
    }
}
