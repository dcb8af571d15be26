//! Where money comes from and goes to, month after month.

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};

use crate::ledger::{LedgerLine, OtherSide};
use crate::people::dice::Dice;
use passerelle_domain::money::Amount;

/// A habit or commitment that makes movements.
#[derive(Debug, Clone)]
pub(crate) struct Flow {
    /// In the ledger's texts: `{date}` becomes the card's day, `{ref}` a number.
    pub(crate) label: Vec<&'static str>,
    pub(crate) other_side: Party,
    pub(crate) rhythm: Rhythm,
    /// Signed cents, both bounds possible.
    pub(crate) cents: (i64, i64),
    /// ISO 20022 bank transaction code.
    pub(crate) code: &'static str,
    /// The months it lives in, counted from the month the bank opened: `(-3, MAX)` began three
    /// months before.
    pub(crate) months: (i32, i32),
}

/// Who is on the other side.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Party {
    /// Only the text tells.
    InText,
    /// A name.
    Named(&'static str),
    /// A SEPA creditor with its identifier; the mandate follows from the person.
    Creditor(&'static str, &'static str),
}

/// When movements happen.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rhythm {
    /// On a day of each month, moved to the next working day.
    Monthly(i8),
    /// On a day of some months of the year.
    Months(&'static [i8], i8),
    /// So many times a month, on any day, by card: booked one to three days after.
    CardPurchases(i64, i64),
    /// So many times a month, on any day, by deferred card: booked on the last working day.
    DeferredPurchases(i64, i64),
    /// So many times a month, on any day, booked the same day.
    AnyDay(i64, i64),
}

/// The months from one day's to another's, first days.
pub(crate) fn months_between(first: Date, last: Date) -> impl Iterator<Item = Date> {
    let start = first.first_of_month();
    std::iter::successors(Some(start), |month| month.checked_add(1.month()).ok())
        .take_while(move |month| *month <= last)
}

/// The whole months from one day's month to another's.
fn months_apart(from: Date, to: Date) -> i32 {
    let index = |day: Date| i32::from(day.year()) * 12 + i32::from(day.month());
    index(to) - index(from)
}

impl Flow {
    /// The movements of one month. They depend on seed, purpose and month alone, so that each later
    /// reading finds them again.
    pub(crate) fn lines(
        &self,
        seed: u64,
        purpose: &str,
        opened_on: Date,
        month: Date,
    ) -> Vec<LedgerLine> {
        let age = months_apart(opened_on, month);
        if age < self.months.0 || age > self.months.1 {
            return Vec::new();
        }
        let mut dice = Dice::new(
            seed,
            &format!("{purpose}|{}-{}", month.year(), month.month()),
        );
        let days: Vec<Date> = match self.rhythm {
            Rhythm::Monthly(day) => vec![working_day(day_of(month, day))],
            Rhythm::Months(months, day) if months.contains(&month.month()) => {
                vec![working_day(day_of(month, day))]
            }
            Rhythm::Months(..) => Vec::new(),
            Rhythm::CardPurchases(low, high)
            | Rhythm::DeferredPurchases(low, high)
            | Rhythm::AnyDay(low, high) => {
                let count = dice.between(low, high);
                (0..count)
                    .map(|_| {
                        let day = dice.between(1, 28);
                        day_of(month, i8::try_from(day).unwrap_or(1))
                    })
                    .collect()
            }
        };
        days.into_iter()
            .enumerate()
            .map(|(ordinal, day)| self.line(seed, &mut dice, purpose, day, ordinal))
            .collect()
    }

