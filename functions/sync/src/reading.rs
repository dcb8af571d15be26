//! Reading a bank under a claim, with a token that is fresh and already stored.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use passerelle_aws::Store;
use passerelle_aws::claims::Claim;
use passerelle_aws::connections::Loaded;
use passerelle_banks::{Access, BankError, Connector, OpenToken};
use passerelle_domain::account::{
    Account, AccountKind, FetchedAccount, FingerprintKey, Ineligible,
};
use passerelle_domain::call_budget::PsuPresence;
use passerelle_domain::call_context::CallContext;
use passerelle_domain::connection::{ConnectionStatus, ReauthenticationReason};
use passerelle_domain::deferred_card;
use passerelle_domain::reconciliation::FetchedWindow;
use passerelle_runtime::Clock;

use crate::SyncError;

/// How far back each sync reads again: card authorisations settle up to some twelve days later, and
/// ids may change until then.
pub(crate) const OVERLAP_DAYS: i32 = 15;

/// One reading of one connection.
pub(crate) struct Reading<'a> {
    pub(crate) store: &'a Store,
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) claim: &'a Claim,
    pub(crate) loaded: &'a Loaded,
    pub(crate) context: &'a CallContext,
    pub(crate) clock: &'a Clock,
}

/// What the bank served.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// Accounts we can work with, each with its lines.
    pub(crate) accounts: Vec<(Account, FetchedWindow)>,
    /// Why the others were left out.
    pub(crate) refusals: Vec<Ineligible>,
    /// How many accounts the bank listed.
    pub(crate) listed: usize,
}

impl Reading<'_> {
    /// Reads everything; refreshes the token at most twice (when it is due, and when the bank refuses
    /// one that looked fresh).
    pub(crate) async fn read(
        &self,
        mut token: OpenToken,
        key: &FingerprintKey,
    ) -> Result<Fetched, SyncError> {
        if token.needs_refresh(self.now()) {
            token = self.refreshed(&token).await?;
        }
        match self.read_with(&token, key).await {
            Err(error) if error.wants_refresh() => {
                let token = self.refreshed(&token).await?;
                Ok(self.read_with(&token, key).await?)
            }
            read => Ok(read?),
        }
    }

    /// Renews the token and stores it before any call is made with it.
    async fn refreshed(&self, token: &OpenToken) -> Result<OpenToken, SyncError> {
        let renewed = self
            .connector
            .refresh_token(token, self.context, self.now())
            .await;
        let renewed = renewed.inspect_err(|error| self.log_lost_token(error))?;
        self.store
            .keep_token(self.claim, self.loaded, &renewed.to_bytes())
            .await
            .map_err(SyncError::TokenNotKept)?;
        Ok(renewed)
    }

    /// An earlier worker that never committed may have held the token the bank now wants.
    fn log_lost_token(&self, error: &BankError) {
        let interrupted = self.claim.seq > self.loaded.seq + 1;
        if error.needs_psu() == Some(ReauthenticationReason::TokenRefused) && interrupted {
            tracing::warn!("the token was probably lost by an interrupted sync");
        }
    }

    async fn read_with(
        &self,
        token: &OpenToken,
        key: &FingerprintKey,
    ) -> Result<Fetched, BankError> {
        let presence = self.presence();
        let access = Access {
            token,
            presence: &presence,
            context: self.context,
        };
        let listed = self.connector.accounts(&access).await?;
        self.tell_who_waits().await;
        let mut fetched = Fetched {
            accounts: Vec::new(),
            refusals: Vec::new(),
            listed: listed.len(),
        };
        let mut gone = None;
        for account in listed {
            match account.eligibility() {
                Ok(()) => match self.read_account(&access, account, key).await {
                    // Closed since it was listed (Q41): what was read of it before stays.
                    Err(error @ BankError::UnknownAccount { .. }) => {
                        tracing::warn!(%error, "an account was listed and is not there");
                        gone = Some(error);
                    }
                    read => fetched.accounts.push(read?),
                },
                Err(refusal) => fetched.refusals.push(refusal),
            }
        }
        match gone {
            // A list of nothing but lost accounts is a fault of the bank's, not an empty bank.
            Some(error) if fetched.accounts.is_empty() => return Err(error),
            _ => {}
        }
        show_once(&mut fetched.accounts);
        Ok(fetched)
    }

    /// The first reading is waited for on a page. A note that fails only makes the page less telling.
    async fn tell_who_waits(&self) {
        if self.claim.connection.status != ConnectionStatus::Connected {
            return;
        }
        let table = self.store.table();
        if let Err(error) = table.note_accounts_listed(self.claim, self.now()).await {
            tracing::warn!(%error, "the waiting page does not learn that accounts were listed");
        }
    }

    async fn read_account(
        &self,
        access: &Access<'_>,
        account: FetchedAccount,
        key: &FingerprintKey,
    ) -> Result<(Account, FetchedWindow), BankError> {
        let account = account.into_account(key, self.now());
        if !self.claim.reads_lines {
            return Ok((account, self.no_lines()));
        }
        let known = self.loaded.content.seen.contains_key(&account.id);
        let from = if known { self.overlap_start() } else { None };
        let window = self
            .connector
            .transactions(access, &account.resource_id, account.currency, from)
            .await?;
        Ok((account, window))
    }

    /// No purpose that is granted reads lines: none are asked for.
    fn no_lines(&self) -> FetchedWindow {
        FetchedWindow {
            from: self.now().to_zoned(TimeZone::UTC).date(),
            lines: Vec::new(),
        }
    }

    /// Where a known account is read from; an unknown one is read as far back as the bank gives.
    fn overlap_start(&self) -> Option<Date> {
        let synced_on = self.loaded.content.synced_on?;
        synced_on
            .checked_sub(jiff::Span::new().days(OVERLAP_DAYS))
            .ok()
    }

    fn presence(&self) -> PsuPresence {
        self.claim.presence(&self.loaded.content, self.now())
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Purchases by deferred card belong to the card: where a bank shows them in the account that settles
/// it as well (Q45), they are kept once.
fn show_once(accounts: &mut [(Account, FetchedWindow)]) {
    let on_cards: Vec<FetchedWindow> = accounts
        .iter()
        .filter(|(account, _)| account.kind == AccountKind::Card)
        .map(|(_, window)| window.clone())
        .collect();
    for (account, window) in accounts {
        if account.kind == AccountKind::Payment {
            on_cards
                .iter()
                .for_each(|card| deferred_card::keep_on_card(window, card));
        }
    }
}
