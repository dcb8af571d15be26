//! Lines that article 9 GDPR protects, marked with a word of their own and followed from the bank
//! through every function: the word is found nowhere.

use std::path::Path;

use passerelle_domain::Date;
use passerelle_local::Options;
use serde_json::{Value, json};

use crate::machine::Machine;
use crate::self_care::{enter, link};
use crate::world::{Api, World, connect};

/// Stands in every protected line and in nothing else.
const MARK: &str = "ZQXMARQUE";

const PROTECTED: [(&str, &str); 6] = [
    ("-23.40", "CARTE 12/05 PHARMACIE ZQXMARQUE PARIS"),
    ("-14.00", "PRLV SEPA COTISATION SYNDICAT CGT ZQXMARQUE"),
    ("-30.00", "VIR SEPA DON PAROISSE ST ZQXMARQUE"),
    ("-60.00", "CB DOCTEUR ZQXMARQUE GENERALISTE"),
    ("-20.00", "PRLV PARTI SOCIALISTE ZQXMARQUE ADHESION"),
    ("-48.12", "PRLV SEPA MUTUELLE MGEN SANTE ZQXMARQUE"),
];

/// A person with half a year of ordinary life and one protected line of each kind a month.
fn write_persona(folder: &Path) {
    let today: Date = "2026-06-30".parse().unwrap();
    let mut lines = Vec::new();
    let mut add = |days_ago: i64, value: &str, label: &str| {
        let day = today.checked_sub(jiff::Span::new().days(days_ago)).unwrap();
        let at = format!("{day}T12:00:00.000Z");
        let value: Value = serde_json::from_str(value).unwrap();
        lines.push(json!({
            "id": lines.len() + 1, "date": at, "rdate": at, "currency": "EUR",
            "value": value, "original_wording": label,
        }));
    };
    for month in 0..6 {
        let start = month * 30;
        add(start, "2100.00", "VIR SEPA SALAIRE ENTREPRISE EXEMPLE");
        add(start + 2, "-720.00", "PRLV SEPA LOYER AGENCE EXEMPLE");
        add(start + 3, "-41.90", "PRLV SEPA MAIF ASSURANCE AUTO");
        for (index, (value, label)) in (0..).zip(PROTECTED) {
            add(start + 4 + index, value, label);
        }
        add(start + 12, "-64.35", "CARTE 03/05 CARREFOUR MARKET LYON");
    }
    let persona = json!({
        "format": "BUDGET_INSIGHT_V2_0",
        "connections": [{ "accounts": [{
            "id": 1, "type": "checking", "currency": { "id": "EUR" }, "balance": 1200.63,
            "iban": "FR7630006944933299699166887", "transactions": lines,
        }]}],
    });
    std::fs::write(folder.join("marked.json"), persona.to_string()).unwrap();
}

