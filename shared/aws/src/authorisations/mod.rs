//! One attempt at the bank, reached by the digest of its single-use `state`.
//!
//! Claimed before what was brought back is exchanged, so a code is used once whatever is replayed
//! ([`returns`]). What the bank gives for it is sealed under a key of the attempt's own and stored with
//! a due mark in one write ([`exchange`]): completing the attempt removes the mark ([`completion`]), and
//! anything else turns it into a revocation at the bank ([`ends`]).
//!
//! A consent points at its latest attempt. An attempt that is not the latest completes nothing.

mod completion;
mod ends;
mod exchange;
mod returns;

use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, ReturnConsumedCapacity, ReturnValue, TransactWriteItem, Update,
};
use jiff::{SignedDuration, Timestamp};
use passerelle_domain::authorisation::{Authorisation, AuthorisationStatus, Phase};
use passerelle_domain::ids::{ClientId, ConsentId};
use passerelle_domain::private::Private;

pub use self::completion::Completion;
pub use self::exchange::ExchangedAttempt;
pub use self::returns::{BankReturn, ClaimedAttempt, ParkedReturn};
use crate::attributes::{Item, bytes, get_bytes, get_json, get_text, json, moment, text};
use crate::error::Error;
use crate::store::Store;
use crate::table::{AsSliceOf, Digest, Key, Table};
use crate::vault::{DataKey, Place};

/// How long an attempt that has ended is remembered, so that an old page says how it ended.
const REMEMBERED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// What a new attempt needs to remember, until the person comes back.
#[derive(Debug, Clone, Copy)]
pub struct Departure<'a> {
    /// What the connector asked to remember. Secret.
    pub secrets: &'a [u8],
    /// Where the person decides, as the connector wrote it. Secret: it carries the `state`.
    pub way: &'a str,
}

/// The latest attempt of a consent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Latest {
    /// What the consent points at; nothing before the first attempt and after a journey was handed to
    /// another device.
    pub state: Option<Digest>,
    /// The attempt, while it is remembered.
    pub attempt: Option<Authorisation>,
}

impl Latest {
    /// The attempt with the digest of its `state`, where it was started through this link.
    #[must_use]
    pub fn through_link(self, number: u32) -> Option<(Digest, Authorisation)> {
        let attempt = self.attempt.filter(|it| it.link_number() == number)?;
        Some((self.state?, attempt))
    }
}

impl Store {
    /// Stores a new attempt, its sealed secrets and its sealed way to the bank, as the latest one of its
    /// consent.
    ///
    /// # Errors
    /// [`Error::Conflict`] when another attempt was started since `seen` was read.
    pub async fn start_authorisation(
        &self,
        authorisation: &Authorisation,
        state: &Digest,
        departure: &Departure<'_>,
        seen: Option<&Digest>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let writes = self.start_writes(authorisation, state, departure, seen, now);
        self.table.transact(writes.await?).await
    }

