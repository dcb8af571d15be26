//! Where a journey stands, read from the consent, its latest attempt and its connection. Nothing is
//! remembered for this.

use jiff::tz::TimeZone;
use passerelle_aws::pages::History;
use passerelle_domain::Timestamp;
use passerelle_domain::authorisation::{Authorisation, AuthorisationStatus, FailureReason};
use passerelle_domain::connection::{Connection, ConnectionStatus};
use passerelle_domain::consent::{ConsentState, RejectionReason, Renewal, RenewalAnswer};
use passerelle_domain::ids::ConnectionId;
use passerelle_domain::locale::Locale;
use passerelle_domain::private::Private;
use passerelle_domain::purpose::DataClass;
use passerelle_knowledge::{Analysis, Outcome};
use passerelle_runtime::Problem;

use super::hold::Hold;
use super::{Journey, Step};
use crate::pages::{AnalysisResult, Ending, StepState, Steps};
use crate::{ConsentStart, refused};

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
    ToConfirm(Authorisation),
    /// A return stopped half-way, or the bank had not decided yet: the callback carries it on when the
    /// person says so. With the moment it came back.
    Stopped(Authorisation, Timestamp),
    /// It ended, with the step that starts again where that makes sense.
    Over(Ending, Option<Step>),
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
                Some(RenewalAnswer::Asked) => self.while_asked(journey, cookie).await,
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
        let now = self.clock.now();
        let open = journey.is_open(now);
        let hold = self.hold(journey, cookie).await?;
        let again = (open && hold.may_change()).then_some(Step::Bank);
        let (attempt, mine) = match hold {
            Hold::Mine(_, attempt) => (*attempt, true),
            Hold::Elsewhere(attempt) => (*attempt, false),
            Hold::Free(_) => match self.ended_attempt(journey).await? {
                Some(attempt) => (attempt, false),
                None if open => return Ok(Standing::NotBegun),
                None => return Ok(over(Ending::LinkExpired)),
            },
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
            AuthorisationStatus::Returned { .. } if now >= attempt.expires_at => {
                Standing::Over(Ending::TimedOut, again)
            }
            AuthorisationStatus::Returned { .. } if mine => Standing::ToConfirm(attempt),
            AuthorisationStatus::Returned { .. } => at_bank,
            AuthorisationStatus::Claimed { at } if mine && attempt.is_claimable(now) => {
                Standing::Stopped(attempt, at)
            }
            AuthorisationStatus::Claimed { .. } if now >= attempt.expires_at => {
                Standing::Over(Ending::Interrupted, again)
            }
            AuthorisationStatus::Exchanged { at } if mine => Standing::Stopped(attempt, at),
            AuthorisationStatus::Claimed { at } | AuthorisationStatus::Exchanged { at } => {
                Standing::Working(waiting_for_bank(), at)
            }
            AuthorisationStatus::Failed { reason, .. } => {
                Standing::Over(after_failure(reason), again)
            }
        })
    }

    /// The latest attempt through this link, which is over.
    async fn ended_attempt(&self, journey: &Journey) -> Result<Option<Authorisation>, Problem> {
        let (consent, table) = (&journey.consent, self.store.table());
        let latest = table.latest_authorisation(&consent.client, &consent.id);
        let latest = latest.await.map_err(refused)?;
        let ended = latest.through_link(journey.link_number);
        Ok(ended.map(|(_, attempt)| attempt))
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
            // What was read before a renewal may be another person's: the renewal's own reading is waited for.
            ConnectionStatus::Active { last_synced_at, .. }
                if renewed_at(journey).is_some_and(|at| is_earlier(*last_synced_at, at)) =>
            {
                Standing::Working(reading_transactions(), connection.created_at)
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
        let consent = &journey.consent;
        let result = match consent.justifies(DataClass::Scores) {
            false => AnalysisResult::NotAsked,
            true => {
                let scores = self
                    .store
                    .scores::<Analysis>(client, &connection.customer, now);
                let mut scores = scores.await.map_err(refused)?.into_iter();
                let Some(score) = scores.find(|it| it.connections.contains(&connection.id)) else {
                    return Ok(Standing::Working(analysing(), connection.created_at));
                };
                match renewed_at(journey).is_some_and(|at| is_earlier(score.computed_at, at)) {
                    // Nothing was learned since: what was learned before is not repeated.
                    true => AnalysisResult::NotAsked,
                    false => result_of(&score.analysis, consent.locale),
                }
            }
        };
        if !matches!(self.hold(journey, cookie).await?, Hold::Mine(..)) {
            return Ok(over(Ending::AlreadyDone));
        }
        let history = self.store.history(client, &connection.id, now).await;
        Ok(over(match history.map_err(refused)? {
            Some(history) => done(&history, result),
            None => Ending::AlreadyDone,
        }))
    }
}

/// When the renewal of this link was done.
fn renewed_at(journey: &Journey) -> Option<Timestamp> {
    let ConsentState::Valid { renewal, .. } = &journey.consent.state else {
        return None;
    };
    match this_renewal(journey, renewal.as_ref()) {
        Some(RenewalAnswer::Done { at }) => Some(*at),
        _ => None,
    }
}

/// Whether something stored in whole seconds happened before a moment.
fn is_earlier(stored: Timestamp, at: Timestamp) -> bool {
    stored.as_second() < at.as_second()
}

/// The answer to the renewal this link asks for; `None` for another link.
fn this_renewal<'a>(journey: &Journey, renewal: Option<&'a Renewal>) -> Option<&'a RenewalAnswer> {
    let renewal = renewal.filter(|renewal| renewal.number == journey.link_number)?;
    Some(&renewal.answer)
}

/// What an attempt that came to nothing means to the person.
fn after_failure(reason: FailureReason) -> Ending {
    match reason {
        FailureReason::BankUnavailable => Ending::BankUnavailable,
        FailureReason::BankRefused => Ending::Refused,
        FailureReason::NotConfirmed => Ending::NotConfirmed,
        FailureReason::NoLongerAsked | FailureReason::ReturnRefused => Ending::Interrupted,
        FailureReason::Abandoned => Ending::TimedOut,
    }
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

fn result_of(analysis: &Analysis, locale: Locale) -> AnalysisResult {
    let band = analysis.scores.iter().find_map(|card| match &card.outcome {
        Outcome::Scored(score) => Some(match locale {
            Locale::Fr => score.band_name.fr.clone(),
            Locale::En => score.band_name.en.clone(),
        }),
        Outcome::InsufficientData { .. } => None,
    });
    band.map_or(AnalysisResult::TooShort, AnalysisResult::Band)
}

fn done(history: &History, result: AnalysisResult) -> Ending {
    Ending::Done {
        accounts: history.accounts.len(),
        transactions: history
            .accounts
            .iter()
            .map(|account| account.booked.len())
            .sum(),
        result,
        until: history
            .connection
            .consent_until
            .to_zoned(TimeZone::UTC)
            .date(),
    }
}