    fn line(
        &self,
        seed: u64,
        dice: &mut Dice,
        purpose: &str,
        day: Date,
        ordinal: usize,
    ) -> LedgerLine {
        let cents = dice.between(self.cents.0, self.cents.1);
        let deferred = matches!(self.rhythm, Rhythm::DeferredPurchases(..));
        let by_card = deferred || matches!(self.rhythm, Rhythm::CardPurchases(..));
        let booked = if deferred {
            working_day(day.last_of_month())
        } else if by_card {
            let later = dice.between(1, 3);
            working_day(day.checked_add(later.days()).unwrap_or(day))
        } else {
            day
        };
        let template = dice.pick(&self.label).copied().unwrap_or_default();
        let number = dice.between(10_000, 99_999);
        let label = template
            .replace("{date}", &format!("{:02}/{:02}", day.day(), day.month()))
            .replace("{ref}", &number.to_string());
        let mut reference = Dice::new(seed, &format!("{purpose}|{day}|{ordinal}"));
        LedgerLine {
            reference: format!("{:016x}", reference.next()),
            booking_date: Some(booked),
            value_date: Some(booked),
            transaction_date: by_card.then_some(day),
            amount: Amount::eur(cents),
            label,
            other_side: self.other_side.of(seed, purpose, number),
            code: Some(self.code),
        }
    }
}

impl Party {
    fn of(self, seed: u64, purpose: &str, number: i64) -> Option<OtherSide> {
        match self {
            Self::InText => None,
            Self::Named(name) => Some(OtherSide {
                name: name.to_owned(),
                ..OtherSide::default()
            }),
            Self::Creditor(name, creditor_id) => {
                let mandate = Dice::new(seed, &format!("{purpose}|mandate")).next() % 1_000_000_000;
                Some(OtherSide {
                    name: name.to_owned(),
                    creditor_id: Some(creditor_id.to_owned()),
                    mandate_id: Some(format!("RUM{mandate:09}")),
                    end_to_end_id: Some(format!("E2E-{number}")),
                })
            }
        }
    }
}

/// A day of a month, the last one when the month is shorter.
fn day_of(month: Date, day: i8) -> Date {
    let day = day.clamp(1, month.days_in_month());
    month.with().day(day).build().unwrap_or(month)
}

/// Banks book nothing at the weekend.
fn working_day(day: Date) -> Date {
    let wait = match day.weekday() {
        Weekday::Saturday => 2,
        Weekday::Sunday => 1,
        _ => 0,
    };
    day.checked_add(wait.days()).unwrap_or(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(rhythm: Rhythm) -> Flow {
        Flow {
            label: vec!["PRLV SEPA EDF {ref}"],
            other_side: Party::Creditor("EDF", "FR47EDF001007"),
            rhythm,
            cents: (-9_000, -8_000),
            code: "PMNT-RDDT-ESDD",
            months: (-1, i32::MAX),
        }
    }

    const OPENED: Date = Date::constant(2026, 11, 22);

    #[test]
    fn a_weekend_debit_is_booked_on_monday_and_found_again() {
        let month = Date::constant(2026, 11, 1);
        let lines = flow(Rhythm::Monthly(7)).lines(1, "p", OPENED, month);
        assert_eq!(lines[0].booking_date, Some(Date::constant(2026, 11, 9)));
        assert_eq!(flow(Rhythm::Monthly(7)).lines(1, "p", OPENED, month), lines);
    }

    #[test]
    fn a_flow_lives_in_its_months_only() {
        let september = Date::constant(2026, 9, 1);
        assert!(
            flow(Rhythm::Monthly(7))
                .lines(1, "p", OPENED, september)
                .is_empty()
        );
    }

    #[test]
    fn the_mandate_stays_from_month_to_month() {
        let mandate = |month| {
            let line = flow(Rhythm::Monthly(7))
                .lines(1, "p", OPENED, month)
                .remove(0);
            line.other_side.unwrap().mandate_id
        };
        assert_eq!(
            mandate(Date::constant(2026, 11, 1)),
            mandate(Date::constant(2026, 12, 1))
        );
    }

    #[test]
    fn the_last_day_of_a_short_month_stands_in() {
        assert_eq!(
            day_of(Date::constant(2027, 2, 1), 31),
            Date::constant(2027, 2, 28)
        );
    }
}
