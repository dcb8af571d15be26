//! A consent renewed in place: the connection keeps its id, its accounts, its rows; token and ends are
//! new. One transaction, so that a renewal happened or did not; until it did nothing of the connection
//! is touched.

use aws_sdk_dynamodb::types::{Put, TransactWriteItem, Update};
use jiff::Timestamp;
use passerelle_domain::authorisation::Authorisation;
use passerelle_domain::consent::Consent;
use passerelle_domain::ids::{ClientId, ConnectionId};
use passerelle_domain::receipt::Actor;
use passerelle_domain::trace::Trace;
use zeroize::Zeroizing;

use crate::attributes::{bytes, get_number, moment, number, text};
use crate::authorisations::{Completion, ExchangedAttempt};
use crate::connections::token_place;
use crate::consents::{consent_update, link_item};
use crate::content::{Content, sealed_content};
use crate::due::{Owed, SET_MARK, first_look, mark_values};
use crate::error::Error;
use crate::farewells::owed_farewell;
use crate::receipts::ReceiptBook;
use crate::store::Store;
use crate::table::{Digest, Key, Table};

/// How often a renewal is tried again when a sync got in between.
const TRIES: usize = 5;

impl Table {
    /// Stores a consent whose renewal was opened, and the renewal's own link: both or none.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the consent was changed since it was read.
    pub async fn open_renewal(
        &self,
        consent: &Consent,
        link: &Digest,
        now: Timestamp,
    ) -> Result<(), Error> {
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(link_item(consent, link, now)))
            .build();
        let consent = consent_update(&self.name, consent, now)?;
        let writes = vec![
            TransactWriteItem::builder().update(consent).build(),
            TransactWriteItem::builder().set_put(put.ok()).build(),
        ];
        self.transact(writes).await
    }
}

impl Store {
    /// The bank's token a connection works with now, opened.
    ///
    /// # Errors
    /// [`Error::Erased`] when the connection was withdrawn.
    pub async fn present_token(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
        now: Timestamp,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        Ok(self.load_of(client, connection, now).await?.token)
    }

    /// Makes a renewal stand: consent with its new ends, gate open with them, the new token in the old
    /// one's place, a first sync owed, attempt completed, receipt and event. All or none. Where the bank
    /// keeps the former consent apart, it is owed to be told that it is over.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the consent changed, another attempt was started since, or this one was
    /// completed before; [`Error::Erased`] when the connection was withdrawn.
    pub async fn complete_renewal(
        &self,
        book: &ReceiptBook,
        completion: &Completion<'_>,
        state: &Digest,
        now: Timestamp,
    ) -> Result<(), Error> {
        let book = book.metered_with(&self.table);
        let trace = Trace::of(completion.before, completion.consent, Actor::Psu, now);
        let mut tries = TRIES;
        loop {
            let writes = self.renewal_writes(completion, state, now).await?;
            match book.commit(writes, &trace).await {
                Err(Error::Conflict) if tries > 0 => tries -= 1,
                written => return written,
            }
        }
    }

    async fn renewal_writes(
        &self,
        completion: &Completion<'_>,
        state: &Digest,
        now: Timestamp,
    ) -> Result<Vec<TransactWriteItem>, Error> {
        let attempt = completion.attempt;
        let authorisation = &attempt.authorisation;
        let (client, connection) = (&authorisation.client, &authorisation.connection);
        let table = &self.table;
        let gate = table
            .get(&table.name, Key::gate(client, connection))
            .await?;
        let gate = gate.ok_or(Error::Erased)?;
        let before = get_number(&gate, "seq")?;
        let next = before.saturating_add(1);
        let former = match attempt.stands_apart {
            false => None,
            true => self.former_farewell(authorisation, now).await?,
        };
        let consent = consent_update(&table.name, completion.consent, now)?;
        let mut writes = vec![
            TransactWriteItem::builder().update(consent).build(),
            table.is_latest(authorisation, state),
            open_gate(table, completion, (before, next), former.is_some()),
            self.renewed_data(attempt, next, now).await?,
        ];
        writes.extend(table.completed(authorisation, state, now)?);
        writes.extend(former);
        Ok(writes)
    }

    /// The farewell the token of before is owed.
    async fn former_farewell(
        &self,
        authorisation: &Authorisation,
        now: Timestamp,
    ) -> Result<Option<TransactWriteItem>, Error> {
        let owner = (&authorisation.client, &authorisation.connection);
        let table = &self.table;
        let data = table.get(&table.name, Key::data(owner.0, owner.1)).await?;
        let data = data.ok_or(Error::Erased)?;
        owed_farewell(table, owner, &authorisation.institution, &data, false, now)
    }

    /// The data item with the new token, sealed anew under the next `seq`: a sync that still runs with
    /// the former token finds a newer worker.
    async fn renewed_data(
        &self,
        attempt: &ExchangedAttempt,
        next: u64,
        now: Timestamp,
    ) -> Result<TransactWriteItem, Error> {
        let authorisation = &attempt.authorisation;
        let (client, connection) = (&authorisation.client, &authorisation.connection);
        let loaded = self.load_of(client, connection, now).await?;
        let content = Content {
            attended: Some(attempt.psu.clone()),
            ..loaded.content.clone()
        };
        let content = sealed_content(&loaded.key, client, connection, next, &content)?;
        let place = token_place(client, connection, next);
        let token = loaded.token_key.seal(&place, &attempt.token)?;
        let update = Update::builder()
            .table_name(&self.table.name)
            .set_key(Some(Key::data(client, connection).into_item()))
            .update_expression(format!(
                "SET seq = :next, #token = :token, token_seq = :next, content = :content, {SET_MARK}"
            ))
            .condition_expression("seq = :seen")
            .set_expression_attribute_values(Some(
                mark_values(Owed::Sync, connection, first_look(now))
                    .into_iter()
                    .collect(),
            ))
            .expression_attribute_names("#token", "token")
            .expression_attribute_values(":next", number(next))
            .expression_attribute_values(":token", bytes(token))
            .expression_attribute_values(":content", bytes(content))
            .expression_attribute_values(":seen", number(loaded.seq))
            .build();
        Ok(TransactWriteItem::builder().set_update(update.ok()).build())
    }
}

/// The gate, open until the new end. A connection that waited for the person waits no more.
fn open_gate(
    table: &Table,
    completion: &Completion<'_>,
    (before, next): (u64, u64),
    owes_farewell: bool,
) -> TransactWriteItem {
    let attempt = completion.attempt;
    let authorisation = &attempt.authorisation;
    let key = Key::gate(&authorisation.client, &authorisation.connection);
    let update = Update::builder()
        .table_name(&table.name)
        .set_key(Some(key.into_item()))
        .update_expression(
            "SET phase = :open, consent_until = :until, attended_until = :there, seq = :next, \
             lease_until = :zero, call_rule = :rule REMOVE since, reason ADD farewells :owed",
        )
        .condition_expression("seq = :before AND phase <> :closed")
        .expression_attribute_values(":open", text("open"))
        .expression_attribute_values(":closed", text("closed"))
        .expression_attribute_values(":until", moment(completion.consent_until))
        .expression_attribute_values(":there", moment(attempt.psu.until))
        .expression_attribute_values(":before", number(before))
        .expression_attribute_values(":next", number(next))
        .expression_attribute_values(":zero", number(0))
        .expression_attribute_values(":owed", number(u64::from(owes_farewell)))
        .expression_attribute_values(":rule", text(completion.call_rule.code()))
        .build();
    TransactWriteItem::builder().set_update(update.ok()).build()
}
