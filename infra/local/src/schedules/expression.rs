//! When a schedule is due.
//!
//! `rate(N minutes|hours|days)` counts from the start of the schedule. `cron(minute hour
//! day-of-month month day-of-week year)` is UTC and knows `*`, `?`, numbers, `a,b`, `a-b` and `*/n`;
//! names of months and days, `L`, `W` and `#` are not known here.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

/// A parsed schedule expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// Every so often.
    Rate(SignedDuration),
    /// At wall-clock times, UTC.
    Cron(Box<Cron>),
}

/// The six fields of a cron expression as the values they allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    minutes: Vec<i16>,
    hours: Vec<i16>,
    days: Vec<i16>,
    months: Vec<i16>,
    /// 1 is Sunday, as AWS counts.
    weekdays: Vec<i16>,
    years: Vec<i16>,
}

/// A cron expression that never comes due again is given up after this many days.
const HORIZON_DAYS: usize = 366 * 4 + 1;

impl Expression {
    /// Reads `rate(…)` or `cron(…)`.
    ///
    /// # Errors
    /// What is wrong with it, and what would be accepted.
    pub fn parse(text: &str) -> Result<Self, String> {
        let inner = |prefix: &str| text.strip_prefix(prefix)?.strip_suffix(')');
        if let Some(rate) = inner("rate(") {
            return parse_rate(rate);
        }
        if let Some(cron) = inner("cron(") {
            return parse_cron(cron);
        }
        Err(format!("`{text}` is neither rate(…) nor cron(…)"))
    }

    /// The first time after `now` at which the schedule is due.
    #[must_use]
    pub fn next_after(&self, now: Timestamp) -> Timestamp {
        match self {
            Self::Rate(every) => now.checked_add(*every).unwrap_or(Timestamp::MAX),
            Self::Cron(cron) => cron.next_after(now).unwrap_or(Timestamp::MAX),
        }
    }
}

fn parse_rate(text: &str) -> Result<Expression, String> {
    let problem =
        || format!("`rate({text})` is not rate(N minutes), rate(N hours) or rate(N days)");
    let (count, unit) = text.trim().split_once(' ').ok_or_else(problem)?;
    let count: i64 = count.parse().map_err(|_| problem())?;
    let unit_seconds: i64 = match unit.trim() {
        "minute" | "minutes" => 60,
        "hour" | "hours" => 3_600,
        "day" | "days" => 86_400,
        _ => return Err(problem()),
    };
    match count.checked_mul(unit_seconds) {
        Some(seconds) if seconds > 0 => Ok(Expression::Rate(SignedDuration::from_secs(seconds))),
        _ => Err(problem()),
    }
}

fn parse_cron(text: &str) -> Result<Expression, String> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minutes, hours, days, months, weekdays, years] = fields.as_slice() else {
        return Err(format!("`cron({text})` has not six fields"));
    };
    Ok(Expression::Cron(Box::new(Cron {
        minutes: field(minutes, 0, 59)?,
        hours: field(hours, 0, 23)?,
        days: field(days, 1, 31)?,
        months: field(months, 1, 12)?,
        weekdays: field(weekdays, 1, 7)?,
        years: field(years, 1970, 2199)?,
    })))
}

fn field(text: &str, first: i16, last: i16) -> Result<Vec<i16>, String> {
    let problem = || format!("`{text}` is not a cron field the local suite knows");
    let mut values = Vec::new();
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse::<usize>().map_err(|_| problem())?),
            None => (part, 1),
        };
        let (from, to) = match range {
            "*" | "?" => (first, last),
            _ => {
                let (from, to) = range.split_once('-').unwrap_or((range, range));
                (
                    from.parse().map_err(|_| problem())?,
                    to.parse().map_err(|_| problem())?,
                )
            }
        };
        if step == 0 || from < first || to > last || from > to {
            return Err(problem());
        }
        // `5/10` counts from 5 to the end of the field.
        let to = if part.contains('/') && !range.contains(['-', '*', '?']) {
            last
        } else {
            to
        };
        values.extend((from..=to).step_by(step));
    }
    values.sort_unstable();
    values.dedup();
    Ok(values)
}

