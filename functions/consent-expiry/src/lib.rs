//! What time brings: warnings before an end, links nobody used, consents whose time is up, what was kept
//! for a while and is kept no longer, ends that stopped half-way, tokens that were exchanged and never
//! completed; and banks that are still to be told.
//!
//! The calendar lists what is due and nothing else. A consent stays listed until everything it owed is
//! done, so a run that stops anywhere is carried on by the next one. Several schedules may call, each for a
//! part of the calendar's and of the farewells' shards.

mod abandoned;
mod ends;
mod farewells;

use std::sync::Arc;
use std::time::{Duration, Instant};

use passerelle_aws::{Clients, Keys, ReceiptBook, Store, Table};
use passerelle_banks::{AispCertificates, BankBook, BankSettings, Banks, Onboarded};
use passerelle_domain::Timestamp;
use passerelle_domain::deadline::Deadline;
use passerelle_runtime::{Clock, Environment, Function, Part, StartError, Tick, WorkError};

/// What a step keeps of the invocation's time to end what it has begun: a consent's patience, and a bank's.
const TO_END: Duration = Duration::from_secs(40);

/// One call of a schedule.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) part: Part,
    pub(crate) deadline: Deadline,
    pub(crate) now: Timestamp,
}

impl Run {
    /// Whether what is left is the next call's.
    pub(crate) fn is_over(&self) -> bool {
        self.deadline.leaves_less_than(TO_END, Instant::now())
    }
}

#[derive(Debug)]
pub(crate) struct Expiry {
    pub(crate) store: Store,
    pub(crate) receipts: ReceiptBook,
    pub(crate) banks: Banks,
    pub(crate) clock: Clock,
}

/// Reads `TABLE_NAME`, `KEYS_TABLE_NAME`, `VAULT_KEY_ID`, `RECEIPT_KEY_ID`, `BANK_CLIENT_ID` and, where a
/// sandbox bank is reachable, `SANDBOX_BANK_URL`; `AGGREGATOR` and `AGGREGATOR_SECRET` where they are set.
///
/// # Errors
/// [`StartError`] naming the variable that is missing or unreadable.
pub fn function(environment: &Environment, clients: &Clients) -> Result<Function, StartError> {
    let table = Table::new(
        clients,
        environment.text("TABLE_NAME")?,
        environment.text("KEYS_TABLE_NAME")?,
    );
    let settings = BankSettings {
        sandbox_bank_url: environment.optional_parsed("SANDBOX_BANK_URL")?,
        sandbox_bank_authority: environment.optional("SANDBOX_BANK_AUTHORITY"),
        aggregator: environment.optional_parsed("AGGREGATOR")?,
        onboarded: Onboarded::default(),
        aggregator_secret: environment.optional("AGGREGATOR_SECRET"),
        client_id: environment.text("BANK_CLIENT_ID")?,
        certificates: certificates(environment, clients)?,
    };
    let receipts = ReceiptBook::new(clients, table.clone(), environment.text("RECEIPT_KEY_ID")?);
    let store = Store::new(clients, table.clone(), environment.text("VAULT_KEY_ID")?);
    let clock = environment.clock();
    let book = BankBook::new(settings, table, move |banks| {
        Arc::new(Expiry {
            receipts: receipts.clone(),
            store: store.clone(),
            banks,
            clock: clock.clone(),
        })
    });
    let book = Arc::new(book.map_err(|error| StartError::setup("the banks", error))?);
    Ok(Function::new("consent-expiry").tick(move |tick, deadline| {
        let book = Arc::clone(&book);
        async move { book.current().await?.run(tick, deadline).await }
    }))
}

/// What we show to banks: `QWAC_SECRET`, `QSEAL_SECRET`, `QSEAL_KEY`, `QSEAL_URL`, each where it is set.
fn certificates(
    environment: &Environment,
    clients: &Clients,
) -> Result<AispCertificates, StartError> {
    let clock = environment.clock();
    Ok(AispCertificates {
        qwac: environment.optional("QWAC_SECRET"),
        qseal: environment.optional("QSEAL_SECRET"),
        qseal_key: environment.optional("QSEAL_KEY"),
        qseal_url: environment.optional_parsed("QSEAL_URL")?,
        holder: Arc::new(Keys::new(clients)),
        clock: Arc::new(move || clock.now()),
    })
}

impl Expiry {
    async fn run(&self, tick: Tick, deadline: Deadline) -> Result<(), WorkError> {
        let now = self.clock.now();
        let run = Run {
            part: tick.part,
            deadline,
            now,
        };
        let store = self.store.metered();
        let handled = self.handle_what_is_due(&store, run).await;
        let abandoned = self.end_abandoned(&store, run).await;
        // After the ends, so that a bank is told in the run that ended its consent; and also where the
        // calendar could not be walked.
        let farewells = self.say_farewells(&store, run).await;
        let (handled, abandoned, farewells) = (handled?, abandoned?, farewells?);
        let usage = store.meter().usage();
        tracing::info!(
            due = handled.due,
            put_off = handled.failed + abandoned.failed + farewells.failed,
            more = handled.more || abandoned.more || farewells.more,
            abandoned = abandoned.taken,
            farewells = farewells.taken,
            aws_calls = usage.table_requests + usage.kms_requests,
            rru = usage.read_units,
            wru = usage.write_units,
            "ends handled"
        );
        Ok(())
    }
}
