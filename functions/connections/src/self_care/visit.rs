//! A visit: who is looking, told by one cookie, and what a form must carry to be believed.
//!
//! The cookie is fresh at every entry, so nobody can set it beforehand, and `SameSite=Strict`, so no
//! other site's form or link brings it along. A form carries in addition a digest of the cookie that
//! only our own page could write into it.
//!
//! A visit lasts an hour from the last page and a day in all (no page has a clock to race).

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::SET_COOKIE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use jiff::SignedDuration;
use passerelle_aws::self_care::{Psu, Visit};
use passerelle_aws::table::Digest;
use passerelle_domain::Timestamp;
use passerelle_domain::locale::Locale;
use passerelle_domain::private::Private;
use passerelle_domain::tenant::TenantSettings;
use passerelle_runtime::{Code, Form, HostCookie, OwnAddress, Problem, SameSite, preferred_locale};

use super::Place;
use crate::pages::{self, Ending, Onward};
use crate::{Connections, refused};

/// The one cookie of self-care.
const COOKIE: HostCookie = HostCookie {
    secure_name: "__Host-self-care",
    plain_name: "self-care",
    same_site: SameSite::Strict,
    max_age_seconds: 24 * 60 * 60,
};

const IDLE: SignedDuration = SignedDuration::from_hours(1);
const LONGEST: SignedDuration = SignedDuration::from_hours(24);
/// Below this much left, a page makes a visit last longer: not every view is a write.
const EXTEND_BELOW: SignedDuration = SignedDuration::from_mins(30);

/// Name of the hidden field that carries a form's proof.
const PROOF: &str = "proof";

/// The person who is looking.
#[derive(Debug, Clone)]
pub(crate) struct Here {
    pub(crate) psu: Psu,
    /// What the client decided about its pages.
    pub(crate) settings: TenantSettings,
    cookie: Private,
    visit: Visit,
}

impl Here {
    /// What every form of this visit carries. It tells nothing about the cookie.
    pub(crate) fn proof(&self) -> String {
        proof_of(&self.cookie)
    }

    fn key(&self) -> Digest {
        key_of(&self.cookie)
    }
}

fn key_of(cookie: &Private) -> Digest {
    Digest::of(cookie.expose())
}

fn proof_of(cookie: &Private) -> String {
    Digest::of(&format!("form|{}", cookie.expose()))
        .as_str()
        .to_owned()
}

/// Why a page cannot be shown.
#[derive(Debug)]
pub(crate) enum NotHere {
    /// No visit, or one that is over.
    Ended(Locale),
    /// Anything else.
    Refused(Box<Problem>),
}

impl From<Problem> for NotHere {
    fn from(problem: Problem) -> Self {
        Self::Refused(Box::new(problem))
    }
}

impl IntoResponse for NotHere {
    fn into_response(self) -> Response {
        match self {
            Self::Ended(locale) => pages::ending(locale, Ending::VisitEnded, &Onward::Nowhere),
            Self::Refused(problem) => problem.into_response(),
        }
    }
}

impl FromRequestParts<Arc<Connections>> for Here {
    type Rejection = NotHere;

    async fn from_request_parts(
        parts: &mut Parts,
        connections: &Arc<Connections>,
    ) -> Result<Self, NotHere> {
        let Ok(own) = OwnAddress::from_request_parts(parts, &()).await;
        let address = connections.address(&own)?;
        let ended = || NotHere::Ended(preferred_locale(&parts.headers));
        let cookie = COOKIE.of(&parts.headers, &address).ok_or_else(ended)?;
        let now = connections.clock.now();
        let found = connections.store.table().visit(&key_of(&cookie), now).await;
        let visit = found.map_err(refused)?.ok_or_else(ended)?;
        tracing::Span::current().record("tenant", visit.psu.client.as_str());
        let visit = connections.extended(visit, &cookie, now).await?;
        let settings = connections.store.table().settings(&visit.psu.client).await;
        Ok(Self {
            settings: settings.map_err(refused)?,
            psu: visit.psu.clone(),
            visit,
            cookie,
        })
    }
}

/// A form of a visit: whoever takes one cannot forget to check where it comes from.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) here: Here,
    fields: Vec<(String, String)>,
}

impl Answer {
    /// The first field of a name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut named = self.fields.iter().filter(|(known, _)| known == name);
        named.next().map(|(_, value)| value.as_str())
    }
}

