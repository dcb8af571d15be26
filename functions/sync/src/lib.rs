//! Brings a connection up to date: claim, read the bank, filter, reconcile, seal, commit.
//!
//! The message is a hint. What may happen is decided by the claim (consent, budget, lease) and what
//! did happen by the commit; a duplicate, a replay or a zombie finds a refused condition.

mod fetched;
mod health;
mod merge;
mod progress;
mod reading;

use std::sync::Arc;

use passerelle_aws::circuits::Circuits;
use passerelle_aws::claims::{Claim, ClaimRefusal};
use passerelle_aws::connections::{Loaded, SyncOutcome};
use passerelle_aws::due::{DueMark, Owed};
use passerelle_aws::readings::OpenReading;
use passerelle_aws::{Clients, Keys, Queue, Store, Table};
use passerelle_banks::{
    AispCertificates, BankBook, BankError, BankSettings, Banks, Onboarded, OpenToken,
};
use passerelle_domain::Timestamp;
use passerelle_domain::call_budget::PsuPresence;
use passerelle_domain::call_context::CallContext;
use passerelle_domain::deadline::Deadline;
use passerelle_runtime::{Clock, Environment, Function, StartError, Work, WorkError};

use crate::health::{PAST_ITS_SLOT, SLOT};
use crate::merge::Merged;
use crate::reading::{Read, Reading};

struct Sync {
    store: Store,
    banks: Banks,
    scoring_queue: Queue,
    sync_queue: Queue,
    circuits: Circuits,
    clock: Clock,
}

/// Reads `TABLE_NAME`, `KEYS_TABLE_NAME`, `VAULT_KEY_ID`, `SYNC_QUEUE_URL`, `SCORING_QUEUE_URL`,
/// `BANK_CLIENT_ID` and, where a sandbox bank is reachable, `SANDBOX_BANK_URL`.
/// Where an aggregator reads banks for us: `AGGREGATOR`.
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
        aggregator_secret: None,
        client_id: environment.text("BANK_CLIENT_ID")?,
        certificates: certificates(environment, clients)?,
    };
    let circuits = Circuits::new(table.clone());
    let store = Store::new(clients, table.clone(), environment.text("VAULT_KEY_ID")?);
    let scoring_queue = Queue::new(clients, environment.text("SCORING_QUEUE_URL")?);
    let sync_queue = Queue::new(clients, environment.text("SYNC_QUEUE_URL")?);
    let clock = environment.clock();
    let book = BankBook::new(settings, table, move |banks| {
        Arc::new(Sync {
            store: store.clone(),
            banks,
            scoring_queue: scoring_queue.clone(),
            sync_queue: sync_queue.clone(),
            circuits: circuits.clone(),
            clock: clock.clone(),
        })
    });
    let book = Arc::new(book.map_err(|error| StartError::setup("the banks", error))?);
    Ok(Function::new("sync").queue(move |work, deadline| {
        let book = Arc::clone(&book);
        async move { book.current().await?.run(work, deadline).await }
    }))
}

/// The certificates banks know us by; a bank that asks for none is reached without.
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

/// What stops a sync.
#[derive(Debug, thiserror::Error)]
enum SyncError {
    #[error(transparent)]
    Bank(#[from] BankError),
    #[error(transparent)]
    Aws(#[from] passerelle_aws::Error),
    /// The bank gave a new token and the table did not take it: it may be the only one that is good.
    #[error("a renewed token could not be kept")]
    TokenNotKept(#[source] passerelle_aws::Error),
}

/// What a sync came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Updated,
    NothingNew,
    NoEligibleAccount,
    /// The rest is owed.
    ReadInPart,
    /// The message had been answered by a reading that began after it was decided.
    DoneBefore,
    /// What the claim was to go on with is not there any more.
    BeginsAnew,
}

impl Outcome {
    fn code(self) -> &'static str {
        match self {
            Self::Updated => "updated",
            Self::NothingNew => "nothing-new",
            Self::NoEligibleAccount => "no-eligible-account",
            Self::ReadInPart => "read-in-part",
            Self::DoneBefore => "done-before",
            Self::BeginsAnew => "begins-anew",
        }
    }

    /// Whether the bank was called.
    fn called(self) -> bool {
        !matches!(self, Self::DoneBefore | Self::BeginsAnew)
    }
}

impl Sync {
    async fn run(&self, work: Work, deadline: Deadline) -> Result<(), WorkError> {
        let store = self.store.metered();
        let now = self.clock.now();
        let claim = match store
            .table()
            .claim(&work.client, &work.connection, now)
            .await?
        {
            Ok(claim) => claim,
            Err(refusal) => {
                log_refusal(refusal);
                return Ok(());
            }
        };
        if !self.may_call(&store, &claim, now).await? {
            return Ok(());
        }
        let context = CallContext {
            correlation: work.correlation.clone(),
            deadline,
        };
        let loaded = store.load(&claim, self.clock.now()).await;
        let mark = loaded.as_ref().ok().map(|loaded| loaded.own_mark);
        let result = match loaded {
            Ok(loaded) => {
                self.bring_up_to_date(&store, &claim, &loaded, &work, &context)
                    .await
            }
            Err(error) => Err(error.into()),
        };
        self.note_health(&claim, &result).await;
        let usage = store.meter().usage();
        tracing::info!(
            seq = claim.seq,
            bank = %claim.connection.institution,
            aws_calls = usage.table_requests + usage.kms_requests + usage.queue_requests,
            rru = usage.read_units,
            wru = usage.write_units,
            outcome = result.as_ref().map_or("failed", |outcome| outcome.code()),
            "sync"
        );
        match result {
            Ok(_) => Ok(()),
            Err(error) => self.give_back(&store, &claim, mark, error).await,
        }
    }

