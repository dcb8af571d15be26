//! Requests and consumed units of each operation, as the table reports them: counted, never timed.

use passerelle_aws::connections::SyncOutcome;
use passerelle_aws::{Store, Table, Usage};
use passerelle_domain::ids::{ClientId, ConnectionId};
use passerelle_local::Options;

use crate::world::{World, connect};

fn store(world: &World) -> Store {
    let sync = world
        .suite
        .template()
        .functions
        .iter()
        .find(|it| it.folder == "sync")
        .unwrap();
    let setting = |name: &str| sync.environment[name].clone();
    let clients = world.suite.aws().clients();
    let table = Table::new(&clients, setting("TABLE_NAME"), setting("KEYS_TABLE_NAME"));
    Store::new(&clients, table, setting("VAULT_KEY_ID"))
}

async fn connected(world: &World) -> (ClientId, ConnectionId) {
    let api = world.api("cli_demo").await;
    connect(&api, "customer-1", "camille.martin").await;
    let id = api.connection("customer-1").await["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    ("cli_demo".parse().unwrap(), id)
}

/// A sync that finds nothing new, without the bank: claim, load, commit.
async fn quiet_sync(world: &World, store: &Store, owner: &(ClientId, ConnectionId)) -> Usage {
    let store = store.metered();
    let now = world.suite.clock().now();
    let claim = store
        .table()
        .claim(&owner.0, &owner.1, now)
        .await
        .unwrap()
        .expect("a claim");
    let loaded = store.load(&claim, now).await.unwrap();
    let outcome = SyncOutcome::Active { notice: None };
    store
        .commit(&claim, &loaded, &loaded.content, &outcome, None, now)
        .await
        .unwrap();
    store.meter().usage()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_sync_is_three_requests_and_no_call_to_kms() {
    let world = World::start(Options::in_memory()).await;
    let owner = connected(&world).await;
    let store = store(&world);
    world
        .suite
        .advance(jiff::SignedDuration::from_hours(30))
        .await
        .unwrap();
    world
        .suite
        .settled(std::time::Duration::from_secs(20))
        .await;
    world
        .suite
        .clock()
        .advance(jiff::SignedDuration::from_mins(3));
    let cold = quiet_sync(&world, &store, &owner).await;
    assert_eq!(
        cold.kms_requests, 1,
        "the tenant key is opened once: {cold:?}"
    );
    world
        .suite
        .clock()
        .advance(jiff::SignedDuration::from_mins(3));
    let warm = quiet_sync(&world, &store, &owner).await;
    println!("quiet sync: {warm:?}");
    assert_eq!((warm.table_requests, warm.kms_requests), (3, 0), "{warm:?}");
    // Claim 1, commit 2: accounts, tokens and a fortnight of seen lines stay below 2 KB.
    assert!(warm.write_units <= 3.3, "{warm:?}");
    assert!(warm.read_units <= 2.0, "{warm:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_never_hold_one_connection_and_a_late_commit_is_void() {
    let world = World::start(Options::in_memory()).await;
    let owner = connected(&world).await;
    let store = store(&world);
    let clock = world.suite.clock();
    clock.advance(jiff::SignedDuration::from_hours(1));
    let first = store
        .table()
        .claim(&owner.0, &owner.1, clock.now())
        .await
        .unwrap()
        .unwrap();
    let second = store
        .table()
        .claim(&owner.0, &owner.1, clock.now())
        .await
        .unwrap();
    assert!(second.is_err(), "leased");
    // The first worker hangs; its lease ends and another takes over and commits.
    clock.advance(jiff::SignedDuration::from_mins(5));
    let loaded = store.load(&first, clock.now()).await.unwrap();
    quiet_sync(&world, &store, &owner).await;
    let outcome = SyncOutcome::Active { notice: None };
    let late = store
        .commit(
            &first,
            &loaded,
            &loaded.content,
            &outcome,
            None,
            clock.now(),
        )
        .await;
    assert!(
        matches!(late, Err(passerelle_aws::Error::Conflict)),
        "{late:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_four_unattended_claims_in_any_24_hours() {
    let world = World::start(Options::in_memory()).await;
    let owner = connected(&world).await;
    let store = store(&world);
    let clock = world.suite.clock();
    // A quarter of an hour later the person is no longer there.
    clock.advance(jiff::SignedDuration::from_mins(30));
    let mut claimed = 1; // the first sync spent one
    for _ in 0..40 {
        clock.advance(jiff::SignedDuration::from_mins(20));
        if store
            .table()
            .claim(&owner.0, &owner.1, clock.now())
            .await
            .unwrap()
            .is_ok()
        {
            claimed += 1;
        }
    }
    assert_eq!(claimed, 4);
    clock.advance(jiff::SignedDuration::from_hours(24));
    assert!(
        store
            .table()
            .claim(&owner.0, &owner.1, clock.now())
            .await
            .unwrap()
            .is_ok()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_end_nothing_opens_not_even_what_was_copied_before() {
    let world = World::start(Options::in_memory()).await;
    let owner = connected(&world).await;
    let store = store(&world);
    let now = world.suite.clock().now();
    assert!(
        store
            .history(&owner.0, &owner.1, now)
            .await
            .unwrap()
            .is_some()
    );
    store
        .table()
        .erase_connection(&owner.0, &owner.1, now)
        .await
        .unwrap();
    assert!(
        store
            .history(&owner.0, &owner.1, now)
            .await
            .unwrap()
            .is_none()
    );
    let key = store.vault().connection_key(&owner.0, &owner.1, now).await;
    assert!(matches!(key, Err(passerelle_aws::Error::Erased)));
    // Again is harmless.
    store
        .table()
        .erase_connection(&owner.0, &owner.1, now)
        .await
        .unwrap();
}
