//! Reading accounts, cards and movements.

use jiff::civil::Date;
use passerelle_domain::account::{Balance, FetchedAccount};
use passerelle_domain::ids::ResourceId;
use passerelle_domain::money::Currency;
use passerelle_domain::private::Private;
use passerelle_domain::reconciliation::Coverage;
use passerelle_domain::transaction::{BookingStatus, FetchedTransaction};
use reqwest::StatusCode;
use serde::de::DeserializeOwned;
use url::Url;

use super::wire::Report;
use super::wire::accounts::{AccountList, BalanceReport, read_balances};
use super::wire::cards::{CardAccountList, CardTransactionPage};
use super::wire::transactions::TransactionPage;
use super::{BerlinGroup, parse, refusal};
use crate::connector::Access;
use crate::error::BankError;
use crate::history::{self, ASSURED_DAYS, HISTORY_DAYS, HistoryPart, HistoryRequest, WayOn};
use crate::pages::few_enough;

/// The two families of accounts the standard has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Accounts,
    CardAccounts,
}

impl Family {
    fn path(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::CardAccounts => "card-accounts",
        }
    }
}

/// One account's movements, asked for.
struct Asked<'a> {
    access: &'a Access<'a>,
    address: Url,
    family: Family,
    currency: Currency,
}

impl Asked<'_> {
    fn first_page(&self, from: Option<Date>, booking_status: &str) -> Url {
        let mut first = self.address.clone();
        first
            .query_pairs_mut()
            .append_pair("bookingStatus", booking_status);
        if let Some(from) = from {
            let from = from.to_string();
            first.query_pairs_mut().append_pair("dateFrom", &from);
        }
        first
    }
}

impl BerlinGroup {
    pub(super) async fn read_accounts(
        &self,
        access: &Access<'_>,
    ) -> Result<Vec<FetchedAccount>, BankError> {
        let mut listed = Vec::new();
        let list: Option<AccountList> = self.list(Family::Accounts, access).await?;
        for account in list.map(|list| list.accounts).unwrap_or_default() {
            listed.extend(account.read()?.map(|account| (Family::Accounts, account)));
        }
        if self.capabilities.card_accounts {
            let cards = self.read_cards(access).await?;
            listed.extend(cards.into_iter().map(|card| (Family::CardAccounts, card)));
        }
        few_enough(listed.len())?;
        let mut accounts = Vec::new();
        for (family, mut account) in listed {
            let resource = self.resource(family, &account.resource_id);
            if account.balances.is_empty() {
                account.balances = self.balances(access, &resource, account.currency).await?;
            }
            // Cards have addresses of their own.
            if self.capabilities.card_accounts {
                account.link = Some(Private::new(resource.as_str()));
            }
            accounts.push(account);
        }
        Ok(accounts)
    }

    /// A person without a card is not an error: some banks answer 404, or that they have no such
    /// service.
    async fn read_cards(&self, access: &Access<'_>) -> Result<Vec<FetchedAccount>, BankError> {
        let list: Option<CardAccountList> = match self.list(Family::CardAccounts, access).await {
            Err(BankError::UnknownAccount { .. }) => None,
            Err(BankError::Refused { code, .. }) if refusal::is_unsupported(&code) => None,
            outcome => outcome?,
        };
        let mut cards = Vec::new();
        for card in list.map(|list| list.card_accounts).unwrap_or_default() {
            cards.extend(card.read()?);
        }
        if self.quirks.card_debits_positive {
            for balance in cards.iter_mut().flat_map(|card| &mut card.balances) {
                balance.amount = balance.amount.reversed();
            }
        }
        Ok(cards)
    }

    /// A list with its balances, or without where the bank does not give both at once.
    async fn list<List: DeserializeOwned>(
        &self,
        family: Family,
        access: &Access<'_>,
    ) -> Result<Option<List>, BankError> {
        let nonsense = "the account list cannot be read";
        let bare = self.interface.api.path(&["v1", family.path()]);
        let mut with_balances = bare.clone();
        with_balances.set_query(Some("withBalance=true"));
        let listed = self
            .read_json(family.path(), with_balances, access, nonsense)
            .await;
        match listed {
            Err(BankError::Refused { code, .. }) if refusal::is_unsupported(&code) => {
                self.read_json(family.path(), bare, access, nonsense).await
            }
            outcome => outcome,
        }
    }

