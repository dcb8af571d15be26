//! `GET /v1/callback/{institution}`: a browser comes back from a bank. Where a bank brings no `state`
//! back, or loses it, it comes back to `…/{attempt}`, the attempt's own address.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use passerelle_aws::Error;
use passerelle_aws::authorisations::ParkedReturn;
use passerelle_aws::table::Digest;
use passerelle_domain::Timestamp;
use passerelle_domain::authorisation::{
    Authorisation, Callback, InvalidCallback, UnverifiedCallback,
};
use passerelle_domain::ids::InstitutionId;
use passerelle_domain::private::Private;
use passerelle_runtime::{Code, Path, Problem, Query};

use crate::exchange::Returned;
use crate::visit::Visit;
use crate::{BankCallback, pages};

pub(crate) async fn from_bank(
    State(callback): State<Arc<BankCallback>>,
    Path(institution): Path<InstitutionId>,
    visit: Visit,
    Query(unverified): Query<UnverifiedCallback>,
) -> Result<Response, Problem> {
    let answer = unverified.parse().map_err(invalid)?;
    callback.take(institution, answer, visit).await
}

pub(crate) async fn to_its_own_address(
    State(callback): State<Arc<BankCallback>>,
    Path((institution, attempt)): Path<(InstitutionId, Private)>,
    visit: Visit,
    Query(unverified): Query<UnverifiedCallback>,
) -> Result<Response, Problem> {
    let answer = unverified.parse_at(attempt).map_err(invalid)?;
    callback.take(institution, answer, visit).await
}

fn invalid(error: InvalidCallback) -> Problem {
    Problem::new(Code::InvalidCallback).with_detail(error.to_string())
}

impl BankCallback {
    async fn take(
        &self,
        institution: InstitutionId,
        answer: Callback,
        visit: Visit,
    ) -> Result<Response, Problem> {
        let now = self.clock.now();
        let state = Digest::of(answer.state().expose());
        let attempt = self.attempt(&state, &institution).await?;
        let same_browser = self.is_same_browser(&attempt, &visit.browser, &visit.own);
        let returned = match answer {
            Callback::Error { refused, .. } => {
                self.note_refusal(&state, refused, now).await?;
                return self.onward(&attempt, same_browser, &visit, now).await;
            }
            Callback::Code { code, issuer, .. } => ParkedReturn {
                code: Some(code),
                issuer,
            },
            Callback::EmptyHanded { .. } => ParkedReturn {
                code: None,
                issuer: None,
            },
        };
        if !attempt.is_claimable(now) {
            return self.onward(&attempt, same_browser, &visit, now).await;
        }
        if !same_browser {
            self.park(&attempt, &state, &returned, now).await?;
            return Ok(pages::back_to_first_browser(visit.visitor.locale));
        }
        let returned = Returned {
            state,
            answer: Some(returned),
        };
        match self.connect(returned, &visit).await? {
            Some(bank) => Ok(pages::to_bank(&bank)),
            None => self.onward(&attempt, true, &visit, now).await,
        }
    }

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
        visit: &Visit,
        now: Timestamp,
    ) -> Result<Response, Problem> {
        if !same_browser {
            return Ok(pages::back_to_first_browser(visit.visitor.locale));
        }
        let tenant_key = self.store.vault().tenant_key(&attempt.client, now).await;
        let token = tenant_key
            .map_err(pages::refused)?
            .journey_token(&attempt.consent, attempt.link_number);
        Ok(pages::to_journey(&token))
    }
}
