//! Berlin Group NextGenPSD2 1.3, OAuth redirect approach.
//!
//! The consent is *bank-offered*: three empty arrays, and the person picks the accounts at the bank.
//! A redirect proves nothing: the consent resource is the only truth.

mod refusal;
mod wire;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use passerelle_domain::account::{Balance, FetchedAccount};
use passerelle_domain::ids::{CorrelationId, ResourceId};
use passerelle_domain::money::Currency;
use passerelle_domain::private::Private;
use passerelle_domain::reconciliation::FetchedWindow;
use passerelle_domain::transaction::FetchedTransaction;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;
use zeroize::Zeroizing;

use crate::bank_http::{Answer, BankHttp, Call};
use crate::connector::{
    Access, AuthorisationRequest, BankConsent, BankConsentEnd, Connector, StartedAuthorisation,
};
use crate::directory::{Capabilities, DirectoryEntry};
use crate::error::BankError;
use crate::history::{self, ASSURED_DAYS, HISTORY_DAYS};
use crate::links::{BankAddress, Trail};
use crate::oauth::{self, AuthorisationServer};
use crate::presence;
use crate::secrets::{AttemptSecrets, OpenToken};

/// A bank that speaks the Berlin Group dialect.
#[derive(Debug)]
pub(crate) struct BerlinGroup {
    http: BankHttp,
    address: BankAddress,
    client_id: String,
    capabilities: Capabilities,
    unattended_per_day: u8,
}

impl BerlinGroup {
    /// A connector for one institution.
    ///
    /// # Errors
    /// [`BankError::Settings`] when the base address cannot carry a bank.
    pub(crate) fn new(
        entry: &DirectoryEntry,
        base: &Url,
        client_id: &str,
        http: &BankHttp,
    ) -> Result<Self, BankError> {
        Ok(Self {
            http: http.clone(),
            address: BankAddress::new(base)?,
            client_id: client_id.to_owned(),
            capabilities: entry.capabilities,
            unattended_per_day: entry.institution.unattended_per_day,
        })
    }

    /// The headers of a read: token, consent, and the person when they are there.
    fn headers(access: &Access<'_>) -> Result<HeaderMap, BankError> {
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
                headers: Self::headers(access)?,
                body: None,
                correlation: access.correlation,
            })
            .await
    }

    async fn read_json<Wire: DeserializeOwned>(
        &self,
        name: &'static str,
        url: Url,
        access: &Access<'_>,
        nonsense: &'static str,
    ) -> Result<Option<Wire>, BankError> {
        let answer = self.read(name, url, access).await?;
        match answer.status {
            StatusCode::OK => parse(&answer, nonsense).map(Some),
            // Some banks say "nothing there" with a status alone.
            StatusCode::NO_CONTENT => Ok(None),
            _ => Err(refusal::read(&answer)),
        }
    }

    async fn create_consent(
        &self,
        request: &AuthorisationRequest,
    ) -> Result<wire::CreatedConsent, BankError> {
        let body = wire::consent_request(
            request.valid_until,
            self.unattended_per_day,
            self.capabilities.owner_name,
        );
        let mut headers = HeaderMap::new();
        presence::name_psu(&mut headers, &request.psu)?;
        let redirect = presence::header(request.redirect_uri.as_str())?;
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(
            HeaderName::from_static("tpp-redirect-preferred"),
            HeaderValue::from_static("true"),
        );
        headers.insert(
            HeaderName::from_static("tpp-nok-redirect-uri"),
            redirect.clone(),
        );
        headers.insert(HeaderName::from_static("tpp-redirect-uri"), redirect);
        let answer = self
            .http
            .send(Call {
                name: "consent creation",
                method: Method::POST,
                url: self.address.path(&["v1", "consents"]),
                headers,
                body: Some(Zeroizing::new(body.into_bytes())),
                correlation: &request.correlation,
            })
            .await?;
        match answer.status {
            StatusCode::CREATED | StatusCode::OK => {
                parse(&answer, "the created consent cannot be read")
            }
            _ => Err(refusal::read(&answer)),
        }
    }

    async fn balances(
        &self,
        access: &Access<'_>,
        account: &ResourceId,
        currency: Currency,
    ) -> Result<Vec<Balance>, BankError> {
        let url = self
            .address
            .path(&["v1", "accounts", account.as_str(), "balances"]);
        let report: Option<wire::BalanceReport> = self
            .read_json("balances", url, access, "the balances cannot be read")
            .await?;
        wire::read_balances(report.unwrap_or_default().balances, currency)
    }

    /// One complete reading of the movements since a day.
    async fn pages(
        &self,
        access: &Access<'_>,
        account: &ResourceId,
        currency: Currency,
        from: Date,
        booking_status: &str,
    ) -> Result<Vec<FetchedTransaction>, BankError> {
        let mut first = self
            .address
            .path(&["v1", "accounts", account.as_str(), "transactions"]);
        first
            .query_pairs_mut()
            .append_pair("bookingStatus", booking_status)
            .append_pair("dateFrom", &from.to_string());
        let mut trail = Trail::default();
        let mut next = Some(first);
        let mut lines = Vec::new();
        while let Some(url) = next {
            trail.step(&url)?;
            let page: Option<wire::TransactionPage> = self
                .read_json(
                    "transactions",
                    url.clone(),
                    access,
                    "a page of transactions cannot be read",
                )
                .await?;
            next = match page {
                Some(page) => {
                    let link = page.next().map(str::to_owned);
                    page.read_into(currency, &mut lines)?;
                    link.map(|href| self.address.resolve(&url, &href))
                        .transpose()?
                }
                None => None,
            };
        }
        Ok(lines)
    }

    /// Booked and pending lines, or booked ones alone where the bank has no pending.
    async fn lines_since(
        &self,
        access: &Access<'_>,
        account: &ResourceId,
        currency: Currency,
        from: Date,
    ) -> Result<Vec<FetchedTransaction>, BankError> {
        if !self.capabilities.pending {
            return self.pages(access, account, currency, from, "booked").await;
        }
        match self.pages(access, account, currency, from, "both").await {
            Err(BankError::Refused { code, .. }) if refusal::is_unsupported(&code) => {
                self.pages(access, account, currency, from, "booked").await
            }
            outcome => outcome,
        }
    }
}

