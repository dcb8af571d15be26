//! The gate and the data item of a connection: a sync is a claim on one and a commit on the other.
//!
//! *Claim*: one conditional update of the gate takes the lease, spends an unattended access before
//! any call is made and raises `seq`. *Commit*: one conditional update of the data item, refused
//! unless its `seq` is older. Duplicates, zombies and replays become refused conditions.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    KeysAndAttributes, ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update,
};
use jiff::{SignedDuration, Timestamp};
use passerelle_domain::call_budget::{
    CallBudget, CallRule, PsuPresence, SpentAccess, window_start,
};
use passerelle_domain::connection::{
    Connection, ConnectionStatus, NoAccountReason, Notice, ReauthenticationReason,
};
use passerelle_domain::event::{About, DomainEvent, EventKind};
use passerelle_domain::ids::{ClientId, ConnectionId, CustomerReference};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::attributes::{
    Item, bytes, get_bytes, get_json, get_moment, get_number, get_parsed, get_text, json, moment,
    number, text,
};
use crate::content::{Content, sealed_content, unpack};
use crate::due::{Owed, first_look};
use crate::error::Error;
use crate::store::Store;
use crate::table::{AsSliceOf, Key, Table};
use crate::vault::{DataKey, Place};

/// How long a worker holds a connection: longer than a function may run.
const LEASE: SignedDuration = SignedDuration::from_secs(90);

/// What a committed sync found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum SyncOutcome {
    /// Accounts were read.
    Active {
        /// Something the client should know.
        notice: Option<Notice>,
    },
    /// The bank holds nothing we can work with.
    NoEligibleAccount {
        /// Why not.
        reason: NoAccountReason,
    },
}

/// The right to work on a connection until the lease ends.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The connection as the gate knows it.
    pub connection: Connection,
    /// The sequence number this work commits under.
    pub seq: u64,
    spent: SpentAccess,
    attended_until: Timestamp,
}

/// Why a claim was refused. None of these is a failure of the message that asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimRefusal {
    /// No such connection.
    Unknown,
    /// Closed, or waiting for the person.
    NotOpen,
    /// Our consent has ended.
    ConsentEnded,
    /// Another worker holds it.
    Leased,
    /// The bank's unattended calls are spent.
    BudgetSpent {
        /// When the next one is possible.
        next_possible: Timestamp,
    },
}

/// What a claimed connection holds.
#[derive(Debug)]
pub struct Loaded {
    /// The bank's token, as the connector wrote it.
    pub token: Zeroizing<Vec<u8>>,
    /// What is known.
    pub content: Content,
    /// The `seq` the content was committed under; older than the claim's by one unless a worker
    /// stopped half-way.
    pub seq: u64,
    /// Whether what is learned must be computed anew even when the bank brings nothing new.
    pub rescore: bool,
    pub(crate) key: DataKey,
}

impl Claim {
    /// Whether the person stands behind the calls of this claim.
    #[must_use]
    pub fn presence(&self, content: &Content, now: Timestamp) -> PsuPresence {
        match &content.attended {
            Some(psu) if now < psu.until && now < self.attended_until => {
                PsuPresence::Attended(psu.clone())
            }
            _ => PsuPresence::Unattended(self.spent),
        }
    }

    fn client(&self) -> &ClientId {
        &self.connection.client
    }

    pub(crate) fn id(&self) -> &ConnectionId {
        &self.connection.id
    }
}

