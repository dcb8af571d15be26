//! What every bank can be asked, whatever its dialect.

use std::fmt::Debug;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use passerelle_domain::account::FetchedAccount;
use passerelle_domain::call_budget::{AttendedPsu, PsuPresence};
use passerelle_domain::ids::{CorrelationId, ResourceId};
use passerelle_domain::money::Currency;
use passerelle_domain::private::Private;
use passerelle_domain::reconciliation::FetchedWindow;
use url::Url;

use crate::error::BankError;
use crate::secrets::{AttemptSecrets, OpenToken};

/// What is needed to send a person to their bank.
#[derive(Debug, Clone)]
pub struct AuthorisationRequest {
    /// Single use; comes back with the person.
    pub state: Private,
    /// PKCE secret (RFC 7636): 43 to 128 unreserved characters.
    pub code_verifier: Private,
    /// Where the bank sends the person back, compared to the letter.
    pub redirect_uri: Url,
    /// The person, who is always there at this moment.
    pub psu: AttendedPsu,
    /// The last day we wish to read; the bank may shorten it.
    pub valid_until: Date,
    /// Follows the work through the logs.
    pub correlation: CorrelationId,
    /// The present.
    pub now: Timestamp,
}

/// A person can go to the bank.
#[derive(Debug)]
pub struct StartedAuthorisation {
    /// The bank's page.
    pub redirect_to: Url,
    /// What the return will need. Store it sealed before the person leaves.
    pub secrets: AttemptSecrets,
}

/// What a read at the bank is made with.
#[derive(Debug, Clone, Copy)]
pub struct Access<'a> {
    /// The bank's tokens, opened.
    pub token: &'a OpenToken,
    /// Whether the person is there: decides whether their address goes with the call.
    pub presence: &'a PsuPresence,
    /// Follows the work through the logs.
    pub correlation: &'a CorrelationId,
}

/// Where the bank's own consent stands: the only truth, whatever a redirect claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BankConsent {
    /// Data can be read.
    Valid {
        /// The end the bank answers, which may be earlier than the one asked for.
        valid_until: Timestamp,
    },
    /// The person (or a second holder) has not finished at the bank.
    Pending,
    /// It is over.
    Ended(BankConsentEnd),
}

/// How the bank's consent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BankConsentEnd {
    /// The person said no, or never finished.
    Rejected,
    /// Its time was up.
    Expired,
    /// The person took it back at the bank.
    RevokedByPsu,
    /// We ended it.
    TerminatedByTpp,
    /// The bank no longer knows it.
    Unknown,
}

/// One dialect spoken with one bank.
///
/// Nothing here has a default: a dialect that cannot do something says so with an error.
#[async_trait]
pub trait Connector: Send + Sync + Debug {
    /// Opens a consent at the bank and says where the person must go.
    ///
    /// # Errors
    /// [`BankError`] when the bank cannot be reached or refuses; nothing is then open.
    async fn start_authorisation(
        &self,
        request: &AuthorisationRequest,
    ) -> Result<StartedAuthorisation, BankError>;

    /// Turns the code a person brought back into tokens. The caller stores what comes back before
    /// anything else is done with it.
    ///
    /// # Errors
    /// [`BankError::IssuerMismatch`] when another server than the one asked answers;
    /// [`BankError::CodeRefused`] when the code is used up, too old or not ours.
    async fn exchange_code(
        &self,
        secrets: &AttemptSecrets,
        code: &Private,
        issuer: Option<&str>,
        correlation: &CorrelationId,
        now: Timestamp,
    ) -> Result<OpenToken, BankError>;

    /// Asks the bank where its consent stands.
    ///
    /// # Errors
    /// [`BankError`] when the bank does not answer the question. An ended consent is an answer.
    async fn consent_status(&self, access: &Access<'_>) -> Result<BankConsent, BankError>;

    /// Renews the access token. Whatever comes back replaces the old pair and is stored before it is
    /// used: many banks take a refresh token once.
    ///
    /// # Errors
    /// [`BankError::TokenRefused`] when only the person can mend it.
    async fn refresh_token(
        &self,
        token: &OpenToken,
        correlation: &CorrelationId,
        now: Timestamp,
    ) -> Result<OpenToken, BankError>;

    /// The accounts the person opened to us, with balances.
    ///
    /// # Errors
    /// [`BankError`]; an empty list is a success the caller must name.
    async fn accounts(&self, access: &Access<'_>) -> Result<Vec<FetchedAccount>, BankError>;

    /// The movements of one account since a day, all pages joined; without a day, as far back as
    /// the bank gives. A page that is missing is an error, never a shorter history.
    ///
    /// # Errors
    /// [`BankError`]; [`BankError::RateLimited`] in particular is never "no movements".
    async fn transactions(
        &self,
        access: &Access<'_>,
        account: &ResourceId,
        currency: Currency,
        from: Option<Date>,
    ) -> Result<FetchedWindow, BankError>;

    /// Ends the consent at the bank. One that is already over is a success.
    ///
    /// # Errors
    /// [`BankError`] when the bank may still hold it open.
    async fn end_consent(&self, access: &Access<'_>) -> Result<(), BankError>;
}
