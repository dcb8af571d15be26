//! Consent → sandbox login → callback → sync → score, over HTTP, as a newcomer would go.

use std::path::PathBuf;

use passerelle_local::Options;
use serde_json::Value;

use crate::world::{Api, World, connect};

fn personae() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/personae");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("the persona files are absent: these journeys run on generated people only");
    None
}

/// The scored card of a model, or why there is none.
fn card<'a>(scores: &'a Value, model: &str) -> &'a Value {
    let cards = scores["scores"].as_array().expect("scores");
    let found = cards.iter().find(|card| card["model"] == model);
    &found.unwrap_or_else(|| panic!("no {model} in {scores}"))["outcome"]
}

async fn lines(api: &Api, connection: &str) -> Vec<Value> {
    let mut lines = Vec::new();
    let mut after = String::new();
    loop {
        let path =
            format!("/v1/connections/{connection}/transactions?purpose=advice&limit=500{after}");
        let page = api.get(&path).await;
        assert_eq!(page.status, 200, "{page:?}");
        lines.extend(page.body["transactions"].as_array().unwrap().clone());
        match page.body["next_after"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return lines,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_person_connects_and_is_scored_with_reasons_and_evidence() {
    let world = World::start(Options::in_memory()).await;
    let api = world.api("cli_demo").await;
    let last = connect(&api, "customer-1", "camille.martin").await;
    assert_eq!(last.status, 200);
    assert!(last.html.contains("transactions"), "{}", last.html);

    let connection = api.connection("customer-1").await;
    assert_eq!(connection["status"], "active", "{connection}");
    let id = connection["id"].as_str().unwrap();
    let accounts = api
        .get(&format!("/v1/connections/{id}/accounts?purpose=advice"))
        .await;
    assert!(
        accounts.body["accounts"].as_array().unwrap().len() >= 2,
        "{accounts:?}"
    );
    assert!(
        !accounts.body.to_string().contains("FR76"),
        "a whole IBAN is never shown"
    );

    let lines = lines(&api, id).await;
    assert!(lines.len() > 400, "two years of movements: {}", lines.len());
    let known = lines
        .iter()
        .filter(|line| line["enrichment"]["category"] != "unknown")
        .count();
    assert!(
        known * 10 > lines.len() * 8,
        "{known} of {} are sorted",
        lines.len()
    );

    let scores = api.scores("customer-1").await;
    let outcome = card(&scores.body, "financial-resilience");
    assert_eq!(outcome["status"], "scored", "{outcome}");
    let ids: Vec<&Value> = lines.iter().map(|line| &line["id"]).collect();
    let reasons = outcome["reasons"].as_array().unwrap();
    assert!((1..=5).contains(&reasons.len()));
    let evidence: Vec<&Value> = reasons
        .iter()
        .flat_map(|reason| reason["evidence"].as_array().unwrap())
        .collect();
    assert!(!evidence.is_empty(), "{outcome}");
    assert!(
        evidence.iter().all(|id| ids.contains(id)),
        "evidence names lines one can read"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sensitive_line_leaves_amount_and_date_and_nothing_else() {
    let world = World::start(Options::in_memory()).await;
    let api = world.api("cli_demo").await;
    connect(&api, "customer-1", "camille.martin").await;
    let connection = api.connection("customer-1").await;
    let lines = lines(&api, connection["id"].as_str().unwrap()).await;
    let sensitive: Vec<_> = lines
        .iter()
        .filter(|line| line["sensitive"] == true)
        .collect();
    assert!(
        !sensitive.is_empty(),
        "the sandbox gives Camille a pharmacy and a union line"
    );
    for line in &sensitive {
        assert_eq!(line["label"], "", "{line}");
        assert!(line["enrichment"]["merchant"].is_null(), "{line}");
        assert_ne!(line["amount"]["minor"], 0);
    }
    let all = serde_json::to_string(&lines).unwrap().to_uppercase();
    assert!(!all.contains("PHARMACIE") && !all.contains("SYNDICAT"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_ordinary_persona_is_scored_and_every_odd_one_has_a_named_outcome() {
    let Some(folder) = personae() else { return };
    let options = Options {
        personae: Some(folder.clone()),
        ..Options::in_memory()
    };
    let world = World::start(options).await;
    let api = world.api("cli_demo").await;
    let mut seen = 0;
    for file in std::fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let login = path
            .file_stem()
            .unwrap()
            .to_str()
            .unwrap()
            .replace('_', "-");
        let last = connect(&api, &login, &login).await;
        assert_eq!(last.status, 200, "{login}: {}", last.html);
        let connection = api.connection(&login).await;
        seen += 1;
        match login.as_str() {
            "currency-not-supported" => {
                assert_eq!(connection["status"], "no-eligible-account", "{connection}");
                assert_eq!(connection["reason"], "currency-not-supported");
                assert!(last.heading().len() > 5, "{}", last.html);
            }
            "no-checking-account" => {
                assert_eq!(connection["status"], "no-eligible-account", "{connection}");
                assert_eq!(connection["reason"], "no-payment-account");
            }
            "no-owner-name" => {
                assert_eq!(connection["status"], "active", "{connection}");
                assert_eq!(connection["notice"], "holder-not-named");
                assert_scored(&api, &login).await;
            }
            _ => {
                assert_eq!(connection["status"], "active", "{login}: {connection}");
                assert!(connection["notice"].is_null(), "{login}: {connection}");
                assert_scored(&api, &login).await;
            }
        }
    }
    assert!(seen >= 8, "{seen} personae");
}

async fn assert_scored(api: &Api, customer: &str) {
    let scores = api.scores(customer).await;
    assert_eq!(scores.status, 200, "{customer}: {scores:?}");
    let outcome = card(&scores.body, "financial-resilience");
    assert_eq!(outcome["status"], "scored", "{customer}: {outcome}");
    assert!(
        !outcome["reasons"].as_array().unwrap().is_empty(),
        "{customer}: {outcome}"
    );
    println!("{customer}: {} {}", outcome["value"], outcome["band"]);
}
