//! One attempt at the bank, reached by the digest of its single-use `state`.
//!
//! Claimed before the code is exchanged, so a code is used once whatever is replayed. What the bank
//! gives back is sealed and stored on the attempt before anything else is done with it, so a crash
//! after the exchange resumes where it stopped.

use aws_sdk_dynamodb::types::{
    AttributeValue, Put, ReturnConsumedCapacity, ReturnValue, TransactWriteItem, Update,
};
use jiff::Timestamp;
use passerelle_domain::authorisation::{Authorisation, AuthorisationStatus, FailureReason};
use passerelle_domain::call_budget::{AttendedPsu, CallRule};
use passerelle_domain::consent::Consent;
use passerelle_domain::ids::{ClientId, ConsentId, CustomerReference};
use passerelle_domain::private::Private;
use passerelle_domain::purpose::DataClass;
use passerelle_domain::receipt::Actor;
use passerelle_domain::trace::Trace;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::attributes::{Item, bytes, get_bytes, get_json, get_text, json, moment, number, text};
use crate::connections::token_place;
use crate::consents::consent_update;
use crate::content::{Content, sealed_content};
use crate::due::{Owed, first_look};
use crate::error::Error;
use crate::receipts::ReceiptBook;
use crate::store::Store;
use crate::table::{AsSliceOf, Digest, Key, Table};
use crate::vault::{ConnectionKeys, DataKey, Place};
use crate::wheel;

/// What a new attempt needs to remember, until the person comes back.
#[derive(Debug, Clone, Copy)]
pub struct Departure<'a> {
    /// What the connector asked to remember. Secret.
    pub secrets: &'a [u8],
    /// Where the person decides, as the connector wrote it. Secret: it carries the `state`.
    pub way: &'a str,
}

/// An attempt that was just claimed: nobody else can exchange its code.
#[derive(Debug)]
pub struct ClaimedAttempt {
    /// The attempt.
    pub authorisation: Authorisation,
    /// What the connector asked to remember when the attempt started.
    pub secrets: Zeroizing<Vec<u8>>,
    /// What the bank answered in another browser before, if it did.
    pub parked: Option<ParkedReturn>,
}

