use std::net::Ipv4Addr;
use std::time::Duration;

use axum::Router;
use axum::routing::{any, get};
use passerelle_domain::ids::ClientId;
use passerelle_domain::registry::{Asked, Standing, TenantRegistry};
use passerelle_runtime::{Caller, Function, Routes, Scope};
use serde_json::{Value, json};

use super::*;
use crate::embedded_aws::Storage;
use crate::issuer::Issuer;
use crate::template::Authorizer;

const BASE: &str = "http://127.0.0.1:9";

fn route(method: &str, path: &str, scopes: Option<&[&str]>) -> Route {
    Route {
        method: method.to_owned(),
        path: path.to_owned(),
        function: "Hello".to_owned(),
        authorizer: scopes.map(|scopes| Authorizer {
            issuer: format!("{BASE}/issuer"),
            audience: vec![crate::stack::AUDIENCE.to_owned()],
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        }),
        line: 1,
    }
}

struct Door {
    gateway: Gateway,
    issuer: Issuer,
    clock: Clock,
    alive: tokio::sync::watch::Sender<()>,
}

fn door(routes: Vec<Route>, function: Function) -> Door {
    let clock = Clock::adjustable(Some("2026-11-22T08:00:00Z".parse().unwrap()));
    let issuer = Issuer::open(BASE, &Storage::Memory, clock.clone()).unwrap();
    let (alive, life) = tokio::sync::watch::channel(());
    let lambda = Arc::new(Lambda {
        folder: "hello".to_owned(),
        arn: String::new(),
        timeout: Duration::from_millis(300),
        function,
        life,
    });
    let api = Api {
        logical_id: "Api".to_owned(),
        routes,
    };
    let lambdas = BTreeMap::from([("Hello".to_owned(), lambda)]);
    let gateway = Gateway::new(&api, &lambdas, issuer.keys(), clock.clone()).unwrap();
    Door {
        gateway,
        issuer,
        clock,
        alive,
    }
}

/// A registry in which every client stands.
#[derive(Debug)]
struct Everybody;

impl TenantRegistry for Everybody {
    fn standing<'a>(&'a self, _: &'a ClientId, _: jiff::Timestamp) -> Asked<'a, Standing> {
        Box::pin(async { Ok(Standing::Registered) })
    }
}

/// A function that tells what reached it, and sets what has to travel back.
fn echo() -> Function {
    let door = passerelle_runtime::Door::new("client_id", Everybody, Clock::system());
    let who = Router::new().route(
        "/v1/who",
        get(|caller: Caller| async move { caller.client.to_string() }),
    );
    let open = Router::new()
        .route(
            "/open/{*rest}",
            any(|request: Request| async move {
                let (parts, body) = request.into_parts();
                let body = to_bytes(body, usize::MAX).await.unwrap();
                let cookies: Vec<_> = parts
                    .headers
                    .get_all("cookie")
                    .iter()
                    .map(|v| v.to_str().unwrap().to_owned())
                    .collect();
                let told = json!({
                    "method": parts.method.as_str(),
                    "uri": parts.uri.to_string(),
                    "cookies": cookies,
                    "double": parts.headers.get("x-double").map(|v| v.to_str().unwrap().to_owned()),
                    "body": body.to_vec(),
                });
                let mut response = axum::Json(told).into_response();
                response
                    .headers_mut()
                    .append("set-cookie", HeaderValue::from_static("a=1"));
                response
                    .headers_mut()
                    .append("set-cookie", HeaderValue::from_static("b=2"));
                response
            }),
        )
        .route("/bytes", get(|| async { vec![0_u8, 159, 146, 150] }))
        .route(
            "/slow",
            get(|| async { tokio::time::sleep(Duration::from_secs(5)).await }),
        );
    let routes = Routes::new().scoped(&door, Scope::ScoresRead, who);
    Function::new("hello").http(routes.anonymous(open))
}

async fn sent(
    door: &Door,
    request: http::request::Builder,
    body: impl Into<Body>,
) -> (Response, Vec<u8>) {
    let request = request.body(body.into()).unwrap();
    let response = door
        .gateway
        .answer(request, Ipv4Addr::LOCALHOST.into())
        .await;
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    (Response::from_parts(parts, Body::empty()), bytes)
}

fn ask(method: &str, uri: &str) -> http::request::Builder {
    http::Request::builder()
        .method(method)
        .uri(uri)
        .header("host", "127.0.0.1:9")
}

