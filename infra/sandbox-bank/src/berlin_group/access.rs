//! Who reads: token, consent, accounts, and whether the person is there.

use axum::http::{HeaderMap, header};
use jiff::Timestamp;

use crate::bank::Bank;
use crate::berlin_group::refusal::Refusal;
use crate::consent::{BankConsent, ConsentStatus, VisibleStatus};
use crate::ledger::LedgerAccount;
use crate::people::Behaviour;
use crate::state::{COUNTING_WINDOW, SecretDigest};

/// What is read, for counting. Reads of different resources are counted apart; pages are not
/// counted.
pub(crate) enum Resource<'a> {
    Accounts,
    Account(&'a str),
    Balances(&'a str),
    Transactions(&'a str),
}

impl Resource<'_> {
    fn counter(&self, consent: &str) -> String {
        match self {
            Self::Accounts => format!("{consent}|accounts"),
            Self::Account(key) => format!("{consent}|account|{key}"),
            Self::Balances(key) => format!("{consent}|balances|{key}"),
            Self::Transactions(key) => format!("{consent}|transactions|{key}"),
        }
    }
}

/// A read that a valid consent stands behind.
#[derive(Debug)]
pub(crate) struct GrantedAccess {
    pub(crate) consent_id: String,
    pub(crate) consent: BankConsent,
    /// When the person approved.
    pub(crate) approved_at: Timestamp,
    /// The accounts the person opened, as of today.
    pub(crate) accounts: Vec<LedgerAccount>,
    pub(crate) behaviour: Behaviour,
    /// Whether the person is there (`PSU-IP-Address`).
    attended: bool,
}

impl GrantedAccess {
    /// Checks the consent, then the token: an ended consent tells more than a token that ended with
    /// it.
    pub(crate) fn of(bank: &Bank, headers: &HeaderMap) -> Result<Self, Refusal> {
        let (now, today) = (bank.now(), bank.today());
        let token = bearer(headers).ok_or(Refusal::TokenMissing)?;
        let consent_id = headers
            .get("consent-id")
            .and_then(|value| value.to_str().ok())
            .ok_or(Refusal::Format("Consent-ID is missing"))?;
        let consent = bank
            .look(|state| state.consents.get(consent_id).cloned())
            .ok_or(Refusal::ConsentUnknown)?;
        match consent.visible_status(now, today) {
            VisibleStatus::Valid => {}
            VisibleStatus::Expired => return Err(Refusal::ConsentExpired),
            _ => return Err(Refusal::ConsentInvalid),
        }
        let issued = bank
            .look(|state| state.access_tokens.get(&SecretDigest::of(token)).cloned())
            .ok_or(Refusal::TokenUnknown)?;
        if issued.consent != consent_id {
            return Err(Refusal::ConsentInvalid);
        }
        if now >= issued.expires_at {
            return Err(Refusal::TokenExpired);
        }
        let ConsentStatus::Valid {
            person,
            accounts: opened,
            approved_at,
        } = &consent.status
        else {
            return Err(Refusal::ConsentInvalid);
        };
        let member = bank.member(person).ok_or(Refusal::ConsentInvalid)?;
        let mut accounts = bank.accounts_of(person);
        accounts.retain(|account| opened.contains(&account.key));
        Ok(Self {
            consent_id: consent_id.to_owned(),
            approved_at: *approved_at,
            accounts,
            behaviour: member.behaviour,
            attended: headers.contains_key("psu-ip-address"),
            consent,
        })
    }

    /// The account behind a resource id of this consent.
    pub(crate) fn account(&self, bank: &Bank, resource: &str) -> Result<&LedgerAccount, Refusal> {
        self.accounts
            .iter()
            .find(|account| bank.resource_id(&self.consent_id, &account.key) == resource)
            .ok_or(Refusal::ResourceUnknown)
    }

    /// Counts an unattended access, or refuses it when the window is full.
    pub(crate) fn count(&self, bank: &Bank, resource: Resource<'_>) -> Result<(), Refusal> {
        if self.attended {
            return Ok(());
        }
        let now = bank.now();
        let limit = usize::from(self.consent.frequency_per_day);
        bank.change(|state| {
            let accesses = state
                .accesses
                .entry(resource.counter(&self.consent_id))
                .or_default();
            let recent = accesses
                .iter()
                .filter(|at| now.duration_since(**at) < COUNTING_WINDOW);
            if recent.count() >= limit {
                return Err(Refusal::AccessExceeded);
            }
            accesses.push(now);
            Ok(())
        })?
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
