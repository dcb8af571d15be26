//! What leaves by contract: housing, energy, insurance, loans, telecom.

use std::collections::{BTreeMap, BTreeSet};

use super::window::{Window, last_of_each, put};
use super::{EVIDENCE_LIMIT, Feature, Measured};
use crate::ledger::Part;
use crate::measure::{count, permille};
use crate::recurrence::{Flow, Recurrence};
use crate::taxonomy::Category;

impl Window<'_, '_, '_> {
    /// Running contracts at their usual amount, and single lines of the same kind spread over the
    /// window (a first instalment, a yearly premium).
    pub(super) fn commitments(&self, values: &mut BTreeMap<Feature, Measured>) {
        let running = |wanted: fn(Category) -> bool| -> Measured {
            let flows: Vec<&Flow> = self
                .sources
                .flows
                .iter()
                .filter(|flow| {
                    let recurrence = &flow.recurrence;
                    wanted(recurrence.category)
                        && !recurrence.is_income()
                        && recurrence.last_seen >= self.from
                })
                .collect();
            let regular: i64 = flows
                .iter()
                .filter(|flow| flow.recurrence.is_active())
                .map(|flow| -flow.recurrence.monthly_cents())
                .sum();
            let in_flows: BTreeSet<usize> = flows
                .iter()
                .flat_map(|flow| flow.entries.iter().copied())
                .collect();
            let single = self.sum(|entry| {
                entry.cents() < 0
                    && entry.part == Part::Ordinary
                    && wanted(entry.category())
                    && !in_flows.contains(&entry.position)
            });
            let recurrences: Vec<&Recurrence> = flows.iter().map(|flow| &flow.recurrence).collect();
            let mut evidence = last_of_each(&recurrences);
            evidence.extend(single.evidence);
            evidence.truncate(EVIDENCE_LIMIT);
            Measured {
                value: regular + single.value / self.months,
                evidence,
            }
        };
        let commitments = running(is_commitment);
        let income = values
            .get(&Feature::IncomeMonthly)
            .map_or(0, |income| income.value);
        if income > 0 {
            put(
                values,
                Feature::ChargeRatio,
                permille(commitments.value, income),
                commitments.evidence.clone(),
            );
        }
        values.insert(Feature::CommitmentsMonthly, commitments);
        values.insert(Feature::LoansMonthly, running(is_loan));
        let active = |wanted: fn(Category) -> bool| -> Vec<&Recurrence> {
            self.sources
                .flows
                .iter()
                .map(|flow| &flow.recurrence)
                .filter(|flow| flow.is_active() && wanted(flow.category) && !flow.is_income())
                .collect()
        };
        let loans = active(is_loan);
        put(
            values,
            Feature::LoansActive,
            count(loans.len()),
            last_of_each(&loans),
        );
        let short =
            active(|category| matches!(category, Category::LoanBnpl | Category::LoanRevolving));
        put(
            values,
            Feature::ShortCredits,
            count(short.len()),
            last_of_each(&short),
        );
        let premiums: i64 = self
            .sources
            .contracts
            .iter()
            .filter(|contract| contract.is_active())
            .map(|contract| contract.yearly_cents / 12)
            .sum();
        let evidence = self
            .sources
            .contracts
            .iter()
            .filter_map(|contract| contract.evidence.last().cloned())
            .take(EVIDENCE_LIMIT)
            .collect();
        put(values, Feature::InsuranceMonthly, premiums, evidence);
    }
}

pub(super) fn is_loan(category: Category) -> bool {
    category.is_in("loan")
        || matches!(
            category,
            Category::HousingLoan | Category::TransportVehicleLoan
        )
}

fn is_commitment(category: Category) -> bool {
    is_loan(category)
        || matches!(
            category,
            Category::HousingRent
                | Category::HousingCharges
                | Category::HousingEnergy
                | Category::HousingWater
        )
        || (category.is_in("insurance") && category != Category::InsuranceLifeSavings)
        || category.is_in("telecom")
}
