//! The gate and the data item of a connection: a sync is a claim on one ([`crate::claims`]) and a
//! commit on the other.
//!
//! *Commit*: one conditional update of the data item, refused unless its `seq` is older. Duplicates,
//! zombies and replays become refused conditions.

use aws_sdk_dynamodb::types::{
    KeysAndAttributes, ReturnConsumedCapacity, TransactWriteItem, Update,
};
use jiff::Timestamp;
use passerelle_domain::call_budget::{CallBudget, CallRule};
use passerelle_domain::connection::{
    Connection, ConnectionStatus, Erasure, Farewell, NoAccountReason, Notice,
};
use passerelle_domain::ids::{ClientId, ConnectionId, CustomerReference};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::attributes::{
    Item, bytes, get_bytes, get_json, get_moment, get_number, get_parsed, get_text, json, moment,
    number, text,
};
use crate::claims::Claim;
use crate::content::{Content, sealed_content, unpack};
use crate::due::{DueMark, Owed, SET_MARK, first_look, mark_values};
use crate::error::Error;
use crate::store::Store;
use crate::table::{AsSliceOf, Key, Table};
use crate::vault::{ConnectionKeys, DataKey, Place};

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
    /// Whether what is learned must be computed anew even when the bank brings nothing new: it was said
    /// so, or a score is still owed.
    pub rescore: bool,
    /// What was owed when it was read: only this mark is removed when the work is done.
    pub mark: Option<DueMark>,
    /// The mark its own checkpoints write: whoever began a reading removes it with the reading.
    pub own_mark: DueMark,
    pub(crate) key: DataKey,
    pub(crate) token_key: DataKey,
}

/// What is known of a connection, opened.
pub(crate) struct OpenContent {
    pub(crate) content: Content,
    pub(crate) seq: u64,
}

impl Table {
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
        self.load_of(claim.client(), claim.id(), now).await
    }

    pub(crate) async fn load_of(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
        now: Timestamp,
    ) -> Result<Loaded, Error> {
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
        let keys = self
            .vault
            .unwrap_connection_keys(client, connection, &wrapped, now)
            .await?;
        open_data(client, connection, keys, &data)
    }

    /// Seals and stores a rotated token, before any data call is made with it. The holder of a claim may do
    /// so more than once: each token takes the place of the one before.
    ///
    /// # Errors
    /// [`Error::Conflict`] when a newer worker holds the connection or it has ended: this token is then
    /// nowhere but with the caller.
    pub async fn keep_token(
        &self,
        claim: &Claim,
        loaded: &Loaded,
        token: &Zeroizing<Vec<u8>>,
    ) -> Result<(), Error> {
        let (client, connection) = (claim.client(), claim.id());
        let place = token_place(client, connection, claim.seq);
        let sealed = loaded.token_key.seal(&place, token)?;
        let answer = self
            .table
            .client
            .update_item()
            .table_name(&self.table.name)
            .set_key(Some(Key::data(client, connection).into_item()))
            .update_expression("SET #token = :token, token_seq = :seq")
            .condition_expression("seq <= :seq AND token_seq <= :seq")
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
        let committed = Committed {
            content,
            outcome,
            owed,
            now,
        };
        let mark = ended_sync(loaded, owed);
        let data = self.committed(claim, loaded, &committed, mark)?;
        match self.write_data(data).await {
            // A newer worker, or only a newer mark: without touching that, the condition tells.
            Err(Error::Conflict) if mark.is_some() => {
                let data = self.committed(claim, loaded, &committed, None)?;
                self.write_data(data).await
            }
            written => written,
        }
    }

    /// The same of a reading that was stored on its way: the gate is told in the same write that it is
    /// whole.
    ///
    /// # Errors
    /// Those of [`Store::commit`].
    pub async fn commit_reading(
        &self,
        claim: &Claim,
        loaded: &Loaded,
        content: &Content,
        outcome: &SyncOutcome,
        owed: Option<Owed>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let committed = Committed {
            content,
            outcome,
            owed,
            now,
        };
        let writes = |mark| {
            let data = self.committed(claim, loaded, &committed, mark)?;
            let gate = self.table.unmarked_gate(claim)?;
            let writes = [data, gate].map(|it| TransactWriteItem::builder().update(it).build());
            Ok::<_, Error>(Vec::from(writes))
        };
        let mark = owed.is_none().then_some(loaded.own_mark);
        match self.table.transact(writes(mark)?).await {
            Err(Error::Conflict) if mark.is_some() => self.table.transact(writes(None)?).await,
            written => written,
        }
    }

    /// A change of the data item alone.
    pub(crate) async fn write_data(&self, update: Update) -> Result<(), Error> {
        let answer = self
            .table
            .client
            .update_item()
            .table_name(update.table_name)
            .set_key(Some(update.key))
            .update_expression(update.update_expression)
            .set_condition_expression(update.condition_expression)
            .set_expression_attribute_values(update.expression_attribute_values)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        self.table
            .meter
            .table_write(answer.consumed_capacity.as_slice_of());
        Ok(())
    }

    /// The change of the data item that makes a sync stand. It owes the next step, or removes the mark of
    /// the sync that was owed when the work began, if it is still that one: a score that was owed before,
    /// and what was owed since, is still to be done.
    fn committed(
        &self,
        claim: &Claim,
        loaded: &Loaded,
        committed: &Committed<'_>,
        mark: Option<DueMark>,
    ) -> Result<Update, Error> {
        let (client, connection) = (claim.client(), claim.id());
        let content = committed.content;
        let sealed = sealed_content(&loaded.key, client, connection, claim.seq, content)?;
        let set = "SET seq = :seq, content = :content, outcome = :outcome, synced_at = :now";
        let update = Update::builder()
            .table_name(&self.table.name)
            .set_key(Some(Key::data(client, connection).into_item()))
            .expression_attribute_values(":seq", number(claim.seq))
            .expression_attribute_values(":content", bytes(sealed))
            .expression_attribute_values(":outcome", json(committed.outcome)?)
            .expression_attribute_values(":now", moment(committed.now));
        let (and_then, and_only_if, values) = match (committed.owed, mark) {
            (Some(step), _) => (
                format!(", {SET_MARK} REMOVE rescore"),
                String::new(),
                mark_values(step, connection, first_look(committed.now)),
            ),
            (None, Some(mark)) => {
                let (same, values) = mark.unchanged();
                let remove = " REMOVE due_shard, due_at, due_tries".to_owned();
                (remove, format!(" AND {same}"), values)
            }
            (None, None) => (String::new(), String::new(), Vec::new()),
        };
        let update = values.into_iter().fold(update, |update, (name, value)| {
            update.expression_attribute_values(name, value)
        });
        update
            .update_expression(format!("{set}{and_then}"))
            // Its own checkpoints have the same number.
            .condition_expression(format!(
                "seq <= :seq AND attribute_not_exists(fenced){and_only_if}"
            ))
            .build()
            .map_err(|_| Error::Unreadable("data"))
    }
}