    /// The same, for the second step at a bank that wanted a token before its consent: the first step
    /// is done, and its token is in the second one's secrets.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the first step went on otherwise.
    pub async fn start_second_step(
        &self,
        first: &Authorisation,
        first_state: &Digest,
        second: (&Authorisation, &Digest, &Departure<'_>),
        now: Timestamp,
    ) -> Result<(), Error> {
        let (authorisation, state, departure) = second;
        let writes = self.start_writes(authorisation, state, departure, Some(first_state), now);
        let mut writes = writes.await?;
        writes.extend(self.table.completed(first, first_state, now)?);
        self.table.transact(writes).await
    }

    async fn start_writes(
        &self,
        authorisation: &Authorisation,
        state: &Digest,
        departure: &Departure<'_>,
        seen: Option<&Digest>,
        now: Timestamp,
    ) -> Result<Vec<TransactWriteItem>, Error> {
        let key = self.attempt_key(authorisation, now).await?;
        let secrets = key.seal(&place(authorisation, "attempt"), departure.secrets)?;
        let way = key.seal(&place(authorisation, "way"), departure.way.as_bytes())?;
        let attempt = Key::attempt(state).with([
            ("body", json(authorisation)?),
            ("phase", text(authorisation.status.phase().code())),
            ("expires_at", moment(authorisation.expires_at)),
            ("secrets", bytes(secrets)),
            ("way", bytes(way)),
            ("ttl", moment(authorisation.expires_at)),
        ]);
        Ok(vec![
            self.table.put_new(attempt),
            self.table.point_at(authorisation, state, seen),
        ])
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

    /// The key of what an attempt remembers until its return.
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
    ) -> Result<Latest, Error> {
        let pointer = self
            .get(&self.name, Key::attempt_pointer(client, consent))
            .await?;
        let Some(pointer) = pointer.filter(|pointer| pointer.contains_key("state")) else {
            return Ok(Latest::default());
        };
        let state = Digest::from_stored(get_text(&pointer, "state")?);
        let attempt = self.authorisation(&state).await?;
        Ok(Latest {
            state: Some(state),
            attempt,
        })
    }

    /// Lets a journey begin anew in another browser: its latest attempt is the latest no more, so
    /// that nothing comes of it.
    ///
    /// # Errors
    /// [`Error::Conflict`] when another attempt was started meanwhile.
    pub async fn release_journey(
        &self,
        client: &ClientId,
        consent: &ConsentId,
        state: &Digest,
    ) -> Result<(), Error> {
        let answer = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(Key::attempt_pointer(client, consent).into_item()))
            .update_expression("REMOVE #state")
            .condition_expression("#state = :state")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":state", text(state.as_str()))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        self.meter
            .table_write(answer.consumed_capacity.as_slice_of());
        Ok(())
    }

    /// The write that makes an attempt the latest one of its consent, unless another became it since
    /// `seen` was read.
    fn point_at(
        &self,
        authorisation: &Authorisation,
        state: &Digest,
        seen: Option<&Digest>,
    ) -> TransactWriteItem {
        let key = Key::attempt_pointer(&authorisation.client, &authorisation.consent);
        let update = Update::builder()
            .table_name(&self.name)
            .set_key(Some(key.into_item()))
            .update_expression("SET #state = :state")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":state", text(state.as_str()));
        let update = match seen {
            None => update.condition_expression("attribute_not_exists(#state)"),
            Some(seen) => update
                .condition_expression("#state = :seen")
                .expression_attribute_values(":seen", text(seen.as_str())),
        };
        TransactWriteItem::builder()
            .set_update(update.build().ok())
            .build()
    }

    /// The condition that an attempt is the latest one of its consent.
    pub(crate) fn is_latest(
        &self,
        authorisation: &Authorisation,
        state: &Digest,
    ) -> TransactWriteItem {
        let key = Key::attempt_pointer(&authorisation.client, &authorisation.consent);
        let check = ConditionCheck::builder()
            .table_name(&self.name)
            .set_key(Some(key.into_item()))
            .condition_expression("#state = :state")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":state", text(state.as_str()))
            .build();
        TransactWriteItem::builder()
            .set_condition_check(check.ok())
            .build()
    }

    /// Moves an attempt to a status from the phases that lead there; returns the whole item.
    async fn move_attempt(&self, state: &Digest, change: Change<'_>) -> Result<Item, Error> {
        let write = change.expression(&self.name, state)?;
        let answer = self
            .client
            .update_item()
            .table_name(write.table_name)
            .set_key(Some(write.key))
            .update_expression(write.update_expression)
            .set_condition_expression(write.condition_expression)
            .set_expression_attribute_names(write.expression_attribute_names)
            .set_expression_attribute_values(write.expression_attribute_values)
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

/// A move of an attempt from one phase to the next.
#[derive(Debug, Clone, Copy)]
struct Change<'a> {
    /// Where it goes.
    status: &'a AuthorisationStatus,
    /// What is stored with it.
    kept: &'a [(&'static str, AttributeValue)],
    /// What is removed with it.
    removed: &'a [&'static str],
    /// When it is allowed, beside the phases it may come from.
    when: When,
    /// The very status it may come from, where only that one will do.
    from: Option<&'a AuthorisationStatus>,
}

