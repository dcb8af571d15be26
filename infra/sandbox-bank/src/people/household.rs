//! Households made from the seed: plausible French lives, two years of movements, and as many days
//! more as the clock moves on.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::Date;
use passerelle_domain::money::{Amount, Currency};

use crate::ledger::{LedgerAccount, LedgerAccountKind, LedgerLine, fictional_iban};
use crate::people::Person;
use crate::people::dice::Dice;
use crate::people::flow::{Flow, months_between};

/// How much history there is on the day the bank opens.
const HISTORY_DAYS: i64 = 730;

/// The bank code of every generated account's BIC.
const BIC: &str = "SBXBFRPPXXX";

/// One household's accounts and habits.
#[derive(Debug)]
pub(crate) struct Household {
    pub(crate) login: String,
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) accounts: Vec<HouseholdAccount>,
}

/// One account and what moves on it.
#[derive(Debug)]
pub(crate) struct HouseholdAccount {
    pub(crate) key: &'static str,
    pub(crate) name: &'static str,
    pub(crate) kind: LedgerAccountKind,
    /// Cents on the first day of history.
    pub(crate) opening: i64,
    pub(crate) flows: Vec<Flow>,
    /// The couple it belongs to, when it is a joint account.
    pub(crate) joint: Option<&'static str>,
}

/// At the end of each cycle a card's purchases are booked on it, together with the credit that
/// settles them, and one debit of the same sum on the payment account.
fn settle_cards(accounts: &mut [LedgerAccount]) {
    let mut debits = Vec::new();
    for card in accounts
        .iter_mut()
        .filter(|account| account.kind == LedgerAccountKind::Card)
    {
        let mut cycles: BTreeMap<Date, i64> = BTreeMap::new();
        for line in &card.booked {
            if let Some(day) = line.booking_date {
                *cycles.entry(day).or_default() += line.amount.minor;
            }
        }
        for (day, spent) in cycles {
            let debit = settlement(&card.key, day, Amount::eur(spent));
            card.booked.push(LedgerLine {
                amount: debit.amount.reversed(),
                ..debit.clone()
            });
            debits.push(debit);
        }
        card.booked.sort_by_key(|line| line.booking_date);
        card.booked_balance = Amount::eur(0);
    }
    let current = accounts
        .iter_mut()
        .find(|account| account.kind == LedgerAccountKind::Payment);
    if let Some(current) = current {
        let spent: i64 = debits.iter().map(|line| line.amount.minor).sum();
        let minor = current.booked_balance.minor.saturating_add(spent);
        current.booked_balance = Amount::eur(minor);
        current.booked.extend(debits);
        current.booked.sort_by_key(|line| line.booking_date);
    }
}

fn settlement(card: &str, day: Date, amount: Amount) -> LedgerLine {
    LedgerLine {
        reference: format!("{card}-{day}"),
        booking_date: Some(day),
        value_date: Some(day),
        transaction_date: None,
        amount,
        label: format!(
            "DEPENSES CARTE DEBIT DIFFERE AU {:02}/{:02}",
            day.day(),
            day.month()
        ),
        other_side: None,
        code: Some("PMNT-CCRD-SMRT"),
    }
}

impl Household {
    pub(crate) fn person(&self) -> Person {
        Person {
            login: self.login.clone(),
            name: self.name.to_owned(),
            description: self.description.to_owned(),
            test_case: false,
        }
    }

    /// The accounts as of a day, deferred cards settled on the first payment account.
    pub(crate) fn accounts(&self, seed: u64, opened_on: Date, today: Date) -> Vec<LedgerAccount> {
        let mut accounts: Vec<LedgerAccount> = self
            .accounts
            .iter()
            .map(|account| self.account(account, seed, opened_on, today))
            .collect();
        settle_cards(&mut accounts);
        accounts
    }

    fn account(
        &self,
        account: &HouseholdAccount,
        seed: u64,
        opened_on: Date,
        today: Date,
    ) -> LedgerAccount {
        let first = opened_on
            .checked_sub(HISTORY_DAYS.days())
            .unwrap_or(opened_on);
        let mut booked = Vec::new();
        let mut pending = Vec::new();
        for line in self.lines(account, seed, opened_on, first, today) {
            let made = line.transaction_date.or(line.booking_date);
            let is_made = made.is_some_and(|day| day >= first && day <= today);
            if !is_made {
                continue;
            }
            if line.booking_date.is_some_and(|day| day <= today) {
                booked.push(line);
            } else {
                pending.push(LedgerLine {
                    booking_date: None,
                    value_date: None,
                    ..line
                });
            }
        }
        booked.sort_by(|one, other| {
            (one.booking_date, &one.reference).cmp(&(other.booking_date, &other.reference))
        });
        let moved: i64 = booked.iter().map(|line| line.amount.minor).sum();
        // A joint account is one account, whoever of its holders looks.
        let holder = account.joint.unwrap_or(self.login.as_str());
        let number = Dice::new(seed, &format!("{holder}|{}|iban", account.key)).next();
        LedgerAccount {
            key: account.key.to_owned(),
            iban: fictional_iban(number),
            bic: Some(BIC.to_owned()),
            name: account.name.to_owned(),
            kind: account.kind,
            currency: Currency::EUR,
            owner_name: Some(self.name.to_owned()),
            joint: account.joint.is_some(),
            booked_balance: Amount::eur(account.opening.saturating_add(moved)),
            booked,
            pending,
        }
    }

    fn lines(
        &self,
        account: &HouseholdAccount,
        seed: u64,
        opened_on: Date,
        first: Date,
        today: Date,
    ) -> Vec<LedgerLine> {
        account
            .flows
            .iter()
            .enumerate()
            .flat_map(|(index, flow)| {
                let holder = account.joint.unwrap_or(self.login.as_str());
                let purpose = format!("{holder}|{}|{index}", account.key);
                months_between(first, today)
                    .flat_map(move |month| flow.lines(seed, &purpose, opened_on, month))
            })
            .collect()
    }
}