/// What a commit writes.
struct Committed<'a> {
    content: &'a Content,
    outcome: &'a SyncOutcome,
    owed: Option<Owed>,
    now: Timestamp,
}

/// The mark a sync that owes nothing next removes.
fn ended_sync(loaded: &Loaded, owed: Option<Owed>) -> Option<DueMark> {
    let mark = loaded.mark.filter(|mark| mark.owed() == Owed::Sync);
    mark.filter(|_| owed.is_none())
}

fn owes(mark: Option<DueMark>, step: Owed) -> bool {
    mark.is_some_and(|mark| mark.owed() == step)
}

/// Where a token belongs, whichever item holds it.
pub(crate) fn token_place<'a>(
    client: &'a ClientId,
    connection: &'a ConnectionId,
    seq: u64,
) -> Place<'a> {
    Place {
        client,
        owner: connection.as_str(),
        kind: "token",
        seq,
    }
}

fn open_data(
    client: &ClientId,
    connection: &ConnectionId,
    keys: ConnectionKeys,
    data: &Item,
) -> Result<Loaded, Error> {
    let place = token_place(client, connection, get_number(data, "token_seq")?);
    let token = keys.token.open(&place, get_bytes(data, "token")?)?;
    let OpenContent { content, seq } = open_content(client, connection, &keys.data, data)?;
    let mark = DueMark::of_item(data);
    Ok(Loaded {
        token,
        content,
        seq,
        rescore: data.contains_key("rescore") || owes(mark, Owed::Scoring),
        mark,
        own_mark: DueMark::of_own_reading(data),
        key: keys.data,
        token_key: keys.token,
    })
}

pub(crate) fn open_content(
    client: &ClientId,
    connection: &ConnectionId,
    key: &DataKey,
    data: &Item,
) -> Result<OpenContent, Error> {
    let seq = get_number(data, "seq")?;
    let place = Place {
        client,
        owner: connection.as_str(),
        kind: "content",
        seq,
    };
    let content = unpack(&key.open(&place, get_bytes(data, "content")?)?)?;
    Ok(OpenContent { content, seq })
}

pub(crate) fn read_budget(gate: &Item) -> CallBudget {
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
            erasure: read_erasure(gate),
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

fn read_erasure(gate: &Item) -> Erasure {
    let at = |name| get_moment(gate, name).ok();
    Erasure {
        key_destroyed_at: at("key_destroyed_at"),
        rows_erased_at: at("rows_erased_at"),
        bank: match (at("bank_told_at"), at("bank_given_up_at")) {
            (Some(at), _) => Farewell::Told { at },
            (None, Some(at)) => Farewell::GivenUp { at },
            (None, None) => Farewell::Owed,
        },
    }
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