impl Cron {
    fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        let now = now.to_zoned(TimeZone::UTC).datetime();
        let mut date = now.date();
        for _ in 0..HORIZON_DAYS {
            if self.allows(date) {
                for hour in &self.hours {
                    for minute in &self.minutes {
                        let hour = i8::try_from(*hour).ok()?;
                        let minute = i8::try_from(*minute).ok()?;
                        let at = date.at(hour, minute, 0, 0);
                        if at > now {
                            return at
                                .to_zoned(TimeZone::UTC)
                                .ok()
                                .map(|zoned| zoned.timestamp());
                        }
                    }
                }
            }
            date = date.checked_add(1.day()).ok()?;
        }
        None
    }

    fn allows(&self, date: Date) -> bool {
        let weekday = i16::from(date.weekday().to_sunday_one_offset());
        self.years.contains(&date.year())
            && self.months.contains(&i16::from(date.month()))
            && self.days.contains(&i16::from(date.day()))
            && self.weekdays.contains(&weekday)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(expression: &str, now: &str) -> String {
        let now: Timestamp = now.parse().unwrap();
        Expression::parse(expression)
            .unwrap()
            .next_after(now)
            .to_string()
    }

    #[test]
    fn a_rate_comes_due_after_its_period() {
        assert_eq!(
            next("rate(1 minute)", "2026-11-22T10:00:00Z"),
            "2026-11-22T10:01:00Z"
        );
        assert_eq!(
            next("rate(2 days)", "2026-11-22T10:00:00Z"),
            "2026-11-24T10:00:00Z"
        );
    }

    #[test]
    fn a_cron_comes_due_at_its_next_time() {
        assert_eq!(
            next("cron(0 3 * * ? *)", "2026-11-22T10:00:00Z"),
            "2026-11-23T03:00:00Z"
        );
        assert_eq!(
            next("cron(0/15 * * * ? *)", "2026-11-22T10:14:59Z"),
            "2026-11-22T10:15:00Z"
        );
        assert_eq!(
            next("cron(0/15 * * * ? *)", "2026-11-22T10:15:00Z"),
            "2026-11-22T10:30:00Z"
        );
        // 2026-11-22 is a Sunday, day 1; Monday to Friday is 2-6.
        assert_eq!(
            next("cron(30 8 ? * 2-6 *)", "2026-11-22T10:00:00Z"),
            "2026-11-23T08:30:00Z"
        );
        assert_eq!(
            next("cron(0 0 29 2 ? *)", "2026-03-01T00:00:00Z"),
            "2028-02-29T00:00:00Z"
        );
    }

    #[test]
    fn a_cron_that_never_comes_due_again_does_not_run_for_ever() {
        assert_eq!(
            next("cron(0 0 31 2 ? *)", "2026-03-01T00:00:00Z"),
            Timestamp::MAX.to_string()
        );
        assert_eq!(
            next("cron(0 0 * * ? 2020)", "2026-03-01T00:00:00Z"),
            Timestamp::MAX.to_string()
        );
    }

    #[test]
    fn what_is_not_an_expression_is_refused() {
        for text in [
            "",
            "rate()",
            "rate(1)",
            "rate(-1 minutes)",
            "rate(0 days)",
            "rate(1 fortnight)",
            "cron(* * * *)",
            "cron(60 * * * ? *)",
            "cron(*/0 * * * ? *)",
            "cron(5-1 * * * ? *)",
            "cron(0 0 L * ? *)",
            "at(2026-01-01T00:00:00)",
        ] {
            assert!(Expression::parse(text).is_err(), "{text}");
        }
    }
}
