//! Identity of an account, its balances, and whether we can work with it.

use jiff::Timestamp;
use jiff::civil::Date;
use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, ResourceId};
use crate::money::{Amount, Currency};
use crate::private::Private;

/// The client's key for account fingerprints: two clients never share an account id.
#[derive(Clone)]
pub struct FingerprintKey(hmac::Key);

impl FingerprintKey {
    /// A key from 32 secret bytes.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The stable id of the account behind an identification and a currency.
    #[must_use]
    pub fn account_id(
        &self,
        identification: &AccountIdentification,
        currency: Currency,
    ) -> AccountId {
        let text = match identification {
            AccountIdentification::Iban(iban) => format!("iban|{}|{currency}", iban.expose()),
            AccountIdentification::MaskedPan {
                masked_pan,
                linked_iban,
            } => format!(
                "pan|{}|{}|{currency}",
                linked_iban
                    .as_ref()
                    .map(Private::expose)
                    .unwrap_or_default(),
                masked_pan.expose(),
            ),
            AccountIdentification::BankReference(reference) => {
                format!("ref|{}|{currency}", reference.expose())
            }
        };
        let tag = hmac::sign(&self.0, text.as_bytes());
        let mut entropy = [0_u8; 16];
        for (target, source) in entropy.iter_mut().zip(tag.as_ref()) {
            *target = *source;
        }
        AccountId::from_entropy(entropy)
    }
}

impl std::fmt::Debug for FingerprintKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("FingerprintKey(…)")
    }
}

/// What tells one account from another, whatever resource id a bank gives it today.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccountIdentification {
    /// An IBAN whose checksum holds.
    Iban(Private),
    /// A card: its masked number and, where the bank tells it, the account it is settled on.
    MaskedPan {
        /// The masked card number.
        masked_pan: Private,
        /// The IBAN of the account the card is settled on.
        linked_iban: Option<Private>,
    },
    /// Neither IBAN nor card number: the most stable reference the bank offers.
    BankReference(Private),
}

impl AccountIdentification {
    /// Decides by the IBAN checksum (ISO 13616), because some banks put a masked card number in
    /// the `iban` field.
    #[must_use]
    pub fn from_iban_field(text: &str) -> Self {
        let compact: String = text
            .chars()
            .filter(|symbol| !symbol.is_whitespace())
            .collect();
        if is_iban(&compact) {
            Self::Iban(Private::new(compact.to_ascii_uppercase()))
        } else {
            Self::MaskedPan {
                masked_pan: Private::new(compact),
                linked_iban: None,
            }
        }
    }
}

/// Whether the text is an IBAN: shape and ISO 7064 mod 97 checksum.
#[must_use]
pub fn is_iban(text: &str) -> bool {
    let bytes = text.as_bytes();
    if !(15..=34).contains(&bytes.len()) || !text.is_ascii() {
        return false;
    }
    let (Some(head), Some(tail)) = (text.get(..4), text.get(4..)) else {
        return false;
    };
    let country = head.as_bytes().iter().take(2).all(u8::is_ascii_alphabetic);
    let check = head.as_bytes().iter().skip(2).all(u8::is_ascii_digit);
    if !country || !check {
        return false;
    }
    let mut remainder: u32 = 0;
    for symbol in tail.chars().chain(head.chars()) {
        let Some(value) = symbol.to_digit(36) else {
            return false;
        };
        remainder = if value >= 10 {
            remainder * 100 + value
        } else {
            remainder * 10 + value
        } % 97;
    }
    remainder == 1
}

/// What an account is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccountKind {
    /// A current account (ISO `CACC`).
    Payment,
    /// A card with deferred debit: its lines are settled on a payment account at month end.
    Card,
    /// A savings account (ISO `SVGS`).
    Savings,
    /// A loan account (ISO `LOAN`).
    Loan,
    /// Anything else.
    Other,
}

/// The meaning of a balance (ISO 20022 / Berlin Group names).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BalanceType {
    /// Booked at the end of a day.
    ClosingBooked,
    /// Booked so far today.
    InterimBooked,
    /// Available now, possibly with a credit limit.
    InterimAvailable,
    /// Booked and pending together.
    Expected,
    /// Booked at the start of a day.
    OpeningBooked,
    /// Available at a later date.
    ForwardAvailable,
    /// A card's outstanding that is not invoiced yet.
    NonInvoiced,
    /// A type of the bank's own.
    Other,
}

impl BalanceType {
    /// How well the type states what is booked: lower is better.
    fn preference(self) -> u8 {
        match self {
            Self::ClosingBooked => 0,
            Self::InterimBooked => 1,
            Self::OpeningBooked => 2,
            Self::Expected => 3,
            Self::InterimAvailable => 4,
            Self::ForwardAvailable => 5,
            Self::NonInvoiced => 6,
            Self::Other => 7,
        }
    }
}

/// One balance as the bank stated it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// How much.
    pub amount: Amount,
    /// What it means.
    pub balance_type: BalanceType,
    /// The day it holds for, where the bank says so.
    pub reference_date: Option<Date>,
    /// Whether a credit limit is part of it: then it is not what the person owns.
    pub credit_limit_included: bool,
}

