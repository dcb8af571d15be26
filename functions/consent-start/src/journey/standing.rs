//! Where a journey stands, read from the consent, its latest attempt and its connection. Nothing is
//! remembered for this.

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use passerelle_aws::pages::History;
use passerelle_aws::table::Digest;
use passerelle_domain::Timestamp;
use passerelle_domain::authorisation::{Authorisation, AuthorisationStatus, FailureReason};
use passerelle_domain::connection::{Connection, ConnectionStatus};
use passerelle_domain::consent::{ConsentState, RejectionReason, Renewal, RenewalAnswer};
use passerelle_domain::ids::ConnectionId;
use passerelle_domain::locale::Locale;
use passerelle_domain::private::Private;
use passerelle_knowledge::{Analysis, Outcome};
use passerelle_runtime::Problem;

use super::{Journey, Step};
use crate::pages::{Ending, StepState, Steps};
use crate::{ConsentStart, refused};

/// A return that shows no result by then was cut off.
const CUT_OFF: SignedDuration = SignedDuration::from_secs(90);

/// A bank that has not finished is not asked without pause.
const BETWEEN_ASKING: SignedDuration = SignedDuration::from_secs(4);

/// Where a journey stands.
#[derive(Debug)]
pub(super) enum Standing {
    /// Nothing was decided that could be waited for.
    NotBegun,
    /// The person is at the bank, since then.
    AtBank(Timestamp),
    /// The work is ours, since then.
    Working(Steps, Timestamp),
    /// The bank answered in another browser; this is the one that left for it.
    ToConfirm,
    /// A return stopped after its exchange, or the bank had not decided yet: the callback carries it
    /// on. With the moment it came back.
    Stopped(Authorisation, Timestamp),
    /// It ended, with the step that starts again where that makes sense.
    Over(Ending, Option<Step>),
}

/// Whether an attempt was started in the browser with this cookie.
pub(super) fn is_same_browser(attempt: &Authorisation, cookie: Option<&Private>) -> bool {
    cookie.is_some_and(|cookie| Digest::of(cookie.expose()).as_str() == attempt.browser)
}

impl ConsentStart {
    /// Where the journey stands, for the browser with this cookie.
    pub(super) async fn standing(
        &self,
        journey: &Journey,
        cookie: Option<&Private>,
    ) -> Result<Standing, Problem> {
        match &journey.consent.state {
            ConsentState::Received { .. } => self.while_asked(journey, cookie).await,
            ConsentState::Valid {
                connection,
                renewal,
                ..
            } => match this_renewal(journey, renewal.as_ref()) {
                Some(RenewalAnswer::Asked | RenewalAnswer::Chosen { .. }) => {
                    self.while_asked(journey, cookie).await
                }
                Some(RenewalAnswer::Declined { .. }) => Ok(over(Ending::Refused)),
                Some(RenewalAnswer::Done { .. }) | None => {
                    self.while_valid(journey, connection, cookie).await
                }
            },
            ConsentState::Rejected { reason, .. } => Ok(over(match reason {
                RejectionReason::Declined => Ending::Refused,
                RejectionReason::LinkExpired => Ending::LinkExpired,
            })),
            ConsentState::Expired { .. } => Ok(over(Ending::ConsentExpired)),
            ConsentState::RevokedByPsu { .. } => Ok(over(Ending::Withdrawn)),
            ConsentState::TerminatedByTpp { .. } => Ok(over(Ending::Ended)),
        }
    }

    /// A question is open, or its link is over: the latest attempt through this link tells.
    async fn while_asked(
        &self,
        journey: &Journey,
        cookie: Option<&Private>,
    ) -> Result<Standing, Problem> {
        let (consent, now) = (&journey.consent, self.clock.now());
        let open = journey.is_open(now);
        let again = open.then_some(Step::Bank);
        let table = self.store.table();
        let latest = table.latest_authorisation(&consent.client, &consent.id);
        let latest = latest.await.map_err(refused)?;
        let latest = latest.filter(|(_, attempt)| attempt.link_number == journey.link_number);
        let Some((state, attempt)) = latest else {
            return Ok(match open {
                true => Standing::NotBegun,
                false => over(Ending::LinkExpired),
            });
        };
        let at_bank = Standing::AtBank(attempt.started_at);
        Ok(match attempt.status {
            AuthorisationStatus::Started if now >= attempt.expires_at => {
                Standing::Over(Ending::TimedOut, again)
            }
            AuthorisationStatus::Started | AuthorisationStatus::Completed { .. } => at_bank,
            AuthorisationStatus::Refused { by_psu: true, .. } => {
                Standing::Over(Ending::Refused, again)
            }
            AuthorisationStatus::Refused { by_psu: false, .. } => {
                Standing::Over(Ending::TimedOut, again)
            }
            AuthorisationStatus::Returned { .. } if is_same_browser(&attempt, cookie) => {
                Standing::ToConfirm
            }
            AuthorisationStatus::Returned { .. } => at_bank,
            AuthorisationStatus::Claimed { at } => self.while_claimed(&state, attempt, at).await?,
            AuthorisationStatus::Failed { reason, .. } => {
                let ending = match reason {
                    FailureReason::BankUnavailable => Ending::BankUnavailable,
                    FailureReason::BankRefused => Ending::Refused,
                };
                Standing::Over(ending, again)
            }
        })
    }

