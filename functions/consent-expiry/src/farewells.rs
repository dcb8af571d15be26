//! Tells banks that consents are over. The token is all that is left for it, and it goes with the
//! telling; a bank that is down is asked again for three days.

use jiff::Timestamp;
use passerelle_aws::farewells::{DueFarewell, Said};
use passerelle_aws::{Error, Store};
use passerelle_banks::{Access, BankError, Connector, OpenToken};
use passerelle_domain::call_budget::{PsuPresence, SpentAccess};
use passerelle_domain::ids::CorrelationId;
use passerelle_runtime::Correlation;

use crate::Expiry;

/// Banks told in one run.
const PER_RUN: usize = 100;

impl Expiry {
    /// Says what is owed; tells how many farewells were.
    pub(crate) async fn say_farewells(
        &self,
        store: &Store,
        now: Timestamp,
    ) -> Result<usize, Error> {
        let farewells = store.take_farewells(now, PER_RUN).await?;
        for farewell in &farewells {
            let said = self.say(farewell).await;
            tracing::info!(
                tenant = %farewell.client,
                connection = %farewell.connection,
                bank = %farewell.institution,
                outcome = ?said,
                "the bank is told that a consent is over"
            );
            store.said(farewell, said, self.clock.now()).await?;
        }
        Ok(farewells.len())
    }

    async fn say(&self, farewell: &DueFarewell) -> Said {
        match self.tell_bank(farewell).await {
            Ok(()) => Said::Told,
            Err(error) if error.is_retryable() => {
                tracing::warn!(%error, bank = %farewell.institution, "the bank could not be told");
                Said::NotYet
            }
            // The bank no longer takes the token: what it stood for is over there as well.
            Err(error) if error.needs_psu().is_some() => Said::Told,
            Err(error) => {
                tracing::error!(%error, bank = %farewell.institution, "the bank cannot be told");
                Said::Never
            }
        }
    }

    async fn tell_bank(&self, farewell: &DueFarewell) -> Result<(), BankError> {
        let connector = self.banks.connector(&farewell.institution)?;
        let token = OpenToken::from_bytes(&farewell.token)?;
        let Correlation(correlation) = Correlation::fresh();
        let told = self.end(&*connector, &token, &correlation).await;
        match told {
            Err(error) if error.wants_refresh() => {
                let now = self.clock.now();
                let renewed = connector.refresh_token(&token, &correlation, now).await?;
                self.end(&*connector, &renewed, &correlation).await
            }
            told => told,
        }
    }

    async fn end(
        &self,
        connector: &dyn Connector,
        token: &OpenToken,
        correlation: &CorrelationId,
    ) -> Result<(), BankError> {
        // Nothing is read, so no access is spent: the law counts reads (RTS art. 36(5)).
        let presence = PsuPresence::Unattended(SpentAccess {
            at: self.clock.now(),
        });
        let access = Access {
            token,
            presence: &presence,
            correlation,
        };
        connector.end_consent(&access).await
    }
}
