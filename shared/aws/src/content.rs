//! What the data item of a connection holds: sealed, compressed, whole.

use std::collections::{BTreeMap, BTreeSet};

use passerelle_domain::account::Account;
use passerelle_domain::call_budget::AttendedPsu;
use passerelle_domain::ids::{AccountId, ClientId, ConnectionId, TransactionId};
use passerelle_domain::reconciliation::SeenLine;
use passerelle_domain::transaction::{PendingTransaction, Transaction};
use passerelle_domain::{Date, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::readings::OpenReading;
use crate::table::Month;
use crate::vault::{DataKey, Place};

/// The delta buffer is flushed when it is larger than this, sealed: two write units with the rest.
const BUFFER_BYTES: usize = 1200;

/// Stored pages never expand beyond this: a year of a very busy account is a tenth of it.
const UNPACKED_LIMIT: usize = 16 * 1024 * 1024;

/// What is known of a connection beside its pages: sealed in the data item.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Content {
    /// Its accounts.
    pub accounts: Vec<Account>,
    /// What is expected, per account: replaced at each sync.
    pub pending: BTreeMap<AccountId, Vec<PendingTransaction>>,
    /// The recent past as it was last served, per account.
    pub seen: BTreeMap<AccountId, Vec<SeenLine>>,
    /// The first day the bank served, per account.
    pub history_from: BTreeMap<AccountId, Date>,
    /// The day of the last committed sync, by the bank's calendar.
    pub synced_on: Option<Date>,
    /// When the last committed reading began: work that was decided before is done.
    #[serde(default)]
    pub read_at: Option<Timestamp>,
    /// The reading that is under way, if it took longer than one worker.
    #[serde(default)]
    pub reading: Option<OpenReading>,
    /// Changes not yet flushed to the monthly pages.
    pub delta: Delta,
    /// The person who made the connection, while their request still stands.
    pub attended: Option<AttendedPsu>,
    /// The `seq` of every flush that was committed: the last changes of a page count only when theirs is
    /// among them.
    #[serde(default)]
    pub(crate) flushes: BTreeSet<u64>,
}

/// Changes not yet in the pages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Delta(pub(crate) BTreeMap<AccountId, AccountDelta>);

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct AccountDelta {
    pub(crate) upserts: BTreeMap<TransactionId, Transaction>,
    pub(crate) vanished: BTreeMap<TransactionId, Date>,
}

impl Delta {
    /// Adds what a reconciliation decided for an account.
    pub fn add(
        &mut self,
        account: &AccountId,
        upserts: impl IntoIterator<Item = Transaction>,
        vanished: impl IntoIterator<Item = (TransactionId, Date)>,
    ) {
        let changes = self.0.entry(account.clone()).or_default();
        for row in upserts {
            changes.vanished.remove(&row.id);
            changes.upserts.insert(row.id.clone(), row);
        }
        for (id, day) in vanished {
            changes.upserts.remove(&id);
            changes.vanished.insert(id, day);
        }
        self.0
            .retain(|_, changes| !changes.upserts.is_empty() || !changes.vanished.is_empty());
    }

    /// Whether the buffer is large enough to be worth its pages.
    ///
    /// # Errors
    /// When it cannot be written, which no valid row causes.
    pub fn wants_flush(&self) -> Result<bool, Error> {
        Ok(!self.0.is_empty() && pack(self)?.len() > BUFFER_BYTES)
    }

    pub(crate) fn by_month(&self) -> BTreeMap<(AccountId, Month), AccountDelta> {
        let mut months: BTreeMap<(AccountId, Month), AccountDelta> = BTreeMap::new();
        for (account, changes) in &self.0 {
            for (id, row) in &changes.upserts {
                let month = (account.clone(), Month::of(row.booking_date));
                months
                    .entry(month)
                    .or_default()
                    .upserts
                    .insert(id.clone(), row.clone());
            }
            for (id, day) in &changes.vanished {
                let month = (account.clone(), Month::of(*day));
                months
                    .entry(month)
                    .or_default()
                    .vanished
                    .insert(id.clone(), *day);
            }
        }
        months
    }
}

pub(crate) fn sealed_content(
    key: &DataKey,
    client: &ClientId,
    connection: &ConnectionId,
    seq: u64,
    content: &Content,
) -> Result<Vec<u8>, Error> {
    let place = Place {
        client,
        owner: connection.as_str(),
        kind: "content",
        seq,
    };
    key.seal(&place, &pack(content)?)
}

/// Canonical bytes of a value, compressed.
pub(crate) fn pack<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    let plain = serde_json::to_vec(value).map_err(|_| Error::Unreadable("value"))?;
    zstd::bulk::compress(&plain, 9).map_err(|_| Error::Unreadable("value"))
}

pub(crate) fn unpack<T: DeserializeOwned>(packed: &[u8]) -> Result<T, Error> {
    let plain = zstd::bulk::decompress(packed, UNPACKED_LIMIT)
        .map_err(|_| Error::Unreadable("packed value"))?;
    serde_json::from_slice(&plain).map_err(|_| Error::Unreadable("packed value"))
}
