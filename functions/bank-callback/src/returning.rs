//! `GET /v1/callback/{institution}`: a browser comes back from a bank.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use passerelle_aws::Error;
use passerelle_aws::authorisations::ParkedReturn;
use passerelle_aws::table::Digest;
use passerelle_domain::Timestamp;
use passerelle_domain::authorisation::{Authorisation, Callback, UnverifiedCallback};
use passerelle_domain::ids::InstitutionId;
use passerelle_runtime::{Browser, Code, Correlation, OwnAddress, Path, Problem, Query, Visitor};

use crate::exchange::Returned;
use crate::{BankCallback, pages};

pub(crate) async fn from_bank(
    State(callback): State<Arc<BankCallback>>,
    Path(institution): Path<InstitutionId>,
    visitor: Visitor,
    own: OwnAddress,
    browser: Browser,
    correlation: Correlation,
    Query(unverified): Query<UnverifiedCallback>,
) -> Result<Response, Problem> {
    let answer = unverified
        .parse()
        .map_err(|error| Problem::new(Code::InvalidCallback).with_detail(error.to_string()))?;
    let now = callback.clock.now();
    let state = Digest::of(answer.state().expose());
    let attempt = callback.attempt(&state, &institution).await?;
    let same_browser = callback.is_same_browser(&attempt, &browser, &own);
    match answer {
        Callback::Error { refused, .. } => {
            callback.note_refusal(&state, refused, now).await?;
            callback.onward(&attempt, same_browser, &visitor, now).await
        }
        Callback::Code { .. } if !attempt.is_claimable(now) => {
            callback.onward(&attempt, same_browser, &visitor, now).await
        }
        Callback::Code { code, issuer, .. } if !same_browser => {
            let returned = ParkedReturn { code, issuer };
            callback.park(&attempt, &state, &returned, now).await?;
            Ok(pages::back_to_first_browser(visitor.locale))
        }
        Callback::Code { code, issuer, .. } => {
            let returned = Returned {
                state,
                answer: Some(ParkedReturn { code, issuer }),
            };
            callback.connect(returned, &visitor, &correlation).await?;
            callback.onward(&attempt, true, &visitor, now).await
        }
    }
}

impl BankCallback {
    /// The attempt a `state` belongs to, when it was started at this bank.
    async fn attempt(
        &self,
        state: &Digest,
        institution: &InstitutionId,
    ) -> Result<Authorisation, Problem> {
        let found = self
            .store
            .table()
            .authorisation(state)
            .await
            .map_err(pages::refused)?;
        let unknown = || Problem::new(Code::InvalidCallback);
        let attempt = found.ok_or_else(unknown)?;
        if attempt.institution != *institution {
            // Mix-up: an answer for one bank through another bank's address (RFC 9700, 4.4).
            tracing::warn!(bank = %attempt.institution, through = %institution, "mixed-up return refused");
            return Err(unknown());
        }
        Ok(attempt)
    }

    async fn note_refusal(
        &self,
        state: &Digest,
        by_psu: bool,
        now: Timestamp,
    ) -> Result<(), Problem> {
        match self.store.table().note_refusal(state, by_psu, now).await {
            // The attempt went further meanwhile: an error that comes late changes nothing.
            Ok(()) | Err(Error::Conflict) => Ok(()),
            Err(error) => Err(pages::refused(error)),
        }
    }

    async fn park(
        &self,
        attempt: &Authorisation,
        state: &Digest,
        returned: &ParkedReturn,
        now: Timestamp,
    ) -> Result<(), Problem> {
        match self.store.park_return(attempt, state, returned, now).await {
            Ok(()) | Err(Error::Conflict) => Ok(()),
            Err(error) => Err(pages::refused(error)),
        }
    }

    /// Where the person goes next: their journey, when this is the browser it runs in.
    async fn onward(
        &self,
        attempt: &Authorisation,
        same_browser: bool,
        visitor: &Visitor,
        now: Timestamp,
    ) -> Result<Response, Problem> {
        if !same_browser {
            return Ok(pages::back_to_first_browser(visitor.locale));
        }
        let tenant_key = self.store.vault().tenant_key(&attempt.client, now).await;
        let token = tenant_key
            .map_err(pages::refused)?
            .journey_token(&attempt.consent);
        Ok(pages::to_journey(&token))
    }
}
