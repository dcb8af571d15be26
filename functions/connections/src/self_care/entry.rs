//! The way in: a link leads to a page with one button, and the button opens the visit.
//!
//! The page in between uses nothing up, so a preview that a mail program or a messenger fetches does
//! not burn the link. A link opens one visit; afterwards it says so and offers to ask for another.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};
use passerelle_aws::Error;
use passerelle_aws::self_care::{Pass, Psu, SelfCareLink};
use passerelle_aws::table::Digest;
use passerelle_domain::Timestamp;
use passerelle_domain::private::Private;
use passerelle_runtime::{OwnAddress, Path, Problem};

use super::Place;
use super::visit::{begin, require_own_page};
use crate::pages::{self, Ending, Landing};
use crate::{Connections, refused};

/// A link of ours: what the page with the button shows.
pub(crate) async fn show_given(
    State(connections): State<Arc<Connections>>,
    Path(token): Path<Private>,
) -> Result<Response, Problem> {
    let link = connections.given_link(&token).await?;
    let enter_at = given_address(&token);
    match ending_of(&link, connections.clock.now()) {
        None => connections.landing(&link.psu, enter_at).await,
        Some(ending) => Ok(closed(&link.psu, ending)),
    }
}

/// A link of ours: the button was pressed.
pub(crate) async fn enter_given(
    State(connections): State<Arc<Connections>>,
    Path(token): Path<Private>,
    own: OwnAddress,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    require_own_page(&headers)?;
    let link = connections.given_link(&token).await?;
    if let Some(ending) = ending_of(&link, connections.clock.now()) {
        return Ok(closed(&link.psu, ending));
    }
    let pass = Pass::Given {
        link: Digest::of(token.expose()),
    };
    connections.enter(&pass, link.psu, &own).await
}

fn given_address(token: &Private) -> String {
    format!("/self-care/link/{}", token.expose())
}

/// Why a link opens nothing any more.
fn ending_of(link: &SelfCareLink, now: Timestamp) -> Option<Ending> {
    match link.used_at {
        Some(_) => Some(Ending::LinkUsed),
        None => (!link.is_open(now)).then_some(Ending::LinkExpired),
    }
}

/// The link's last word. Whoever used it in this browser is one step from where they were.
pub(super) fn closed(psu: &Psu, ending: Ending) -> Response {
    let page = pages::ending(psu.locale, ending, Some(Place::Connections.address()));
    (StatusCode::GONE, page).into_response()
}

impl Connections {
    async fn given_link(&self, token: &Private) -> Result<SelfCareLink, Problem> {
        let token = Digest::of(token.expose());
        let link = self.store.table().self_care_link(&token).await;
        link.map_err(refused)?.ok_or_else(Problem::not_found)
    }

    pub(super) async fn landing(&self, psu: &Psu, enter_at: String) -> Result<Response, Problem> {
        let page = Landing {
            locale: psu.locale,
            brand: self.brand(psu).await?,
            enter_at,
        };
        Ok(page.page())
    }

    /// Uses the link up and opens a visit in this browser.
    pub(super) async fn enter(
        &self,
        pass: &Pass,
        psu: Psu,
        own: &OwnAddress,
    ) -> Result<Response, Problem> {
        let address = self.address(own)?;
        let (cookie, visit, header) = begin(psu.clone(), &address, self.clock.now());
        let entered = self.store.table().enter_self_care(pass, &cookie, &visit);
        match entered.await {
            Ok(()) => {}
            // Somebody was faster with the same link, or its time ran out this second.
            Err(Error::Conflict) => return Ok(closed(&psu, Ending::LinkUsed)),
            Err(error) => return Err(refused(error)),
        }
        tracing::info!(tenant = %psu.client, outcome = "entered", "self-care visit opened");
        let mut response = Place::Connections.go();
        response.headers_mut().insert(SET_COOKIE, header);
        Ok(response)
    }
}