/// Every answer of the API about a customer, as text.
async fn every_answer(api: &Api, connection: &str) -> Vec<(String, String)> {
    let of_customer = [
        "profile",
        "contracts",
        "recurrences",
        "life-moments",
        "scores",
    ]
    .map(|part| format!("/v1/customers/customer-1/{part}?purpose=advice"));
    let of_connection = ["accounts", "transactions", "corrections", "opt-ins"]
        .map(|part| format!("/v1/connections/{connection}/{part}?purpose=advice"));
    let mut answers = Vec::new();
    for path in of_customer.into_iter().chain(of_connection) {
        let answer = api.get(&path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answers.push((path, answer.body.to_string()));
    }
    let asked = json!({"customer": "customer-1", "purpose": "advice"});
    let computed = api
        .send(reqwest::Method::POST, "/v1/scores", Some(&asked))
        .await;
    answers.push(("POST /v1/scores".to_owned(), computed.body.to_string()));
    answers
}

/// Everything the person reads about themselves, and every file they take along.
async fn every_page_of_self_care(api: &Api, connection: &str) -> Vec<(String, String)> {
    let (mut person, overview) = enter(&link(api, "customer-1").await).await;
    let places = [
        format!("connections/{connection}"),
        format!("connections/{connection}/lines"),
        "learned".to_owned(),
        "access-log".to_owned(),
        "downloads".to_owned(),
        "downloads/data.json".to_owned(),
        "downloads/transactions.csv".to_owned(),
        "downloads/accounts.csv".to_owned(),
        "downloads/receipts.jsonl".to_owned(),
    ];
    let mut pages = Vec::new();
    for place in places {
        let there = overview.url.join(&format!("/self-care/{place}")).unwrap();
        let answer = person.download(&there).await;
        assert_eq!(answer.status(), 200, "{place}");
        pages.push((place, answer.text().await.unwrap()));
    }
    let lines = &pages[1].1;
    assert!(lines.contains("Protected payment"), "{lines}");
    pages
}

fn assert_unmarked(place: &str, text: &str) {
    assert!(
        !text.to_uppercase().contains(MARK),
        "{MARK} stands in {place}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protected_line_is_in_no_answer_and_in_nothing_that_is_stored_even_opened() {
    let folder = tempfile::tempdir().unwrap();
    write_persona(folder.path());
    let world = World::start(Options {
        personae: Some(folder.path().to_owned()),
        ..Options::in_memory()
    })
    .await;
    let api = world.api("cli_demo").await;
    let last = connect(&api, "customer-1", "marked").await;
    assert_unmarked("the last page", &last.html);
    let connection = api.connection("customer-1").await["id"]
        .as_str()
        .unwrap()
        .to_owned();

    let answers = every_answer(&api, &connection).await;
    for (path, text) in &answers {
        assert_unmarked(path, text);
    }
    for (path, text) in every_page_of_self_care(&api, &connection).await {
        assert_unmarked(&path, &text);
    }
    // The protected lines are there: their amounts count, their words do not.
    let lines = api
        .get(&format!(
            "/v1/connections/{connection}/transactions?purpose=advice&limit=500"
        ))
        .await;
    let lines = lines.body["transactions"].as_array().unwrap().clone();
    for (value, _) in PROTECTED {
        let found = lines.iter().filter(|line| line["decimal"] == value);
        let found: Vec<&Value> = found.collect();
        assert_eq!(found.len(), 6, "{value}");
        assert!(
            found.iter().all(|line| line["sensitive"] == true),
            "{value}"
        );
    }

    let store = world.store();
    let (client, id) = ("cli_demo".parse().unwrap(), connection.parse().unwrap());
    // The lease of the sync that just ended runs out.
    world
        .suite
        .clock()
        .advance(jiff::SignedDuration::from_mins(3));
    let now = world.suite.clock().now();
    let claim = store
        .table()
        .claim(&client, &id, now)
        .await
        .unwrap()
        .unwrap();
    let loaded = store.load(&claim, now).await.unwrap();
    let content = serde_json::to_string(&loaded.content).unwrap();
    assert!(
        content.contains("FR") || content.len() > 500,
        "it is opened"
    );
    assert_unmarked("the sealed content", &content);
    let history = store.history(&client, &id, now).await.unwrap().unwrap();
    for account in &history.accounts {
        assert_unmarked("a page", &serde_json::to_string(&account.booked).unwrap());
        assert_unmarked("pending", &serde_json::to_string(&account.pending).unwrap());
    }
    let customer = "customer-1".parse().unwrap();
    let learned = store
        .scores::<Value>(&client, &customer, now)
        .await
        .unwrap();
    assert!(!learned.is_empty());
    for learned in learned {
        assert_unmarked("the analysis", &learned.analysis.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protected_line_is_in_no_log_and_in_no_file() {
    let personae = tempfile::tempdir().unwrap();
    write_persona(personae.path());
    let machine = Machine::start_with("trace", Some(personae.path())).await;
    let api = machine.api().await;
    connect(&api, "customer-1", "marked").await;
    let connection = api.connection("customer-1").await;
    every_answer(&api, connection["id"].as_str().unwrap()).await;
    let mut seen = 0;
    for file in std::fs::read_dir(machine.folder()).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            assert_unmarked(
                &path.display().to_string(),
                &String::from_utf8_lossy(&bytes),
            );
            seen += 1;
        }
    }
    assert!(
        seen >= 3,
        "{seen} files: the log, the table and its journal"
    );
}
