//! The way to the bank: an attempt is opened there and stored, then the person gets the bank's link.
//!
//! The attempt is opened by a `POST` and shown by a `GET`, so that neither a reload nor a preview opens
//! another, and a form never ends at the bank (see `passerelle_runtime::pages`). The link is shown in the
//! browser that asked for it alone: sent to somebody else, it would bind their bank to this journey. What
//! the person agreed to is fixed in the attempt: it is what the bank's yes will grant.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use http::header::SET_COOKIE;
use http::request::Parts;
use jiff::{SignedDuration, Timestamp};
use passerelle_aws::Error;
use passerelle_aws::authorisations::Departure;
use passerelle_aws::table::Digest;
use passerelle_banks::{AuthorisationRequest, DirectoryEntry, ScaApproach, WayToBank};
use passerelle_domain::authorisation::{Authorisation, AuthorisationStatus};
use passerelle_domain::call_context::CallContext;
use passerelle_domain::consent::Agreement;
use passerelle_domain::ids::{AuthorisationId, ConnectionId};
use passerelle_domain::private::Private;
use passerelle_runtime::{
    Browser, Invocation, OwnAddress, Path, Problem, StartError, Visitor, entropy, fresh_secret,
};

use super::hold::Hold;
use super::purposes::chosen_bank;
use super::{Journey, Step};
use crate::pages::{AtBank, Ending, Way};
use crate::{ConsentStart, refused};

/// How long a return from the bank is accepted.
const ATTEMPT_LIFETIME: SignedDuration = SignedDuration::from_mins(15);

/// Who is about to leave: their device, their browser, and the address they came by.
#[derive(Debug)]
pub(crate) struct Traveller {
    visitor: Visitor,
    browser: Browser,
    own: OwnAddress,
    context: CallContext,
}

impl<S: Send + Sync> FromRequestParts<S> for Traveller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let visitor = Visitor::from_request_parts(parts, state).await?;
        let Ok(browser) = Browser::from_request_parts(parts, state).await;
        let Ok(own) = OwnAddress::from_request_parts(parts, state).await;
        let Ok(Invocation(context)) = Invocation::from_request_parts(parts, state).await;
        Ok(Self {
            visitor,
            browser,
            own,
            context,
        })
    }
}

/// The bank's link, in the browser that asked for it.
pub(crate) async fn show(
    State(consent_start): State<Arc<ConsentStart>>,
    Path(token): Path<Private>,
    own: OwnAddress,
    browser: Browser,
) -> Result<Response, Problem> {
    let journey = consent_start.journey(token).await?;
    let now = consent_start.clock.now();
    if !journey.is_open(now) {
        return Ok(journey.go_to(Step::Progress));
    }
    let cookie = consent_start.cookie(&journey, &browser, &own)?;
    let (state, attempt) = match consent_start.hold(&journey, cookie.as_ref()).await? {
        Hold::Mine(state, attempt) => (state, attempt),
        Hold::Free(_) => return Ok(journey.go_to(Step::Purposes)),
        Hold::Elsewhere(_) => return Ok(journey.go_to(Step::Progress)),
    };
    let bank = match consent_start.chosen_entry(&journey) {
        Some(bank) if bank.institution.id == attempt.institution => bank,
        Some(_) => return Ok(journey.go_to(Step::Purposes)),
        None => return Ok(journey.go_to(Step::Bank)),
    };
    if !matches!(attempt.status, AuthorisationStatus::Started) {
        return Ok(journey.go_to(Step::Progress));
    }
    let way = consent_start.store.way_to_bank(&state, now).await;
    match way.map_err(refused)? {
        Some(way) => {
            let texts = consent_start.purpose_texts(&journey.consent).await?;
            let ticked = attempt.agreed.purposes.keys();
            let titles = ticked.filter_map(|code| Some(texts.get(code)?.title.clone()));
            Ok(at_bank(&journey, bank, &way, titles.collect())?.page())
        }
        None => Ok(journey.go_to(Step::Progress)),
    }
}

/// Another attempt at the bank chosen before, to what was agreed to before: the link was used up, or its
/// time is over.
pub(crate) async fn ask_again(
    State(consent_start): State<Arc<ConsentStart>>,
    Path(token): Path<Private>,
    traveller: Traveller,
) -> Result<Response, Problem> {
    let journey = consent_start.journey(token).await?;
    let cookie = consent_start.cookie(&journey, &traveller.browser, &traveller.own)?;
    match consent_start.hold(&journey, cookie.as_ref()).await? {
        Hold::Mine(_, attempt) => {
            consent_start
                .set_out(&journey, attempt.agreed, &traveller)
                .await
        }
        Hold::Free(_) => Ok(journey.go_to(Step::Purposes)),
        Hold::Elsewhere(_) => Ok(journey.go_to(Step::Progress)),
    }
}

/// Who leaves, from where, to which bank, in which browser, having agreed to what.
struct Leaving<'a> {
    journey: &'a Journey,
    bank: &'a DirectoryEntry,
    address: &'a str,
    cookie: &'a Private,
    agreed: Agreement,
    /// The attempt that stood when the person left.
    seen: Option<&'a Digest>,
}

/// What came of opening an attempt.
enum Opened {
    /// The person can leave.
    Waits,
    /// The bank cannot be reached.
    BankUnavailable,
    /// Another browser was faster.
    Elsewhere,
}

impl ConsentStart {
    fn chosen_entry(&self, journey: &Journey) -> Option<&DirectoryEntry> {
        self.banks.directory().get(chosen_bank(journey)?)
    }

