//! Powens, an aggregator: a licensed provider that reads banks for an insurer without a registration
//! of its own (API 2.0, <https://docs.powens.com>).
//!
//! The person chooses and connects their bank on the provider's page (the webview) and comes back
//! with a code, good once for a permanent token of a nameless user. One user is made per attempt, so
//! the user *is* the consent: ending it deletes the user and everything the provider holds for it.
//!
//! Its answers are what the provider read from the bank some time ago, on its own schedule and its own
//! budget. Where it could not, it serves what it had: the state of the connection is therefore looked
//! at before anything else, and stale data is an error, not data.

mod accounts;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod golden;
mod movements;
mod refusal;
mod standing;

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;
use passerelle_domain::account::FetchedAccount;
use passerelle_domain::call_context::CallContext;
use passerelle_domain::private::Private;
use passerelle_domain::reconciliation::Coverage;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use serde_json::json;
use url::Url;
use zeroize::Zeroizing;

use crate::aggregator::AggregatorAccess;
use crate::bank_http::{Answer, BankHttp, Call};
use crate::connector::{
    Access, AuthorisationRequest, BankConsent, BankConsentEnd, Connector, ScaApproach,
    StartedAuthorisation, WayToBank,
};
use crate::error::{BankCode, BankError};
use crate::history::{self, HISTORY_DAYS, HistoryPart, HistoryRequest, WayOn};
use crate::links::BankAddress;
use crate::oauth;
use crate::powens::standing::ConnectionList;
use crate::presence;
use crate::secrets::{AttemptSecrets, Awaited, CodeFlow, OpenToken};

/// Movements asked for at once: the most the API gives is 1,000.
const PAGE_LENGTH: &str = "500";

/// One bank, read through the aggregator.
#[derive(Debug)]
pub(crate) struct Powens {
    http: BankHttp,
    access: AggregatorAccess,
    api: BankAddress,
    webview: BankAddress,
    /// The bank in the provider's list; without it the person chooses it on the provider's page.
    bank: Option<String>,
}

impl Powens {
    /// A connector for one bank.
    ///
    /// # Errors
    /// [`BankError::Settings`] when an address of the aggregator cannot be used.
    pub(crate) fn new(
        access: &AggregatorAccess,
        bank: Option<&str>,
        http: &BankHttp,
    ) -> Result<Self, BankError> {
        Ok(Self {
            http: http.clone(),
            api: BankAddress::new(&access.api)?,
            webview: BankAddress::new(&access.webview)?,
            access: access.clone(),
            bank: bank.map(str::to_owned),
        })
    }

    async fn call(
        &self,
        name: &'static str,
        method: Method,
        url: Url,
        access: &Access<'_>,
    ) -> Result<Answer, BankError> {
        self.http
            .send(Call {
                name,
                method,
                url,
                headers: self.headers(access)?,
                body: None,
                context: access.context,
            })
            .await
    }

    async fn read<Wire: DeserializeOwned>(
        &self,
        name: &'static str,
        url: Url,
        access: &Access<'_>,
        nonsense: &'static str,
    ) -> Result<Wire, BankError> {
        let answer = self.call(name, Method::GET, url, access).await?;
        match answer.status {
            StatusCode::OK => serde_json::from_slice(&answer.body)
                .map_err(|_| BankError::Nonsense { what: nonsense }),
            _ => Err(refusal::read(&answer)),
        }
    }

    /// Where the person's connections stand.
    async fn standing(&self, access: &Access<'_>) -> Result<ConnectionList, BankError> {
        let url = self.api.path(&["users", "me", "connections"]);
        self.read(
            "aggregator connections",
            url,
            access,
            "the connections cannot be read",
        )
        .await
    }

    async fn listed(
        &self,
        access: &Access<'_>,
        readable: &BTreeSet<String>,
    ) -> Result<Vec<FetchedAccount>, BankError> {
        let url = self.api.path(&["users", "me", "accounts"]);
        let nonsense = "the account list cannot be read";
        let list: accounts::AccountList = self
            .read("aggregator accounts", url, access, nonsense)
            .await?;
        list.read(readable)
    }

    /// The first page of an account's movements.
    fn way_into(&self, access: &Access<'_>, request: &HistoryRequest<'_>) -> WayOn {
        let today = history::today(access.presence);
        let asked = request
            .from
            .unwrap_or_else(|| history::days_before(today, HISTORY_DAYS));
        let account = request.account.as_str();
        let path = ["users", "me", "accounts", account, "transactions"];
        let mut first = self.api.path(&path);
        first
            .query_pairs_mut()
            .append_pair("min_date", &asked.to_string())
            .append_pair("limit", PAGE_LENGTH);
        let coverage = match request.from {
            Some(day) => Coverage::Since(day),
            None => Coverage::AsServed(today),
        };
        WayOn::begin(first, coverage)
    }

    /// The token alone: the aggregator is no bank, so the person's address is none of its business, and
    /// neither is a token a bank gave.
    fn headers(&self, access: &Access<'_>) -> Result<HeaderMap, BankError> {
        if !access.token.is_given_at(self.api.base()) {
            return Err(BankError::TokenRefused {
                code: BankCode::new("given_elsewhere"),
            });
        }
        let mut headers =
            HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        presence::authorise(&mut headers, access.token)?;
        Ok(headers)
    }
}

