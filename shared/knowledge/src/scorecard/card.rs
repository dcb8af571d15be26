//! A card as its data file says it: attributes, bins, bands.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::features::Feature;
use crate::measure::scaled;
use crate::wording::Bilingual;

/// Whether the points were set by experts or learnt on public data, or recalibrated by the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Calibration {
    /// An example that ships with the product: good for reading, not for deciding.
    Example,
    /// Recalibrated on the client's own outcomes.
    Client,
}

/// A card as its data file says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// The model's name.
    pub model: String,
    /// Its version. Points never change under the same version.
    pub version: String,
    /// Where its points come from.
    pub calibration: Calibration,
    /// Whether a purpose that sells may see its scores.
    pub available_to_selling: bool,
    /// Windows it can be computed on, in months, preferred first.
    pub windows: Vec<i64>,
    /// What must have been seen before it answers.
    pub needs: Needs,
    /// For how many days a score is good.
    pub valid_days: i64,
    /// Points everybody starts with.
    pub base_points: i64,
    /// What it looks at.
    pub attributes: Vec<Attribute>,
    /// Bands by ascending first value.
    pub bands: Vec<Band>,
    /// Probability by value, ascending, where the card is calibrated to an outcome.
    #[serde(default)]
    pub probability: Vec<ProbabilityPoint>,
}

/// What must have been seen before a card answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Needs {
    /// Days of history.
    pub days: i64,
    /// Payments of a regular income.
    pub income_cycles: i64,
    /// Whether every payment account must have a balance.
    pub balance: bool,
}

/// One thing a card looks at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    /// Its name inside the card; decides between equal reasons.
    pub id: String,
    /// The feature it reads.
    pub feature: Feature,
    /// Bins by ascending upper bound; the last one has none.
    pub bins: Vec<Bin>,
    /// Points when the feature could not be measured.
    pub missing_points: i64,
    /// What is said when points were lost. `{value}` is the measured value.
    pub reason: Bilingual,
    /// What is said when no point was lost.
    pub strength: Bilingual,
    /// What would help.
    pub helps: Bilingual,
}

/// Values from the bound of the bin before (included) to its own (excluded).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bin {
    /// First value above the bin; `None` for the last bin.
    #[serde(default)]
    pub below: Option<i64>,
    /// Points of the bin.
    pub points: i64,
}

/// A named range of values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Band {
    /// First value of the band.
    pub from: i64,
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: Bilingual,
}

/// A calibrated probability at one value; between two points it is read on the straight line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbabilityPoint {
    /// The value.
    pub value: i64,
    /// The probability in hundred-thousandths.
    pub probability: i64,
}

/// A card that contradicts itself. Correct the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCard {
    /// It is not the JSON of a card.
    #[error("the card cannot be read: {0}")]
    Unreadable(String),
    /// An attribute has no bins, bounds that do not ascend, or an end that is not open.
    #[error("attribute {0}: bins must ascend and the last must be open")]
    Bins(String),
    /// The bands do not ascend.
    #[error("bands must ascend")]
    Bands,
    /// Probabilities are not between 0 and 1, or their values do not ascend.
    #[error("probability points must ascend and lie between 0 and 100000")]
    Probability,
}

impl InvalidCard {
    /// A card does not get better by reading it again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreadable(_) | Self::Bins(_) | Self::Bands | Self::Probability => false,
        }
    }
}

impl Attribute {
    /// Points for a measured value.
    #[must_use]
    pub fn points(&self, value: Option<i64>) -> i64 {
        let Some(value) = value else {
            return self.missing_points;
        };
        self.bins
            .iter()
            .find(|bin| bin.below.is_none_or(|bound| value < bound))
            .map_or(self.missing_points, |bin| bin.points)
    }

    /// The most points it can give.
    #[must_use]
    pub fn best_points(&self) -> i64 {
        self.bins
            .iter()
            .map(|bin| bin.points)
            .max()
            .unwrap_or_default()
    }

    /// The fewest points it can give.
    #[must_use]
    pub fn worst_points(&self) -> i64 {
        let bins = self.bins.iter().map(|bin| bin.points);
        bins.chain([self.missing_points]).min().unwrap_or_default()
    }

    fn is_well_formed(&self) -> bool {
        let bounds: Vec<i64> = self.bins.iter().filter_map(|bin| bin.below).collect();
        let ascending = bounds.is_sorted_by(|one, other| one < other);
        let open_end = self.bins.last().is_some_and(|bin| bin.below.is_none());
        ascending && open_end && bounds.len() + 1 == self.bins.len()
    }
}

impl Card {
    /// Reads and checks a card file.
    ///
    /// # Errors
    /// [`InvalidCard`] with what must be corrected.
    pub fn from_json(text: &str) -> Result<Self, InvalidCard> {
        let card: Self = serde_json::from_str(text)
            .map_err(|error| InvalidCard::Unreadable(error.to_string()))?;
        if let Some(attribute) = card
            .attributes
            .iter()
            .find(|attribute| !attribute.is_well_formed())
        {
            return Err(InvalidCard::Bins(attribute.id.clone()));
        }
        if !card.bands.is_sorted_by(|one, other| one.from < other.from) {
            return Err(InvalidCard::Bands);
        }
        let in_range = card
            .probability
            .iter()
            .all(|point| (0..=100_000).contains(&point.probability));
        if !in_range
            || !card
                .probability
                .is_sorted_by(|one, other| one.value < other.value)
        {
            return Err(InvalidCard::Probability);
        }
        Ok(card)
    }

    /// The smallest and largest value the card can give.
    #[must_use]
    pub fn range(&self) -> (i64, i64) {
        let worst: i64 = self.attributes.iter().map(Attribute::worst_points).sum();
        let best: i64 = self.attributes.iter().map(Attribute::best_points).sum();
        (self.base_points + worst, self.base_points + best)
    }

    /// The sum of points for measured values.
    #[must_use]
    pub fn value(&self, measured: &BTreeMap<Feature, i64>) -> i64 {
        let points: i64 = self
            .attributes
            .iter()
            .map(|attribute| attribute.points(measured.get(&attribute.feature).copied()))
            .sum();
        self.base_points + points
    }

    /// The band of a value.
    #[must_use]
    pub fn band(&self, value: i64) -> Option<&Band> {
        self.bands
            .iter()
            .rev()
            .find(|band| value >= band.from)
            .or(self.bands.first())
    }

    /// The calibrated probability at a value in hundred-thousandths, where the card has one.
    #[must_use]
    pub fn probability(&self, value: i64) -> Option<i64> {
        let first = self.probability.first()?;
        let last = self.probability.last()?;
        let held = value.clamp(first.value, last.value);
        let after = self.probability.iter().find(|point| point.value >= held)?;
        let before = self
            .probability
            .iter()
            .rev()
            .find(|point| point.value <= held)?;
        let width = after.value - before.value;
        Some(if width == 0 {
            before.probability
        } else {
            before.probability
                + scaled(
                    after.probability - before.probability,
                    held - before.value,
                    width,
                )
        })
    }
}
