//! The bank's token between its exchange and the connection it makes: sealed under a key that belongs to
//! the attempt alone, and due from the very write that stores it. Completed, the token moves to the
//! connection's key; otherwise the bank is told and the key destroyed.

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use jiff::{SignedDuration, Timestamp};
use passerelle_domain::authorisation::{Authorisation, AuthorisationStatus, Phase};
use passerelle_domain::call_budget::AttendedPsu;
use zeroize::Zeroizing;

use super::{Change, ClaimedAttempt, place, read_attempt};
use crate::attributes::{bytes, get_bytes, get_number, number, text};
use crate::due::Owed;
use crate::error::Error;
use crate::store::Store;
use crate::table::{Digest, Key, Table, sortable};

/// After the attempt's end, so that whoever is completing it at that moment is not cut off.
const GRACE: SignedDuration = SignedDuration::from_secs(60);

/// The mark that makes an attempt due at its end.
pub(super) fn due_at_its_end(
    authorisation: &Authorisation,
    state: &Digest,
) -> [(&'static str, AttributeValue); 2] {
    let end = authorisation.expires_at;
    let due = end.checked_add(GRACE).unwrap_or(end);
    [
        ("due_shard", text(Owed::Attempt.shard_of(state.as_str()))),
        ("due_at", text(sortable(due))),
    ]
}

/// An attempt whose code was exchanged but whose connection does not stand yet.
#[derive(Debug)]
pub struct ExchangedAttempt {
    /// The attempt.
    pub authorisation: Authorisation,
    /// The bank's token, as the connector wrote it.
    pub token: Zeroizing<Vec<u8>>,
    /// The person who was there, for the first read.
    pub psu: AttendedPsu,
    /// Whether the bank keeps what this token stands for apart from the connection it would renew, so
    /// that ending one leaves the other alone. Always so where nothing is renewed.
    pub stands_apart: bool,
}

impl Store {
    /// Seals and stores what the bank gave for the code, before anything else is done with it, and marks
    /// it due: all or none.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the attempt is not claimed.
    pub async fn keep_exchanged(
        &self,
        claimed: &ClaimedAttempt,
        state: &Digest,
        token: Zeroizing<Vec<u8>>,
        stands_apart: bool,
        now: Timestamp,
    ) -> Result<ExchangedAttempt, Error> {
        let authorisation = claimed.authorisation.clone();
        let psu = claimed.returned.psu.clone();
        let client = &authorisation.client;
        let (key, wrapped) = self
            .vault
            .fresh_attempt_token_key(client, &authorisation.id, now)
            .await?;
        let sealed_token = key.seal(&place(&authorisation, "exchanged"), &token)?;
        let person = serde_json::to_vec(&psu).map_err(|_| Error::Unreadable("person"))?;
        let sealed_psu = key.seal(&place(&authorisation, "psu"), &person)?;
        let [shard, due] = due_at_its_end(&authorisation, state);
        let kept = [
            ("token", bytes(sealed_token)),
            ("psu", bytes(sealed_psu)),
            ("stands_apart", number(u64::from(stands_apart))),
            shard,
            due,
        ];
        let status = AuthorisationStatus::Exchanged { at: now };
        // Nothing but the due mark may remove it from here on: no time to live.
        let change = Change::to(&status)
            .keeping(&kept)
            .removing(&["ttl", "secrets", "returned", "parked", "way"]);
        let update = change.expression(&self.table.name, state)?;
        let key_row = Key::attempt_token_key(client, &authorisation.id);
        let writes = vec![
            TransactWriteItem::builder().update(update).build(),
            self.table
                .put_new_key(key_row.with([("token", bytes(wrapped))])),
        ];
        self.table.transact(writes).await?;
        Ok(ExchangedAttempt {
            authorisation: Authorisation {
                status,
                ..authorisation
            },
            token,
            psu,
            stands_apart,
        })
    }

    /// An attempt that stopped after its exchange, to be carried on.
    ///
    /// # Errors
    /// When AWS does not answer.
    pub async fn exchanged(
        &self,
        state: &Digest,
        now: Timestamp,
    ) -> Result<Option<ExchangedAttempt>, Error> {
        let key = Key::attempt(state);
        let Some(item) = self.table.get(&self.table.name, key).await? else {
            return Ok(None);
        };
        let authorisation = read_attempt(&item)?;
        if authorisation.status.phase() != Phase::Exchanged {
            return Ok(None);
        }
        let key = self
            .vault
            .attempt_token_key(&authorisation.client, &authorisation.id, now)
            .await?;
        let token = key.open(
            &place(&authorisation, "exchanged"),
            get_bytes(&item, "token")?,
        )?;
        let psu = key.open(&place(&authorisation, "psu"), get_bytes(&item, "psu")?)?;
        let psu = serde_json::from_slice(&psu).map_err(|_| Error::Unreadable("person"))?;
        Ok(Some(ExchangedAttempt {
            stands_apart: get_number(&item, "stands_apart")? == 1,
            authorisation,
            token,
            psu,
        }))
    }
}

impl Table {
    /// Gives an exchanged attempt time until a later moment: somebody else must still agree at the bank.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn give_time(&self, state: &Digest, until: Timestamp) -> Result<(), Error> {
        let update = Update::builder()
            .table_name(&self.name)
            .set_key(Some(Key::attempt(state).into_item()))
            .update_expression("SET due_at = :until")
            .condition_expression("phase = :exchanged AND due_at < :until")
            .expression_attribute_values(":exchanged", text(Phase::Exchanged.code()))
            .expression_attribute_values(":until", text(sortable(until)))
            .build();
        let write = TransactWriteItem::builder().set_update(update.ok()).build();
        match self.transact(vec![write]).await {
            // It has the time already, or went on.
            Ok(()) | Err(Error::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