#[async_trait]
impl Connector for Powens {
    /// Nothing is opened yet: the nameless user is made when the person arrives on the page.
    async fn start_authorisation(
        &self,
        request: &AuthorisationRequest,
    ) -> Result<StartedAuthorisation, BankError> {
        let mut page = self.webview.path(&["fr", "connect"]);
        page.query_pairs_mut()
            .append_pair("domain", self.api.base().host_str().unwrap_or_default())
            .append_pair("client_id", &self.access.client_id)
            .append_pair("redirect_uri", request.redirect_uri.as_str())
            .append_pair("state", request.state.expose())
            .append_pair("max_connections", "1");
        if let Some(bank) = &self.bank {
            page.query_pairs_mut().append_pair("connector_uuids", bank);
        }
        Ok(StartedAuthorisation {
            way: WayToBank {
                href: page,
                approach: ScaApproach::Redirect,
            },
            secrets: AttemptSecrets {
                bank_consent_id: None,
                awaited: Awaited::Code(CodeFlow {
                    code_verifier: request.code_verifier.expose().into(),
                    redirect_uri: request.redirect_uri.clone(),
                    token_endpoint: self.api.path(&["auth", "token", "access"]),
                    issuer: self.api.base().to_string(),
                    issuer_required: false,
                }),
            },
        })
    }

    async fn exchange_code(
        &self,
        secrets: &AttemptSecrets,
        code: Option<&Private>,
        issuer: Option<&str>,
        context: &CallContext,
        now: Timestamp,
    ) -> Result<OpenToken, BankError> {
        let flow = secrets.code_flow()?;
        oauth::check_issuer(flow, issuer)?;
        let code = oauth::needed(code)?;
        self.api.own(&flow.token_endpoint)?;
        let client_secret = self.access.client_secret.open().await?;
        let body = Zeroizing::new(
            json!({
                "grant_type": "authorization_code",
                "code": code.expose(),
                "client_id": self.access.client_id,
                "client_secret": client_secret.expose_secret(),
                "redirect_uri": flow.redirect_uri.as_str(),
            })
            .to_string()
            .into_bytes(),
        );
        let json_type = HeaderValue::from_static("application/json");
        let answer = self
            .http
            .send(Call {
                name: "aggregator token",
                method: Method::POST,
                url: flow.token_endpoint.clone(),
                headers: HeaderMap::from_iter([
                    (ACCEPT, json_type.clone()),
                    (CONTENT_TYPE, json_type),
                ]),
                body: Some(body),
                context,
            })
            .await?;
        Ok(OpenToken {
            access: Some(refusal::granted(&answer)?),
            // Permanent: it ends when the user is deleted, and then nothing renews it.
            refresh: None,
            expires_at: Timestamp::MAX,
            bank_consent_id: None,
            token_endpoint: Some(flow.token_endpoint.clone()),
            authorised_at: now,
            renewed: false,
        })
    }

    async fn continue_authorisation(
        &self,
        _token: &OpenToken,
        _request: &AuthorisationRequest,
    ) -> Result<StartedAuthorisation, BankError> {
        Err(BankError::Settings(
            "the aggregator has one step: its page does the rest",
        ))
    }

    async fn consent_status(&self, access: &Access<'_>) -> Result<BankConsent, BankError> {
        match self.standing(access).await {
            Ok(connections) => {
                let today = history::today(access.presence);
                Ok(connections.consent(access.token.authorised_at, today))
            }
            Err(BankError::TokenRefused { .. }) => Ok(BankConsent::Ended(BankConsentEnd::Unknown)),
            Err(error) => Err(error),
        }
    }

    /// There is nothing to renew: a permanent token that is refused means the user is gone.
    async fn refresh_token(
        &self,
        _token: &OpenToken,
        _context: &CallContext,
        _now: Timestamp,
    ) -> Result<OpenToken, BankError> {
        Err(BankError::TokenRefused {
            code: BankCode::new("permanent_token"),
        })
    }

    async fn accounts(&self, access: &Access<'_>) -> Result<Vec<FetchedAccount>, BankError> {
        let readable = self.standing(access).await?.readable()?;
        self.listed(access, &readable).await
    }

    /// A window, not the API's `last_update` difference: what the provider no longer shows must be
    /// seen to be missing, and a difference cannot show it.
    async fn history(
        &self,
        access: &Access<'_>,
        request: &HistoryRequest<'_>,
    ) -> Result<HistoryPart, BankError> {
        let mut way = match request.after {
            Some(continuation) => WayOn::read(continuation, &self.api)?,
            None => self.way_into(access, request),
        };
        let url = way.step()?;
        let nonsense = "a page of movements cannot be read";
        let page: movements::Page = self
            .read("aggregator movements", url, access, nonsense)
            .await?;
        way.coverage = page.coverage(way.coverage);
        let next = page.next().map(str::to_owned);
        let lines = page.read(request.currency)?;
        way.part(&self.api, lines, next.as_deref(), request.after.is_none())
    }

    /// Deletes the nameless user: the provider forgets the bank, the accounts and the movements.
    async fn end_consent(&self, access: &Access<'_>) -> Result<(), BankError> {
        let url = self.api.path(&["users", "me"]);
        let answer = self
            .call("aggregator user end", Method::DELETE, url, access)
            .await?;
        if answer.status.is_success() {
            return Ok(());
        }
        match refusal::read(&answer) {
            BankError::TokenRefused { .. } | BankError::UnknownAccount { .. } => Ok(()),
            error => Err(error),
        }
    }
}
