//! The key a client signs one-click links with: made once per request, and never lost.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use passerelle_local::Options;
use reqwest::Method;

use crate::world::{Answer, Api, World};

const PATH: &str = "/v1/settings/link-key";

async fn made(api: &Api, idempotency_key: Option<&str>) -> Answer {
    let mut request = api.raw(Method::POST, PATH);
    if let Some(key) = idempotency_key {
        request = request.header("idempotency-key", key);
    }
    Api::read(request).await
}

fn key(answer: &Answer) -> &str {
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body["link_key"].as_str().expect("a key")
}

/// The keys links may be signed with now, the former one second.
async fn good(world: &World) -> (String, Option<String>) {
    let client = "cli_demo".parse().unwrap();
    let (store, now) = (world.store(), world.suite.clock().now());
    let keys = store.link_keys(&client, now);
    let keys = keys.await.unwrap().expect("a key was made");
    let told =
        |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
    let previous = keys.previous.map(|key| told(&key));
    (told(&keys.current), previous)
}

/// The function ended after the write and before its answer: the client asks again.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_is_answered_with_the_key_it_made_and_makes_no_second_one() {
    let world = World::start(Options::in_memory()).await;
    let api = world.api("cli_demo").await;
    let first = made(&api, None).await;
    let changed = made(&api, Some("change-1")).await;
    assert_ne!(key(&changed), key(&first));
    let repeated = made(&api, Some("change-1")).await;
    assert_eq!(repeated.body, changed.body);
    let (current, previous) = good(&world).await;
    assert_eq!(current, key(&changed));
    assert_eq!(previous.as_deref(), Some(key(&first)), "links on their way");

    // Whatever was changed since, the request made what it made.
    let later = made(&api, Some("change-2")).await;
    assert_eq!(made(&api, Some("change-1")).await.body, changed.body);
    assert_eq!(good(&world).await.0, key(&later));
    // For a day, and for its own client.
    let other = world.api("cli_other").await;
    assert_ne!(key(&made(&other, Some("change-1")).await), key(&changed));
    let day = SignedDuration::from_hours(25);
    world.suite.advance(day).await.unwrap();
    let api = world.api("cli_demo").await;
    assert_ne!(key(&made(&api, Some("change-1")).await), key(&changed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_request_is_told_apart() {
    let world = World::start(Options::in_memory()).await;
    let api = world.api("cli_demo").await;
    let body = serde_json::json!({"customer": "customer-1", "purposes": [{"code": "advice"}]});
    let opening = api.raw(Method::POST, "/v1/consents").json(&body);
    let opened = Api::read(opening.header("idempotency-key", "once")).await;
    assert_eq!(opened.status, 201, "{opened:?}");
    let refused = made(&api, Some("once")).await;
    assert_eq!(refused.problem(), "idempotency-key-reused");
    for unfit in ["two words", &"x".repeat(129)] {
        assert_eq!(made(&api, Some(unfit)).await.problem(), "invalid-request");
    }
}

/// Of calls at the same time each either makes a key that is good afterwards, or was good until the next
/// was made, or changes nothing and says so: the key before the current one is always one that was told.
#[tokio::test(flavor = "multi_thread")]
async fn changes_at_the_same_time_lose_no_key_that_was_told() {
    let world = World::start(Options::in_memory()).await;
    let api = world.api("cli_demo").await;
    let mut told = BTreeSet::from([key(&made(&api, None).await).to_owned()]);
    for _ in 0..5 {
        let (before, _) = good(&world).await;
        let calls = (0..6).map(|_| {
            let api = api.clone();
            tokio::spawn(async move { made(&api, None).await })
        });
        let mut fresh = BTreeSet::new();
        for call in calls.collect::<Vec<_>>() {
            let answer = call.await.unwrap();
            if answer.status == 409 {
                assert_eq!(answer.problem(), "conflict");
                continue;
            }
            fresh.insert(key(&answer).to_owned());
        }
        assert!(!fresh.is_empty());
        let (current, previous) = good(&world).await;
        let previous = previous.expect("the key before");
        assert!(fresh.contains(&current));
        assert_ne!(current, previous);
        if fresh.len() == 1 {
            assert_eq!(previous, before);
        } else {
            assert!(fresh.contains(&previous), "told meanwhile and lost");
        }
        told.extend(fresh);
    }
    assert!(told.len() >= 6);
}