    async fn bring_up_to_date(
        &self,
        store: &Store,
        claim: &Claim,
        loaded: &Loaded,
        work: &Work,
        context: &CallContext,
    ) -> Result<Outcome, SyncError> {
        let now = self.clock.now();
        let read_at = loaded.content.read_at;
        if !claim.continues() && read_at.is_some_and(|read| read >= work.decided_at) {
            store.table().release_unused(claim).await?;
            return Ok(Outcome::DoneBefore);
        }
        self.refuse_without_the_person(claim, loaded, now)?;
        let fingerprint_key = store
            .vault()
            .tenant_key(&work.client, now)
            .await?
            .fingerprint_key();
        let token = OpenToken::from_bytes(&loaded.token)?;
        if claim.continues() && !goes_on(loaded, &token, now) {
            return self.begin_anew(store, claim, work).await;
        }
        let reading = Reading {
            store,
            connector: self
                .banks
                .connector_of(&claim.connection.institution, &token)?,
            claim,
            loaded,
            context,
            key: &fingerprint_key,
            clock: &self.clock,
        };
        match reading.read(token).await? {
            Read::Whole(fetched) => {
                let mut fetched = *fetched;
                let stored = fetched.stored.take();
                let merged = merge::merge(&loaded.content, fetched, now, self.clock.now());
                self.store_merged(store, claim, loaded, (stored, merged), work)
                    .await
            }
            Read::InPart => self.owe_the_rest(store, claim, work).await,
        }
    }

    /// Nothing is there to go on with, and the claim pays for nothing else: the next one does.
    async fn begin_anew(
        &self,
        store: &Store,
        claim: &Claim,
        work: &Work,
    ) -> Result<Outcome, SyncError> {
        store.table().end_access(claim).await?;
        store.table().release(claim).await?;
        self.ask_again(store, work).await;
        Ok(Outcome::BeginsAnew)
    }

    /// The rest of a reading is owed by its checkpoint; the message only makes it fast.
    async fn owe_the_rest(
        &self,
        store: &Store,
        claim: &Claim,
        work: &Work,
    ) -> Result<Outcome, SyncError> {
        store.table().release(claim).await?;
        self.ask_again(store, work).await;
        Ok(Outcome::ReadInPart)
    }

    async fn ask_again(&self, store: &Store, work: &Work) {
        let rest = Work {
            decided_at: self.clock.now(),
            ..work.clone()
        };
        let sent = self
            .sync_queue
            .send(&work.client, &rest, store.meter())
            .await;
        if let Err(error) = sent {
            tracing::warn!(%error, "the reading goes on with the next sweep");
        }
    }

    /// A bank that answers only while the person is there is not asked without them.
    fn refuse_without_the_person(
        &self,
        claim: &Claim,
        loaded: &Loaded,
        now: Timestamp,
    ) -> Result<(), BankError> {
        let bank = self.banks.directory().get(&claim.connection.institution);
        let needed = bank.is_some_and(|bank| bank.quirks.person_needed);
        match claim.presence(&loaded.content, now) {
            Some(PsuPresence::Attended(_)) => Ok(()),
            _ if needed => Err(BankError::PersonNeeded),
            _ => Ok(()),
        }
    }

    async fn store_merged(
        &self,
        store: &Store,
        claim: &Claim,
        loaded: &Loaded,
        (stored, merged): (Option<OpenReading>, Merged),
        work: &Work,
    ) -> Result<Outcome, SyncError> {
        let Merged {
            mut content,
            outcome,
            changed,
        } = merged;
        if content.delta.wants_flush()? {
            store.flush(claim, loaded, &mut content).await?;
        }
        let scorable = matches!(outcome, SyncOutcome::Active { .. });
        let owed = ((changed || loaded.rescore) && scorable).then_some(Owed::Scoring);
        let now = self.clock.now();
        match &stored {
            None => {
                store
                    .commit(claim, loaded, &content, &outcome, owed, now)
                    .await?;
            }
            Some(reading) => {
                store
                    .commit_reading(claim, loaded, &content, &outcome, owed, now)
                    .await?;
                if let Err(error) = store.take_parts_away(claim, reading).await {
                    tracing::warn!(%error, "parts of a reading stay until they are forgotten");
                }
            }
        }
        if owed.is_some() {
            self.hint_at_scoring(store, work).await;
        }
        Ok(match (&outcome, changed) {
            (SyncOutcome::NoEligibleAccount { .. }, _) => Outcome::NoEligibleAccount,
            (SyncOutcome::Active { .. }, true) => Outcome::Updated,
            (SyncOutcome::Active { .. }, false) => Outcome::NothingNew,
        })
    }