impl Table {
    /// Claims a connection for a sync.
    ///
    /// An unattended access is spent in the same write. Where the budget is spent but the person is
    /// there, the claim is taken without one.
    ///
    /// # Errors
    /// When the table does not answer; a refusal is a value.
    pub async fn claim(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
        now: Timestamp,
    ) -> Result<Result<Claim, ClaimRefusal>, Error> {
        let old = match self
            .try_claim(client, connection, now, Spending::Access)
            .await?
        {
            Ok(claim) => return Ok(Ok(claim)),
            Err(old) => old,
        };
        match refusal(old.as_ref(), now)? {
            ClaimRefusal::BudgetSpent { .. } if attended(old.as_ref(), now) => {
                let second = self
                    .try_claim(client, connection, now, Spending::Nothing)
                    .await?;
                match second {
                    Ok(claim) => Ok(Ok(claim)),
                    Err(old) => Ok(Err(refusal(old.as_ref(), now)?)),
                }
            }
            refused => Ok(Err(refused)),
        }
    }

    async fn try_claim(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
        now: Timestamp,
        spending: Spending,
    ) -> Result<Result<Claim, Option<Item>>, Error> {
        let lease = now
            .checked_add(LEASE)
            .map_err(|_| Error::Unreadable("clock"))?;
        let free = "phase = :open AND consent_until > :now AND lease_until <= :now";
        let mut update = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(Key::gate(client, connection).into_item()))
            .expression_attribute_values(":open", text("open"))
            .expression_attribute_values(":now", moment(now))
            .expression_attribute_values(":lease", moment(lease))
            .expression_attribute_values(":one", number(1));
        update = match spending {
            Spending::Access => update
                .update_expression(
                    "SET lease_until = :lease, seq = seq + :one, access_1 = access_2, \
                     access_2 = access_3, access_3 = access_4, access_4 = :now",
                )
                .condition_expression(format!("{free} AND access_1 <= :window"))
                .expression_attribute_values(":window", moment(window_start(now))),
            Spending::Nothing => update
                .update_expression("SET lease_until = :lease, seq = seq + :one")
                .condition_expression(format!("{free} AND attended_until > :now")),
        };
        let answer = update
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match answer {
            Ok(answer) => {
                self.meter
                    .table_write(answer.consumed_capacity.as_slice_of());
                let item = answer.attributes.ok_or(Error::Unreadable("gate"))?;
                Ok(Ok(read_claim(client, connection, &item, now)?))
            }
            Err(SdkError::ServiceError(failure)) => match failure.into_err() {
                UpdateItemError::ConditionalCheckFailedException(refused) => {
                    // A refused condition is billed like the write it refused.
                    self.meter.table_write(&[]);
                    Ok(Err(refused.item))
                }
                other => Err(Error::from_sdk(SdkError::<_, ()>::service_error(other, ()))),
            },
            Err(error) => Err(Error::from_sdk(error)),
        }
    }

    /// Gives a claimed connection back after a failure, so that a retry need not wait for the lease.
    ///
    /// # Errors
    /// When the table does not answer; the lease then ends by itself.
    pub async fn release(&self, claim: &Claim) -> Result<(), Error> {
        self.update_gate_of(claim, "SET lease_until = :zero", vec![(":zero", number(0))])
            .await
    }

    /// Records that the bank wants the person again, and tells the client. No sync runs until it is
    /// mended.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn require_reauthentication(
        &self,
        claim: &Claim,
        reason: ReauthenticationReason,
        now: Timestamp,
    ) -> Result<(), Error> {
        let connection = &claim.connection;
        let update = Update::builder()
            .table_name(&self.name)
            .set_key(Some(Key::gate(claim.client(), claim.id()).into_item()))
            .update_expression("SET phase = :phase, since = :since, reason = :reason")
            .condition_expression("seq = :seq AND phase = :open")
            .expression_attribute_values(":seq", number(claim.seq))
            .expression_attribute_values(":open", text("open"))
            .expression_attribute_values(":phase", text("reauthentication-needed"))
            .expression_attribute_values(":since", moment(now))
            .expression_attribute_values(":reason", json(&reason)?)
            .build()
            .map_err(|_| Error::Unreadable("gate"))?;
        let about = About {
            client: connection.client.clone(),
            customer: Some(connection.customer.clone()),
            consent: Some(connection.consent.clone()),
            connection: Some(connection.id.clone()),
        };
        let kind = EventKind::ReauthenticationNeeded { reason };
        let event = DomainEvent::new(about, claim.seq, kind, now);
        let writes = vec![
            TransactWriteItem::builder().update(update).build(),
            self.put_event(&event)?,
        ];
        match self.transact(writes).await {
            // A newer claim or a closing decides; this one has nothing left to say.
            Ok(()) | Err(Error::Conflict) => {}
            Err(error) => return Err(error),
        }
        self.clear_due(claim.client(), claim.id(), Owed::Sync).await
    }

    /// Changes the gate while the claim is the latest one.
    async fn update_gate_of(
        &self,
        claim: &Claim,
        expression: &str,
        values: Vec<(&'static str, aws_sdk_dynamodb::types::AttributeValue)>,
    ) -> Result<(), Error> {
        let mut update = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(Key::gate(claim.client(), claim.id()).into_item()))
            .update_expression(expression)
            .condition_expression("seq = :seq AND phase = :open")
            .expression_attribute_values(":seq", number(claim.seq))
            .expression_attribute_values(":open", text("open"));
        for (name, value) in values {
            update = update.expression_attribute_values(name, value);
        }
        let answer = update
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk);
        match answer {
            Ok(answer) => self
                .meter
                .table_write(answer.consumed_capacity.as_slice_of()),
            // A newer claim or a closing decides; this one has nothing left to say.
            Err(Error::Conflict) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Removes the mark of a step that is no longer owed.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn clear_due(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
        owed: Owed,
    ) -> Result<(), Error> {
        let answer = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(Key::data(client, connection).into_item()))
            .update_expression("REMOVE due_shard, due_at")
            .condition_expression("due_shard = :shard")
            .expression_attribute_values(":shard", text(owed.shard_text(connection)))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk);
        match answer {
            Ok(answer) => self
                .meter
                .table_write(answer.consumed_capacity.as_slice_of()),
            Err(Error::Conflict) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// A client's connection as it stands.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn connection(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
    ) -> Result<Option<(Connection, CallBudget)>, Error> {
        let Some(gate) = self.get(&self.name, Key::gate(client, connection)).await? else {
            return Ok(None);
        };
        let data = self.get(&self.name, Key::data(client, connection)).await?;
        let connection = read_connection(client, connection, &gate, data.as_ref())?;
        Ok(Some((connection, read_budget(&gate))))
    }

    /// The ids of a person's connections with a client, closed ones included.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn connections_of(
        &self,
        client: &ClientId,
        customer: &CustomerReference,
    ) -> Result<Vec<ConnectionId>, Error> {
        let answer = self
            .client
            .query()
            .table_name(&self.name)
            .key_condition_expression("pk = :pk AND begins_with(sk, :kind)")
            .expression_attribute_values(":pk", text(Key::customer_partition(client, customer)))
            .expression_attribute_values(":kind", text("C#"))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        self.meter
            .table_read(answer.consumed_capacity.as_slice_of());
        let items = answer.items.unwrap_or_default();
        items
            .iter()
            .map(|item| get_parsed(item, "connection"))
            .collect()
    }
}

