//! Nothing of a person in a log, whatever `RUST_LOG` says, nor readable in what is stored.

use std::path::Path;

use reqwest::Method;
use serde_json::Value;

use crate::machine::Machine;
use crate::person::Person;
use crate::self_care;
use crate::world::{approve, wait_for_ending, walk_to_bank};

/// Words that only a person's lines, accounts and names hold.
async fn personal_words(machine: &Machine) -> Vec<String> {
    let api = machine.api().await;
    let connection = api.connection("customer-1").await;
    let id = connection["id"].as_str().unwrap();
    let path = format!("/v1/connections/{id}/transactions?purpose=advice&limit=500");
    let lines = api.get(&path).await;
    let mut words: Vec<String> = lines.body["transactions"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|line| line["label"].as_str())
        // Short texts stand in code as well.
        .filter(|label| label.len() >= 12)
        .map(str::to_owned)
        .collect();
    words.sort();
    words.dedup();
    assert!(words.len() > 20, "{words:?}");
    words.extend([
        "Camille".to_owned(),
        "FR76".to_owned(),
        "Compte courant".to_owned(),
    ]);
    words
}

fn assert_absent(words: &[String], file: &Path) {
    let bytes = std::fs::read(file).unwrap();
    assert!(!bytes.is_empty(), "{} is empty", file.display());
    let text = String::from_utf8_lossy(&bytes);
    for word in words {
        assert!(
            !text.contains(word.as_str()),
            "{word:?} stands in {}",
            file.display()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_label_iban_name_token_or_link_reaches_the_log_or_lies_readable_in_the_table() {
    let machine = Machine::start_saying("trace").await;
    let consent = machine.api().await.open_consent("customer-1").await;
    let link = consent["journey_url"].as_str().unwrap();
    let mut person = Person::new();
    let login_page = walk_to_bank(&mut person, link).await;
    let back = approve(&mut person, &login_page, "camille.martin").await;
    let progress = person.open(back.as_str()).await;
    wait_for_ending(&mut person, progress).await;

    // A visit to self-care: its link, its cookie and what its forms carry.
    let care = self_care::link(&machine.api().await, "customer-1").await;
    let (mut person, overview) = self_care::enter(&care).await;
    let copies = person.open(overview.link("/self-care/downloads")).await;
    let copy = person.download(&copies.link("/data.json")).await;
    assert_eq!(copy.status(), 200);
    let visit = [
        care.rsplit('/').next().unwrap().to_owned(),
        person.cookie("self-care"),
        overview.inputs("proof")[0].clone(),
    ];

    let api = machine.api().await;
    let made = api.send(Method::POST, "/v1/settings/link-key", None).await;
    let link_key = made.body["link_key"].as_str().unwrap().to_owned();
    let mut words = personal_words(&machine).await;
    let events = Value::from(api.events(100).await).to_string();
    for word in &words {
        assert!(!events.contains(word.as_str()), "{word:?} is in an event");
    }
    for path in [
        "/v1/customers/customer-1/receipts",
        "/v1/customers/customer-1/access-log",
    ] {
        let text = api.get(path).await.body.to_string();
        assert!(text.len() > 100, "{path}: {text}");
        for word in &words {
            assert!(!text.contains(word.as_str()), "{word:?} stands in {path}");
        }
    }
    words.push(link_key);
    words.extend(visit);
    assert_absent(&words, &machine.folder().join("dynamodb.sqlite"));
    // What a browser carries is as secret as what a bank serves.
    words.push(link.rsplit('/').next().unwrap().to_owned());
    let secrets = back
        .query_pairs()
        .filter(|(name, _)| name == "code" || name == "state");
    words.extend(secrets.map(|(_, value)| value.into_owned()));
    assert_absent(&words, &machine.folder().join("log"));
}
