//! Numbers about a person's money as of a date, over 3, 6 and 12 months, each with its evidence.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use jiff::civil::Date;
use passerelle_domain::account::AccountKind;
use passerelle_domain::ids::TransactionId;
use serde::{Deserialize, Serialize};

use crate::balances::DailyBalances;
use crate::contracts::InsuranceContract;
use crate::ledger::{Entry, Ledger, Part};
use crate::measure::{
    count, days_between, median, minus_months, permille, plus_days, scaled, variation_permille,
};
use crate::operation::Operation;
use crate::recurrence::{Flow, FlowKind, Recurrence, Rhythm};
use crate::taxonomy::Category;

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
        matches!(self, Self::FamilyBenefitMonthly)
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
    /// The day the last instalment is expected, where that can be told: an instalment plan of three
    /// or four payments whose first one was seen.
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

/// Everything the windows are computed from.
#[derive(Debug)]
pub(crate) struct Sources<'a, 'b> {
    pub ledger: &'b Ledger<'a>,
    pub flows: &'b [Flow],
    pub contracts: &'b [InsuranceContract],
}

/// Days by which the seen history may fall short of a window: a bank's window of 90 days shows about
/// 89 days between its first and last line, and nobody is paid or spends on each of its first days.
const WINDOW_SHORTFALL: i64 = 8;

/// The windows that the history covers, shortest first.
pub(crate) fn windows(sources: &Sources<'_, '_>) -> Vec<FeatureWindow> {
    [3, 6, 12]
        .into_iter()
        .filter_map(|months| {
            let to = sources.ledger.as_of;
            let from = plus_days(minus_months(to, months), 1);
            let first = sources.ledger.first_date()?;
            let covered = days_between(from, first) <= WINDOW_SHORTFALL;
            covered.then(|| {
                let entries = sources
                    .ledger
                    .daily_life()
                    .filter(|entry| entry.date() >= from && entry.date() <= to)
                    .collect();
                Window {
                    sources,
                    months,
                    from,
                    to,
                    entries,
                }
                .measure()
            })
        })
        .collect()
}

