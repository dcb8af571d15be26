//! The way in: a link leads to a page with one button, and the button opens the visit.
//!
//! The page in between uses nothing up, so a preview that a mail program or a messenger fetches does
//! not burn the link. A link opens one visit; afterwards it says so and offers to ask for another.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use http::header::SET_COOKIE;
use passerelle_aws::Error;
use passerelle_aws::self_care::{Pass, Psu, SelfCareLink};
use passerelle_aws::table::Digest;
use passerelle_domain::Timestamp;
use passerelle_domain::private::Private;
use passerelle_runtime::pages::Brand;
use passerelle_runtime::{OwnAddress, Path, Problem};

use super::Place;
use super::held::brand_of;
use super::visit::{begin, require_own_page};
use crate::pages::{self, Ending, Landing, Onward};
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
        Some(ending) => Ok(closed(&link.psu, ending, again_address(&token))),
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
        return Ok(closed(&link.psu, ending, again_address(&token)));
    }
    let pass = Pass::Given {
        link: Digest::of(token.expose()),
    };
    let again_at = again_address(&token);
    connections.enter(&pass, link.psu, &own, again_at).await
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

/// The link's last word. Whoever used it in this browser is one step from where they were; anybody
/// else can ask the insurer for another.
pub(super) fn closed(psu: &Psu, ending: Ending, again_at: String) -> Response {
    let onward = Onward::Choices {
        go_on_at: Place::Connections.address(),
        again_at,
    };
    pages::ending(psu.locale, ending, &onward)
}

/// "Send me a new link": the client is told, and whoever can read the person's mail gets it.
pub(crate) async fn ask_again(
    State(connections): State<Arc<Connections>>,
    Path(token): Path<Private>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    require_own_page(&headers)?;
    let link = connections.given_link(&token).await?;
    connections.ask_for_link(&link.psu).await
}

fn again_address(token: &Private) -> String {
    format!("{}/again", given_address(token))
}

impl Connections {
    /// Tells the client, at most once an hour, and says so in any case.
    pub(super) async fn ask_for_link(&self, psu: &Psu) -> Result<Response, Problem> {
        let asked = self.store.table().request_link(psu, self.clock.now()).await;
        asked.map_err(refused)?;
        tracing::info!(tenant = %psu.client, outcome = "requested", "a self-care link was asked for");
        Ok(pages::ending(
            psu.locale,
            Ending::LinkRequested,
            &Onward::Nowhere,
        ))
    }

    /// The client as the person knows it.
    async fn brand(&self, psu: &Psu) -> Result<Brand, Problem> {
        let settings = self.store.table().settings(&psu.client).await;
        Ok(brand_of(
            psu,
            &settings.map_err(refused)?,
            &self.held_by(psu).await?,
        ))
    }

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
        again_at: String,
    ) -> Result<Response, Problem> {
        let address = self.address(own)?;
        let (cookie, visit, header) = begin(psu.clone(), &address, self.clock.now());
        let entered = self.store.table().enter_self_care(pass, &cookie, &visit);
        match entered.await {
            Ok(()) => {}
            // Somebody was faster with the same link, or its time ran out this second.
            Err(Error::Conflict) => return Ok(closed(&psu, Ending::LinkUsed, again_at)),
            Err(error) => return Err(refused(error)),
        }
        tracing::info!(tenant = %psu.client, outcome = "entered", "self-care visit opened");
        let mut response = Place::Connections.go();
        response.headers_mut().insert(SET_COOKIE, header);
        Ok(response)
    }
}
