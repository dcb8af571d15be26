//! Life moments: changes in a life that the lines prove, with the date they could first be known.
//!
//! Every rule looks only at lines up to the one that completes its evidence, so replaying a history
//! day by day fires each moment on its own date and never before.

mod contracts;
mod home;
mod income;

use jiff::civil::Date;
use passerelle_domain::ids::TransactionId;
use serde::{Deserialize, Serialize};

use crate::contracts::InsuranceContract;
use crate::ledger::{Entry, Ledger};
use crate::measure::plus_days;
use crate::own::Provider;
use crate::recurrence::Flow;
use crate::taxonomy::Category;
use contracts::anniversaries;

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
    /// The insurer of a new contract, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insurer: Option<String>,
    /// Whose contract it is to who reads; absent where the insurer or the reader has no name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Provider>,
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
            insurer: None,
            provider: None,
            protective_only: false,
            rule_version: MOMENT_RULES_VERSION.to_owned(),
            evidence,
        }
    }

    fn with(self, insurer: Option<String>) -> Self {
        Self { insurer, ..self }
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
}
