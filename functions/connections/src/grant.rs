//! The one place that allows a read of bank data.

use passerelle_aws::Store;
use passerelle_aws::access_log::Access;
use passerelle_aws::pages::History;
use passerelle_domain::Timestamp;
use passerelle_domain::connection::Connection;
use passerelle_domain::ids::{ConnectionId, CustomerReference};
use passerelle_domain::purpose::{DataClass, PurposeCode};
use passerelle_runtime::{Caller, Problem};
use serde::Deserialize;

use crate::{Connections, refused};

/// What every read names in its query.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    pub(crate) purpose: PurposeCode,
}

/// A read that is about to be served.
pub(crate) struct Read<'a> {
    pub(crate) customer: &'a CustomerReference,
    /// `None` where all of a person's connections are read together.
    pub(crate) connection: Option<&'a ConnectionId>,
    pub(crate) class: DataClass,
    pub(crate) purpose: &'a PurposeCode,
}

impl Connections {
    /// Refuses unless a live consent of this client lets the purpose read this class of data now.
    async fn require_grant(
        &self,
        store: &Store,
        connection: &Connection,
        purpose: &PurposeCode,
        class: DataClass,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let stored = store
            .table()
            .consent(&connection.client, &connection.consent)
            .await
            .map_err(refused)?;
        match stored {
            Some(stored) if stored.consent.permits(purpose, class, now) => Ok(()),
            _ => Err(Problem::purpose_not_granted()),
        }
    }

    /// Everything of a connection, when the purpose may read this class of it now. Who reads is
    /// written down first: what cannot be logged is not served.
    pub(crate) async fn read(
        &self,
        caller: &Caller,
        connection: &ConnectionId,
        purpose: &PurposeCode,
        class: DataClass,
    ) -> Result<History, Problem> {
        let (store, now) = (self.store.metered(), self.clock.now());
        let client = &caller.client;
        let found = store
            .table()
            .connection(client, connection)
            .await
            .map_err(refused)?;
        let (connection, _) = found.ok_or_else(Problem::not_found)?;
        self.require_grant(&store, &connection, purpose, class, now)
            .await?;
        let read = Read {
            customer: &connection.customer,
            connection: Some(&connection.id),
            class,
            purpose,
        };
        self.log(caller, &read, now).await?;
        let history = store
            .history(client, &connection.id, now)
            .await
            .map_err(refused)?;
        history.ok_or_else(Problem::not_found)
    }

    /// Writes a read down in the access log.
    pub(crate) async fn log(
        &self,
        caller: &Caller,
        read: &Read<'_>,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let access = Access {
            at: now,
            client: caller.client.clone(),
            subject: caller.subject.clone(),
            customer: read.customer.clone(),
            connection: read.connection.cloned(),
            read: read.class,
            purpose: read.purpose.clone(),
        };
        let table = self.store.table();
        table.log_access(&access).await.map_err(refused)
    }
}