/// Chooses the balance that best states what is booked; one with a credit limit only as a last resort.
#[must_use]
pub fn best_balance(balances: &[Balance]) -> Option<Balance> {
    balances
        .iter()
        .min_by_key(|balance| {
            (
                balance.credit_limit_included,
                balance.balance_type.preference(),
            )
        })
        .copied()
}

/// An account as a bank serves it inside one consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedAccount {
    /// The bank's id, valid for this consent only.
    pub resource_id: ResourceId,
    /// What makes it the same account tomorrow.
    pub identification: AccountIdentification,
    /// What it is for.
    pub kind: AccountKind,
    /// Its currency.
    pub currency: Currency,
    /// The bank's name for it.
    pub name: Option<Private>,
    /// Who holds it, where the bank tells.
    pub owner_name: Option<Private>,
    /// Its balances, possibly none.
    pub balances: Vec<Balance>,
    /// Where the bank said its movements are, where it did. For the reading that listed it: another list
    /// may say another address.
    pub link: Option<Private>,
}

/// An account as stored: sealed at rest, ids and kind only in the clear of our API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Stable identity.
    pub id: AccountId,
    /// The bank's id in the current consent.
    pub resource_id: ResourceId,
    /// What it is for.
    pub kind: AccountKind,
    /// Its currency.
    pub currency: Currency,
    /// The bank's name for it.
    pub name: Option<Private>,
    /// The last four characters of its IBAN or card number, for people to recognise it.
    pub last_characters: Private,
    /// Whether the bank told who holds it. The name itself is not kept.
    pub owner_named: bool,
    /// The booked balance at the last sync.
    pub balance: Option<Balance>,
    /// When the balance was read.
    pub balance_read_at: Option<Timestamp>,
}

/// Why an account cannot be worked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ineligible {
    /// Its currency is not supported: scores are stated in euros.
    CurrencyNotSupported,
    /// It is neither a payment account, a card nor savings.
    KindNotSupported,
}

impl FetchedAccount {
    /// Whether lines of this account can be read and learned from.
    ///
    /// # Errors
    /// [`Ineligible`] with the reason a person can be told.
    pub fn eligibility(&self) -> Result<(), Ineligible> {
        match self.kind {
            AccountKind::Loan | AccountKind::Other => Err(Ineligible::KindNotSupported),
            _ if self.currency != Currency::EUR => Err(Ineligible::CurrencyNotSupported),
            AccountKind::Payment | AccountKind::Card | AccountKind::Savings => Ok(()),
        }
    }

    /// The account as stored.
    #[must_use]
    pub fn into_account(self, key: &FingerprintKey, read_at: Timestamp) -> Account {
        let id = key.account_id(&self.identification, self.currency);
        let shown = match &self.identification {
            AccountIdentification::Iban(text)
            | AccountIdentification::BankReference(text)
            | AccountIdentification::MaskedPan {
                masked_pan: text, ..
            } => text.expose(),
        };
        let tail: Vec<char> = shown.chars().rev().take(4).collect();
        let balance = best_balance(&self.balances);
        Account {
            id,
            resource_id: self.resource_id,
            kind: self.kind,
            currency: self.currency,
            name: self.name,
            last_characters: Private::new(tail.into_iter().rev().collect::<String>()),
            owner_named: self.owner_name.is_some_and(|name| !name.is_empty()),
            balance_read_at: balance.map(|_| read_at),
            balance,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_iban_is_told_from_a_masked_card_number_by_its_checksum() {
        assert!(is_iban("FR7630004133112916078289675"));
        assert!(!is_iban("FR7630004133112916078289676"));
        assert!(!is_iban("374500XXXXXX007"));
        assert!(matches!(
            AccountIdentification::from_iban_field("FR76 3000 4133 1129 1607 8289 675"),
            AccountIdentification::Iban(_)
        ));
    }

    #[test]
    fn the_same_account_has_another_id_for_another_client() {
        let identification = AccountIdentification::from_iban_field("FR7630004133112916078289675");
        let one = FingerprintKey::new(&[1; 32]).account_id(&identification, Currency::EUR);
        let again = FingerprintKey::new(&[1; 32]).account_id(&identification, Currency::EUR);
        let other = FingerprintKey::new(&[2; 32]).account_id(&identification, Currency::EUR);
        assert_eq!(one, again);
        assert_ne!(one, other);
    }

    #[test]
    fn a_balance_that_includes_a_credit_limit_is_the_last_resort() {
        let balance = |cents, balance_type, credit_limit_included| Balance {
            amount: Amount::eur(cents),
            balance_type,
            reference_date: None,
            credit_limit_included,
        };
        let chosen = best_balance(&[
            balance(90_000, BalanceType::ClosingBooked, true),
            balance(10_000, BalanceType::InterimAvailable, false),
        ]);
        assert_eq!(
            chosen.map(|balance| balance.amount),
            Some(Amount::eur(10_000))
        );
    }
}
