//! The page that says where things stand: at the bank, being read, or how it ended.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use jiff::SignedDuration;
use passerelle_domain::Timestamp;
use passerelle_domain::authorisation::Authorisation;
use passerelle_domain::private::Private;
use passerelle_runtime::{Browser, OwnAddress, Path, Problem, Query};
use serde::Deserialize;

use super::hold::Hold;
use super::standing::{Standing, waiting_for_bank};
use super::{Journey, Step};
use crate::ConsentStart;
use crate::pages::{Ending, EndingPage, Progress, Steps};

/// From here on the page says that it takes longer than usual.
const USUAL: SignedDuration = SignedDuration::from_secs(60);

/// How long an answer is held back for work of ours to finish: most first reads take less, so most
/// people see the end at once instead of a page to load again.
const HELD_BACK: Duration = Duration::from_secs(4);
const BETWEEN_LOOKS: Duration = Duration::from_millis(400);

/// How the person comes to look.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Looking {
    /// They stopped the page from looking again by itself.
    still: Option<String>,
    /// The code that was typed was not the right one.
    code: Option<String>,
}

pub(crate) async fn show(
    State(consent_start): State<Arc<ConsentStart>>,
    Path(token): Path<Private>,
    own: OwnAddress,
    browser: Browser,
    Query(looking): Query<Looking>,
) -> Result<Response, Problem> {
    let address = consent_start.address(&own)?;
    let cookie = browser.cookie(&address);
    let mut journey = consent_start.journey(token).await?;
    let mut standing = consent_start.standing(&journey, cookie).await?;
    let mut held = Duration::ZERO;
    while matches!(standing, Standing::Working(..)) && held < HELD_BACK {
        tokio::time::sleep(BETWEEN_LOOKS).await;
        held += BETWEEN_LOOKS;
        journey = consent_start.journey(journey.token).await?;
        standing = consent_start.standing(&journey, cookie).await?;
    }
    let still = looking.still.is_some();
    let wait = async |wait: Wait| consent_start.waiting(&journey, wait, cookie, still).await;
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
        still: bool,
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
            refreshes: !still,
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
