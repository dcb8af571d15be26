//! What the table holds when a worker dies between two writes, or does one of them twice: through the
//! store the functions use, without a bank.

use std::time::Duration;

use passerelle_aws::claims::Claim;
use passerelle_aws::connections::{Loaded, SyncOutcome};
use passerelle_aws::content::Content;
use passerelle_aws::{Error, Queue, Store};
use passerelle_domain::Date;
use passerelle_domain::ids::{AccountId, ClientId, ConnectionId, CorrelationId, TransactionId};
use passerelle_domain::money::Amount;
use passerelle_domain::private::Private;
use passerelle_domain::transaction::{Counterparty, Transaction};
use passerelle_local::Options;
use serde_json::json;

use crate::world::{World, connect};

/// A connection that was read, with nobody at work on it.
struct Read {
    world: World,
    store: Store,
    client: ClientId,
    connection: ConnectionId,
}

impl Read {
    async fn once() -> Self {
        let world = World::start(Options::in_memory()).await;
        let api = world.api("cli_demo").await;
        connect(&api, "customer-1", "camille.martin").await;
        world.suite.settled(Duration::from_secs(20)).await;
        let connection = api.connection("customer-1").await;
        let read = Self {
            store: world.store(),
            client: "cli_demo".parse().unwrap(),
            connection: connection["id"].as_str().unwrap().parse().unwrap(),
            world,
        };
        read.lease_ends();
        read
    }

    fn lease_ends(&self) {
        let clock = self.world.suite.clock();
        clock.advance(jiff::SignedDuration::from_secs(100));
    }

    fn now(&self) -> passerelle_domain::Timestamp {
        self.world.suite.clock().now()
    }

    async fn claimed(&self) -> (Claim, Loaded) {
        let table = self.store.table();
        let claim = table
            .claim(&self.client, &self.connection, self.now())
            .await;
        let claim = claim.unwrap().unwrap();
        let loaded = self.store.load(&claim, self.now()).await.unwrap();
        (claim, loaded)
    }

    async fn commit(&self, claim: &Claim, loaded: &Loaded, content: &Content) {
        let outcome = SyncOutcome::Active { notice: None };
        self.store
            .commit(claim, loaded, content, &outcome, None, self.now())
            .await
            .unwrap();
    }

    /// The ids of an account's lines, as every reader sees them.
    async fn lines(&self, account: &AccountId) -> Vec<TransactionId> {
        let history = self
            .store
            .history(&self.client, &self.connection, self.now());
        let history = history.await.unwrap().unwrap();
        let mut accounts = history.accounts.into_iter();
        let found = accounts.find(|it| it.account.id == *account).unwrap();
        found.booked.into_iter().map(|row| row.id).collect()
    }
}

