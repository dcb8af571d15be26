//! Who may change a journey: whoever has its link until somebody leaves for the bank, then the browser
//! that left, and nobody else while something may still come of it.
//!
//! The link is known to the insurer, to mail systems and to whoever it was forwarded to; the cookie only
//! to the browser. Without this, what a person ticked could be changed while they are at the bank.

use passerelle_aws::table::Digest;
use passerelle_domain::authorisation::Authorisation;
use passerelle_domain::private::Private;
use passerelle_runtime::{Browser, OwnAddress, Problem};

use super::Journey;
use crate::{ConsentStart, refused};

/// Who holds a journey, as seen by one browser.
#[derive(Debug)]
pub(super) enum Hold {
    /// Nobody: whoever has the link may go on. With the attempt the consent points at, of an earlier
    /// link or one that is over.
    Free(Option<Digest>),
    /// This browser left for the bank.
    Mine(Digest, Box<Authorisation>),
    /// Another browser left for the bank, and something may still come of it.
    Elsewhere(Box<Authorisation>),
}

impl Hold {
    /// Whether this browser may answer, decline and begin anew.
    pub(super) fn may_change(&self) -> bool {
        !matches!(self, Self::Elsewhere(_))
    }

    /// What the consent points at, for who begins anew.
    pub(super) fn seen(&self) -> Option<&Digest> {
        match self {
            Self::Free(seen) => seen.as_ref(),
            Self::Mine(state, _) => Some(state),
            Self::Elsewhere(_) => None,
        }
    }
}

/// Whether an attempt was started in the browser with this cookie.
pub(super) fn is_same_browser(attempt: &Authorisation, cookie: Option<&Private>) -> bool {
    cookie.is_some_and(|cookie| Digest::of(cookie.expose()).as_str() == attempt.browser)
}

impl ConsentStart {
    /// Who holds a journey, for the browser with this cookie.
    pub(super) async fn hold(
        &self,
        journey: &Journey,
        cookie: Option<&Private>,
    ) -> Result<Hold, Problem> {
        let (consent, table) = (&journey.consent, self.store.table());
        let latest = table.latest_authorisation(&consent.client, &consent.id);
        let latest = latest.await.map_err(refused)?;
        let seen = latest.state.clone();
        Ok(match latest.through_link(journey.link_number) {
            Some((state, attempt)) if is_same_browser(&attempt, cookie) => {
                Hold::Mine(state, Box::new(attempt))
            }
            Some((_, attempt)) if attempt.is_live(self.clock.now()) => {
                Hold::Elsewhere(Box::new(attempt))
            }
            _ => Hold::Free(seen),
        })
    }

    /// The cookie this browser has for a journey.
    pub(super) fn cookie(
        &self,
        journey: &Journey,
        browser: &Browser,
        own: &OwnAddress,
    ) -> Result<Option<Private>, Problem> {
        let address = self.address(own)?;
        Ok(browser.cookie(&address, &journey.consent.id))
    }

    /// Whether the browser with this cookie may answer, decline and begin anew.
    pub(super) async fn may_change(
        &self,
        journey: &Journey,
        cookie: Option<&Private>,
    ) -> Result<bool, Problem> {
        Ok(self.hold(journey, cookie).await?.may_change())
    }
}
