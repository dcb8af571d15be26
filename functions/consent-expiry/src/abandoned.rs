//! Returns nobody carried on: what the bank gave, or still gives, for them is given back. The bank is owed
//! the revocation in the write that ends the attempt, and the key goes with the telling.

use jiff::Timestamp;
use passerelle_aws::authorisations::ClaimedAttempt;
use passerelle_aws::table::Digest;
use passerelle_aws::{Error, Store};
use passerelle_banks::{AttemptSecrets, BankError};
use passerelle_domain::authorisation::FailureReason;
use passerelle_domain::call_context::CallContext;
use passerelle_domain::deadline::Deadline;
use passerelle_domain::farewell::KEPT_FOR;
use passerelle_runtime::Correlation;

use crate::Expiry;

/// Attempts ended in one run.
const PER_RUN: usize = 200;

/// Why an attempt was not ended.
#[derive(Debug, thiserror::Error)]
enum AbandonedError {
    #[error(transparent)]
    Bank(#[from] BankError),
    #[error(transparent)]
    Store(#[from] Error),
}

impl Expiry {
    /// Ends the attempts whose time is over; tells how many.
    pub(crate) async fn end_abandoned(
        &self,
        store: &Store,
        now: Timestamp,
        deadline: Deadline,
    ) -> Result<usize, Error> {
        let abandoned = store.table().take_abandoned(now, PER_RUN).await?;
        for state in &abandoned {
            let Correlation(correlation) = Correlation::fresh();
            let context = CallContext {
                correlation,
                deadline,
            };
            // One attempt that cannot be ended never keeps the others waiting: it is due again.
            if let Err(error) = self.end_attempt(store, state, &context).await {
                tracing::warn!(%error, "a return nobody carried on was not given back yet");
            }
        }
        Ok(abandoned.len())
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
        let token = connector
            .exchange_code(&secrets, code.as_ref(), issuer, context, now)
            .await?;
        let kept = store.keep_exchanged(claimed, state, token.to_bytes(), true, now);
        kept.await?;
        Ok(())
    }
}