impl Store {
    /// Reads what a claimed connection holds: one request for the data item and its key.
    ///
    /// # Errors
    /// [`Error::Erased`] when the connection was withdrawn in between.
    pub async fn load(&self, claim: &Claim, now: Timestamp) -> Result<Loaded, Error> {
        let (client, connection) = (claim.client(), claim.id());
        let one = |key: Key| {
            KeysAndAttributes::builder()
                .keys(key.into_item())
                .consistent_read(true)
                .build()
                .map_err(|_| Error::Unreadable("key"))
        };
        let table = &self.table;
        let answer = table
            .client
            .batch_get_item()
            .request_items(&table.name, one(Key::data(client, connection))?)
            .request_items(
                &table.keys_name,
                one(Key::connection_key(client, connection))?,
            )
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        table.meter.table_read(answer.consumed_capacity());
        if answer
            .unprocessed_keys
            .as_ref()
            .is_some_and(|left| !left.is_empty())
        {
            return Err(Error::Throttled("the batch was answered in part".into()));
        }
        let mut responses = answer.responses.unwrap_or_default();
        let mut first = |name: &str| {
            responses
                .remove(name)
                .unwrap_or_default()
                .into_iter()
                .next()
        };
        let data = first(&table.name).ok_or(Error::Erased)?;
        let wrapped = first(&table.keys_name).ok_or(Error::Erased)?;
        let key = self
            .vault
            .unwrap_connection_key(client, connection, get_bytes(&wrapped, "wrapped")?, now)
            .await?;
        open_data(client, connection, key, &data)
    }

