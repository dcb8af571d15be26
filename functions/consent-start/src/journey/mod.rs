//! The hosted journey, one step per file. A step is shown (`GET`) or answered (`POST`, then 303).
//!
//! Steps are possible only while the consent is open; otherwise the person is led to
//! [`progress`], which says where things stand.
//!
//! A `GET` changes nothing, whoever sends it: a preview, a scanner, a reload. What is decided is decided
//! by a `POST`, and once somebody has left for the bank by the browser that left alone ([`hold`]).

pub(crate) mod bank;
mod confirming;
pub(crate) mod elsewhere;
mod hold;
pub(crate) mod leaving;
pub(crate) mod progress;
pub(crate) mod purposes;
pub(crate) mod reassurance;
mod standing;
pub(crate) mod texts;

use std::collections::BTreeSet;

use axum::response::{IntoResponse, Redirect, Response};
use passerelle_aws::table::Digest;
use passerelle_domain::Timestamp;
use passerelle_domain::consent::{Agreement, Consent, ConsentEvent, ConsentRefusal, Question};
use passerelle_domain::private::Private;
use passerelle_domain::purpose::PurposeCode;
use passerelle_domain::receipt::Actor;
use passerelle_domain::trace::Trace;
use passerelle_runtime::Problem;
use passerelle_runtime::pages::Brand;

use crate::{ConsentStart, refused};

/// A journey, where its consent stands and whose face it has.
#[derive(Debug)]
pub(crate) struct Journey {
    pub(crate) token: Private,
    pub(crate) consent: Consent,
    /// Which link of the consent leads here: 0 for the first journey, then the renewal's number.
    pub(crate) link_number: u32,
    pub(crate) brand: Brand,
}

impl Journey {
    /// The address of a step of this journey.
    pub(crate) fn step(&self, step: Step) -> String {
        let token = self.token.expose();
        match step {
            Step::Reassurance => format!("/journey/{token}"),
            Step::Continue => format!("/journey/{token}/continue"),
            Step::Decline => format!("/journey/{token}/decline"),
            Step::Bank => format!("/journey/{token}/bank"),
            Step::Purposes => format!("/journey/{token}/purposes"),
            Step::Leave => format!("/journey/{token}/leave"),
            Step::Progress => format!("/journey/{token}/progress"),
            Step::Elsewhere => format!("/journey/{token}/elsewhere"),
        }
    }

    /// Leads the person to a step.
    pub(crate) fn go_to(&self, step: Step) -> Response {
        Redirect::to(&self.step(step)).into_response()
    }

    /// What the person can still answer through this link. A link of before asks nothing any more.
    pub(crate) fn question(&self, now: Timestamp) -> Option<Question<'_>> {
        let current = self.link_number == self.consent.link_number();
        self.consent.question(now).filter(|_| current)
    }

    /// Reads the answer to the purposes question, through the link that asks.
    pub(crate) fn agree(
        &self,
        chosen: &BTreeSet<PurposeCode>,
        now: Timestamp,
    ) -> Result<Agreement, ConsentRefusal> {
        if self.link_number != self.consent.link_number() {
            return Err(ConsentRefusal::LinkExpired);
        }
        self.consent.agree(chosen, now)
    }

    /// Whether the person can still choose.
    pub(crate) fn is_open(&self, now: Timestamp) -> bool {
        self.question(now).is_some()
    }

    /// Whether this is a renewal: its bank is known.
    pub(crate) fn is_renewal(&self) -> bool {
        self.link_number > 0
    }
}

/// A step of the journey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Reassurance,
    Continue,
    Decline,
    Bank,
    Purposes,
    Leave,
    Progress,
    Elsewhere,
}

impl ConsentStart {
    /// The journey a link leads to.
    pub(crate) async fn journey(&self, token: Private) -> Result<Journey, Problem> {
        let link = Digest::of(token.expose());
        let stored = self
            .store
            .table()
            .consent_by_link(&link)
            .await
            .map_err(refused)?;
        let linked = stored.ok_or_else(Problem::not_found)?;
        let (consent, link_number) = (linked.consent, linked.number);
        let settings = self.settings(&consent.client).await?;
        let brand = Brand {
            name: consent.name_shown().to_owned(),
            ..Brand::of(&consent.client, &settings)
        };
        Ok(Journey {
            token,
            consent,
            link_number,
            brand,
        })
    }

    /// Applies what the person decided. `Err` inside is a decision that does not fit.
    pub(crate) async fn decide(
        &self,
        journey: &mut Journey,
        event: ConsentEvent,
    ) -> Result<Result<(), ConsentRefusal>, Problem> {
        if journey.link_number != journey.consent.link_number() {
            return Ok(Err(ConsentRefusal::LinkExpired));
        }
        let now = self.clock.now();
        match journey.consent.apply(event, now) {
            Ok(next) => {
                // Nothing is granted on these pages, so there is no receipt yet.
                let told = Trace::of(&journey.consent, &next, Actor::Psu, now).events;
                self.store
                    .table()
                    .save_consent(&next, &told, now)
                    .await
                    .map_err(refused)?;
                journey.consent = next;
                Ok(Ok(()))
            }
            Err(refusal) => Ok(Err(refusal)),
        }
    }
}
