//! Everything learned from a history, in one answer.

use jiff::civil::Date;
use passerelle_domain::account::AccountKind;
use passerelle_domain::ids::TransactionId;
use passerelle_domain::purpose::{Fact, PurposeTerms};
use serde::{Deserialize, Serialize};

use crate::cards;
use crate::contracts::{self, CoverRemark, InsuranceContract, InsurancePayment};
use crate::corrections::Corrections;
use crate::features::{self, FeatureWindow, Profile, Sources};
use crate::history::History;
use crate::income;
use crate::ledger::Ledger;
use crate::lexicon::rules_version;
use crate::measure::{count, permille};
use crate::moments::{self, LifeMoment, OptIns};
use crate::recurrence::{Flow, FlowKind, Recurrence};
use crate::relations::Relation;
use crate::scorecard::{self, Outcome, Scorecard, Subject};
use crate::taxonomy::{Category, TAXONOMY_VERSION};

/// What was seen, before anything is concluded from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Accounts that could be learned from.
    pub accounts: i64,
    /// Accounts left out because of their currency or kind.
    pub unreadable_accounts: i64,
    /// First line on an account of daily life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_date: Option<Date>,
    /// Days from that line to the day of the analysis, both included.
    pub days: i64,
    /// Lines seen.
    pub lines: i64,
    /// Payments of the most regular income.
    pub income_cycles: i64,
    /// Lines of unknown category, in thousandths.
    pub unknown_permille: i64,
    /// Lines coarsened because they are sensitive, in thousandths.
    pub sensitive_permille: i64,
    /// Whether every payment account has a balance.
    pub balances_known: bool,
}

/// The whole answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Analysis {
    /// The day it was made for.
    pub as_of: Date,
    /// The taxonomy the lines were read with.
    pub taxonomy_version: String,
    /// The rules and dictionaries the lines were read with.
    pub rules_version: String,
    /// What was seen.
    pub coverage: Coverage,
    /// Regular flows.
    pub recurrences: Vec<Recurrence>,
    /// Insurance contracts held.
    pub contracts: Vec<InsuranceContract>,
    /// Doubles and gaps among them.
    pub cover_remarks: Vec<CoverRemark>,
    /// Money received from insurers.
    pub insurance_payments: Vec<InsurancePayment>,
    /// Housing, vehicle, loans; absent where the purpose does not learn of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// Numbers over each window the history covers.
    pub features: Vec<FeatureWindow>,
    /// What changed.
    pub life_moments: Vec<LifeMoment>,
    /// One answer per card.
    pub scores: Vec<Scorecard>,
    /// Lines that belong together.
    pub relations: Vec<Relation>,
}

/// What the person decided that changes an analysis.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Choices {
    /// Corrections, applied before anything is learned.
    #[serde(default)]
    pub corrections: Corrections,
    /// Moments that are looked for only when the person asked for it.
    #[serde(default)]
    pub opt_ins: OptIns,
}

impl Choices {
    /// Joins what was decided elsewhere for the same person. A line has one correction; where two
    /// speak of one payee the later joined stands.
    pub fn add(&mut self, other: Self) {
        self.corrections.add(other.corrections);
        self.opt_ins.new_child |= other.opt_ins.new_child;
        self.opt_ins.retirement |= other.opt_ins.retirement;
    }
}

/// Learns everything from a history. The same history always gives the same answer.
#[must_use]
pub fn analyse(history: &History) -> Analysis {
    analyse_with(history, &Choices::default())
}

/// Learns everything from a history under the person's corrections and opt-ins.
#[must_use]
pub fn analyse_with(history: &History, choices: &Choices) -> Analysis {
    let corrections = &choices.corrections;
    let mut ledger = Ledger::of(history, corrections);
    let flows = income::find_flows(&mut ledger);
    let contracts = contracts::find(&ledger, &flows);
    let sources = Sources {
        ledger: &ledger,
        flows: &flows,
        contracts: &contracts,
    };
    let features = features::windows(&sources);
    let profile = features::profile(&sources);
    let life_moments = moments::find(&ledger, &flows, &contracts, choices.opt_ins);
    let coverage = coverage(&ledger, &flows);
    let subject = Subject {
        as_of: ledger.as_of,
        first_date: coverage.first_date,
        days: coverage.days,
        income_cycles: coverage.income_cycles,
        has_payment_account: ledger.has_kind(AccountKind::Payment),
        has_balances: coverage.balances_known,
        windows: &features,
    };
    let scores = cards::shipped()
        .iter()
        .map(|card| scorecard::compute(card, &subject, TAXONOMY_VERSION))
        .collect();
    Analysis {
        as_of: ledger.as_of,
        taxonomy_version: TAXONOMY_VERSION.to_owned(),
        rules_version: rules_version().to_owned(),
        cover_remarks: contracts::remarks(&ledger, &contracts),
        insurance_payments: contracts::payments(&ledger, &contracts),
        recurrences: flows.into_iter().map(|flow| flow.recurrence).collect(),
        contracts,
        profile: Some(profile),
        features,
        life_moments,
        scores,
        relations: ledger.relations,
        coverage,
    }
}

