//! What every HTTP answer has, whatever the handler does.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use passerelle_domain::locale::Locale;
use passerelle_runtime::{
    Caller, Code, Correlation, Function, Json, OwnAddress, Problem, Routes, Scope, Visitor, pages,
};
use serde_json::json;

use crate::door::door;
use crate::events::Http;

fn function() -> Function {
    let router = Router::new()
        .route("/fine", get(async || Json(json!({"fine": true}))))
        .route(
            "/behind-no-door",
            get(async |caller: Caller| Json(caller.client)),
        )
        .route("/panic", get(panics))
        .route(
            "/broken",
            get(async || Problem::internal(&std::io::Error::other("table tbl-7 is gone"))),
        )
        .route(
            "/busy",
            get(async || Problem::new(Code::RateLimited).with_retry_after(30)),
        )
        .route("/created", post(async || (StatusCode::CREATED, "made")))
        .route("/page", get(notice))
        .route("/visitor", get(visitor))
        .route("/address", get(async |address: OwnAddress| Json(address.0)))
        .route(
            "/traced",
            get(async |Correlation(id): Correlation| Json(id)),
        )
        .route(
            "/cookies",
            get(async || ([("set-cookie", "__Host-journey=1; Secure; Path=/")], "ok")),
        )
        .merge(pages::assets());
    let who = Router::new().route("/who", get(async |caller: Caller| Json(caller.client)));
    let routes = Routes::new().scoped(&door("client_id"), Scope::ScoresRead, who);
    Function::new("example").http(routes.anonymous(router))
}

async fn panics() -> Response {
    panic!("the IBAN is FR7630001007941234567890185")
}

async fn notice() -> Response {
    let text = "Première phrase.\nDeuxième <phrase> & fin.";
    pages::notice(
        Locale::Fr,
        "C’est fini",
        text,
        Some(("Revenir", "https://x.test/?a=1&b=2")),
    )
}

async fn visitor(visitor: Visitor) -> Response {
    Json(json!({"ip": visitor.ip_address, "agent": visitor.user_agent})).into_response()
}

#[tokio::test]
async fn an_unknown_address_is_a_not_found_problem() {
    let answer = Http::new("GET", "/nowhere").send(&function()).await;
    assert_eq!(answer.status(), 404);
    insta::with_settings!({sort_maps => true}, { insta::assert_json_snapshot!(answer.problem()) });
}

#[tokio::test]
async fn another_method_is_a_problem_that_says_which_are_possible() {
    let answer = Http::new("DELETE", "/fine").send(&function()).await;
    assert_eq!(answer.status(), 405);
    assert_eq!(answer.header("allow"), Some("GET,HEAD"));
    assert_eq!(
        answer.problem()["type"],
        "urn:passerelle:problem:method-not-allowed"
    );
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    for path in ["/fine", "/nowhere", "/panic", "/page"] {
        let answer = Http::new("GET", path).send(&function()).await;
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("x-frame-options"), Some("DENY"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
        assert!(answer.header("strict-transport-security").is_some());
    }
}

#[tokio::test]
async fn a_request_id_of_our_shape_is_kept_and_any_other_is_never_repeated() {
    let ours = "cor_0123456789abcdefghjkmnpqrs";
    let kept = Http::new("GET", "/traced").header("x-request-id", ours);
    let kept = kept.send(&function()).await;
    assert_eq!(kept.header("x-request-id"), Some(ours));
    assert_eq!(kept.json(), ours);

    for hostile in [
        "cor_0123456789abcdefghjkmnpqrs\\r\\nSet-Cookie: a=b",
        "<script>alert(1)</script>",
        "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        "",
    ] {
        let answer = Http::new("GET", "/nowhere").header("x-request-id", hostile);
        let answer = answer.send(&function()).await;
        let id = answer.header("x-request-id").unwrap();
        assert!(id.starts_with("cor_") && id.len() == 30, "{id}");
        assert!(hostile.is_empty() || !answer.0.to_string().contains(hostile));
    }
}

#[tokio::test]
async fn a_panic_is_an_internal_problem_that_tells_nothing() {
    let answer = Http::new("GET", "/panic").send(&function()).await;
    assert_eq!(answer.status(), 500);
    assert!(!answer.text().contains("FR76"));
    assert_eq!(answer.problem()["type"], "urn:passerelle:problem:internal");
}

#[tokio::test]
async fn the_cause_of_an_internal_problem_is_not_sent() {
    let answer = Http::new("GET", "/broken").send(&function()).await;
    assert_eq!(answer.status(), 500);
    assert!(!answer.text().contains("tbl-7"));
}

#[tokio::test]
async fn when_to_try_again_is_said() {
    let answer = Http::new("GET", "/busy").send(&function()).await;
    assert_eq!(
        (answer.status(), answer.header("retry-after")),
        (429, Some("30"))
    );
    assert_eq!(answer.problem()["retryable"], true);
}

#[tokio::test]
async fn without_the_clients_claim_nobody_is_known() {
    let nameless = [
        Http::new("GET", "/who"),
        Http::new("GET", "/who").claims(json!({})),
        Http::new("GET", "/who").claims(json!({"sub": "cli_demo"})),
        Http::new("GET", "/who").claims(json!({"client_id": ""})),
        Http::new("GET", "/who").claims(json!({"client_id": "a/../b"})),
    ];
    for request in nameless {
        let answer = request.send(&function()).await;
        assert_eq!(answer.status(), 401);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        answer.problem();
    }
    let known =
        Http::new("GET", "/who").claims(json!({"client_id": "cli_demo", "scope": "scores:read"}));
    assert_eq!(known.send(&function()).await.json(), "cli_demo");
}

#[tokio::test]
async fn a_browser_is_answered_with_a_page() {
    let request = Http::new("GET", "/nowhere")
        .header("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")
        .header("accept-language", "en-GB,en;q=0.9");
    let answer = request.send(&function()).await;
    assert_eq!(answer.status(), 404);
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(answer.text().contains("<html lang=\"en\">"));
    assert!(
        answer
            .text()
            .contains(answer.header("x-request-id").unwrap())
    );
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.contains("style-src 'self'"), "{policy}");
}