    /// The scoring is owed by the commit; a message that is not sent only makes it later.
    async fn hint_at_scoring(&self, store: &Store, work: &Work) {
        let sent = self
            .scoring_queue
            .send(&work.client, work, store.meter())
            .await;
        if let Err(error) = sent {
            tracing::warn!(%error, "scoring will start with the next sweep");
        }
    }

    /// Decides what a failure means: a state, patience, or another try.
    async fn give_back(
        &self,
        store: &Store,
        claim: &Claim,
        mark: Option<DueMark>,
        error: SyncError,
    ) -> Result<(), WorkError> {
        let (table, now) = (store.table(), self.clock.now());
        match error {
            // Withdrawn in between, or a newer worker's commit stands: nothing is left to do.
            SyncError::Aws(passerelle_aws::Error::Erased | passerelle_aws::Error::Conflict) => {
                Ok(())
            }
            SyncError::Aws(error) => {
                table.release(claim).await?;
                Err(error.into())
            }
            // Never benign, whatever kept it from being stored: the next sync shows whether the bank still
            // takes the former token, or the person is needed.
            error @ SyncError::TokenNotKept(_) => {
                tracing::error!(%error, "the former token may be spent");
                table.release(claim).await?;
                Err(WorkError::retryable(error))
            }
            SyncError::Bank(error) if error.needs_psu().is_some() => {
                if let Some(reason) = error.needs_psu() {
                    table
                        .require_reauthentication(claim, reason, mark, now)
                        .await?;
                }
                Ok(())
            }
            // The next slot or the next sweep asks again, not this message; a sweep not before the bank
            // wants to be asked.
            SyncError::Bank(BankError::RateLimited { retry_after }) => {
                tracing::warn!(
                    "the bank's call limit is reached: the connection stays active and waits"
                );
                let delay = match retry_after {
                    Some(delay) if delay <= SLOT => delay,
                    // Its own slot comes first: the rest of a reading that was begun waits for it too.
                    Some(_) | None => PAST_ITS_SLOT,
                };
                self.wait_as_asked(store, claim, delay, now).await?;
                Ok(())
            }
            // Nobody waits, and each try would spend an access: the bank is left alone for a while.
            SyncError::Bank(error) if error.is_outage() && !claim.may_be_attended(now) => {
                tracing::warn!(%error, "the connection waits for its bank");
                self.wait_for_bank(store, claim, now).await?;
                Ok(())
            }
            SyncError::Bank(error) if error.is_retryable() => {
                table.release(claim).await?;
                Err(match error.is_ours() {
                    true => error.into(),
                    false => WorkError::bank_unavailable(error),
                })
            }
            // Nothing is wrong: what is known stays as it is until the person comes back.
            SyncError::Bank(BankError::PersonNeeded) => {
                owe_no_more(table, claim, mark).await?;
                tracing::info!("the bank is read only while the person is there");
                Ok(())
            }
            // Ours to mend (certificate, registration, a refused request): retrying burns the budget.
            SyncError::Bank(error) => {
                tracing::error!(failure = true, %error, "the bank refuses this connection until we change something");
                owe_no_more(table, claim, mark).await?;
                Ok(())
            }
        }
    }
}

/// Whether there is a reading a claim that spent nothing may go on with.
fn goes_on(loaded: &Loaded, token: &OpenToken, now: Timestamp) -> bool {
    let left = loaded.content.reading.as_ref();
    left.is_some_and(|left| left.goes_on(token.authorised_at(), now))
}

/// What was owed when the work began can only be done once something else changed.
async fn owe_no_more(
    table: &Table,
    claim: &Claim,
    mark: Option<DueMark>,
) -> Result<(), passerelle_aws::Error> {
    let connection = &claim.connection;
    match mark {
        Some(mark) => {
            table
                .clear_due(&connection.client, &connection.id, mark)
                .await
        }
        None => Ok(()),
    }
}

fn log_refusal(refusal: ClaimRefusal) {
    let outcome = match refusal {
        ClaimRefusal::Unknown => "unknown",
        ClaimRefusal::NotOpen => "not-open",
        ClaimRefusal::ConsentEnded => "consent-ended",
        ClaimRefusal::Leased => "already-running",
        ClaimRefusal::BudgetSpent { .. } => "budget-spent",
    };
    tracing::info!(outcome, "nothing to do");
}
