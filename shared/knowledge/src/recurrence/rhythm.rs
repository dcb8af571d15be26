//! How often something comes.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::measure::{day_number, day_number_after_months, plus_days, scaled};

/// How often a flow comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rhythm {
    /// Every 7 days.
    Weekly,
    /// Every 14 days.
    Fortnightly,
    /// Every month.
    Monthly,
    /// Every second month.
    EveryTwoMonths,
    /// Every quarter.
    Quarterly,
    /// Twice a year.
    HalfYearly,
    /// Once a year.
    Yearly,
}

impl Rhythm {
    pub(super) const ALL: [Self; 7] = [
        Self::Monthly,
        Self::Weekly,
        Self::Fortnightly,
        Self::EveryTwoMonths,
        Self::Quarterly,
        Self::HalfYearly,
        Self::Yearly,
    ];

    /// Months in one period; `None` for a rhythm of weeks.
    #[must_use]
    pub fn months(self) -> Option<i64> {
        match self {
            Self::Weekly | Self::Fortnightly => None,
            Self::Monthly => Some(1),
            Self::EveryTwoMonths => Some(2),
            Self::Quarterly => Some(3),
            Self::HalfYearly => Some(6),
            Self::Yearly => Some(12),
        }
    }

    /// Usual days in one period.
    #[must_use]
    pub fn days(self) -> i64 {
        match self {
            Self::Weekly => 7,
            Self::Fortnightly => 14,
            Self::Monthly => 30,
            Self::EveryTwoMonths => 61,
            Self::Quarterly => 91,
            Self::HalfYearly => 183,
            Self::Yearly => 365,
        }
    }

    /// How far from its date an occurrence may fall: weekends, bank holidays, a late employer.
    pub(crate) fn tolerance(self) -> i64 {
        match self {
            Self::Weekly => 2,
            Self::Fortnightly => 3,
            Self::Monthly => 8,
            Self::EveryTwoMonths => 10,
            Self::Quarterly => 14,
            Self::HalfYearly => 20,
            Self::Yearly => 31,
        }
    }

    /// The date some periods after another.
    pub(crate) fn after(self, date: Date, periods: i64) -> Date {
        use jiff::ToSpan;
        match self.months() {
            Some(months) => date.saturating_add((months * periods).months()),
            None => plus_days(date, self.days() * periods),
        }
    }

    /// The same as a day number.
    pub(super) fn day_after(self, date: Date, periods: i64) -> i64 {
        match self.months() {
            Some(months) => day_number_after_months(date, months * periods),
            None => day_number(date) + self.days() * periods,
        }
    }

    /// What an amount per period is per month.
    #[must_use]
    pub fn monthly(self, cents: i64) -> i64 {
        match self.months() {
            Some(months) => scaled(cents, 1, months),
            // A year has 52 weeks and twelve months.
            None => scaled(cents, 52 * 7, 12 * self.days()),
        }
    }

    /// What an amount per period is per year.
    #[must_use]
    pub fn yearly(self, cents: i64) -> i64 {
        match self.months() {
            Some(months) => scaled(cents, 12, months),
            None => scaled(cents, 52 * 7, self.days()),
        }
    }
}
