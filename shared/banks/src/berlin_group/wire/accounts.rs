//! Accounts and their balances.

use passerelle_domain::account::{
    AccountIdentification, AccountKind, Balance, BalanceType, FetchedAccount, is_iban,
};
use passerelle_domain::ids::ResourceId;
use passerelle_domain::money::Currency;
use passerelle_domain::private::Private;
use serde::Deserialize;
use serde_json::Value;

use super::{amount, private};
use crate::bank_day;
use crate::error::BankError;
use crate::wire::{LooseText, WireAmount};

/// The answer to `GET /v1/accounts`.
#[derive(Debug, Deserialize)]
pub(crate) struct AccountList {
    pub(crate) accounts: Vec<WireAccount>,
}

/// One account.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireAccount {
    #[serde(default)]
    resource_id: LooseText,
    #[serde(default)]
    iban: LooseText,
    #[serde(default)]
    bban: LooseText,
    #[serde(default)]
    masked_pan: LooseText,
    #[serde(default)]
    linked_accounts: LooseText,
    #[serde(default)]
    currency: LooseText,
    #[serde(default)]
    name: LooseText,
    #[serde(default)]
    product: LooseText,
    #[serde(default)]
    cash_account_type: LooseText,
    #[serde(default)]
    status: LooseText,
    #[serde(default)]
    owner_name: LooseText,
    #[serde(default)]
    balances: Option<Vec<WireBalance>>,
}

impl WireAccount {
    /// The account in our words; `None` when it is closed or cannot be addressed.
    pub(crate) fn read(self) -> Result<Option<FetchedAccount>, BankError> {
        let Some(resource_id) = addressable(&self.resource_id, &self.status) else {
            return Ok(None);
        };
        let currency = currency_of(&self.currency)?;
        Ok(Some(FetchedAccount {
            identification: self.identification(&resource_id),
            kind: kind_of(&self.cash_account_type),
            currency,
            name: private(&self.name).or_else(|| private(&self.product)),
            owner_name: private(&self.owner_name),
            balances: read_balances(self.balances.unwrap_or_default(), currency)?,
            link: None,
            resource_id,
        }))
    }

    fn identification(&self, resource_id: &ResourceId) -> AccountIdentification {
        if let Some(iban) = self.iban.text() {
            return AccountIdentification::from_iban_field(iban);
        }
        if let Some(masked_pan) = self.masked_pan.text() {
            return AccountIdentification::MaskedPan {
                masked_pan: Private::from(masked_pan),
                linked_iban: self
                    .linked_accounts
                    .text()
                    .filter(|text| is_iban(text))
                    .map(Private::from),
            };
        }
        let reference = self.bban.text().unwrap_or(resource_id.as_str());
        AccountIdentification::BankReference(Private::from(reference))
    }
}

/// The id an account is read with, unless it is closed or has none.
pub(super) fn addressable(resource_id: &LooseText, status: &LooseText) -> Option<ResourceId> {
    let closed = status
        .text()
        .is_some_and(|status| status.eq_ignore_ascii_case("deleted"));
    let id = resource_id.text().filter(|_| !closed)?;
    id.parse().ok()
}

pub(super) fn currency_of(code: &LooseText) -> Result<Currency, BankError> {
    code.text()
        .and_then(|code| code.to_ascii_uppercase().parse().ok())
        .ok_or(BankError::Nonsense {
            what: "an account without a currency",
        })
}

/// ISO 20022 `ExternalCashAccountType1Code`. A bank that does not say serves payment accounts:
/// nothing else is in the reach of the directive.
fn kind_of(code: &LooseText) -> AccountKind {
    match code.text().map(str::to_ascii_uppercase).as_deref() {
        None | Some("CACC" | "TRAN" | "CASH" | "SLRY" | "TRAS") => AccountKind::Payment,
        Some("CARD") => AccountKind::Card,
        Some("SVGS" | "LLSV" | "ONDP" | "MOMA") => AccountKind::Savings,
        Some("LOAN" | "MGLD") => AccountKind::Loan,
        Some(_) => AccountKind::Other,
    }
}

/// The answer to `GET /v1/accounts/{id}/balances`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct BalanceReport {
    #[serde(default)]
    pub(crate) balances: Vec<WireBalance>,
}

/// One balance.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireBalance {
    pub(super) balance_amount: WireAmount,
    #[serde(default)]
    balance_type: LooseText,
    #[serde(default)]
    reference_date: LooseText,
    #[serde(default)]
    credit_limit_included: Value,
}

/// Balances in our words.
pub(crate) fn read_balances(
    balances: Vec<WireBalance>,
    currency: Currency,
) -> Result<Vec<Balance>, BankError> {
    balances
        .into_iter()
        .map(|balance| {
            Ok(Balance {
                amount: amount(&balance.balance_amount, currency)?,
                balance_type: balance_type(&balance.balance_type),
                reference_date: balance.reference_date.text().and_then(bank_day::read_date),
                credit_limit_included: balance.credit_limit_included == Value::Bool(true),
            })
        })
        .collect()
}

fn balance_type(code: &LooseText) -> BalanceType {
    match code.text() {
        Some("closingBooked") => BalanceType::ClosingBooked,
        Some("interimBooked") => BalanceType::InterimBooked,
        Some("interimAvailable") => BalanceType::InterimAvailable,
        Some("expected") => BalanceType::Expected,
        Some("openingBooked") => BalanceType::OpeningBooked,
        Some("forwardAvailable") => BalanceType::ForwardAvailable,
        Some("nonInvoiced") => BalanceType::NonInvoiced,
        _ => BalanceType::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_told_apart_and_closed_ones_left_out() {
        let read = |json: &str| {
            serde_json::from_str::<WireAccount>(json)
                .unwrap()
                .read()
                .unwrap()
        };
        assert!(read(r#"{"resourceId":"a","currency":"EUR","status":"deleted"}"#).is_none());
        assert!(read(r#"{"currency":"EUR"}"#).is_none());
        let card = read(
            r#"{"resourceId":"c","currency":"EUR","iban":"374500XXXXXX007","cashAccountType":"CARD"}"#,
        )
        .unwrap();
        assert_eq!(card.kind, AccountKind::Card);
        assert!(matches!(
            card.identification,
            AccountIdentification::MaskedPan { .. }
        ));
        let savings =
            read(r#"{"resourceId":"s","currency":"EUR","cashAccountType":"SVGS"}"#).unwrap();
        assert_eq!(savings.kind, AccountKind::Savings);
    }
}