fn row(number: u8) -> Transaction {
    Transaction {
        id: TransactionId::from_entropy([number; 16]),
        entry_reference: None,
        booking_date: Date::constant(2026, 1, 15),
        value_date: None,
        transaction_date: None,
        amount: Amount::eur(-4200),
        label: Private::new("CARTE AUTORISATION HOTEL"),
        counterparty: Counterparty::default(),
        creditor_id: None,
        mandate_id: None,
        end_to_end_id: None,
        bank_transaction_code: None,
        balance_after: None,
        sensitive: false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_that_was_never_committed_counts_for_nothing_and_the_next_one_replaces_it() {
    let read = Read::once().await;
    let (claim, loaded) = read.claimed().await;
    let account = loaded.content.accounts[0].id.clone();
    let before = read.lines(&account).await;
    assert!(before.len() > 100, "{}", before.len());

    // An authorisation is new, a known line is withdrawn; the pages are written and the worker dies.
    let withdrawn = before.last().unwrap().clone();
    let day = Date::constant(2026, 1, 15);
    let mut content = loaded.content.clone();
    content
        .delta
        .add(&account, [row(1)], [(withdrawn.clone(), day)]);
    read.store
        .flush(&claim, &loaded, &mut content)
        .await
        .unwrap();
    drop((claim, loaded, content));
    assert_eq!(read.lines(&account).await, before, "seen before its commit");

    // The next worker finds nothing of it: the bank has replaced the authorisation meanwhile.
    read.lease_ends();
    let (claim, loaded) = read.claimed().await;
    read.commit(&claim, &loaded, &loaded.content).await;
    assert_eq!(
        read.lines(&account).await,
        before,
        "seen after another's commit"
    );

    // What replaced it is flushed into the same month and committed: it is there once, the other never.
    read.lease_ends();
    let (claim, loaded) = read.claimed().await;
    let mut content = loaded.content.clone();
    content.delta.add(&account, [row(2)], []);
    read.store
        .flush(&claim, &loaded, &mut content)
        .await
        .unwrap();
    read.commit(&claim, &loaded, &content).await;
    let mut after = read.lines(&account).await;
    assert!(!after.contains(&row(1).id) && after.contains(&withdrawn));
    after.retain(|id| *id != row(2).id);
    assert_eq!(after, before);

    // And it stays where it is under later flushes of the month.
    read.lease_ends();
    let (claim, loaded) = read.claimed().await;
    let mut content = loaded.content.clone();
    content.delta.add(&account, [row(3)], []);
    read.store
        .flush(&claim, &loaded, &mut content)
        .await
        .unwrap();
    read.commit(&claim, &loaded, &content).await;
    let last = read.lines(&account).await;
    assert!(last.contains(&row(2).id) && last.contains(&row(3).id));
    assert_eq!(last.len(), before.len() + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_holder_of_a_claim_may_replace_its_own_token_and_an_older_worker_may_not() {
    let read = Read::once().await;
    let (older, loaded) = read.claimed().await;
    read.lease_ends();
    let (claim, _) = read.claimed().await;
    let keep = async |claim: &Claim, text: &str| {
        let mut token = loaded.token.clone();
        *token = text.as_bytes().to_vec();
        read.store.keep_token(claim, &loaded, &token).await
    };
    keep(&claim, "first").await.unwrap();
    // Refreshed because it was due, and again because the bank refused the fresh one.
    keep(&claim, "second").await.unwrap();
    let late = keep(&older, "late").await;
    assert!(matches!(late, Err(Error::Conflict)), "{late:?}");
    read.lease_ends();
    let (_, found) = read.claimed().await;
    assert_eq!(found.token.as_slice(), b"second");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_given_again_after_its_work_was_done_spends_no_access_and_calls_no_bank() {
    let read = Read::once().await;
    // Hours later nobody is there any more, and one unattended sync is asked for.
    let clock = read.world.suite.clock();
    clock.advance(jiff::SignedDuration::from_hours(2));
    let functions = &read.world.suite.template().functions;
    let refresh = functions.iter().find(|it| it.folder == "refresh").unwrap();
    let queue = Queue::new(
        &read.world.suite.aws().clients(),
        refresh.environment["SYNC_QUEUE_URL"].clone(),
    );
    let spent = async || {
        let table = read.store.table();
        let found = table.connection(&read.client, &read.connection).await;
        let (connection, budget) = found.unwrap().unwrap();
        let used: Vec<_> = budget.used(read.now()).collect();
        (connection.status, used)
    };
    let decided_now = || {
        json!({
            "client": read.client,
            "connection": read.connection,
            "correlation": CorrelationId::from_entropy([7; 16]),
            "decided_at": read.now(),
        })
    };
    let message = decided_now();
    let meter = read.store.meter();
    let before = spent().await;
    queue.send(&read.client, &message, meter).await.unwrap();
    let mut done = before.clone();
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        done = spent().await;
        if done.0 != before.0 {
            break;
        }
    }
    assert_eq!(done.1.len(), before.1.len() + 1, "the work was done once");

    read.lease_ends();
    queue.send(&read.client, &message, meter).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(read.world.suite.settled(Duration::from_secs(20)).await);
    assert_eq!(spent().await, done, "the same message again");
    // The lease was given back with the access: nobody has to wait for it.
    read.claimed().await;

    // Decided later, it is other work.
    read.lease_ends();
    queue
        .send(&read.client, &decided_now(), meter)
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(read.world.suite.settled(Duration::from_secs(20)).await);
    assert_ne!(spent().await.0, done.0);
}
