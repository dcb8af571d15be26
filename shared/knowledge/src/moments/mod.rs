//! Life moments: changes in a life that the lines prove, with the date they could first be known.
//!
//! Every rule looks only at lines up to the one that completes its evidence, so replaying a history
//! day by day fires each moment on its own date and never before.

mod contracts;
mod family;
mod home;
mod income;

use jiff::civil::Date;
use passerelle_domain::ids::TransactionId;
use serde::{Deserialize, Serialize};

use crate::contracts::{InsuranceContract, Provider};
use crate::ledger::{Entry, Ledger};
use crate::measure::plus_days;
use crate::recurrence::Flow;
use crate::taxonomy::Category;

/// Version of the rules below.
pub const MOMENT_RULES_VERSION: &str = "2";

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
    /// Premiums of an insurance contract stopped.
    ContractEnd,
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
            Self::Moving | Self::NewInsuranceContract | Self::LoanEnd | Self::ContractEnd => 90,
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
    /// The insurer of a new or ended contract, where known.
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

/// Signs within so many days of one moment are signs of the same: the notary and the first instalment,
/// the removal firm and the new supplier, the dealer and the registration.
const HOMES_APART: i64 = 365;
const MOVES_APART: i64 = 120;
const VEHICLES_APART: i64 = 120;

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
    moments.extend(story.every(HOMES_APART, |since| story.home_purchase(since)));
    moments.extend(story.every(MOVES_APART, |since| story.moving(since)));
    moments.extend(story.every(VEHICLES_APART, |since| story.vehicle_change(since)));
    moments.extend(story.loan_ends());
    moments.extend(story.contract_ends());
    moments.extend(story.new_insurance());
    moments.extend(story.income_changes());
    moments.extend(story.anniversaries(contracts));
    if opt_ins.new_child {
        moments.extend(story.new_child());
    }
    if opt_ins.retirement {
        moments.extend(story.retirement());
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

    /// Each time something happened, looking on from the signs of the time before.
    fn every(
        &self,
        apart: i64,
        find: impl Fn(Date) -> Option<LifeMoment>,
    ) -> impl Iterator<Item = LifeMoment> {
        let mut since = Date::MIN;
        std::iter::from_fn(move || {
            let moment = find(since)?;
            since = plus_days(moment.first_seen, apart);
            Some(moment)
        })
    }

    /// The first line of a category, when the history was silent about it long enough.
    fn debut(&self, category: Category) -> Option<&Entry<'a>> {
        self.debits(category)
            .next()
            .filter(|entry| entry.date() > self.quiet_until)
    }
}
