//! A running suite and its client's programs, for journeys.

use std::time::{Duration, Instant};

use passerelle_aws::{Store, Table};
use passerelle_local::{Options, Suite};
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::person::{Page, Person, client};

/// An answer of the API.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub kind: String,
    pub body: Value,
}

impl Answer {
    /// The last part of a problem's type.
    pub fn problem(&self) -> &str {
        assert_eq!(self.kind, "application/problem+json", "{self:?}");
        assert!(self.body["request_id"].as_str().is_some(), "{self:?}");
        self.body["type"]
            .as_str()
            .and_then(|kind| kind.rsplit(':').next())
            .expect("a type")
    }
}

/// The API as one client's program sees it.
#[derive(Debug, Clone)]
pub struct Api {
    http: Client,
    base: String,
    token: String,
}

impl Api {
    pub fn new(base: &str, token: String) -> Self {
        Self {
            http: client(),
            base: base.trim_end_matches('/').to_owned(),
            token,
        }
    }

    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        Self::read(request).await
    }

    /// A request with whatever body and headers.
    pub fn raw(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(&self.token)
    }

    pub async fn read(request: reqwest::RequestBuilder) -> Answer {
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let kind = answer
            .headers()
            .get("content-type")
            .map(|kind| kind.to_str().unwrap().to_owned());
        let text = answer.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer {
            status,
            kind: kind.unwrap_or_default(),
            body,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    /// Opens a consent for every purpose a journey here reads with.
    pub async fn open_consent(&self, customer: &str) -> Value {
        let asked = json!({
            "customer": customer,
            "purposes": [{"code": "advice", "required": true}, {"code": "quote"}],
            "locale": "en",
            "brand": "Example Mutual",
        });
        let answer = self.send(Method::POST, "/v1/consents", Some(&asked)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.body
    }

    /// The first connection of a customer, once it has a status.
    pub async fn connection(&self, customer: &str) -> Value {
        let answer = self
            .get(&format!("/v1/customers/{customer}/connections"))
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["connections"][0].clone()
    }

    /// Everything the feed tells, so many events at a time.
    pub async fn events(&self, limit: usize) -> Vec<Value> {
        let (mut events, mut after) = (Vec::new(), String::new());
        for _ in 0..100 {
            let page = self.get(&format!("/v1/events?limit={limit}{after}")).await;
            assert_eq!(page.status, 200, "{page:?}");
            let found = page.body["events"].as_array().unwrap();
            assert!(found.len() <= limit);
            events.extend(found.clone());
            after = format!("&after={}", page.body["next"].as_str().unwrap());
            if page.body["more"] == false {
                return events;
            }
        }
        panic!("the feed has no end");
    }

    pub async fn scores(&self, customer: &str) -> Answer {
        self.get(&format!("/v1/customers/{customer}/scores?purpose=advice"))
            .await
    }
}

/// A suite in this process.
pub struct World {
    pub suite: Suite,
    pub base: String,
}

impl World {
    pub async fn start(options: Options) -> Self {
        let suite = Suite::start(options).await.expect("the suite starts");
        let base = suite.base_url().as_str().trim_end_matches('/').to_owned();
        Self { suite, base }
    }

    /// The tables and keys as the functions reach them.
    pub fn store(&self) -> Store {
        let functions = &self.suite.template().functions;
        let sync = functions.iter().find(|it| it.folder == "sync").unwrap();
        let setting = |name: &str| sync.environment[name].clone();
        let clients = self.suite.aws().clients();
        let table = Table::new(&clients, setting("TABLE_NAME"), setting("KEYS_TABLE_NAME"));
        Store::new(&clients, table, setting("VAULT_KEY_ID"))
    }

    pub async fn api(&self, client: &str) -> Api {
        Api::new(&self.base, self.suite.token(client).await.expect("a token"))
    }
}

/// The way from a journey link to the bank's login page.
pub async fn walk_to_bank(person: &mut Person, journey_url: &str) -> Page {
    let page = walk_to(person, journey_url, "sandbox-bank").await;
    person.open(page.link("/sandbox-bank/")).await
}

/// The way from a journey link to the last page before a bank.
pub async fn walk_to(person: &mut Person, journey_url: &str, institution: &str) -> Page {
    let page = person.open(journey_url).await;
    let page = person.submit(&page.link("/continue"), &[]).await;
    let page = person
        .submit(&page.link("/bank"), &[("institution", institution)])
        .await;
    assert_eq!(page.inputs("purpose").len(), 2, "{}", page.html);
    let both = [("purpose", "advice"), ("purpose", "quote")];
    person.answer(&page, "/purposes", &both).await
}

/// Logs in at the sandbox bank and says yes with every account; returns where the bank leads.
pub async fn approve(person: &mut Person, login_page: &Page, login: &str) -> url::Url {
    let page = log_in(person, login_page, login).await;
    decide(person, &page, "approve").await
}

pub async fn log_in(person: &mut Person, login_page: &Page, login: &str) -> Page {
    let fields = [("login", login), ("password", "sandbox")];
    person.submit(&login_page.link("/login/"), &fields).await
}

pub async fn decide(person: &mut Person, approval: &Page, decision: &str) -> url::Url {
    let accounts = approval.inputs("account");
    let mut fields = vec![("decision", decision), ("sca", "123456")];
    fields.extend(accounts.iter().map(|account| ("account", account.as_str())));
    person
        .submit_and_hold(&approval.link("/approval/"), &fields)
        .await
}

/// The code that the browser shows that was at the bank.
pub fn shown_code(page: &Page) -> String {
    let shown = page.html.split("class=\"typed\">").nth(1);
    let shown = shown.unwrap_or_else(|| panic!("no code on {}", page.html));
    shown.split('<').next().unwrap().to_owned()
}

/// Looks at the progress page until it says something else than "wait".
pub async fn wait_for_ending(person: &mut Person, progress: Page) -> Page {
    let (started, mut page) = (Instant::now(), progress);
    while page.html.contains("class=\"steps\"") {
        assert!(
            started.elapsed() < Duration::from_secs(120),
            "still waiting: {}",
            page.html
        );
        tokio::time::sleep(Duration::from_millis(150)).await;
        // Where the bank may have decided, the page asks whether it goes on.
        if page.html.contains("/resume\"") {
            page = person.answer(&page, "/resume", &[]).await;
            continue;
        }
        // As the page itself does: it looks again where it says, whatever was asked before.
        let mut again = page.url.clone();
        again.set_query(None);
        page = person.open(again.as_str()).await;
    }
    page
}

/// The whole road for one person; returns the last page.
pub async fn connect(api: &Api, customer: &str, login: &str) -> Page {
    let consent = api.open_consent(customer).await;
    let mut person = Person::new();
    let login_page = walk_to_bank(
        &mut person,
        consent["journey_url"].as_str().expect("a link"),
    )
    .await;
    let back = approve(&mut person, &login_page, login).await;
    let progress = person.open(back.as_str()).await;
    wait_for_ending(&mut person, progress).await
}

/// The whole journey at one bank of the sandbox.
pub async fn connect_at(api: &Api, institution: &str, customer: &str, login: &str) {
    let consent = api.open_consent(customer).await;
    let mut person = Person::new();
    let link = consent["journey_url"].as_str().expect("a link");
    let page = walk_to(&mut person, link, institution).await;
    let page = person.open(page.link("/sandbox-bank/")).await;
    let back = approve(&mut person, &page, login).await;
    let progress = person.open(back.as_str()).await;
    let last = wait_for_ending(&mut person, progress).await;
    assert_eq!(last.status, 200, "{}", last.html);
}