#[tokio::test]
async fn a_page_is_escaped_and_does_not_change_unseen() {
    let answer = Http::new("GET", "/page").send(&function()).await;
    assert!(!answer.text().contains("<phrase>"));
    let stable = answer.text().split("?v=").collect::<Vec<_>>();
    let (before, after) = (stable[0], stable[1].split_once('"').unwrap().1);
    insta::assert_snapshot!(format!("{before}?v=…\"{after}"));
}

#[tokio::test]
async fn the_stylesheet_is_served_where_pages_look_for_it_and_kept() {
    let page = Http::new("GET", "/page").send(&function()).await;
    let start = page.text().find("/assets/").unwrap();
    let address = page.text()[start..].split('"').next().unwrap();
    let style = Http::new("GET", address).send(&function()).await;
    assert_eq!(
        style.header("content-type"),
        Some("text/css; charset=utf-8")
    );
    assert!(style.header("cache-control").unwrap().contains("immutable"));
    assert!(style.text().contains(":focus-visible"));
}

#[tokio::test]
async fn a_cookie_is_handed_over_the_way_the_gateway_wants_it() {
    let answer = Http::new("GET", "/cookies").send(&function()).await;
    assert_eq!(answer.0["cookies"][0], "__Host-journey=1; Secure; Path=/");
    assert_eq!(answer.header("set-cookie"), None);
}

#[tokio::test]
async fn hostile_events_are_answered() {
    let function = function();
    let hostile = [
        Http::new("GET", "/fine").header("host", "a b\u{7f}:99999/\\"),
        Http::new("GET", "/fi ne/é/%zz/\"<>\u{0}"),
        Http::new("GET", "//evil.test/fine"),
        Http::new("GET", ""),
        Http::new("GET", "/fine")
            .with("/body", json!("%%%"))
            .with("/isBase64Encoded", json!(true)),
        Http::new("GET", "/fine").with("/cookies", json!(["a=b\r\nx: y"])),
        Http::new("GET", "/visitor").with("/requestContext/http/sourceIp", json!("not an address")),
    ];
    for request in hostile {
        let answer = request.send(&function).await;
        assert!((200..500).contains(&answer.status()), "{}", answer.0);
    }
}

#[tokio::test]
async fn the_visitor_is_who_the_gateway_saw_and_not_what_a_header_says() {
    let answer = Http::new("GET", "/visitor")
        .header("x-forwarded-for", "198.51.100.9")
        .header("user-agent", "Mozilla/5.0 (été)\u{202e}")
        .send(&function())
        .await;
    assert_eq!(answer.json()["ip"], "203.0.113.7");
    let agent = answer.json()["agent"].as_str().map(str::to_owned);
    assert!(agent.is_none_or(|text| text.is_ascii()));
}

#[tokio::test]
async fn our_address_is_the_gateways_word_and_not_the_host_header() {
    let answer = Http::new("GET", "/address").header("host", "evil.test");
    assert_eq!(
        answer.send(&function()).await.json(),
        "https://api.example.test"
    );
    let staged = Http::new("GET", "/prod/address").with("/requestContext/stage", json!("prod"));
    assert_eq!(
        staged.send(&function()).await.json(),
        "https://api.example.test/prod"
    );
}
