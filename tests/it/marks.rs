//! The marks of what is owed: who does the work removes the mark it read, and no other.

use jiff::SignedDuration;
use passerelle_aws::connections::SyncOutcome;
use passerelle_aws::due::Owed;
use passerelle_domain::ids::{ClientId, ConnectionId};
use passerelle_local::Options;
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Api, World, connect};

async fn connected(world: &World) -> (Api, ClientId, ConnectionId) {
    let api = world.api("cli_demo").await;
    connect(&api, "customer-1", "camille.martin").await;
    let connection = api.connection("customer-1").await;
    let id = connection["id"].as_str().unwrap().parse().unwrap();
    // The person has left: what is claimed from here on is a sync like any other.
    world.suite.clock().advance(SignedDuration::from_mins(30));
    (api, "cli_demo".parse().unwrap(), id)
}

async fn say(api: &Api, connection: &ConnectionId, place: usize, category: &str) {
    let path = format!("/v1/connections/{connection}/transactions?purpose=advice&limit=100");
    let lines = api.get(&path).await.body["transactions"].clone();
    let mut lines = lines
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| line["sensitive"] == false);
    let line: &Value = lines.nth(place).unwrap();
    let id = line["id"].as_str().unwrap();
    let path = format!("/v1/connections/{connection}/corrections/{id}");
    let said = json!({"purpose": "advice", "category": category});
    let answer = api.send(Method::PUT, &path, Some(&said)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_score_that_is_owed_while_one_is_computed_stays_owed_until_it_is_computed() {
    let world = World::start(Options::in_memory()).await;
    let (api, client, id) = connected(&world).await;
    let store = world.store();
    let table = store.table();
    say(&api, &id, 0, "food.groceries").await;
    let read = table.due_mark(&client, &id).await.unwrap().expect("owed");
    assert_eq!(read.owed(), Owed::Scoring);
    // While the score is computed from what was read, the person says something else.
    say(&api, &id, 1, "food.groceries").await;
    table.clear_due(&client, &id, read).await.unwrap();
    let left = table.due_mark(&client, &id).await.unwrap();
    assert!(left.is_some_and(|left| left != read), "{left:?}");

    world
        .suite
        .advance(SignedDuration::from_mins(3))
        .await
        .unwrap();
    assert_eq!(table.due_mark(&client, &id).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_finds_nothing_new_leaves_what_was_owed_while_it_read_the_bank() {
    let world = World::start(Options::in_memory()).await;
    let (api, client, id) = connected(&world).await;
    let (store, clock) = (world.store(), world.suite.clock());
    let table = store.table();
    let nothing = SyncOutcome::Active { notice: None };

    // A score that was owed before and whose message was lost.
    say(&api, &id, 0, "food.groceries").await;
    let claim = table
        .claim(&client, &id, clock.now())
        .await
        .unwrap()
        .unwrap();
    let loaded = store.load(&claim, clock.now()).await.unwrap();
    let committed = store.commit(
        &claim,
        &loaded,
        &loaded.content,
        &nothing,
        None,
        clock.now(),
    );
    committed.await.unwrap();
    let left = table.due_mark(&client, &id).await.unwrap();
    assert_eq!(left.map(|mark| mark.owed()), Some(Owed::Scoring));
    let scored = left.unwrap();
    table.clear_due(&client, &id, scored).await.unwrap();
    table.release(&claim).await.unwrap();

    // A sync that is owed anew while one is at work.
    table.owe_sync(&client, &id, clock.now()).await.unwrap();
    let claim = table
        .claim(&client, &id, clock.now())
        .await
        .unwrap()
        .unwrap();
    let loaded = store.load(&claim, clock.now()).await.unwrap();
    assert!(loaded.mark.is_some());
    let later = clock.now() + SignedDuration::from_mins(20);
    table.owe_sync(&client, &id, later).await.unwrap();
    let committed = store.commit(
        &claim,
        &loaded,
        &loaded.content,
        &nothing,
        None,
        clock.now(),
    );
    committed.await.unwrap();
    let left = table.due_mark(&client, &id).await.unwrap();
    assert_eq!(left.map(|mark| mark.owed()), Some(Owed::Sync));
    assert_ne!(left, loaded.mark);
    table.release(&claim).await.unwrap();

    // One that was owed when it began is done with it.
    clock.advance(SignedDuration::from_mins(3));
    let claim = table
        .claim(&client, &id, clock.now())
        .await
        .unwrap()
        .unwrap();
    let loaded = store.load(&claim, clock.now()).await.unwrap();
    let committed = store.commit(
        &claim,
        &loaded,
        &loaded.content,
        &nothing,
        None,
        clock.now(),
    );
    committed.await.unwrap();
    assert_eq!(table.due_mark(&client, &id).await.unwrap(), None);
}
