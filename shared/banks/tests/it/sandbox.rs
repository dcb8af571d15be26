//! A sandbox bank on loopback, a clock to move, and a person with a browser.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use passerelle_banks::{
    Access, AispCertificates, AttemptSecrets, AuthorisationRequest, BankConsent, BankSettings,
    Banks, Connector, DirectoryEntry, Onboarded, OpenToken, ScaApproach,
};
use passerelle_domain::call_budget::{AttendedPsu, PsuPresence, SpentAccess};
use passerelle_domain::call_context::CallContext;
use passerelle_domain::deadline::Deadline;
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
    /// The bank's own address.
    pub base: Url,
    pub entry: DirectoryEntry,
    pub bank: Arc<Bank>,
    /// Method, path and query, and whether `PSU-IP-Address` was sent, for each call of ours.
    pub calls: Arc<Mutex<Vec<(String, bool)>>>,
}

/// Real banks of the directory whose interfaces the sandbox stands in for: pages and tokens on another
/// host than the accounts, one bank by its own name and others by their group's.
fn registered_at(base: &Url) -> Onboarded {
    let mut elsewhere = base.clone();
    elsewhere.set_host(Some("localhost")).unwrap();
    serde_json::json!({
        "societe-generale": {
            "api": format!("{base}/stet/v1.4"),
            "authorisation": format!("{base}/stet/v1.4/authorize"),
            "token": format!("{elsewhere}/stet/v1.4/token"),
            "issuer": format!("{base}/stet/"),
            "capabilities": { "pending": true, "owner_name": true, "extended_history": true },
        },
        "BPCE": {
            "api": format!("{base}/stet/v1.6?at={{establishment}}"),
            "authorisation": format!("{base}/stet/v1.6/authorize"),
            "token": format!("{base}/stet/v1.6/token"),
            "issuer": format!("{base}/stet/"),
            "capabilities": {
                "pending": true, "owner_name": true, "extended_history": true,
                "forwarded_consent": true,
            },
        },
        "milleis": {
            "standard": "berlin-group",
            "version": "1.3",
            "api": base,
            "authorisation": format!("{base}/authorize"),
            "token": format!("{elsewhere}/token"),
            "issuer": base,
            "capabilities": { "pending": true, "owner_name": true },
        },
    })
    .to_string()
    .parse()
    .unwrap()
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
            sandbox_bank_url: Some(base.clone()),
            sandbox_bank_authority: None,
            aggregator: None,
            aggregator_secret: None,
            onboarded: registered_at(&base),
            client_id: "PSDFR-ACPR-12345".to_owned(),
            certificates: AispCertificates::none(),
        })
        .unwrap();
        Self {
            clock,
            base,
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
            context: context(),
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

    /// The whole way: consent, login, approval, what comes back, tokens where the bank has any.
    pub async fn connect(&self, login: &str) -> OpenToken {
        self.settle(login, "approve").await
    }

    /// The same, whatever the person decides.
    pub async fn settle(&self, login: &str, decision: &str) -> OpenToken {
        let (secrets, back) = self.visit(login, decision).await;
        let token = self.exchange(&secrets, &back).await;
        let (attended, context) = (self.attended(), context());
        let status = self
            .connector
            .consent_status(&access(&token, &attended, &context))
            .await;
        if !matches!(status, Ok(BankConsent::NotAsked)) {
            return token;
        }
        // The bank wanted a token first: now the consent, with a second visit.
        let token = OpenToken::from_bytes(&token.to_bytes()).unwrap();
        let started = self
            .connector
            .continue_authorisation(&token, &self.request())
            .await
            .unwrap();
        let secrets = AttemptSecrets::from_bytes(&started.secrets.to_bytes()).unwrap();
        let back = decide_at_the_bank(started.way.href, login, decision).await;
        self.exchange(&secrets, &back).await
    }

    async fn exchange(&self, secrets: &AttemptSecrets, back: &Return) -> OpenToken {
        let (issuer, now) = (back.issuer.as_deref(), self.clock.now());
        let token = self
            .connector
            .exchange_code(secrets, back.code.as_ref(), issuer, &context(), now)
            .await
            .unwrap();
        OpenToken::from_bytes(&token.to_bytes()).unwrap()
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
        let back = match started.way.approach {
            ScaApproach::Redirect => decide_at_the_bank(started.way.href, login, decision).await,
            ScaApproach::Decoupled { message } => {
                let message = message.expect("the person is told what to do");
                decide_on_the_phone(message.expose(), login, decision).await;
                Return::with(started.way.href)
            }
        };
        (secrets, back)
    }
}

pub fn context() -> CallContext {
    CallContext {
        correlation: CorrelationId::from_entropy([3; 16]),
        deadline: Deadline::NONE,
    }
}

pub fn access<'a>(
    token: &'a OpenToken,
    presence: &'a PsuPresence,
    context: &'a CallContext,
) -> Access<'a> {
    Access {
        token,
        presence,
        context,
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

impl Return {
    fn with(url: Url) -> Self {
        let field = |name: &str| {
            url.query_pairs()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
        };
        Self {
            state: field("state"),
            code: field("code").map(Private::new),
            issuer: field("iss"),
            error: field("error"),
            url,
        }
    }
}

fn browser() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap()
}

/// A browser without scripts: follows redirects inside the bank, fills the forms it meets, and stops
/// where the bank sends it away.
pub async fn decide_at_the_bank(page: Url, login: &str, decision: &str) -> Return {
    decide_with(&browser(), page, login, decision).await
}

/// The same with a browser of the caller's.
pub async fn decide_with(
    browser: &reqwest::Client,
    page: Url,
    login: &str,
    decision: &str,
) -> Return {
    let home = page.origin();
    let mut answer = browser.get(page).send().await.unwrap();
    for _ in 0..12 {
        if let Some(location) = answer.headers().get("location") {
            assert_eq!(answer.status(), 303, "{}", answer.url());
            let next = answer.url().join(location.to_str().unwrap()).unwrap();
            if next.origin() != home {
                return Return::with(next);
            }
            answer = browser.get(next).send().await.unwrap();
            continue;
        }
        let here = answer.url().clone();
        let html = answer.text().await.unwrap();
        let mut form: Vec<(&str, &str)> = html
            .split("name=\"account\" value=\"")
            .skip(1)
            .map(|rest| ("account", rest.split('"').next().unwrap()))
            .collect();
        if html.contains("name=\"password\"") {
            assert!(html.contains(login), "{html}");
            form = vec![("login", login), ("password", "sandbox")];
        } else {
            assert!(html.contains("name=\"sca\""), "{html}");
            form.extend([("sca", "123456"), ("decision", decision)]);
        }
        answer = browser.post(here).form(&form).send().await.unwrap();
    }
    panic!("the bank sends the person round in circles");
}

/// The bank's message names the address of the phone and the code to type there.
pub async fn decide_on_the_phone(message: &str, login: &str, decision: &str) {
    let phone = message
        .split_whitespace()
        .find(|word| word.starts_with("http"))
        .unwrap();
    let code: String = message
        .rsplit(' ')
        .next()
        .unwrap()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    let form = [
        ("login", login),
        ("password", "sandbox"),
        ("code", &code),
        ("decision", decision),
    ];
    let answer = browser().post(phone).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

impl Sandbox {
    /// The person takes every access back on the bank's own pages.
    pub async fn revoke_in_online_banking(&self, login: &str) {
        let browser = reqwest::Client::builder().no_proxy().build().unwrap();
        let page = format!("{}/online-banking", self.base);
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
