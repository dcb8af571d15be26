//! Where things stand: waiting for the bank, reading, or one of the endings. Nothing is remembered for
//! this page; it is read from the consent, its latest attempt and its connection.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use passerelle_aws::Error;
use passerelle_aws::pages::History;
use passerelle_aws::table::Digest;
use passerelle_domain::Timestamp;
use passerelle_domain::authorisation::{Authorisation, AuthorisationStatus, FailureReason};
use passerelle_domain::connection::{Connection, ConnectionStatus};
use passerelle_domain::consent::{ConsentState, RejectionReason};
use passerelle_domain::ids::ConnectionId;
use passerelle_domain::locale::Locale;
use passerelle_domain::private::Private;
use passerelle_knowledge::{Analysis, Outcome};
use passerelle_runtime::{Browser, OwnAddress, Path, Problem, Query};
use serde::Deserialize;

use super::{Journey, Step};
use crate::pages::{Confirm, Ending, EndingPage, Progress, StepState, Steps};
use crate::{ConsentStart, refused};

/// From here on the page says that it takes longer than usual.
const USUAL: SignedDuration = SignedDuration::from_secs(60);

/// A return that shows no result by then was cut off.
const CUT_OFF: SignedDuration = SignedDuration::from_secs(90);

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
    let journey = consent_start.journey(token).await?;
    let still = looking.still.is_some();
    let browser = BrowserHere(browser.cookie(&consent_start.address(&own)?).cloned());
    match &journey.consent.state {
        ConsentState::Received { .. } => {
            consent_start
                .while_received(&journey, &browser, still)
                .await
        }
        ConsentState::Valid { connection, .. } => {
            consent_start
                .while_valid(&journey, connection, &browser, still)
                .await
        }
        ConsentState::Rejected {
            reason: RejectionReason::Declined,
            ..
        } => Ok(consent_start.ending(&journey, Ending::Refused, None)),
        ConsentState::Rejected {
            reason: RejectionReason::LinkExpired,
            ..
        }
        | ConsentState::Expired { .. }
        | ConsentState::RevokedByPsu { .. }
        | ConsentState::TerminatedByTpp { .. } => {
            Ok(consent_start.ending(&journey, Ending::LinkExpired, None))
        }
    }
}

/// "Yes, it was me": the return from another browser is carried on by the callback.
pub(crate) async fn confirm(
    State(consent_start): State<Arc<ConsentStart>>,
    Path(token): Path<Private>,
) -> Result<Response, Problem> {
    let journey = consent_start.journey(token).await?;
    let consent = &journey.consent;
    let latest = consent_start
        .store
        .table()
        .latest_authorisation(&consent.client, &consent.id);
    match latest.await.map_err(refused)? {
        Some((_, attempt)) => Ok(resume(&journey, &attempt)),
        None => Ok(journey.go_to(Step::Reassurance)),
    }
}

/// "No, it was not me": the parked code is used up unexchanged.
pub(crate) async fn not_me(
    State(consent_start): State<Arc<ConsentStart>>,
    Path(token): Path<Private>,
    own: OwnAddress,
    browser: Browser,
) -> Result<Response, Problem> {
    let journey = consent_start.journey(token).await?;
    let browser = BrowserHere(browser.cookie(&consent_start.address(&own)?).cloned());
    let consent = &journey.consent;
    let (store, now) = (&consent_start.store, consent_start.clock.now());
    let latest = store
        .table()
        .latest_authorisation(&consent.client, &consent.id)
        .await;
    if let Some((state, attempt)) = latest.map_err(refused)? {
        let parked = matches!(attempt.status, AuthorisationStatus::Returned { .. });
        if parked && is_same_browser(&attempt, &browser) {
            match store.claim_authorisation(&state, now).await {
                Ok(_) | Err(Error::Conflict) => {}
                Err(error) => return Err(refused(error)),
            }
            let failed = store
                .table()
                .fail_authorisation(&state, FailureReason::BankRefused, now);
            match failed.await {
                Ok(()) | Err(Error::Conflict) => {}
                Err(error) => return Err(refused(error)),
            }
        }
    }
    Ok(journey.go_to(Step::Bank))
}

/// The cookie of the browser that looks, where it has one.
struct BrowserHere(Option<Private>);

