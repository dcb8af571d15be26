//! Deferred-debit cards: a purchase is one movement, whatever lists a bank shows it in.
//!
//! The purchase counts on the card; the account that settles the card has one debit a month.

use std::collections::BTreeMap;

use ring::digest;
use serde::{Deserialize, Serialize};

use crate::reconciliation::ServedWindow;
use crate::transaction::FetchedTransaction;

/// What makes a purchase the same on the card and in the account: amount, day of the purchase, text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Purchase(u64);

impl Purchase {
    /// A line without a day of purchase is the settlement, or no purchase at all.
    pub(crate) fn of(line: &FetchedTransaction) -> Option<Self> {
        let day = line.transaction_date?;
        let words: Vec<&str> = line.label.expose().split_whitespace().collect();
        let words = words.join(" ").to_uppercase();
        let text = format!("{}|{day}|{words}", line.amount.minor);
        let hash = digest::digest(&digest::SHA256, text.as_bytes());
        let bytes = hash.as_ref().iter().take(8);
        Some(Self(
            bytes.fold(0, |number, byte| (number << 8) | u64::from(*byte)),
        ))
    }
}

/// Takes out of a payment account the purchases its card lists as well (Q45). Each line of the card
/// takes out one: two equal purchases of one day stay two.
pub fn keep_on_card(account: &mut ServedWindow, card: &ServedWindow) {
    let mut on_card: BTreeMap<Purchase, usize> = BTreeMap::new();
    for purchase in card.lines.iter().filter_map(|line| line.purchase()) {
        *on_card.entry(purchase).or_default() += 1;
    }
    account.lines.retain(|line| {
        match line
            .purchase()
            .and_then(|purchase| on_card.get_mut(&purchase))
        {
            Some(left) if *left > 0 => {
                *left -= 1;
                false
            }
            _ => true,
        }
    });
}

#[cfg(test)]
mod tests {
    use jiff::civil::Date;

    use super::*;
    use crate::ids::AccountId;
    use crate::money::Amount;
    use crate::private::Private;
    use crate::reconciliation::ServedLine;
    use crate::transaction::{BookingStatus, Counterparty};

    fn line(cents: i64, purchased: Option<i8>, label: &str) -> FetchedTransaction {
        FetchedTransaction {
            entry_reference: None,
            status: BookingStatus::Booked,
            booking_date: Some(Date::constant(2026, 11, 30)),
            value_date: None,
            transaction_date: purchased.map(|day| Date::constant(2026, 11, day)),
            amount: Amount::eur(cents),
            label: Private::new(label),
            counterparty: Counterparty::default(),
            creditor_id: None,
            mandate_id: None,
            end_to_end_id: None,
            bank_transaction_code: None,
            balance_after: None,
        }
    }

    fn window(lines: Vec<FetchedTransaction>) -> ServedWindow {
        ServedWindow {
            from: Date::constant(2026, 11, 1),
            lines: lines.into_iter().map(served).collect(),
        }
    }

    fn served(line: FetchedTransaction) -> ServedLine {
        ServedLine::of(&AccountId::from_entropy([7; 16]), line, |row| row)
    }

    #[test]
    fn a_purchase_listed_twice_counts_on_the_card() {
        let book = || line(-900, Some(3), "CARTE FNAC");
        let settlement = line(-1800, None, "DEBIT DIFFERE");
        let mut account = window(vec![book(), book(), book(), settlement.clone()]);
        let card = window(vec![
            book(),
            line(-900, Some(3), "carte  fnac"),
            line(1800, None, "X"),
        ]);
        keep_on_card(&mut account, &card);
        assert_eq!(account.lines, [served(book()), served(settlement)]);
    }

    #[test]
    fn the_settlement_and_other_lines_stay() {
        let lines = vec![line(-900, Some(4), "CARTE FNAC"), line(-900, None, "PRLV")];
        let mut account = window(lines.clone());
        keep_on_card(
            &mut account,
            &window(vec![line(-900, Some(3), "CARTE FNAC")]),
        );
        assert_eq!(account.lines, window(lines).lines);
    }
}
