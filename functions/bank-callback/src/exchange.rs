//! From a code to a connection that stands, in steps that each survive a crash.

use passerelle_aws::Error;
use passerelle_aws::authorisations::{ClaimedAttempt, Completion, ExchangedAttempt, ParkedReturn};
use passerelle_aws::table::Digest;
use passerelle_banks::{Access, AttemptSecrets, BankConsent, BankError, OpenToken};
use passerelle_domain::Timestamp;
use passerelle_domain::authorisation::FailureReason;
use passerelle_domain::call_budget::{CallRule, PsuPresence};
use passerelle_domain::call_context::CallContext;
use passerelle_domain::consent::{Consent, ConsentEvent, ConsentState};
use passerelle_domain::ids::InstitutionId;
use passerelle_runtime::{Problem, Work};
use url::Url;

use crate::visit::Visit;
use crate::{BankCallback, pages};

/// What a browser brought back.
pub(crate) struct Returned {
    pub(crate) state: Digest,
    /// What was in hand, unless it was parked with the attempt before.
    pub(crate) answer: Option<ParkedReturn>,
}

/// A consent the bank has made valid.
struct Authorised {
    before: Consent,
    consent: Consent,
    /// Whether it was valid before: then its connection goes on.
    renews: bool,
}

impl BankCallback {
    /// Claims the attempt, exchanges what was brought back and makes the connection stand. A return
    /// that was used before changes nothing. Says where the bank wants the person next, if it does.
    pub(crate) async fn connect(
        &self,
        returned: Returned,
        visit: &Visit,
    ) -> Result<Option<Url>, Problem> {
        let claimed = match self
            .store
            .claim_authorisation(&returned.state, self.clock.now())
            .await
        {
            Ok(claimed) => claimed,
            Err(Error::Conflict) => return Ok(None),
            Err(error) => return Err(pages::refused(error)),
        };
        match self.exchange(&claimed, &returned, visit).await? {
            Some(exchanged) => self.finish(exchanged, &returned.state, visit).await,
            None => Ok(None),
        }
    }

    /// Exchanges the code; `None` when the bank refused, which the attempt then says.
    async fn exchange(
        &self,
        claimed: &ClaimedAttempt,
        returned: &Returned,
        visit: &Visit,
    ) -> Result<Option<ExchangedAttempt>, Problem> {
        let now = self.clock.now();
        let attempt = &claimed.authorisation;
        let answer = returned.answer.as_ref().or(claimed.parked.as_ref());
        let result = match answer {
            Some(answer) => {
                let connector = self
                    .banks
                    .connector(&attempt.institution)
                    .map_err(bank_refused)?;
                let secrets = AttemptSecrets::from_bytes(&claimed.secrets).map_err(bank_refused)?;
                let (code, issuer) = (answer.code.as_ref(), answer.issuer.as_deref());
                connector
                    .exchange_code(&secrets, code, issuer, &visit.context, now)
                    .await
            }
            None => Err(BankError::DamagedSecrets),
        };
        match result {
            Ok(token) => {
                let psu = visit.visitor.attended(now);
                let kept =
                    self.store
                        .keep_exchanged(claimed, &returned.state, token.to_bytes(), psu, now);
                kept.await.map(Some).map_err(pages::refused)
            }
            Err(error) => {
                tracing::warn!(%error, bank = %attempt.institution, "the code was not exchanged");
                self.fail(&returned.state, reason(&error), now).await?;
                Ok(None)
            }
        }
    }

    /// Asks the bank where its consent stands and writes what follows from it. Says where the bank
    /// wants the person next, if it does.
    pub(crate) async fn finish(
        &self,
        exchanged: ExchangedAttempt,
        state: &Digest,
        visit: &Visit,
    ) -> Result<Option<Url>, Problem> {
        let now = self.clock.now();
        let context = &visit.context;
        let settled = match self.bank_consent(&exchanged, context).await {
            Ok(BankConsent::NotAsked) => return self.second_step(&exchanged, state, visit).await,
            Ok(BankConsent::Valid { valid_until }) => {
                self.complete(&exchanged, state, valid_until, context).await
            }
            // The journey page offers to ask again.
            Ok(BankConsent::Pending) => Ok(()),
            Ok(BankConsent::Ended(end)) => {
                tracing::info!(?end, "the bank's consent is not valid");
                self.fail(state, FailureReason::BankRefused, now).await
            }
            Err(error) if error.is_retryable() => {
                tracing::warn!(%error, "the bank does not say where its consent stands");
                Ok(())
            }
            Err(error) => {
                tracing::warn!(%error, "the bank refuses to say where its consent stands");
                self.fail(state, reason(&error), now).await
            }
        };
        settled.map(|()| None)
    }

