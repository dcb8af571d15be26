//! A bank at ten seconds a call, with 22 accounts and two years of movements. Told at a tenth or less: the
//! bank takes a second, and the function that reads it has a tenth of its time.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use passerelle_local::Options;
use serde_json::Value;
use tempfile::TempDir;

use crate::house;
use crate::interruption::ledger;
use crate::machine::Machine;
use crate::person::Person;
use crate::world::{Api, World, approve, connect, wait_for_ending, walk_to_bank};

const WHO: &str = "bank-slow";

/// The template, with another time limit of the function that reads banks.
fn template_with(timeout: u32) -> (TempDir, PathBuf) {
    let text = house::text("template.yaml");
    let (before, sync) = text
        .split_once("Description: Brings a connection up to date.")
        .unwrap();
    let shorter = sync.replacen("Timeout: 300", &format!("Timeout: {timeout}"), 1);
    assert_ne!(shorter, sync);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("template.yaml");
    let text = format!("{before}Description: Brings a connection up to date.{shorter}");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

/// What the same bank says to who is not kept waiting.
async fn undisturbed() -> (usize, i64) {
    let options = Options {
        slow_bank_call: Some(Duration::ZERO),
        ..Options::in_memory()
    };
    let world = World::start(options).await;
    let api = world.api("cli_demo").await;
    connect(&api, "customer-1", WHO).await;
    let connection = api.connection("customer-1").await;
    ledger(&api, connection["id"].as_str().unwrap()).await
}

fn is_active(connection: &Value) -> bool {
    connection["status"] == "active"
}

/// The log of a machine, over all its lives.
fn log(machine: &Machine) -> String {
    std::fs::read_to_string(machine.folder().join("log")).unwrap()
}

fn times(machine: &Machine, what: &str) -> usize {
    log(machine).matches(what).count()
}

const STORED: &str = "what was read so far is stored";

async fn until_stored_again(machine: &Machine, api: &Api, before: usize) {
    let started = Instant::now();
    while times(machine, STORED) <= before {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "nothing stored: {}",
            log(machine)
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let connection = api.connection("customer-1").await;
    assert_eq!(
        connection["status"], "connected",
        "not yet whole: {connection}"
    );
    assert_ne!(api.scores("customer-1").await.status, 200, "half a history");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_seconds_a_call_22_accounts_and_two_years_end_within_a_days_budget_killed_twice() {
    let (_folder, template) = template_with(30);
    let more = ["--slow-bank-call-ms", "1000", "--template"].map(str::to_owned);
    let more = more.into_iter().chain([template.display().to_string()]);
    let level = "info,passerelle_banks=debug";
    let mut machine = Machine::start_as(level, None, more.collect()).await;
    let api = machine.api().await;
    let consent = api.open_consent("customer-1").await;
    let mut person = Person::new();
    let login = walk_to_bank(&mut person, consent["journey_url"].as_str().unwrap()).await;
    let back = approve(&mut person, &login, WHO).await;
    let progress = person.open_and_hold(back.as_str()).await.unwrap();
    let mut stored = 0;
    for _ in 0..2 {
        until_stored_again(&machine, &api, stored).await;
        stored = times(&machine, STORED);
        machine.crash().await;
        // The lease of the worker that died ends, then the sweep finds what is owed.
        machine.pass("PT3M").await;
    }
    let page = person.open(progress.as_str()).await;
    let page = wait_for_ending(&mut person, page).await;
    assert!(page.html.contains("transactions"), "{}", page.html);

    let api = machine.api().await;
    let connection = api.connection("customer-1").await;
    assert!(is_active(&connection), "{connection}");
    assert_eq!(api.scores("customer-1").await.status, 200);
    let id = connection["id"].as_str().unwrap();
    let read = ledger(&api, id).await;
    assert!(read.0 > 500, "{read:?}");
    assert_eq!(read, undisturbed().await);
    // One access, which reads each endpoint once: the list is asked for once over three lives, and of the
    // movements only what was under way when the process died is asked for again.
    let used = connection["call_budget"]["used"].as_array().unwrap();
    assert_eq!(used.len(), 1, "{connection}");
    let calls = |name: &str| times(&machine, &format!("call=\"{name}\""));
    assert_eq!(calls("accounts"), 1);
    let pages = 22 + read.0 / 40;
    let asked = calls("transactions");
    assert!(asked <= pages + 30, "{asked} calls for some {pages} pages");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_that_outlasts_its_function_stops_in_time_and_goes_on_at_once() {
    let (_folder, template) = template_with(9);
    let options = Options {
        slow_bank_call: Some(Duration::from_millis(400)),
        template: Some(template),
        ..Options::in_memory()
    };
    let world = World::start(options).await;
    let api = world.api("cli_demo").await;
    // Nobody moves the clock and no sweep has to help: each function hands the rest to the next one.
    connect(&api, "customer-1", WHO).await;
    let connection = api.connection("customer-1").await;
    assert!(is_active(&connection), "{connection}");
    let (client, id) = (
        "cli_demo".parse().unwrap(),
        connection["id"].as_str().unwrap(),
    );
    let found = world
        .store()
        .table()
        .connection(&client, &id.parse().unwrap())
        .await;
    let (_, budget) = found.unwrap().unwrap();
    let now = world.suite.clock().now();
    assert_eq!(budget.used(now).count(), 1, "one access for all of it");
    assert_eq!(ledger(&api, id).await, undisturbed().await);

    // The same again, nothing new: what the reading owed on its way is owed no more at its end.
    let (store, id) = (world.store(), id.parse().unwrap());
    pass(&world, 30).await;
    let now = world.suite.clock().now();
    store.table().owe_sync(&client, &id, now).await.unwrap();
    for _ in 0..4 {
        pass(&world, 4).await;
    }
    let found = store.table().connection(&client, &id).await;
    let (_, budget) = found.unwrap().unwrap();
    let now = world.suite.clock().now();
    assert_eq!(budget.used(now).count(), 2, "one access for all of it");
    let mark = store.table().due_mark(&client, &id).await.unwrap();
    assert_eq!(mark, None);
}

async fn pass(world: &World, minutes: i64) {
    let time = SignedDuration::from_mins(minutes);
    world.suite.advance(time).await.unwrap();
    assert!(world.suite.settled(Duration::from_secs(120)).await);
}
