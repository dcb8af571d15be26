//! Requests and consumed units of each operation, as the table reports them: counted, never timed.

use passerelle_aws::connections::SyncOutcome;
use passerelle_aws::content::Content;
use passerelle_aws::{Store, Usage};
use passerelle_domain::Date;
use passerelle_domain::ids::{AccountId, ClientId, ConnectionId};
use passerelle_domain::money::Amount;
use passerelle_domain::private::Private;
use passerelle_domain::reconciliation::{FetchedWindow, reconcile};
use passerelle_domain::transaction::{
    BookingStatus, Counterparty, EntryReference, FetchedTransaction, Transaction,
};
use passerelle_local::Options;

use crate::world::{World, connect};

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
    let store = world.store();
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

/// A year of one account: a thousand lines as a French bank words them.
fn year_of_lines(account: &AccountId) -> Vec<Transaction> {
    let shops = [
        "CARREFOUR CITY",
        "SNCF INTERNET",
        "BOULANGERIE JULIEN",
        "LECLERC DRIVE",
        "TOTAL",
    ];
    let start = Date::constant(2025, 12, 1);
    let line = |number: i64| FetchedTransaction {
        entry_reference: EntryReference::parse(&format!("2026{number:08}")),
        status: BookingStatus::Booked,
        booking_date: start
            .checked_add(jiff::Span::new().days(number * 365 / 1000))
            .ok(),
        value_date: None,
        transaction_date: None,
        amount: Amount::eur(-(number * 7919 % 20_000) - 1),
        label: Private::new(format!(
            "CARTE X{} {} {}",
            1000 + number % 9,
            shops[usize::try_from(number % 5).unwrap()],
            number * 104_729 % 100_000,
        )),
        counterparty: Counterparty::default(),
        creditor_id: None,
        mandate_id: None,
        end_to_end_id: None,
        bank_transaction_code: Some("PMNT-CCRD-POSD".to_owned()),
        balance_after: None,
    };
    let window = FetchedWindow {
        from: start,
        lines: (0..1000).map(line).collect(),
    };
    reconcile(account, &[], window).upserts
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_pages_of_a_year_of_a_thousand_lines_cost_at_most_sixty_write_units() {
    let world = World::start(Options::in_memory()).await;
    let owner = connected(&world).await;
    let clock = world.suite.clock();
    clock.advance(jiff::SignedDuration::from_hours(1));
    let store = world.store().metered();
    let claim = store
        .table()
        .claim(&owner.0, &owner.1, clock.now())
        .await
        .unwrap()
        .unwrap();
    let loaded = store.load(&claim, clock.now()).await.unwrap();
    let account = AccountId::from_entropy([9; 16]);
    let mut content = Content::default();
    content.delta.add(&account, year_of_lines(&account), []);
    let before = store.meter().usage();
    store.flush(&claim, &loaded, &mut content).await.unwrap();
    let after = store.meter().usage();
    println!(
        "first pages: {} write units",
        after.write_units - before.write_units
    );
    assert!(after.write_units - before.write_units <= 60.0, "{after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_never_hold_one_connection_and_a_late_commit_is_void() {
    let world = World::start(Options::in_memory()).await;
    let owner = connected(&world).await;
    let store = world.store();
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
    let store = world.store();
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
    let store = world.store();
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
