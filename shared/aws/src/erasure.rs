//! The end of a connection, step by step; each step can be repeated, so an end that stopped anywhere is
//! carried on.
//!
//! 1. [`ReceiptBook::end_connection`], one transaction: the consent ends, the gate closes, the data key is
//!    destroyed and the bank is owed a farewell. From then on every copy, backups included, is noise;
//!    what follows only tidies up. Where the person was told that what was read is kept for a while
//!    after the end, the key goes then, and only the token goes now.
//! 2. [`Table::erase_connection`]: the rows and what was learned from them.
//! 3. [`crate::farewells`]: the bank.

use aws_sdk_dynamodb::types::{Delete, ReturnConsumedCapacity, TransactWriteItem, Update};
use jiff::Timestamp;
use passerelle_domain::consent::{Consent, ConsentState};
use passerelle_domain::ids::{ClientId, ConnectionId, CustomerReference};
use passerelle_domain::receipt::Actor;
use passerelle_domain::trace::Trace;

use crate::attributes::{Item, bytes, get_bytes, get_number, get_parsed, moment, number, text};
use crate::consents::consent_update;
use crate::due::{Owed, SET_MARK, mark_values};
use crate::error::Error;
use crate::farewells::owed_farewell;
use crate::receipts::ReceiptBook;
use crate::table::{AsSliceOf, Key, Table, sortable};

/// How often an end is tried again when a sync got in between.
const TRIES: usize = 5;

impl ReceiptBook {
    /// Ends a consent and the connection it feeds, in one transaction, with what the end leaves behind:
    /// receipt and event.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the consent was changed since it was read.
    pub async fn end_connection(
        &self,
        before: &Consent,
        ended: &Consent,
        connection: &ConnectionId,
        actor: Actor,
        now: Timestamp,
    ) -> Result<(), Error> {
        let trace = Trace::of(before, ended, actor, now);
        let mut tries = TRIES;
        loop {
            let writes = self.table().ending_writes(ended, connection, now).await?;
            match self.commit(writes, &trace).await {
                Err(Error::Conflict) if tries > 0 => tries -= 1,
                written => return written,
            }
        }
    }
}

impl Table {
    async fn ending_writes(
        &self,
        ended: &Consent,
        connection: &ConnectionId,
        now: Timestamp,
    ) -> Result<Vec<TransactWriteItem>, Error> {
        let owner = (&ended.client, connection);
        let consent = consent_update(&self.name, ended, now)?;
        let mut writes = vec![TransactWriteItem::builder().update(consent).build()];
        let Some(gate) = self.get(&self.name, Key::gate(owner.0, owner.1)).await? else {
            return Ok(writes);
        };
        let data = self.get(&self.name, Key::data(owner.0, owner.1)).await?;
        let bank = get_parsed(&gate, "institution")?;
        let farewell = match &data {
            Some(data) => owed_farewell(self, owner, &bank, data, true, now)?,
            None => None,
        };
        let keeps =
            matches!(&ended.state, ConsentState::Expired { erase_at, .. } if *erase_at > now);
        writes.push(self.closed_gate(owner, keeps, farewell.is_some(), now));
        if !keeps {
            writes.push(self.destroyed_data_key(owner));
        }
        if let Some(data) = &data {
            writes.push(self.data_without_token(owner, data, keeps, now)?);
        }
        writes.extend(farewell);
        Ok(writes)
    }

