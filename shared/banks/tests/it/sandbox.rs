//! A sandbox bank on loopback, a clock to move, and a person with a browser.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use passerelle_banks::{
    Access, AispCertificates, AttemptSecrets, AuthorisationRequest, BankSettings, Banks, Connector,
    DirectoryEntry, OpenToken,
};
use passerelle_domain::call_budget::{AttendedPsu, PsuPresence, SpentAccess};
use passerelle_domain::ids::CorrelationId;
use passerelle_domain::private::Private;
use passerelle_domain::{Date, Timestamp};
use sandbox_bank::{Bank, router};
use url::Url;

pub const OPENED_AT: &str = "2026-11-22T10:00:00Z";

/// A clock both sides share.
#[derive(Clone)]
pub struct TestClock(Arc<AtomicI64>);

impl TestClock {
    pub fn new() -> Self {
        let start: Timestamp = OPENED_AT.parse().unwrap();
        Self(Arc::new(AtomicI64::new(start.as_second())))
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap()
    }

    pub fn advance_minutes(&self, minutes: i64) {
        self.0.fetch_add(minutes * 60, Ordering::SeqCst);
    }
}

/// The bank and the way to it.
pub struct Sandbox {
    pub clock: TestClock,
    pub connector: Arc<dyn Connector>,
    pub entry: DirectoryEntry,
    pub bank: Arc<Bank>,
    /// Method, path and query, and whether `PSU-IP-Address` was sent, for each call of ours.
    pub calls: Arc<Mutex<Vec<(String, bool)>>>,
}

impl Sandbox {
    pub async fn open() -> Self {
        Self::open_with(None).await
    }

    /// The same bank through another façade.
    pub async fn open_at(institution: &str) -> Self {
        Self::open_through(institution, None).await
    }

    pub async fn open_with(personae: Option<PathBuf>) -> Self {
        Self::open_through("sandbox-bank", personae).await
    }

    pub async fn open_through(institution: &str, personae: Option<PathBuf>) -> Self {
        let clock = TestClock::new();
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .unwrap();
        // Mounted below a path, as the local suite does.
        let base: Url = format!("http://{}/sandbox-bank", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let bank_clock = clock.clone();
        let bank = Bank::new(sandbox_bank::BankSettings {
            base_url: base.clone(),
            seed: 7,
            clock: Arc::new(move || bank_clock.now()),
            personae,
            state: None,
        })
        .unwrap();
        let bank = Arc::new(bank);
        let calls = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&calls);
        let app = Router::new()
            .nest("/sandbox-bank", router(Arc::clone(&bank)))
            .layer(axum::middleware::from_fn(
                move |request: axum::extract::Request, next: axum::middleware::Next| {
                    let attended = request.headers().contains_key("psu-ip-address");
                    let line = format!("{} {}", request.method(), request.uri());
                    seen.lock().unwrap().push((line, attended));
                    next.run(request)
                },
            ));
        tokio::spawn(async move { axum::serve(listener, app).await });
        let banks = Banks::new(BankSettings {
            sandbox_bank_url: Some(base),
            sandbox_bank_authority: None,
            client_id: "PSDFR-ACPR-12345".to_owned(),
            certificates: AispCertificates::none(),
        })
        .unwrap();
        Self {
            clock,
            connector: banks.connector(&institution.parse().unwrap()).unwrap(),
            entry: banks
                .directory()
                .get(&institution.parse().unwrap())
                .unwrap()
                .clone(),
            bank,
            calls,
        }
    }

    pub fn request(&self) -> AuthorisationRequest {
        AuthorisationRequest {
            state: Private::new("state-0123456789"),
            code_verifier: Private::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            redirect_uri: "https://insurer.example/v1/callback/a1?x=1"
                .parse()
                .unwrap(),
            psu: self.psu(),
            valid_until: Date::constant(2027, 2, 20),
            correlation: correlation(),
            now: self.clock.now(),
        }
    }

    fn psu(&self) -> AttendedPsu {
        AttendedPsu {
            ip_address: "192.0.2.7".parse().unwrap(),
            user_agent: Some("Mozilla/5.0".to_owned()),
            until: self.clock.now(),
        }
    }