    /// Seals and stores a rotated token, before any data call is made with it.
    ///
    /// # Errors
    /// [`Error::Conflict`] when a newer worker committed meanwhile.
    pub async fn keep_token(
        &self,
        claim: &Claim,
        loaded: &Loaded,
        token: &Zeroizing<Vec<u8>>,
    ) -> Result<(), Error> {
        let (client, connection) = (claim.client(), claim.id());
        let place = Place {
            client,
            owner: connection.as_str(),
            kind: "token",
            seq: claim.seq,
        };
        let sealed = loaded.key.seal(&place, token)?;
        let answer = self
            .table
            .client
            .update_item()
            .table_name(&self.table.name)
            .set_key(Some(Key::data(client, connection).into_item()))
            .update_expression("SET #token = :token, token_seq = :seq")
            .condition_expression("seq < :seq AND token_seq < :seq")
            .expression_attribute_names("#token", "token")
            .expression_attribute_values(":token", bytes(sealed))
            .expression_attribute_values(":seq", number(claim.seq))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        self.table
            .meter
            .table_write(answer.consumed_capacity.as_slice_of());
        Ok(())
    }

    /// Commits a sync: cursor, accounts, new lines and what is owed next, in one write.
    ///
    /// # Errors
    /// [`Error::Conflict`] when a newer worker committed first: its work stands, this one's is void.
    pub async fn commit(
        &self,
        claim: &Claim,
        loaded: &Loaded,
        content: &Content,
        outcome: &SyncOutcome,
        owed: Option<Owed>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let (client, connection) = (claim.client(), claim.id());
        let sealed = sealed_content(&loaded.key, client, connection, claim.seq, content)?;
        let set = "SET seq = :seq, content = :content, outcome = :outcome, synced_at = :now";
        let update = self
            .table
            .client
            .update_item()
            .table_name(&self.table.name)
            .set_key(Some(Key::data(client, connection).into_item()))
            .condition_expression("seq < :seq")
            .expression_attribute_values(":seq", number(claim.seq))
            .expression_attribute_values(":content", bytes(sealed))
            .expression_attribute_values(":outcome", json(outcome)?)
            .expression_attribute_values(":now", moment(now));
        let update = match owed {
            Some(step) => update
                .update_expression(format!(
                    "{set}, due_shard = :shard, due_at = :due REMOVE rescore"
                ))
                .expression_attribute_values(":shard", text(step.shard_text(connection)))
                .expression_attribute_values(":due", text(first_look(now))),
            None => update.update_expression(format!("{set} REMOVE due_shard, due_at")),
        };
        let answer = update
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        self.table
            .meter
            .table_write(answer.consumed_capacity.as_slice_of());
        Ok(())
    }
}

#[derive(Debug, Clone, Copy)]
enum Spending {
    Access,
    Nothing,
}

