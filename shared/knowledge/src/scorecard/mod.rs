//! A points scorecard: bins of features give points, points give a value, a band and reasons.
//!
//! Cards are data files. The engine adds integers, so the same features give the same bytes on any
//! machine; fitting a card to outcomes is the business of [`crate::fitting`].

mod card;

use std::collections::BTreeMap;

use jiff::civil::Date;
use passerelle_domain::ids::TransactionId;
use serde::{Deserialize, Serialize};

use crate::features::{Feature, FeatureWindow};
use crate::measure::plus_days;
use crate::wording::{self, Bilingual};

pub use card::{Attribute, Band, Bin, Calibration, Card, InvalidCard, Needs, ProbabilityPoint};

/// The answer of one card for one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scorecard {
    /// The model's name.
    pub model: String,
    /// Its version.
    pub version: String,
    /// The score, or what is missing for one.
    pub outcome: Outcome,
    /// Where its points come from.
    pub calibration: Calibration,
    /// The taxonomy the lines were read with.
    pub taxonomy_version: String,
    /// First day of the data it rests on.
    pub window_from: Date,
    /// Last day of the data it rests on.
    pub window_to: Date,
    /// Last day it may be used.
    pub valid_until: Date,
    /// Always true: a person decides, and the person scored can ask for one and contest
    /// (GDPR article 22).
    pub decision_support_only: bool,
    /// Whether a purpose that sells may see it.
    pub available_to_selling: bool,
}

/// A score, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum Outcome {
    /// There is enough data.
    Scored(Score),
    /// There is not: nothing is assumed.
    InsufficientData {
        /// Everything that is missing.
        missing: Vec<Missing>,
    },
}

/// A value with its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// The sum of points.
    pub value: i64,
    /// The smallest value the card can give.
    pub lowest: i64,
    /// The largest value the card can give.
    pub highest: i64,
    /// Code of the band.
    pub band: String,
    /// Name of the band.
    pub band_name: Bilingual,
    /// Calibrated probability in hundred-thousandths, where the card has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<i64>,
    /// Where points were lost: at most five, largest loss first.
    pub reasons: Vec<Reason>,
    /// What speaks for the person: at most three, most points first.
    pub strengths: Vec<Reason>,
    /// What would help, in the order of the reasons.
    pub what_helps: Vec<Bilingual>,
    /// Attributes whose feature could not be measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_measured: Vec<String>,
}

/// Why points were won or lost, in words the person can read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Stable code: model and attribute.
    pub code: String,
    /// The feature behind it.
    pub feature: Feature,
    /// What was measured, in the unit of the feature.
    pub measured: i64,
    /// Points obtained.
    pub points: i64,
    /// Points that could have been obtained.
    pub best_points: i64,
    /// The sentence.
    pub text: Bilingual,
    /// The lines behind it.
    pub evidence: Vec<TransactionId>,
}

/// What a score would need and does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Missing {
    /// No payment account in a supported currency is shared.
    PaymentAccount,
    /// The history is too short.
    DaysOfHistory {
        /// Days seen.
        seen: i64,
        /// Days needed.
        needed: i64,
    },
    /// Too few payments of a regular income were seen.
    IncomeCycles {
        /// Payments seen.
        seen: i64,
        /// Payments needed.
        needed: i64,
    },
    /// A payment account has no balance.
    Balance,
}

/// What a card is computed from.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    pub as_of: Date,
    pub first_date: Option<Date>,
    pub days: i64,
    pub income_cycles: i64,
    pub has_payment_account: bool,
    pub has_balances: bool,
    pub windows: &'a [FeatureWindow],
}

const REASONS: usize = 5;

const STRENGTHS: usize = 3;

