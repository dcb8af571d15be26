//! Regular flows: salary, rent, loans, premiums, subscriptions, with rhythm, amount and next date.
//!
//! Lines of one payee are chained: from each line, the next one is looked for about one period
//! later, nearest amount first. A chain survives one missed occurrence, a shift by a weekend or a
//! bank holiday, and a change of amount; two contracts with the same payee become two chains,
//! because each line continues the chain whose amount it fits best.

mod chain;
mod description;
mod payee;
mod rhythm;

use jiff::civil::Date;
use passerelle_domain::ids::{AccountId, TransactionId};
use passerelle_domain::money::Amount;
use passerelle_domain::private::Private;
use serde::{Deserialize, Serialize};

use crate::ledger::Ledger;
use crate::operation::Operation;
use crate::taxonomy::Category;
use chain::best_chain;
use description::describe;
use payee::groups;
pub(crate) use payee::payee_key;

pub use rhythm::Rhythm;

/// What a regular flow is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlowKind {
    /// Wages.
    Salary,
    /// A retirement pension.
    Pension,
    /// Unemployment or family benefits.
    Benefit,
    /// Any other regular income.
    OtherIncome,
    /// Rent and building charges.
    Rent,
    /// A loan or lease.
    Loan,
    /// An insurance premium.
    Insurance,
    /// Energy and water.
    Energy,
    /// Telephone and internet.
    Telecom,
    /// Anything subscribed to: content, sport, transport, press.
    Subscription,
    /// Taxes.
    Tax,
    /// Bank fees.
    BankFee,
    /// Money put aside.
    Savings,
    /// A regular transfer to or from somebody.
    Transfer,
    /// Regular, purpose unknown.
    Other,
}

impl FlowKind {
    fn of(category: Category, operation: Operation) -> Self {
        match category {
            Category::IncomeSalary => Self::Salary,
            Category::IncomeRetirement => Self::Pension,
            Category::IncomeReplacement | Category::IncomeFamilyBenefit => Self::Benefit,
            Category::HousingRent | Category::HousingCharges => Self::Rent,
            Category::HousingLoan | Category::TransportVehicleLoan => Self::Loan,
            Category::HousingEnergy | Category::HousingWater => Self::Energy,
            Category::InsuranceLifeSavings
            | Category::TransferSavings
            | Category::TransferInvestment => Self::Savings,
            Category::TransferPerson | Category::TransferInternal => Self::Transfer,
            Category::Unknown
                if operation.is_outgoing_transfer() || operation.is_incoming_transfer() =>
            {
                Self::Transfer
            }
            other => match other.group() {
                "income" => Self::OtherIncome,
                "loan" => Self::Loan,
                "insurance" => Self::Insurance,
                "telecom" => Self::Telecom,
                "tax" => Self::Tax,
                "bank" => Self::BankFee,
                "leisure" | "transport" | "shopping" | "services" | "education" | "family" => {
                    Self::Subscription
                }
                _ => Self::Other,
            },
        }
    }
}

/// Whether a flow still runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum FlowState {
    /// The next occurrence is still to come.
    Active {
        /// When it is expected.
        next_expected: Date,
    },
    /// The last expected occurrence did not come.
    Ended {
        /// When it was due.
        missed_on: Date,
    },
}

/// A lasting change of the amount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AmountChange {
    /// First occurrence with the new amount.
    pub on: Date,
    /// Amount before, in cents, signed.
    pub from_cents: i64,
    /// Amount since, in cents, signed.
    pub to_cents: i64,
    /// The line that shows it.
    pub evidence: TransactionId,
}

/// One regular flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recurrence {
    /// What it is for.
    pub kind: FlowKind,
    /// Its category.
    pub category: Category,
    /// The business, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merchant: Option<String>,
    /// The payee or payer as the labels name it.
    pub payee: Private,
    /// The account it runs on.
    pub account: AccountId,
    /// How often it comes.
    pub rhythm: Rhythm,
    /// The usual amount, signed.
    pub amount: Amount,
    /// The smallest amount seen, by magnitude, in cents.
    pub lowest_cents: i64,
    /// The largest amount seen, by magnitude, in cents.
    pub highest_cents: i64,
    /// First occurrence seen. Where the history begins later than the contract, the history's start.
    pub first_seen: Date,
    /// Last occurrence seen.
    pub last_seen: Date,
    /// Occurrences seen of those that were due in between, in thousandths.
    pub regularity_permille: i64,
    /// Whether it still runs, and what comes next.
    pub state: FlowState,
    /// Lasting changes of the amount, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<AmountChange>,
    /// How sure the rhythm is, in percent.
    pub confidence: u8,
    /// How many occurrences were seen.
    #[serde(default)]
    pub occurrences: i64,
    /// The lines, oldest first; of a kept analysis the first and the latest.
    pub evidence: Vec<TransactionId>,
}

impl Recurrence {
    /// Whether it still runs.
    #[must_use]
    pub fn is_active(&self) -> bool {
        matches!(self.state, FlowState::Active { .. })
    }

    /// The usual amount per month in cents, signed.
    #[must_use]
    pub fn monthly_cents(&self) -> i64 {
        self.rhythm.monthly(self.amount.minor)
    }

    /// Whether money comes in.
    #[must_use]
    pub fn is_income(&self) -> bool {
        self.amount.minor > 0
    }
}

/// A recurrence and the positions of its lines in the ledger.
#[derive(Debug)]
pub(crate) struct Flow {
    pub recurrence: Recurrence,
    pub entries: Vec<usize>,
}

/// Finds every regular flow, in no particular order.
pub(crate) fn find(ledger: &Ledger<'_>) -> Vec<Flow> {
    let mut flows = Vec::new();
    for (_, mut left) in groups(ledger) {
        while left.len() >= 2
            && let Some(chain) = best_chain(ledger, &left)
        {
            left.retain(|index| !chain.entries.contains(index));
            flows.extend(describe(ledger, &chain));
        }
    }
    flows
}

/// Puts flows in the order they are served: by kind, first date, amount, first line.
pub(crate) fn sort(flows: &mut [Flow]) {
    flows.sort_by(|one, other| {
        let key = |flow: &Flow| {
            let recurrence = &flow.recurrence;
            (
                recurrence.kind,
                recurrence.first_seen,
                recurrence.amount.minor,
                recurrence.evidence.first().cloned(),
            )
        };
        key(one).cmp(&key(other))
    });
}
