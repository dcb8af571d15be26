//! Integer arithmetic for amounts, shares and days. No float: the same rows give the same bytes on
//! any machine.

use jiff::ToSpan;
use jiff::civil::Date;

/// A length as a number that can be calculated with.
pub(crate) fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// Days since 1 January of year 0 in the Gregorian calendar: dates compare and subtract as integers.
pub(crate) fn day_number(date: Date) -> i64 {
    civil_day_number(
        i64::from(date.year()),
        i64::from(date.month()),
        i64::from(date.day()),
    )
}

/// Counts the year from March, so that the leap day is its last one.
fn civil_day_number(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month <= 2 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // Months from March last 31, 30, 31, 30, 31 days, twice over: 153 days in five months.
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1
}

/// The day number some months later; the last day of a shorter month where the day does not exist.
pub(crate) fn day_number_after_months(date: Date, months: i64) -> i64 {
    let since_zero = i64::from(date.year()) * 12 + i64::from(date.month()) - 1 + months;
    let (year, month) = (since_zero.div_euclid(12), since_zero.rem_euclid(12) + 1);
    let next_month = civil_day_number(year + month / 12, month % 12 + 1, 1);
    (civil_day_number(year, month, 1) + i64::from(date.day()) - 1).min(next_month - 1)
}

/// Days from one date to another, negative when the second is earlier.
pub(crate) fn days_between(from: Date, to: Date) -> i64 {
    day_number(to) - day_number(from)
}

/// The date some days later (earlier when negative), held inside the calendar.
pub(crate) fn plus_days(date: Date, days: i64) -> Date {
    date.saturating_add(days.clamp(-100_000, 100_000).days())
}

/// The date some months earlier, held inside the calendar and the shorter month.
pub(crate) fn minus_months(date: Date, months: i64) -> Date {
    date.saturating_sub(months.clamp(0, 1_200).months())
}

/// `part` of `whole` in thousandths; 0 when there is no whole.
pub(crate) fn permille(part: i64, whole: i64) -> i64 {
    if whole <= 0 {
        return 0;
    }
    let share = i128::from(part) * 1_000 / i128::from(whole);
    i64::try_from(share).unwrap_or(if part < 0 { i64::MIN } else { i64::MAX })
}

/// `value * numerator / denominator` without overflow on the way; 0 when the denominator is 0.
pub(crate) fn scaled(value: i64, numerator: i64, denominator: i64) -> i64 {
    if denominator == 0 {
        return 0;
    }
    let result = i128::from(value) * i128::from(numerator) / i128::from(denominator);
    i64::try_from(result).unwrap_or(i64::MAX)
}

/// The middle value, the lower of the two middle ones when the count is even; `None` of nothing.
pub(crate) fn median(values: &[i64]) -> Option<i64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

/// Coefficient of variation in thousandths (population standard deviation over mean).
pub(crate) fn variation_permille(values: &[i64]) -> i64 {
    let length = i128::from(count(values.len()));
    if length == 0 {
        return 0;
    }
    let sum: i128 = values.iter().map(|value| i128::from(*value)).sum();
    if sum == 0 {
        return 0;
    }
    // n * Σx² - (Σx)² is n² times the variance, exactly.
    let squares: i128 = values
        .iter()
        .map(|value| i128::from(*value) * i128::from(*value))
        .sum();
    let spread = (length * squares - sum * sum).max(0).isqrt();
    i64::try_from(spread * 1_000 / sum.abs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_median_of_an_even_count_is_a_value_that_occurred() {
        assert_eq!(median(&[4, 1, 3, 2]), Some(2));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn equal_values_do_not_vary() {
        assert_eq!(variation_permille(&[250, 250, 250]), 0);
        assert_eq!(variation_permille(&[100, 300]), 500);
    }

    fn any_date() -> impl Strategy<Value = Date> {
        (1_i16..9_000, 1_i8..=12, 1_i8..=28)
            .prop_map(|(year, month, day)| Date::new(year, month, day).unwrap())
    }

    proptest! {
        #[test]
        fn day_numbers_agree_with_the_calendar(from in any_date(), to in any_date(), months in 0_i64..400) {
            let days = i64::from(from.until(to).unwrap().get_days());
            prop_assert_eq!(days_between(from, to), days);
            for date in [from, from.last_of_month()] {
                let later = date.saturating_add(months.months());
                prop_assert_eq!(day_number_after_months(date, months), day_number(later));
            }
        }

        #[test]
        fn nothing_overflows(
            values in proptest::collection::vec(-1_000_000_000_000_i64..1_000_000_000_000, 0..50)
        ) {
            variation_permille(&values);
            median(&values);
            permille(values.iter().sum(), values.first().copied().unwrap_or_default());
        }
    }
}
