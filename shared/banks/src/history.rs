//! How far back movements are asked for, and what the answer covers.

use jiff::ToSpan;
use jiff::civil::Date;
use passerelle_domain::call_budget::PsuPresence;
use passerelle_domain::transaction::{BookingStatus, FetchedTransaction};

use crate::bank_day;

/// How far back a first read asks: two years of movements is what knowledge can use, more would be
/// collected for nothing (GDPR art. 5(1)(c)).
pub(crate) const HISTORY_DAYS: i64 = 730;

/// What every bank gives without a fresh SCA (RTS 2018/389 art. 10a): 90 days, less one because the
/// bank's today may be ahead of ours.
pub(crate) const ASSURED_DAYS: i64 = 89;

/// The bank's day when the call is made: what paid for the call tells.
pub(crate) fn today(presence: &PsuPresence) -> Date {
    bank_day::day_at(match presence {
        PsuPresence::Attended(psu) => psu.until,
        PsuPresence::Unattended(access) => access.at,
    })
}

/// A day some days earlier.
pub(crate) fn days_before(day: Date, days: i64) -> Date {
    day.checked_sub(days.days()).unwrap_or(Date::MIN)
}

/// Without a day asked for, the bank decides how far back it serves: the oldest booked line tells.
/// Claiming more would make older stored lines look withdrawn.
pub(crate) fn first_day(lines: &[FetchedTransaction]) -> Option<Date> {
    lines
        .iter()
        .filter(|line| line.status == BookingStatus::Booked)
        .filter_map(|line| {
            line.booking_date
                .or(line.transaction_date)
                .or(line.value_date)
        })
        .min()
}