fn coverage(ledger: &Ledger<'_>, flows: &[Flow]) -> Coverage {
    let share = |wanted: Category| {
        let lines = ledger
            .entries
            .iter()
            .filter(|entry| entry.category() == wanted);
        permille(count(lines.count()), ledger.lines())
    };
    Coverage {
        accounts: count(ledger.accounts.len()),
        unreadable_accounts: count(ledger.unreadable_accounts),
        first_date: ledger.first_date(),
        days: ledger.days_seen(),
        lines: ledger.lines(),
        income_cycles: income_cycles(flows),
        unknown_permille: share(Category::Unknown),
        sensitive_permille: share(Category::Sensitive),
        balances_known: ledger
            .accounts
            .iter()
            .filter(|account| account.kind == AccountKind::Payment)
            .all(|account| account.balance.is_some()),
    }
}

/// Payments of the most regular income that still runs.
fn income_cycles(flows: &[Flow]) -> i64 {
    flows
        .iter()
        .map(|flow| &flow.recurrence)
        .filter(|flow| {
            flow.is_active()
                && flow.is_income()
                && matches!(
                    flow.kind,
                    FlowKind::Salary | FlowKind::Pension | FlowKind::Benefit
                )
        })
        .map(|flow| count(flow.evidence.len()))
        .max()
        .unwrap_or_default()
}

impl Analysis {
    /// What a purpose may see: the kinds of facts its terms name. A purpose that sells never sees
    /// fragility or games of chance: protective cards, features, flows and moments are taken out.
    #[must_use]
    pub fn visible_to(self, terms: &PurposeTerms) -> Self {
        let learned = self.only_learned(terms);
        if terms.sells {
            learned.for_selling()
        } else {
            learned
        }
    }

    fn only_learned(mut self, terms: &PurposeTerms) -> Self {
        if !terms.may_learn(Fact::RegularFlows) {
            self.recurrences.clear();
            self.relations.clear();
        }
        if !terms.may_learn(Fact::InsuranceContracts) {
            self.contracts.clear();
            self.cover_remarks.clear();
            self.insurance_payments.clear();
        }
        if !terms.may_learn(Fact::Household) {
            self.profile = None;
            self.features.clear();
        }
        if !terms.may_learn(Fact::LifeMoments) {
            self.life_moments.clear();
        }
        if !terms.may_learn(Fact::Scores) {
            self.scores.clear();
        }
        self
    }

    /// The same with less evidence, for keeping: of every flow the first line and the latest ones, of
    /// every number the lines that weigh most. How often a flow was seen is still said.
    #[must_use]
    pub fn condensed(mut self) -> Self {
        for flow in &mut self.recurrences {
            keep_ends(&mut flow.evidence);
        }
        for contract in &mut self.contracts {
            keep_ends(&mut contract.evidence);
        }
        let loans = self
            .profile
            .iter_mut()
            .flat_map(|profile| &mut profile.loans);
        for loan in loans {
            keep_ends(&mut loan.evidence);
        }
        let measured = self
            .features
            .iter_mut()
            .flat_map(|window| window.values.values_mut());
        for measured in measured {
            measured.evidence.truncate(KEPT_EVIDENCE);
        }
        for score in &mut self.scores {
            if let Outcome::Scored(score) = &mut score.outcome {
                let reasons = score.reasons.iter_mut().chain(&mut score.strengths);
                reasons.for_each(|reason| reason.evidence.truncate(KEPT_EVIDENCE));
            }
        }
        self
    }

    fn for_selling(mut self) -> Self {
        self.scores.retain(|score| score.available_to_selling);
        self.recurrences
            .retain(|flow| !flow.category.is_protective_only());
        if let Some(profile) = &mut self.profile {
            profile
                .loans
                .retain(|loan| !loan.category.is_protective_only());
        }
        self.life_moments.retain(|moment| !moment.protective_only);
        for window in &mut self.features {
            window
                .values
                .retain(|feature, _| !feature.is_protective_only() && !feature.needs_opt_in());
        }
        self.relations
            .retain(|relation| !relation.kind.is_protective_only());
        self
    }
}

/// How many lines of evidence a kept analysis holds for one statement.
const KEPT_EVIDENCE: usize = 3;

/// Keeps the first line and the latest ones.
fn keep_ends(evidence: &mut Vec<TransactionId>) {
    let latest = KEPT_EVIDENCE - 1;
    if evidence.len() > KEPT_EVIDENCE {
        evidence.drain(1..evidence.len() - latest);
    }
}
