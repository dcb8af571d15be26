//! From what was brought back to a connection that stands, in steps that each survive a crash.

use passerelle_aws::Error;
use passerelle_aws::authorisations::{BankReturn, ClaimedAttempt, Completion, ExchangedAttempt};
use passerelle_aws::table::Digest;
use passerelle_banks::{Access, AttemptSecrets, BankConsent, BankError, OpenToken};
use passerelle_domain::Timestamp;
use passerelle_domain::authorisation::{Authorisation, FailureReason};
use passerelle_domain::call_budget::{CallRule, PsuPresence};
use passerelle_domain::call_context::CallContext;
use passerelle_domain::consent::{Consent, ConsentEvent, ConsentState};
use passerelle_domain::ids::InstitutionId;
use passerelle_runtime::{Problem, Work};

use crate::onward::Onward;
use crate::visit::Visit;
use crate::{BankCallback, refused};

/// A consent the bank has made valid.
struct Authorised {
    before: Consent,
    consent: Consent,
    valid_until: Timestamp,
}

/// What the bank answered to what was brought back.
enum Exchange {
    Token(OpenToken),
    /// It was not heard in time: the same is tried again.
    NoTime,
    Refused(FailureReason),
}

/// What came of one try to make a connection stand.
enum Completed {
    Stands,
    /// The consent does not take this attempt, or did already.
    NotTaken,
    /// Somebody changed the consent in between.
    Overtaken,
}

/// How often a completion is tried when the consent is changed in between.
const TRIES: usize = 4;

impl BankCallback {
    /// Claims the attempt, exchanges what was brought back and makes the connection stand. A return
    /// that was used before changes nothing. Without a return, one that a worker left is taken up.
    pub(crate) async fn connect(
        &self,
        attempt: &Authorisation,
        state: &Digest,
        returned: Option<&BankReturn>,
        visit: &Visit,
    ) -> Result<Onward, Problem> {
        let Some(claimed) = self.claim(attempt, state, returned).await? else {
            return Ok(Onward::Journey);
        };
        if !self.is_still_asked(&claimed.authorisation, state).await? {
            self.give_back_claimed(&claimed, state, FailureReason::NoLongerAsked, visit)
                .await?;
            return Ok(Onward::Journey);
        }
        match self.exchange(&claimed, visit).await? {
            Exchange::Token(token) => match self.keep(&claimed, state, &token).await? {
                Some(exchanged) => self.finish(exchanged, state, visit).await,
                None => Ok(Onward::Journey),
            },
            Exchange::NoTime => Ok(Onward::Journey),
            Exchange::Refused(reason) => {
                self.end_unexchanged(&claimed, state, reason).await?;
                Ok(Onward::Journey)
            }
        }
    }

    /// Takes nothing of a return: what the bank gives for it is given back at once.
    pub(crate) async fn give_back(
        &self,
        attempt: &Authorisation,
        state: &Digest,
        returned: &BankReturn,
        reason: FailureReason,
        visit: &Visit,
    ) -> Result<(), Problem> {
        match self.claim(attempt, state, Some(returned)).await? {
            Some(claimed) => self.give_back_claimed(&claimed, state, reason, visit).await,
            None => Ok(()),
        }
    }

    /// The bank may hold a consent open for what was brought back: it is exchanged, so that the bank can
    /// be told that it is over. Not so for a renewal at a bank that keeps no consents apart: there a new
    /// token could end the connection that works, and a code nobody exchanges ends by itself.
    async fn give_back_claimed(
        &self,
        claimed: &ClaimedAttempt,
        state: &Digest,
        reason: FailureReason,
        visit: &Visit,
    ) -> Result<(), Problem> {
        let secrets = AttemptSecrets::from_bytes(&claimed.secrets).map_err(bank_refused)?;
        let apart = secrets.opens_a_consent_of_its_own();
        if !apart && claimed.authorisation.is_renewal() {
            return self.fail(state, reason).await;
        }
        match self.exchange(claimed, visit).await? {
            Exchange::Token(token) => self.end_and_tell(claimed, state, &token, reason).await,
            // It stays claimed: what nobody carries on is given back by the sweep.
            Exchange::NoTime => Ok(()),
            Exchange::Refused(_) => self.end_unexchanged(claimed, state, reason).await,
        }
    }