#[async_trait]
impl Connector for BerlinGroup {
    async fn start_authorisation(
        &self,
        request: &AuthorisationRequest,
    ) -> Result<StartedAuthorisation, BankError> {
        let consent = self.create_consent(request).await?;
        let link = consent.oauth_link().ok_or(BankError::Nonsense {
            what: "the created consent has no link for the person",
        })?;
        let metadata = self.address.resolve(self.address.base(), link)?;
        let server =
            AuthorisationServer::discover(&self.http, &metadata, &request.correlation).await?;
        let scope = format!("AIS:{}", consent.consent_id);
        Ok(StartedAuthorisation {
            redirect_to: oauth::authorisation_page(
                &server.authorization_endpoint,
                &self.client_id,
                &scope,
                request,
            ),
            secrets: AttemptSecrets {
                code_verifier: request.code_verifier.expose().into(),
                bank_consent_id: Some(consent.consent_id),
                redirect_uri: request.redirect_uri.clone(),
                token_endpoint: server.token_endpoint,
                issuer: server.issuer,
                issuer_required: server.authorization_response_iss_parameter_supported,
            },
        })
    }

    async fn exchange_code(
        &self,
        secrets: &AttemptSecrets,
        code: &Private,
        issuer: Option<&str>,
        correlation: &CorrelationId,
        now: Timestamp,
    ) -> Result<OpenToken, BankError> {
        self.address.own(&secrets.token_endpoint)?;
        oauth::exchange_code(
            &self.http,
            &self.client_id,
            secrets,
            code,
            issuer,
            correlation,
            now,
        )
        .await
    }

    async fn consent_status(&self, access: &Access<'_>) -> Result<BankConsent, BankError> {
        let url = self
            .address
            .path(&["v1", "consents", access.token.consent_id()?]);
        let answer = self.read("consent status", url, access).await?;
        match answer.status {
            StatusCode::OK => {
                let consent: wire::ConsentInformation =
                    parse(&answer, "the consent cannot be read")?;
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
        correlation: &CorrelationId,
        now: Timestamp,
    ) -> Result<OpenToken, BankError> {
        self.address.own(&token.token_endpoint)?;
        oauth::refresh(&self.http, &self.client_id, token, correlation, now).await
    }

    async fn accounts(&self, access: &Access<'_>) -> Result<Vec<FetchedAccount>, BankError> {
        let nonsense = "the account list cannot be read";
        let bare = self.address.path(&["v1", "accounts"]);
        let mut with_balances = bare.clone();
        with_balances.set_query(Some("withBalance=true"));
        let listed = self
            .read_json("accounts", with_balances, access, nonsense)
            .await;
        let list: Option<wire::AccountList> = match listed {
            Err(BankError::Refused { code, .. }) if refusal::is_unsupported(&code) => {
                self.read_json("accounts", bare, access, nonsense).await?
            }
            outcome => outcome?,
        };
        let mut accounts = Vec::new();
        for account in list.map(|list| list.accounts).unwrap_or_default() {
            let Some(mut account) = account.read()? else {
                continue;
            };
            if account.balances.is_empty() {
                account.balances = self
                    .balances(access, &account.resource_id, account.currency)
                    .await?;
            }
            accounts.push(account);
        }
        Ok(accounts)
    }

    async fn transactions(
        &self,
        access: &Access<'_>,
        account: &ResourceId,
        currency: Currency,
        from: Option<Date>,
    ) -> Result<FetchedWindow, BankError> {
        let today = history::today(access.presence);
        let asked = from.unwrap_or_else(|| history::days_before(today, HISTORY_DAYS));
        match self.lines_since(access, account, currency, asked).await {
            Err(BankError::Refused { code, .. }) if refusal::is_period(&code) => {
                let assured = history::days_before(today, ASSURED_DAYS).max(asked);
                let lines = self.lines_since(access, account, currency, assured).await?;
                Ok(FetchedWindow {
                    from: assured,
                    lines,
                })
            }
            Ok(lines) if from.is_none() => Ok(FetchedWindow {
                from: history::first_day(&lines).unwrap_or(today),
                lines,
            }),
            Ok(lines) => Ok(FetchedWindow { from: asked, lines }),
            Err(error) => Err(error),
        }
    }

    async fn end_consent(&self, access: &Access<'_>) -> Result<(), BankError> {
        let answer = self
            .http
            .send(Call {
                name: "consent end",
                method: Method::DELETE,
                url: self
                    .address
                    .path(&["v1", "consents", access.token.consent_id()?]),
                headers: Self::headers(access)?,
                body: None,
                correlation: access.correlation,
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
