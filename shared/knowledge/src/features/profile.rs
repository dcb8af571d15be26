//! How a household lives, apart from numbers: housing, vehicle, loans.

use jiff::civil::Date;
use passerelle_domain::ids::TransactionId;
use serde::{Deserialize, Serialize};

use super::Sources;
use super::commitments::is_loan;
use crate::ledger::Entry;
use crate::measure::{count, days_between, minus_months, plus_days};
use crate::operation::Operation;
use crate::recurrence::{Flow, Recurrence};
use crate::taxonomy::Category;

/// How a person is housed, as far as the lines tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Housing {
    /// Pays rent.
    Tenant,
    /// Repays a home loan.
    OwnerWithLoan,
    /// Pays rent and repays a home loan: lets property, or is between two homes.
    Both,
    /// Pays building charges or property tax without a loan.
    Owner,
    /// Nothing tells.
    Unknown,
}

/// A loan seen through its instalments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoanSeen {
    /// What it is for: a leaf of `loan`, `housing.loan` or `transport.vehicle_loan`.
    pub category: Category,
    /// The lender, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lender: Option<String>,
    /// The instalment in cents, positive.
    pub instalment_cents: i64,
    /// First instalment seen.
    pub first_seen: Date,
    /// Last instalment seen.
    pub last_seen: Date,
    /// Whether instalments still run.
    pub is_active: bool,
    /// The day of the last instalment, where that can be told: of a loan that ended; of a plan of three
    /// or four payments whose first one was seen; about, of a loan whose capital was seen arriving.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Date>,
    /// The instalments.
    pub evidence: Vec<TransactionId>,
}

/// What is known of a household apart from numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// How the person is housed.
    pub housing: Housing,
    /// Whether a vehicle is driven: fuel, charging, tolls, maintenance, car loan or motor premium.
    pub drives: bool,
    /// Loans and leases.
    pub loans: Vec<LoanSeen>,
}

pub(crate) fn profile(sources: &Sources<'_, '_>) -> Profile {
    let loans: Vec<LoanSeen> = sources
        .flows
        .iter()
        .filter_map(|flow| loan_seen(sources, flow))
        .collect();
    let recent = minus_months(sources.ledger.as_of, 3);
    let seen = |wanted: &[Category]| {
        sources.ledger.entries.iter().any(|entry| {
            entry.date() > recent && entry.counts() && wanted.contains(&entry.category())
        })
    };
    let rents = sources.flows.iter().any(|flow| {
        flow.recurrence.category == Category::HousingRent
            && flow.recurrence.is_active()
            && !flow.recurrence.is_income()
    }) || seen(&[Category::HousingRent]);
    let repays = seen(&[Category::HousingLoan]);
    Profile {
        housing: match (rents, repays) {
            (true, true) => Housing::Both,
            (true, false) => Housing::Tenant,
            (false, true) => Housing::OwnerWithLoan,
            (false, false) if seen(&[Category::HousingCharges, Category::TaxProperty]) => {
                Housing::Owner
            }
            (false, false) => Housing::Unknown,
        },
        drives: seen(&[
            Category::TransportFuel,
            Category::TransportCharging,
            Category::TransportMaintenance,
            Category::TransportVehicleLoan,
            Category::TransportParkingToll,
            Category::InsuranceAuto,
        ]),
        loans,
    }
}

fn loan_seen(sources: &Sources<'_, '_>, flow: &Flow) -> Option<LoanSeen> {
    let recurrence = &flow.recurrence;
    if !is_loan(recurrence.category) || recurrence.is_income() {
        return None;
    }
    let ends = match recurrence.is_active() {
        true => instalment_plan_end(recurrence).or_else(|| end_by_capital(sources, flow)),
        false => Some(recurrence.last_seen),
    };
    Some(LoanSeen {
        category: recurrence.category,
        lender: recurrence.merchant.clone(),
        instalment_cents: recurrence.amount.as_credit().minor,
        first_seen: recurrence.first_seen,
        last_seen: recurrence.last_seen,
        is_active: recurrence.is_active(),
        ends,
        evidence: recurrence.evidence.clone(),
    })
}

/// Plans "in 3 or 4 times" end with their fourth payment at the latest.
fn instalment_plan_end(recurrence: &Recurrence) -> Option<Date> {
    let left = 4 - count(recurrence.evidence.len());
    (recurrence.category == Category::LoanBnpl && left >= 0)
        .then(|| plus_days(recurrence.last_seen, left * recurrence.rhythm.days()))
}

/// A loan whose capital was seen arriving ends, about, when its instalments have paid that capital and
/// a twentieth of it in interest.
fn end_by_capital(sources: &Sources<'_, '_>, flow: &Flow) -> Option<Date> {
    const FIRST_INSTALMENT_WITHIN: i64 = 92;
    let recurrence = &flow.recurrence;
    let instalment = recurrence.amount.as_credit().minor;
    let came_before = |entry: &&Entry<'_>| {
        let days = days_between(entry.date(), recurrence.first_seen);
        let same_lender = match (&entry.enrichment.merchant, &recurrence.merchant) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        entry.operation() == Operation::LoanDisbursement
            && (0..=FIRST_INSTALMENT_WITHIN).contains(&days)
            && same_lender
            && entry.cents() > instalment
    };
    let capital = sources
        .ledger
        .entries
        .iter()
        .filter(came_before)
        .map(Entry::cents)
        .max()?;
    let owed = capital + capital / 20;
    let instalments = (owed + instalment - 1).checked_div(instalment)?;
    Some(
        recurrence
            .rhythm
            .after(recurrence.first_seen, instalments - 1),
    )
}
