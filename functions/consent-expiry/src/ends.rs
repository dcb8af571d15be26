//! What is due by the calendar, several consents at a time, longest due first.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::{FutureExt, StreamExt, stream};
use jiff::Timestamp;
use passerelle_aws::calendar::{self, CalendarWalk, DueConsent};
use passerelle_aws::consents::StoredConsent;
use passerelle_aws::{Error, Store};
use passerelle_domain::consent::{Consent, ConsentEvent, ConsentState};
use passerelle_domain::receipt::Actor;

use crate::{Expiry, Run};

/// Consents listed in one step.
const PER_STEP: usize = 200;

/// Consents handled at a time.
const AT_ONCE: usize = 16;

/// The longest one consent may take: what hangs is put off, and keeps nobody waiting.
const PATIENCE: Duration = Duration::from_secs(30);

/// What one run did.
#[derive(Debug, Default)]
pub(crate) struct Handled {
    pub(crate) due: usize,
    /// For which it could not be done: they come up again by themselves.
    pub(crate) failed: usize,
    /// Whether time was up before everything due was handled.
    pub(crate) more: bool,
}

/// Why what is due was not done.
#[derive(Debug, thiserror::Error)]
enum NotDone {
    #[error(transparent)]
    Store(#[from] Error),
    #[error("a sync is at work on the connection")]
    SyncAtWork,
    #[error("it took too long")]
    TookTooLong,
    #[error("it ended in a panic")]
    Panicked,
}

impl Expiry {
    pub(crate) async fn handle_what_is_due(
        &self,
        store: &Store,
        run: Run,
    ) -> Result<Handled, Error> {
        let now = run.now;
        let table = store.table();
        let mut walk = table
            .calendar_walk(run.part.shards(calendar::SHARDS), now)
            .await?;
        let mut handled = Handled::default();
        while walk.has_more() {
            if run.is_over() {
                handled.more = true;
                break;
            }
            let due = table.due_consents(&mut walk, PER_STEP).await?;
            handled.due += due.len();
            handled.failed += self.handle_all(store, &mut walk, due, now).await;
        }
        table.calendar_walked(&walk).await?;
        Ok(handled)
    }

    /// Handles these consents; tells for how many it could not be done. One never keeps the others
    /// waiting, whatever is wrong with it.
    async fn handle_all(
        &self,
        store: &Store,
        walk: &mut CalendarWalk,
        due: Vec<DueConsent>,
        now: Timestamp,
    ) -> usize {
        let done = stream::iter(due)
            .map(|due| async move {
                let handling = AssertUnwindSafe(self.handle(store, &due, now)).catch_unwind();
                let handled = match tokio::time::timeout(PATIENCE, handling).await {
                    Ok(Ok(handled)) => handled,
                    Ok(Err(_)) => Err(NotDone::Panicked),
                    Err(_) => Err(NotDone::TookTooLong),
                };
                (due, handled)
            })
            .buffer_unordered(AT_ONCE);
        let mut done = std::pin::pin!(done);
        let mut failed = 0;
        while let Some((due, handled)) = done.next().await {
            if let Err(error) = handled {
                failed += 1;
                put_off(store, walk, &due, &error, now).await;
            }
        }
        failed
    }

    async fn handle(&self, store: &Store, due: &DueConsent, now: Timestamp) -> Result<(), NotDone> {
        let (client, id) = (&due.client, &due.consent);
        let Some(stored) = store.table().consent(client, id).await? else {
            return Ok(());
        };
        let consent = self.ticked(store, &stored, now).await?;
        if !store.finish_narrowing(&consent, now).await? {
            return Err(NotDone::SyncAtWork);
        }
        let due = consent.next_due().is_none_or(|due| due <= now);
        if !consent.state.is_terminal() || !due {
            return Ok(());
        }
        let table = store.table();
        if let Some(connection) = &stored.connection {
            table.erase_connection(client, connection, now).await?;
            let book = self.receipts.metered_with(table);
            book.record_erasure(&consent, connection, now).await?;
        }
        table.clear_calendar(client, id).await?;
        tracing::info!(tenant = %client, consent = %id, outcome = consent.state.code(), "nothing is owed any more");
        Ok(())
    }

    /// The consent after this moment: warned, ended, or itself when what is due is something else.
    async fn ticked(
        &self,
        store: &Store,
        stored: &StoredConsent,
        now: Timestamp,
    ) -> Result<Consent, Error> {
        let Ok(next) = stored.consent.apply(ConsentEvent::Ticked, now) else {
            return Ok(stored.consent.clone());
        };
        let book = self.receipts.metered_with(store.table());
        let (before, actor) = (&stored.consent, Actor::Time);
        match (&next.state, &stored.connection) {
            (ConsentState::Expired { .. }, Some(connection)) => {
                book.end_connection(before, &next, connection, actor, now)
                    .await?;
                // What is kept for a while after the end is what was read, never what was learned.
                let table = store.table();
                table
                    .forget_unjustified_scores(&next.client, &next.customer, now)
                    .await?;
            }
            _ => book.save_consent(before, &next, actor, now).await?,
        }
        tracing::info!(tenant = %next.client, consent = %next.id, outcome = next.state.code(), "its time had come");
        Ok(next)
    }
}

/// A consent for which it could not be done comes up again later, so that those behind it have their turn.
async fn put_off(
    store: &Store,
    walk: &mut CalendarWalk,
    due: &DueConsent,
    error: &NotDone,
    now: Timestamp,
) {
    let (tenant, consent) = (&due.client, &due.consent);
    match store.table().put_off(due, now).await {
        Ok(Some((tries, again))) => {
            tracing::warn!(%tenant, %consent, %error, tries, %again, "what is due was not done yet");
        }
        // It was changed meanwhile, and stands in the calendar by what it is now.
        Ok(None) => {
            walk.leave(due);
            tracing::warn!(%tenant, %consent, %error, "what is due was not done yet");
        }
        Err(unmoved) => {
            walk.leave(due);
            tracing::error!(%tenant, %consent, %error, %unmoved, "what is due was not done yet");
        }
    }
}
