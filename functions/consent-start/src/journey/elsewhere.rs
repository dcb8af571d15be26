//! Going on with the journey on another device, by a short link or its QR code.
//!
//! Only the browser that left for the bank may offer the link. It works once, for ten minutes, and leads
//! to the journey's own pages: whoever opens it reads who asks before anything else, agrees for
//! themselves, and never lands at a bank that somebody else chose for them. From then on nothing comes of
//! the attempt that was under way.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use passerelle_aws::Error;
use passerelle_aws::handovers::Handover;
use passerelle_aws::table::Digest;
use passerelle_domain::locale::Locale;
use passerelle_domain::private::Private;
use passerelle_runtime::{Browser, OwnAddress, Path, Problem, TypedCode, Visitor};

use super::hold::Hold;
use super::{Journey, Step};
use crate::pages::{Elsewhere, TakeOver, handover_is_over};
use crate::{ConsentStart, refused};

/// Fifty bits, for ten minutes, once: more than anybody tries.
const CODE_LENGTH: usize = 10;

/// Offers the journey to another device.
pub(crate) async fn offer(
    State(consent_start): State<Arc<ConsentStart>>,
    Path(token): Path<Private>,
    own: OwnAddress,
    browser: Browser,
) -> Result<Response, Problem> {
    let journey = consent_start.journey(token).await?;
    let address = consent_start.address(&own)?;
    let cookie = consent_start.cookie(&journey, &browser, &own)?;
    let Hold::Mine(state, _) = consent_start.hold(&journey, cookie.as_ref()).await? else {
        return Ok(journey.go_to(Step::Progress));
    };
    let code = TypedCode::fresh::<CODE_LENGTH>();
    let handover = Handover {
        client: journey.consent.client.clone(),
        consent: journey.consent.id.clone(),
        state,
    };
    let (table, now) = (consent_start.store.table(), consent_start.clock.now());
    let offered = table.offer_handover(&digest(&code), &handover, now).await;
    offered.map_err(refused)?;
    tracing::info!("the journey is offered to another device");
    let page = Elsewhere {
        locale: journey.consent.locale,
        brand: journey.brand.clone(),
        link: Private::new(format!("{address}/journey/to/{}", code.in_two())),
        again_at: journey.step(Step::Elsewhere),
        progress: journey.step(Step::Progress),
    };
    Ok(page.page())
}

/// What a code leads to, before it is used: a preview of the link uses nothing up.
pub(crate) async fn show(
    State(consent_start): State<Arc<ConsentStart>>,
    Path(code): Path<Private>,
    visitor: Visitor,
) -> Result<Response, Problem> {
    let (table, now) = (consent_start.store.table(), consent_start.clock.now());
    let code = TypedCode::meant_by(&code);
    let handover = table.handover(&digest(&code), now).await;
    let Some(handover) = handover.map_err(refused)? else {
        return Ok(over(visitor.locale));
    };
    let journey = consent_start.handed_over(&handover).await?;
    let page = TakeOver {
        locale: journey.consent.locale,
        brand: journey.brand,
        take_at: format!("/journey/to/{}", code.in_two()),
    };
    Ok(page.page())
}

/// "Yes, here": the code is used up and the journey goes on.
pub(crate) async fn take(
    State(consent_start): State<Arc<ConsentStart>>,
    Path(code): Path<Private>,
    visitor: Visitor,
) -> Result<Response, Problem> {
    let (table, now) = (consent_start.store.table(), consent_start.clock.now());
    let code = TypedCode::meant_by(&code);
    match table.take_handover(&digest(&code), now).await {
        Ok(handover) => {
            tracing::info!("the journey goes on elsewhere");
            let (client, consent) = (&handover.client, &handover.consent);
            let released = table.release_journey(client, consent, &handover.state);
            match released.await {
                // Another attempt was started since the code was offered: it stays as it is.
                Ok(()) | Err(Error::Conflict) => {}
                Err(error) => return Err(refused(error)),
            }
            let journey = consent_start.handed_over(&handover).await?;
            Ok(journey.go_to(Step::Progress))
        }
        Err(Error::Conflict) => Ok(over(visitor.locale)),
        Err(error) => Err(refused(error)),
    }
}

fn over(locale: Locale) -> Response {
    (StatusCode::GONE, handover_is_over(locale)).into_response()
}

fn digest(code: &TypedCode) -> Digest {
    Digest::of(code.symbols().expose())
}

impl ConsentStart {
    /// The journey of a consent: its token is derived, so it need not be stored with a code.
    async fn handed_over(&self, handover: &Handover) -> Result<Journey, Problem> {
        let (vault, now) = (self.store.vault(), self.clock.now());
        let stored = self
            .store
            .table()
            .consent(&handover.client, &handover.consent);
        let stored = stored.await.map_err(refused)?;
        let link_number = stored.ok_or_else(Problem::not_found)?.consent.link_number();
        let tenant_key = vault.tenant_key(&handover.client, now).await;
        let token = tenant_key
            .map_err(refused)?
            .journey_token(&handover.consent, link_number);
        self.journey(token).await
    }
}