    /// Ends an attempt without a token. The bank may hold its consent open, whatever became of the code:
    /// it is told.
    async fn end_unexchanged(
        &self,
        claimed: &ClaimedAttempt,
        state: &Digest,
        reason: FailureReason,
    ) -> Result<(), Problem> {
        let secrets = AttemptSecrets::from_bytes(&claimed.secrets).map_err(bank_refused)?;
        match secrets.consent_alone(self.clock.now()) {
            Some(consent) => self.end_and_tell(claimed, state, &consent, reason).await,
            None => self.fail(state, reason).await,
        }
    }

    /// Ends an attempt and owes the bank the end of what it gave, in one write.
    async fn end_and_tell(
        &self,
        claimed: &ClaimedAttempt,
        state: &Digest,
        token: &OpenToken,
        reason: FailureReason,
    ) -> Result<(), Problem> {
        let (token, now) = (token.to_bytes(), self.clock.now());
        let ended = self.store.give_back(claimed, state, &token, reason, now);
        match ended.await {
            // Another worker has ended it, or kept what the bank gave.
            Ok(()) | Err(Error::Conflict) => Ok(()),
            Err(error) => Err(refused(error)),
        }
    }

    /// `None` when somebody else has claimed the attempt, or it is over.
    async fn claim(
        &self,
        attempt: &Authorisation,
        state: &Digest,
        returned: Option<&BankReturn>,
    ) -> Result<Option<ClaimedAttempt>, Problem> {
        let now = self.clock.now();
        let claimed = self
            .store
            .claim_authorisation(attempt, state, returned, now);
        match claimed.await {
            Ok(claimed) => Ok(Some(claimed)),
            Err(Error::Conflict) => Ok(None),
            Err(error) => Err(refused(error)),
        }
    }

    /// Exchanges what was brought back.
    async fn exchange(&self, claimed: &ClaimedAttempt, visit: &Visit) -> Result<Exchange, Problem> {
        let now = self.clock.now();
        let attempt = &claimed.authorisation;
        let (code, issuer) = (&claimed.returned.code, claimed.returned.issuer.as_deref());
        let connector = self.banks.connector(&attempt.institution);
        let connector = connector.map_err(bank_refused)?;
        let secrets = AttemptSecrets::from_bytes(&claimed.secrets).map_err(bank_refused)?;
        let result = connector
            .exchange_code(&secrets, code.as_ref(), issuer, &visit.context, now)
            .await;
        Ok(match result {
            Ok(token) => Exchange::Token(token),
            Err(BankError::OutOfTime) => {
                tracing::warn!(bank = %attempt.institution, "no time was left to exchange the code");
                Exchange::NoTime
            }
            Err(error) => {
                tracing::warn!(%error, bank = %attempt.institution, "the code was not exchanged");
                Exchange::Refused(match reason(&error) {
                    FailureReason::BankRefused => FailureReason::ReturnRefused,
                    unavailable => unavailable,
                })
            }
        })
    }

    /// Stores the bank's token with its due mark, before anything else is done with it.
    async fn keep(
        &self,
        claimed: &ClaimedAttempt,
        state: &Digest,
        token: &OpenToken,
    ) -> Result<Option<ExchangedAttempt>, Problem> {
        let now = self.clock.now();
        let apart = self.stands_apart(&claimed.authorisation, token).await?;
        let kept = self
            .store
            .keep_exchanged(claimed, state, token.to_bytes(), apart, now);
        match kept.await {
            Ok(exchanged) => Ok(Some(exchanged)),
            // A worker that was taken for lost has kept what the bank gave it.
            Err(Error::Conflict) => Ok(None),
            Err(error) => Err(refused(error)),
        }
    }

