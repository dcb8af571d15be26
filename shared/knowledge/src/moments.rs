//! Life moments: changes in a life that the lines prove, with the date they could first be known.
//!
//! Every rule looks only at lines up to the one that completes its evidence, so replaying a history
//! day by day fires each moment on its own date and never before.

use std::collections::BTreeSet;

use jiff::ToSpan;
use jiff::civil::Date;
use passerelle_domain::ids::TransactionId;
use serde::{Deserialize, Serialize};

use crate::contracts::InsuranceContract;
use crate::enrichment::Stage;
use crate::ledger::{Entry, Ledger};
use crate::measure::{days_between, median, plus_days, scaled};
use crate::recurrence::{Flow, FlowKind, FlowState};
use crate::taxonomy::Category;

/// Version of the rules below.
pub const MOMENT_RULES_VERSION: &str = "1";

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MomentKind {
    /// A home was bought.
    HomePurchase,
    /// The home changed.
    Moving,
    /// A vehicle was bought or replaced.
    VehicleChange,
    /// Instalments of a loan or lease stopped.
    LoanEnd,
    /// The yearly date of an insurance contract comes near.
    ContractAnniversary,
    /// A premium for a cover or to an insurer not paid before.
    NewInsuranceContract,
    /// The main income changed by more than a fifth, changed payer, or stopped.
    IncomeChange,
    /// A child. Only with an explicit opt-in.
    NewChild,
    /// Retirement. Only with an explicit opt-in.
    Retirement,
}

impl MomentKind {
    /// For how many days the moment may be acted on.
    #[must_use]
    pub fn valid_days(self) -> i64 {
        match self {
            Self::HomePurchase => 180,
            Self::IncomeChange => 120,
            Self::Moving | Self::NewInsuranceContract | Self::LoanEnd => 90,
            Self::VehicleChange | Self::ContractAnniversary => 60,
            Self::NewChild | Self::Retirement => 180,
        }
    }
}

/// Moments that speak of family or age are looked for only when the person asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OptIns {
    /// The arrival of a child may be recognised.
    pub new_child: bool,
    /// Retirement may be recognised.
    pub retirement: bool,
}

/// One moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifeMoment {
    /// What changed.
    pub kind: MomentKind,
    /// The first day on which the evidence was complete.
    pub first_seen: Date,
    /// Last day it may be acted on.
    pub expires: Date,
    /// How sure it is, in percent.
    pub confidence: u8,
    /// Whether only a protective tone fits: never a sale.
    pub protective_only: bool,
    /// Version of the rule that saw it.
    pub rule_version: String,
    /// The lines that prove it, oldest first.
    pub evidence: Vec<TransactionId>,
}

impl LifeMoment {
    fn new(
        kind: MomentKind,
        first_seen: Date,
        confidence: u8,
        evidence: Vec<TransactionId>,
    ) -> Self {
        Self {
            kind,
            first_seen,
            expires: plus_days(first_seen, kind.valid_days()),
            confidence,
            protective_only: false,
            rule_version: MOMENT_RULES_VERSION.to_owned(),
            evidence,
        }
    }

    fn protective(self) -> Self {
        Self {
            protective_only: true,
            ..self
        }
    }
}

/// Nothing is "new" in the first days of a history: it may only be new to us.
const QUIET_DAYS: i64 = 62;

/// Finds every moment, by date, then kind.
pub(crate) fn find(
    ledger: &Ledger<'_>,
    flows: &[Flow],
    contracts: &[InsuranceContract],
    opt_ins: OptIns,
) -> Vec<LifeMoment> {
    let Some(start) = ledger.first_date() else {
        return Vec::new();
    };
    let story = Story {
        ledger,
        flows,
        quiet_until: plus_days(start, QUIET_DAYS),
    };
    let mut moments = Vec::new();
    moments.extend(story.home_purchase());
    moments.extend(story.moving());
    moments.extend(story.vehicle_change());
    moments.extend(story.loan_ends());
    moments.extend(story.new_insurance());
    moments.extend(story.income_changes());
    moments.extend(anniversaries(ledger.as_of, contracts));
    if opt_ins.new_child {
        moments.extend(story.first_of(Category::IncomeFamilyBenefit, MomentKind::NewChild, 70));
    }
    if opt_ins.retirement {
        moments.extend(story.first_of(Category::IncomeRetirement, MomentKind::Retirement, 85));
    }
    moments.sort_by(|one, other| {
        (one.first_seen, one.kind, &one.evidence).cmp(&(
            other.first_seen,
            other.kind,
            &other.evidence,
        ))
    });
    moments
}