pub(crate) fn profile(sources: &Sources<'_, '_>) -> Profile {
    let loans: Vec<LoanSeen> = sources.flows.iter().filter_map(loan_seen).collect();
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

fn loan_seen(flow: &Flow) -> Option<LoanSeen> {
    let recurrence = &flow.recurrence;
    if !is_loan(recurrence.category) || recurrence.is_income() {
        return None;
    }
    Some(LoanSeen {
        category: recurrence.category,
        lender: recurrence.merchant.clone(),
        instalment_cents: recurrence.amount.as_credit().minor,
        first_seen: recurrence.first_seen,
        last_seen: recurrence.last_seen,
        is_active: recurrence.is_active(),
        ends: instalment_plan_end(recurrence),
        evidence: recurrence.evidence.clone(),
    })
}

/// Plans "in 3 or 4 times" end with their fourth payment at the latest.
fn instalment_plan_end(recurrence: &Recurrence) -> Option<Date> {
    let left = 4 - count(recurrence.evidence.len());
    (recurrence.category == Category::LoanBnpl && left >= 0)
        .then(|| plus_days(recurrence.last_seen, left * recurrence.rhythm.days()))
}

fn is_loan(category: Category) -> bool {
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

fn is_regular_income(kind: FlowKind) -> bool {
    matches!(
        kind,
        FlowKind::Salary | FlowKind::Pension | FlowKind::Benefit | FlowKind::OtherIncome
    )
}

#[derive(Debug)]
struct Window<'a, 'b, 'c> {
    sources: &'c Sources<'a, 'b>,
    months: i64,
    from: Date,
    to: Date,
    /// Lines of the window on accounts of daily life.
    entries: Vec<&'b Entry<'a>>,
}

impl<'a> Window<'a, '_, '_> {
    fn measure(&self) -> FeatureWindow {
        let mut values = BTreeMap::new();
        self.income(&mut values);
        self.commitments(&mut values);
        self.spending(&mut values);
        self.incidents(&mut values);
        self.balances(&mut values);
        self.habits(&mut values);
        FeatureWindow {
            months: self.months,
            from: self.from,
            to: self.to,
            values,
        }
    }

    fn entries(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.entries.iter().copied()
    }

    fn sum(&self, wanted: impl Fn(&Entry<'_>) -> bool) -> Measured {
        let lines: Vec<&Entry<'a>> = self
            .entries()
            .filter(|entry| entry.counts() && wanted(entry))
            .collect();
        Measured {
            value: lines.iter().map(|entry| entry.cents().abs()).sum(),
            evidence: heaviest(&lines),
        }
    }

    fn monthly_sum(&self, categories: &[Category]) -> Measured {
        let sum = self.sum(|entry| entry.cents() < 0 && categories.contains(&entry.category()));
        Measured {
            value: sum.value / self.months,
            ..sum
        }
    }

    fn incomes(&self) -> impl Iterator<Item = &Flow> {
        self.sources
            .flows
            .iter()
            .filter(|flow| flow.recurrence.is_income() && is_regular_income(flow.recurrence.kind))
            .filter(|flow| flow.recurrence.is_active() && flow.recurrence.last_seen >= self.from)
    }

    fn main_income(&self) -> Option<&Flow> {
        self.incomes().max_by_key(|flow| {
            let recurrence = &flow.recurrence;
            (
                recurrence.monthly_cents(),
                std::cmp::Reverse(recurrence.first_seen),
            )
        })
    }

    /// The lines of a flow that lie in the window.
    fn entries_of(&self, flow: &Flow) -> Vec<&Entry<'a>> {
        flow.entries
            .iter()
            .filter_map(|position| self.sources.ledger.entries.get(*position))
            .filter(|entry| entry.date() >= self.from)
            .collect()
    }

    fn income(&self, values: &mut BTreeMap<Feature, Measured>) {
        let active: Vec<&Recurrence> = self.incomes().map(|flow| &flow.recurrence).collect();
        let evidence = last_of_each(&active);
        put(
            values,
            Feature::IncomeMonthly,
            active.iter().map(|flow| flow.monthly_cents()).sum(),
            evidence.clone(),
        );
        put(values, Feature::IncomePayers, count(active.len()), evidence);
        let Some(flow) = self.main_income() else {
            return;
        };
        let main = &flow.recurrence;
        let occurrences = self.entries_of(flow);
        let amounts: Vec<i64> = occurrences.iter().map(|entry| entry.cents()).collect();
        let ids: Vec<TransactionId> = occurrences.iter().map(|entry| entry.id()).collect();
        put(
            values,
            Feature::IncomeRegularity,
            main.regularity_permille,
            ids.clone(),
        );
        put(
            values,
            Feature::IncomeVariation,
            variation_permille(&amounts),
            ids.clone(),
        );
        let tenure = days_between(main.first_seen, main.last_seen);
        put(values, Feature::IncomeTenureDays, tenure, ids.clone());
        if let Some(spread) = day_spread(main.rhythm, &occurrences) {
            put(values, Feature::IncomeDaySpread, spread, ids.clone());
        }
        let (early, late) = amounts.split_at(amounts.len() / 2);
        if let (Some(early), Some(late)) = (median(early), median(late)) {
            put(values, Feature::IncomeTrend, permille(late, early), ids);
        }
    }

    /// Running contracts at their usual amount, and single lines of the same kind spread over the
    /// window (a first instalment, a yearly premium).
    fn commitments(&self, values: &mut BTreeMap<Feature, Measured>) {
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

    fn spending(&self, values: &mut BTreeMap<Feature, Measured>) {
        let spent: Vec<&Entry<'a>> = self.entries().filter(|entry| entry.spent() != 0).collect();
        let total: i64 = spent.iter().map(|entry| entry.spent()).sum();
        let earned = self.sum(|entry| entry.cents() > 0 && is_earned(entry));
        put(
            values,
            Feature::SpendingMonthly,
            total / self.months,
            heaviest(&spent),
        );
        if earned.value > 0 {
            let margin = permille(earned.value - total, earned.value);
            put(values, Feature::Margin, margin, heaviest(&spent));
        }
        let cash = self.sum(|entry| entry.category() == Category::CashWithdrawal);
        put(
            values,
            Feature::CashShare,
            permille(cash.value, total),
            cash.evidence,
        );
        let bets =
            self.sum(|entry| entry.category() == Category::LeisureGambling && entry.cents() < 0);
        put(
            values,
            Feature::GamblingShare,
            permille(bets.value, total),
            bets.evidence,
        );
        self.savings(values, earned.value);
        let lines = count(self.entries().count());
        let unknown: Vec<&Entry<'a>> = self
            .entries()
            .filter(|entry| entry.category() == Category::Unknown)
            .collect();
        put(
            values,
            Feature::UnknownShare,
            permille(count(unknown.len()), lines),
            heaviest(&unknown),
        );
    }

    fn savings(&self, values: &mut BTreeMap<Feature, Measured>, earned: i64) {
        let moved: Vec<&Entry<'a>> = self
            .entries()
            .filter(|entry| matches!(entry.part, Part::Ordinary | Part::InternalTransfer))
            .filter(|entry| {
                matches!(
                    entry.category(),
                    Category::TransferSavings
                        | Category::TransferInvestment
                        | Category::InsuranceLifeSavings
                )
            })
            .collect();
        let put_aside: i64 = moved.iter().map(|entry| -entry.cents()).sum();
        if earned > 0 {
            put(
                values,
                Feature::SavingsRate,
                permille(put_aside, earned),
                heaviest(&moved),
            );
        }
    }

    fn incidents(&self, values: &mut BTreeMap<Feature, Measured>) {
        let incidents: Vec<&Entry<'a>> =
            self.entries().filter(|entry| is_incident(entry)).collect();
        // Stated for three months, so that a card reads it alike on every window.
        let per_quarter = (count(incidents.len()) * 3 + self.months - 1) / self.months;
        put(
            values,
            Feature::Incidents,
            per_quarter,
            heaviest(&incidents),
        );
        let cost = self.sum(|entry| {
            entry.cents() < 0
                && matches!(
                    entry.category(),
                    Category::BankIncidentFee | Category::BankOverdraftInterest
                )
        });
        values.insert(Feature::IncidentCost, cost);
    }

    fn balances(&self, values: &mut BTreeMap<Feature, Measured>) {
        let ledger = self.sources.ledger;
        let from = ledger
            .first_date()
            .map_or(self.from, |first| first.max(self.from));
        let Some(balances) = DailyBalances::of(ledger, from) else {
            return;
        };
        let mut deepest = balances.debits_below_zero();
        deepest.truncate(EVIDENCE_LIMIT);
        let share = permille(balances.days_below_zero(), balances.days_known());
        put(values, Feature::OverdraftDays, share, deepest.clone());
        put(
            values,
            Feature::OverdraftLongest,
            balances.longest_below_zero(),
            deepest.clone(),
        );
        if let Some(lowest) = balances.lowest() {
            put(values, Feature::LowestBalance, lowest, deepest);
        }
        let available: i64 = ledger
            .accounts
            .iter()
            .filter(|account| matches!(account.kind, AccountKind::Payment | AccountKind::Savings))
            .filter_map(|account| account.balance)
            .map(|balance| balance.amount.minor)
            .sum();
        let spending = values
            .get(&Feature::SpendingMonthly)
            .map_or(0, |spent| spent.value);
        if spending > 0 {
            put(
                values,
                Feature::ReserveDays,
                scaled(available.max(0), 30, spending),
                Vec::new(),
            );
        }
        self.liquidity(values, &balances);
    }

    /// The lowest sum in the five days before each payday.
    fn liquidity(&self, values: &mut BTreeMap<Feature, Measured>, balances: &DailyBalances) {
        let Some(flow) = self.main_income() else {
            return;
        };
        let main = &flow.recurrence;
        let paydays = self.entries_of(flow);
        let lows: Vec<i64> = paydays
            .iter()
            .filter_map(|entry| {
                balances
                    .lowest_sum_between(plus_days(entry.date(), -5), plus_days(entry.date(), -1))
            })
            .collect();
        if let Some(low) = median(&lows) {
            let evidence = paydays.iter().map(|entry| entry.id()).collect();
            put(
                values,
                Feature::LiquidityBeforePayday,
                permille(low, main.amount.minor),
                evidence,
            );
        }
    }

    fn habits(&self, values: &mut BTreeMap<Feature, Measured>) {
        let sums: [(Feature, &[Category]); 7] = [
            (
                Feature::HomeMonthly,
                &[
                    Category::HousingRent,
                    Category::HousingLoan,
                    Category::HousingCharges,
                ],
            ),
            (Feature::HomeLoanMonthly, &[Category::HousingLoan]),
            (
                Feature::VehicleMonthly,
                &[
                    Category::TransportFuel,
                    Category::TransportCharging,
                    Category::TransportParkingToll,
                    Category::TransportMaintenance,
                    Category::TransportVehicleLoan,
                ],
            ),
            (Feature::FuelMonthly, &[Category::TransportFuel]),
            (
                Feature::DrivingMonthly,
                &[
                    Category::TransportCharging,
                    Category::TransportParkingToll,
                    Category::TransportMaintenance,
                ],
            ),
            (
                Feature::PublicTransportMonthly,
                &[Category::TransportPublic],
            ),
            (
                Feature::TravelMonthly,
                &[Category::TravelTransport, Category::TravelStay],
            ),
        ];
        for (feature, categories) in sums {
            values.insert(feature, self.monthly_sum(categories));
        }
        let covers = [
            (Feature::CoverAuto, Category::InsuranceAuto),
            (Feature::CoverHome, Category::InsuranceHome),
            (Feature::CoverLoan, Category::InsuranceLoan),
            (Feature::CoverTravel, Category::InsuranceTravel),
            (Feature::CoverUnknownLine, Category::InsuranceUnknownLine),
        ];
        for (feature, line) in covers {
            let held: Vec<&InsuranceContract> = self
                .sources
                .contracts
                .iter()
                .filter(|contract| contract.line == line && contract.is_active())
                .collect();
            let evidence = held
                .iter()
                .filter_map(|contract| contract.evidence.last().cloned())
                .collect();
            put(values, feature, count(held.len()), evidence);
        }
        let benefits = self.sum(|entry| entry.category() == Category::IncomeFamilyBenefit);
        put(
            values,
            Feature::FamilyBenefitMonthly,
            benefits.value / self.months,
            benefits.evidence,
        );
    }
}

/// Days between the earliest and the latest occurrence, each compared with the day its rhythm sets.
fn day_spread(rhythm: Rhythm, occurrences: &[&Entry<'_>]) -> Option<i64> {
    let first = occurrences.first()?.date();
    let mut shifts = Vec::new();
    for entry in occurrences {
        let elapsed = days_between(first, entry.date());
        let periods = (elapsed + rhythm.days() / 2) / rhythm.days();
        let due = rhythm.after(first, periods);
        shifts.push(days_between(due, entry.date()));
    }
    Some(shifts.iter().max()? - shifts.iter().min()?)
}

/// Money earned: not moved, not lent, not given back.
fn is_earned(entry: &Entry<'_>) -> bool {
    entry.operation() != Operation::LoanDisbursement
        && (entry.category().is_in("income")
            || matches!(
                entry.category(),
                Category::Unknown | Category::TransferPerson
            ))
        && entry.category() != Category::IncomeRefund
}

/// A debit or cheque refused, a fee for it, a seizure.
pub(crate) fn is_incident(entry: &Entry<'_>) -> bool {
    matches!(
        entry.operation(),
        Operation::DirectDebitRejected | Operation::ChequeRejected | Operation::Seizure
    ) || entry.category() == Category::BankIncidentFee
}

fn put(
    values: &mut BTreeMap<Feature, Measured>,
    feature: Feature,
    value: i64,
    evidence: Vec<TransactionId>,
) {
    values.insert(feature, Measured { value, evidence });
}

/// The last line of each flow.
fn last_of_each(flows: &[&Recurrence]) -> Vec<TransactionId> {
    flows
        .iter()
        .filter_map(|flow| flow.evidence.last().cloned())
        .take(EVIDENCE_LIMIT)
        .collect()
}

/// The lines with the largest amounts; earlier lines first between equals.
fn heaviest(lines: &[&Entry<'_>]) -> Vec<TransactionId> {
    let mut sorted: Vec<&&Entry<'_>> = lines.iter().collect();
    sorted.sort_by_key(|entry| std::cmp::Reverse(entry.cents().abs()));
    sorted
        .into_iter()
        .take(EVIDENCE_LIMIT)
        .map(|entry| entry.id())
        .collect()
}
