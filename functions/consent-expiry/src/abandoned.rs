//! Returns nobody carried on: what the bank gave, or still gives, for them is given back. The bank is owed
//! the revocation in the write that ends the attempt, and the key goes with the telling.

use futures::{StreamExt, stream};
use passerelle_aws::authorisations::ClaimedAttempt;
use passerelle_aws::due::{self, OverdueWalk, Owed};
use passerelle_aws::table::Digest;
use passerelle_aws::{Error, Store};
use passerelle_banks::{AttemptSecrets, BankError};
use passerelle_domain::authorisation::FailureReason;
use passerelle_domain::call_context::CallContext;
use passerelle_domain::deadline::Deadline;
use passerelle_domain::farewell::KEPT_FOR;
use passerelle_runtime::Correlation;

use crate::{Expiry, Run};

/// Attempts taken in one step.
const PER_STEP: usize = 64;

/// Attempts ended at a time.
const AT_ONCE: usize = 16;

/// What was ended in one run.
#[derive(Debug, Default)]
pub(crate) struct Abandoned {
    pub(crate) taken: usize,
    /// How many could not be ended: they come up again by themselves.
    pub(crate) failed: usize,
    /// Whether time was up before all were ended.
    pub(crate) more: bool,
}

/// Why an attempt was not ended.
#[derive(Debug, thiserror::Error)]
enum AbandonedError {
    #[error(transparent)]
    Bank(#[from] BankError),
    #[error(transparent)]
    Store(#[from] Error),
}

impl Expiry {
    /// Ends the attempts whose time is over. One that cannot be ended never keeps the others waiting: it is
    /// due again.
    pub(crate) async fn end_abandoned(&self, store: &Store, run: Run) -> Result<Abandoned, Error> {
        let mut ended = Abandoned::default();
        let shards = run.part.shards(due::SHARDS);
        let mut walk = OverdueWalk::new(Owed::Attempt, shards, run.now);
        while walk.has_more() {
            if run.is_over() {
                ended.more = true;
                break;
            }
            let taken = store.table().take_abandoned(&mut walk, PER_STEP).await?;
            ended.taken += taken.len();
            let done = stream::iter(taken)
                .map(|state| async move { self.end_one(store, &state, run.deadline).await })
                .buffer_unordered(AT_ONCE);
            let done: Vec<bool> = done.collect().await;
            ended.failed += done.into_iter().filter(|done| !done).count();
        }
        Ok(ended)
    }

    /// Ends one; tells whether it could.
    async fn end_one(&self, store: &Store, state: &Digest, deadline: Deadline) -> bool {
        let Correlation(correlation) = Correlation::fresh();
        let context = CallContext {
            correlation,
            deadline,
        };
        match self.end_attempt(store, state, &context).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "a return nobody carried on was not given back yet");
                false
            }
        }
    }

    async fn end_attempt(
        &self,
        store: &Store,
        state: &Digest,
        context: &CallContext,
    ) -> Result<(), AbandonedError> {
        let now = self.clock.now();
        if let Some(claimed) = store.claim_to_give_back(state, now).await? {
            let overdue = now.duration_since(claimed.authorisation.expires_at);
            match self.exchange(store, &claimed, state, context).await {
                // The bank is asked again: it may hold a consent open.
                Err(AbandonedError::Bank(error)) if error.is_retryable() && overdue < KEPT_FOR => {
                    return Err(error.into());
                }
                // The code ended by itself, and with it what it could have opened.
                Err(AbandonedError::Bank(error)) => {
                    tracing::info!(%error, "what was brought back is worth nothing any more");
                }
                exchanged => exchanged?,
            }
        }
        let table = store.table();
        let ended = table.fail_authorisation(state, FailureReason::Abandoned, now);
        Ok(ended.await?)
    }

    /// Exchanges what was brought back, so that the bank can be told that it is over. Not so for a
    /// renewal at a bank that keeps no consents apart: a new token could end the connection that works.
    async fn exchange(
        &self,
        store: &Store,
        claimed: &ClaimedAttempt,
        state: &Digest,
        context: &CallContext,
    ) -> Result<(), AbandonedError> {
        let (attempt, now) = (&claimed.authorisation, self.clock.now());
        let secrets = AttemptSecrets::from_bytes(&claimed.secrets)?;
        if attempt.is_renewal() && !secrets.opens_a_consent_of_its_own() {
            return Ok(());
        }
        let connector = self.banks.connector(&attempt.institution)?;
        let (code, issuer) = (&claimed.returned.code, claimed.returned.issuer.as_deref());
        let exchanged = connector
            .exchange_code(&secrets, code.as_ref(), issuer, context, now)
            .await;
        let token = match (exchanged, secrets.consent_alone(now)) {
            (Ok(token), _) => token,
            // The code ended by itself, the consent did not.
            (Err(error), Some(consent)) if !error.is_retryable() => consent,
            (Err(error), _) => return Err(error.into()),
        };
        let (token, reason) = (token.to_bytes(), FailureReason::Abandoned);
        match store.give_back(claimed, state, &token, reason, now).await {
            // Another worker has ended it.
            Ok(()) | Err(Error::Conflict) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
