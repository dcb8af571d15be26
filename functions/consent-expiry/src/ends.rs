//! What is due by the calendar, one consent at a time.

use jiff::Timestamp;
use passerelle_aws::consents::StoredConsent;
use passerelle_aws::{Error, Store};
use passerelle_domain::consent::{Consent, ConsentEvent, ConsentState};
use passerelle_domain::ids::{ClientId, ConsentId};
use passerelle_domain::receipt::Actor;

use crate::Expiry;

/// Consents handled in one run: what is left comes first in the next.
const PER_RUN: usize = 500;

/// What one run did.
#[derive(Debug)]
pub(crate) struct Handled {
    pub(crate) due: usize,
    pub(crate) failed: usize,
    /// Whether more was due than one run takes.
    pub(crate) more: bool,
}

impl Expiry {
    pub(crate) async fn handle_what_is_due(
        &self,
        store: &Store,
        now: Timestamp,
    ) -> Result<Handled, Error> {
        let table = store.table();
        let due = table.due_consents(now, PER_RUN).await?;
        let mut failed = 0;
        for (client, consent) in &due.consents {
            // One consent that cannot be handled never keeps the others waiting.
            if let Err(error) = self.handle(store, client, consent, now).await {
                failed += 1;
                let failure = !error.is_retryable();
                tracing::warn!(tenant = %client, %consent, failure, %error, "what is due was not done yet");
            }
        }
        if !due.more && failed == 0 {
            table.calendar_walked(now).await?;
        }
        Ok(Handled {
            due: due.consents.len(),
            failed,
            more: due.more,
        })
    }

    async fn handle(
        &self,
        store: &Store,
        client: &ClientId,
        id: &ConsentId,
        now: Timestamp,
    ) -> Result<(), Error> {
        let Some(stored) = store.table().consent(client, id).await? else {
            return Ok(());
        };
        let consent = self.ticked(store, &stored, now).await?;
        if !store.finish_narrowing(&consent, now).await? {
            tracing::info!(tenant = %client, consent = %id, "a sync is at work: the next run erases");
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
            }
            _ => book.save_consent(before, &next, actor, now).await?,
        }
        tracing::info!(tenant = %next.client, consent = %next.id, outcome = next.state.code(), "its time had come");
        Ok(next)
    }
}