    fn closed_gate(
        &self,
        owner: (&ClientId, &ConnectionId),
        keeps: bool,
        farewell: bool,
        now: Timestamp,
    ) -> TransactWriteItem {
        let mut set = "SET phase = :closed, since = :now".to_owned();
        if !keeps {
            set.push_str(", key_destroyed_at = :now");
        }
        if !farewell {
            set.push_str(", bank_given_up_at = :now");
        }
        let update = Update::builder()
            .table_name(&self.name)
            .set_key(Some(Key::gate(owner.0, owner.1).into_item()))
            .update_expression(format!(
                "{set} REMOVE wheel_slot, reason ADD farewells :owed"
            ))
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":closed", text("closed"))
            .expression_attribute_values(":owed", number(u64::from(farewell)))
            .expression_attribute_values(":now", moment(now))
            .build();
        TransactWriteItem::builder().set_update(update.ok()).build()
    }

    /// The gate of a connection whose data was kept until now.
    fn noted_destruction(
        &self,
        owner: (&ClientId, &ConnectionId),
        now: Timestamp,
    ) -> TransactWriteItem {
        let update = Update::builder()
            .table_name(&self.name)
            .set_key(Some(Key::gate(owner.0, owner.1).into_item()))
            .update_expression(
                "SET phase = :closed, since = if_not_exists(since, :now), \
                 key_destroyed_at = :now REMOVE wheel_slot, reason",
            )
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":closed", text("closed"))
            .expression_attribute_values(":now", moment(now))
            .build();
        TransactWriteItem::builder().set_update(update.ok()).build()
    }

    fn destroyed_data_key(&self, owner: (&ClientId, &ConnectionId)) -> TransactWriteItem {
        let update = Update::builder()
            .table_name(&self.keys_name)
            .set_key(Some(Key::connection_key(owner.0, owner.1).into_item()))
            .update_expression("REMOVE #wrapped")
            .expression_attribute_names("#wrapped", "wrapped")
            .build();
        TransactWriteItem::builder().set_update(update.ok()).build()
    }

    /// The data item goes with its key. Where it is kept, it keeps no token, a sync that still runs finds
    /// that it was fenced off, and a score is owed: what was learned from it is learned anew without it.
    fn data_without_token(
        &self,
        owner: (&ClientId, &ConnectionId),
        data: &Item,
        keeps: bool,
        now: Timestamp,
    ) -> Result<TransactWriteItem, Error> {
        let key = Key::data(owner.0, owner.1).into_item();
        let seen = number(get_number(data, "token_seq").unwrap_or_default());
        let held = bytes(get_bytes(data, "token").unwrap_or_default());
        // A token that was rotated since is the one the bank is told with: read again. One worker may
        // rotate it twice under one number.
        let same = "attribute_not_exists(token_seq) OR (token_seq = :seen AND #token = :held)";
        if !keeps {
            let delete = Delete::builder()
                .table_name(&self.name)
                .set_key(Some(key))
                .condition_expression(same)
                .expression_attribute_names("#token", "token")
                .expression_attribute_values(":seen", seen)
                .expression_attribute_values(":held", held)
                .build();
            return Ok(TransactWriteItem::builder().set_delete(delete.ok()).build());
        }
        let update = Update::builder()
            .table_name(&self.name)
            .set_key(Some(key))
            .update_expression(format!(
                "SET fenced = :yes, {SET_MARK} REMOVE #token, token_seq, rescore"
            ))
            .condition_expression(same)
            .set_expression_attribute_values(Some(
                mark_values(Owed::Scoring, owner.1, sortable(now))
                    .into_iter()
                    .collect(),
            ))
            .expression_attribute_names("#token", "token")
            .expression_attribute_values(":seen", seen)
            .expression_attribute_values(":held", held)
            .expression_attribute_values(":yes", number(1))
            .build();
        Ok(TransactWriteItem::builder().set_update(update.ok()).build())
    }

    /// Erases everything of an ended connection but the fact that it existed and what the bank is
    /// still to be told.
    ///
    /// # Errors
    /// When the table does not answer; call again.
    pub async fn erase_connection(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
        now: Timestamp,
    ) -> Result<(), Error> {
        let owner = (client, connection);
        let gate = self.get(&self.name, Key::gate(client, connection)).await?;
        let Some(gate) = gate else {
            return Ok(());
        };
        if gate.contains_key("rows_erased_at") {
            return Ok(());
        }
        if !gate.contains_key("key_destroyed_at") {
            let writes = vec![
                self.noted_destruction(owner, now),
                self.destroyed_data_key(owner),
            ];
            self.transact(writes).await?;
        }
        let customer: CustomerReference = get_parsed(&gate, "customer")?;
        self.erase_rows(owner).await?;
        self.forget_unjustified_scores(client, &customer, now)
            .await?;
        self.note_erased(owner, now).await
    }

    async fn erase_rows(&self, owner: (&ClientId, &ConnectionId)) -> Result<(), Error> {
        for key in self.keys_of_partition(owner).await? {
            if key.sk != "G" && !key.sk.starts_with(Key::FAREWELL) {
                self.delete(&self.name, key).await?;
            }
        }
        Ok(())
    }

    async fn note_erased(
        &self,
        owner: (&ClientId, &ConnectionId),
        now: Timestamp,
    ) -> Result<(), Error> {
        let update = Update::builder()
            .table_name(&self.name)
            .set_key(Some(Key::gate(owner.0, owner.1).into_item()))
            .update_expression("SET rows_erased_at = :now")
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(rows_erased_at)")
            .expression_attribute_values(":now", moment(now))
            .build();
        let writes = vec![TransactWriteItem::builder().set_update(update.ok()).build()];
        match self.transact(writes).await {
            // Noted by another run meanwhile.
            Ok(()) | Err(Error::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn keys_of_partition(
        &self,
        owner: (&ClientId, &ConnectionId),
    ) -> Result<Vec<Key>, Error> {
        let mut keys = Vec::new();
        let mut from = None;
        loop {
            let answer = self
                .client
                .query()
                .table_name(&self.name)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(
                    ":pk",
                    text(Key::connection_partition(owner.0, owner.1)),
                )
                .projection_expression("pk, sk")
                .consistent_read(true)
                .set_exclusive_start_key(from)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await
                .map_err(Error::from_sdk)?;
            self.meter
                .table_read(answer.consumed_capacity.as_slice_of());
            keys.extend(
                answer
                    .items
                    .unwrap_or_default()
                    .iter()
                    .filter_map(Key::of_item),
            );
            from = answer.last_evaluated_key;
            if from.is_none() {
                return Ok(keys);
            }
        }
    }
}
