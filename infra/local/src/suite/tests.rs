use http::StatusCode;
use serde_json::{Value, json};

use super::*;

struct Answered {
    status: StatusCode,
    text: String,
}

impl Answered {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
}

async fn asked(request: reqwest::RequestBuilder) -> Answered {
    let response = request.send().await.unwrap();
    Answered {
        status: response.status(),
        text: response.text().await.unwrap(),
    }
}

/// A client that stays where it is asked to go, so that a test sees every answer.
fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

fn at(suite: &Suite, path: &str) -> String {
    suite.base_url().join(path).unwrap().to_string()
}

#[tokio::test]
async fn a_token_from_the_issuer_opens_the_api_and_nothing_else_does() {
    let suite = Suite::start(Options::in_memory()).await.unwrap();
    let client = client();
    let form = [("grant_type", "client_credentials")];
    let issued = asked(
        client
            .post(at(&suite, "/issuer/token"))
            .basic_auth("cli_demo", Some("demo-secret"))
            .form(&form),
    )
    .await;
    let token = issued.json()["access_token"].as_str().unwrap().to_owned();
    let list = at(&suite, "/v1/institutions?query=sandbox");
    let found = asked(client.get(&list).bearer_auth(&token)).await;
    assert_eq!(found.status, StatusCode::OK);
    assert!(found.text.contains("sandbox-bank"), "{}", found.text);
    assert_eq!(
        asked(client.get(&list)).await.status,
        StatusCode::UNAUTHORIZED
    );

    for (user, secret, form, status, error) in [
        (
            "cli_demo",
            "wrong",
            "client_credentials",
            401,
            "invalid_client",
        ),
        (
            "nobody",
            "demo-secret",
            "client_credentials",
            401,
            "invalid_client",
        ),
        (
            "cli_demo",
            "demo-secret",
            "password",
            400,
            "unsupported_grant_type",
        ),
    ] {
        let form = [("grant_type", form)];
        let request = client
            .post(at(&suite, "/issuer/token"))
            .basic_auth(user, Some(secret))
            .form(&form);
        let refused = asked(request).await;
        assert_eq!(
            (
                refused.status.as_u16(),
                refused.json()["error"].as_str().unwrap()
            ),
            (status, error)
        );
    }
    let known = asked(client.get(at(&suite, "/issuer/.well-known/openid-configuration"))).await;
    assert_eq!(known.json()["issuer"], at(&suite, "/issuer"));
    suite.stop().await;
}

#[tokio::test]
async fn the_demonstration_sends_a_customer_on_and_shows_what_the_api_refuses() {
    let suite = Suite::start(Options::in_memory()).await.unwrap();
    let client = client();
    let start = asked(client.get(at(&suite, "/"))).await;
    assert!(
        start
            .text
            .contains("name=\"purpose\" value=\"advice\" checked"),
        "{}",
        start.text
    );

    let form = [
        ("customer", "customer-1"),
        ("purpose", "advice"),
        ("purpose", "quote"),
        ("locale", "fr"),
    ];
    let sent = client
        .post(at(&suite, "/demo/consents"))
        .form(&form)
        .send()
        .await
        .unwrap();
    assert_eq!(sent.status(), StatusCode::SEE_OTHER);
    let link = sent.headers()["location"].to_str().unwrap().to_owned();
    assert!(link.starts_with(&at(&suite, "/journey/")), "{link}");
    assert_eq!(asked(client.get(link)).await.status, StatusCode::OK);

    let form = [
        ("customer", "<b>jean@example.fr"),
        ("purpose", "advice"),
        ("locale", "fr"),
    ];
    let refused = asked(client.post(at(&suite, "/demo/consents")).form(&form)).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.text.contains("role=\"alert\"") && !refused.text.contains("<b>jean"));

    for customer in [
        "unknown",
        "%3Cscript%3E",
        "..%2F..%2Fv1",
        "a%20b",
        "%F0%9F%A6%80",
    ] {
        let page = asked(client.get(at(&suite, &format!("/demo/customers/{customer}")))).await;
        assert_eq!(page.status, StatusCode::OK, "{customer}");
        assert!(!page.text.contains("<script>"), "{customer}");
    }
    assert_eq!(
        asked(client.get(at(&suite, "/demo/api/local/clock")))
            .await
            .status,
        StatusCode::NOT_FOUND
    );
    suite.stop().await;
}

