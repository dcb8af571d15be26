//! Who reads: token, consent, accounts, and whether the person is there. The same for every façade;
//! each has its own words for a refusal.

use std::net::IpAddr;

use axum::http::{HeaderMap, header};
use jiff::Timestamp;

use crate::bank::Bank;
use crate::bank_day;
use crate::caller::Caller;
use crate::consent::{BankConsent, ConsentStatus, Dialect, VisibleStatus};
use crate::error::SandboxError;
use crate::ledger::{LedgerAccount, LedgerAccountKind};
use crate::people::{Behaviour, Quirk, Variant};
use crate::state::{COUNTING_WINDOW, IssuedAccess, SecretDigest};

/// Why nothing is read.
#[derive(Debug)]
pub(crate) enum AccessRefusal {
    /// No token.
    TokenMissing,
    /// A token nobody gave.
    TokenUnknown,
    /// A token that is too old.
    TokenExpired,
    /// No such consent.
    ConsentUnknown,
    /// A consent that is not valid, or not the token's.
    ConsentInvalid,
    /// A consent whose time is up.
    ConsentExpired,
    /// A consent another third party opened.
    ConsentOfAnother,
    /// A token another third party was given.
    TokenOfAnother,
    /// No such account in this consent.
    ResourceUnknown,
    /// `PSU-IP-Address` that is no address.
    AddressUnreadable,
    /// Too many unattended accesses.
    Exceeded,
    /// The state could not be written.
    State(SandboxError),
}

impl From<SandboxError> for AccessRefusal {
    fn from(error: SandboxError) -> Self {
        Self::State(error)
    }
}

