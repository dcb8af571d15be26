//! Life moments: changes in a life that the lines prove, with the date they could first be known.

use jiff::civil::Date;
use passerelle_domain::ids::TransactionId;
use serde::{Deserialize, Serialize};

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MomentKind {
    /// A home was bought.
    HomePurchase,
    /// The home changed.
    Moving,
    /// A vehicle was bought, sold or replaced.
    VehicleChange,
    /// A loan or lease ended or is about to.
    LoanEnd,
    /// The yearly date of an insurance contract comes near.
    ContractAnniversary,
    /// A premium to an insurer not paid before.
    NewInsuranceContract,
    /// The main income changed by more than a fifth, changed payer, or stopped.
    IncomeChange,
    /// A child. Only with an explicit opt-in.
    NewChild,
    /// Retirement. Only with an explicit opt-in.
    Retirement,
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
    /// The lines that prove it.
    pub evidence: Vec<TransactionId>,
}
