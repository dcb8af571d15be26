//! Prints requests as the connectors sign them, one JSON object per line, for somebody who shares no
//! code with us to verify: `tests/outside/http-signature/run.sh`.
//!
//! ```text
//! cargo run -p passerelle-banks --example signed_requests -- qseal.pem
//! ```
//!
//! The file holds a certificate and its RSA private key. The connectors speak to a listener of this
//! process, which takes each request down as it arrived.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::StatusCode;
use jiff::Timestamp;
use passerelle_banks::{
    Access, AispCertificates, AuthorisationRequest, BankSettings, Banks, Connector, Onboarded,
    OpenToken,
};
use passerelle_domain::Date;
use passerelle_domain::call_budget::{AttendedPsu, PsuPresence};
use passerelle_domain::call_context::CallContext;
use passerelle_domain::deadline::Deadline;
use passerelle_domain::ids::CorrelationId;
use passerelle_domain::keys::{Hash, Kept, KeyHolder, KeyHolderError};
use passerelle_domain::private::Private;
use serde_json::json;
use url::Url;

/// The file named on the command line.
#[derive(Debug)]
struct PemFile(String);

impl KeyHolder for PemFile {
    fn secret<'a>(&'a self, _name: &'a str) -> Kept<'a, Private> {
        Box::pin(async { Ok(Private::new(self.0.as_str())) })
    }

    fn sign<'a>(&'a self, _key: &'a str, _hash: Hash, _message: &'a [u8]) -> Kept<'a, Vec<u8>> {
        Box::pin(async { Err(KeyHolderError::fatal("the key is in the file")) })
    }
}

type Heard = Arc<Mutex<Vec<serde_json::Value>>>;

#[tokio::main]
async fn main() {
    let path = std::env::args().nth(1).unwrap_or_default();
    let pem = std::fs::read_to_string(&path).unwrap();
    let (base, heard) = listen().await;
    for institution in [
        "sandbox-bank",
        "sandbox-bank-explicit",
        "sandbox-bank-stet",
        "sandbox-bank-stet-a2",
    ] {
        let connector = connector(&base, institution, &pem);
        speak(connector.as_ref(), &base).await;
        for request in heard.lock().unwrap().drain(..) {
            println!(
                "{}",
                json!({"institution": institution, "request": request})
            );
        }
    }
}

/// Takes down every request and answers none of them usefully.
async fn listen() -> (Url, Heard) {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let heard: Heard = Arc::default();
    let hearing = Arc::clone(&heard);
    let app = Router::new().fallback(move |request: Request| {
        let hearing = Arc::clone(&hearing);
        async move {
            let (head, body) = request.into_parts();
            let body = to_bytes(body, 1024 * 1024).await.unwrap();
            let headers: BTreeMap<&str, &str> = head
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
                .collect();
            hearing.lock().unwrap().push(json!({
                "method": head.method.as_str(),
                "url": head.uri.to_string(),
                "headers": headers,
                "body": String::from_utf8_lossy(&body),
            }));
            StatusCode::NOT_FOUND
        }
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    (base.parse().unwrap(), heard)
}

fn connector(base: &Url, institution: &str, pem: &str) -> Arc<dyn Connector> {
    let banks = Banks::new(BankSettings {
        sandbox_bank_url: Some(base.clone()),
        sandbox_bank_authority: None,
        aggregator: None,
        aggregator_secret: None,
        onboarded: Onboarded::default(),
        client_id: "PSDFR-ACPR-12345".to_owned(),
        certificates: AispCertificates {
            qseal: Some("the file".to_owned()),
            qseal_url: Some("https://aisp.example/qseal.cer".parse().unwrap()),
            holder: Arc::new(PemFile(pem.to_owned())),
            ..AispCertificates::none()
        },
    })
    .unwrap();
    banks.connector(&institution.parse().unwrap()).unwrap()
}

/// A call with a body and one without; the refusals that come back are of no interest.
async fn speak(connector: &dyn Connector, base: &Url) {
    let now = Timestamp::now();
    let context = CallContext {
        correlation: CorrelationId::from_entropy([3; 16]),
        deadline: Deadline::NONE,
    };
    let psu = AttendedPsu {
        ip_address: "192.0.2.7".parse().unwrap(),
        user_agent: Some("Mozilla/5.0 (X11)".to_owned()),
        until: now,
    };
    let request = AuthorisationRequest {
        state: Private::new("state-0123456789"),
        code_verifier: Private::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
        redirect_uri: "https://insurer.example/v1/callback/a1?x=1"
            .parse()
            .unwrap(),
        psu: psu.clone(),
        valid_until: Date::constant(2099, 2, 20),
        context: context.clone(),
        now,
    };
    let _ = connector.start_authorisation(&request).await;
    let token = json!({
        "access": "a", "refresh": "r", "expires_at": now, "bank_consent_id": "c",
        "token_endpoint": base.join("token").unwrap(), "authorised_at": now, "renewed": false,
    });
    let token = OpenToken::from_bytes(token.to_string().as_bytes()).unwrap();
    let access = Access {
        token: &token,
        presence: &PsuPresence::Attended(psu),
        context: &context,
    };
    let _ = connector.accounts(&access).await;
}
