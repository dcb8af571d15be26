//! The kind of movement: how the money moved, whatever it was for.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::taxonomy::Category;

/// How the money moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// A card payment.
    Card,
    /// The monthly settlement of a deferred-debit card, on either side.
    DeferredCard,
    /// Money back on a card.
    CardRefund,
    /// Cash taken out.
    CashWithdrawal,
    /// Cash paid in.
    CashDeposit,
    /// A direct debit, TIP or telepayment.
    DirectDebit,
    /// A direct debit given back: rejected, unpaid or contested.
    DirectDebitRejected,
    /// A transfer that reached the account.
    TransferReceived,
    /// A transfer that left the account.
    TransferSent,
    /// An instant transfer that reached the account.
    InstantReceived,
    /// An instant transfer that left the account.
    InstantSent,
    /// A standing order.
    StandingOrder,
    /// A transfer the bank itself calls internal.
    TransferInternal,
    /// A transfer that came back.
    TransferReturned,
    /// An instalment of a loan the bank itself granted.
    LoanInstalment,
    /// The capital of a loan paid out.
    LoanDisbursement,
    /// A cheque written.
    ChequeOut,
    /// A cheque paid in.
    ChequeIn,
    /// A cheque refused, on either side.
    ChequeRejected,
    /// Fees and interest taken by the bank.
    Fees,
    /// Fees given back by the bank.
    FeesRefund,
    /// Interest paid by the bank.
    Interest,
    /// Securities bought, sold or paying out.
    Investment,
    /// Money blocked or taken by a public or judicial creditor.
    Seizure,
    /// Not told by anything in the line.
    Unknown,
}

/// A text that names no operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an operation")]
pub struct UnknownOperation;

impl FromStr for Operation {
    type Err = UnknownOperation;

    fn from_str(text: &str) -> Result<Self, UnknownOperation> {
        use serde::de::IntoDeserializer;
        let deserializer: serde::de::value::StrDeserializer<'_, serde::de::value::Error> =
            text.into_deserializer();
        Self::deserialize(deserializer).map_err(|_| UnknownOperation)
    }
}

impl Operation {
    /// Whether money moved by transfer towards the account.
    #[must_use]
    pub fn is_incoming_transfer(self) -> bool {
        matches!(self, Self::TransferReceived | Self::InstantReceived)
    }

    /// Whether money moved by transfer out of the account.
    #[must_use]
    pub fn is_outgoing_transfer(self) -> bool {
        matches!(
            self,
            Self::TransferSent | Self::InstantSent | Self::StandingOrder
        )
    }

    /// Whether the payment was made with a card.
    #[must_use]
    pub fn is_card(self) -> bool {
        matches!(self, Self::Card | Self::CardRefund)
    }

    /// The movement itself, or, where nothing announced it, the usual one of what it was for: applications
    /// write the name of a shop and nothing else.
    pub(crate) fn or_as_usual_for(self, category: Category, is_debit: bool) -> Self {
        if self != Self::Unknown {
            return self;
        }
        match (category, is_debit) {
            (Category::CashWithdrawal, _) => Self::CashWithdrawal,
            (Category::CashDeposit, _) => Self::CashDeposit,
            (Category::TransferInternal | Category::TransferSavings, _) => Self::TransferInternal,
            (Category::TransferInvestment | Category::IncomeDividend, _) => Self::Investment,
            (Category::TransferPerson | Category::HousingRent, true) => Self::TransferSent,
            (Category::TransferPerson, false) => Self::TransferReceived,
            (Category::IncomeInterest, false) => Self::Interest,
            (Category::IncomeRefund, false) => Self::CardRefund,
            (category, true) if category.is_in("bank") => Self::Fees,
            (category, true) if is_bought(category) => Self::Card,
            (category, true) if is_contracted(category) => Self::DirectDebit,
            (category, false) if category.is_in("income") => Self::TransferReceived,
            _ => Self::Unknown,
        }
    }

