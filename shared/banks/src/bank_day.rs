//! Dates a bank writes, and the moments they stand for.
//!
//! A bank's date is a day of its own calendar: it is kept as written and never shifted by a time
//! zone. Only where a moment is needed is the bank's local time used: Central European Time, which
//! every bank of the directory keeps.

use jiff::civil::{Date, DateTime};
use jiff::{Timestamp, ToSpan};
use passerelle_domain::bank_day;
pub(crate) use passerelle_domain::bank_day::day_at;

/// The calendar date at the front of `2026-11-22` or `2026-11-22T00:00:00+01:00`. Anything else is
/// no date.
pub(crate) fn read_date(text: &str) -> Option<Date> {
    let trimmed = text.trim();
    let (day, rest) = trimmed.split_at_checked(10)?;
    if !(rest.is_empty() || rest.starts_with(['T', ' '])) {
        return None;
    }
    day.parse().ok()
}

/// A moment written in the bank's local time, without an offset: `2026-11-22 06:12:00`.
pub(crate) fn read_local_moment(text: &str) -> Option<Timestamp> {
    let local: DateTime = text.trim().parse().ok()?;
    Some(local.to_zoned(bank_day::zone()).ok()?.timestamp())
}

/// The moment an inclusive last day is over at the bank.
pub(crate) fn end_of_day(last: Date) -> Timestamp {
    last.checked_add(1.day())
        .ok()
        .and_then(|next| next.to_zoned(bank_day::zone()).ok())
        .map_or(Timestamp::MAX, |midnight| midnight.timestamp())
}

/// The first moment of a day at the bank, with its offset: `2026-11-22T00:00:00+01:00`.
pub(crate) fn start_of_day(day: Date) -> String {
    match day.to_zoned(bank_day::zone()) {
        Ok(midnight) => midnight.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        Err(_) => format!("{day}T00:00:00Z"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_midnight_with_an_offset_keeps_its_day() {
        let day = Date::constant(2026, 3, 29);
        for text in [
            "2026-03-29",
            "2026-03-29T00:00:00+01:00",
            "2026-03-29T23:30:00Z",
        ] {
            assert_eq!(read_date(text), Some(day), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "0000-00-00",
            "2026-13-01",
            "22/11/2026",
            "2026-11-221",
            "é026-11-22",
        ] {
            assert_eq!(read_date(text), None, "{text}");
        }
    }

    #[test]
    fn a_moment_without_an_offset_is_the_banks_local_time() {
        let read = |text: &str| read_local_moment(text).map(|moment| moment.to_string());
        let winter = Some("2026-11-22T05:12:00Z".to_owned());
        assert_eq!(read("2026-11-22 06:12:00"), winter);
        assert_eq!(read("2026-11-22T06:12:00"), winter);
        assert_eq!(
            read("2026-07-14 06:12:00").as_deref(),
            Some("2026-07-14T04:12:00Z")
        );
        for text in ["", "soon", "22/11/2026 06:12", "2026-13-01 00:00:00"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn an_inclusive_last_day_ends_at_the_banks_midnight() {
        let winter = end_of_day(Date::constant(2026, 12, 31));
        assert_eq!(winter, "2026-12-31T23:00:00Z".parse().unwrap());
        let summer = end_of_day(Date::constant(2026, 7, 14));
        assert_eq!(summer, "2026-07-14T22:00:00Z".parse().unwrap());
        assert_eq!(end_of_day(Date::MAX), Timestamp::MAX);
    }

    #[test]
    fn a_day_begins_at_the_banks_midnight() {
        let start = |month, day| start_of_day(Date::constant(2026, month, day));
        assert_eq!(start(11, 22), "2026-11-22T00:00:00+01:00");
        assert_eq!(start(7, 14), "2026-07-14T00:00:00+02:00");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,30}") {
            let _ = read_date(&text);
            let _ = read_local_moment(&text);
        }
    }
}