/// Computes one card.
pub(crate) fn compute(card: &Card, subject: &Subject<'_>, taxonomy_version: &str) -> Scorecard {
    let window = card.windows.iter().find_map(|months| {
        subject
            .windows
            .iter()
            .find(|window| window.months == *months)
    });
    let missing = missing(card, subject);
    let outcome = match window {
        Some(window) if missing.is_empty() => Outcome::Scored(score(card, window)),
        _ => Outcome::InsufficientData { missing },
    };
    let earliest = subject.first_date.unwrap_or(subject.as_of);
    Scorecard {
        model: card.model.clone(),
        version: card.version.clone(),
        outcome,
        calibration: card.calibration,
        taxonomy_version: taxonomy_version.to_owned(),
        window_from: window.map_or(earliest, |window| window.from.max(earliest)),
        window_to: subject.as_of,
        valid_until: plus_days(subject.as_of, card.valid_days),
        decision_support_only: true,
        available_to_selling: card.available_to_selling,
    }
}

fn missing(card: &Card, subject: &Subject<'_>) -> Vec<Missing> {
    let mut missing = Vec::new();
    if !subject.has_payment_account {
        missing.push(Missing::PaymentAccount);
    }
    let no_window = !card.windows.iter().any(|months| {
        subject
            .windows
            .iter()
            .any(|window| window.months == *months)
    });
    if subject.days < card.needs.days || no_window {
        missing.push(Missing::DaysOfHistory {
            seen: subject.days,
            needed: card.needs.days,
        });
    }
    if subject.income_cycles < card.needs.income_cycles {
        missing.push(Missing::IncomeCycles {
            seen: subject.income_cycles,
            needed: card.needs.income_cycles,
        });
    }
    if card.needs.balance && subject.has_payment_account && !subject.has_balances {
        missing.push(Missing::Balance);
    }
    missing
}

fn score(card: &Card, window: &FeatureWindow) -> Score {
    let measured: BTreeMap<Feature, i64> = window
        .values
        .iter()
        .map(|(feature, measured)| (*feature, measured.value))
        .collect();
    let value = card.value(&measured);
    let (lowest, highest) = card.range();
    let mut lost: Vec<&Attribute> = card
        .attributes
        .iter()
        .filter(|attribute| gap(attribute, window) > 0)
        .filter(|attribute| window.value(attribute.feature).is_some())
        .collect();
    lost.sort_by_key(|attribute| {
        (
            std::cmp::Reverse(gap(attribute, window)),
            attribute.id.clone(),
        )
    });
    let mut won: Vec<&Attribute> = card
        .attributes
        .iter()
        .filter(|attribute| gap(attribute, window) == 0 && attribute.best_points() > 0)
        .filter(|attribute| window.value(attribute.feature).is_some())
        .collect();
    won.sort_by_key(|attribute| {
        (
            std::cmp::Reverse(attribute.best_points()),
            attribute.id.clone(),
        )
    });
    let band = card.band(value);
    Score {
        value,
        lowest,
        highest,
        band: band.map(|band| band.code.clone()).unwrap_or_default(),
        band_name: band.map(|band| band.name.clone()).unwrap_or_default(),
        probability: card.probability(value),
        reasons: lost
            .iter()
            .take(REASONS)
            .map(|attribute| reason(card, attribute, window, &attribute.reason))
            .collect(),
        strengths: won
            .iter()
            .take(STRENGTHS)
            .map(|attribute| reason(card, attribute, window, &attribute.strength))
            .collect(),
        what_helps: lost
            .iter()
            .take(REASONS)
            .map(|attribute| attribute.helps.clone())
            .collect(),
        not_measured: card
            .attributes
            .iter()
            .filter(|attribute| window.value(attribute.feature).is_none())
            .map(|attribute| attribute.id.clone())
            .collect(),
    }
}

fn gap(attribute: &Attribute, window: &FeatureWindow) -> i64 {
    attribute.best_points() - attribute.points(window.value(attribute.feature))
}

fn reason(card: &Card, attribute: &Attribute, window: &FeatureWindow, text: &Bilingual) -> Reason {
    let measured = window.values.get(&attribute.feature);
    let value = measured.map_or(0, |measured| measured.value);
    Reason {
        code: format!("{}.{}", card.model, attribute.id),
        feature: attribute.feature,
        measured: value,
        points: attribute.points(Some(value)),
        best_points: attribute.best_points(),
        text: wording::filled(text, attribute.feature, value),
        evidence: measured
            .map(|measured| measured.evidence.clone())
            .unwrap_or_default(),
    }
}
