//! STET PSD2 API, 1.4 and 1.6 shapes, OAuth code flow.
//!
//! There is no consent resource: the consent lives as long as the refresh token, at most 180 days
//! after the SCA. What may be read shows in an account's links, and links are followed, not built.

#[cfg(test)]
mod fuzz;
mod refusal;
mod wire;

use async_trait::async_trait;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use passerelle_domain::account::{AccountKind, FetchedAccount};
use passerelle_domain::call_budget::PsuPresence;
use passerelle_domain::call_context::CallContext;
use passerelle_domain::money::Currency;
use passerelle_domain::private::Private;
use passerelle_domain::reconciliation::Coverage;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;
use zeroize::Zeroizing;

use crate::bank_day;
use crate::bank_http::{Answer, BankHttp, Call};
use crate::connector::{
    Access, AuthorisationRequest, BankConsent, BankConsentEnd, Connector, ScaApproach,
    StartedAuthorisation, WayToBank,
};
use crate::directory::{Capabilities, DirectoryEntry};
use crate::error::{BankCode, BankError};
use crate::history::{self, ASSURED_DAYS, HISTORY_DAYS, HistoryPart, HistoryRequest, WayOn};
use crate::interface::Interface;
use crate::links::BankAddress;
use crate::oauth;
use crate::pages::Pages;
use crate::presence;
use crate::secrets::{AttemptSecrets, Awaited, CodeFlow, OpenToken};
use crate::stet::wire::ListedAccount;

/// The longest life of a refresh token after the SCA (RTS 2018/389 art. 10a).
const LIFE_AFTER_SCA: SignedDuration = SignedDuration::from_hours(180 * 24);

/// The media type STET answers with.
const HAL: HeaderValue = HeaderValue::from_static("application/hal+json; charset=utf-8");

/// A bank that speaks the STET dialect.
#[derive(Debug)]
pub(crate) struct Stet {
    http: BankHttp,
    interface: Interface,
    /// What links are relative to: the address above the version's.
    address: BankAddress,
    authorisation: Url,
    token: Url,
    version: Version,
    capabilities: Capabilities,
}

/// What differs between the versions met in the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    /// Date filters carry a time and an offset.
    V14,
    /// Date filters are dates.
    V16,
}

impl Version {
    fn filter(self, day: Date) -> String {
        match self {
            Self::V14 => bank_day::start_of_day(day),
            Self::V16 => day.to_string(),
        }
    }
}

impl Stet {
    /// A connector for one institution.
    ///
    /// # Errors
    /// [`BankError::Settings`] when an address is missing or the version is not known.
    pub(crate) fn new(
        entry: &DirectoryEntry,
        interface: Interface,
        http: &BankHttp,
    ) -> Result<Self, BankError> {
        let missing =
            BankError::Settings("STET describes no authorisation server: it must be told");
        let (Some(authorisation), Some(token)) =
            (interface.authorisation.clone(), interface.token.clone())
        else {
            return Err(missing);
        };
        let version = match entry.version.as_str() {
            "1.4" => Version::V14,
            "1.6" => Version::V16,
            _ => return Err(BankError::Settings("an unknown version of STET")),
        };
        Ok(Self {
            http: http.clone(),
            address: interface.api.parent()?,
            interface,
            authorisation,
            token,
            version,
            capabilities: entry.capabilities,
        })
    }

    /// How the authorisation server names itself, where it does.
    fn issuer(&self) -> String {
        let told = self.interface.issuer.clone();
        told.unwrap_or_else(|| self.authorisation.origin().ascii_serialization())
    }

    fn endpoint(&self, segments: &[&str]) -> Url {
        self.interface.api.path(segments)
    }