fn is_same_browser(attempt: &Authorisation, browser: &BrowserHere) -> bool {
    let cookie = browser.0.as_ref().map(Private::expose);
    cookie.is_some_and(|cookie| Digest::of(cookie).as_str() == attempt.browser)
}

fn resume(journey: &Journey, attempt: &Authorisation) -> Response {
    let token = journey.token.expose();
    let address = format!(
        "/v1/callback/{}/resume?journey={token}",
        attempt.institution
    );
    Redirect::to(&address).into_response()
}

impl ConsentStart {
    async fn while_received(
        &self,
        journey: &Journey,
        browser: &BrowserHere,
        still: bool,
    ) -> Result<Response, Problem> {
        let (consent, now) = (&journey.consent, self.clock.now());
        let open = journey.is_open(now);
        let again = open.then_some(Step::Bank);
        let latest = self
            .store
            .table()
            .latest_authorisation(&consent.client, &consent.id)
            .await;
        let Some((state, attempt)) = latest.map_err(refused)? else {
            return Ok(match open {
                true => journey.go_to(Step::Reassurance),
                false => self.ending(journey, Ending::LinkExpired, None),
            });
        };
        Ok(match attempt.status {
            AuthorisationStatus::Started if now >= attempt.expires_at => {
                self.ending(journey, Ending::TimedOut, again)
            }
            AuthorisationStatus::Started => {
                self.waiting(journey, waiting_for_bank(), attempt.started_at, still)
            }
            AuthorisationStatus::Refused { by_psu: true, .. } => {
                self.ending(journey, Ending::Refused, again)
            }
            AuthorisationStatus::Refused { by_psu: false, .. } => {
                self.ending(journey, Ending::TimedOut, again)
            }
            AuthorisationStatus::Returned { .. } if is_same_browser(&attempt, browser) => {
                self.confirm_page(journey)
            }
            AuthorisationStatus::Returned { .. } => {
                self.waiting(journey, waiting_for_bank(), attempt.started_at, still)
            }
            AuthorisationStatus::Claimed { at } => {
                self.while_claimed(journey, &state, &attempt, at, still)
                    .await?
            }
            AuthorisationStatus::Failed {
                reason: FailureReason::BankUnavailable,
                ..
            } => self.ending(journey, Ending::BankUnavailable, again),
            AuthorisationStatus::Failed {
                reason: FailureReason::BankRefused,
                ..
            } => self.ending(journey, Ending::Refused, again),
            AuthorisationStatus::Completed { .. } => {
                self.waiting(journey, waiting_for_bank(), attempt.started_at, still)
            }
        })
    }

    /// A return is being worked on, stopped after its exchange, or was cut off before it.
    async fn while_claimed(
        &self,
        journey: &Journey,
        state: &Digest,
        attempt: &Authorisation,
        claimed_at: Timestamp,
        still: bool,
    ) -> Result<Response, Problem> {
        let now = self.clock.now();
        let waited = now.duration_since(claimed_at);
        if self
            .store
            .exchanged(state, now)
            .await
            .map_err(refused)?
            .is_some()
        {
            // Straight to the callback once; then the page waits, so that a bank that has not
            // finished is not asked without pause.
            let just_now = waited < SignedDuration::from_secs(4);
            return Ok(match just_now {
                true => self.waiting(journey, waiting_for_bank(), claimed_at, still),
                false => resume(journey, attempt),
            });
        }
        Ok(match waited < CUT_OFF {
            true => self.waiting(journey, waiting_for_bank(), claimed_at, still),
            false => self.ending(journey, Ending::Interrupted, Some(Step::Bank)),
        })
    }

    async fn while_valid(
        &self,
        journey: &Journey,
        id: &ConnectionId,
        browser: &BrowserHere,
        still: bool,
    ) -> Result<Response, Problem> {
        let found = self
            .store
            .table()
            .connection(&journey.consent.client, id)
            .await;
        let Some((connection, _)) = found.map_err(refused)? else {
            return Ok(self.ending(journey, Ending::AlreadyDone, None));
        };
        let since = connection.created_at;
        Ok(match &connection.status {
            ConnectionStatus::Connected => self.waiting(journey, reading(), since, still),
            ConnectionStatus::Active { .. } => {
                self.after_reading(journey, &connection, browser, still)
                    .await?
            }
            ConnectionStatus::NoEligibleAccount { reason, .. } => {
                self.ending(journey, Ending::NoEligibleAccount(*reason), None)
            }
            ConnectionStatus::ReauthenticationNeeded { .. } => {
                self.ending(journey, Ending::Refused, None)
            }
            ConnectionStatus::Closed { .. } => self.ending(journey, Ending::LinkExpired, None),
        })
    }