/// A return from the bank that waits for the person's yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedReturn {
    /// What the person brought back: an authorisation or confirmation code, nothing at a bank that
    /// sends none.
    pub code: Option<Private>,
    /// The issuer that answered (RFC 9207), where it said so.
    pub issuer: Option<String>,
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
}

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
    /// Stores a new attempt, its sealed secrets and its sealed way to the bank.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the `state` was used before.
    pub async fn start_authorisation(
        &self,
        authorisation: &Authorisation,
        state: &Digest,
        departure: &Departure<'_>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let client = &authorisation.client;
        let key = self.attempt_key(authorisation, now).await?;
        let secrets = key.seal(&place(authorisation, "attempt"), departure.secrets)?;
        let way = key.seal(&place(authorisation, "way"), departure.way.as_bytes())?;
        let attempt = Key::attempt(state).with([
            ("body", json(authorisation)?),
            ("phase", text(phase(&authorisation.status))),
            ("expires_at", moment(authorisation.expires_at)),
            ("secrets", bytes(secrets)),
            ("way", bytes(way)),
            ("ttl", moment(authorisation.expires_at)),
        ]);
        let pointer = Key::attempt_pointer(client, &authorisation.consent)
            .with([("state", text(state.as_str()))]);
        let pointer = Put::builder()
            .table_name(&self.table.name)
            .set_item(Some(pointer))
            .build();
        let answer = self
            .table
            .client
            .transact_write_items()
            .transact_items(self.table.put_new(attempt))
            .transact_items(TransactWriteItem::builder().set_put(pointer.ok()).build())
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        self.table.meter.table_write(answer.consumed_capacity());
        Ok(())
    }

    /// The bank's address of an attempt that nobody came back from yet, while a return is accepted.
    ///
    /// # Errors
    /// When AWS does not answer.
    pub async fn way_to_bank(
        &self,
        state: &Digest,
        now: Timestamp,
    ) -> Result<Option<Private>, Error> {
        let item = self
            .table
            .get(&self.table.name, Key::attempt(state))
            .await?;
        let Some(item) = item.filter(|item| item.contains_key("way")) else {
            return Ok(None);
        };
        let authorisation = read_attempt(&item)?;
        let started = matches!(authorisation.status, AuthorisationStatus::Started);
        if !started || !authorisation.is_claimable(now) {
            return Ok(None);
        }
        let key = self.attempt_key(&authorisation, now).await?;
        let way = key.open(&place(&authorisation, "way"), get_bytes(&item, "way")?)?;
        let way = std::str::from_utf8(&way).map_err(|_| Error::Unreadable("way"))?;
        Ok(Some(Private::new(way)))
    }

    /// Keeps a return that came in another browser until the person confirms.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the attempt is past that point.
    pub async fn park_return(
        &self,
        authorisation: &Authorisation,
        state: &Digest,
        returned: &ParkedReturn,
        now: Timestamp,
    ) -> Result<(), Error> {
        let key = self.attempt_key(authorisation, now).await?;
        let plain =
            Zeroizing::new(serde_json::to_vec(returned).map_err(|_| Error::Unreadable("return"))?);
        let sealed = key.seal(&place(authorisation, "return"), &plain)?;
        let status = AuthorisationStatus::Returned { at: now };
        self.table
            .move_attempt(
                state,
                &status,
                &["started", "refused"],
                Some(now),
                &[("code", bytes(sealed))],
            )
            .await
            .map(drop)
    }

    /// Claims an attempt for the exchange of its code.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it was claimed before, ended or expired.
    pub async fn claim_authorisation(
        &self,
        state: &Digest,
        now: Timestamp,
    ) -> Result<ClaimedAttempt, Error> {
        let status = AuthorisationStatus::Claimed { at: now };
        let open = ["started", "refused", "returned"];
        let item = self
            .table
            .move_attempt(state, &status, &open, Some(now), &[])
            .await?;
        let authorisation = read_attempt(&item)?;
        let key = self.attempt_key(&authorisation, now).await?;
        let secrets = key.open(
            &place(&authorisation, "attempt"),
            get_bytes(&item, "secrets")?,
        )?;
        let parked = match item.contains_key("code") {
            false => None,
            true => {
                let plain =
                    key.open(&place(&authorisation, "return"), get_bytes(&item, "code")?)?;
                Some(serde_json::from_slice(&plain).map_err(|_| Error::Unreadable("return"))?)
            }
        };
        Ok(ClaimedAttempt {
            authorisation,
            secrets,
            parked,
        })
    }

    /// Seals and stores what the bank gave for the code, before anything else is done with it.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the attempt is not claimed.
    pub async fn keep_exchanged(
        &self,
        claimed: &ClaimedAttempt,
        state: &Digest,
        token: Zeroizing<Vec<u8>>,
        psu: AttendedPsu,
        now: Timestamp,
    ) -> Result<ExchangedAttempt, Error> {
        let authorisation = claimed.authorisation.clone();
        let (client, connection) = (&authorisation.client, &authorisation.connection);
        let key = self
            .vault
            .make_connection_keys(client, connection, now)
            .await?
            .token;
        let sealed_token = key.seal(&place(&authorisation, "exchanged"), &token)?;
        let person = serde_json::to_vec(&psu).map_err(|_| Error::Unreadable("person"))?;
        let sealed_psu = key.seal(&place(&authorisation, "psu"), &person)?;
        let kept = [("token", bytes(sealed_token)), ("psu", bytes(sealed_psu))];
        let status = AuthorisationStatus::Claimed { at: now };
        self.table
            .move_attempt(state, &status, &["claimed"], None, &kept)
            .await?;
        Ok(ExchangedAttempt {
            authorisation,
            token,
            psu,
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
        let Some(item) = self
            .table
            .get(&self.table.name, Key::attempt(state))
            .await?
        else {
            return Ok(None);
        };
        let authorisation = read_attempt(&item)?;
        let claimed = matches!(authorisation.status, AuthorisationStatus::Claimed { .. });
        if !claimed || !item.contains_key("token") {
            return Ok(None);
        }
        let key = self
            .vault
            .token_key(&authorisation.client, &authorisation.connection, now)
            .await?;
        let token = key.open(
            &place(&authorisation, "exchanged"),
            get_bytes(&item, "token")?,
        )?;
        let psu = key.open(&place(&authorisation, "psu"), get_bytes(&item, "psu")?)?;
        let psu = serde_json::from_slice(&psu).map_err(|_| Error::Unreadable("person"))?;
        Ok(Some(ExchangedAttempt {
            authorisation,
            token,
            psu,
        }))
    }

    /// Makes the connection stand: consent valid, gate and data written, first sync owed, attempt
    /// completed, receipt and event appended. All or none.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the consent changed or the attempt was completed before.
    pub async fn complete_authorisation(
        &self,
        book: &ReceiptBook,
        completion: Completion<'_>,
        state: &Digest,
        now: Timestamp,
    ) -> Result<(), Error> {
        let authorisation = &completion.attempt.authorisation;
        let keys = self
            .vault
            .connection_keys(&authorisation.client, &authorisation.connection, now)
            .await?;
        let consent = consent_update(&self.table.name, completion.consent)?;
        let writes = vec![
            TransactWriteItem::builder().update(consent).build(),
            self.table.put_new(gate_item(&completion, now)),
            self.table.put_new(data_item(&completion, &keys, now)?),
            self.table.put_new(customer_item(&completion)),
            self.table.complete_attempt(state, now)?,
        ];
        let trace = Trace::of(completion.before, completion.consent, Actor::Psu, now);
        book.metered_with(&self.table).commit(writes, &trace).await
    }

    async fn attempt_key(
        &self,
        authorisation: &Authorisation,
        now: Timestamp,
    ) -> Result<DataKey, Error> {
        let tenant_key = self.vault.tenant_key(&authorisation.client, now).await?;
        Ok(tenant_key.attempt_key(&authorisation.id))
    }
}

impl Table {
    /// The attempt a `state` belongs to.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn authorisation(&self, state: &Digest) -> Result<Option<Authorisation>, Error> {
        let item = self.get(&self.name, Key::attempt(state)).await?;
        item.as_ref().map(read_attempt).transpose()
    }

    /// The latest attempt of a consent.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn latest_authorisation(
        &self,
        client: &ClientId,
        consent: &ConsentId,
    ) -> Result<Option<(Digest, Authorisation)>, Error> {
        let pointer = self
            .get(&self.name, Key::attempt_pointer(client, consent))
            .await?;
        let Some(pointer) = pointer else {
            return Ok(None);
        };
        let state = Digest::from_stored(get_text(&pointer, "state")?);
        Ok(self
            .authorisation(&state)
            .await?
            .map(|authorisation| (state, authorisation)))
    }

    /// The write that ends an attempt well: what it held in secret goes with it.
    pub(crate) fn complete_attempt(
        &self,
        state: &Digest,
        now: Timestamp,
    ) -> Result<TransactWriteItem, Error> {
        let status = AuthorisationStatus::Completed { at: now };
        let done = Update::builder()
            .table_name(&self.name)
            .set_key(Some(Key::attempt(state).into_item()))
            .update_expression(
                "SET #status = :status, phase = :phase REMOVE #token, psu, secrets, code, way",
            )
            .condition_expression("phase = :claimed")
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#token", "token")
            .expression_attribute_values(":status", json(&status)?)
            .expression_attribute_values(":phase", text(phase(&status)))
            .expression_attribute_values(":claimed", text("claimed"))
            .build();
        Ok(TransactWriteItem::builder().set_update(done.ok()).build())
    }

    /// Notes that the bank answered without a code. A late code may still come.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the attempt is past that point.
    pub async fn note_refusal(
        &self,
        state: &Digest,
        by_psu: bool,
        now: Timestamp,
    ) -> Result<(), Error> {
        let status = AuthorisationStatus::Refused { by_psu, at: now };
        self.move_attempt(state, &status, &["started", "refused"], Some(now), &[])
            .await
            .map(drop)
    }

    /// Ends a claimed attempt whose exchange failed.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it is not claimed.
    pub async fn fail_authorisation(
        &self,
        state: &Digest,
        reason: FailureReason,
        now: Timestamp,
    ) -> Result<(), Error> {
        let status = AuthorisationStatus::Failed { at: now, reason };
        self.move_attempt(state, &status, &["claimed"], None, &[])
            .await
            .map(drop)
    }

    /// Moves an attempt from one of several phases to a status; returns the whole item.
    async fn move_attempt(
        &self,
        state: &Digest,
        status: &AuthorisationStatus,
        from: &[&str],
        before_expiry: Option<Timestamp>,
        kept: &[(&str, AttributeValue)],
    ) -> Result<Item, Error> {
        let mut set = "SET #status = :status, phase = :phase".to_owned();
        let mut update = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(Key::attempt(state).into_item()))
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":status", json(status)?)
            .expression_attribute_values(":phase", text(phase(status)));
        for (index, (name, value)) in kept.iter().enumerate() {
            set.push_str(&format!(", #kept{index} = :kept{index}"));
            update = update
                .expression_attribute_names(format!("#kept{index}"), *name)
                .expression_attribute_values(format!(":kept{index}"), value.clone());
        }
        let mut accepted = Vec::new();
        for (index, phase) in from.iter().enumerate() {
            accepted.push(format!(":from{index}"));
            update = update.expression_attribute_values(format!(":from{index}"), text(*phase));
        }
        let mut condition = format!("phase IN ({})", accepted.join(", "));
        if let Some(now) = before_expiry {
            condition.push_str(" AND expires_at > :now");
            update = update.expression_attribute_values(":now", moment(now));
        }
        let answer = update
            .update_expression(set)
            .condition_expression(condition)
            .return_values(ReturnValue::AllNew)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        self.meter
            .table_write(answer.consumed_capacity.as_slice_of());
        answer.attributes.ok_or(Error::Unreadable("attempt"))
    }
}

fn phase(status: &AuthorisationStatus) -> &'static str {
    match status {
        AuthorisationStatus::Started => "started",
        AuthorisationStatus::Refused { .. } => "refused",
        AuthorisationStatus::Returned { .. } => "returned",
        AuthorisationStatus::Claimed { .. } => "claimed",
        AuthorisationStatus::Completed { .. } => "completed",
        AuthorisationStatus::Failed { .. } => "failed",
    }
}

/// The attempt as it stands: the status beside the body is the newer one.
fn read_attempt(item: &Item) -> Result<Authorisation, Error> {
    let started: Authorisation = get_json(item, "body")?;
    let status = if item.contains_key("status") {
        get_json(item, "status")?
    } else {
        started.status
    };
    Ok(Authorisation { status, ..started })
}

fn place<'a>(authorisation: &'a Authorisation, kind: &'a str) -> Place<'a> {
    Place {
        client: &authorisation.client,
        owner: authorisation.connection.as_str(),
        kind,
        seq: 0,
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
