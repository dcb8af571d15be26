//! A bank of the directory that has registered us: everything goes by its own interface.

use jiff::SignedDuration;
use passerelle_local::Options;
use serde_json::{Value, json};

use crate::world::{World, connect_at};

/// The suite of an insurer whom three real banks have registered; the sandbox stands in for them.
async fn registered_with_banks() -> World {
    let world = World::start(Options::in_memory()).await;
    let bank = format!("{}/sandbox-bank", world.base);
    let stet = |version: &str, more: Value| {
        let mut registration = json!({
            "api": format!("{bank}/stet/{version}"),
            "authorisation": format!("{bank}/stet/{version}/authorize"),
            "token": format!("{bank}/stet/{version}/token"),
            "issuer": format!("{bank}/stet/"),
        });
        registration["capabilities"] = more;
        registration
    };
    for (name, registration) in [
        (
            "societe-generale",
            stet("v1.4", json!({"pending": true, "extended_history": true})),
        ),
        (
            "BPCE",
            stet("v1.6", json!({"pending": true, "forwarded_consent": true})),
        ),
        (
            "milleis",
            json!({ "api": bank, "capabilities": {"pending": true} }),
        ),
    ] {
        let command = json!({"register-bank": {"bank": name, "registration": registration}});
        let answer = world.suite.invoke("registry", command).await.unwrap();
        assert!(!answer["opens"].as_array().unwrap().is_empty(), "{answer}");
    }
    // What a function already read is believed for five minutes.
    let believed = SignedDuration::from_mins(6);
    world.suite.advance(believed).await.unwrap();
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn banks_that_have_registered_us_are_connected_read_and_scored() {
    let world = registered_with_banks().await;
    let api = world.api("cli_demo").await;
    for institution in ["societe-generale", "caisse-d-epargne-normandie", "milleis"] {
        let listed = api.get(&format!("/v1/institutions/{institution}")).await;
        assert_eq!(
            listed.body["reachable"]["status"], "ready",
            "{:?}",
            listed.body
        );
        assert_eq!(listed.body["reachable"]["through"], "bank");

        connect_at(&api, institution, institution, "camille.martin").await;
        let connection = api.connection(institution).await;
        assert_eq!(connection["status"], "active", "{connection}");
        assert_eq!(connection["institution"], institution, "{connection}");
        let scores = api.scores(institution).await;
        assert_eq!(scores.status, 200, "{institution}: {:?}", scores.body);
    }
    // A neighbour nobody registered with stays closed.
    let lcl = api.get("/v1/institutions/lcl").await;
    assert_eq!(lcl.body["reachable"]["status"], "needs-onboarding");
}
