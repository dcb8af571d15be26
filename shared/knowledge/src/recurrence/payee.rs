//! Which lines could belong to the same flow.

use std::collections::BTreeMap;

use crate::ledger::{Entry, Ledger, Part};
use crate::operation::Operation;
use crate::taxonomy::Category;

/// Lines that could belong to the same flow, by direction and payee.
pub(super) fn groups(ledger: &Ledger<'_>) -> BTreeMap<(usize, bool, String), Vec<usize>> {
    let mut groups: BTreeMap<(usize, bool, String), Vec<usize>> = BTreeMap::new();
    for (index, entry) in ledger.entries.iter().enumerate() {
        if may_recur(entry) {
            let key = (entry.account, entry.cents() < 0, payee_key(entry));
            groups.entry(key).or_default().push(index);
        }
    }
    merge_cut_names(groups)
}

/// Feeds that cut labels at another length than last month must not split a flow in two.
fn merge_cut_names(
    groups: BTreeMap<(usize, bool, String), Vec<usize>>,
) -> BTreeMap<(usize, bool, String), Vec<usize>> {
    const SHORTEST: usize = 10;
    let mut merged: BTreeMap<(usize, bool, String), Vec<usize>> = BTreeMap::new();
    for ((account, debit, name), mut lines) in groups {
        let longer_than_last = merged.last_entry().filter(|last| {
            let (last_account, last_debit, last_name) = last.key();
            *last_account == account
                && *last_debit == debit
                && last_name.len() >= SHORTEST
                && name.starts_with(last_name.as_str())
        });
        match longer_than_last {
            Some(mut last) => {
                last.get_mut().append(&mut lines);
                last.get_mut().sort_unstable();
            }
            None => {
                merged.insert((account, debit, name), lines);
            }
        }
    }
    merged
}

/// How the payee of a line is told from others.
pub(crate) fn payee_key(entry: &Entry<'_>) -> String {
    match (
        &entry.enrichment.merchant,
        entry.enrichment.cleaned.expose(),
    ) {
        (Some(merchant), _) => merchant.clone(),
        (None, "") => entry.category().code().to_owned(),
        (None, cleaned) => cleaned.to_owned(),
    }
}

/// Cash, cheques, fuel and shopping follow habits, not contracts.
fn may_recur(entry: &Entry<'_>) -> bool {
    let moved = matches!(
        entry.operation(),
        Operation::CashWithdrawal
            | Operation::CashDeposit
            | Operation::ChequeOut
            | Operation::ChequeIn
            | Operation::ChequeRejected
            | Operation::DirectDebitRejected
            | Operation::CardRefund
            | Operation::DeferredCard
            | Operation::Seizure
            | Operation::FeesRefund
            | Operation::TransferReturned
            | Operation::LoanDisbursement
            | Operation::Investment
    );
    let habit = matches!(
        entry.category(),
        Category::LeisureGambling
            | Category::TransportFuel
            | Category::TransportTaxi
            | Category::ShoppingTobaccoPress
            | Category::BankIncidentFee
            | Category::BankOverdraftInterest
            | Category::Sensitive
            | Category::IncomeRefund
            | Category::IncomeInsurancePayout
    ) || entry.category().is_in("food");
    // A debit that was given back was due all the same: the contract runs.
    let counted = matches!(
        entry.part,
        Part::Ordinary | Part::InternalTransfer | Part::GivenBack
    );
    counted && !moved && !habit && entry.cents() != 0
}
