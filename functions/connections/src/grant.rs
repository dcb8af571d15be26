//! The one place that allows a read of bank data.

use passerelle_aws::Store;
use passerelle_aws::pages::History;
use passerelle_domain::Timestamp;
use passerelle_domain::ids::{ClientId, ConnectionId, ConsentId};
use passerelle_domain::purpose::{DataClass, Purpose, PurposeCode};
use passerelle_runtime::Problem;

use serde::Deserialize;

use crate::{Connections, refused};

/// What every read names in its query.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    pub(crate) purpose: PurposeCode,
}

impl Connections {
    /// The purpose, when the catalogue lets it read a class of data.
    pub(crate) fn purpose(
        &self,
        code: &PurposeCode,
        class: DataClass,
    ) -> Result<&Purpose, Problem> {
        self.catalogue
            .find(code)
            .filter(|purpose| purpose.may_read(class))
            .ok_or_else(Problem::purpose_not_granted)
    }

    /// Whether a live consent of this client grants the purpose now.
    pub(crate) async fn is_granted(
        &self,
        store: &Store,
        client: &ClientId,
        consent: &ConsentId,
        purpose: &PurposeCode,
        now: Timestamp,
    ) -> Result<bool, Problem> {
        let stored = store
            .table()
            .consent(client, consent)
            .await
            .map_err(refused)?;
        Ok(stored.is_some_and(|stored| stored.consent.allows(purpose, now)))
    }

    /// Everything of a connection, when the purpose may read this class of it now.
    pub(crate) async fn read(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
        purpose: &PurposeCode,
        class: DataClass,
    ) -> Result<History, Problem> {
        let (store, now) = (self.store.metered(), self.clock.now());
        let found = store
            .table()
            .connection(client, connection)
            .await
            .map_err(refused)?;
        let (connection, _) = found.ok_or_else(Problem::not_found)?;
        self.purpose(purpose, class)?;
        if !self
            .is_granted(&store, client, &connection.consent, purpose, now)
            .await?
        {
            return Err(Problem::purpose_not_granted());
        }
        let history = store
            .history(client, &connection.id, now)
            .await
            .map_err(refused)?;
        history.ok_or_else(Problem::not_found)
    }
}
