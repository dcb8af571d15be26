//! An attempt that ends well: the connection stands, and what the attempt held in secret goes.

use aws_sdk_dynamodb::types::{Delete, TransactWriteItem};
use jiff::Timestamp;
use passerelle_domain::authorisation::{Authorisation, AuthorisationStatus};
use passerelle_domain::call_budget::CallRule;
use passerelle_domain::consent::Consent;
use passerelle_domain::ids::CustomerReference;
use passerelle_domain::purpose::DataClass;
use passerelle_domain::receipt::Actor;
use passerelle_domain::trace::Trace;

use super::{Change, ExchangedAttempt, REMEMBERED_FOR};
use crate::attributes::{Item, bytes, moment, number, text};
use crate::connections::token_place;
use crate::consents::consent_update;
use crate::content::{Content, sealed_content};
use crate::due::{Owed, first_look};
use crate::error::Error;
use crate::receipts::ReceiptBook;
use crate::store::Store;
use crate::table::{Digest, Key, Table};
use crate::vault::ConnectionKeys;
use crate::wheel;

/// Everything an attempt holds in secret, and its due mark.
pub(super) const SECRETS: [&str; 10] = [
    "token",
    "psu",
    "secrets",
    "returned",
    "parked",
    "way",
    "due_shard",
    "due_at",
    "due_tries",
    "claimed_until",
];

/// Everything that makes a connection stand, written together.
#[derive(Debug)]
pub struct Completion<'a> {
    /// The attempt, exchanged.
    pub attempt: &'a ExchangedAttempt,
    /// The consent as it was read.
    pub before: &'a Consent,
    /// The consent in its valid state.
    pub consent: &'a Consent,
    /// The end of our consent.
    pub consent_until: Timestamp,
    /// How the bank counts unattended accesses.
    pub call_rule: CallRule,
}

impl Store {
    /// Makes the connection stand: consent valid, keys, gate and data written, first sync owed, attempt
    /// completed, receipt and event appended. All or none.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the consent changed, another attempt was started since, or this one was
    /// completed before.
    pub async fn complete_authorisation(
        &self,
        book: &ReceiptBook,
        completion: &Completion<'_>,
        state: &Digest,
        now: Timestamp,
    ) -> Result<(), Error> {
        let authorisation = &completion.attempt.authorisation;
        let (client, connection) = (&authorisation.client, &authorisation.connection);
        let (keys, wrapped) = self
            .vault
            .fresh_connection_keys(client, connection, now)
            .await?;
        let consent = consent_update(&self.table.name, completion.consent, now)?;
        let key_row = Key::connection_key(client, connection).with(wrapped);
        let mut writes = vec![
            TransactWriteItem::builder().update(consent).build(),
            self.table.is_latest(authorisation, state),
            self.table.put_new_key(key_row),
            self.table.put_new(gate_item(completion, now)),
            self.table.put_new(data_item(completion, &keys, now)?),
            self.table.put_new(customer_item(completion)),
        ];
        writes.extend(self.table.completed(authorisation, state, now)?);
        let trace = Trace::of(completion.before, completion.consent, Actor::Psu, now);
        book.metered_with(&self.table).commit(writes, &trace).await
    }
}

impl Table {
    /// The writes that end an exchanged attempt well: what it held in secret goes with its key.
    pub(crate) fn completed(
        &self,
        authorisation: &Authorisation,
        state: &Digest,
        now: Timestamp,
    ) -> Result<[TransactWriteItem; 2], Error> {
        let status = AuthorisationStatus::Completed { at: now };
        let until = now.checked_add(REMEMBERED_FOR).unwrap_or(now);
        let kept = [("ttl", moment(until))];
        let change = Change::to(&status).keeping(&kept).removing(&SECRETS);
        let done = change.expression(&self.name, state)?;
        Ok([
            TransactWriteItem::builder().update(done).build(),
            self.destroyed_attempt_key(authorisation),
        ])
    }

    /// The write that destroys the key of an attempt's token.
    pub(crate) fn destroyed_attempt_key(&self, authorisation: &Authorisation) -> TransactWriteItem {
        let key = Key::attempt_token_key(&authorisation.client, &authorisation.id);
        let delete = Delete::builder()
            .table_name(&self.keys_name)
            .set_key(Some(key.into_item()))
            .build();
        TransactWriteItem::builder().set_delete(delete.ok()).build()
    }
}

fn customer_of<'a>(completion: &'a Completion<'_>) -> &'a CustomerReference {
    &completion.consent.customer
}

fn gate_item(completion: &Completion<'_>, now: Timestamp) -> Item {
    let authorisation = &completion.attempt.authorisation;
    let mut gate = Key::gate(&authorisation.client, &authorisation.connection).with([
        ("phase", text("open")),
        ("customer", text(customer_of(completion).as_str())),
        ("institution", text(authorisation.institution.as_str())),
        ("consent", text(authorisation.consent.as_str())),
        ("consent_until", moment(completion.consent_until)),
        ("created_at", moment(now)),
        ("lease_until", number(0)),
        ("attended_until", moment(completion.attempt.psu.until)),
        ("seq", number(1)),
        ("call_rule", text(completion.call_rule.code())),
        ("access_1", number(0)),
        ("access_2", number(0)),
        ("access_3", number(0)),
        ("access_4", number(0)),
        (
            "wheel_slot",
            text(wheel::slot_of(&authorisation.connection)),
        ),
    ]);
    if !completion.consent.justifies(DataClass::Transactions) {
        gate.insert("no_lines".into(), number(1));
    }
    gate
}

fn data_item(
    completion: &Completion<'_>,
    keys: &ConnectionKeys,
    now: Timestamp,
) -> Result<Item, Error> {
    let attempt = completion.attempt;
    let authorisation = &attempt.authorisation;
    let (client, connection) = (&authorisation.client, &authorisation.connection);
    let content = Content {
        attended: Some(attempt.psu.clone()),
        ..Content::default()
    };
    let token = keys
        .token
        .seal(&token_place(client, connection, 1), &attempt.token)?;
    Ok(Key::data(client, connection).with([
        ("seq", number(1)),
        ("token", bytes(token)),
        ("token_seq", number(1)),
        (
            "content",
            bytes(sealed_content(&keys.data, client, connection, 1, &content)?),
        ),
        ("due_shard", text(Owed::Sync.shard_text(connection))),
        ("due_at", text(first_look(now))),
    ]))
}

fn customer_item(completion: &Completion<'_>) -> Item {
    let authorisation = &completion.attempt.authorisation;
    let (client, connection) = (&authorisation.client, &authorisation.connection);
    Key::customer_connection(client, customer_of(completion), connection)
        .with([("connection", text(connection.as_str()))])
}
