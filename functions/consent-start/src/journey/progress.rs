//! The page that says where things stand: at the bank, being read, or how it ended.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use jiff::SignedDuration;
use passerelle_domain::Timestamp;
use passerelle_domain::private::Private;
use passerelle_runtime::{Browser, OwnAddress, Path, Problem, Query};
use serde::Deserialize;

use super::confirming::carried_on;
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

/// Whether the person stopped the page from looking again by itself.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Looking {
    still: Option<String>,
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
    Ok(match standing {
        Standing::NotBegun => journey.go_to(Step::Reassurance),
        Standing::AtBank(since) => {
            consent_start.waiting(&journey, waiting_for_bank(), since, still)
        }
        Standing::Working(steps, since) => consent_start.waiting(&journey, steps, since, still),
        Standing::ToConfirm => consent_start.confirm_page(&journey),
        Standing::Stopped(attempt) => carried_on(&journey, &attempt),
        Standing::Over(ending, again) => consent_start.ending(&journey, ending, again),
    })
}

impl ConsentStart {
    fn waiting(&self, journey: &Journey, steps: Steps, since: Timestamp, still: bool) -> Response {
        let here = journey.step(Step::Progress);
        Progress {
            locale: journey.consent.locale,
            brand: journey.brand.clone(),
            bank_name: self.bank_name(journey).unwrap_or_default(),
            steps,
            takes_long: self.clock.now().duration_since(since) > USUAL,
            refreshes: !still,
            still_at: format!("{here}?still=yes"),
            refreshing_at: here,
        }
        .page()
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
