//! An attempt that comes to nothing. A token that was exchanged for it is given back: the bank is owed
//! its revocation in the write that ends the attempt, and the key goes with the telling.

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use jiff::Timestamp;
use passerelle_domain::authorisation::{Authorisation, AuthorisationStatus, FailureReason, Phase};

use super::completion::SECRETS;
use super::{Change, ClaimedAttempt, REMEMBERED_FOR, place, read_attempt};
use crate::attributes::{Item, bytes, get_bytes, get_number, get_text, moment, text};
use crate::due::OverdueWalk;
use crate::error::Error;
use crate::farewells::attempt_farewell;
use crate::store::Store;
use crate::table::{Digest, Key, Table};

/// How often an end is tried again when the attempt moved meanwhile.
const TRIES: usize = 5;

impl Table {
    /// Ends an attempt that came to nothing, wherever it stands. One that has ended stays as it ended.
    ///
    /// # Errors
    /// When the table does not answer; call again.
    pub async fn fail_authorisation(
        &self,
        state: &Digest,
        reason: FailureReason,
        now: Timestamp,
    ) -> Result<(), Error> {
        for _ in 0..TRIES {
            let Some(item) = self.get(&self.name, Key::attempt(state)).await? else {
                return Ok(());
            };
            let attempt = read_attempt(&item)?;
            if !attempt.status.phase().may_become(Phase::Failed) {
                return Ok(());
            }
            let writes = self.failed(&attempt, &item, state, reason, now).await?;
            match self.transact(writes).await {
                Err(Error::Conflict) => {}
                written => return written,
            }
        }
        Err(Error::Conflict)
    }

    async fn failed(
        &self,
        attempt: &Authorisation,
        item: &Item,
        state: &Digest,
        reason: FailureReason,
        now: Timestamp,
    ) -> Result<Vec<TransactWriteItem>, Error> {
        let end = self.end(state, attempt.status.phase(), reason, now)?;
        let mut writes = vec![end];
        if item.contains_key("token") {
            writes.push(match self.is_to_be_told(attempt, item).await? {
                true => attempt_farewell(self, attempt, get_bytes(item, "token")?, now),
                false => self.destroyed_attempt_key(attempt),
            });
        }
        Ok(writes)
    }

    /// The write that ends an attempt which still stands where it was read.
    fn end(
        &self,
        state: &Digest,
        seen: Phase,
        reason: FailureReason,
        now: Timestamp,
    ) -> Result<TransactWriteItem, Error> {
        let status = AuthorisationStatus::Failed { at: now, reason };
        let until = now.checked_add(REMEMBERED_FOR).unwrap_or(now);
        let kept = [("ttl", moment(until))];
        let change = Change::to(&status).keeping(&kept).removing(&SECRETS);
        let update = only_from(change.expression(&self.name, state)?, seen);
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// Whether the bank is told. Where it keeps no consents apart, a token that was to renew a
    /// connection and the connection's own are one: giving the first back could end the second, so it
    /// is only destroyed while the connection lives.
    async fn is_to_be_told(&self, attempt: &Authorisation, item: &Item) -> Result<bool, Error> {
        if get_number(item, "stands_apart")? == 1 {
            return Ok(true);
        }
        let gate = Key::gate(&attempt.client, &attempt.connection);
        let gate = self.get(&self.name, gate).await?;
        let Some(gate) = gate else { return Ok(true) };
        Ok(get_text(&gate, "phase")? == "closed")
    }

    /// The next attempts of a walk whose token nobody completed in time, at most `limit`, longest due
    /// first.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn take_abandoned(
        &self,
        walk: &mut OverdueWalk,
        limit: usize,
    ) -> Result<Vec<Digest>, Error> {
        let keys = self.take_due(walk, limit).await?;
        Ok(keys.iter().filter_map(Key::attempt_of).collect())
    }
}

impl Store {
    /// Ends a claimed attempt and owes the bank the end of what it gave or holds open for it, in one
    /// write: nobody can carry on what is given back.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the attempt is not claimed any more.
    pub async fn give_back(
        &self,
        claimed: &ClaimedAttempt,
        state: &Digest,
        token: &[u8],
        reason: FailureReason,
        now: Timestamp,
    ) -> Result<(), Error> {
        let attempt = &claimed.authorisation;
        let (key, wrapped) = self
            .vault
            .fresh_attempt_token_key(&attempt.client, &attempt.id, now)
            .await?;
        let sealed = key.seal(&place(attempt, "exchanged"), token)?;
        let key_row = Key::attempt_token_key(&attempt.client, &attempt.id);
        let writes = vec![
            self.table.end(state, Phase::Claimed, reason, now)?,
            self.table
                .put_new_key(key_row.with([("token", bytes(wrapped))])),
            attempt_farewell(&self.table, attempt, &sealed, now),
        ];
        self.table.transact(writes).await
    }
}

/// The same write, refused unless the attempt still stands where it was read.
fn only_from(update: Update, phase: Phase) -> Update {
    let mut update = update;
    let condition = update.condition_expression.take().unwrap_or_default();
    update.condition_expression = Some(format!("{condition} AND phase = :seen"));
    update
        .expression_attribute_values
        .get_or_insert_default()
        .insert(":seen".to_owned(), text(phase.code()));
    update
}