    /// Reads an ISO 20022 bank transaction code, `PMNT-RDDT-ESDD`; the older French interbank codes
    /// (CFONB, two characters) are read by [`Operation::from_cfonb_code`].
    #[must_use]
    pub fn from_iso20022(code: &str, is_debit: bool) -> Option<Self> {
        let mut parts = code
            .split(['-', '.', '+', '/', ' '])
            .filter(|part| !part.is_empty());
        let domain = parts.next()?;
        let family = parts.next().unwrap_or_default();
        let sub = parts.next().unwrap_or_default();
        Some(match (domain, family, sub) {
            ("PMNT", "CCRD" | "MCRD", "CWDL" | "XBCW") => Self::CashWithdrawal,
            ("PMNT", "CCRD" | "MCRD", "CDPT") => Self::CashDeposit,
            ("PMNT", "CCRD", "SMRT") => Self::DeferredCard,
            ("PMNT", "CCRD" | "MCRD", "RIMB") => Self::CardRefund,
            ("PMNT", "CCRD" | "MCRD", _) if is_debit => Self::Card,
            ("PMNT", "CCRD" | "MCRD", _) => Self::CardRefund,
            ("PMNT", "RDDT" | "IDDT", "UPDD" | "RRTN" | "PRDD") => Self::DirectDebitRejected,
            ("PMNT", "RDDT", _) if is_debit => Self::DirectDebit,
            ("PMNT", "RDDT", _) => Self::DirectDebitRejected,
            ("PMNT", "ICDT" | "RCDT", "BOOK") => Self::TransferInternal,
            ("PMNT", "ICDT", "STDO") => Self::StandingOrder,
            ("PMNT", "ICDT" | "RCDT", "RRTN" | "RPCR") => Self::TransferReturned,
            ("PMNT", "IRCT", _) if is_debit => Self::InstantSent,
            ("PMNT", "RRCT", _) => Self::InstantReceived,
            ("PMNT", "ICDT", _) => Self::TransferSent,
            ("PMNT", "RCDT", _) => Self::TransferReceived,
            ("PMNT", "ICHQ", "UPCQ") | ("PMNT", "RCHQ", "UPCQ") => Self::ChequeRejected,
            ("PMNT", "ICHQ", _) => Self::ChequeOut,
            ("PMNT", "RCHQ", _) => Self::ChequeIn,
            ("PMNT", "CNTR", "CWDL") => Self::CashWithdrawal,
            ("PMNT", "CNTR", "CDPT") => Self::CashDeposit,
            ("LDAS", _, "DDWN") => Self::LoanDisbursement,
            ("LDAS", _, _) if is_debit => Self::LoanInstalment,
            ("LDAS", _, _) => Self::LoanDisbursement,
            ("SECU", _, _) => Self::Investment,
            ("ACMT", "MDOP", _) => Self::Fees,
            ("ACMT", "MCOP", "INTR") => Self::Interest,
            (_, _, "CHRG" | "COMM" | "FEES") if is_debit => Self::Fees,
            _ => return None,
        })
    }

    /// Reads an interbank operation code of the CFONB list, as movement records carry it.
    #[must_use]
    pub fn from_cfonb_code(code: &str, is_debit: bool) -> Option<Self> {
        Some(match code {
            "01" if is_debit => Self::ChequeOut,
            "02" => Self::ChequeIn,
            "03" => Self::ChequeRejected,
            "05" | "06" | "18" if is_debit => Self::TransferSent,
            "05" | "06" | "18" => Self::TransferReceived,
            "08" | "B1" | "B2" if is_debit => Self::DirectDebit,
            "09" | "B3" | "B4" => Self::DirectDebitRejected,
            "11" | "12" if is_debit => Self::Card,
            "13" => Self::CashWithdrawal,
            "62" | "66" if is_debit => Self::Fees,
            "62" | "66" => Self::FeesRefund,
            _ => return None,
        })
    }
}

/// What is mostly bought with a card.
fn is_bought(category: Category) -> bool {
    let groups = ["food", "shopping", "leisure", "travel", "transport"];
    let owed = matches!(
        category,
        Category::TransportVehicleLoan | Category::TransportVehiclePurchase
    );
    let served = matches!(
        category,
        Category::ServicesPost
            | Category::ServicesPersonalCare
            | Category::InsuranceTravel
            | Category::Sensitive
    );
    served || (!owed && groups.iter().any(|group| category.is_in(group)))
}

/// What is mostly collected by whom it is owed to.
fn is_contracted(category: Category) -> bool {
    let groups = ["insurance", "telecom", "loan", "tax", "charity"];
    let owed = matches!(
        category,
        Category::HousingEnergy
            | Category::HousingWater
            | Category::HousingCharges
            | Category::TransportVehicleLoan
            | Category::ServicesHomeHelp
            | Category::FamilyChildcare
    );
    owed || groups.iter().any(|group| category.is_in(group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bank_transaction_codes_tell_the_operation() {
        let read = Operation::from_iso20022;
        assert_eq!(read("PMNT-RDDT-ESDD", true), Some(Operation::DirectDebit));
        assert_eq!(
            read("PMNT-RDDT-ESDD", false),
            Some(Operation::DirectDebitRejected)
        );
        assert_eq!(
            read("PMNT-CCRD-CWDL", true),
            Some(Operation::CashWithdrawal)
        );
        assert_eq!(read("XTND-NTAV-NTAV", true), None);
        assert_eq!(read("", true), None);
    }
}
