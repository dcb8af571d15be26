//! The page that says where things stand: at the bank, being read, or how it ended.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use jiff::SignedDuration;
use passerelle_domain::Timestamp;
use passerelle_domain::authorisation::Authorisation;
use passerelle_domain::private::Private;
use passerelle_runtime::pages::NextLook;
use passerelle_runtime::{Browser, OwnAddress, Path, Problem, Query};
use serde::Deserialize;

use super::hold::Hold;
use super::standing::{Standing, waiting_for_bank};
use super::{Journey, Step};
use crate::ConsentStart;
use crate::pages::{Ending, EndingPage, Progress, Steps};

/// From here on the page says that it takes longer than usual.
const USUAL: SignedDuration = SignedDuration::from_secs(60);

/// How the person comes to look.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Looking {
    /// They stopped the page from looking again by itself.
    still: Option<String>,
    /// The code that was typed was not the right one.
    code: Option<String>,
    /// How often the page has looked again by itself.
    look: Option<u8>,
}

pub(crate) async fn show(
    State(consent_start): State<Arc<ConsentStart>>,
    Path(token): Path<Private>,
    own: OwnAddress,
    browser: Browser,
    Query(looking): Query<Looking>,
) -> Result<Response, Problem> {
    let journey = consent_start.journey(token).await?;
    let cookie = consent_start.cookie(&journey, &browser, &own)?;
    let cookie = cookie.as_ref();
    // Answered at once, whatever is still to be done: whoever waits here may be anybody, and a held
    // answer holds a part of the account's concurrency.
    let standing = consent_start.standing(&journey, cookie).await?;
    let here = journey.step(Step::Progress);
    let look = looking.look.unwrap_or_default();
    let next_look = looking
        .still
        .is_none()
        .then(|| NextLook::after(look, &here));
    let wait = async |wait: Wait| {
        consent_start
            .waiting(&journey, wait, cookie, next_look.clone())
            .await
    };
    Ok(match standing {
        Standing::NotBegun => journey.go_to(Step::Reassurance),
        Standing::AtBank(since) => wait(Wait::for_the_bank(since)).await?,
        Standing::Working(steps, since) => wait(Wait::for_us(steps, since)).await?,
        Standing::ToConfirm(attempt) => {
            consent_start.confirm_page(&journey, &attempt, looking.code.is_some())
        }
        Standing::Stopped(attempt, since) => wait(Wait::to_be_carried_on(&attempt, since)).await?,
        Standing::Over(ending, again) => consent_start.ending(&journey, ending, again),
    })
}

/// What a page waits for.
struct Wait {
    steps: Steps,
    since: Timestamp,
    at_bank: bool,
    /// Where the person has a return carried on.
    carried_on_at: Option<String>,
}

impl Wait {
    fn for_the_bank(since: Timestamp) -> Self {
        Self {
            steps: waiting_for_bank(),
            since,
            at_bank: true,
            carried_on_at: None,
        }
    }

    fn to_be_carried_on(attempt: &Authorisation, since: Timestamp) -> Self {
        Self {
            carried_on_at: Some(format!("/v1/callback/{}/resume", attempt.institution)),
            ..Self::for_the_bank(since)
        }
    }

    fn for_us(steps: Steps, since: Timestamp) -> Self {
        Self {
            steps,
            since,
            at_bank: false,
            carried_on_at: None,
        }
    }
}

/// Minutes until a moment, begun ones counted whole.
fn minutes_until(at: Timestamp, now: Timestamp) -> usize {
    let seconds = at.duration_since(now).as_secs().max(0);
    usize::try_from(seconds.unsigned_abs().div_ceil(60)).unwrap_or(usize::MAX)
}

impl ConsentStart {
    async fn waiting(
        &self,
        journey: &Journey,
        wait: Wait,
        cookie: Option<&Private>,
        next_look: Option<NextLook>,
    ) -> Result<Response, Problem> {
        let here = journey.step(Step::Progress);
        let (mine, free_at) = match self.hold(journey, cookie).await? {
            Hold::Mine(..) => (true, None),
            Hold::Elsewhere(attempt) => (false, Some(attempt.expires_at)),
            Hold::Free(_) => (false, None),
        };
        let now = self.clock.now();
        let page = Progress {
            locale: journey.consent.locale,
            brand: journey.brand.clone(),
            bank_name: self.bank_name(journey).unwrap_or_default(),
            steps: wait.steps,
            at_bank: wait.at_bank,
            takes_long: now.duration_since(wait.since) > USUAL,
            next_look,
            still_at: format!("{here}?still=yes"),
            refreshing_at: here,
            elsewhere_at: mine.then(|| journey.step(Step::Elsewhere)),
            carry_on: wait.carried_on_at.map(|at| (at, journey.token.clone())),
            free_in: free_at
                .filter(|_| wait.at_bank && journey.is_open(now))
                .map(|at| minutes_until(at, now)),
        };
        Ok(page.page())
    }

    /// The last page, with the way to start again where that makes sense.
    pub(super) fn ending(
        &self,
        journey: &Journey,
        ending: Ending,
        again: Option<Step>,
    ) -> Response {
        EndingPage {
            locale: journey.consent.locale,
            brand: journey.brand.clone(),
            bank_name: self.bank_name(journey),
            ending,
            again_at: again.map(|step| journey.step(step)),
            return_to: journey.consent.return_url.clone(),
        }
        .page()
    }
}
