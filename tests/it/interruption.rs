//! The journey, with the process killed between any two steps and started again over its state.

use std::time::Duration;

use crate::machine::Machine;
use crate::person::Person;
use crate::world::{Api, decide, log_in, wait_for_ending};

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_any_two_steps_the_journey_goes_on_and_nothing_is_lost() {
    let mut machine = Machine::start().await;
    let consent = machine.api().await.open_consent("customer-1").await;
    machine.crash().await;
    let mut person = Person::new();
    let page = person.open(consent["journey_url"].as_str().unwrap()).await;
    machine.crash().await;
    let page = person.submit(&page.link("/continue"), &[]).await;
    machine.crash().await;
    let page = person
        .submit(&page.link("/bank"), &[("institution", "sandbox-bank")])
        .await;
    machine.crash().await;
    let both = [("purpose", "advice"), ("purpose", "quote")];
    let page = person.answer(&page, "/purposes", &both).await;
    machine.crash().await;
    let page = person.open(page.link("/sandbox-bank/")).await;
    machine.crash().await;
    let page = log_in(&mut person, &page, "camille.martin").await;
    machine.crash().await;
    let back = decide(&mut person, &page, "approve").await;
    machine.crash().await;
    let progress = person.open_and_hold(back.as_str()).await.unwrap();
    // The message of the first sync dies with the process; what is owed stands in the table.
    machine.crash().await;
    machine.pass("PT2M").await;
    let page = person.open(progress.as_str()).await;
    let page = wait_for_ending(&mut person, page).await;
    assert!(page.html.contains("transactions"), "{}", page.html);
    machine.crash().await;

    let api = machine.api().await;
    let connection = api.connection("customer-1").await;
    assert_eq!(connection["status"], "active", "{connection}");
    let id = connection["id"].as_str().unwrap();
    let lines = api
        .get(&format!(
            "/v1/connections/{id}/transactions?purpose=advice&limit=500"
        ))
        .await;
    assert!(
        lines.body["transactions"].as_array().unwrap().len() > 300,
        "{}",
        lines.status
    );
    assert_eq!(api.scores("customer-1").await.status, 200);
}

/// Counts and sums what is stored, so that a loss or a double shows.
pub async fn ledger(api: &Api, connection: &str) -> (usize, i64) {
    let (mut count, mut sum, mut after) = (0, 0, String::new());
    loop {
        let path =
            format!("/v1/connections/{connection}/transactions?purpose=advice&limit=500{after}");
        let page = api.get(&path).await.body;
        for line in page["transactions"].as_array().unwrap() {
            count += 1;
            sum += line["amount"]["minor"].as_i64().unwrap();
        }
        match page["next_after"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return (count, sum),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_reads_the_bank_it_ends_with_the_same_ledger() {
    let mut ledgers = Vec::new();
    // 0: undisturbed. Then killed earlier and later in the first sync.
    for delay in [0_u64, 5, 60, 250] {
        let mut machine = Machine::start().await;
        let api = machine.api().await;
        let consent = api.open_consent("customer-1").await;
        let mut person = Person::new();
        let login =
            crate::world::walk_to_bank(&mut person, consent["journey_url"].as_str().unwrap()).await;
        let back = crate::world::approve(&mut person, &login, "camille.martin").await;
        let progress = person.open_and_hold(back.as_str()).await.unwrap();
        if delay > 0 {
            tokio::time::sleep(Duration::from_millis(delay)).await;
            machine.crash().await;
            // The lease of the worker that died ends, then the sweep finds what is owed.
            machine.pass("PT3M").await;
        }
        let page = person.open(progress.as_str()).await;
        wait_for_ending(&mut person, page).await;
        let api = machine.api().await;
        let connection = api.connection("customer-1").await;
        ledgers.push(ledger(&api, connection["id"].as_str().unwrap()).await);
    }
    assert!(ledgers[0].0 > 500, "{ledgers:?}");
    assert!(
        ledgers.iter().all(|ledger| *ledger == ledgers[0]),
        "{ledgers:?}"
    );
}