    async fn bank_consent(
        &self,
        exchanged: &ExchangedAttempt,
        context: &CallContext,
    ) -> Result<BankConsent, BankError> {
        let token = OpenToken::from_bytes(&exchanged.token)?;
        let institution = &exchanged.authorisation.institution;
        let connector = self.banks.connector_of(institution, &token)?;
        // The person is on this very request.
        let presence = PsuPresence::Attended(exchanged.psu.clone());
        let access = Access {
            token: &token,
            presence: &presence,
            context,
        };
        connector.consent_status(&access).await
    }

    async fn complete(
        &self,
        exchanged: &ExchangedAttempt,
        state: &Digest,
        bank_valid_until: Timestamp,
        context: &CallContext,
    ) -> Result<(), Problem> {
        let now = self.clock.now();
        let attempt = &exchanged.authorisation;
        let Some(authorised) = self.authorised(exchanged, bank_valid_until, now).await? else {
            return self.fail(state, FailureReason::BankRefused, now).await;
        };
        let ConsentState::Valid { valid_until, .. } = &authorised.consent.state else {
            return self.fail(state, FailureReason::BankRefused, now).await;
        };
        let completion = Completion {
            attempt: exchanged,
            before: &authorised.before,
            consent: &authorised.consent,
            consent_until: *valid_until,
            call_rule: self.call_rule(&attempt.institution),
        };
        let completed = match authorised.renews {
            true => self.renew(&completion, state, now).await,
            false => {
                self.store
                    .complete_authorisation(&self.receipts, completion, state, now)
                    .await
            }
        };
        match completed {
            // Completed by another request meanwhile, or the consent moved: the page says which.
            Ok(()) | Err(Error::Conflict | Error::Erased) => {}
            Err(error) => return Err(pages::refused(error)),
        }
        let work = Work {
            client: attempt.client.clone(),
            connection: attempt.connection.clone(),
            correlation: context.correlation.clone(),
        };
        // The first sync is owed by what was just written; the message only makes it fast.
        if let Err(error) = self
            .sync_queue
            .send(&work.client, &work, self.store.meter())
            .await
        {
            tracing::warn!(%error, "the first sync will start with the next sweep");
        }
        Ok(())
    }

    /// Puts the new token in the former one's place. A bank that keeps the former consent apart is told
    /// that it is over, once this stands.
    async fn renew(
        &self,
        completion: &Completion<'_>,
        state: &Digest,
        now: Timestamp,
    ) -> Result<(), Error> {
        let attempt = completion.attempt;
        let owner = &attempt.authorisation;
        let former = self
            .store
            .present_token(&owner.client, &owner.connection, now)
            .await?;
        let apart = match (
            OpenToken::from_bytes(&attempt.token),
            OpenToken::from_bytes(&former),
        ) {
            (Ok(new), Ok(former)) => new.stands_apart_from(&former),
            _ => false,
        };
        self.store
            .complete_renewal(&self.receipts, completion, apart, state, now)
            .await
    }

    fn call_rule(&self, bank: &InstitutionId) -> CallRule {
        let entry = self.banks.directory().get(bank);
        entry
            .map(|entry| entry.institution.call_rule())
            .unwrap_or_default()
    }

    /// The consent as it was and in its valid state; `None` when it cannot take this bank any more.
    async fn authorised(
        &self,
        exchanged: &ExchangedAttempt,
        bank_valid_until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Authorised>, Problem> {
        let attempt = &exchanged.authorisation;
        let stored = self
            .store
            .table()
            .consent(&attempt.client, &attempt.consent)
            .await;
        let Some(stored) = stored.map_err(pages::refused)? else {
            return Ok(None);
        };
        let (chosen, renews) = match &stored.consent.state {
            ConsentState::Received { institution, .. } => (institution.as_ref(), false),
            ConsentState::Valid { institution, .. } => (Some(institution), true),
            _ => (None, false),
        };
        if chosen != Some(&attempt.institution) {
            return Ok(None);
        }
        let event = ConsentEvent::BankAuthorised {
            connection: attempt.connection.clone(),
            bank_valid_until,
        };
        match stored.consent.apply(event, now) {
            Ok(consent) => Ok(Some(Authorised {
                before: stored.consent,
                consent,
                renews,
            })),
            Err(refusal) => {
                tracing::warn!(%refusal, "the consent does not take the bank's answer");
                Ok(None)
            }
        }
    }

    pub(crate) async fn fail(
        &self,
        state: &Digest,
        reason: FailureReason,
        now: Timestamp,
    ) -> Result<(), Problem> {
        match self
            .store
            .table()
            .fail_authorisation(state, reason, now)
            .await
        {
            Ok(()) | Err(Error::Conflict) => Ok(()),
            Err(error) => Err(pages::refused(error)),
        }
    }
}

pub(crate) fn reason(error: &BankError) -> FailureReason {
    // The person cannot tell our fault from the bank's absence, and can do the same about both.
    if error.bank_unavailable() || error.is_ours() {
        FailureReason::BankUnavailable
    } else {
        FailureReason::BankRefused
    }
}

pub(crate) fn bank_refused(error: BankError) -> Problem {
    Problem::bank_unavailable(&error)
}