    async fn balances(
        &self,
        access: &Access<'_>,
        resource: &Url,
        currency: Currency,
    ) -> Result<Vec<Balance>, BankError> {
        let url = below(resource, "balances");
        let read = self.read_json("balances", url, access, "the balances cannot be read");
        let report: Option<BalanceReport> = match read.await {
            // Closed since it was listed: its movements will say so, and the others are still read.
            Err(BankError::UnknownAccount { .. }) => None,
            read => read?,
        };
        read_balances(report.unwrap_or_default().balances, currency)
    }

    pub(super) async fn read_history(
        &self,
        access: &Access<'_>,
        request: &HistoryRequest<'_>,
    ) -> Result<HistoryPart, BankError> {
        let resource = match request.link {
            Some(link) => self.interface.api.kept(link)?,
            None => self.resource(Family::Accounts, request.account),
        };
        let asked = Asked {
            access,
            address: below(&resource, "transactions"),
            family: match resource.path().contains("/card-accounts/") {
                true => Family::CardAccounts,
                false => Family::Accounts,
            },
            currency: request.currency,
        };
        let today = history::today(access.presence);
        let first = match request.from {
            Some(day) => (day, Coverage::Since(day)),
            None => {
                let day = history::days_before(today, HISTORY_DAYS);
                (day, Coverage::AsServed(today))
            }
        };
        let read = match request.after {
            None => self.begin(&asked, first).await,
            Some(continuation) => {
                let way = WayOn::read(continuation, &self.interface.api)?;
                self.page(&asked, way, false).await
            }
        };
        match read {
            // A bank may notice late that it does not go back so far.
            Err(BankError::Refused { code, .. }) if refusal::is_period(&code) => {
                let assured = history::days_before(today, ASSURED_DAYS).max(first.0);
                self.begin(&asked, (assured, Coverage::Since(assured)))
                    .await
            }
            read => read,
        }
    }

    fn resource(&self, family: Family, account: &ResourceId) -> Url {
        self.interface
            .api
            .path(&["v1", family.path(), account.as_str()])
    }

    /// Booked and pending lines, or booked ones alone where the bank has no pending (Q26); all it has
    /// where it takes no date to begin from (Q27).
    async fn begin(
        &self,
        asked: &Asked<'_>,
        (from, coverage): (Date, Coverage),
    ) -> Result<HistoryPart, BankError> {
        let statuses: &[&str] = match self.capabilities.pending {
            true => &["both", "booked"],
            false => &["booked"],
        };
        let mut unsupported = BankError::Nonsense {
            what: "no way to ask for movements",
        };
        for first_day in [Some(from), None] {
            for status in statuses {
                let way = WayOn::begin(asked.first_page(first_day, status), coverage);
                match self.page(asked, way, true).await {
                    Err(BankError::Refused { status, code }) if refusal::is_unsupported(&code) => {
                        unsupported = BankError::Refused { status, code };
                    }
                    outcome => return outcome,
                }
            }
        }
        Err(unsupported)
    }

    async fn page(
        &self,
        asked: &Asked<'_>,
        way: WayOn,
        begins: bool,
    ) -> Result<HistoryPart, BankError> {
        match asked.family {
            Family::Accounts => self.page_of::<TransactionPage>(asked, way, begins).await,
            Family::CardAccounts => {
                self.page_of::<CardTransactionPage>(asked, way, begins)
                    .await
            }
        }
    }

    async fn page_of<Page: Report>(
        &self,
        asked: &Asked<'_>,
        mut way: WayOn,
        begins: bool,
    ) -> Result<HistoryPart, BankError> {
        let url = way.step()?;
        let nonsense = "a page of transactions cannot be read";
        let page: Option<Page> = self
            .read_json("transactions", url, asked.access, nonsense)
            .await?;
        let (mut lines, mut next) = (Vec::new(), None);
        if let Some(page) = page {
            next = page.next().map(str::to_owned);
            page.read_into(asked.currency, &mut lines)?;
        }
        self.correct_signs(asked.family, &mut lines);
        way.part(&self.interface.api, lines, next.as_deref(), begins)
    }

    /// What the bank's row says about its signs: pending lines without a minus (Q09), cards the
    /// other way round (Q10).
    fn correct_signs(&self, family: Family, lines: &mut [FetchedTransaction]) {
        for line in lines {
            if family == Family::CardAccounts && self.quirks.card_debits_positive {
                line.amount = line.amount.reversed();
            }
            if line.status == BookingStatus::Pending && self.quirks.pending_without_sign {
                line.amount = line.amount.as_debit();
            }
        }
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
            // Some banks say "nothing there" with a status alone (Q17).
            StatusCode::NO_CONTENT => Ok(None),
            _ => Err(refusal::read(&answer)),
        }
    }
}

fn below(resource: &Url, part: &str) -> Url {
    let mut url = resource.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.push(part);
    }
    url
}
