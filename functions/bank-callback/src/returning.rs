//! `GET /v1/callback/{institution}`: a browser comes back from a bank. Where a bank brings no `state`
//! back, or loses it, it comes back to `…/{attempt}`, the attempt's own address.
//!
//! In the browser that left for the bank the return is exchanged at once. In another one nothing is:
//! whoever sends the bank's link to somebody else would own that person's bank. Where the bank's own
//! application answers (its directory row says so), this browser says who asks for what and shows a code
//! that is typed where the journey began; otherwise the return is turned away.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use passerelle_aws::Error;
use passerelle_aws::authorisations::{BankReturn, ParkedReturn};
use passerelle_aws::table::Digest;
use passerelle_domain::Timestamp;
use passerelle_domain::authorisation::{
    Authorisation, AuthorisationStatus, Callback, FailureReason, InvalidCallback,
    UnverifiedCallback,
};
use passerelle_domain::ids::InstitutionId;
use passerelle_domain::private::Private;
use passerelle_runtime::{Code, Path, Problem, Query, TypedCode};

use crate::onward::Onward;
use crate::visit::Visit;
use crate::{BankCallback, refused};

/// Symbols of the code that confirms a return: forty bits, five tries.
const CODE_LENGTH: usize = 8;

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

/// A return that is worth looking at: which attempt it is for, and what it brings.
struct Return {
    attempt: Authorisation,
    /// The very `state`, which only the bank and whoever returns from it have.
    secret: Private,
    state: Digest,
    brought: BankReturn,
}

impl BankCallback {
    async fn take(
        &self,
        institution: InstitutionId,
        answer: Callback,
        visit: Visit,
    ) -> Result<Response, Problem> {
        let now = self.clock.now();
        let secret = answer.state().clone();
        let state = Digest::of(secret.expose());
        let attempt = self.attempt(&state, &institution).await?;
        let same_browser = self.is_same_browser(&attempt, &visit);
        let psu = visit.visitor.attended(now);
        let brought = match answer {
            Callback::Error { refused, .. } => {
                self.note_refusal(&state, refused, now).await?;
                return match same_browser {
                    true => self.onward(&attempt, Onward::Journey, now).await,
                    false => Ok(self.turned_away(&attempt, &visit).await?),
                };
            }
            Callback::Code { code, issuer, .. } => BankReturn {
                code: Some(code),
                issuer,
                psu,
            },
            Callback::EmptyHanded { .. } => BankReturn {
                code: None,
                issuer: None,
                psu,
            },
        };
        let returned = Return {
            attempt,
            secret,
            state,
            brought,
        };
        match same_browser {
            true => self.in_the_same_browser(&returned, &visit).await,
            false => self.in_another_browser(&returned, &visit).await,
        }
    }

    async fn in_the_same_browser(
        &self,
        returned: &Return,
        visit: &Visit,
    ) -> Result<Response, Problem> {
        let now = self.clock.now();
        let onward = match returned.attempt.is_claimable(now) {
            true => {
                let brought = Some(&returned.brought);
                self.connect(&returned.attempt, &returned.state, brought, visit)
                    .await?
            }
            false => Onward::Journey,
        };
        self.onward(&returned.attempt, onward, now).await
    }

    async fn in_another_browser(
        &self,
        returned: &Return,
        visit: &Visit,
    ) -> Result<Response, Problem> {
        let now = self.clock.now();
        let attempt = &returned.attempt;
        let waits = matches!(
            attempt.status,
            AuthorisationStatus::Started
                | AuthorisationStatus::Refused { .. }
                | AuthorisationStatus::Returned { .. }
        );
        if !waits || now >= attempt.expires_at {
            return self.turned_away(attempt, visit).await;
        }
        if !self.answers_in_its_application(&attempt.institution) {
            let reason = FailureReason::NotConfirmed;
            self.give_back(attempt, &returned.state, &returned.brought, reason, visit)
                .await?;
            return self.turned_away(attempt, visit).await;
        }
        let code = self.park(returned, now).await?;
        self.returned_page(attempt, &returned.state, &code, visit)
            .await
    }

    /// Keeps the return until its code is typed where the journey began. The same return has the same
    /// code, so that a page that is loaded again shows it again.
    async fn park(&self, returned: &Return, now: Timestamp) -> Result<TypedCode, Problem> {
        let Return {
            attempt,
            secret,
            state,
            brought,
        } = returned;
        let bytes = self
            .store
            .fingerprint_of_return(attempt, secret, brought, now);
        let bytes = bytes.await.map_err(refused)?;
        let code = TypedCode::of_bytes(bytes.get(..CODE_LENGTH).unwrap_or_default());
        let parked = ParkedReturn {
            returned: brought.clone(),
            confirmation: code.symbols().clone(),
        };
        let known = self.store.parked_return(attempt, state, now).await;
        let known = known.map_err(refused)?;
        if known.is_some_and(|known| known.returned.brings_the_same_as(brought)) {
            return Ok(code);
        }
        match self.store.park_return(attempt, state, &parked, now).await {
            Ok(()) | Err(Error::Conflict) => Ok(code),
            Err(error) => Err(refused(error)),
        }
    }

    /// Whether the bank's own application answers, which opens the person's usual browser.
    fn answers_in_its_application(&self, institution: &InstitutionId) -> bool {
        let bank = self.banks.directory().get(institution);
        bank.is_some_and(|bank| bank.capabilities.app_to_app)
    }

    /// The attempt a `state` belongs to, when it was started at this bank.
    async fn attempt(
        &self,
        state: &Digest,
        institution: &InstitutionId,
    ) -> Result<Authorisation, Problem> {
        let found = self.store.table().authorisation(state).await;
        let unknown = || Problem::new(Code::InvalidCallback);
        let attempt = found.map_err(refused)?.ok_or_else(unknown)?;
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
            Err(error) => Err(refused(error)),
        }
    }

    /// Leads on in the journey, in the browser it runs in.
    async fn onward(
        &self,
        attempt: &Authorisation,
        onward: Onward,
        now: Timestamp,
    ) -> Result<Response, Problem> {
        let tenant_key = self.store.vault().tenant_key(&attempt.client, now).await;
        let token = tenant_key
            .map_err(refused)?
            .journey_token(&attempt.consent, attempt.link_number());
        Ok(onward.after_link(&token))
    }
}
