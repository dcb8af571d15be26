//! The bank's calendar: French time, without a time-zone database.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Central European Time with its summer rule (Directive 2000/84/EC).
const FRENCH_TIME: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

/// The bank's day at a moment.
pub(crate) fn day_at(moment: Timestamp) -> Date {
    let zone = TimeZone::posix(FRENCH_TIME).unwrap_or(TimeZone::UTC);
    moment.to_zoned(zone).date()
}

/// A moment in French time without an offset, as the aggregator writes it.
pub(crate) fn local_moment(moment: Timestamp) -> String {
    let zone = TimeZone::posix(FRENCH_TIME).unwrap_or(TimeZone::UTC);
    moment
        .to_zoned(zone)
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_turns_at_french_midnight() {
        let day = |text: &str| day_at(text.parse().unwrap()).to_string();
        assert_eq!(day("2026-11-22T22:59:59Z"), "2026-11-22");
        assert_eq!(day("2026-11-22T23:00:00Z"), "2026-11-23");
        assert_eq!(day("2026-07-14T22:00:00Z"), "2026-07-15");
    }
}
