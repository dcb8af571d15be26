//! The operator's acts: who is let in, who is refused again, which banks are open.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use passerelle_banks::Directory;
use passerelle_local::{Options, Suite};
use passerelle_runtime::Scope;
use reqwest::Method;
use serde_json::{Value, json};

use crate::gatekeeper::Gatekeeper;
use crate::raw_tables;
use crate::world::{Api, World};

async fn act(suite: &Suite, command: Value) -> Value {
    suite.invoke("registry", command).await.expect("an answer")
}

async fn as_client(world: &World, client: &str) -> Api {
    let token = world.suite.token_for(client, &Scope::ALL).await.unwrap();
    Api::new(&world.base, token)
}

fn kind(refused: &Value) -> &str {
    let kind = refused["type"]
        .as_str()
        .unwrap_or_else(|| panic!("{refused}"));
    kind.rsplit(':').next().unwrap()
}

/// How many items of both tables speak of it.
async fn stored(world: &World, text: &str) -> usize {
    let mut found = 0;
    for keys in [false, true] {
        let items = raw_tables::dump(world, keys).await;
        let speaking = items.iter().filter(|item| item.to_string().contains(text));
        found += speaking.count();
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_nobody_registered_is_refused_everywhere_and_leaves_no_trace() {
    let world = World::start(Options::in_memory()).await;
    let stranger = as_client(&world, "cli_stranger").await;
    let consent = json!({"customer": "customer-1", "purposes": [{"code": "advice"}]});
    for (method, path, body) in [
        (Method::POST, "/v1/consents", Some(&consent)),
        (Method::POST, "/v1/settings/link-key", None),
        (Method::GET, "/v1/settings", None),
        (Method::GET, "/v1/institutions", None),
        (Method::GET, "/v1/events", None),
        (Method::GET, "/v1/customers/customer-1/receipts", None),
        (Method::POST, "/v1/scores", Some(&consent)),
    ] {
        let answer = stranger.send(method, path, body).await;
        assert_eq!(answer.status, 403, "{path}: {answer:?}");
        assert_eq!(answer.problem(), "tenant-unknown", "{path}");
    }
    assert_eq!(
        stored(&world, "cli_stranger").await,
        0,
        "nothing is written"
    );
    assert!(
        stored(&world, "cli_demo").await > 0,
        "the look would see it"
    );

    // The operator's act counts at once, and only for the client it names.
    let command = json!({"register-tenant": {"client": "cli_stranger", "name": "New Mutual"}});
    let answer = act(&world.suite, command).await;
    assert_eq!(answer["tenant"]["status"], "registered", "{answer}");
    let opened = stranger
        .send(Method::POST, "/v1/consents", Some(&consent))
        .await;
    assert_eq!(opened.status, 201, "{opened:?}");
    let another = as_client(&world, "cli_stranger_2").await;
    assert_eq!(another.get("/v1/events").await.problem(), "tenant-unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_counts_within_a_minute_for_a_client_that_was_just_served() {
    let world = World::start(Options::in_memory()).await;
    let api = world.api("cli_demo").await;
    let paths = ["/v1/events", "/v1/institutions", "/v1/settings"];
    for path in paths {
        assert_eq!(api.get(path).await.status, 200, "{path}");
    }
    let suspend = json!({"suspend-tenant": {"client": "cli_demo"}});
    let answer = act(&world.suite, suspend.clone()).await;
    assert_eq!(answer["tenant"]["status"], "suspended", "{answer}");
    world
        .suite
        .advance(SignedDuration::from_secs(61))
        .await
        .unwrap();
    for path in paths {
        assert_eq!(api.get(path).await.problem(), "tenant-suspended", "{path}");
    }
    let other = world.api("cli_other").await;
    assert_eq!(other.get("/v1/events").await.status, 200, "its neighbour");

    // Registering it again does not lift the suspension; suspending it twice is once.
    let rename = json!({"register-tenant": {"client": "cli_demo", "name": "Demo"}});
    assert_eq!(
        act(&world.suite, rename).await["tenant"]["status"],
        "suspended"
    );
    let again = act(&world.suite, suspend).await;
    assert_eq!(
        again["tenant"]["suspended_at"],
        answer["tenant"]["suspended_at"]
    );
    assert_eq!(api.get("/v1/events").await.problem(), "tenant-suspended");
    let resumed = act(
        &world.suite,
        json!({"resume-tenant": {"client": "cli_demo"}}),
    )
    .await;
    assert_eq!(resumed["tenant"]["status"], "registered", "{resumed}");
    assert_eq!(api.get("/v1/events").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_does_not_fit_is_refused_with_the_name_of_what_does_not() {
    let world = World::start(Options::in_memory()).await;
    let suite = &world.suite;
    for (command, named) in [
        (
            json!({"register-tenant": {"client": "cli_a", "name": "A", "admin": true}}),
            "admin",
        ),
        (json!({"register-tenant": {"client": "cli_a"}}), "name"),
        (
            json!({"register-tenant": {"client": "a b", "name": "A"}}),
            "client",
        ),
        (
            json!({"register-tenant": {"client": "cli_a", "name": ""}}),
            "name",
        ),
        (json!({"list-tenants": {"all": true}}), "all"),
        (
            json!({"delete-tenant": {"client": "cli_a"}}),
            "register-tenant",
        ),
        (
            json!({"register-bank": {"bank": "n26", "registration": []}}),
            "registration",
        ),
    ] {
        let refused = act(suite, command.clone()).await;
        assert_eq!(kind(&refused), "invalid-body", "{command}");
        assert!(refused["errors"].to_string().contains(named), "{refused}");
    }
    for command in ["suspend-tenant", "resume-tenant"] {
        let refused = act(suite, json!({command: {"client": "cli_nobody"}})).await;
        assert_eq!(kind(&refused), "not-found", "{refused}");
    }
    let told = act(suite, json!({"list-tenants": {}})).await;
    let clients = told["tenants"].as_array().unwrap().iter();
    let clients: Vec<&str> = clients.map(|it| it["client"].as_str().unwrap()).collect();
    assert_eq!(clients, ["cli_demo", "cli_other"], "nothing was changed");
}

/// By the role the template gives it: its table, no key, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn the_registry_needs_no_more_than_its_role() {
    let world = World::start(Options::in_memory()).await;
    let gate = Gatekeeper::of(&world.suite, "registry").await;
    let mut settings = BTreeMap::new();
    let functions = &world.suite.template().functions;
    let function = functions.iter().find(|it| it.folder == "registry").unwrap();
    settings.extend(function.environment.clone());
    settings.insert("AWS_ENDPOINT_URL".to_owned(), gate.address.clone());
    let program = crate::binaries::program("registry");
    let mut process = crate::runtime_api::Bootstrap::start(&program, "registry", &settings).await;
    let n26 = json!({"api": format!("{}/sandbox-bank", world.base)});
    for command in [
        json!({"register-tenant": {"client": "cli_new", "name": "New"}}),
        json!({"suspend-tenant": {"client": "cli_new"}}),
        json!({"resume-tenant": {"client": "cli_new"}}),
        json!({"list-tenants": {}}),
        json!({"register-bank": {"bank": "n26", "registration": n26}}),
        json!({"list-banks": {}}),
        json!({"forget-bank": {"bank": "n26"}}),
    ] {
        let answer = process.invoke(&command).await.answer();
        assert!(answer["type"].is_null(), "{command}: {answer}");
    }
    assert_eq!(gate.refused(), Vec::<String>::new());
    let log = process.stop().await;
    for outcome in [
        "tenant-registered",
        "tenant-suspended",
        "tenant-resumed",
        "bank-registered",
        "bank-forgotten",
    ] {
        let lines = log.lines().filter(|line| line.contains(outcome));
        assert_eq!(lines.count(), 1, "{outcome}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_is_open_within_minutes_of_the_operators_act_and_closed_as_soon() {
    let world = World::start(Options::in_memory()).await;
    let api = world.api("cli_demo").await;
    let status = async || {
        let n26 = api.get("/v1/institutions/n26").await;
        n26.body["reachable"]["status"].clone()
    };
    assert_eq!(status().await, "needs-onboarding");
    let n26 = json!({"api": format!("{}/sandbox-bank", world.base)});
    let command = json!({"register-bank": {"bank": "n26", "registration": n26}});
    let answer = act(&world.suite, command).await;
    assert_eq!(answer["opens"], json!(["n26"]), "{answer}");
    let believed = SignedDuration::from_mins(5);
    world.suite.advance(believed).await.unwrap();
    assert_eq!(status().await, "ready");
    let told = act(&world.suite, json!({"list-banks": {}})).await;
    assert_eq!(told["banks"]["n26"], n26, "{told}");
    act(&world.suite, json!({"forget-bank": {"bank": "n26"}})).await;
    world.suite.advance(believed).await.unwrap();
    assert_eq!(status().await, "needs-onboarding");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_that_could_not_be_used_is_refused_with_the_reason_and_not_kept() {
    let world = World::start(Options::in_memory()).await;
    for (bank, registration, said) in [
        ("n26", json!({"api": "https://bank.example"}), "QWAC"),
        ("n26", json!({"apy": "https://bank.example"}), "apy"),
        ("no-such-bank", json!({}), "no-such-bank"),
        ("lcl", json!({}), "authorisation"),
    ] {
        let command = json!({"register-bank": {"bank": bank, "registration": registration}});
        let refused = act(&world.suite, command).await;
        assert_eq!(kind(&refused), "invalid-body", "{refused}");
        assert!(refused["errors"].to_string().contains(said), "{refused}");
    }
    let told = act(&world.suite, json!({"list-banks": {}})).await;
    assert_eq!(told["banks"], json!({}));
}

/// Every bank of the directory by its id and again by its group, each with a signature of its own: thirty
/// times what an environment holds.
#[tokio::test(flavor = "multi_thread")]
async fn every_bank_and_every_group_of_the_directory_is_registered_and_open_at_once() {
    let world = World::start(Options::in_memory()).await;
    let directory = Directory::of_every_bank().unwrap();
    let real = directory.entries().filter(|entry| !entry.sandbox);
    let banks: Vec<(String, String)> = real
        .map(|entry| (entry.institution.id.to_string(), entry.group.clone()))
        .collect();
    let bank = format!("{}/sandbox-bank", world.base);
    let registration = json!({
        "standard": "stet",
        "version": "1.6",
        "api": format!("{bank}/stet/v1.6"),
        "authorisation": format!("{bank}/stet/v1.6/authorize"),
        "token": format!("{bank}/stet/v1.6/token"),
        "revocation": format!("{bank}/stet/v1.6/revoke"),
        "issuer": format!("{bank}/stet/"),
        "client_id": "given-by-the-bank-at-the-registration-of-our-certificates",
        "signature": {
            "key_id": "certificate-url", "digest": "sha-512", "hash": "sha-256",
            "always": ["(request-target)", "digest", "x-request-id"],
            "when_present": ["psu-*"], "certificate_header": false
        },
    });
    let mut names: Vec<&str> = banks.iter().map(|(id, _)| id.as_str()).collect();
    names.extend(banks.iter().map(|(_, group)| group.as_str()));
    names.sort_unstable();
    names.dedup();
    let bytes = names.len() * registration.to_string().len();
    assert!(names.len() > 115 && bytes > 60_000, "{} names", names.len());
    for name in &names {
        let command = json!({"register-bank": {"bank": name, "registration": registration}});
        let answer = act(&world.suite, command).await;
        assert!(answer["opens"].is_array(), "{name}: {answer}");
    }
    let believed = SignedDuration::from_mins(5);
    world.suite.advance(believed).await.unwrap();
    let api = world.api("cli_demo").await;
    for (id, _) in &banks {
        let found = api.get(&format!("/v1/institutions/{id}")).await;
        let ready = json!({"status": "ready", "through": "bank"});
        assert_eq!(found.body["reachable"], ready, "{id}");
    }
}

/// More than one answer of the table holds.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_registrations_of_any_length_are_read_whole() {
    let world = World::start(Options::in_memory()).await;
    let table = world.store().table().clone();
    let registration = json!({ "client_id": "x".repeat(8_000) }).to_string();
    for number in 0..200 {
        let name = format!("bank-{number:03}");
        table.register_bank(&name, &registration).await.unwrap();
    }
    let read = table.registered_banks().await.unwrap();
    assert_eq!(read.len(), 200);
    assert!(read.values().all(|text| *text == registration));
}