pub(crate) fn open_data(
    client: &ClientId,
    connection: &ConnectionId,
    key: DataKey,
    data: &Item,
) -> Result<Loaded, Error> {
    let owner = connection.as_str();
    let seq = get_number(data, "seq")?;
    let token_place = Place {
        client,
        owner,
        kind: "token",
        seq: get_number(data, "token_seq")?,
    };
    let content_place = Place {
        client,
        owner,
        kind: "content",
        seq,
    };
    let token = key.open(&token_place, get_bytes(data, "token")?)?;
    let content = unpack(&key.open(&content_place, get_bytes(data, "content")?)?)?;
    Ok(Loaded {
        token,
        content,
        seq,
        rescore: data.contains_key("rescore"),
        key,
    })
}

fn read_claim(
    client: &ClientId,
    connection: &ConnectionId,
    gate: &Item,
    now: Timestamp,
) -> Result<Claim, Error> {
    Ok(Claim {
        connection: read_connection(client, connection, gate, None)?,
        seq: get_number(gate, "seq")?,
        spent: SpentAccess { at: now },
        attended_until: get_moment(gate, "attended_until")?,
    })
}

fn refusal(old: Option<&Item>, now: Timestamp) -> Result<ClaimRefusal, Error> {
    let Some(gate) = old.filter(|gate| gate.contains_key("phase")) else {
        return Ok(ClaimRefusal::Unknown);
    };
    if get_text(gate, "phase")? != "open" {
        return Ok(ClaimRefusal::NotOpen);
    }
    if get_moment(gate, "consent_until")? <= now {
        return Ok(ClaimRefusal::ConsentEnded);
    }
    if get_moment(gate, "lease_until")? > now {
        return Ok(ClaimRefusal::Leased);
    }
    Ok(ClaimRefusal::BudgetSpent {
        next_possible: read_budget(gate).next_possible(now),
    })
}

fn attended(old: Option<&Item>, now: Timestamp) -> bool {
    old.and_then(|gate| get_moment(gate, "attended_until").ok())
        .is_some_and(|until| now < until)
}

fn read_budget(gate: &Item) -> CallBudget {
    let access = |name| {
        get_moment(gate, name)
            .ok()
            .filter(|at| *at > Timestamp::UNIX_EPOCH)
    };
    let rule = get_text(gate, "call_rule").ok().and_then(CallRule::of_code);
    let accesses = [
        access("access_1"),
        access("access_2"),
        access("access_3"),
        access("access_4"),
    ];
    CallBudget::new(rule.unwrap_or_default(), accesses)
}

pub(crate) fn read_connection(
    client: &ClientId,
    connection: &ConnectionId,
    gate: &Item,
    data: Option<&Item>,
) -> Result<Connection, Error> {
    let status = match get_text(gate, "phase")? {
        "open" => read_outcome(data)?,
        "reauthentication-needed" => ConnectionStatus::ReauthenticationNeeded {
            since: get_moment(gate, "since")?,
            reason: get_json(gate, "reason")?,
        },
        _ => ConnectionStatus::Closed {
            since: get_moment(gate, "since")?,
        },
    };
    Ok(Connection {
        id: connection.clone(),
        client: client.clone(),
        customer: get_parsed(gate, "customer")?,
        institution: get_parsed(gate, "institution")?,
        consent: get_parsed(gate, "consent")?,
        consent_until: get_moment(gate, "consent_until")?,
        status,
        created_at: get_moment(gate, "created_at")?,
    })
}

fn read_outcome(data: Option<&Item>) -> Result<ConnectionStatus, Error> {
    let Some(data) = data.filter(|data| data.contains_key("outcome")) else {
        return Ok(ConnectionStatus::Connected);
    };
    let synced_at = get_moment(data, "synced_at")?;
    Ok(match get_json(data, "outcome")? {
        SyncOutcome::Active { notice } => ConnectionStatus::Active {
            last_synced_at: synced_at,
            notice,
        },
        SyncOutcome::NoEligibleAccount { reason } => ConnectionStatus::NoEligibleAccount {
            since: synced_at,
            reason,
        },
    })
}
