//! Berlin Group NextGenPSD2 1.3: the links of a consent decide how the person is sent to the bank.
//!
//! | form | way in | access |
//! | --- | --- | --- |
//! | `scaOAuth` | the authorisation server the link describes (RFC 8414) | token and consent |
//! | `scaRedirect` | the bank's page; a confirmation code may come back | the consent alone |
//! | OAuth pre-step | the authorisation server first, then the consent with its token | token and consent |
//! | `startAuthorisation` | an explicit start, whose links are one of the others | |
//! | `scaStatus` only | another device of the person's (decoupled) | the consent alone |
//!
//! The consent is *bank-offered*: three empty arrays, and the person picks the accounts at the bank.
//! A redirect proves nothing: the consent resource is the only truth.

mod consent;
#[cfg(test)]
mod fuzz;
mod reading;
mod refusal;
mod wire;

use async_trait::async_trait;
use jiff::Timestamp;
use passerelle_domain::account::FetchedAccount;
use passerelle_domain::call_context::CallContext;
use passerelle_domain::private::Private;
use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;

use crate::bank_http::{Answer, BankHttp, Call};
use crate::connector::{
    Access, AuthorisationRequest, BankConsent, BankConsentEnd, Connector, StartedAuthorisation,
};
use crate::directory::{Capabilities, DirectoryEntry, Quirks};
use crate::error::BankError;
use crate::history::{HistoryPart, HistoryRequest};
use crate::interface::Interface;
use crate::oauth;
use crate::presence;
use crate::secrets::{AttemptSecrets, Awaited, OpenToken};
use wire::consents::ConsentInformation;

/// A bank that speaks the Berlin Group dialect.
#[derive(Debug)]
pub(crate) struct BerlinGroup {
    http: BankHttp,
    interface: Interface,
    capabilities: Capabilities,
    quirks: Quirks,
    /// Below the base, where tokens are given; told by the row where no metadata is (Q48).
    token_path: Option<String>,
    unattended_per_day: u8,
}

impl BerlinGroup {
    /// A connector for one institution.
    pub(crate) fn new(entry: &DirectoryEntry, interface: Interface, http: &BankHttp) -> Self {
        Self {
            http: http.clone(),
            interface,
            capabilities: entry.capabilities,
            quirks: entry.quirks,
            token_path: entry.token_path.clone(),
            unattended_per_day: entry.institution.unattended_per_day,
        }
    }

    /// The headers of a read: token, consent, and the person when they are there.
    fn headers(&self, access: &Access<'_>) -> Result<HeaderMap, BankError> {
        self.interface.reads_with(access.token)?;
        let mut headers = presence::headers(access)?;
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(
            HeaderName::from_static("consent-id"),
            presence::header(access.token.consent_id()?)?,
        );
        Ok(headers)
    }

    async fn read(
        &self,
        name: &'static str,
        url: Url,
        access: &Access<'_>,
    ) -> Result<Answer, BankError> {
        self.http
            .send(Call {
                name,
                method: Method::GET,
                url,
                headers: self.headers(access)?,
                body: None,
                context: access.context,
            })
            .await
    }
}

#[async_trait]
impl Connector for BerlinGroup {
    async fn start_authorisation(
        &self,
        request: &AuthorisationRequest,
    ) -> Result<StartedAuthorisation, BankError> {
        match self.capabilities.oauth_pre_step {
            true => self.authorise_first(request).await,
            false => self.open(request, None).await,
        }
    }

    async fn exchange_code(
        &self,
        secrets: &AttemptSecrets,
        code: Option<&Private>,
        issuer: Option<&str>,
        context: &CallContext,
        now: Timestamp,
    ) -> Result<OpenToken, BankError> {
        match &secrets.awaited {
            Awaited::Code(flow) => {
                self.interface.takes_tokens(&flow.token_endpoint)?;
                let (http, client_id) = (&self.http, &self.interface.client_id);
                oauth::exchange_code(http, client_id, secrets, code, issuer, context, now).await
            }
            Awaited::Approval(approval) => {
                let consent_id = secrets.bank_consent_id.as_deref();
                self.approved(approval, consent_id, code, context, now)
                    .await
            }
        }
    }

    async fn continue_authorisation(
        &self,
        token: &OpenToken,
        request: &AuthorisationRequest,
    ) -> Result<StartedAuthorisation, BankError> {
        self.open(request, Some(token)).await
    }

    async fn consent_status(&self, access: &Access<'_>) -> Result<BankConsent, BankError> {
        self.interface.reads_with(access.token)?;
        let Some(consent_id) = &access.token.bank_consent_id else {
            return Ok(BankConsent::NotAsked);
        };
        let url = self.interface.api.path(&["v1", "consents", consent_id]);
        let answer = self.read("consent status", url, access).await?;
        match answer.status {
            StatusCode::OK => {
                let consent: ConsentInformation = parse(&answer, "the consent cannot be read")?;
                consent.read()
            }
            _ => match refusal::read(&answer) {
                BankError::ConsentEnded { code } => Ok(BankConsent::Ended(refusal::end_of(&code))),
                BankError::UnknownAccount { .. } => Ok(BankConsent::Ended(BankConsentEnd::Unknown)),
                error => Err(error),
            },
        }
    }

    async fn refresh_token(
        &self,
        token: &OpenToken,
        context: &CallContext,
        now: Timestamp,
    ) -> Result<OpenToken, BankError> {
        self.interface.takes_tokens(token.renewal()?.0)?;
        oauth::refresh(&self.http, &self.interface.client_id, token, context, now).await
    }

    async fn accounts(&self, access: &Access<'_>) -> Result<Vec<FetchedAccount>, BankError> {
        self.read_accounts(access).await
    }

    async fn history(
        &self,
        access: &Access<'_>,
        request: &HistoryRequest<'_>,
    ) -> Result<HistoryPart, BankError> {
        self.read_history(access, request).await
    }

    async fn end_consent(&self, access: &Access<'_>) -> Result<(), BankError> {
        self.interface.reads_with(access.token)?;
        let answer = self
            .http
            .send(Call {
                name: "consent end",
                method: Method::DELETE,
                url: self
                    .interface
                    .api
                    .path(&["v1", "consents", access.token.consent_id()?]),
                headers: self.headers(access)?,
                body: None,
                context: access.context,
            })
            .await?;
        if answer.status.is_success() {
            return Ok(());
        }
        match refusal::read(&answer) {
            BankError::ConsentEnded { .. } | BankError::UnknownAccount { .. } => Ok(()),
            error => Err(error),
        }
    }
}

fn parse<Wire: DeserializeOwned>(answer: &Answer, what: &'static str) -> Result<Wire, BankError> {
    serde_json::from_slice(&answer.body).map_err(|_| BankError::Nonsense { what })
}