    /// Opens an attempt at the bank, if everything before it is answered, and leads to its link.
    pub(super) async fn set_out(
        &self,
        journey: &Journey,
        agreed: Agreement,
        traveller: &Traveller,
    ) -> Result<Response, Problem> {
        if !journey.is_open(self.clock.now()) {
            return Ok(journey.go_to(Step::Progress));
        }
        let Some(bank) = self.chosen_entry(journey) else {
            return Ok(journey.go_to(Step::Bank));
        };
        let address = self.address(&traveller.own)?;
        let known = self.cookie(journey, &traveller.browser, &traveller.own)?;
        let hold = self.hold(journey, known.as_ref()).await?;
        if !hold.may_change() {
            return Ok(journey.go_to(Step::Progress));
        }
        // A cookie that was there before this browser first left could be of somebody else's making.
        let (cookie, set_cookie) = match (&hold, known) {
            (Hold::Mine(..), Some(cookie)) => (cookie, None),
            _ => {
                let (cookie, header) = Browser::fresh(&address, &journey.consent.id);
                (cookie, Some(header))
            }
        };
        let leaving = Leaving {
            journey,
            bank,
            address: &address,
            cookie: &cookie,
            agreed,
            seen: hold.seen(),
        };
        let mut response = match self.open_attempt(&leaving, traveller).await? {
            Opened::Waits => journey.go_to(Step::Leave),
            Opened::Elsewhere => return Ok(journey.go_to(Step::Progress)),
            Opened::BankUnavailable => {
                self.ending(journey, Ending::BankUnavailable, Some(Step::Bank))
            }
        };
        if let Some(header) = set_cookie {
            response.headers_mut().insert(SET_COOKIE, header);
        }
        Ok(response)
    }

    /// Opens an attempt at the bank and stores it.
    async fn open_attempt(
        &self,
        leaving: &Leaving<'_>,
        traveller: &Traveller,
    ) -> Result<Opened, Problem> {
        let now = self.clock.now();
        let state = fresh_secret();
        let request = self.bank_request(leaving, &state, traveller, now)?;
        let institution = &leaving.bank.institution.id;
        let started = match self.banks.connector(institution) {
            Ok(connector) => connector.start_authorisation(&request).await,
            Err(error) => Err(error),
        };
        let started = match started {
            Ok(started) => started,
            Err(error) => {
                tracing::warn!(%error, bank = %institution, "no attempt could be opened");
                return Ok(Opened::BankUnavailable);
            }
        };
        let (attempt, digest) = (attempt(leaving, now), Digest::of(state.expose()));
        let departure = Departure {
            secrets: &started.secrets.to_bytes(),
            way: &started.way.to_text(),
        };
        let (store, seen) = (&self.store, leaving.seen);
        let stored = store.start_authorisation(&attempt, &digest, &departure, seen, now);
        match stored.await {
            Ok(()) => {
                tracing::info!(authorisation = %attempt.id, bank = %institution, "the person leaves for the bank");
                Ok(Opened::Waits)
            }
            Err(Error::Conflict) => Ok(Opened::Elsewhere),
            Err(error) => Err(refused(error)),
        }
    }

    fn bank_request(
        &self,
        leaving: &Leaving<'_>,
        state: &Private,
        traveller: &Traveller,
        now: Timestamp,
    ) -> Result<AuthorisationRequest, Problem> {
        let institution = &leaving.bank.institution.id;
        let redirect = format!("{}/v1/callback/{institution}", leaving.address);
        let redirect_uri = redirect.parse().map_err(|_| {
            let expected = "an absolute address";
            Problem::internal(&StartError::Unreadable {
                name: "PUBLIC_URL",
                expected,
            })
        })?;
        Ok(AuthorisationRequest {
            state: state.clone(),
            code_verifier: fresh_secret(),
            redirect_uri,
            psu: traveller.visitor.attended(now),
            valid_until: leaving
                .bank
                .institution
                .end_to_ask(leaving.journey.consent.duration, now),
            context: traveller.context.clone(),
            now,
        })
    }
}

fn attempt(leaving: &Leaving<'_>, now: Timestamp) -> Authorisation {
    let consent = &leaving.journey.consent;
    let question = leaving.journey.question(now);
    let renewed = question.and_then(|question| question.connection.cloned());
    Authorisation {
        id: AuthorisationId::from_entropy(entropy()),
        client: consent.client.clone(),
        consent: consent.id.clone(),
        institution: leaving.bank.institution.id.clone(),
        connection: renewed.unwrap_or_else(|| ConnectionId::from_entropy(entropy())),
        agreed: leaving.agreed.clone(),
        browser: Digest::of(leaving.cookie.expose()).as_str().to_owned(),
        started_at: now,
        expires_at: now.checked_add(ATTEMPT_LIFETIME).unwrap_or(now),
        status: AuthorisationStatus::Started,
    }
}

fn at_bank(
    journey: &Journey,
    bank: &DirectoryEntry,
    way: &Private,
    purposes: Vec<String>,
) -> Result<AtBank, Problem> {
    let leads = WayToBank::from_text(way.expose()).map_err(|error| Problem::internal(&error))?;
    let way = match leads.approach {
        ScaApproach::Redirect => Way::ThePage {
            host: leads.href.host_str().unwrap_or_default().to_owned(),
        },
        ScaApproach::Decoupled { message } => Way::AnotherDevice { message },
    };
    Ok(AtBank {
        locale: journey.consent.locale,
        brand: journey.brand.clone(),
        bank_name: bank.institution.name.clone(),
        purposes,
        way,
        href: leads.href.into(),
        ask_again_at: journey.step(Step::Leave),
        elsewhere_at: journey.step(Step::Elsewhere),
        other_bank: journey.step(Step::Bank),
        progress: journey.step(Step::Progress),
    })
}
