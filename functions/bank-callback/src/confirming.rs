//! A return that came in another browser: the code that browser shows is typed where the journey began,
//! or one of the two says that it was not them.
//!
//! Both are needed. The browser that began cannot know the code unless the one that was at the bank
//! gives it, and that one reads first who asks and for what.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use passerelle_aws::Error;
use passerelle_aws::authorisations::ParkedReturn;
use passerelle_aws::table::Digest;
use passerelle_domain::authorisation::{Authorisation, CONFIRMATION_TRIES, FailureReason, Phase};
use passerelle_domain::ids::InstitutionId;
use passerelle_domain::private::Private;
use passerelle_runtime::{Form, Path, Problem, TypedCode};
use serde::Deserialize;

use crate::onward::Onward;
use crate::visit::Visit;
use crate::{BankCallback, refused};

/// What is typed where the journey began.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Typed {
    journey: Private,
    code: Private,
}

/// Who says that it was not them: the browser that began, by its journey, or the browser that was at the
/// bank, by the code it was shown.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum NotMe {
    Returned { attempt: String, code: Private },
    Began { journey: Private },
}

pub(crate) async fn confirm(
    State(callback): State<Arc<BankCallback>>,
    Path(institution): Path<InstitutionId>,
    visit: Visit,
    Form(typed): Form<Typed>,
) -> Result<Response, Problem> {
    let journey = callback
        .own_journey(&typed.journey, &institution, &visit)
        .await?;
    let Some((state, attempt)) = journey else {
        return Ok(Onward::Journey.after_form(&typed.journey));
    };
    let now = callback.clock.now();
    let parked = callback.store.parked_return(&attempt, &state, now).await;
    let Some(parked) = parked.map_err(refused)? else {
        return Ok(Onward::Journey.after_form(&typed.journey));
    };
    let table = callback.store.table();
    let tries = match table.count_try(&attempt, &state, now).await {
        Ok(tries) => tries,
        // Typed at the same time as another one: look, and type again.
        Err(Error::Conflict) => return Ok(Onward::WrongCode.after_form(&typed.journey)),
        Err(error) => return Err(refused(error)),
    };
    let onward = match is_right(&parked, &typed.code) {
        true => {
            let returned = Some(&parked.returned);
            callback.connect(&attempt, &state, returned, &visit).await?
        }
        false if tries < CONFIRMATION_TRIES => Onward::WrongCode,
        // Whoever types has not seen the other browser.
        false => {
            tracing::warn!(authorisation = %attempt.id, "a return is dropped after too many wrong codes");
            let reason = FailureReason::NotConfirmed;
            callback
                .give_back(&attempt, &state, &parked.returned, reason, &visit)
                .await?;
            Onward::Journey
        }
    };
    Ok(onward.after_form(&typed.journey))
}

pub(crate) async fn not_me(
    State(callback): State<Arc<BankCallback>>,
    Path(institution): Path<InstitutionId>,
    visit: Visit,
    Form(who): Form<NotMe>,
) -> Result<Response, Problem> {
    match who {
        NotMe::Began { journey } => {
            let found = callback.own_journey(&journey, &institution, &visit).await?;
            if let Some((state, attempt)) = found {
                callback.drop_parked(&attempt, &state, None, &visit).await?;
            }
            Ok(Onward::Journey.after_form(&journey))
        }
        NotMe::Returned { attempt, code } => {
            let state = Digest::of_hex(&attempt).ok_or_else(Problem::not_found)?;
            let found = callback.store.table().authorisation(&state).await;
            let attempt = found.map_err(refused)?.ok_or_else(Problem::not_found)?;
            callback
                .drop_parked(&attempt, &state, Some(&code), &visit)
                .await?;
            let now_stands = callback.store.table().authorisation(&state).await;
            let now_stands = now_stands.map_err(refused)?.unwrap_or(attempt);
            match now_stands.status.phase() {
                Phase::Completed => callback.confirmed_before(&now_stands, &visit).await,
                _ => callback.turned_away(&now_stands, &visit).await,
            }
        }
    }
}

impl BankCallback {
    /// The latest attempt of a journey, in the browser that left for the bank.
    pub(crate) async fn own_journey(
        &self,
        token: &Private,
        institution: &InstitutionId,
        visit: &Visit,
    ) -> Result<Option<(Digest, Authorisation)>, Problem> {
        let table = self.store.table();
        let link = Digest::of(token.expose());
        let linked = table.consent_by_link(&link).await.map_err(refused)?;
        let linked = linked.ok_or_else(Problem::not_found)?;
        let (client, consent) = (&linked.consent.client, &linked.consent.id);
        let latest = table.latest_authorisation(client, consent).await;
        let latest = latest.map_err(refused)?.through_link(linked.number);
        Ok(latest.filter(|(_, attempt)| {
            attempt.institution == *institution && self.is_same_browser(attempt, visit)
        }))
    }

    /// Drops a parked return; where a code is given, only if it is the return's own.
    async fn drop_parked(
        &self,
        attempt: &Authorisation,
        state: &Digest,
        code: Option<&Private>,
        visit: &Visit,
    ) -> Result<(), Problem> {
        let now = self.clock.now();
        let parked = self.store.parked_return(attempt, state, now).await;
        let parked = parked.map_err(refused)?;
        let own = |parked: &ParkedReturn| code.is_none_or(|code| is_right(parked, code));
        let Some(parked) = parked.filter(own) else {
            return Ok(());
        };
        tracing::info!(authorisation = %attempt.id, "a return is dropped: it was not the person");
        let reason = FailureReason::NotConfirmed;
        self.give_back(attempt, state, &parked.returned, reason, visit)
            .await
    }
}

/// Whether a typed code is the one of a return. Compared without a short cut.
fn is_right(parked: &ParkedReturn, typed: &Private) -> bool {
    let meant = TypedCode::meant_by(typed);
    let (meant, known) = (meant.symbols().expose(), parked.confirmation.expose());
    let differing = meant.bytes().zip(known.bytes());
    let differing = differing.fold(0, |found, (one, other)| found | (one ^ other));
    !known.is_empty() && meant.len() == known.len() && differing == 0
}
