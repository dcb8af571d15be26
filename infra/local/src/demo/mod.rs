//! The demonstration: a small insurer's application that uses the real API, as `cli_demo`.
//!
//! Server-rendered, without script. It holds nothing: what it shows is read through the API with a
//! token and a purpose, at every view.

mod api;
mod view;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Form, Path, Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use passerelle_domain::purpose::Catalogue;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::issuer::Issuer;
use api::{Api, Refused};
use view::{ConnectionView, ScoreView};

/// Lines shown per connection.
const LINES: usize = 40;

#[derive(Debug, Clone)]
struct Demo {
    api: Api,
    base: Arc<str>,
}

/// The pages, to be mounted at the root.
pub(crate) fn router(gateway: Arc<Gateway>, issuer: Issuer, base: &str) -> Router {
    Router::new()
        .route("/", get(start))
        .route("/demo/consents", post(open_consent))
        .route("/demo/find", get(find))
        .route("/demo/customers/{customer}", get(customer))
        .route("/demo/api/{*path}", get(raw))
        .route("/demo/style.css", get(style))
        .with_state(Demo {
            api: Api::new(gateway, issuer),
            base: base.into(),
        })
}

#[derive(Template)]
#[template(path = "demo/start.html")]
struct StartPage<'a> {
    base: &'a str,
    purposes: Vec<PurposeChoice>,
    client: &'a str,
    secret: &'a str,
    problem: Option<Refused>,
}

struct PurposeChoice {
    code: String,
    title: String,
    asked: bool,
}

async fn start(State(demo): State<Demo>) -> Response {
    start_page(&demo, StatusCode::OK, None)
}

fn start_page(demo: &Demo, status: StatusCode, problem: Option<Refused>) -> Response {
    let (client, secret) = crate::issuer::CLIENTS[0];
    let catalogue = Catalogue::standard();
    let purposes = catalogue
        .codes()
        .filter_map(|code| catalogue.find(code))
        .map(|purpose| PurposeChoice {
            code: purpose.code.to_string(),
            title: purpose
                .text(passerelle_domain::locale::Locale::En)
                .map_or_else(|| purpose.code.to_string(), |text| text.title.clone()),
            asked: matches!(purpose.code.as_str(), "advice" | "quote"),
        })
        .collect();
    page(
        status,
        &StartPage {
            base: &demo.base,
            purposes,
            client,
            secret,
            problem,
        },
    )
}

/// The form, field by field: a checkbox that is ticked several times comes several times.
async fn open_consent(
    State(demo): State<Demo>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let field = |name: &str| {
        fields
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value.trim())
    };
    let purposes: Vec<Value> = fields
        .iter()
        .filter(|(key, _)| key == "purpose")
        .map(|(_, code)| json!({ "code": code, "required": code == "advice" }))
        .collect();
    let customer = field("customer");
    let request = json!({
        "customer": customer,
        "purposes": purposes,
        "locale": field("locale"),
        "brand": "Assurance Démo",
        "return_url": format!("{}/demo/customers/{}", demo.base, encoded(customer)),
    });
    match demo
        .api
        .call(Method::POST, "/v1/consents", Some(&request))
        .await
    {
        Ok(consent) => match consent.get("journey_url").and_then(Value::as_str) {
            Some(link) => Redirect::to(link).into_response(),
            None => start_page(&demo, StatusCode::BAD_GATEWAY, Some(Refused::unreadable())),
        },
        Err(refused) => start_page(&demo, StatusCode::BAD_REQUEST, Some(refused)),
    }
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    customer: String,
}

async fn find(Query(Wanted { customer }): Query<Wanted>) -> Redirect {
    Redirect::to(&format!("/demo/customers/{}", encoded(customer.trim())))
}

#[derive(Deserialize)]
struct Shown {
    #[serde(default = "advice")]
    purpose: String,
}

fn advice() -> String {
    "advice".to_owned()
}

#[derive(Template)]
#[template(path = "demo/customer.html")]
struct CustomerPage {
    customer: String,
    purpose: String,
    purposes: Vec<String>,
    connections: Vec<ConnectionView>,
    scores: Result<ScoreView, Refused>,
    scores_path: String,
    connections_path: String,
    problem: Option<Refused>,
    reading: bool,
}

async fn customer(
    State(demo): State<Demo>,
    Path(customer): Path<String>,
    Query(Shown { purpose }): Query<Shown>,
) -> Response {
    let (reference, named) = (encoded(&customer), encoded(&purpose));
    let connections_path = format!("/v1/customers/{reference}/connections");
    let scores_path = format!("/v1/customers/{reference}/scores?purpose={named}");
    let found = demo.api.get(&connections_path).await;
    let (mut connections, problem) = match found {
        Ok(found) => (view::connections(&found), None),
        Err(refused) => (Vec::new(), Some(refused)),
    };
    for connection in &mut connections {
        let of = format!("/v1/connections/{}", encoded(&connection.id));
        connection.accounts_path = format!("{of}/accounts?purpose={named}");
        connection.transactions_path = format!("{of}/transactions?purpose={named}&limit={LINES}");
        connection.accounts = demo
            .api
            .get(&connection.accounts_path)
            .await
            .map(|answer| view::accounts(&answer));
        connection.lines = demo
            .api
            .get(&connection.transactions_path)
            .await
            .map(|answer| view::lines(&answer));
    }
    let scores = learned(&demo, &reference, &named).await;
    // The first sync and the first score take seconds: the page looks again by itself meanwhile.
    let live = connections.iter().any(ConnectionView::may_be_read);
    let reading = live
        && (connections.iter().any(|one| one.status == "connected")
            || matches!(&scores, Err(refused) if refused.status == StatusCode::NOT_FOUND));
    let catalogue = Catalogue::standard();
    let purposes = catalogue.codes().map(ToString::to_string).collect();
    page(
        StatusCode::OK,
        &CustomerPage {
            customer,
            purpose,
            purposes,
            connections,
            scores,
            scores_path,
            connections_path,
            problem,
            reading,
        },
    )
}

/// What was learned, put together from its parts.
async fn learned(demo: &Demo, customer: &str, purpose: &str) -> Result<ScoreView, Refused> {
    let of = |part: &str| format!("/v1/customers/{customer}/{part}?purpose={purpose}");
    let scores = demo.api.get(&of("scores")).await?;
    let contracts = demo.api.get(&of("contracts")).await?;
    let moments = demo.api.get(&of("life-moments")).await?;
    Ok(view::scores(&scores, &contracts, &moments))
}

/// The API's own answer to a read, so that a link can show it without a token.
async fn raw(State(demo): State<Demo>, uri: http::Uri) -> Response {
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    let path = path.strip_prefix("/demo/api").unwrap_or_default();
    if !path.starts_with("/v1/") {
        return StatusCode::NOT_FOUND.into_response();
    }
    let (status, answer) = demo.api.answer(Method::GET, path, None).await;
    let text = serde_json::to_string_pretty(&answer).unwrap_or_default();
    let mut response = (status, text).into_response();
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    guarded(response)
}

async fn style() -> Response {
    let css = include_str!("style.css");
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], css).into_response()
}

/// Nothing of what was typed can end a path segment or a parameter.
fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn page(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => guarded((status, Html(html)).into_response()),
        Err(error) => {
            tracing::error!(%error, "a demonstration page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn guarded(mut response: Response) -> Response {
    const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; \
                          base-uri 'none'; frame-ancestors 'none'";
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
