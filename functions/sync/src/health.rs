//! Whether the bank is to be called at all: its circuit, and its own call rule as the directory has it
//! today. And what a sync teaches about the bank's health.

use jiff::{SignedDuration, Timestamp};
use passerelle_aws::circuits::turn_after;
use passerelle_aws::claims::Claim;
use passerelle_aws::{Error, Store};
use passerelle_banks::BankError;
use passerelle_domain::circuit::Admission;

use crate::{Outcome, Sync, SyncError};

/// How long a connection waits after an outage that has not opened the circuit.
const BREATHER: SignedDuration = SignedDuration::from_mins(10);

/// A bank that limits calls is left alone at least so long, whatever it says.
const SHORTEST_WAIT: SignedDuration = SignedDuration::from_mins(1);

/// A wait longer than this is longer than the way to the connection's own slot may be.
pub(crate) const SLOT: SignedDuration = SignedDuration::from_hours(6);

/// Each connection has a slot every day: after this time it has come, and what it read is owed no more.
pub(crate) const PAST_ITS_SLOT: SignedDuration = SignedDuration::from_hours(25);

impl Sync {
    /// Whether the bank may be called for this claim. Otherwise the claim was given back, unspent.
    pub(crate) async fn may_call(
        &self,
        store: &Store,
        claim: &Claim,
        now: Timestamp,
    ) -> Result<bool, Error> {
        // A person who has just been at the bank is not kept waiting by what others met there.
        if claim.may_be_attended(now) {
            return Ok(true);
        }
        if !self.keeps_the_banks_rule(store, claim, now).await? {
            store.table().release_unused(claim).await?;
            tracing::info!(
                outcome = "budget-spent",
                "the bank allows fewer calls by now"
            );
            return Ok(false);
        }
        let bank = &claim.connection.institution;
        match self.circuits.admit(bank, now).await? {
            Admission::Free | Admission::Probe => Ok(true),
            Admission::Wait { .. } => {
                store.table().release_unused(claim).await?;
                self.owe_later(store, claim, now).await?;
                tracing::info!(outcome = "bank-down", %bank, "the connection waits for its bank");
                Ok(false)
            }
        }
    }

    /// Whether the accesses spent are within the bank's rule of today; the gate learns a new rule.
    async fn keeps_the_banks_rule(
        &self,
        store: &Store,
        claim: &Claim,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let bank = self.banks.directory().get(&claim.connection.institution);
        let Some(rule) = bank.map(|bank| bank.institution.call_rule()) else {
            return Ok(true);
        };
        if rule == claim.budget.rule() {
            return Ok(true);
        }
        store.table().keep_call_rule(claim, rule).await?;
        Ok(claim.budget.under(rule).is_kept(now))
    }

    /// Gives a connection back until its bank may be tried.
    pub(crate) async fn wait_for_bank(
        &self,
        store: &Store,
        claim: &Claim,
        now: Timestamp,
    ) -> Result<(), Error> {
        store.table().release(claim).await?;
        self.owe_later(store, claim, now).await
    }

    /// Gives a connection back until the bank wants to be asked again.
    pub(crate) async fn wait_as_asked(
        &self,
        store: &Store,
        claim: &Claim,
        delay: SignedDuration,
        now: Timestamp,
    ) -> Result<(), Error> {
        let until = now.checked_add(delay.max(SHORTEST_WAIT)).unwrap_or(now);
        let connection = &claim.connection;
        let table = store.table();
        table.release(claim).await?;
        table
            .owe_sync(&connection.client, &connection.id, until)
            .await
    }

    async fn owe_later(&self, store: &Store, claim: &Claim, now: Timestamp) -> Result<(), Error> {
        let connection = &claim.connection;
        let circuit = self.circuits.of(&connection.institution, now).await?;
        let until = match circuit.admission(now) {
            Admission::Wait { until } => until,
            Admission::Free | Admission::Probe => now.checked_add(BREATHER).unwrap_or(now),
        };
        let turn = turn_after(until, &connection.id);
        store
            .table()
            .owe_sync(&connection.client, &connection.id, turn)
            .await
    }

    /// An answer, whatever it was, is a bank that is there. What cannot be noted is not worth the sync.
    pub(crate) async fn note_health(&self, claim: &Claim, result: &Result<Outcome, SyncError>) {
        let (bank, now) = (&claim.connection.institution, self.clock.now());
        let noted = match result {
            Err(SyncError::Bank(error)) if error.is_outage() => {
                self.circuits.failed(bank, now).await.map(drop)
            }
            // Our own deadline says nothing about the bank.
            Err(
                SyncError::Aws(_)
                | SyncError::TokenNotKept(_)
                | SyncError::Bank(BankError::OutOfTime),
            ) => Ok(()),
            Ok(outcome) if !outcome.called() => Ok(()),
            Ok(_) | Err(SyncError::Bank(_)) => self.circuits.answered(bank, now).await,
        };
        if let Err(error) = noted {
            tracing::warn!(%error, "the bank's health was not noted");
        }
    }
}
