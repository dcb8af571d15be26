//! What was learned about a person, across their connections with a client.
//!
//! One analysis per set of connections that some purpose is granted on ([`ScoreGrounds::sets`]): most
//! people have one. All of a person's lie in one item, so that they are replaced together and a read is
//! one request. Each is sealed under a key that derives from every contributing connection's key:
//! withdraw one of them and the analysis is noise with it, backups included.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem, Update};
use jiff::Timestamp;
use passerelle_domain::event::{About, DomainEvent, EventKind};
use passerelle_domain::ids::{ClientId, ConnectionId, CustomerReference};
use passerelle_domain::score_grounds::ScoreGrounds;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::attributes::{
    Item, bytes, get_bytes, get_json, get_moment, get_number, json, moment, number,
};
use crate::content::{pack, unpack};
use crate::error::Error;
use crate::pages::History;
use crate::store::Store;
use crate::table::{Key, Table};
use crate::vault::{DataKey, Place};

/// How often a removal is tried again when a newer computation got in between.
const TRIES: usize = 5;

/// A stored analysis.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredScore<A> {
    /// What was learned.
    pub analysis: A,
    /// The connections it was computed from.
    pub connections: BTreeSet<ConnectionId>,
    /// When it was computed.
    pub computed_at: Timestamp,
}

/// An analysis that is to be stored, with the histories it was computed from.
#[derive(Debug)]
pub struct Learned<'a, A> {
    /// What it was computed from.
    pub histories: Vec<&'a History>,
    /// What was learned.
    pub analysis: A,
}

impl<A> Learned<'_, A> {
    fn keys(&self) -> BTreeMap<ConnectionId, DataKey> {
        let keys = self.histories.iter();
        keys.map(|it| (it.connection.id.clone(), it.key.clone()))
            .collect()
    }
}

/// One sealed analysis of the item.
struct Sealed {
    connections: BTreeSet<ConnectionId>,
    analysis: Vec<u8>,
}

impl Sealed {
    fn into_attribute(self) -> Result<AttributeValue, Error> {
        Ok(AttributeValue::M(HashMap::from([
            ("connections".to_owned(), json(&self.connections)?),
            ("analysis".to_owned(), bytes(self.analysis)),
        ])))
    }

    fn of_attribute(value: &AttributeValue) -> Result<Self, Error> {
        let item = value.as_m().map_err(|_| Error::Unreadable("analysis"))?;
        Ok(Self {
            connections: get_json(item, "connections")?,
            analysis: get_bytes(item, "analysis")?.to_vec(),
        })
    }
}

/// The analyses of an item, from the most connections to the fewest.
fn sealed_of(item: &Item) -> Result<Vec<Sealed>, Error> {
    let list = item.get("analyses").and_then(|value| value.as_l().ok());
    // An item of an earlier shape holds none that is known to be justified: it is computed anew.
    let list = list.map(Vec::as_slice).unwrap_or_default();
    let mut sealed: Vec<Sealed> = list
        .iter()
        .map(Sealed::of_attribute)
        .collect::<Result<_, _>>()?;
    sealed.sort_by_key(|one| Reverse(one.connections.len()));
    Ok(sealed)
}