    /// A return is being worked on, stopped after its exchange, or was cut off before it.
    async fn while_claimed(
        &self,
        state: &Digest,
        attempt: Authorisation,
        claimed_at: Timestamp,
    ) -> Result<Standing, Problem> {
        let now = self.clock.now();
        let waited = now.duration_since(claimed_at);
        let exchanged = self.store.exchanged(state, now).await.map_err(refused)?;
        Ok(match exchanged {
            Some(_) if waited >= BETWEEN_ASKING => Standing::Stopped(attempt, claimed_at),
            None if waited >= CUT_OFF => Standing::Over(Ending::Interrupted, Some(Step::Bank)),
            _ => Standing::Working(waiting_for_bank(), claimed_at),
        })
    }

    async fn while_valid(
        &self,
        journey: &Journey,
        id: &ConnectionId,
        cookie: Option<&Private>,
    ) -> Result<Standing, Problem> {
        let table = self.store.table();
        let found = table.connection(&journey.consent.client, id).await;
        let Some((connection, _)) = found.map_err(refused)? else {
            return Ok(over(Ending::AlreadyDone));
        };
        Ok(match &connection.status {
            ConnectionStatus::Connected => {
                let listed = table.are_accounts_listed(&connection.client, id).await;
                let steps = match listed.map_err(refused)? {
                    true => reading_transactions(),
                    false => reading_accounts(),
                };
                Standing::Working(steps, connection.created_at)
            }
            ConnectionStatus::Active { .. } => {
                self.after_reading(journey, &connection, cookie).await?
            }
            ConnectionStatus::NoEligibleAccount { reason, .. } => {
                over(Ending::NoEligibleAccount(*reason))
            }
            ConnectionStatus::ReauthenticationNeeded { .. } => over(Ending::BankAsksAgain),
            ConnectionStatus::Closed { .. } => over(Ending::Ended),
        })
    }

    /// Read: analysed as well? What was found is shown in the browser that left for the bank only.
    async fn after_reading(
        &self,
        journey: &Journey,
        connection: &Connection,
        cookie: Option<&Private>,
    ) -> Result<Standing, Problem> {
        let (client, now) = (&connection.client, self.clock.now());
        let score = self
            .store
            .score::<Analysis>(client, &connection.customer, now);
        let score = score.await.map_err(refused)?;
        let Some(score) = score.filter(|it| it.connections.contains(&connection.id)) else {
            return Ok(Standing::Working(analysing(), connection.created_at));
        };
        let consent = &journey.consent;
        let table = self.store.table();
        let latest = table.latest_authorisation(client, &consent.id).await;
        let latest = latest.map_err(refused)?;
        if !latest.is_some_and(|(_, it)| is_same_browser(&it, cookie)) {
            return Ok(over(Ending::AlreadyDone));
        }
        let history = self.store.history(client, &connection.id, now).await;
        Ok(over(match history.map_err(refused)? {
            Some(history) => done(&history, &score.analysis, consent.locale),
            None => Ending::AlreadyDone,
        }))
    }
}

/// The answer to the renewal this link asks for; `None` for another link.
fn this_renewal<'a>(journey: &Journey, renewal: Option<&'a Renewal>) -> Option<&'a RenewalAnswer> {
    let renewal = renewal.filter(|renewal| renewal.number == journey.link_number)?;
    Some(&renewal.answer)
}

/// An ending after which this link leads nowhere else.
fn over(ending: Ending) -> Standing {
    Standing::Over(ending, None)
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

/// Nothing of it happened yet.
pub(super) fn waiting_for_bank() -> Steps {
    use StepState::{Doing, Waiting};
    steps([Doing, Waiting, Waiting, Waiting])
}

fn reading_accounts() -> Steps {
    use StepState::{Doing, Done, Waiting};
    steps([Done, Doing, Waiting, Waiting])
}

fn reading_transactions() -> Steps {
    use StepState::{Doing, Done, Waiting};
    steps([Done, Done, Doing, Waiting])
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
