//! What every bank can be asked, whatever its dialect.

use std::fmt::{self, Debug};

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use passerelle_domain::account::FetchedAccount;
use passerelle_domain::call_budget::{AttendedPsu, PsuPresence};
use passerelle_domain::call_context::CallContext;
use passerelle_domain::private::Private;
use passerelle_domain::reconciliation::FetchedWindow;
use passerelle_domain::transaction::FetchedTransaction;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::error::BankError;
use crate::history::{HistoryPart, HistoryRequest, Rest};
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
    /// The work this belongs to.
    pub context: CallContext,
    /// The present.
    pub now: Timestamp,
}

impl AuthorisationRequest {
    /// The return address of this attempt alone: `state` is the last part of its path. For banks that
    /// bring no `state` back, or lose it when the person says no (Q53).
    #[must_use]
    pub fn own_return_address(&self) -> Url {
        let mut address = self.redirect_uri.clone();
        if let Ok(mut path) = address.path_segments_mut() {
            path.push(self.state.expose());
        }
        address
    }
}

/// How the bank makes sure of the person (strong customer authentication).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ScaApproach {
    /// On the bank's page.
    Redirect,
    /// On a device of the person's, while their browser stays with us.
    Decoupled {
        /// What the bank wants the person to be told.
        message: Option<Private>,
    },
}

/// Where the person decides.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WayToBank {
    /// Where the browser goes next: the bank's page, or our own return address when the person
    /// decides on another device. Secret: it carries the `state`.
    pub href: Url,
    /// How the bank makes sure of the person.
    pub approach: ScaApproach,
}

impl WayToBank {
    /// The text to seal until the person leaves.
    #[must_use]
    pub fn to_text(&self) -> String {
        // An address and a message always serialise; an empty text would be refused on reading.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what [`Self::to_text`] wrote.
    ///
    /// # Errors
    /// [`BankError::DamagedSecrets`] for anything else.
    pub fn from_text(text: &str) -> Result<Self, BankError> {
        serde_json::from_str(text).map_err(|_| BankError::DamagedSecrets)
    }
}

impl Debug for WayToBank {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("WayToBank")
            .field("approach", &self.approach)
            .finish_non_exhaustive()
    }
}

/// The person can decide at the bank.
#[derive(Debug)]
pub struct StartedAuthorisation {
    /// Where they decide.
    pub way: WayToBank,
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
    /// The work this belongs to.
    pub context: &'a CallContext,
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
    /// The bank knows us and has no consent yet: [`Connector::continue_authorisation`] opens it.
    NotAsked,
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

    /// Turns what a person brought back into an access: a code into tokens, a confirmation code into
    /// a confirmed approval. Some banks send nothing back. The caller stores what comes back before
    /// anything else is done with it.
    ///
    /// # Errors
    /// [`BankError::IssuerMismatch`] when another server than the one asked answers;
    /// [`BankError::CodeRefused`] when the code is missing, used up, too old or not ours.
    async fn exchange_code(
        &self,
        secrets: &AttemptSecrets,
        code: Option<&Private>,
        issuer: Option<&str>,
        context: &CallContext,
        now: Timestamp,
    ) -> Result<OpenToken, BankError>;

    /// Opens the consent at a bank that wanted a token first (OAuth pre-step) and says where the
    /// person must go now. The request carries a new `state`: the first one is used up.
    ///
    /// # Errors
    /// [`BankError`] when the bank refuses, or asks for no such step.
    async fn continue_authorisation(
        &self,
        token: &OpenToken,
        request: &AuthorisationRequest,
    ) -> Result<StartedAuthorisation, BankError>;

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
        context: &CallContext,
        now: Timestamp,
    ) -> Result<OpenToken, BankError>;

    /// The accounts the person opened to us, with balances.
    ///
    /// # Errors
    /// [`BankError`]; an empty list is a success the caller must name.
    async fn accounts(&self, access: &Access<'_>) -> Result<Vec<FetchedAccount>, BankError>;

    /// The next part of an account's movements: one page of the bank's, with where it goes on. A history
    /// is whole when a part says so; a page that is missing is an error, never a shorter history.
    ///
    /// # Errors
    /// [`BankError`]; [`BankError::RateLimited`] in particular is never "no movements".
    async fn history(
        &self,
        access: &Access<'_>,
        request: &HistoryRequest<'_>,
    ) -> Result<HistoryPart, BankError>;

    /// Ends the consent at the bank. One that is already over is a success.
    ///
    /// # Errors
    /// [`BankError`] when the bank may still hold it open.
    async fn end_consent(&self, access: &Access<'_>) -> Result<(), BankError>;
}

impl dyn Connector + '_ {
    /// The movements of one account since a day, all parts joined; without a day, as far back as the bank
    /// gives.
    ///
    /// # Errors
    /// Those of [`Connector::history`].
    pub async fn transactions(
        &self,
        access: &Access<'_>,
        account: &FetchedAccount,
        from: Option<Date>,
    ) -> Result<FetchedWindow, BankError> {
        let (mut lines, mut after) = (Vec::new(), None);
        loop {
            let request = HistoryRequest {
                account: &account.resource_id,
                link: account.link.as_ref(),
                currency: account.currency,
                from,
                after: after.as_ref(),
            };
            let part = self.history(access, &request).await?;
            if part.begins {
                lines.clear();
            }
            lines.extend(part.lines);
            match part.rest {
                Rest::More(continuation) => after = Some(continuation),
                Rest::Whole(coverage) => {
                    let booked = lines.iter().filter_map(FetchedTransaction::booked_on);
                    let from = coverage.first_day(booked);
                    return Ok(FetchedWindow { from, lines });
                }
            }
        }
    }
}