impl Store {
    /// Stores what was learned, replacing everything that was there, and tells the client. With nothing
    /// learned, what was there is deleted and nobody is told.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn save_scores<A: Serialize>(
        &self,
        client: &ClientId,
        customer: &CustomerReference,
        learned: &[Learned<'_, A>],
        now: Timestamp,
    ) -> Result<(), Error> {
        let seq = u64::try_from(now.as_millisecond()).unwrap_or_default();
        let mut writes = Vec::new();
        if learned.is_empty() {
            writes.push(self.table.no_scores(client, customer, seq));
        } else {
            let mut analyses = Vec::new();
            for one in learned {
                let keys = one.keys();
                let place = place(client, customer, seq);
                let sealed = Sealed {
                    analysis: DataKey::combined(&keys).seal(&place, &pack(&one.analysis)?)?,
                    connections: keys.into_keys().collect(),
                };
                analyses.push(sealed.into_attribute()?);
            }
            let item = Key::score(client, customer).with([
                ("analyses", AttributeValue::L(analyses)),
                ("computed_at", moment(now)),
                ("seq", number(seq)),
            ]);
            let put = Put::builder()
                .table_name(&self.table.name)
                .set_item(Some(item))
                .condition_expression("attribute_not_exists(seq) OR seq <= :seq")
                .expression_attribute_values(":seq", number(seq))
                .build();
            writes.push(TransactWriteItem::builder().set_put(put.ok()).build());
            let connections = learned.iter().flat_map(|one| one.keys().into_keys());
            let kind = EventKind::ScoreReady {
                connections: connections.collect(),
            };
            let about = About {
                client: client.clone(),
                customer: Some(customer.clone()),
                consent: None,
                connection: None,
            };
            let event = DomainEvent::new(about, seq, kind, now);
            writes.push(self.table.put_event(&event)?);
        }
        match self.table.transact(writes).await {
            // A later computation is already there.
            Ok(()) | Err(Error::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// What was last learned about a person from these connections or some of them: of several analyses
    /// the one that rests on the most. `None` as well when the key of a connection it was computed from
    /// is gone: then it cannot be opened and is to be computed anew.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn score<A: DeserializeOwned>(
        &self,
        client: &ClientId,
        customer: &CustomerReference,
        within: &BTreeSet<ConnectionId>,
        now: Timestamp,
    ) -> Result<Option<StoredScore<A>>, Error> {
        let found = self.scores_where(client, customer, now, |connections| {
            connections.is_subset(within)
        });
        Ok(found.await?.into_iter().next())
    }

    /// Everything that was last learned about a person, from the most connections to the fewest.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn scores<A: DeserializeOwned>(
        &self,
        client: &ClientId,
        customer: &CustomerReference,
        now: Timestamp,
    ) -> Result<Vec<StoredScore<A>>, Error> {
        self.scores_where(client, customer, now, |_| true).await
    }

    async fn scores_where<A: DeserializeOwned>(
        &self,
        client: &ClientId,
        customer: &CustomerReference,
        now: Timestamp,
        wanted: impl Fn(&BTreeSet<ConnectionId>) -> bool,
    ) -> Result<Vec<StoredScore<A>>, Error> {
        let key = Key::score(client, customer);
        let Some(item) = self.table.get(&self.table.name, key).await? else {
            return Ok(Vec::new());
        };
        let (seq, computed_at) = (get_number(&item, "seq")?, get_moment(&item, "computed_at")?);
        let mut found = Vec::new();
        for sealed in sealed_of(&item)? {
            if !wanted(&sealed.connections) {
                continue;
            }
            let place = place(client, customer, seq);
            let Some(key) = self.combined_key(client, &sealed.connections, now).await? else {
                continue;
            };
            found.push(StoredScore {
                analysis: unpack(&key.open(&place, &sealed.analysis)?)?,
                connections: sealed.connections,
                computed_at,
            });
        }
        Ok(found)
    }

    /// The key an analysis of these connections is sealed under; `None` when one of theirs is gone.
    async fn combined_key(
        &self,
        client: &ClientId,
        connections: &BTreeSet<ConnectionId>,
        now: Timestamp,
    ) -> Result<Option<DataKey>, Error> {
        let mut keys = BTreeMap::new();
        for connection in connections {
            match self.vault.connection_key(client, connection, now).await {
                Ok(key) => keys.insert(connection.clone(), key),
                Err(Error::Erased) => return Ok(None),
                Err(error) => return Err(error),
            };
        }
        Ok(Some(DataKey::combined(&keys)))
    }
}

fn place<'a>(client: &'a ClientId, customer: &'a CustomerReference, seq: u64) -> Place<'a> {
    Place {
        client,
        owner: customer.as_str(),
        kind: "score",
        seq,
    }
}

impl Table {
    /// Deletes every analysis that no purpose granted now justifies; those that stay keep being served.
    /// What the purposes that are left would tell without it is owed first, so that a stop in between
    /// loses nothing.
    ///
    /// # Errors
    /// When the table does not answer; call again.
    pub async fn forget_unjustified_scores(
        &self,
        client: &ClientId,
        customer: &CustomerReference,
        now: Timestamp,
    ) -> Result<(), Error> {
        for _ in 0..TRIES {
            let key = Key::score(client, customer);
            let Some(item) = self.get(&self.name, key).await? else {
                return Ok(());
            };
            let grounds = self.score_grounds(client, customer, now).await?;
            let (kept, gone): (Vec<_>, Vec<_>) = sealed_of(&item)?
                .into_iter()
                .partition(|sealed| grounds.justify(&sealed.connections));
            if gone.is_empty() && !kept.is_empty() {
                return Ok(());
            }
            self.owe_score_of(client, &grounds, now).await?;
            let seq = get_number(&item, "seq")?;
            let write = match kept.is_empty() {
                true => self.no_scores(client, customer, seq),
                false => self.fewer_scores(client, customer, seq, kept)?,
            };
            match self.transact(vec![write]).await {
                Err(Error::Conflict) => {}
                written => return written,
            }
        }
        Err(Error::Throttled("it kept being computed anew".into()))
    }

    /// Owes the score of a person through one of the connections that may be scored.
    async fn owe_score_of(
        &self,
        client: &ClientId,
        grounds: &ScoreGrounds,
        now: Timestamp,
    ) -> Result<(), Error> {
        for connection in grounds.connections() {
            if self.owe_scoring(client, &connection, now).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    fn no_scores(
        &self,
        client: &ClientId,
        customer: &CustomerReference,
        seq: u64,
    ) -> TransactWriteItem {
        let delete = Delete::builder()
            .table_name(&self.name)
            .set_key(Some(Key::score(client, customer).into_item()))
            .condition_expression("attribute_not_exists(seq) OR seq <= :seq")
            .expression_attribute_values(":seq", number(seq))
            .build();
        TransactWriteItem::builder().set_delete(delete.ok()).build()
    }

    fn fewer_scores(
        &self,
        client: &ClientId,
        customer: &CustomerReference,
        seq: u64,
        kept: Vec<Sealed>,
    ) -> Result<TransactWriteItem, Error> {
        let kept = kept.into_iter().map(Sealed::into_attribute);
        let update = Update::builder()
            .table_name(&self.name)
            .set_key(Some(Key::score(client, customer).into_item()))
            .update_expression("SET analyses = :kept")
            .condition_expression("seq = :seq")
            .expression_attribute_values(
                ":kept",
                AttributeValue::L(kept.collect::<Result<_, _>>()?),
            )
            .expression_attribute_values(":seq", number(seq))
            .build();
        Ok(TransactWriteItem::builder().set_update(update.ok()).build())
    }
}
