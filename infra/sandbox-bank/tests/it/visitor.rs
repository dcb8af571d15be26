//! A third party and a person in one: sends requests to a bank's router.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use jiff::Timestamp;
use sandbox_bank::{Bank, BankSettings, router};
use serde_json::Value;
use tower::ServiceExt;

pub const REDIRECT: &str = "https://insurer.example/callback";
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

const CLIENT_ID: &str = "PSDFR-ACPR-1";

pub struct Visitor {
    router: Router,
    now: Arc<AtomicI64>,
}

pub struct Answer {
    pub status: StatusCode,
    pub location: String,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub fn code(&self) -> String {
        self.json()["tppMessages"][0]["code"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

impl Visitor {
    pub fn new(state: Option<PathBuf>) -> Self {
        let start: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        Self::at(state, Arc::new(AtomicI64::new(start.as_second())), false)
    }

    /// A bank that runs alone.
    pub fn alone(state: Option<PathBuf>) -> Self {
        Self::at(state, Self::new(None).now, true)
    }

    fn at(state: Option<PathBuf>, now: Arc<AtomicI64>, alone: bool) -> Self {
        let clock = Arc::clone(&now);
        let bank = Bank::new(BankSettings {
            base_url: "http://127.0.0.1:8095".parse().unwrap(),
            seed: 1,
            clock: Arc::new(move || Timestamp::from_second(clock.load(Ordering::SeqCst)).unwrap()),
            personae: None,
            state,
        })
        .unwrap();
        let bank = match alone {
            true => bank.with_movable_clock(),
            false => bank,
        };
        Self {
            router: router(Arc::new(bank)),
            now,
        }
    }

    /// The same bank after its process ended.
    pub fn restarted(self, state: PathBuf) -> Self {
        Self::at(Some(state), self.now, false)
    }

    pub fn wait_minutes(&self, minutes: i64) {
        self.now.fetch_add(minutes * 60, Ordering::SeqCst);
    }

    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path.trim_start_matches("http://127.0.0.1:8095"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let location = response
            .headers()
            .get("location")
            .map(|value| value.to_str().unwrap().to_owned());
        Answer {
            status: response.status(),
            location: location.unwrap_or_default(),
            text: String::from_utf8(
                to_bytes(response.into_body(), 1 << 24)
                    .await
                    .unwrap()
                    .to_vec(),
            )
            .unwrap(),
        }
    }

    pub async fn call(
        &self,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut headers = vec![("x-request-id", "99391c7e-ad88-49ec-a2ad-99ddcb1f7721")];
        headers.extend_from_slice(more);
        self.send(method, path, &headers, body).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    pub async fn post_form(&self, path: &str, form: &str) -> Answer {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.send("POST", path, &headers, form).await
    }

    pub async fn create_consent(&self, body: &str) -> Answer {
        self.create_consent_at("", &[], body).await
    }

    /// Behind one of the doors of the façade.
    pub async fn create_consent_at(&self, door: &str, more: &[(&str, &str)], body: &str) -> Answer {
        let mut headers = vec![
            ("psu-ip-address", "192.0.2.7"),
            ("tpp-redirect-uri", REDIRECT),
        ];
        headers.extend_from_slice(more);
        let path = format!("{door}/v1/consents");
        self.call("POST", &path, &headers, body).await
    }

    pub async fn consent(&self) -> String {
        let answer = self.create_consent(&consent_body("2027-02-20")).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["consentId"].as_str().unwrap().to_owned()
    }

    /// Up to the login page.
    pub async fn visit(&self, consent: &str) -> String {
        let answer = self.get(&authorize(consent, REDIRECT, CHALLENGE)).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        answer.location
    }

    /// Up to the approval page.
    pub async fn log_in(&self, consent: &str) -> String {
        let login = self.visit(consent).await;
        let answer = self
            .post_form(&login, "login=camille.martin&password=sandbox")
            .await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        answer.location
    }

    /// Up to the code.
    pub async fn approve(&self, consent: &str) -> String {
        let approval = self.log_in(consent).await;
        let form = "account=courant&sca=123456&decision=approve";
        let answer = self.post_form(&approval, form).await;
        assert!(answer.location.starts_with(REDIRECT), "{}", answer.text);
        let code = answer.location.split("code=").nth(1).unwrap();
        code.split('&').next().unwrap().to_owned()
    }

    pub async fn exchange(&self, code: &str) -> Answer {
        self.post_form("/token", &exchange_form(code, VERIFIER, REDIRECT))
            .await
    }

    pub async fn consent_status(&self, consent: &str) -> String {
        let path = format!("/v1/consents/{consent}/status");
        let answer = self.call("GET", &path, &[], "").await;
        answer.json()["consentStatus"].as_str().unwrap().to_owned()
    }

    pub async fn accounts(&self, consent: &str, token: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [("consent-id", consent), ("authorization", bearer.as_str())];
        self.call("GET", "/v1/accounts", &headers, "").await
    }
}

pub fn consent_body(valid_until: &str) -> String {
    format!(
        r#"{{"access":{{"accounts":[],"balances":[],"transactions":[]}},"recurringIndicator":true,
        "validUntil":"{valid_until}","frequencyPerDay":4,"combinedServiceIndicator":false}}"#
    )
}

/// One value of the address a person is sent back to.
pub fn token_of(location: &str, name: &str) -> String {
    let (_, query) = location.split_once('?').unwrap();
    let value = query
        .split('&')
        .find_map(|pair| pair.strip_prefix(&format!("{name}=")));
    value.unwrap_or_else(|| panic!("{location}")).to_owned()
}

pub fn authorize(consent: &str, redirect: &str, challenge: &str) -> String {
    authorize_as(CLIENT_ID, consent, redirect, challenge)
}

pub fn authorize_as(client_id: &str, consent: &str, redirect: &str, challenge: &str) -> String {
    format!(
        "/authorize?response_type=code&client_id={client_id}&scope=AIS:{consent}&state=s1\
         &redirect_uri={redirect}&code_challenge={challenge}&code_challenge_method=S256"
    )
}

pub fn exchange_form(code: &str, verifier: &str, redirect: &str) -> String {
    exchange_form_as(CLIENT_ID, code, verifier, redirect)
}

pub fn exchange_form_as(client_id: &str, code: &str, verifier: &str, redirect: &str) -> String {
    format!(
        "grant_type=authorization_code&code={code}&client_id={client_id}\
         &redirect_uri={redirect}&code_verifier={verifier}"
    )
}
