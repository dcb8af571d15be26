//! Sentences for the person, in French and English, with measured values written as each language
//! writes them.

use passerelle_domain::locale::Locale;
use serde::{Deserialize, Serialize};

use crate::features::Feature;

/// A sentence in the two languages of the product.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bilingual {
    /// French.
    pub fr: String,
    /// English.
    pub en: String,
}

impl Bilingual {
    /// The sentence in a language.
    #[must_use]
    pub fn in_locale(&self, locale: Locale) -> &str {
        match locale {
            Locale::Fr => &self.fr,
            Locale::En => &self.en,
        }
    }
}

/// How a value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Cents,
    Thousandths,
    Days,
    Number,
}

fn unit_of(feature: Feature) -> Unit {
    match feature {
        Feature::IncomeMonthly
        | Feature::CommitmentsMonthly
        | Feature::SpendingMonthly
        | Feature::LowestBalance
        | Feature::IncidentCost
        | Feature::LoansMonthly
        | Feature::InsuranceMonthly
        | Feature::FuelMonthly
        | Feature::DrivingMonthly
        | Feature::PublicTransportMonthly
        | Feature::TravelMonthly
        | Feature::HomeMonthly
        | Feature::HomeLoanMonthly
        | Feature::VehicleMonthly
        | Feature::PetMonthly
        | Feature::TwoWheelerMonthly
        | Feature::LegalMonthly
        | Feature::SchoolMonthly
        | Feature::FamilyBenefitMonthly => Unit::Cents,
        Feature::IncomeRegularity
        | Feature::IncomeVariation
        | Feature::IncomeTrend
        | Feature::ChargeRatio
        | Feature::Margin
        | Feature::OverdraftDays
        | Feature::SavingsRate
        | Feature::LiquidityBeforePayday
        | Feature::GamblingShare
        | Feature::CashShare
        | Feature::UnknownShare => Unit::Thousandths,
        Feature::OverdraftLongest
        | Feature::ReserveDays
        | Feature::IncomeDaySpread
        | Feature::IncomeTenureDays => Unit::Days,
        Feature::IncomePayers
        | Feature::Incidents
        | Feature::LoansActive
        | Feature::CoverAuto
        | Feature::CoverHome
        | Feature::CoverLoan
        | Feature::CoverTravel
        | Feature::CoverUnknownLine
        | Feature::CoverMoto
        | Feature::CoverPet
        | Feature::CoverLegal
        | Feature::CoverProtection
        | Feature::CoverSchool
        | Feature::ShortCredits => Unit::Number,
    }
}

/// The sentence with `{value}` replaced.
pub(crate) fn filled(text: &Bilingual, feature: Feature, value: i64) -> Bilingual {
    let unit = unit_of(feature);
    Bilingual {
        fr: text.fr.replace("{value}", &french(unit, value)),
        en: text.en.replace("{value}", &english(unit, value)),
    }
}

/// A value of a feature as a French reader writes it.
#[must_use]
pub fn value_in_french(feature: Feature, value: i64) -> String {
    french(unit_of(feature), value)
}

fn french(unit: Unit, value: i64) -> String {
    match unit {
        // A narrow space groups thousands, a space stands before the unit.
        Unit::Cents => format!("{}\u{a0}€", grouped(value / 100, "\u{202f}")),
        Unit::Thousandths => format!("{}\u{a0}%", rounded_percent(value)),
        Unit::Days if value.abs() < 2 => format!("{value}\u{a0}jour"),
        Unit::Days => format!("{}\u{a0}jours", grouped(value, "\u{202f}")),
        Unit::Number => grouped(value, "\u{202f}"),
    }
}

fn english(unit: Unit, value: i64) -> String {
    match unit {
        Unit::Cents if value < 0 => format!("-€{}", grouped(-(value / 100), ",")),
        Unit::Cents => format!("€{}", grouped(value / 100, ",")),
        Unit::Thousandths => format!("{}%", rounded_percent(value)),
        Unit::Days if value == 1 => "1 day".to_owned(),
        Unit::Days => format!("{} days", grouped(value, ",")),
        Unit::Number => grouped(value, ","),
    }
}

fn rounded_percent(permille: i64) -> i64 {
    let half = if permille < 0 { -5 } else { 5 };
    permille.saturating_add(half) / 10
}

fn grouped(value: i64, separator: &str) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::new();
    if value < 0 {
        text.push('-');
    }
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push_str(separator);
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_each_language_writes_them() {
        assert_eq!(french(Unit::Cents, 12_345_678), "123\u{202f}456\u{a0}€");
        assert_eq!(english(Unit::Cents, -150_000), "-€1,500");
        assert_eq!(french(Unit::Thousandths, 434), "43\u{a0}%");
        assert_eq!(english(Unit::Thousandths, -45), "-5%");
        assert_eq!(english(Unit::Days, 1), "1 day");
    }
}
