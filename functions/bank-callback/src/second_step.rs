//! The second way to a bank that wanted a token before its consent (OAuth pre-step): the token is
//! stored, the consent is opened with it, and the person goes back to the bank as a new attempt.

use passerelle_aws::Error;
use passerelle_aws::authorisations::{Departure, ExchangedAttempt};
use passerelle_aws::table::Digest;
use passerelle_banks::{AuthorisationRequest, BankError, OpenToken, StartedAuthorisation};
use passerelle_domain::authorisation::FailureReason;
use passerelle_domain::ids::AuthorisationId;
use passerelle_runtime::{Code, Problem, entropy, fresh_secret};

use crate::exchange::{bank_refused, reason};
use crate::onward::Onward;
use crate::visit::Visit;
use crate::{BankCallback, refused};

impl BankCallback {
    /// Opens the consent and says where the person goes on. Done again after a crash, it opens another
    /// consent: the first one is never approved by anybody.
    pub(crate) async fn second_step(
        &self,
        exchanged: &ExchangedAttempt,
        state: &Digest,
        visit: &Visit,
    ) -> Result<Onward, Problem> {
        let now = self.clock.now();
        let Some(request) = self.second_request(exchanged, visit).await? else {
            self.fail(state, FailureReason::NoLongerAsked).await?;
            return Ok(Onward::Journey);
        };
        let started = match self.open_consent(exchanged, &request).await {
            Ok(started) => started,
            Err(error) if error.is_retryable() => {
                tracing::warn!(%error, "the bank does not open its consent now");
                return Ok(Onward::Journey);
            }
            Err(error) => {
                tracing::warn!(%error, "the bank does not open its consent");
                self.fail(state, reason(&error)).await?;
                return Ok(Onward::Journey);
            }
        };
        let attempt = exchanged
            .authorisation
            .next_step(AuthorisationId::from_entropy(entropy()), now);
        let next = Digest::of(request.state.expose());
        let departure = Departure {
            secrets: &started.secrets.to_bytes(),
            way: &started.way.to_text(),
        };
        let second = (&attempt, &next, &departure);
        let first = &exchanged.authorisation;
        let stored = self.store.start_second_step(first, state, second, now);
        match stored.await {
            Ok(()) => {}
            // Another attempt was started meanwhile: the journey says which.
            Err(Error::Conflict) => return Ok(Onward::Journey),
            Err(error) => return Err(refused(error)),
        }
        tracing::info!(authorisation = %attempt.id, bank = %attempt.institution, "the person goes on at the bank");
        Ok(Onward::Bank(started.way.href))
    }

    async fn open_consent(
        &self,
        exchanged: &ExchangedAttempt,
        request: &AuthorisationRequest,
    ) -> Result<StartedAuthorisation, BankError> {
        let connector = self.banks.connector(&exchanged.authorisation.institution)?;
        let token = OpenToken::from_bytes(&exchanged.token)?;
        connector.continue_authorisation(&token, request).await
    }

    /// What is asked; `None` when our consent is gone.
    async fn second_request(
        &self,
        exchanged: &ExchangedAttempt,
        visit: &Visit,
    ) -> Result<Option<AuthorisationRequest>, Problem> {
        let (now, attempt) = (self.clock.now(), &exchanged.authorisation);
        let (client, id) = (&attempt.client, &attempt.institution);
        let stored = self.store.table().consent(client, &attempt.consent).await;
        let Some(stored) = stored.map_err(refused)? else {
            return Ok(None);
        };
        let unknown = || bank_refused(BankError::UnknownInstitution);
        let bank = self.banks.directory().get(id).ok_or_else(unknown)?;
        let address = self.address(&visit.own).unwrap_or_default();
        let redirect_uri = format!("{address}/v1/callback/{id}")
            .parse()
            .map_err(|_| Problem::new(Code::InvalidCallback))?;
        Ok(Some(AuthorisationRequest {
            state: fresh_secret(),
            code_verifier: fresh_secret(),
            redirect_uri,
            psu: exchanged.psu.clone(),
            valid_until: bank.institution.end_to_ask(stored.consent.duration, now),
            context: visit.context.clone(),
            now,
        }))
    }
}