#[tokio::test]
async fn the_clock_moves_forward_over_http_and_ends_what_falls_due() {
    let start = "2026-11-22T08:00:00Z".parse().unwrap();
    let suite = Suite::start(Options {
        clock: Some(start),
        ..Options::in_memory()
    })
    .await
    .unwrap();
    let client = client();
    let token = suite.token("cli_demo").await.unwrap();
    let body = json!({ "customer": "c-1", "purposes": [{ "code": "advice", "required": true }] });
    let opened = asked(
        client
            .post(at(&suite, "/v1/consents"))
            .bearer_auth(token)
            .json(&body),
    )
    .await;
    assert_eq!(opened.status, StatusCode::CREATED, "{}", opened.text);
    let consent = format!("/v1/consents/{}", opened.json()["id"].as_str().unwrap());

    let clock = at(&suite, "/local/clock");
    let moved = asked(client.post(&clock).body(r#"{"advance":"P90D"}"#)).await;
    assert_eq!(moved.status, StatusCode::OK);
    let now: Timestamp = moved.json()["now"].as_str().unwrap().parse().unwrap();
    assert!(now.duration_since(start) >= SignedDuration::from_hours(90 * 24));

    // The link lasted a day: the sweep has seen its end.
    let token = suite.token("cli_demo").await.unwrap();
    let ended = asked(client.get(at(&suite, &consent)).bearer_auth(token)).await;
    assert_ne!(ended.json()["status"], "received", "{}", ended.text);

    for body in [
        "",
        "{}",
        r#"{"advance":"-P1D"}"#,
        r#"{"advance":"P1D","x":1}"#,
        "\u{0}",
    ] {
        let refused = asked(client.post(&clock).body(body)).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{body}");
    }
    let same = asked(client.get(&clock)).await.json()["now"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(now.duration_until(same) < SignedDuration::from_mins(1));
    suite.stop().await;
}

#[tokio::test]
async fn a_template_that_does_not_fit_this_build_names_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let project = concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml");
    let source = std::fs::read_to_string(project).unwrap();
    for (from, to, words) in [
        ("Binary: sync }", "Binary: synk }", "no function for"),
        ("Binary: refresh }", "Binary: sync }", "already run by"),
        ("TABLE_NAME: !Ref Table\n", "TABLE_NAME: ''\n", "TABLE_NAME"),
    ] {
        let path = folder.path().join("template.yaml");
        std::fs::write(&path, source.replacen(from, to, 1)).unwrap();
        let options = Options {
            template: Some(path),
            ..Options::in_memory()
        };
        let error = Suite::start(options).await.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_stopped_suite_goes_on_where_it_was_and_two_never_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        storage: Storage::Folder(folder.path().join("state")),
        ..Options::in_memory()
    };
    let first = Suite::start(options.clone()).await.unwrap();
    let second = Suite::start(options.clone()).await;
    assert!(
        matches!(second, Err(LocalError::StateInUse(_))),
        "{second:?}"
    );
    let client = client();
    let token = first.token("cli_demo").await.unwrap();
    let body = json!({ "customer": "c-1", "purposes": [{ "code": "advice", "required": true }] });
    let opened = asked(
        client
            .post(at(&first, "/v1/consents"))
            .bearer_auth(token)
            .json(&body),
    )
    .await;
    let consent = format!("/v1/consents/{}", opened.json()["id"].as_str().unwrap());
    first.stop().await;

    let again = Suite::start(options).await.unwrap();
    let token = again.token("cli_demo").await.unwrap();
    let found = asked(client.get(at(&again, &consent)).bearer_auth(token)).await;
    assert_eq!(found.json()["status"], "received", "{}", found.text);
    let foreign = again.token("cli_other").await.unwrap();
    let hidden = asked(client.get(at(&again, &consent)).bearer_auth(foreign)).await;
    assert_eq!(hidden.status, StatusCode::NOT_FOUND);
    assert!(again.token("cli_nobody").await.is_err());
    again.stop().await;
}
