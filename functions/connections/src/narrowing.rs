//! `DELETE /v1/consents/{consent}/purposes/{purpose}`: one purpose is taken back, the others stay.
//!
//! Nothing is served for it from that write on, which carries receipt and event. What only it justified
//! is erased; stopped half-way, the next sweep of `consent-expiry` carries it on. The last purpose taken
//! back withdraws the consent.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use passerelle_domain::consent::{Consent, ConsentEvent, ConsentRefusal};
use passerelle_domain::ids::{ClientId, ConsentId};
use passerelle_domain::purpose::PurposeCode;
use passerelle_domain::receipt::Actor;
use passerelle_runtime::{Caller, Path, Problem};

use crate::{Connections, refused};

pub(crate) async fn take_back(
    State(connections): State<Arc<Connections>>,
    caller: Caller,
    Path((id, purpose)): Path<(ConsentId, PurposeCode)>,
) -> Result<StatusCode, Problem> {
    connections
        .narrow(&caller.client, &id, &purpose, Actor::Client)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Connections {
    /// Takes a purpose back, for the person or for the client. Taking back twice is taking back once.
    pub(crate) async fn narrow(
        &self,
        client: &ClientId,
        id: &ConsentId,
        purpose: &PurposeCode,
        actor: Actor,
    ) -> Result<(), Problem> {
        let (table, now) = (self.store.table(), self.clock.now());
        let stored = table.consent(client, id).await.map_err(refused)?;
        let before = stored.ok_or_else(Problem::not_found)?.consent;
        let after = match before.apply(ConsentEvent::Narrowed(purpose.clone()), now) {
            Ok(after) => after,
            Err(refusal) => return nothing_to_take_back(&before, purpose, refusal),
        };
        if after.state.is_terminal() {
            let connection = before.connection().ok_or_else(Problem::not_found)?;
            let event = ConsentEvent::Narrowed(purpose.clone());
            return self.end(client, connection, event, actor).await;
        }
        self.receipts
            .save_consent(&before, &after, actor, now)
            .await
            .map_err(refused)?;
        tracing::info!(consent = %id, %purpose, outcome = "narrowed", "a purpose was taken back");
        // Nothing is served for it any more; what is not erased now is erased by the next sweep.
        if let Err(error) = self.store.finish_narrowing(&after, now).await {
            tracing::warn!(%error, consent = %id, "what it justified is erased later");
        }
        Ok(())
    }
}

fn nothing_to_take_back(
    consent: &Consent,
    purpose: &PurposeCode,
    refusal: ConsentRefusal,
) -> Result<(), Problem> {
    let asked = consent.terms(purpose).is_some();
    match refusal {
        ConsentRefusal::PurposeNotRequested if asked => Ok(()),
        ConsentRefusal::PurposeNotRequested => Err(Problem::not_found()),
        ConsentRefusal::Ended => Ok(()),
        _ => Err(Problem::conflict("Nothing is granted yet.")),
    }
}