/// What is read, for counting. Reads of different resources are counted apart; pages are not
/// counted.
pub(crate) enum Resource<'a> {
    Accounts,
    Cards,
    Account(&'a str),
    Balances(&'a str),
    Transactions(&'a str),
}

impl Resource<'_> {
    /// What kind of endpoint it is.
    fn endpoint(&self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Cards => "cards",
            Self::Account(_) => "account",
            Self::Balances(_) => "balances",
            Self::Transactions(_) => "transactions",
        }
    }

    fn counter(&self, consent: &str) -> String {
        match self {
            Self::Accounts => format!("{consent}|accounts"),
            Self::Cards => format!("{consent}|cards"),
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
    /// Who approved.
    pub(crate) person: String,
    /// STET: whether the token reads more than 90 days.
    pub(crate) extended_history: bool,
    /// The accounts the person opened, as of today.
    pub(crate) accounts: Vec<LedgerAccount>,
    pub(crate) behaviour: Behaviour,
    pub(crate) quirk: Option<Quirk>,
    pub(crate) variant: Option<Variant>,
    /// Whether the person is there (`PSU-IP-Address`).
    pub(crate) attended: bool,
}

impl GrantedAccess {
    /// A Berlin Group read names its consent. An ended consent tells more than a token that ended
    /// with it, so it is looked at first.
    pub(crate) fn of_consent(
        bank: &Bank,
        caller: &Caller,
        id: &str,
    ) -> Result<Self, AccessRefusal> {
        let consent = bank
            .look(|state| state.consents.get(id).cloned())
            .filter(|consent| consent.dialect == Dialect::BerlinGroup);
        let needed = consent
            .as_ref()
            .is_none_or(|consent| consent.opening.entrance.form.has_tokens());
        let token = bearer(&caller.headers);
        if needed && token.is_none() {
            return Err(AccessRefusal::TokenMissing);
        }
        let consent = consent.ok_or(AccessRefusal::ConsentUnknown)?;
        if !caller.owns(&consent) {
            return Err(AccessRefusal::ConsentOfAnother);
        }
        still_valid(bank, &consent)?;
        let issued = match token {
            Some(token) => {
                let issued = opening(bank, caller, token, id, &consent)?;
                IssuedAccess {
                    consent: id.to_owned(),
                    ..issued
                }
            }
            // Naming the consent is the access.
            None => IssuedAccess {
                consent: id.to_owned(),
                extended_history: false,
                expires_at: Timestamp::MAX,
            },
        };
        Self::new(bank, caller, issued, consent)
    }

    /// A STET read has its token only.
    pub(crate) fn of_token(
        bank: &Bank,
        caller: &Caller,
        dialect: Dialect,
    ) -> Result<Self, AccessRefusal> {
        let token = bearer(&caller.headers).ok_or(AccessRefusal::TokenMissing)?;
        let issued = issued(bank, token)?;
        let consent = bank
            .look(|state| state.consents.get(&issued.consent).cloned())
            .filter(|consent| consent.dialect == dialect)
            .ok_or(AccessRefusal::ConsentUnknown)?;
        if !caller.owns(&consent) {
            return Err(AccessRefusal::TokenOfAnother);
        }
        still_valid(bank, &consent)?;
        Self::new(bank, caller, issued, consent)
    }

    fn new(
        bank: &Bank,
        caller: &Caller,
        issued: IssuedAccess,
        consent: BankConsent,
    ) -> Result<Self, AccessRefusal> {
        if bank.now() >= issued.expires_at {
            return Err(AccessRefusal::TokenExpired);
        }
        let ConsentStatus::Valid {
            person,
            accounts: opened,
            approved_at,
        } = &consent.status
        else {
            return Err(AccessRefusal::ConsentInvalid);
        };
        let member = bank.member(person).ok_or(AccessRefusal::ConsentInvalid)?;
        let mut accounts = bank.accounts_of(person);
        accounts.retain(|account| opened.contains(&account.key));
        let quirk = consent.opening.entrance.quirk.or(member.quirk);
        if quirk == Some(Quirk::Q39) && consent.opening.accounts_only {
            accounts.retain(|account| account.kind == LedgerAccountKind::Payment);
        }
        if quirk == Some(Quirk::Q45) {
            mirror_cards(&mut accounts);
        }
        Ok(Self {
            consent_id: issued.consent,
            approved_at: *approved_at,
            person: member.person.name.clone(),
            extended_history: issued.extended_history,
            accounts,
            behaviour: quirk.and_then(Quirk::behaviour).unwrap_or(member.behaviour),
            quirk,
            variant: member.variant,
            attended: is_attended(&caller.headers)?,
            consent,
        })
    }

    /// The account behind a resource id of this consent.
    pub(crate) fn account(
        &self,
        bank: &Bank,
        resource: &str,
    ) -> Result<&LedgerAccount, AccessRefusal> {
        self.accounts
            .iter()
            .find(|account| bank.resource_id(&self.consent_id, &account.key) == resource)
            .ok_or(AccessRefusal::ResourceUnknown)
    }

    /// Counts an unattended access, or refuses it when the window is full: rolling 24 hours through
    /// the Berlin Group façade, the calendar day through STET, unless the person shows another way.
    pub(crate) fn count(&self, bank: &Bank, resource: Resource<'_>) -> Result<(), AccessRefusal> {
        if self.attended {
            return Ok(());
        }
        let (now, today) = (bank.now(), bank.today());
        let by_day = match self.variant {
            Some(Variant::CalendarDayBudget) => true,
            Some(Variant::RollingBudget | Variant::EndpointBudget | Variant::ConnectionBudget) => {
                false
            }
            _ => self.consent.dialect != Dialect::BerlinGroup,
        };
        let counter = match (self.quirk, self.variant) {
            // Whatever is called is one call more (N26).
            (Some(Quirk::Q30), _) | (_, Some(Variant::ConnectionBudget)) => {
                format!("{}|every call", self.consent_id)
            }
            (_, Some(Variant::EndpointBudget)) => {
                format!("{}|every {}", self.consent_id, resource.endpoint())
            }
            _ => resource.counter(&self.consent_id),
        };
        let counts = |at: &&Timestamp| {
            if by_day {
                bank_day::day_at(**at) == today
            } else {
                now.duration_since(**at) < COUNTING_WINDOW
            }
        };
        let limit = usize::from(self.consent.frequency_per_day);
        bank.change(|state| {
            let accesses = state.accesses.entry(counter).or_default();
            if accesses.iter().filter(counts).count() >= limit {
                return Err(AccessRefusal::Exceeded);
            }
            accesses.push(now);
            Ok(())
        })?
    }
}

/// A token that was shown with a consent of the caller's: given to the caller, for that consent.
pub(crate) fn opening(
    bank: &Bank,
    caller: &Caller,
    token: &str,
    id: &str,
    consent: &BankConsent,
) -> Result<IssuedAccess, AccessRefusal> {
    let issued = issued(bank, token)?;
    let behind = bank.look(|state| state.consents.get(&issued.consent).cloned());
    if behind.is_some_and(|behind| !caller.owns(&behind)) {
        return Err(AccessRefusal::TokenOfAnother);
    }
    match opens(bank, &issued, id, consent) {
        true => Ok(issued),
        false => Err(AccessRefusal::ConsentInvalid),
    }
}

/// Whether a token stands behind a consent: its own, or the login the consent was opened with.
fn opens(bank: &Bank, issued: &IssuedAccess, id: &str, consent: &BankConsent) -> bool {
    if issued.consent == id {
        return true;
    }
    let Some(login) = &consent.opening.login else {
        return false;
    };
    bank.look(|state| {
        let behind = state.consents.get(&issued.consent);
        behind.is_some_and(|behind| {
            matches!(&behind.status, ConsentStatus::Valid { person, .. } if person == login)
        })
    })
}

/// The lines of deferred cards, shown in the account that settles them as well (Q45).
fn mirror_cards(accounts: &mut [LedgerAccount]) {
    let cards = accounts
        .iter()
        .filter(|account| account.kind == LedgerAccountKind::Card);
    let (mut booked, mut pending) = (Vec::new(), Vec::new());
    for card in cards {
        let purchases = card.booked.iter().filter(|line| line.amount.is_debit());
        booked.extend(purchases.cloned());
        pending.extend(card.pending.iter().cloned());
    }
    let current = accounts
        .iter_mut()
        .find(|account| account.kind == LedgerAccountKind::Payment);
    if let Some(current) = current {
        current.booked.extend(booked);
        current.booked.sort_by_key(|line| line.booking_date);
        current.pending.extend(pending);
    }
}

pub(crate) fn issued(bank: &Bank, token: &str) -> Result<IssuedAccess, AccessRefusal> {
    bank.look(|state| state.access_tokens.get(&SecretDigest::of(token)).cloned())
        .ok_or(AccessRefusal::TokenUnknown)
}

fn still_valid(bank: &Bank, consent: &BankConsent) -> Result<(), AccessRefusal> {
    match consent.visible_status(bank.now(), bank.today()) {
        VisibleStatus::Valid => Ok(()),
        VisibleStatus::Expired => Err(AccessRefusal::ConsentExpired),
        _ => Err(AccessRefusal::ConsentInvalid),
    }
}

/// The person is there when their address is.
pub(crate) fn is_attended(headers: &HeaderMap) -> Result<bool, AccessRefusal> {
    let Some(address) = headers.get("psu-ip-address") else {
        return Ok(false);
    };
    let address = address.to_str().ok();
    match address.and_then(|text| text.parse::<IpAddr>().ok()) {
        Some(_) => Ok(true),
        None => Err(AccessRefusal::AddressUnreadable),
    }
}

pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
