//! Signed requests, changed on their way: the bank notices each change.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode};
use passerelle_banks::OpenToken;
use url::Url;

use crate::sandbox::{access, context};
use crate::strict_bank::{CLIENT_ID, IN_FORCE, StrictBank, connector_at};

/// A request as it left the house.
#[derive(Debug, Clone)]
struct Sent {
    method: Method,
    target: String,
    headers: HeaderMap,
    body: Bytes,
}

/// Takes down what is sent to it and answers nothing useful.
async fn eavesdropper() -> (Url, Arc<Mutex<Vec<Sent>>>) {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hearing = Arc::clone(&heard);
    let app = Router::new().fallback(move |request: Request| {
        let hearing = Arc::clone(&hearing);
        async move {
            let (head, body) = request.into_parts();
            let sent = Sent {
                method: head.method,
                target: head.uri.to_string(),
                headers: head.headers,
                body: to_bytes(body, 65536).await.unwrap(),
            };
            hearing.lock().unwrap().push(sent);
            StatusCode::IM_A_TEAPOT
        }
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    (base.parse().unwrap(), heard)
}

/// The signed call a dialect begins with, as it left the house.
async fn signed(bank: &StrictBank, institution: &str) -> Sent {
    let (base, heard) = eavesdropper().await;
    let connector = connector_at(&base, institution, bank.certificates(bank.safe()), None);
    let _ = connector.start_authorisation(&bank.request()).await;
    if heard.lock().unwrap().is_empty() {
        let json = format!(
            r#"{{"access":"a","refresh":"r","expires_at":"2026-11-22T12:00:00Z",
            "bank_consent_id":"c","token_endpoint":"{base}token",
            "authorised_at":"2026-11-22T10:00:00Z","renewed":false}}"#
        );
        let token = OpenToken::from_bytes(json.as_bytes()).unwrap();
        let (attended, context) = (bank.attended(), context());
        let access = access(&token, &attended, &context);
        connector.accounts(&access).await.unwrap_err();
    }
    let sent = heard.lock().unwrap().remove(0);
    assert!(sent.headers.contains_key("signature"), "{sent:?}");
    sent
}

/// Hands a request to the strict bank over an honest line.
async fn deliver(bank: &StrictBank, sent: &Sent) -> (u16, String) {
    let qwac = bank.authority.qwac(CLIENT_ID, IN_FORCE).unwrap();
    let url = bank.base.join(&sent.target).unwrap();
    let answer = bank
        .client(Some(&qwac))
        .request(sent.method.clone(), url)
        .headers(sent.headers.clone())
        .body(sent.body.clone())
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn with(sent: &Sent, name: &'static str, value: &str) -> Sent {
    let mut changed = sent.clone();
    changed.headers.insert(name, value.parse().unwrap());
    changed
}

#[tokio::test]
async fn a_berlin_group_request_is_taken_as_it_was_signed_and_not_otherwise() {
    let bank = StrictBank::open().await;
    let sent = signed(&bank, "sandbox-bank").await;
    assert_eq!(deliver(&bank, &sent).await.0, 201);

    let mut other_body = sent.clone();
    let text = String::from_utf8(sent.body.to_vec()).unwrap();
    let text = text.replace("\"frequencyPerDay\":4", "\"frequencyPerDay\":3");
    assert_ne!(text.as_bytes(), sent.body);
    other_body.body = text.into();
    let digest = digest_of(&other_body.body);
    let mut unsigned = sent.clone();
    unsigned.headers.remove("signature");
    let mut uncertified = sent.clone();
    uncertified.headers.remove("tpp-signature-certificate");
    for (changed, code) in [
        (other_body.clone(), "SIGNATURE_INVALID"),
        (with(&other_body, "digest", &digest), "SIGNATURE_INVALID"),
        (
            with(&sent, "tpp-redirect-uri", "https://evil.example/"),
            "SIGNATURE_INVALID",
        ),
        (
            with(
                &sent,
                "x-request-id",
                "00000000-0000-4000-8000-000000000000",
            ),
            "SIGNATURE_INVALID",
        ),
        (with(&sent, "psu-id", "somebody"), "SIGNATURE_INVALID"),
        (unsigned, "SIGNATURE_MISSING"),
        (uncertified, "CERTIFICATE_MISSING"),
    ] {
        let (status, body) = deliver(&bank, &changed).await;
        assert_eq!(status, 401, "{body}");
        assert!(body.contains(code), "{code}: {body}");
    }
}

#[tokio::test]
async fn a_stet_request_is_taken_as_it_was_signed_and_not_otherwise() {
    let bank = StrictBank::open().await;
    for institution in ["sandbox-bank-stet", "sandbox-bank-stet-a2"] {
        let sent = signed(&bank, institution).await;
        // Through the gate; the façade then asks who the token is from.
        let (status, body) = deliver(&bank, &sent).await;
        assert_eq!(status, 401);
        assert!(body.contains("unknown access token"), "{body}");

        let (status, body) =
            deliver(&bank, &with(&sent, "date", "Sun, 22 Nov 2026 10:01:00 GMT")).await;
        assert_eq!(status, 401);
        assert!(body.contains("SIGNATURE_INVALID"), "{institution}: {body}");

        // Kept for an hour, it is no longer taken.
        bank.clock.advance_minutes(60);
        let (status, body) = deliver(&bank, &sent).await;
        assert_eq!(status, 400);
        assert!(body.contains("TIMESTAMP_INVALID"), "{institution}: {body}");
        bank.clock.advance_minutes(-60);
    }
}

#[tokio::test]
async fn the_address_and_the_person_are_signed_for_where_the_bank_wants_it() {
    let bank = StrictBank::open().await;
    let sent = signed(&bank, "sandbox-bank-stet-a2").await;
    let mut elsewhere = sent.clone();
    elsewhere.target = elsewhere.target.replace("accounts", "accounts?page=2");
    for changed in [
        elsewhere,
        with(&sent, "psu-ip-address", "192.0.2.8"),
        with(&sent, "psu-device-id", "added"),
    ] {
        let (status, body) = deliver(&bank, &changed).await;
        assert_eq!(status, 401);
        assert!(body.contains("SIGNATURE_INVALID"), "{body}");
    }
}

fn digest_of(body: &[u8]) -> String {
    use base64::Engine;
    let digest = ring::digest::digest(&ring::digest::SHA256, body);
    let text = base64::engine::general_purpose::STANDARD.encode(digest);
    format!("SHA-256={text}")
}
