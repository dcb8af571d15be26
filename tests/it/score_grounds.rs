//! A score rests on the connections whose consent allows it now, purpose by purpose, and on nothing else:
//! no other connection feeds it or hides it, and it goes with the purpose that justified it.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use passerelle_local::Options;
use reqwest::Method;
use serde_json::{Value, json};

use crate::person::Person;
use crate::raw_tables::dump;
use crate::self_care;
use crate::world::{Answer, Api, World, approve, wait_for_ending};

/// The whole road for some purposes; returns the connection's id.
async fn connect_for(api: &Api, customer: &str, login: &str, purposes: &[&str]) -> String {
    let before = connections(api, customer).await;
    let asked: Vec<Value> = purposes.iter().map(|code| json!({"code": code})).collect();
    let consent = json!({
        "customer": customer,
        "purposes": asked,
        "locale": "en",
        "brand": "Example Mutual",
    });
    let opened = api.send(Method::POST, "/v1/consents", Some(&consent)).await;
    assert_eq!(opened.status, 201, "{opened:?}");
    let mut person = Person::new();
    let page = person
        .open(opened.body["journey_url"].as_str().unwrap())
        .await;
    let page = person.submit(&page.link("/continue"), &[]).await;
    let bank = [("institution", "sandbox-bank")];
    let page = person.submit(&page.link("/bank"), &bank).await;
    let chosen: Vec<(&str, &str)> = purposes.iter().map(|code| ("purpose", *code)).collect();
    let page = person.answer(&page, "/purposes", &chosen).await;
    let login_page = person.open(page.link("/sandbox-bank/")).await;
    let back = approve(&mut person, &login_page, login).await;
    let progress = person.open(back.as_str()).await;
    let last = wait_for_ending(&mut person, progress).await;
    assert!(last.html.contains("All done"), "{}", last.html);
    let after = connections(api, customer).await;
    after.difference(&before).next().expect("one more").clone()
}

async fn connections(api: &Api, customer: &str) -> BTreeSet<String> {
    let path = format!("/v1/customers/{customer}/connections");
    let answer = api.get(&path).await;
    let all = answer.body["connections"].as_array().unwrap().clone();
    all.iter()
        .map(|one| one["id"].as_str().unwrap().to_owned())
        .collect()
}

async fn stored(api: &Api, customer: &str, purpose: &str) -> Answer {
    api.get(&format!(
        "/v1/customers/{customer}/scores?purpose={purpose}"
    ))
    .await
}

async fn computed(api: &Api, customer: &str, purpose: &str) -> Answer {
    let asked = json!({"customer": customer, "purpose": purpose});
    api.send(Method::POST, "/v1/scores", Some(&asked)).await
}

/// Both ways to a score rest on these connections, and say the same.
async fn assert_answered_from(api: &Api, customer: &str, purpose: &str, expected: &[&String]) {
    let (stored, computed) = (
        stored(api, customer, purpose).await,
        computed(api, customer, purpose).await,
    );
    assert_eq!(stored.status, 200, "{purpose}: {stored:?}");
    assert_eq!(computed.status, 200, "{purpose}: {computed:?}");
    let from: BTreeSet<String> =
        serde_json::from_value(stored.body["connections"].clone()).unwrap();
    assert_eq!(from, expected.iter().map(|id| (*id).clone()).collect());
    assert_eq!(computed.body["connections"], expected.len(), "{purpose}");
    for part in ["coverage", "scores"] {
        assert_eq!(stored.body[part], computed.body[part], "{purpose}: {part}");
    }
}

async fn assert_refused(api: &Api, customer: &str, purpose: &str) {
    let ways = [
        stored(api, customer, purpose).await,
        computed(api, customer, purpose).await,
    ];
    for answer in ways {
        assert_eq!(answer.status, 403, "{purpose}: {answer:?}");
        assert_eq!(answer.problem(), "purpose-not-granted");
    }
}

/// The sets of connections for which an analysis lies in the table.
async fn analyses(world: &World, customer: &str) -> Vec<BTreeSet<String>> {
    let pk = format!("T#cli_demo#U#{customer}");
    let items = dump(world, false).await.into_iter();
    let mut found = Vec::new();
    for item in items.filter(|item| item["pk"]["S"] == pk.as_str()) {
        let sk = item["sk"]["S"].as_str().unwrap();
        if sk.starts_with("C#") || sk.starts_with("A#") {
            continue;
        }
        assert_eq!(sk, "S", "nothing else of a person's is learned: {item}");
        for analysis in item["analyses"]["L"].as_array().unwrap() {
            let connections = analysis["M"]["connections"]["S"].as_str().unwrap();
            found.push(serde_json::from_str(connections).unwrap());
        }
    }
    found
}

async fn pass(world: &World, time: SignedDuration) -> Api {
    world.suite.advance(time).await.unwrap();
    world.api("cli_demo").await
}

async fn scores_told(api: &Api, customer: &str) -> usize {
    let events = api.events(100).await.into_iter();
    let told =
        events.filter(|event| event["kind"] == "score.ready" && event["customer"] == customer);
    told.count()
}

fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_allows_no_score_has_none_and_neither_feeds_nor_hides_another_ones() {
    let world = World::start(Options::in_memory()).await;
    let api = world.api("cli_demo").await;
    // Alone: nothing is learned, nothing is told.
    connect_for(&api, "customer-2", "karim.nguyen", &["claims"]).await;
    let api = pass(&world, minutes(3)).await;
    assert_eq!(analyses(&world, "customer-2").await, []);
    assert_eq!(scores_told(&api, "customer-2").await, 0);
    assert_refused(&api, "customer-2", "claims").await;

    // Beside one that allows it.
    let scored = connect_for(&api, "customer-1", "camille.martin", &["advice"]).await;
    let alone = stored(&api, "customer-1", "advice").await;
    connect_for(&api, "customer-1", "karim.nguyen", &["claims"]).await;
    let api = pass(&world, minutes(3)).await;
    assert_answered_from(&api, "customer-1", "advice", &[&scored]).await;
    let beside = stored(&api, "customer-1", "advice").await;
    assert_eq!(beside.body["coverage"], alone.body["coverage"]);
    assert_refused(&api, "customer-1", "claims").await;
    let only: BTreeSet<String> = [scored].into();
    assert_eq!(analyses(&world, "customer-1").await, [only]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_purpose_is_answered_from_the_connections_that_grant_it_and_from_no_other() {
    let world = World::start(Options::in_memory()).await;
    let api = world.api("cli_demo").await;
    let advised = connect_for(&api, "customer-1", "camille.martin", &["advice"]).await;
    let quoted = connect_for(&api, "customer-1", "karim.nguyen", &["quote"]).await;
    let api = pass(&world, minutes(3)).await;
    assert_answered_from(&api, "customer-1", "advice", &[&advised]).await;
    assert_answered_from(&api, "customer-1", "quote", &[&quoted]).await;
    assert_eq!(analyses(&world, "customer-1").await.len(), 2);

    // The person sees both, each under its bank, and takes both along.
    let (mut person, overview) = self_care::enter(&self_care::link(&api, "customer-1").await).await;
    let learned = person.open(overview.link("/self-care/learned")).await;
    assert_eq!(learned.html.matches("class=\"banks\"").count(), 2);
    let copy = overview.url.join("/self-care/downloads/data.json").unwrap();
    let copy: Value = person.download(&copy).await.json().await.unwrap();
    assert_eq!(copy["learned_apart"].as_array().unwrap().len(), 1);

    // A third one for both joins each of them; one purpose taken back there leaves it again.
    let both = connect_for(&api, "customer-1", "camille.martin", &["advice", "quote"]).await;
    let api = pass(&world, minutes(3)).await;
    assert_answered_from(&api, "customer-1", "advice", &[&advised, &both]).await;
    assert_answered_from(&api, "customer-1", "quote", &[&quoted, &both]).await;
    let shown = api.get(&format!("/v1/connections/{both}")).await.body;
    let consent = shown["consent"].as_str().unwrap();
    let path = format!("/v1/consents/{consent}/purposes/advice");
    assert_eq!(api.send(Method::DELETE, &path, None).await.status, 204);
    // From that moment on nothing of it is served, and what is stored rests on what is still granted.
    for set in analyses(&world, "customer-1").await {
        assert!(!(set.contains(&advised) && set.contains(&both)), "{set:?}");
    }
    assert_answered_from(&api, "customer-1", "quote", &[&quoted, &both]).await;
    let api = pass(&world, minutes(3)).await;
    assert_answered_from(&api, "customer-1", "advice", &[&advised]).await;
    assert_answered_from(&api, "customer-1", "quote", &[&quoted, &both]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_learned_goes_with_the_purpose_that_justified_it_and_never_comes_back() {
    let world = World::start(Options::in_memory()).await;
    let api = world.api("cli_demo").await;
    let id = connect_for(&api, "customer-1", "camille.martin", &["advice", "claims"]).await;
    assert_answered_from(&api, "customer-1", "advice", &[&id]).await;
    let told = scores_told(&api, "customer-1").await;
    assert!(told > 0);
    let shown = api.get(&format!("/v1/connections/{id}")).await.body;
    let consent = shown["consent"].as_str().unwrap();
    let path = format!("/v1/consents/{consent}/purposes/advice");
    assert_eq!(api.send(Method::DELETE, &path, None).await.status, 204);
    assert_eq!(analyses(&world, "customer-1").await, []);
    assert_refused(&api, "customer-1", "advice").await;

    // Lines are read on for the purpose that stays; nothing is learned from them and nobody is told.
    let api = pass(&world, SignedDuration::from_hours(48)).await;
    let path = format!("/v1/connections/{id}/transactions?purpose=claims");
    assert_eq!(api.get(&path).await.status, 200);
    assert_eq!(analyses(&world, "customer-1").await, []);
    assert_refused(&api, "customer-1", "advice").await;
    assert_eq!(scores_told(&api, "customer-1").await, told);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_after_the_end_is_what_was_read_and_never_what_was_learned() {
    let world = World::start(Options::in_memory()).await;
    let api = world.api("cli_demo").await;
    let kept = connect_for(&api, "customer-1", "camille.martin", &["underwriting"]).await;
    assert_answered_from(&api, "customer-1", "underwriting", &[&kept]).await;
    let api = pass(&world, SignedDuration::from_hours(91 * 24)).await;
    let shown = api.get(&format!("/v1/connections/{kept}")).await.body;
    assert_eq!(shown["status"], "closed", "{shown}");
    assert!(
        shown["erasure"]["rows_erased_at"].is_null(),
        "kept: {shown}"
    );
    assert_eq!(analyses(&world, "customer-1").await, []);
    assert_refused(&api, "customer-1", "underwriting").await;
}
