//! The banks' calendar. Every bank of the directory keeps Central European Time; a day that is counted
//! in is theirs, not UTC's.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Central European Time with its summer rule (Directive 2000/84/EC), so that no time-zone database
/// is needed.
const CENTRAL_EUROPE: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

/// The banks' time zone.
#[must_use]
pub fn zone() -> TimeZone {
    TimeZone::posix(CENTRAL_EUROPE).unwrap_or(TimeZone::UTC)
}

/// The banks' day at a moment.
#[must_use]
pub fn day_at(moment: Timestamp) -> Date {
    moment.to_zoned(zone()).date()
}

/// The moment a day begins at the banks.
#[must_use]
pub fn start_of(day: Date) -> Timestamp {
    day.to_zoned(zone())
        .map_or(Timestamp::MIN, |midnight| midnight.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_french_midnight_in_winter_and_in_summer() {
        let start = |text: &str| start_of(day_at(text.parse().unwrap())).to_string();
        assert_eq!(start("2026-11-22T22:59:59Z"), "2026-11-21T23:00:00Z");
        assert_eq!(start("2026-11-22T23:00:00Z"), "2026-11-22T23:00:00Z");
        assert_eq!(start("2026-07-14T12:00:00Z"), "2026-07-13T22:00:00Z");
    }
}
