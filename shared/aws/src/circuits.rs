//! The banks that are down, shared by every environment: one item per bank while it is unwell, none
//! while it is healthy. All of them lie in one partition, so one request reads them all.
//!
//! A healthy bank costs nothing: what is known is remembered for half a minute, a success writes only
//! where a failure was written before, and of many failures at once one is counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use jiff::{SignedDuration, Timestamp};
use passerelle_domain::circuit::{Admission, Circuit};
use passerelle_domain::ids::{ConnectionId, InstitutionId};

use crate::attributes::{get_json, get_text, json, moment, text};
use crate::error::Error;
use crate::table::{AsSliceOf, Key, Table, spread};

/// How long what is known of the banks is believed.
const BELIEVED_FOR: SignedDuration = SignedDuration::from_secs(30);

/// A bank nobody called for so long is taken for healthy.
const REMEMBERED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// The circuits of all banks, as this environment knows them. Clones share what is known.
#[derive(Debug, Clone)]
pub struct Circuits {
    table: Table,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    unwell: BTreeMap<InstitutionId, Circuit>,
    read_at: Option<Timestamp>,
}

/// Over how long the connections a bank kept waiting come back to it.
const RETURN_OVER: u32 = 30 * 60;

/// When a connection has its turn after a moment its bank may be tried: spread, so that a bank that is
/// just back is not met by all of them at once.
#[must_use]
pub fn turn_after(until: Timestamp, connection: &ConnectionId) -> Timestamp {
    let seconds = spread(connection.as_str()) % RETURN_OVER;
    let turn = until.checked_add(SignedDuration::from_secs(i64::from(seconds)));
    turn.unwrap_or(until)
}

impl Table {
    /// The banks that failed lately, with what is known of each. A bank that is not listed is healthy.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn unwell_banks(&self) -> Result<BTreeMap<InstitutionId, Circuit>, Error> {
        let answer = self
            .client
            .query()
            .table_name(&self.name)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(Key::circuits()))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        self.meter
            .table_read(answer.consumed_capacity.as_slice_of());
        let items = answer.items.unwrap_or_default();
        let read = items.iter().map(|item| {
            let bank = get_text(item, "sk")?.parse();
            let bank = bank.map_err(|_| Error::Unreadable("circuit"))?;
            Ok((bank, get_json(item, "circuit")?))
        });
        read.collect()
    }

    /// Stores what a circuit became, unless somebody changed it since it was read.
    async fn save_circuit(
        &self,
        bank: &InstitutionId,
        seen: Circuit,
        next: Circuit,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let until = now
            .checked_add(REMEMBERED_FOR)
            .map_err(|_| Error::Unreadable("clock"))?;
        let item = Key::circuit(bank).with([("circuit", json(&next)?), ("ttl", moment(until))]);
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item));
        let put = match seen == Circuit::default() {
            true => put.condition_expression("attribute_not_exists(pk)"),
            false => put
                .condition_expression("circuit = :seen")
                .expression_attribute_values(":seen", json(&seen)?),
        };
        let answer = put
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk);
        match answer {
            Ok(answer) => {
                self.meter
                    .table_write(answer.consumed_capacity.as_slice_of());
                Ok(true)
            }
            Err(Error::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Circuits {
    /// The circuits of a table.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self {
            table,
            known: Arc::default(),
        }
    }

    /// What is known of a bank, at most half a minute old.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn of(&self, bank: &InstitutionId, now: Timestamp) -> Result<Circuit, Error> {
        if let Some(circuit) = self.believed(bank, now) {
            return Ok(circuit);
        }
        let unwell = self.table.unwell_banks().await?;
        let circuit = unwell.get(bank).copied().unwrap_or_default();
        *self.known() = Known {
            unwell,
            read_at: Some(now),
        };
        Ok(circuit)
    }

    /// Whether a bank may be called now. A probe is taken for the caller, or refused because somebody
    /// else has it: [`Admission::Probe`] is answered to one caller only.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn admit(&self, bank: &InstitutionId, now: Timestamp) -> Result<Admission, Error> {
        let circuit = self.of(bank, now).await?;
        if circuit.admission(now) != Admission::Probe {
            return Ok(circuit.admission(now));
        }
        let probed = circuit.while_probed(now);
        let mine = self.table.save_circuit(bank, circuit, probed, now).await?;
        match mine {
            true => {
                self.learn(bank, probed);
                Ok(Admission::Probe)
            }
            false => {
                self.doubt();
                Ok(probed.admission(now))
            }
        }
    }

    /// Notes that a bank was not there.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn failed(&self, bank: &InstitutionId, now: Timestamp) -> Result<Circuit, Error> {
        let seen = self.of(bank, now).await?;
        let next = seen.after_outage(now);
        if next == seen {
            return Ok(seen);
        }
        match self.table.save_circuit(bank, seen, next, now).await? {
            true => {
                self.learn(bank, next);
                if next.is_open() && !seen.is_open() {
                    tracing::warn!(%bank, "the bank is down: its calls wait");
                }
                Ok(next)
            }
            // Somebody counted at the same moment: once is enough.
            false => {
                self.doubt();
                Ok(seen)
            }
        }
    }

    /// Notes that a bank answered: writes only where something else was known.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn answered(&self, bank: &InstitutionId, now: Timestamp) -> Result<(), Error> {
        if self.of(bank, now).await? == Circuit::default() {
            return Ok(());
        }
        self.table
            .delete(&self.table.name, Key::circuit(bank))
            .await?;
        self.known().unwell.remove(bank);
        tracing::info!(%bank, "the bank answers again");
        Ok(())
    }

    fn believed(&self, bank: &InstitutionId, now: Timestamp) -> Option<Circuit> {
        let known = self.known();
        let fresh = known
            .read_at
            .is_some_and(|at| now.duration_since(at).abs() < BELIEVED_FOR);
        fresh.then(|| known.unwell.get(bank).copied().unwrap_or_default())
    }

    fn learn(&self, bank: &InstitutionId, circuit: Circuit) {
        self.known().unwell.insert(bank.clone(), circuit);
    }

    /// What is known proved old: it is read again before it is used.
    fn doubt(&self) {
        self.known().read_at = None;
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