#[tokio::test]
async fn a_request_reaches_the_function_whole_and_its_answer_comes_back_whole() {
    let door = door(
        vec![
            route("ANY", "/open/{rest+}", None),
            route("GET", "/bytes", None),
        ],
        echo(),
    );
    let request = ask("POST", "/open/a%20b/c?q=1&q=2&empty=")
        .header("cookie", "one=1; two=2")
        .header("x-double", "first")
        .header("x-double", "second")
        .header("content-type", "application/x-www-form-urlencoded");
    let (response, body) = sent(&door, request, &b"name=\xff\x00"[..]).await;
    assert_eq!(response.status(), StatusCode::OK);
    let told: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(told["uri"], "/open/a%20b/c?q=1&q=2&empty=");
    assert_eq!(told["cookies"], json!(["one=1; two=2"]));
    assert_eq!(told["double"], "first,second");
    assert_eq!(told["body"], json!(b"name=\xff\x00".to_vec()));
    let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);

    let (_, bytes) = sent(&door, ask("GET", "/bytes"), Body::empty()).await;
    assert_eq!(bytes, [0, 159, 146, 150]);
}

#[tokio::test]
async fn what_no_route_takes_is_not_found() {
    let door = door(vec![route("GET", "/v1/who", None)], echo());
    for (method, uri) in [
        ("GET", "/elsewhere"),
        ("POST", "/v1/who"),
        ("GET", "/v1/who/"),
    ] {
        let (response, body) = sent(&door, ask(method, uri), Body::empty()).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{method} {uri}");
        assert_eq!(body, br#"{"message":"Not Found"}"#);
    }
}

#[tokio::test]
async fn a_good_token_names_the_client_and_every_other_is_refused() {
    let door = door(vec![route("GET", "/v1/who", Some(&[]))], echo());
    let token = door.issuer.token("cli_demo", &Scope::ALL).unwrap();
    let with = |value: String| ask("GET", "/v1/who").header("authorization", value);

    let (response, body) = sent(&door, with(format!("Bearer {token}")), Body::empty()).await;
    assert_eq!(
        (response.status(), body.as_slice()),
        (StatusCode::OK, &b"cli_demo"[..])
    );

    let elsewhere = Issuer::open("http://elsewhere", &Storage::Memory, door.clock.clone()).unwrap();
    let foreign = elsewhere.token("cli_demo", &Scope::ALL).unwrap();
    let cut = token.chars().take(token.len() - 4).collect::<String>();
    for refused in [
        format!("Bearer {foreign}"),
        format!("Bearer {cut}"),
        "Bearer".to_owned(),
    ] {
        let (response, body) = sent(&door, with(refused), Body::empty()).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(body, br#"{"message":"Unauthorized"}"#);
    }
    let (response, _) = sent(&door, ask("GET", "/v1/who"), Body::empty()).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);

    door.clock.advance(jiff::SignedDuration::from_secs(3_601));
    let (response, _) = sent(&door, with(format!("Bearer {token}")), Body::empty()).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "expired");
}

#[tokio::test]
async fn a_token_without_the_scope_a_route_asks_for_is_forbidden() {
    let door = door(
        vec![route("GET", "/v1/who", Some(&["scores:read"]))],
        echo(),
    );
    let token = door.issuer.token("cli_demo", &[Scope::EventsRead]).unwrap();
    let request = ask("GET", "/v1/who").header("authorization", format!("Bearer {token}"));
    let (response, body) = sent(&door, request, Body::empty()).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(body, br#"{"message":"Forbidden"}"#);
}

#[tokio::test]
async fn an_oversized_body_and_a_slow_function_end_as_they_do_at_aws() {
    let door = door(
        vec![
            route("ANY", "/open/{rest+}", None),
            route("GET", "/slow", None),
        ],
        echo(),
    );
    for size in [LARGEST_REQUEST + 1, LARGEST_PAYLOAD + 1] {
        let (response, _) = sent(&door, ask("POST", "/open/x"), vec![b'a'; size]).await;
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE, "{size}");
    }
    let (response, _) = sent(&door, ask("GET", "/slow"), Body::empty()).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_call_ends_with_its_suite() {
    let mut door = door(vec![route("GET", "/slow", None)], echo());
    // The sender that stays behind belongs to another suite.
    let (other, _) = tokio::sync::watch::channel(());
    drop(std::mem::replace(&mut door.alive, other));
    let (response, _) = sent(&door, ask("GET", "/slow"), Body::empty()).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}
