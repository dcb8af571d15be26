//! What was learned, as the client reads it: part by part, under the purpose rules, with the lines
//! that show it; and what the person corrects.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use passerelle_local::Options;
use reqwest::Method;
use serde_json::{Value, json};

use crate::person::Person;
use crate::settings::put;
use crate::world::{Answer, Api, World, approve, connect, wait_for_ending, walk_to_bank};

const PARTS: [&str; 5] = [
    "profile",
    "contracts",
    "recurrences",
    "life-moments",
    "scores",
];

async fn connected() -> (World, Api, String) {
    let world = World::start(Options::in_memory()).await;
    let api = world.api("cli_demo").await;
    connect(&api, "customer-1", "camille.martin").await;
    let connection = api.connection("customer-1").await;
    let id = connection["id"].as_str().unwrap().to_owned();
    (world, api, id)
}

async fn part(api: &Api, name: &str, purpose: &str) -> Answer {
    api.get(&format!(
        "/v1/customers/customer-1/{name}?purpose={purpose}"
    ))
    .await
}

/// Every evidence id named anywhere in an answer.
fn evidence(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "evidence" {
                    let ids = value.as_array().cloned().unwrap_or(vec![value.clone()]);
                    found.extend(ids.iter().filter_map(|id| id.as_str().map(str::to_owned)));
                } else {
                    evidence(value, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| evidence(item, found)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_part_of_what_was_learned_names_lines_that_can_be_read() {
    let (_world, api, _) = connected().await;
    let mut ids = BTreeSet::new();
    for name in PARTS {
        let answer = part(&api, name, "advice").await;
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
        assert!(answer.body["coverage"]["lines"].as_i64().unwrap() > 0);
        evidence(&answer.body, &mut ids);
    }
    let contracts = part(&api, "contracts", "advice").await;
    let contracts = contracts.body["contracts"].as_array().unwrap().clone();
    assert!(!contracts.is_empty(), "Camille pays premiums");
    let profile = part(&api, "profile", "advice").await;
    assert!(profile.body["profile"]["housing"].is_string());

    let ids: Vec<String> = ids.into_iter().collect();
    assert!(ids.len() > 20, "{}", ids.len());
    for some in ids.chunks(100) {
        let path = format!(
            "/v1/customers/customer-1/evidence?purpose=advice&lines={}",
            some.join(",")
        );
        let answer = api.get(&path).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let shown: BTreeSet<&str> = answer.body["transactions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| line["id"].as_str().unwrap())
            .collect();
        assert_eq!(shown, some.iter().map(String::as_str).collect());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purpose_sees_the_parts_it_was_granted_and_nothing_else() {
    let (world, api, connection) = connected().await;
    let other = world.api("cli_other").await;
    for name in PARTS {
        for purpose in ["retention", "claims", "nonsense"] {
            let refused = part(&api, name, purpose).await;
            assert_eq!(
                (refused.status, refused.problem()),
                (403, "purpose-not-granted")
            );
        }
        let unnamed = api.get(&format!("/v1/customers/customer-1/{name}")).await;
        assert_eq!(unnamed.status, 400, "{unnamed:?}");
        assert_eq!(part(&other, name, "advice").await.status, 403);
    }
    // `quote` sells: it sees cards and flows, but neither fragility nor a line.
    let sold = part(&api, "scores", "quote").await;
    let models: Vec<&str> = sold.body["scores"]
        .as_array()
        .unwrap()
        .iter()
        .map(|card| card["model"].as_str().unwrap())
        .collect();
    assert!(!models.is_empty() && !models.contains(&"financial-resilience"));
    let line = first_line(&api, &connection, |_| true).await;
    let id = line["id"].as_str().unwrap();
    let path = format!("/v1/customers/customer-1/evidence?purpose=quote&lines={id}");
    assert_eq!(api.get(&path).await.problem(), "purpose-not-granted");
    for lines in [
        "",
        "txn_1",
        "cnx_00000000000000000000000000",
        &format!("{id},"),
    ] {
        let path = format!("/v1/customers/customer-1/evidence?purpose=advice&lines={lines}");
        assert_eq!(api.get(&path).await.problem(), "invalid-query", "{lines}");
    }
}

async fn first_line(api: &Api, connection: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let path = format!("/v1/connections/{connection}/transactions?purpose=advice&limit=500");
    let page = api.get(&path).await;
    let lines = page.body["transactions"].as_array().unwrap().clone();
    lines.into_iter().find(|line| wanted(line)).expect("a line")
}

async fn correct(api: &Api, connection: &str, line: &str, body: &Value) -> Answer {
    let path = format!("/v1/connections/{connection}/corrections/{line}");
    api.send(Method::PUT, &path, Some(body)).await
}

/// The stored contracts, once they are not `before` any more.
async fn contracts_after(api: &Api, before: &Value) -> Value {
    let started = Instant::now();
    loop {
        let now = part(api, "contracts", "advice").await.body["contracts"].clone();
        if now != *before {
            return now;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{before}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_wins_over_the_rules_is_remembered_and_can_be_taken_back() {
    let (world, api, connection) = connected().await;
    let before = part(&api, "contracts", "advice").await.body["contracts"].clone();
    let line = first_line(&api, &connection, |line| {
        line["enrichment"]["category"] == "insurance.auto"
    })
    .await;
    let id = line["id"].as_str().unwrap();

    let body = json!({"purpose": "advice", "category": "insurance.pet", "applies_to": "payee"});
    let corrected = correct(&api, &connection, id, &body).await;
    assert_eq!(corrected.status, 200, "{corrected:?}");
    assert_eq!(corrected.body["enrichment"]["category"], "insurance.pet");
    assert_eq!(corrected.body["enrichment"]["stage"], "correction");

    // The score is owed by the table: the next sweep has it computed.
    world
        .suite
        .advance(jiff::SignedDuration::from_mins(2))
        .await
        .expect("time passes");
    let after = contracts_after(&api, &before).await;
    let lines = |contracts: &Value| -> Vec<String> {
        let contracts = contracts.as_array().unwrap().iter();
        contracts
            .map(|one| one["line"].as_str().unwrap().to_owned())
            .collect()
    };
    assert!(lines(&before).contains(&"insurance.auto".to_owned()));
    assert!(
        lines(&after).contains(&"insurance.pet".to_owned()),
        "{after}"
    );
    assert!(
        !lines(&after).contains(&"insurance.auto".to_owned()),
        "{after}"
    );

    let listed = api
        .get(&format!(
            "/v1/connections/{connection}/corrections?purpose=advice"
        ))
        .await;
    assert_eq!(
        listed.body["payees"].as_array().unwrap().len(),
        1,
        "{listed:?}"
    );

    let path = format!("/v1/connections/{connection}/corrections/{id}?purpose=advice");
    assert_eq!(api.send(Method::DELETE, &path, None).await.status, 204);
    world
        .suite
        .advance(jiff::SignedDuration::from_mins(2))
        .await
        .expect("time passes");
    assert_eq!(contracts_after(&api, &after).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_is_refused_where_it_would_name_what_is_protected() {
    let (world, api, connection) = connected().await;
    let ordinary = first_line(&api, &connection, |line| line["sensitive"] == false).await;
    let sensitive = first_line(&api, &connection, |line| line["sensitive"] == true).await;
    let id = |line: &Value| line["id"].as_str().unwrap().to_owned();
    for category in [
        "sensitive",
        "unknown",
        "insurance.health",
        "charity.restricted",
        "cats",
    ] {
        let body = json!({"purpose": "advice", "category": category});
        let refused = correct(&api, &connection, &id(&ordinary), &body).await;
        assert_eq!(
            (refused.status, refused.problem()),
            (400, "invalid-body"),
            "{category}"
        );
    }
    let body = json!({"purpose": "advice", "category": "food.groceries"});
    let refused = correct(&api, &connection, &id(&sensitive), &body).await;
    assert_eq!(refused.problem(), "conflict");
    let nowhere = "txn_00000000000000000000000000";
    assert_eq!(correct(&api, &connection, nowhere, &body).await.status, 404);
    let sells = json!({"purpose": "quote", "category": "food.groceries"});
    let refused = correct(&api, &connection, &id(&ordinary), &sells).await;
    assert_eq!(refused.problem(), "purpose-not-granted");
    let other = world.api("cli_other").await;
    let foreign = correct(&other, &connection, &id(&ordinary), &body).await;
    assert_eq!(foreign.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opt_in_is_off_until_the_person_asks_and_ends_with_the_connection() {
    let (_world, api, connection) = connected().await;
    let path = format!("/v1/connections/{connection}/opt-ins");
    let read = format!("{path}?purpose=advice");
    let off = json!({"new_child": false, "retirement": false});
    assert_eq!(api.get(&read).await.body, off);
    let asked = json!({"purpose": "advice", "new_child": true, "retirement": false});
    let answer = api.send(Method::PUT, &path, Some(&asked)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let on = json!({"new_child": true, "retirement": false});
    assert_eq!(api.get(&read).await.body, on);

    let ended = api
        .send(
            Method::DELETE,
            &format!("/v1/connections/{connection}"),
            None,
        )
        .await;
    assert_eq!(ended.status, 204);
    assert_eq!(api.get(&read).await.problem(), "purpose-not-granted");
    // A new connection starts without it.
    let consent = api.open_consent("customer-1").await;
    let mut person = Person::new();
    let login = walk_to_bank(&mut person, consent["journey_url"].as_str().unwrap()).await;
    let back = approve(&mut person, &login, "camille.martin").await;
    let progress = person.open(back.as_str()).await;
    wait_for_ending(&mut person, progress).await;
    let renewed = api.connection("customer-1").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let read = format!("/v1/connections/{renewed}/opt-ins?purpose=advice");
    assert_eq!(api.get(&read).await.body, off);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_gave_its_names_reads_which_contracts_are_its_own() {
    let (_world, api, _) = connected().await;
    let providers = |contracts: &Answer| -> Vec<(String, Value)> {
        let contracts = contracts.body["contracts"].as_array().unwrap().iter();
        contracts
            .filter_map(|contract| {
                let insurer = contract["insurer"].as_str()?;
                Some((insurer.to_owned(), contract["provider"].clone()))
            })
            .collect()
    };
    let unnamed = providers(&part(&api, "contracts", "advice").await);
    assert!(unnamed.iter().all(|(_, provider)| provider.is_null()));
    let ours = unnamed.first().expect("this person is insured").0.clone();

    let settings = json!({"insurer_names": [ours.to_uppercase()]});
    let saved = put(&api, 0, &settings).await;
    assert_eq!(saved.status, 200, "{saved:?}");
    let named = providers(&part(&api, "contracts", "advice").await);
    assert_eq!(named.len(), unnamed.len());
    for (insurer, provider) in named {
        let expected = if insurer == ours { "own" } else { "competitor" };
        assert_eq!(provider, expected, "{insurer}");
    }
    let asked = json!({"customer": "customer-1", "purpose": "advice"});
    let computed = api.send(Method::POST, "/v1/scores", Some(&asked)).await;
    assert!(providers(&computed).contains(&(ours, json!("own"))));

    let stranger = json!({"insurer_names": ["MAIF", "Nobody Ever"]});
    let refused = put(&api, 1, &stranger).await;
    assert_eq!(refused.problem(), "invalid-body");
    let errors = refused.body["errors"].to_string();
    assert!(errors.contains("#/insurer_names/1"), "{errors}");
    assert!(!errors.contains("#/insurer_names/0"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_category_is_told_with_its_names_and_what_it_is_elsewhere() {
    let world = World::start(Options::in_memory()).await;
    let api = world.api("cli_demo").await;
    let told = api.get("/v1/taxonomy").await;
    assert_eq!(told.status, 200, "{told:?}");
    let leaves = told.body["leaves"].as_array().unwrap();
    let leaf = |code: &str| leaves.iter().find(|leaf| leaf["code"] == code).unwrap();
    assert!(leaves.len() > 80);
    assert_eq!(leaf("income.salary")["plaid"], "INCOME");
    assert_eq!(leaf("income.salary")["iso20022"], "PMNT-RCDT-SALA");
    assert_eq!(leaf("food.groceries")["french"], "Alimentation");
    let address = format!("{}/v1/taxonomy", world.base);
    let stranger = crate::person::client().get(address).send().await.unwrap();
    assert_eq!(stranger.status(), 401);
}