    /// Whether ending what this token stands for leaves the connection it would renew alone.
    async fn stands_apart(
        &self,
        attempt: &Authorisation,
        token: &OpenToken,
    ) -> Result<bool, Problem> {
        if !attempt.is_renewal() {
            return Ok(true);
        }
        let (client, connection) = (&attempt.client, &attempt.connection);
        let now = self.clock.now();
        match self.store.present_token(client, connection, now).await {
            Ok(present) => {
                let present = OpenToken::from_bytes(&present).map_err(bank_refused)?;
                Ok(token.stands_apart_from(&present))
            }
            // Withdrawn meanwhile: nothing is left that could be harmed.
            Err(Error::Erased) => Ok(true),
            Err(error) => Err(refused(error)),
        }
    }

    /// Asks the bank where its consent stands and writes what follows from it.
    pub(crate) async fn finish(
        &self,
        exchanged: ExchangedAttempt,
        state: &Digest,
        visit: &Visit,
    ) -> Result<Onward, Problem> {
        let context = &visit.context;
        match self.bank_consent(&exchanged, context).await {
            Ok(BankConsent::NotAsked) => return self.second_step(&exchanged, state, visit).await,
            Ok(BankConsent::Valid { valid_until }) => {
                self.complete(&exchanged, state, valid_until, context)
                    .await?;
            }
            // The journey page offers to ask again.
            Ok(BankConsent::Pending) => self.wait_for_bank(&exchanged, state).await?,
            Ok(BankConsent::Ended(end)) => {
                tracing::info!(?end, "the bank's consent is not valid");
                self.fail(state, FailureReason::BankRefused).await?;
            }
            Err(error) if error.is_retryable() => {
                tracing::warn!(%error, "the bank does not say where its consent stands");
            }
            Err(error) => {
                tracing::warn!(%error, "the bank refuses to say where its consent stands");
                self.fail(state, reason(&error)).await?;
            }
        }
        Ok(Onward::Journey)
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

    /// Somebody else must still agree at the bank, a second holder for one: there is time while the
    /// journey's link lasts.
    async fn wait_for_bank(
        &self,
        exchanged: &ExchangedAttempt,
        state: &Digest,
    ) -> Result<(), Problem> {
        let attempt = &exchanged.authorisation;
        let table = self.store.table();
        let stored = table.consent(&attempt.client, &attempt.consent).await;
        let stored = stored.map_err(refused)?;
        match stored.and_then(|stored| stored.consent.link_end()) {
            Some(end) => table.give_time(state, end).await.map_err(refused),
            None => Ok(()),
        }
    }

    async fn complete(
        &self,
        exchanged: &ExchangedAttempt,
        state: &Digest,
        bank_valid_until: Timestamp,
        context: &CallContext,
    ) -> Result<(), Problem> {
        for _ in 0..TRIES {
            let written = self.try_to_complete(exchanged, state, bank_valid_until);
            match written.await? {
                Completed::Stands => {
                    self.hint_at_sync(&exchanged.authorisation, context).await;
                    return Ok(());
                }
                Completed::NotTaken => return self.fail(state, FailureReason::NoLongerAsked).await,
                // The consent was changed in between: it is asked once more whether it takes this.
                Completed::Overtaken => {}
            }
        }
        tracing::warn!("the consent kept changing: the person carries the return on");
        Ok(())
    }

    async fn try_to_complete(
        &self,
        exchanged: &ExchangedAttempt,
        state: &Digest,
        bank_valid_until: Timestamp,
    ) -> Result<Completed, Problem> {
        let now = self.clock.now();
        let attempt = &exchanged.authorisation;
        if !self.is_latest(attempt, state).await? {
            return Ok(Completed::NotTaken);
        }
        let Some(authorised) = self.authorised(attempt, bank_valid_until, now).await? else {
            return Ok(Completed::NotTaken);
        };
        let completion = Completion {
            attempt: exchanged,
            before: &authorised.before,
            consent: &authorised.consent,
            consent_until: authorised.valid_until,
            call_rule: self.call_rule(&attempt.institution),
        };
        let (store, book) = (&self.store, &self.receipts);
        let completed = match attempt.is_renewal() {
            true => store.complete_renewal(book, &completion, state, now).await,
            false => {
                store
                    .complete_authorisation(book, &completion, state, now)
                    .await
            }
        };
        match completed {
            Ok(()) => Ok(Completed::Stands),
            Err(Error::Conflict) => Ok(Completed::Overtaken),
            Err(Error::Erased) => Ok(Completed::NotTaken),
            Err(error) => Err(refused(error)),
        }
    }

    /// The first sync is owed by what was written; the message only makes it fast.
    async fn hint_at_sync(&self, attempt: &Authorisation, context: &CallContext) {
        let work = Work {
            client: attempt.client.clone(),
            connection: attempt.connection.clone(),
            correlation: context.correlation.clone(),
            decided_at: self.clock.now(),
        };
        let sent = self
            .sync_queue
            .send(&work.client, &work, self.store.meter());
        if let Err(error) = sent.await {
            tracing::warn!(%error, "the first sync will start with the next sweep");
        }
    }

    fn call_rule(&self, bank: &InstitutionId) -> CallRule {
        let entry = self.banks.directory().get(bank);
        entry
            .map(|entry| entry.institution.call_rule())
            .unwrap_or_default()
    }

    /// Whether something may still come of an attempt: it is the latest of its consent, and what was
    /// agreed to is still asked for.
    async fn is_still_asked(
        &self,
        attempt: &Authorisation,
        state: &Digest,
    ) -> Result<bool, Problem> {
        if !self.is_latest(attempt, state).await? {
            return Ok(false);
        }
        // The bank's own end is not known yet: whether there is a question does not depend on it.
        let now = self.clock.now();
        let authorised = self.authorised(attempt, Timestamp::MAX, now).await?;
        Ok(authorised.is_some())
    }

    async fn is_latest(&self, attempt: &Authorisation, state: &Digest) -> Result<bool, Problem> {
        let table = self.store.table();
        let latest = table.latest_authorisation(&attempt.client, &attempt.consent);
        let latest = latest.await.map_err(refused)?;
        Ok(latest.state.as_ref() == Some(state))
    }

    /// The consent as it was and in its valid state; `None` when it does not take this attempt.
    async fn authorised(
        &self,
        attempt: &Authorisation,
        bank_valid_until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Authorised>, Problem> {
        let table = self.store.table();
        let stored = table.consent(&attempt.client, &attempt.consent).await;
        let Some(stored) = stored.map_err(refused)? else {
            return Ok(None);
        };
        let event = ConsentEvent::BankAuthorised {
            institution: attempt.institution.clone(),
            connection: attempt.connection.clone(),
            agreed: attempt.agreed.clone(),
            bank_valid_until,
        };
        let next = match stored.consent.apply(event, now) {
            Ok(next) => next,
            Err(refusal) => {
                tracing::warn!(%refusal, "the consent does not take the bank's answer");
                return Ok(None);
            }
        };
        let ConsentState::Valid { valid_until, .. } = &next.state else {
            return Ok(None);
        };
        Ok(Some(Authorised {
            valid_until: *valid_until,
            before: stored.consent,
            consent: next,
        }))
    }

    /// Ends an attempt that came to nothing; a token that was kept for it is given back.
    pub(crate) async fn fail(&self, state: &Digest, reason: FailureReason) -> Result<(), Problem> {
        let (table, now) = (self.store.table(), self.clock.now());
        let failed = table.fail_authorisation(state, reason, now);
        failed.await.map_err(refused)
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
