//! Numbers about a person's money as of a date, over 3, 6 and 12 months, each with its evidence.

mod commitments;
mod habits;
mod income;
mod profile;
mod spending;
mod trouble;
mod window;

use std::collections::BTreeMap;
use std::str::FromStr;

use jiff::civil::Date;
use passerelle_domain::ids::TransactionId;
use serde::{Deserialize, Serialize};

use crate::contracts::InsuranceContract;
use crate::ledger::Ledger;
use crate::recurrence::Flow;

pub(crate) use profile::profile;
pub use profile::{Housing, LoanSeen, Profile};
pub(crate) use window::windows;

/// What is measured. Amounts are cents, shares thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    /// Regular income per month (salaries, pensions, replacement income, benefits), in cents.
    IncomeMonthly,
    /// Occurrences of the main income seen of those due, in thousandths.
    IncomeRegularity,
    /// How much the amount of the main income varies (coefficient of variation), in thousandths.
    IncomeVariation,
    /// How many payers of regular income.
    IncomePayers,
    /// Regular income of the second half of the window against the first, in thousandths of the
    /// first: 1000 is unchanged.
    IncomeTrend,
    /// How far the day of the main income moves around its rhythm, in days from earliest to latest.
    IncomeDaySpread,
    /// From the first to the last payment of the main income seen, in days.
    IncomeTenureDays,
    /// Housing, energy, insurance, loans and telecom per month, in cents.
    CommitmentsMonthly,
    /// Commitments of regular income, in thousandths.
    ChargeRatio,
    /// Everything spent per month, refunds taken off, in cents.
    SpendingMonthly,
    /// What is left of all income after all spending, in thousandths of income. Negative when more
    /// is spent than earned.
    Margin,
    /// Days on which an account ended below zero, in thousandths of the days known.
    OverdraftDays,
    /// The longest row of such days, in days.
    OverdraftLongest,
    /// The lowest end-of-day balance, in cents.
    LowestBalance,
    /// Rejected debits and cheques, incident fees and seizures, per three months.
    Incidents,
    /// Incident fees and overdraft interest, in cents.
    IncidentCost,
    /// Put into savings less taken out, in thousandths of income.
    SavingsRate,
    /// How many days of spending are on the accounts and in savings.
    ReserveDays,
    /// The lowest sum of the accounts in the days before the main income arrives (median over pay
    /// cycles), in thousandths of that income.
    LiquidityBeforePayday,
    /// Active loans and leases, instalment plans included.
    LoansActive,
    /// Loans and leases per month, in cents.
    LoansMonthly,
    /// Active revolving credits and instalment plans.
    ShortCredits,
    /// Premiums per month, in cents.
    InsuranceMonthly,
    /// Fuel per month, in cents.
    FuelMonthly,
    /// Tolls, parking, maintenance and charging per month, in cents.
    DrivingMonthly,
    /// Public transport per month, in cents.
    PublicTransportMonthly,
    /// Travel tickets and stays per month, in cents.
    TravelMonthly,
    /// Family benefits per month, in cents. For opted-in use only.
    FamilyBenefitMonthly,
    /// Rent, home loan and building charges per month, in cents.
    HomeMonthly,
    /// Home loan per month, in cents.
    HomeLoanMonthly,
    /// Fuel, charging, tolls, maintenance and car loans per month, in cents.
    VehicleMonthly,
    /// Active motor contracts.
    CoverAuto,
    /// Active home contracts.
    CoverHome,
    /// Active loan-insurance contracts.
    CoverLoan,
    /// Active travel contracts.
    CoverTravel,
    /// Active contracts whose line is not known.
    CoverUnknownLine,
    /// Active two-wheeler contracts.
    CoverMoto,
    /// Active pet contracts.
    CoverPet,
    /// Active legal-cover contracts.
    CoverLegal,
    /// Active protection contracts.
    CoverProtection,
    /// Active school contracts.
    CoverSchool,
    /// Vets, food and care for animals per month, in cents.
    PetMonthly,
    /// Shops and loans for two-wheelers per month, in cents.
    TwoWheelerMonthly,
    /// Lawyers and registries per month, in cents.
    LegalMonthly,
    /// Schools, canteens and activities per month, in cents. Speaks of children: never for a sale.
    SchoolMonthly,
    /// Games of chance, in thousandths of spending. Protective use only.
    GamblingShare,
    /// Cash, in thousandths of spending.
    CashShare,
    /// Lines of unknown category, in thousandths of all lines.
    UnknownShare,
}

/// A text that names no feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a feature")]
pub struct UnknownFeature;

impl FromStr for Feature {
    type Err = UnknownFeature;

    fn from_str(text: &str) -> Result<Self, UnknownFeature> {
        use serde::de::IntoDeserializer;
        let deserializer: serde::de::value::StrDeserializer<'_, serde::de::value::Error> =
            text.into_deserializer();
        Self::deserialize(deserializer).map_err(|_| UnknownFeature)
    }
}

impl Feature {
    /// Whether the feature may only protect the person: never available to a purpose that sells.
    #[must_use]
    pub fn is_protective_only(self) -> bool {
        matches!(
            self,
            Self::GamblingShare
                | Self::Incidents
                | Self::IncidentCost
                | Self::OverdraftDays
                | Self::OverdraftLongest
                | Self::LowestBalance
                | Self::LiquidityBeforePayday
                | Self::Margin
                | Self::ReserveDays
                | Self::ChargeRatio
                | Self::ShortCredits
        )
    }

    /// Whether the feature speaks of a family, which only an explicit opt-in allows to use.
    #[must_use]
    pub fn needs_opt_in(self) -> bool {
        matches!(
            self,
            Self::FamilyBenefitMonthly | Self::SchoolMonthly | Self::CoverSchool
        )
    }
}

/// A number and the lines it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// The number, in the unit its feature says.
    pub value: i64,
    /// The lines that weigh most in it, at most [`EVIDENCE_LIMIT`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<TransactionId>,
}

/// How many lines of evidence are kept with a number.
pub const EVIDENCE_LIMIT: usize = 12;

/// The features of one window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureWindow {
    /// Length in months: 3, 6 or 12.
    pub months: i64,
    /// First day.
    pub from: Date,
    /// Last day: the day of the analysis.
    pub to: Date,
    /// What could be measured. A feature that could not is absent, never 0.
    pub values: BTreeMap<Feature, Measured>,
}

impl FeatureWindow {
    /// The value of a feature, where it could be measured.
    #[must_use]
    pub fn value(&self, feature: Feature) -> Option<i64> {
        self.values.get(&feature).map(|measured| measured.value)
    }
}

/// Everything the windows are computed from.
#[derive(Debug)]
pub(crate) struct Sources<'a, 'b> {
    pub ledger: &'b Ledger<'a>,
    pub flows: &'b [Flow],
    pub contracts: &'b [InsuranceContract],
}