    pub fn attended(&self) -> PsuPresence {
        PsuPresence::Attended(self.psu())
    }

    pub fn unattended(&self) -> PsuPresence {
        PsuPresence::Unattended(SpentAccess {
            at: self.clock.now(),
        })
    }

    /// The whole way: consent, login, approval, code, tokens.
    pub async fn connect(&self, login: &str) -> OpenToken {
        let (secrets, back) = self.visit(login, "approve").await;
        self.connector
            .exchange_code(
                &secrets,
                Some(&back.code.unwrap()),
                back.issuer.as_deref(),
                &correlation(),
                self.clock.now(),
            )
            .await
            .unwrap()
    }

    /// The person goes to the bank and decides.
    pub async fn visit(&self, login: &str, decision: &str) -> (AttemptSecrets, Return) {
        let started = self
            .connector
            .start_authorisation(&self.request())
            .await
            .unwrap();
        // What crosses the browser's absence is stored and read again.
        let secrets = AttemptSecrets::from_bytes(&started.secrets.to_bytes()).unwrap();
        (
            secrets,
            decide_at_the_bank(started.way.href, login, decision).await,
        )
    }
}

pub fn correlation() -> CorrelationId {
    CorrelationId::from_entropy([3; 16])
}

pub fn access<'a>(
    token: &'a OpenToken,
    presence: &'a PsuPresence,
    correlation: &'a CorrelationId,
) -> Access<'a> {
    Access {
        token,
        presence,
        correlation,
    }
}

/// What the browser brings back.
#[derive(Debug)]
pub struct Return {
    pub url: Url,
    pub state: Option<String>,
    pub code: Option<Private>,
    pub issuer: Option<String>,
    pub error: Option<String>,
}

/// A browser without scripts: follows redirects inside the bank, fills the two forms, and stops
/// where the bank sends it away.
pub async fn decide_at_the_bank(page: Url, login: &str, decision: &str) -> Return {
    let browser = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap();
    decide_with(&browser, page, login, decision).await
}

/// The same with a browser of the caller's.
pub async fn decide_with(
    browser: &reqwest::Client,
    page: Url,
    login: &str,
    decision: &str,
) -> Return {
    let location = |response: &reqwest::Response| -> Url {
        assert_eq!(response.status(), 303, "{}", response.url());
        let location = response.headers()["location"].to_str().unwrap();
        response.url().join(location).unwrap()
    };
    let login_page = location(&browser.get(page).send().await.unwrap());
    let html = browser
        .get(login_page.clone())
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        html.contains("PSDFR-ACPR-12345") && html.contains(login),
        "{html}"
    );
    let form = [("login", login), ("password", "sandbox")];
    let answer = browser.post(login_page).form(&form).send().await.unwrap();
    let approval_page = location(&answer);
    let html = browser
        .get(approval_page.clone())
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let mut form: Vec<(&str, &str)> = html
        .split("name=\"account\" value=\"")
        .skip(1)
        .map(|rest| ("account", rest.split('"').next().unwrap()))
        .collect();
    form.extend([("sca", "123456"), ("decision", decision)]);
    let url = location(
        &browser
            .post(approval_page)
            .form(&form)
            .send()
            .await
            .unwrap(),
    );
    let field = |name: &str| {
        url.query_pairs()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    Return {
        state: field("state"),
        code: field("code").map(Private::new),
        issuer: field("iss"),
        error: field("error"),
        url,
    }
}

impl Sandbox {
    /// The person takes every access back on the bank's own pages.
    pub async fn revoke_in_online_banking(&self, login: &str) {
        let browser = reqwest::Client::builder().no_proxy().build().unwrap();
        let started = self
            .connector
            .start_authorisation(&self.request())
            .await
            .unwrap();
        let mut page = started.way.href;
        page.set_path("/sandbox-bank/online-banking");
        page.set_query(None);
        let mut form = vec![("login", login), ("password", "sandbox")];
        let html = browser
            .post(page.clone())
            .form(&form)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let consent = html.split("name=\"revoke\" value=\"").nth(1).unwrap();
        form.push(("revoke", consent.split('"').next().unwrap()));
        let answer = browser.post(page).form(&form).send().await.unwrap();
        assert!(answer.text().await.unwrap().contains("retiré"));
    }
}