    /// Read: analysed as well? What was found is shown in the browser that left for the bank only.
    async fn after_reading(
        &self,
        journey: &Journey,
        connection: &Connection,
        browser: &BrowserHere,
        still: bool,
    ) -> Result<Response, Problem> {
        let (client, now) = (&connection.client, self.clock.now());
        let score = self
            .store
            .score::<Analysis>(client, &connection.customer, now)
            .await;
        let score = score
            .map_err(refused)?
            .filter(|it| it.connections.contains(&connection.id));
        let Some(score) = score else {
            return Ok(self.waiting(journey, analysing(), connection.created_at, still));
        };
        let consent = &journey.consent;
        let latest = self
            .store
            .table()
            .latest_authorisation(client, &consent.id)
            .await;
        let mine = latest
            .map_err(refused)?
            .is_some_and(|(_, it)| is_same_browser(&it, browser));
        if !mine {
            return Ok(self.ending(journey, Ending::AlreadyDone, None));
        }
        let history = self
            .store
            .history(client, &connection.id, now)
            .await
            .map_err(refused)?;
        let Some(history) = history else {
            return Ok(self.ending(journey, Ending::AlreadyDone, None));
        };
        Ok(self.ending(
            journey,
            done(&history, &score.analysis, consent.locale),
            None,
        ))
    }

    fn waiting(&self, journey: &Journey, steps: Steps, since: Timestamp, still: bool) -> Response {
        let here = journey.step(Step::Progress);
        Progress {
            locale: journey.consent.locale,
            bank_name: self.bank_name(journey).unwrap_or_default(),
            steps,
            takes_long: self.clock.now().duration_since(since) > USUAL,
            refreshes: !still,
            still_at: format!("{here}?still=yes"),
            refreshing_at: here,
        }
        .page()
    }

    fn confirm_page(&self, journey: &Journey) -> Response {
        Confirm {
            locale: journey.consent.locale,
            client_name: journey.brand().to_owned(),
            bank_name: self.bank_name(journey).unwrap_or_default(),
            confirm_at: journey.step(Step::Confirm),
            refuse_at: journey.step(Step::NotMe),
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
            client_name: journey.brand().to_owned(),
            bank_name: self.bank_name(journey),
            ending,
            again_at: again.map(|step| journey.step(step)),
            return_to: journey.consent.return_url.clone(),
        }
        .page()
    }
}

fn steps(states: [StepState; 4]) -> Steps {
    let [connected, accounts, transactions, analysed] = states;
    Steps {
        connected,
        accounts,
        transactions,
        analysed,
    }
}

fn waiting_for_bank() -> Steps {
    use StepState::{Doing, Waiting};
    steps([Doing, Waiting, Waiting, Waiting])
}

fn reading() -> Steps {
    use StepState::{Doing, Done, Waiting};
    steps([Done, Doing, Waiting, Waiting])
}

fn analysing() -> Steps {
    use StepState::{Doing, Done};
    steps([Done, Done, Done, Doing])
}

fn done(history: &History, analysis: &Analysis, locale: Locale) -> Ending {
    let band = analysis.scores.iter().find_map(|card| match &card.outcome {
        Outcome::Scored(score) => Some(match locale {
            Locale::Fr => score.band_name.fr.clone(),
            Locale::En => score.band_name.en.clone(),
        }),
        Outcome::InsufficientData { .. } => None,
    });
    Ending::Done {
        accounts: history.accounts.len(),
        transactions: history
            .accounts
            .iter()
            .map(|account| account.booked.len())
            .sum(),
        band,
        until: history
            .connection
            .consent_until
            .to_zoned(TimeZone::UTC)
            .date(),
    }
}
