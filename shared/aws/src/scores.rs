//! What was learned about a person, across their connections with a client.
//!
//! Sealed under a key that derives from every contributing connection's key: withdraw one of them
//! and the score is noise with it, backups included.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use jiff::Timestamp;
use passerelle_domain::event::{About, DomainEvent, EventKind};
use passerelle_domain::ids::{ClientId, ConnectionId, CustomerReference};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::attributes::{bytes, get_bytes, get_json, get_moment, get_number, json, moment, number};
use crate::content::{pack, unpack};
use crate::error::Error;
use crate::pages::History;
use crate::store::Store;
use crate::table::Key;
use crate::vault::{DataKey, Place};

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

impl Store {
    /// Stores what was learned from these histories, replacing what was there, and tells the client.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn save_score<A: Serialize>(
        &self,
        client: &ClientId,
        customer: &CustomerReference,
        histories: &[History],
        analysis: &A,
        now: Timestamp,
    ) -> Result<(), Error> {
        let keys: BTreeMap<ConnectionId, DataKey> = histories
            .iter()
            .map(|history| (history.connection.id.clone(), history.key.clone()))
            .collect();
        let seq = u64::try_from(now.as_millisecond()).unwrap_or_default();
        let place = Place {
            client,
            owner: customer.as_str(),
            kind: "score",
            seq,
        };
        let sealed = DataKey::combined(&keys).seal(&place, &pack(analysis)?)?;
        let connections: BTreeSet<&ConnectionId> = keys.keys().collect();
        let item = Key::score(client, customer).with([
            ("analysis", bytes(sealed)),
            ("connections", json(&connections)?),
            ("computed_at", moment(now)),
            ("seq", number(seq)),
        ]);
        let put = Put::builder()
            .table_name(&self.table.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(seq) OR seq <= :seq")
            .expression_attribute_values(":seq", number(seq))
            .build();
        let about = About {
            client: client.clone(),
            customer: Some(customer.clone()),
            consent: None,
            connection: None,
        };
        let kind = EventKind::ScoreReady {
            connections: keys.into_keys().collect(),
        };
        let event = DomainEvent::new(about, seq, kind, now);
        let writes = vec![
            TransactWriteItem::builder().set_put(put.ok()).build(),
            self.table.put_event(&event)?,
        ];
        match self.table.transact(writes).await {
            // A later computation is already there.
            Ok(()) | Err(Error::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// What was last learned about a person. `None` as well when one of the connections it was
    /// computed from is gone: then it cannot be opened and is to be computed anew.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn score<A: DeserializeOwned>(
        &self,
        client: &ClientId,
        customer: &CustomerReference,
        now: Timestamp,
    ) -> Result<Option<StoredScore<A>>, Error> {
        let Some(item) = self
            .table
            .get(&self.table.name, Key::score(client, customer))
            .await?
        else {
            return Ok(None);
        };
        let connections: BTreeSet<ConnectionId> = get_json(&item, "connections")?;
        let mut keys = BTreeMap::new();
        for connection in &connections {
            match self.vault.connection_key(client, connection, now).await {
                Ok(key) => keys.insert(connection.clone(), key),
                Err(Error::Erased) => return Ok(None),
                Err(error) => return Err(error),
            };
        }
        let seq = get_number(&item, "seq")?;
        let place = Place {
            client,
            owner: customer.as_str(),
            kind: "score",
            seq,
        };
        let plain = DataKey::combined(&keys).open(&place, get_bytes(&item, "analysis")?)?;
        Ok(Some(StoredScore {
            analysis: unpack(&plain)?,
            connections,
            computed_at: get_moment(&item, "computed_at")?,
        }))
    }
}
