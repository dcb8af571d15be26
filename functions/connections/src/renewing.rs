//! `POST /v1/consents/{consent}/renewals`: one link that renews a consent in place.
//!
//! The consent keeps its id and its connection, and works as before until the person and the bank have
//! agreed again: a renewal nobody finishes changes nothing. Asked twice while a link is open, the same
//! link is given. An event that warns of an end carries no link, because a link is a capability and an
//! event lies in queues and logs: whoever receives it asks here.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use passerelle_aws::table::Digest;
use passerelle_domain::Timestamp;
use passerelle_domain::consent::{
    Consent, ConsentEvent, ConsentRefusal, ConsentState, LINK_LIFETIME,
};
use passerelle_domain::ids::{ClientId, ConnectionId, ConsentId};
use passerelle_domain::private::Private;
use passerelle_runtime::{Caller, Json, OwnAddress, Path, Problem};
use serde::Serialize;

use crate::{Connections, refused};

/// A renewal that waits for the person.
#[derive(Debug)]
pub(crate) struct RenewalLink {
    /// What follows `/journey/`. Whoever has it can answer for the person.
    pub(crate) token: Private,
    /// The connection that is renewed.
    pub(crate) connection: ConnectionId,
    /// Until when the link can be used.
    pub(crate) link_expires_at: Timestamp,
}

/// What the API answers.
#[derive(Debug, Serialize)]
struct Opened {
    consent: ConsentId,
    connection: ConnectionId,
    journey_url: String,
    link_expires_at: Timestamp,
}

pub(crate) async fn open(
    State(connections): State<Arc<Connections>>,
    caller: Caller,
    own: OwnAddress,
    Path(id): Path<ConsentId>,
) -> Result<Response, Problem> {
    let link = connections.renew(&caller.client, &id).await?;
    let address = connections.address(&own)?;
    let opened = Opened {
        consent: id,
        connection: link.connection,
        journey_url: format!("{address}/journey/{}", link.token.expose()),
        link_expires_at: link.link_expires_at,
    };
    Ok((StatusCode::CREATED, Json(opened)).into_response())
}

impl Connections {
    /// The link that renews a consent: the one that is open, or a new one.
    pub(crate) async fn renew(
        &self,
        client: &ClientId,
        id: &ConsentId,
    ) -> Result<RenewalLink, Problem> {
        let (table, now) = (self.store.table(), self.clock.now());
        let stored = table.consent(client, id).await.map_err(refused)?;
        let consent = stored.ok_or_else(Problem::not_found)?.consent;
        let asking = match consent.question(now).is_some() {
            true => consent,
            false => self.asked_to_renew(&consent, now).await?,
        };
        self.link_of(&asking, now).await
    }

    async fn asked_to_renew(&self, consent: &Consent, now: Timestamp) -> Result<Consent, Problem> {
        let link_expires_at = now.checked_add(LINK_LIFETIME).unwrap_or(now);
        let event = ConsentEvent::RenewalOpened { link_expires_at };
        let next = consent.apply(event, now).map_err(not_renewable)?;
        let link = Digest::of(self.token_of(&next, now).await?.expose());
        let opened = self.store.table().open_renewal(&next, &link, now).await;
        opened.map_err(refused)?;
        tracing::info!(consent = %next.id, outcome = "renewal-opened", "renewal opened");
        Ok(next)
    }

    async fn link_of(&self, consent: &Consent, now: Timestamp) -> Result<RenewalLink, Problem> {
        let ConsentState::Valid {
            connection,
            renewal: Some(renewal),
            ..
        } = &consent.state
        else {
            return Err(not_renewable(ConsentRefusal::OutOfOrder));
        };
        Ok(RenewalLink {
            token: self.token_of(consent, now).await?,
            connection: connection.clone(),
            link_expires_at: renewal.link_expires_at,
        })
    }

    async fn token_of(&self, consent: &Consent, now: Timestamp) -> Result<Private, Problem> {
        let tenant_key = self.store.vault().tenant_key(&consent.client, now).await;
        let tenant_key = tenant_key.map_err(refused)?;
        Ok(tenant_key.journey_token(&consent.id, consent.link_number()))
    }
}

fn not_renewable(refusal: ConsentRefusal) -> Problem {
    Problem::conflict(match refusal {
        ConsentRefusal::Ended => "The consent has ended: open a new one with POST /v1/consents.",
        _ => "Only a valid consent can be renewed.",
    })
}