    async fn call(
        &self,
        name: &'static str,
        method: Method,
        url: Url,
        body: Option<String>,
        access: &Access<'_>,
    ) -> Result<Answer, BankError> {
        self.interface.reads_with(access.token)?;
        let mut headers: HeaderMap = presence::headers(access)?;
        headers.insert(ACCEPT, HAL);
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        self.http
            .send(Call {
                name,
                method,
                url,
                headers,
                body: body.map(|text| Zeroizing::new(text.into_bytes())),
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
    ) -> Result<Option<Wire>, BankError> {
        let answer = self.call(name, Method::GET, url, None, access).await?;
        match answer.status {
            StatusCode::OK => serde_json::from_slice(&answer.body)
                .map(Some)
                .map_err(|_| BankError::Nonsense { what: nonsense }),
            StatusCode::NO_CONTENT => Ok(None),
            _ => Err(refusal::read(&answer)),
        }
    }

    /// The whole account list, all pages.
    async fn list(&self, access: &Access<'_>) -> Result<Vec<ListedAccount>, BankError> {
        let mut pages = Pages::from(&self.address, self.endpoint(&["accounts"]));
        let mut listed = Vec::new();
        while let Some(url) = pages.turn()? {
            let page: Option<wire::AccountPage> = self
                .read(
                    "accounts",
                    url.clone(),
                    access,
                    "the account list cannot be read",
                )
                .await?;
            if let Some(page) = page {
                pages.follow(&url, page.next())?;
                page.read_into(&mut listed)?;
            }
        }
        for account in &mut listed {
            if let Some(href) = &account.transactions {
                let link = self.address.resolve(self.address.base(), href)?;
                account.account.link = Some(Private::from(String::from(link)));
            }
        }
        Ok(listed)
    }

    /// Model A2: says which accounts the person let us read. It replaces what was said before, so
    /// every account is named each time.
    async fn forward(
        &self,
        access: &Access<'_>,
        listed: &[ListedAccount],
    ) -> Result<(), BankError> {
        let body = wire::forwarded_access(listed, self.capabilities.owner_name);
        let url = self.endpoint(&["consents"]);
        let answer = self
            .call("consent forwarding", Method::PUT, url, Some(body), access)
            .await?;
        if answer.status.is_success() {
            Ok(())
        } else {
            Err(refusal::read(&answer))
        }
    }

    async fn begin(
        &self,
        access: &Access<'_>,
        link: &Url,
        currency: Currency,
        (from, coverage): (Date, Coverage),
    ) -> Result<HistoryPart, BankError> {
        let mut first = link.clone();
        first
            .query_pairs_mut()
            .append_pair("dateFrom", &self.version.filter(from));
        let way = WayOn::begin(first, coverage);
        self.page(access, way, currency, true).await
    }

    async fn page(
        &self,
        access: &Access<'_>,
        mut way: WayOn,
        currency: Currency,
        begins: bool,
    ) -> Result<HistoryPart, BankError> {
        let url = way.step()?;
        let nonsense = "a page of transactions cannot be read";
        let page: Option<wire::TransactionPage> =
            self.read("transactions", url, access, nonsense).await?;
        let (mut lines, mut next) = (Vec::new(), None);
        if let Some(page) = page {
            next = page.next().map(str::to_owned);
            page.read_into(currency, &mut lines)?;
        }
        way.part(&self.address, lines, next.as_deref(), begins)
    }
}

#[async_trait]
impl Connector for Stet {
    async fn start_authorisation(
        &self,
        request: &AuthorisationRequest,
    ) -> Result<StartedAuthorisation, BankError> {
        let scope = if self.capabilities.extended_history {
            "aisp extended_transaction_history"
        } else {
            "aisp"
        };
        Ok(StartedAuthorisation {
            way: WayToBank {
                href: oauth::authorisation_page(
                    &self.authorisation,
                    &self.interface.client_id,
                    scope,
                    &request.redirect_uri,
                    request,
                ),
                approach: ScaApproach::Redirect,
            },
            secrets: AttemptSecrets {
                bank_consent_id: None,
                awaited: Awaited::Code(CodeFlow {
                    code_verifier: request.code_verifier.expose().into(),
                    redirect_uri: request.redirect_uri.clone(),
                    token_endpoint: self.token.clone(),
                    issuer: self.issuer(),
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
        self.interface
            .takes_tokens(&secrets.code_flow()?.token_endpoint)?;
        oauth::exchange_code(
            &self.http,
            &self.interface.client_id,
            secrets,
            code,
            issuer,
            context,
            now,
        )
        .await
    }

    async fn continue_authorisation(
        &self,
        _: &OpenToken,
        _: &AuthorisationRequest,
    ) -> Result<StartedAuthorisation, BankError> {
        Err(BankError::Settings(
            "STET has one step: the code opens the accounts",
        ))
    }

    /// The bank has no consent to ask about: the tokens are the consent. Their age is known, and
    /// while the person is there the account list is the bank's own word that they are taken. An
    /// unattended call would spend an access to learn what the next read says anyway.
    async fn consent_status(&self, access: &Access<'_>) -> Result<BankConsent, BankError> {
        let end = access
            .token
            .authorised_at
            .checked_add(LIFE_AFTER_SCA)
            .unwrap_or(Timestamp::MAX);
        match access.presence {
            PsuPresence::Unattended(paid) if paid.at >= end => {
                return Ok(BankConsent::Ended(BankConsentEnd::Expired));
            }
            PsuPresence::Unattended(_) => {}
            PsuPresence::Attended(_) => match self.list(access).await {
                Ok(_) => {}
                Err(BankError::Blocked { .. } | BankError::ConsentEnded { .. }) => {
                    return Ok(BankConsent::Ended(BankConsentEnd::Unknown));
                }
                Err(error) => return Err(error),
            },
        }
        Ok(BankConsent::Valid { valid_until: end })
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
        let mut listed = self.list(access).await?;
        let closed = listed
            .iter()
            .any(|account| account.transactions.is_none() && account.forwardable_iban().is_some());
        if self.capabilities.forwarded_consent && closed {
            self.forward(access, &listed).await?;
            listed = self.list(access).await?;
        }
        let mut accounts = wire::tie_cards(listed)
            .into_iter()
            .filter(|account| account.transactions.is_some())
            .collect::<Vec<_>>();
        for account in &mut accounts {
            if account.account.balances.is_empty()
                && let Some(href) = &account.balances
            {
                let url = self.address.resolve(self.address.base(), href)?;
                let read = self.read("balances", url, access, "the balances cannot be read");
                let report: Option<wire::BalanceReport> = match read.await {
                    // Closed since it was listed: its movements will say so.
                    Err(BankError::UnknownAccount { .. }) => None,
                    read => read?,
                };
                account.account.balances =
                    report.unwrap_or_default().read(account.account.currency)?;
            }
        }
        Ok(accounts.into_iter().map(|listed| listed.account).collect())
    }

    async fn history(
        &self,
        access: &Access<'_>,
        request: &HistoryRequest<'_>,
    ) -> Result<HistoryPart, BankError> {
        let today = history::today(access.presence);
        let assured = history::days_before(today, ASSURED_DAYS);
        let link = request.link.ok_or(BankError::UnknownAccount {
            code: BankCode::new("NO_TRANSACTIONS_LINK"),
        })?;
        let (link, currency) = (self.address.kept(link)?, request.currency);
        // The right to more than 90 days is lost at the first renewal of the tokens.
        let extended = self.capabilities.extended_history && !access.token.renewed;
        let asked = match request.from {
            Some(day) if extended => day,
            Some(day) => day.max(assured),
            None if extended => history::days_before(today, HISTORY_DAYS),
            None => assured,
        };
        let coverage = match request.from {
            None if asked < assured => Coverage::AsServed(today),
            _ => Coverage::Since(asked),
        };
        let (read, far) = match request.after {
            None => {
                let read = self.begin(access, &link, currency, (asked, coverage)).await;
                (read, asked < assured)
            }
            Some(continuation) => {
                let way = WayOn::read(continuation, &self.address)?;
                let far = match way.coverage {
                    Coverage::AsServed(_) => true,
                    Coverage::Since(day) => day < assured,
                };
                (self.page(access, way, currency, false).await, far)
            }
        };
        match read {
            Err(BankError::Refused { .. } | BankError::Blocked { .. }) if far => {
                let sure = (assured, Coverage::Since(assured));
                self.begin(access, &link, currency, sure).await
            }
            read => read,
        }
    }

    async fn end_consent(&self, access: &Access<'_>) -> Result<(), BankError> {
        self.interface.reads_with(access.token)?;
        let beside = BankError::Settings("there is no address beside the token endpoint");
        let endpoint = match &self.interface.revocation {
            Some(endpoint) => endpoint.clone(),
            None => self.token.join("revoke").map_err(|_| beside)?,
        };
        oauth::revoke(
            &self.http,
            &endpoint,
            &self.interface.client_id,
            access.token,
            access.context,
        )
        .await
    }
}

/// Whether an account's IBAN can be forwarded: cards follow the account they are tied to.
fn is_cash(kind: AccountKind) -> bool {
    kind == AccountKind::Payment
}
