//! Ends what has reached its end: a link nobody used, a consent whose time is up, an erasure that
//! stopped half-way.
//!
//! The calendar lists what is due and nothing else. An ended consent stays listed until everything
//! it owed is done, so a run that stops anywhere is carried on by the next one.

use jiff::Timestamp;
use passerelle_aws::{Clients, Error, ReceiptBook, Table};
use passerelle_domain::consent::{Consent, ConsentEvent};
use passerelle_domain::ids::{ClientId, ConsentId};
use passerelle_domain::receipt::Actor;
use passerelle_runtime::{Clock, Environment, Function, StartError, WorkError};

/// Consents handled in one run: what is left comes first in the next.
const PER_RUN: usize = 500;

#[derive(Debug)]
struct Expiry {
    table: Table,
    receipts: ReceiptBook,
    clock: Clock,
}

/// Reads `TABLE_NAME`, `KEYS_TABLE_NAME` and `RECEIPT_KEY_ID`.
///
/// # Errors
/// [`StartError`] naming the variable that is missing.
pub fn function(environment: &Environment, clients: &Clients) -> Result<Function, StartError> {
    let tables = (
        environment.text("TABLE_NAME")?,
        environment.text("KEYS_TABLE_NAME")?,
    );
    let table = Table::new(clients, tables.0, tables.1);
    let key = environment.text("RECEIPT_KEY_ID")?;
    let expiry = Expiry {
        receipts: ReceiptBook::new(clients, table.clone(), key),
        table,
        clock: environment.clock(),
    };
    Ok(Function::new("consent-expiry").tick(move |_| {
        let expiry = expiry.metered();
        async move { expiry.run().await }
    }))
}

impl Expiry {
    /// One run, one count.
    fn metered(&self) -> Self {
        let table = self.table.metered();
        Self {
            receipts: self.receipts.metered_with(&table),
            table,
            clock: self.clock.clone(),
        }
    }

    async fn run(&self) -> Result<(), WorkError> {
        let now = self.clock.now();
        let due = self.table.due_consents(now, PER_RUN).await?;
        let mut failed = 0;
        for (client, consent) in &due.consents {
            // One consent that cannot be ended never keeps the others waiting.
            if let Err(error) = self.end(client, consent, now).await {
                failed += 1;
                tracing::warn!(tenant = %client, %consent, %error, "consent not ended yet");
            }
        }
        if !due.more && failed == 0 {
            self.table.calendar_walked(now).await?;
        }
        let usage = self.table.meter().usage();
        tracing::info!(
            due = due.consents.len(),
            failed,
            more = due.more,
            aws_calls = usage.table_requests,
            rru = usage.read_units,
            wru = usage.write_units,
            "ends handled"
        );
        Ok(())
    }

    async fn end(&self, client: &ClientId, id: &ConsentId, now: Timestamp) -> Result<(), Error> {
        let Some(stored) = self.table.consent(client, id).await? else {
            return Ok(());
        };
        let ended = self.ended(stored.consent, now).await?;
        // A warning was given, its end moved in between, or what is kept is not yet to be erased.
        let due = ended.next_due().is_none_or(|due| due <= now);
        if !ended.state.is_terminal() || !due {
            return Ok(());
        }
        if let Some(connection) = &stored.connection {
            self.table.erase_connection(client, connection, now).await?;
            self.receipts
                .record_erasure(&ended, connection, now)
                .await?;
        }
        self.table.clear_calendar(client, id).await?;
        tracing::info!(tenant = %client, consent = %id, outcome = ended.state.code(), "consent ended");
        Ok(())
    }

    /// The consent after this moment: itself when its end moved in between.
    async fn ended(&self, consent: Consent, now: Timestamp) -> Result<Consent, Error> {
        match consent.apply(ConsentEvent::Ticked, now) {
            Ok(ended) => {
                self.receipts
                    .save_consent(&consent, &ended, Actor::Time, now)
                    .await?;
                Ok(ended)
            }
            Err(_) => Ok(consent),
        }
    }
}
