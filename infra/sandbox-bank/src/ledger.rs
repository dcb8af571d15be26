//! What the bank knows about one account on one day.

use jiff::civil::Date;
use passerelle_domain::money::{Amount, Currency};

/// One account of a person, as of a day.
#[derive(Debug, Clone)]
pub(crate) struct LedgerAccount {
    /// Stable inside the person, never shown: the façades hand out a resource id per consent.
    pub(crate) key: String,
    pub(crate) iban: String,
    pub(crate) bic: Option<String>,
    pub(crate) name: String,
    pub(crate) kind: LedgerAccountKind,
    pub(crate) currency: Currency,
    pub(crate) owner_name: Option<String>,
    /// Whether somebody else holds it too.
    pub(crate) joint: bool,
    /// What is booked at the end of the day.
    pub(crate) booked_balance: Amount,
    /// Oldest first.
    pub(crate) booked: Vec<LedgerLine>,
    /// Made but not booked yet.
    pub(crate) pending: Vec<LedgerLine>,
}

impl LedgerAccount {
    /// What a card still has to settle: as it was imported, else the purchases that are not booked.
    pub(crate) fn outstanding(&self) -> Amount {
        if self.booked_balance.minor != 0 {
            return self.booked_balance;
        }
        let made: i64 = self.pending.iter().map(|line| line.amount.minor).sum();
        Amount::new(made, self.currency)
    }

    /// A card's number as banks show it.
    pub(crate) fn masked_pan(&self) -> String {
        let hidden = self.iban.len().saturating_sub(4);
        let tail: String = self.iban.chars().skip(hidden).collect();
        format!("4970XXXXXXXX{tail}")
    }
}

/// What an account is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LedgerAccountKind {
    Payment,
    Savings,
    Card,
    Loan,
}

impl LedgerAccountKind {
    /// ISO 20022 `ExternalCashAccountType1Code`.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Payment => "CACC",
            Self::Savings => "SVGS",
            Self::Card => "CARD",
            Self::Loan => "LOAN",
        }
    }

    /// How the approval page calls it.
    pub(crate) fn in_french(self) -> &'static str {
        match self {
            Self::Payment => "Compte courant",
            Self::Savings => "Épargne",
            Self::Card => "Carte à débit différé",
            Self::Loan => "Prêt",
        }
    }
}

/// One movement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LedgerLine {
    /// The bank's reference, unique inside the account.
    pub(crate) reference: String,
    /// `None` for a line the bank has not dated yet.
    pub(crate) booking_date: Option<Date>,
    pub(crate) value_date: Option<Date>,
    /// When a card was used.
    pub(crate) transaction_date: Option<Date>,
    /// Signed for the account holder.
    pub(crate) amount: Amount,
    pub(crate) label: String,
    pub(crate) other_side: Option<OtherSide>,
    /// ISO 20022 bank transaction code.
    pub(crate) code: Option<&'static str>,
}

/// Who is on the other side of a movement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct OtherSide {
    pub(crate) name: String,
    /// SEPA creditor identifier, for a direct debit.
    pub(crate) creditor_id: Option<String>,
    /// SEPA mandate reference, for a direct debit.
    pub(crate) mandate_id: Option<String>,
    pub(crate) end_to_end_id: Option<String>,
}

/// A French IBAN for an account that does not exist: bank code 99999 belongs to nobody.
pub(crate) fn fictional_iban(number: u64) -> String {
    let account = number % 100_000_000_000;
    let (bank, branch) = (99_999_u64, 1_u64);
    let key = 97 - (89 * bank + 15 * branch + 3 * account) % 97;
    let national = format!("{bank:05}{branch:05}{account:011}{key:02}");
    // Letters count from 10 (ISO 13616): `FR00` reads 152700.
    let remainder = national
        .bytes()
        .chain(*b"152700")
        .fold(0_u64, |rest, digit| {
            (rest * 10 + u64::from(digit.saturating_sub(b'0'))) % 97
        });
    format!("FR{:02}{national}", 98 - remainder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use passerelle_domain::account::is_iban;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_fictional_iban_has_a_sound_checksum(number: u64) {
            prop_assert!(is_iban(&fictional_iban(number)));
        }
    }
}