struct Story<'a, 'b> {
    ledger: &'b Ledger<'a>,
    flows: &'b [Flow],
    quiet_until: Date,
}

impl<'a> Story<'a, '_> {
    fn lines(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.ledger.entries.iter().filter(|entry| entry.counts())
    }

    fn debits(&self, category: Category) -> impl Iterator<Item = &Entry<'a>> {
        self.lines()
            .filter(move |entry| entry.category() == category && entry.cents() < 0)
    }

    /// The first line of a category, when the history was silent about it long enough.
    fn debut(&self, category: Category) -> Option<&Entry<'a>> {
        self.debits(category)
            .next()
            .filter(|entry| entry.date() > self.quiet_until)
    }

    fn first_of(&self, category: Category, kind: MomentKind, confidence: u8) -> Option<LifeMoment> {
        let first = self
            .lines()
            .find(|entry| entry.category() == category && entry.cents() > 0)?;
        (first.date() > self.quiet_until)
            .then(|| LifeMoment::new(kind, first.date(), confidence, vec![first.id()]))
    }

    /// At the first strong sign (notary, first instalment of a home loan), or at the second weaker one
    /// (guarantee fee, deposit given back, first home premium, large works) within four months.
    fn home_purchase(&self) -> Option<LifeMoment> {
        const NOTARY_FLOOR: i64 = 200_000;
        const WORKS_FLOOR: i64 = 150_000;
        const WEAK_SIGNS_WITHIN: i64 = 120;
        let notary = self
            .debits(Category::HousingPurchase)
            .find(|entry| entry.cents() <= -NOTARY_FLOOR);
        let loan = self.debut(Category::HousingLoan);
        let strong = [notary, loan]
            .into_iter()
            .flatten()
            .min_by_key(|entry| entry.date());
        let mut weak: Vec<&Entry<'a>> = [
            self.debits(Category::HousingPurchase)
                .find(|entry| entry.cents() > -NOTARY_FLOOR),
            self.lines()
                .find(|entry| entry.category() == Category::HousingDeposit && entry.cents() > 0),
            self.debut(Category::InsuranceHome),
            self.debits(Category::HousingWorksFurniture)
                .find(|entry| entry.cents() <= -WORKS_FLOOR),
        ]
        .into_iter()
        .flatten()
        .collect();
        weak.sort_by_key(|entry| entry.date());
        let second_weak = weak.windows(2).find_map(|pair| match pair {
            [one, other] if days_between(one.date(), other.date()) <= WEAK_SIGNS_WITHIN => {
                Some((*one, *other))
            }
            _ => None,
        });
        match (strong, second_weak) {
            (Some(strong), weak) if weak.is_none_or(|(_, at)| strong.date() <= at.date()) => {
                Some(LifeMoment::new(
                    MomentKind::HomePurchase,
                    strong.date(),
                    85,
                    vec![strong.id()],
                ))
            }
            (_, Some((one, other))) => Some(LifeMoment::new(
                MomentKind::HomePurchase,
                other.date(),
                60,
                vec![one.id(), other.id()],
            )),
            _ => None,
        }
    }

    /// At a removal firm or a rental deposit, or when two of energy, internet, water and rent change
    /// payee within two months.
    fn moving(&self) -> Option<LifeMoment> {
        const CHANGES_WITHIN: i64 = 60;
        let strong = self
            .lines()
            .filter(|entry| entry.cents() < 0)
            .find(|entry| {
                matches!(
                    entry.category(),
                    Category::HousingRemoval | Category::HousingDeposit
                )
            });
        let mut changes: Vec<(&Entry<'a>, &Entry<'a>)> = [
            Category::HousingEnergy,
            Category::TelecomInternet,
            Category::HousingWater,
            Category::HousingRent,
        ]
        .into_iter()
        .filter_map(|category| self.payee_change(category))
        .collect();
        changes.sort_by_key(|(_, new)| new.date());
        let two = changes.windows(2).find_map(|pair| match pair {
            [one, other] if days_between(one.1.date(), other.1.date()) <= CHANGES_WITHIN => {
                Some((one, other))
            }
            _ => None,
        });
        match (strong, two) {
            (Some(strong), two) if two.is_none_or(|(_, last)| strong.date() <= last.1.date()) => {
                Some(LifeMoment::new(
                    MomentKind::Moving,
                    strong.date(),
                    80,
                    vec![strong.id()],
                ))
            }
            (_, Some((one, other))) => Some(LifeMoment::new(
                MomentKind::Moving,
                other.1.date(),
                75,
                vec![one.0.id(), one.1.id(), other.1.id()],
            )),
            _ => None,
        }
    }

    /// The first line of a payee where another payee of the category was paid before.
    fn payee_change(&self, category: Category) -> Option<(&Entry<'a>, &Entry<'a>)> {
        let mut known: BTreeSet<String> = BTreeSet::new();
        let mut last: Option<&Entry<'a>> = None;
        for entry in self.debits(category) {
            let payee = entry
                .enrichment
                .merchant
                .clone()
                .unwrap_or_else(|| entry.enrichment.cleaned.expose().to_owned());
            let is_new = known.insert(payee);
            if let (true, Some(before)) = (is_new, last)
                && entry.date() > self.quiet_until
            {
                return Some((before, entry));
            }
            last = Some(entry);
        }
        None
    }

    /// At a large payment for a vehicle, a first car-loan instalment, or registration.
    fn vehicle_change(&self) -> Option<LifeMoment> {
        const PURCHASE_FLOOR: i64 = 150_000;
        let purchase = self
            .debits(Category::TransportVehiclePurchase)
            .find(|entry| entry.cents() <= -PURCHASE_FLOOR);
        let registration = self
            .debits(Category::TransportVehiclePurchase)
            .find(|entry| entry.cents() > -PURCHASE_FLOOR);
        let candidates = [
            (purchase, 85),
            (self.debut(Category::TransportVehicleLoan), 80),
            (registration, 65),
        ];
        candidates
            .into_iter()
            .filter_map(|(entry, confidence)| Some((entry?, confidence)))
            .min_by_key(|(entry, confidence)| (entry.date(), std::cmp::Reverse(*confidence)))
            .map(|(entry, confidence)| {
                LifeMoment::new(
                    MomentKind::VehicleChange,
                    entry.date(),
                    confidence,
                    vec![entry.id()],
                )
            })
    }

    /// On the first day on which a loan's next instalment is certainly missing.
    fn loan_ends(&self) -> impl Iterator<Item = LifeMoment> {
        self.flows.iter().filter_map(|flow| {
            let recurrence = &flow.recurrence;
            let FlowState::Ended { missed_on } = recurrence.state else {
                return None;
            };
            let is_loan = recurrence.kind == FlowKind::Loan
                && recurrence.category != Category::LoanBnpl
                && recurrence.evidence.len() >= 3;
            let known_on = plus_days(missed_on, recurrence.rhythm.tolerance() + 1);
            is_loan.then(|| {
                let evidence = recurrence.evidence.last().cloned().into_iter().collect();
                LifeMoment::new(MomentKind::LoanEnd, known_on, 65, evidence)
            })
        })
    }

    /// At the first premium of an insurer for a line, when neither was paid before.
    fn new_insurance(&self) -> Vec<LifeMoment> {
        let mut known: BTreeSet<(Option<&String>, Category)> = BTreeSet::new();
        let mut moments = Vec::new();
        for entry in self.lines().filter(|entry| entry.cents() < 0) {
            let cover = entry.category().is_in("insurance")
                && !matches!(
                    entry.category(),
                    Category::InsuranceLifeSavings | Category::InsuranceTravel
                );
            if !cover {
                continue;
            }
            let is_new = known.insert((entry.enrichment.merchant.as_ref(), entry.category()));
            if is_new && entry.date() > self.quiet_until {
                moments.push(LifeMoment::new(
                    MomentKind::NewInsuranceContract,
                    entry.date(),
                    75,
                    vec![entry.id()],
                ));
            }
        }
        moments
    }

    fn income_changes(&self) -> Vec<LifeMoment> {
        let mut moments: Vec<LifeMoment> = self
            .flows
            .iter()
            .filter(|flow| is_main_income(flow))
            .flat_map(|flow| self.income_steps(flow))
            .collect();
        moments.extend(self.payer_change());
        moments.extend(self.income_stop());
        moments
    }

    /// A step of more than a fifth that the next payment confirms.
    fn income_steps(&self, flow: &Flow) -> Vec<LifeMoment> {
        const STEP_PERMILLE: i64 = 200;
        let entries = self.entries_of(flow);
        let mut steps = Vec::new();
        let mut level_from = 0;
        for position in 2..entries.len().saturating_sub(1) {
            let before: Vec<i64> = entries
                .get(level_from..position)
                .unwrap_or_default()
                .iter()
                .map(|entry| entry.cents())
                .collect();
            let (Some(level), Some(first), Some(second), Some(last_before)) = (
                median(&before),
                entries.get(position),
                entries.get(position + 1),
                entries.get(position.saturating_sub(1)),
            ) else {
                continue;
            };
            let change = |cents: i64| scaled(cents - level, 1_000, level.max(1));
            let (one, two) = (change(first.cents()), change(second.cents()));
            let lasting =
                one.abs() > STEP_PERMILLE && two.abs() > STEP_PERMILLE && (one > 0) == (two > 0);
            if lasting && before.len() >= 2 {
                let evidence = vec![last_before.id(), first.id(), second.id()];
                let moment = LifeMoment::new(MomentKind::IncomeChange, second.date(), 85, evidence);
                steps.push(moment.protective());
                level_from = position;
            }
        }
        steps
    }

    /// The second payment of a payer that replaces the one before (the third where only the rhythm
    /// tells that it is a salary).
    fn payer_change(&self) -> Vec<LifeMoment> {
        let mut salaries: Vec<&Flow> = self
            .flows
            .iter()
            .filter(|flow| is_main_income(flow))
            .collect();
        salaries.sort_by_key(|flow| flow.recurrence.first_seen);
        salaries
            .windows(2)
            .filter_map(|pair| {
                let [old, new] = pair else { return None };
                let entries = self.entries_of(new);
                let by_rhythm = entries
                    .first()
                    .is_some_and(|entry| entry.enrichment.stage == Stage::History);
                let proof = entries.get(if by_rhythm { 2 } else { 1 })?;
                let first = entries.first()?;
                let replaces = new.recurrence.first_seen > old.recurrence.last_seen
                    && new.recurrence.first_seen > self.quiet_until
                    && old.recurrence.payee != new.recurrence.payee;
                let last_old = old.recurrence.evidence.last().cloned()?;
                replaces.then(|| {
                    let evidence = vec![last_old, first.id(), proof.id()];
                    LifeMoment::new(MomentKind::IncomeChange, proof.date(), 85, evidence)
                        .protective()
                })
            })
            .collect()
    }

    /// No payment of any main income for more than 45 days after the last one.
    fn income_stop(&self) -> Option<LifeMoment> {
        const GAP_DAYS: i64 = 45;
        let last = self
            .flows
            .iter()
            .filter(|flow| is_main_income(flow) && flow.recurrence.evidence.len() >= 3)
            .max_by_key(|flow| flow.recurrence.last_seen)?;
        let known_on = plus_days(last.recurrence.last_seen, GAP_DAYS + 1);
        let later_income = self.lines().any(|entry| {
            entry.cents() > 0
                && entry.date() > last.recurrence.last_seen
                && matches!(
                    entry.category(),
                    Category::IncomeSalary
                        | Category::IncomeRetirement
                        | Category::IncomeReplacement
                )
        });
        (known_on <= self.ledger.as_of && !later_income).then(|| {
            let evidence = last
                .recurrence
                .evidence
                .last()
                .cloned()
                .into_iter()
                .collect();
            LifeMoment::new(MomentKind::IncomeChange, known_on, 75, evidence).protective()
        })
    }

    fn entries_of(&self, flow: &Flow) -> Vec<&Entry<'a>> {
        flow.entries
            .iter()
            .filter_map(|index| self.ledger.entries.get(*index))
            .collect()
    }
}

fn is_main_income(flow: &Flow) -> bool {
    matches!(
        flow.recurrence.category,
        Category::IncomeSalary | Category::IncomeRetirement | Category::IncomeReplacement
    )
}

/// Sixty days before the yearly date of a contract.
fn anniversaries(as_of: Date, contracts: &[InsuranceContract]) -> impl Iterator<Item = LifeMoment> {
    const NOTICE_DAYS: i64 = 60;
    contracts.iter().filter_map(move |contract| {
        let next = contract.anniversary?.saturating_add(1.year());
        let known_on = plus_days(next, -NOTICE_DAYS);
        (contract.is_active() && known_on <= as_of).then(|| {
            let evidence = contract.evidence.last().cloned().into_iter().collect();
            LifeMoment::new(MomentKind::ContractAnniversary, known_on, 70, evidence)
        })
    })
}
