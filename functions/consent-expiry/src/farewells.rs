//! Tells banks that consents are over. The token is all that is left for it, and it goes with the
//! telling; a bank that is down is asked again for three days.

use futures::{StreamExt, stream};
use passerelle_aws::due::{self, OverdueWalk, Owed};
use passerelle_aws::farewells::{DueFarewell, Said};
use passerelle_aws::{Error, Store};
use passerelle_banks::{Access, BankError, Connector, OpenToken};
use passerelle_domain::call_budget::{PsuPresence, SpentAccess};
use passerelle_domain::call_context::CallContext;
use passerelle_domain::deadline::Deadline;
use passerelle_runtime::Correlation;

use crate::{Expiry, Run};

/// Why a bank was not told.
#[derive(Debug, thiserror::Error)]
enum FarewellError {
    #[error(transparent)]
    Bank(#[from] BankError),
    #[error(transparent)]
    Store(#[from] Error),
}

/// Farewells taken in one step.
const PER_STEP: usize = 64;

/// Banks told at a time.
const AT_ONCE: usize = 16;

/// What was said in one run.
#[derive(Debug, Default)]
pub(crate) struct Farewells {
    pub(crate) taken: usize,
    /// How many could not be opened or noted: they come up again by themselves.
    pub(crate) failed: usize,
    /// Whether time was up before everything was said.
    pub(crate) more: bool,
}

impl Expiry {
    /// Says what is owed. A farewell that fails is tried again later, and keeps no other waiting.
    pub(crate) async fn say_farewells(&self, store: &Store, run: Run) -> Result<Farewells, Error> {
        let (now, deadline) = (run.now, run.deadline);
        let mut said = Farewells::default();
        let mut walk = OverdueWalk::new(Owed::Farewell, run.part.shards(due::SHARDS), now);
        while walk.has_more() {
            if run.is_over() {
                said.more = true;
                break;
            }
            let taken = store.take_farewells(&mut walk, PER_STEP, now).await?;
            said.taken += taken.farewells.len();
            said.failed += taken.unopened;
            let noted = stream::iter(taken.farewells)
                .map(|farewell| async move { self.say_and_note(store, &farewell, deadline).await })
                .buffer_unordered(AT_ONCE);
            let noted: Vec<bool> = noted.collect().await;
            said.failed += noted.into_iter().filter(|noted| !noted).count();
        }
        Ok(said)
    }

    /// Says one; tells whether how it came out could be noted.
    async fn say_and_note(
        &self,
        store: &Store,
        farewell: &DueFarewell,
        deadline: Deadline,
    ) -> bool {
        let said = self.say(store, farewell, deadline).await;
        tracing::info!(
            tenant = %farewell.client,
            connection = %farewell.connection,
            bank = %farewell.institution,
            outcome = ?said,
            "the bank is told that a consent is over"
        );
        match store.said(farewell, said, self.clock.now()).await {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(%error, connection = %farewell.connection, "it is said again");
                false
            }
        }
    }

    async fn say(&self, store: &Store, farewell: &DueFarewell, deadline: Deadline) -> Said {
        match self.tell_bank(store, farewell, deadline).await {
            Ok(()) => Said::Told,
            Err(FarewellError::Bank(error)) if error.is_retryable() => {
                tracing::warn!(%error, bank = %farewell.institution, "the bank could not be told");
                Said::NotYet
            }
            // The bank no longer takes the token: what it stood for is over there as well.
            Err(FarewellError::Bank(error)) if error.needs_psu().is_some() => Said::Told,
            // The renewed token is nowhere but here: without it nothing can be said later.
            Err(FarewellError::Store(error)) => {
                tracing::error!(failure = true, %error, bank = %farewell.institution, "a renewed token could not be kept");
                Said::NotYet
            }
            Err(FarewellError::Bank(error)) => {
                tracing::error!(%error, bank = %farewell.institution, "the bank cannot be told");
                Said::Never
            }
        }
    }

    async fn tell_bank(
        &self,
        store: &Store,
        farewell: &DueFarewell,
        deadline: Deadline,
    ) -> Result<(), FarewellError> {
        let token = OpenToken::from_bytes(&farewell.token)?;
        let connector = self.banks.connector_of(&farewell.institution, &token)?;
        let context = CallContext {
            correlation: Correlation::fresh().0,
            deadline,
        };
        let told = self.end(&*connector, &token, &context).await;
        match told {
            Err(error) if error.wants_refresh() => {
                let now = self.clock.now();
                let renewed = connector.refresh_token(&token, &context, now).await?;
                // Kept before it is used: should the bank not answer now, the old one is spent.
                store
                    .keep_farewell_token(farewell, &renewed.to_bytes(), now)
                    .await?;
                Ok(self.end(&*connector, &renewed, &context).await?)
            }
            told => Ok(told?),
        }
    }

    async fn end(
        &self,
        connector: &dyn Connector,
        token: &OpenToken,
        context: &CallContext,
    ) -> Result<(), BankError> {
        // Nothing is read, so no access is spent: the law counts reads (RTS art. 36(5)).
        let presence = PsuPresence::Unattended(SpentAccess {
            at: self.clock.now(),
        });
        let access = Access {
            token,
            presence: &presence,
            context,
        };
        connector.end_consent(&access).await
    }
}