/// When a move of an attempt is allowed.
#[derive(Debug, Clone, Copy)]
enum When {
    /// Whenever the phase fits.
    Always,
    /// Before the attempt's end.
    BeforeItsEnd(Timestamp),
    /// At its end, for what is given back.
    AfterItsEnd(Timestamp),
}

impl<'a> Change<'a> {
    fn to(status: &'a AuthorisationStatus) -> Self {
        Self {
            status,
            kept: &[],
            removed: &[],
            when: When::Always,
            from: None,
        }
    }

    fn keeping(self, kept: &'a [(&'static str, AttributeValue)]) -> Self {
        Self { kept, ..self }
    }

    fn removing(self, removed: &'a [&'static str]) -> Self {
        Self { removed, ..self }
    }

    fn before_end(self, now: Timestamp) -> Self {
        let when = When::BeforeItsEnd(now);
        Self { when, ..self }
    }

    fn from(self, status: &'a AuthorisationStatus) -> Self {
        let from = Some(status);
        Self { from, ..self }
    }

    fn after_its_end(self, now: Timestamp) -> Self {
        let when = When::AfterItsEnd(now);
        Self { when, ..self }
    }

    /// The conditional write, alone or inside a transaction.
    fn expression(self, table: &str, state: &Digest) -> Result<Update, Error> {
        let phase = self.status.phase();
        let mut update = Update::builder()
            .table_name(table)
            .set_key(Some(Key::attempt(state).into_item()))
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":status", json(self.status)?)
            .expression_attribute_values(":phase", text(phase.code()));
        let mut set = "SET #status = :status, phase = :phase".to_owned();
        for (index, (name, value)) in self.kept.iter().enumerate() {
            set.push_str(&format!(", #kept{index} = :kept{index}"));
            update = update
                .expression_attribute_names(format!("#kept{index}"), *name)
                .expression_attribute_values(format!(":kept{index}"), value.clone());
        }
        let mut removed = Vec::new();
        for (index, name) in self.removed.iter().enumerate() {
            removed.push(format!("#removed{index}"));
            update = update.expression_attribute_names(format!("#removed{index}"), *name);
        }
        if !removed.is_empty() {
            set.push_str(&format!(" REMOVE {}", removed.join(", ")));
        }
        let mut accepted = Vec::new();
        for (index, from) in phase.sources().enumerate() {
            accepted.push(format!(":from{index}"));
            update = update.expression_attribute_values(format!(":from{index}"), text(from.code()));
        }
        let mut condition = format!("phase IN ({})", accepted.join(", "));
        if let When::BeforeItsEnd(now) | When::AfterItsEnd(now) = self.when {
            update = update.expression_attribute_values(":now", moment(now));
            if phase == Phase::Claimed {
                // A worker that stopped half-way is succeeded.
                let succeeded = "(phase = :phase AND claimed_until <= :now)";
                condition = format!("({condition} OR {succeeded})");
            }
        }
        if let Some(from) = self.from {
            update = update.expression_attribute_values(":from", json(from)?);
            condition.push_str(" AND #status = :from");
        }
        if let When::BeforeItsEnd(_) = self.when {
            condition.push_str(" AND expires_at > :now");
        }
        update
            .update_expression(set)
            .condition_expression(condition)
            .build()
            .map_err(|_| Error::Unreadable("attempt"))
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

/// Where a blob of an attempt belongs.
fn place<'a>(authorisation: &'a Authorisation, kind: &'a str) -> Place<'a> {
    Place {
        client: &authorisation.client,
        owner: authorisation.id.as_str(),
        kind,
        seq: 0,
    }
}