impl FromRequest<Arc<Connections>> for Answer {
    type Rejection = NotHere;

    async fn from_request(
        request: Request,
        connections: &Arc<Connections>,
    ) -> Result<Self, NotHere> {
        require_own_page(request.headers())?;
        let (mut parts, body) = request.into_parts();
        let here = Here::from_request_parts(&mut parts, connections).await?;
        let Form(fields) = Form::from_request(Request::from_parts(parts, body), &()).await?;
        let answer = Self { here, fields };
        // Digests are compared, so that time tells nothing about what was expected.
        let given = Digest::of(answer.field(PROOF).unwrap_or_default());
        if given != Digest::of(&answer.here.proof()) {
            return Err(Problem::conflict("Open the page again and answer there.").into());
        }
        Ok(answer)
    }
}

/// Refuses a form that a browser says another site's page has sent.
///
/// # Errors
/// The `invalid-request` problem.
pub(crate) fn require_own_page(headers: &HeaderMap) -> Result<(), Problem> {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    match site {
        None | Some(b"same-origin" | b"none") => Ok(()),
        Some(_) => Err(Problem::new(Code::InvalidRequest)
            .with_detail("The forms of these pages are sent from these pages only.")),
    }
}

/// A visit that begins now: its cookie and the header that sets it.
pub(crate) fn begin(psu: Psu, address: &str, now: Timestamp) -> (Digest, Visit, HeaderValue) {
    let (cookie, header) = COOKIE.fresh(address);
    let visit = Visit {
        psu,
        started_at: now,
        until: later(now, IDLE),
    };
    (key_of(&cookie), visit, header)
}

/// "I am done": the visit ends and the browser forgets it.
pub(crate) async fn leave(
    State(connections): State<Arc<Connections>>,
    own: OwnAddress,
    answer: Answer,
) -> Result<Response, Problem> {
    let here = &answer.here;
    let ended = connections.store.table().end_visit(&here.key()).await;
    ended.map_err(refused)?;
    let mut page = pages::ending(here.psu.locale, Ending::Left, &Onward::Nowhere);
    let header = COOKIE.forgotten(&connections.address(&own)?);
    page.headers_mut().insert(SET_COOKIE, header);
    Ok(page)
}

/// The pages in another language, from now on.
pub(crate) async fn speak(
    State(connections): State<Arc<Connections>>,
    answer: Answer,
) -> Result<Response, Problem> {
    let wanted = answer.field("locale").and_then(|text| text.parse().ok());
    if let Some(locale) = wanted {
        let here = answer.here;
        let mut visit = here.visit.clone();
        visit.psu.locale = locale;
        let table = connections.store.table();
        let kept = table.keep_visit(&here.key(), &visit).await;
        kept.map_err(refused)?;
    }
    Ok(Place::Connections.go())
}

impl Connections {
    /// A visit that is used goes on, up to a day.
    async fn extended(
        &self,
        mut visit: Visit,
        cookie: &Private,
        now: Timestamp,
    ) -> Result<Visit, Problem> {
        let until = later(now, IDLE).min(later(visit.started_at, LONGEST));
        if visit.until.duration_since(now) < EXTEND_BELOW && visit.until < until {
            visit.until = until;
            let table = self.store.table();
            let kept = table.keep_visit(&key_of(cookie), &visit).await;
            kept.map_err(refused)?;
        }
        Ok(visit)
    }
}

fn later(moment: Timestamp, by: SignedDuration) -> Timestamp {
    moment.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forms_proof_is_of_its_cookie_and_is_not_the_key_it_is_kept_by() {
        let cookie = Private::new("a".repeat(64));
        assert_ne!(proof_of(&cookie), key_of(&cookie).as_str());
        assert_ne!(proof_of(&cookie), proof_of(&Private::new("b".repeat(64))));
    }

    #[test]
    fn a_form_of_another_site_is_refused() {
        let from = |site: &'static str| {
            let name = http::HeaderName::from_static("sec-fetch-site");
            require_own_page(&HeaderMap::from_iter([(
                name,
                HeaderValue::from_static(site),
            )]))
        };
        assert!(from("same-origin").is_ok() && from("none").is_ok());
        assert!(from("cross-site").is_err() && from("same-site").is_err());
        assert!(require_own_page(&HeaderMap::new()).is_ok());
    }
}
