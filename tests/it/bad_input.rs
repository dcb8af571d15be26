//! Every rejected request is a problem that helps, and nothing is lost or half-written.

use jiff::SignedDuration;
use passerelle_local::Options;
use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use crate::person::Person;
use crate::world::{
    Api, World, approve, connect, decide, log_in, shown_code, wait_for_ending, walk_to_bank,
};

async fn world() -> (World, Api) {
    let world = World::start(Options::in_memory()).await;
    let api = world.api("cli_demo").await;
    (world, api)
}

fn asked() -> Value {
    json!({"customer": "customer-1", "purposes": [{"code": "advice"}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_fit_is_a_problem_that_names_the_field() {
    let (_world, api) = world().await;
    for (change, pointer) in [
        (json!({"colour": "blue"}), "colour"),
        (json!({"customer": 42}), "customer"),
        (json!({"customer": "jean@example.fr"}), "customer"),
        (json!({"purposes": "advice"}), "purposes"),
        (json!({"purposes": []}), "purposes"),
        (
            json!({"purposes": [{"code": "astrology"}]}),
            "purposes/0/code",
        ),
        (
            json!({"purposes": [{"code": "advice"}, {"code": "advice"}]}),
            "purposes/1/code",
        ),
        (json!({"locale": "xx"}), "locale"),
        (json!({"brand": "a\u{0}b"}), "brand"),
        (json!({"return_url": "javascript:alert(1)"}), "return_url"),
        (
            json!({"return_url": "http://assureur.example/"}),
            "return_url",
        ),
        (
            json!({"return_url": "https://user:pass@assureur.example/"}),
            "return_url",
        ),
        (json!({"duration_days": 91}), "duration_days"),
        (json!({"duration_days": -1}), "duration_days"),
    ] {
        let mut body = asked();
        body.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let answer = api.send(Method::POST, "/v1/consents", Some(&body)).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (400, "invalid-body"),
            "{change}: {answer:?}"
        );
        let errors = answer.body["errors"].to_string();
        assert!(errors.contains(pointer), "{change}: {errors}");
        assert!(
            !errors.contains("jean@"),
            "what was sent is not repeated: {errors}"
        );
    }
    let none = api.get("/v1/customers/customer-1/connections").await;
    assert_eq!(none.body["connections"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_oversize_and_foreign_types_are_problems() {
    let (_world, api) = world().await;
    let post = || api.raw(Method::POST, "/v1/consents");
    let json_type = ("content-type", "application/json");
    let cases = [
        (
            post().header(json_type.0, json_type.1).body("{"),
            400,
            "invalid-body",
        ),
        (
            post()
                .header(json_type.0, json_type.1)
                .body(vec![0xff, 0xfe]),
            400,
            "invalid-body",
        ),
        (
            post()
                .header(json_type.0, json_type.1)
                .body("[".repeat(50_000)),
            400,
            "invalid-body",
        ),
        (
            post()
                .header(json_type.0, json_type.1)
                .body("x".repeat(70_000)),
            413,
            "body-too-large",
        ),
        (
            post().header(json_type.0, "text/plain").body("{}"),
            415,
            "unsupported-media-type",
        ),
        (api.raw(Method::PUT, "/v1/scores"), 404, ""),
        (
            api.raw(Method::GET, "/v1/consents/cns_unknown"),
            404,
            "not-found",
        ),
        (
            api.raw(
                Method::GET,
                "/v1/connections/cnx_00000000000000000000000000",
            ),
            404,
            "not-found",
        ),
        (
            api.raw(Method::GET, "/v1/customers/a%20b/connections"),
            404,
            "not-found",
        ),
        (
            api.raw(Method::GET, "/v1/institutions?colour=blue"),
            400,
            "invalid-query",
        ),
    ];
    for (request, status, problem) in cases {
        let shown = format!("{request:?}").chars().take(300).collect::<String>();
        let answer = Api::read(request).await;
        assert_eq!(answer.status, status, "{shown}: {answer:?}");
        // An unknown route is answered by the gateway itself, as in production.
        if !problem.is_empty() {
            assert_eq!(answer.problem(), problem, "{shown}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_of_the_issuer_the_api_is_closed() {
    let (world, _) = world().await;
    let other = World::start(Options::in_memory()).await;
    let foreign_issuer = other.suite.token("cli_demo").await.unwrap();
    for token in ["", "nonsense", "a.b.c", &foreign_issuer] {
        let answer = Api::new(&world.base, token.to_owned())
            .get("/v1/institutions")
            .await;
        assert_eq!(answer.status, 401, "{token:?}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_never_sees_anothers_anything() {
    let (world, api) = world().await;
    let other = world.api("cli_other").await;
    connect(&api, "customer-1", "camille.martin").await;
    let connection = api.connection("customer-1").await;
    let (id, consent) = (
        connection["id"].as_str().unwrap(),
        connection["consent"].as_str().unwrap(),
    );
    for path in [
        format!("/v1/connections/{id}"),
        format!("/v1/connections/{id}/accounts?purpose=advice"),
        format!("/v1/connections/{id}/transactions?purpose=advice"),
        format!("/v1/consents/{consent}"),
    ] {
        let answer = other.get(&path).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (404, "not-found"),
            "{path}"
        );
    }
    assert_eq!(
        other.get("/v1/customers/customer-1/connections").await.body["connections"],
        json!([])
    );
    assert_eq!(
        other.scores("customer-1").await.problem(),
        "purpose-not-granted"
    );
    let asked = json!({"customer": "customer-1", "purpose": "advice"});
    let computed = other.send(Method::POST, "/v1/scores", Some(&asked)).await;
    assert_eq!(computed.problem(), "purpose-not-granted");
    let ended = other
        .send(Method::DELETE, &format!("/v1/connections/{id}"), None)
        .await;
    assert_eq!(ended.status, 404);
    assert_eq!(api.connection("customer-1").await["status"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_purpose_no_data() {
    let (_world, api) = world().await;
    connect(&api, "customer-1", "camille.martin").await;
    let connection = api.connection("customer-1").await;
    let id = connection["id"].as_str().unwrap();
    for (path, status, problem) in [
        (
            format!("/v1/connections/{id}/accounts"),
            400,
            "invalid-query",
        ),
        (
            format!("/v1/connections/{id}/accounts?purpose=claims"),
            403,
            "purpose-not-granted",
        ),
        (
            format!("/v1/connections/{id}/accounts?purpose=astrology"),
            403,
            "purpose-not-granted",
        ),
        // Granted, but a quote may not read single lines.
        (
            format!("/v1/connections/{id}/transactions?purpose=quote"),
            403,
            "purpose-not-granted",
        ),
        (
            format!("/v1/connections/{id}/transactions?purpose=advice&limit=0"),
            400,
            "invalid-query",
        ),
        (
            "/v1/customers/customer-1/scores".to_owned(),
            400,
            "invalid-query",
        ),
        (
            "/v1/customers/customer-1/scores?purpose=claims".to_owned(),
            403,
            "purpose-not-granted",
        ),
    ] {
        let answer = api.get(&path).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (status, problem),
            "{path}: {answer:?}"
        );
    }
    // A purpose that sells never sees fragility.
    let quote = api
        .get("/v1/customers/customer-1/scores?purpose=quote")
        .await;
    assert_eq!(quote.status, 200, "{quote:?}");
    assert!(
        !quote.body.to_string().contains("financial-resilience"),
        "{}",
        quote.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_under_one_key_opens_one_consent() {
    let (_world, api) = world().await;
    let send = |body: Value| {
        let request = api
            .raw(Method::POST, "/v1/consents")
            .header("idempotency-key", "order-17");
        Api::read(request.json(&body))
    };
    let (first, again) = (send(asked()).await, send(asked()).await);
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.body, again.body);
    let mut other = asked();
    other["customer"] = json!("customer-2");
    let reused = send(other).await;
    assert_eq!(
        (reused.status, reused.problem()),
        (422, "idempotency-key-reused")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_link_says_so_and_takes_nothing() {
    let (world, api) = world().await;
    let consent = api.open_consent("customer-1").await;
    let link = consent["journey_url"].as_str().unwrap().to_owned();
    let mut person = Person::new();
    let first = person.open(&link).await;
    world
        .suite
        .advance(jiff::SignedDuration::from_hours(25))
        .await
        .unwrap();
    let page = person.open(&link).await;
    assert!(page.url.path().ends_with("/progress"), "{}", page.url);
    assert!(page.html.contains("no longer valid"), "{}", page.html);
    let bank: Url = link
        .parse::<Url>()
        .unwrap()
        .join(&format!("{}/bank", first.url.path()))
        .unwrap();
    let late = person
        .submit(&bank, &[("institution", "sandbox-bank")])
        .await;
    assert!(late.url.path().ends_with("/progress"), "{}", late.url);
    let id = consent["id"].as_str().unwrap();
    let now = api_again(&world)
        .await
        .get(&format!("/v1/consents/{id}"))
        .await
        .body;
    assert_eq!(
        (&now["status"], &now["journey_url"]),
        (&json!("rejected"), &Value::Null)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_nobody_gave_leads_nowhere() {
    let (world, _) = world().await;
    for token in ["0".repeat(64), "x".to_owned(), "..%2f..%2fetc".to_owned()] {
        let page = Person::new()
            .open(format!("{}/journey/{token}", world.base))
            .await;
        assert_eq!(page.status, 404, "{token}: {}", page.html);
        assert!(
            page.html.contains("<h1"),
            "a page, not a problem, for a person"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_return_changes_nothing() {
    let (_world, api) = world().await;
    let consent = api.open_consent("customer-1").await;
    let mut person = Person::new();
    let login_page = walk_to_bank(&mut person, consent["journey_url"].as_str().unwrap()).await;
    let back = approve(&mut person, &login_page, "camille.martin").await;
    let progress = person.open(back.as_str()).await;
    wait_for_ending(&mut person, progress).await;
    let before = api.connection("customer-1").await;
    let page = person.open(back.as_str()).await;
    assert_eq!(page.status, 200, "{}", page.html);
    // Somebody else with the stolen address gets neither the journey nor a second exchange.
    let stolen = Person::new().open(back.as_str()).await;
    assert!(!stolen.html.contains("/journey/"), "{}", stolen.html);
    let all = api.get("/v1/customers/customer-1/connections").await;
    assert_eq!(all.body["connections"].as_array().unwrap().len(), 1);
    assert_eq!(
        api.connection("customer-1").await["last_synced_at"],
        before["last_synced_at"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_return_that_is_none_is_refused_in_words() {
    let (world, api) = world().await;
    let consent = api.open_consent("customer-1").await;
    let mut person = Person::new();
    let login_page = walk_to_bank(&mut person, consent["journey_url"].as_str().unwrap()).await;
    let back = approve(&mut person, &login_page, "camille.martin").await;
    let query = back.query().unwrap().to_owned();
    let long = "c".repeat(5000);
    for address in [
        "/v1/callback/sandbox-bank".to_owned(),
        "/v1/callback/sandbox-bank?state=abc".to_owned(),
        "/v1/callback/sandbox-bank?state=unknown&code=abc".to_owned(),
        format!("/v1/callback/sandbox-bank?state=a&code={long}"),
        // Mix-up: the right answer through another bank's address.
        format!("/v1/callback/sandbox-bank-stet?{query}"),
    ] {
        let page = person.open(format!("{}{address}", world.base)).await;
        assert_eq!(page.status, 400, "{address}: {}", page.html);
        assert!(!page.html.contains(&long));
    }
    // None of it used the code up.
    let progress = person.open(back.as_str()).await;
    let last = wait_for_ending(&mut person, progress).await;
    assert_eq!(last.status, 200);
    assert_eq!(api.connection("customer-1").await["status"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_return_in_another_browser_waits_for_its_code_in_the_first() {
    let (_world, api) = world().await;
    let consent = api.open_consent("customer-1").await;
    let link = consent["journey_url"].as_str().unwrap();
    let mut person = Person::new();
    let login_page = walk_to_bank(&mut person, link).await;
    let back = approve(&mut Person::new(), &login_page, "camille.martin").await;
    let elsewhere = Person::new().open(back.as_str()).await;
    assert!(!elsewhere.html.contains("/journey/"), "{}", elsewhere.html);
    assert_eq!(api.connection("customer-1").await, Value::Null);
    let confirm = person.open(format!("{link}/progress")).await;
    // A click is not enough, and neither is a code that was not shown.
    for wrong in ["", "00000000"] {
        let again = person
            .answer(&confirm, "/confirm", &[("code", wrong)])
            .await;
        assert!(again.html.contains("role=\"alert\""), "{}", again.html);
        assert_eq!(api.connection("customer-1").await, Value::Null);
    }
    let code = shown_code(&elsewhere);
    let last = person
        .answer(&confirm, "/confirm", &[("code", &code)])
        .await;
    wait_for_ending(&mut person, last).await;
    assert_eq!(api.connection("customer-1").await["status"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusing_at_the_bank_ends_the_attempt_not_the_consent() {
    let (_world, api) = world().await;
    let consent = api.open_consent("customer-1").await;
    let link = consent["journey_url"].as_str().unwrap();
    let mut person = Person::new();
    let login_page = walk_to_bank(&mut person, link).await;
    let approval = log_in(&mut person, &login_page, "camille.martin").await;
    let back = decide(&mut person, &approval, "refuse").await;
    let page = person.open(back.as_str()).await;
    assert_eq!(page.status, 200);
    // The page offers to start again, and the same link leads to a connection.
    let bank = page.link("/bank");
    person.open(bank.as_str()).await;
    let login_page = walk_to_bank(&mut person, link).await;
    let back = approve(&mut person, &login_page, "camille.martin").await;
    let progress = person.open(back.as_str()).await;
    wait_for_ending(&mut person, progress).await;
    assert_eq!(api.connection("customer-1").await["status"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_that_answers_nonsense_costs_nothing_but_time() {
    let (world, api) = world().await;
    for login in [
        "bank-nonsense",
        "bank-half-page",
        "bank-rate-limited",
        "bank-unreadable-amount",
    ] {
        let consent = api.open_consent(login).await;
        let mut person = Person::new();
        let login_page = walk_to_bank(&mut person, consent["journey_url"].as_str().unwrap()).await;
        let back = approve(&mut person, &login_page, login).await;
        let page = person.open(back.as_str()).await;
        assert_eq!(page.status, 200, "{login}: {}", page.html);
    }
    world
        .suite
        .settled(std::time::Duration::from_secs(20))
        .await;
    for login in [
        "bank-nonsense",
        "bank-half-page",
        "bank-rate-limited",
        "bank-unreadable-amount",
    ] {
        let connection = api.connection(login).await;
        // Never "active with no transactions": nothing was committed, the sync is still owed.
        assert_eq!(connection["status"], "connected", "{login}: {connection}");
        assert_eq!(api.scores(login).await.problem(), "not-found", "{login}");
    }
}

/// The bank says how long: it is asked again then, and the person's link becomes what it should be.
#[tokio::test(flavor = "multi_thread")]
async fn a_bank_that_is_busy_is_asked_again_when_it_said() {
    let (world, api) = world().await;
    let consent = api.open_consent("customer-1").await;
    let mut person = Person::new();
    let login = walk_to_bank(&mut person, consent["journey_url"].as_str().unwrap()).await;
    let back = approve(&mut person, &login, "bank-busy").await;
    assert_eq!(person.open(back.as_str()).await.status, 200);
    let quiet = std::time::Duration::from_secs(20);
    world.suite.settled(quiet).await;
    assert_eq!(api.connection("customer-1").await["status"], "connected");
    for _ in 0..4 {
        world
            .suite
            .advance(SignedDuration::from_mins(5))
            .await
            .unwrap();
        assert!(world.suite.settled(quiet).await);
    }
    let connection = api.connection("customer-1").await;
    assert_eq!(connection["status"], "active", "{connection}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_closed_since_it_was_listed_costs_the_others_nothing() {
    let (_world, api) = world().await;
    connect(&api, "customer-1", "bank-closed-account").await;
    let connection = api.connection("customer-1").await;
    assert_eq!(connection["status"], "active", "{connection}");
    let id = connection["id"].as_str().unwrap();
    let served = api
        .get(&format!("/v1/connections/{id}/accounts?purpose=advice"))
        .await;
    let accounts = served.body["accounts"].as_array().unwrap().clone();
    assert_eq!(accounts.len(), 1, "{accounts:?}");
    assert_eq!(accounts[0]["kind"], "payment");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_connection_serves_nothing_and_cannot_be_opened() {
    let (_world, api) = world().await;
    connect(&api, "customer-1", "camille.martin").await;
    let connection = api.connection("customer-1").await;
    let id = connection["id"].as_str().unwrap();
    let ended = api
        .send(Method::DELETE, &format!("/v1/connections/{id}"), None)
        .await;
    assert_eq!(ended.status, 204);
    let accounts = api
        .get(&format!("/v1/connections/{id}/accounts?purpose=advice"))
        .await;
    assert_eq!(accounts.problem(), "purpose-not-granted");
    assert_eq!(
        api.scores("customer-1").await.problem(),
        "purpose-not-granted"
    );
    assert_eq!(api.connection("customer-1").await["status"], "closed");
    let again = api
        .send(Method::DELETE, &format!("/v1/connections/{id}"), None)
        .await;
    assert_eq!(again.status, 204, "ending twice is ending once");
}

#[tokio::test(flavor = "multi_thread")]
async fn ninety_days_pass_and_nothing_is_served_past_the_end() {
    let (world, api) = world().await;
    connect(&api, "customer-1", "camille.martin").await;
    let connection = api.connection("customer-1").await;
    let id = connection["id"].as_str().unwrap();
    let path = format!("/v1/connections/{id}/accounts?purpose=advice");
    world
        .suite
        .advance(jiff::SignedDuration::from_hours(24 * 89))
        .await
        .unwrap();
    assert_eq!(api_again(&world).await.get(&path).await.status, 200);
    world
        .suite
        .advance(jiff::SignedDuration::from_hours(25))
        .await
        .unwrap();
    let api = api_again(&world).await;
    assert_eq!(api.get(&path).await.problem(), "purpose-not-granted");
    let connection = api.connection("customer-1").await;
    assert_eq!(connection["status"], "closed", "{connection}");
    let consent = connection["consent"].as_str().unwrap();
    assert_eq!(
        api.get(&format!("/v1/consents/{consent}")).await.body["status"],
        "expired"
    );
}

/// Tokens end too when time passes.
async fn api_again(world: &World) -> Api {
    world.api("cli_demo").await
}
