//! Insurance contracts a person holds, read from their premiums; claims told apart from income.

use jiff::civil::Date;
use passerelle_domain::ids::TransactionId;
use passerelle_domain::money::Amount;
use serde::{Deserialize, Serialize};

use crate::label::Words;
use crate::ledger::{Entry, Ledger};
use crate::lexicon::lexicon;
use crate::measure::days_between;
use crate::recurrence::{Flow, FlowState, Rhythm};
use crate::taxonomy::Category;

/// A contract seen through its premiums.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InsuranceContract {
    /// The insurer or the distributor that collects, where known. Never named for health cover.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insurer: Option<String>,
    /// Whose contract it is to who reads; absent where the insurer or the reader has no name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Provider>,
    /// What is covered: a leaf of the `insurance` group.
    pub line: Category,
    /// The usual premium, positive.
    pub premium: Amount,
    /// How often it is paid; `None` for a single payment seen, most often a yearly one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rhythm: Option<Rhythm>,
    /// Premiums of one year in cents, positive.
    pub yearly_cents: i64,
    /// First premium seen: the contract is at least this old.
    pub since: Date,
    /// Last premium seen.
    pub last_paid: Date,
    /// When the premium changed last, which is most often the anniversary of the contract; else the
    /// date of a yearly premium.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anniversary: Option<Date>,
    /// Whether premiums still run.
    pub state: FlowState,
    /// How sure this is a contract of this line, in percent.
    pub confidence: u8,
    /// The premiums.
    pub evidence: Vec<TransactionId>,
}

impl InsuranceContract {
    /// Whether it still runs.
    #[must_use]
    pub fn is_active(&self) -> bool {
        matches!(self.state, FlowState::Active { .. })
    }
}

/// Who an insurer is to the client that reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// One of the client's own names.
    Own,
    /// Another insurer.
    Competitor,
}

/// Something about a person's cover that deserves a look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum CoverRemark {
    /// Two active contracts of the same line: perhaps paid twice, perhaps two vehicles or homes.
    PossibleDouble {
        /// The line.
        line: Category,
        /// Premiums of both.
        evidence: Vec<TransactionId>,
    },
    /// The signs of a need without a premium for it. Cover paid from another account or by an
    /// employer is not seen.
    PossibleGap {
        /// The line.
        line: Category,
        /// The signs.
        evidence: Vec<TransactionId>,
    },
}

/// Money received from an insurer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InsurancePayment {
    /// Who paid, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insurer: Option<String>,
    /// When.
    pub on: Date,
    /// How much.
    pub amount: Amount,
    /// What for.
    pub kind: InsurancePaymentKind,
    /// The line.
    pub evidence: TransactionId,
}

/// What an insurer pays for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InsurancePaymentKind {
    /// A claim.
    Claim,
    /// Premium given back: at most one premium, of an insurer that is paid.
    PremiumRefund,
}

/// Contracts from regular premiums, and from single premiums large enough to be yearly ones.
pub(crate) fn find(ledger: &Ledger<'_>, flows: &[Flow]) -> Vec<InsuranceContract> {
    let premiums = flows
        .iter()
        .filter(|flow| is_cover(flow.recurrence.category) && !flow.recurrence.is_income());
    let mut contracts: Vec<InsuranceContract> = premiums.clone().map(from_flow).collect();
    let in_flows: Vec<usize> = premiums
        .flat_map(|flow| flow.entries.iter().copied())
        .collect();
    let single = ledger.entries.iter().enumerate().filter(|(index, entry)| {
        is_cover(entry.category())
            && entry.counts()
            && entry.cents() <= -YEARLY_PREMIUM_FLOOR
            && !in_flows.contains(index)
    });
    contracts.extend(single.map(|(_, entry)| from_single(ledger, entry)));
    contracts.sort_by(|one, other| {
        (one.line, one.since, &one.insurer, &one.evidence).cmp(&(
            other.line,
            other.since,
            &other.insurer,
            &other.evidence,
        ))
    });
    contracts
}

/// Below this a single payment is more likely travel or ticket cover than a yearly contract (cents).
const YEARLY_PREMIUM_FLOOR: i64 = 5_000;

/// Life-insurance savings are money put aside, not cover.
pub(crate) fn is_cover(category: Category) -> bool {
    category.is_in("insurance") && category != Category::InsuranceLifeSavings
}

fn from_flow(flow: &Flow) -> InsuranceContract {
    let recurrence = &flow.recurrence;
    let yearly = matches!(recurrence.rhythm, Rhythm::Yearly).then_some(recurrence.last_seen);
    InsuranceContract {
        insurer: recurrence.merchant.clone(),
        provider: None,
        line: recurrence.category,
        premium: recurrence.amount.as_credit(),
        rhythm: Some(recurrence.rhythm),
        yearly_cents: recurrence
            .rhythm
            .yearly(recurrence.amount.as_credit().minor),
        since: recurrence.first_seen,
        last_paid: recurrence.last_seen,
        anniversary: recurrence.changes.last().map(|change| change.on).or(yearly),
        state: recurrence.state,
        confidence: recurrence.confidence,
        evidence: recurrence.evidence.clone(),
    }
}

fn from_single(ledger: &Ledger<'_>, entry: &Entry<'_>) -> InsuranceContract {
    use jiff::ToSpan;
    let next_year = entry.date().saturating_add(1.year());
    let overdue = days_between(next_year, ledger.as_of) > 31;
    InsuranceContract {
        insurer: entry.enrichment.merchant.clone(),
        provider: None,
        line: entry.category(),
        premium: entry.line.amount.as_credit(),
        rhythm: None,
        yearly_cents: entry.line.amount.as_credit().minor,
        since: entry.date(),
        last_paid: entry.date(),
        anniversary: Some(entry.date()),
        state: if overdue {
            FlowState::Ended {
                missed_on: next_year,
            }
        } else {
            FlowState::Active {
                next_expected: next_year,
            }
        },
        confidence: 60,
        evidence: vec![entry.id()],
    }
}

/// Doubles among active contracts, and needs without a contract.
pub(crate) fn remarks(ledger: &Ledger<'_>, contracts: &[InsuranceContract]) -> Vec<CoverRemark> {
    let active: Vec<&InsuranceContract> = contracts
        .iter()
        .filter(|contract| contract.is_active())
        .collect();
    let mut remarks = Vec::new();
    for line in [
        Category::InsuranceAuto,
        Category::InsuranceHome,
        Category::InsuranceLegal,
        Category::InsuranceProtection,
        Category::InsuranceAffinity,
    ] {
        let same: Vec<&&InsuranceContract> = active
            .iter()
            .filter(|contract| contract.line == line)
            .collect();
        if same.len() >= 2 {
            remarks.push(CoverRemark::PossibleDouble {
                line,
                evidence: same
                    .iter()
                    .filter_map(|contract| contract.evidence.last().cloned())
                    .collect(),
            });
        }
    }
    for (line, needs) in NEEDS {
        // A premium of an unknown line may well be the one that is missed.
        let covered = active.iter().any(|contract| {
            contract.line == *line || contract.line == Category::InsuranceUnknownLine
        });
        let signs: Vec<TransactionId> = ledger
            .entries
            .iter()
            .rev()
            .filter(|entry| entry.counts() && needs.contains(&entry.category()))
            .take(3)
            .map(Entry::id)
            .collect();
        if !covered && signs.len() >= 2 {
            remarks.push(CoverRemark::PossibleGap {
                line: *line,
                evidence: signs,
            });
        }
    }
    remarks
}

/// What shows the need of a line.
const NEEDS: &[(Category, &[Category])] = &[
    (
        Category::InsuranceAuto,
        &[
            Category::TransportFuel,
            Category::TransportVehicleLoan,
            Category::TransportMaintenance,
            Category::TransportCharging,
        ],
    ),
    (
        Category::InsuranceHome,
        &[
            Category::HousingRent,
            Category::HousingLoan,
            Category::HousingCharges,
        ],
    ),
    (Category::InsuranceLoan, &[Category::HousingLoan]),
];

/// Payments by insurers, premium refunds told apart from claims.
pub(crate) fn payments(
    ledger: &Ledger<'_>,
    contracts: &[InsuranceContract],
) -> Vec<InsurancePayment> {
    ledger
        .entries
        .iter()
        .filter(|entry| entry.counts() && is_from_an_insurer(entry))
        .map(|entry| {
            let insurer = entry.enrichment.merchant.clone();
            // What the line says comes first; the amount tells only where the line says neither.
            let kind = told_kind(entry).unwrap_or_else(|| {
                let is_small = contracts.iter().any(|contract| {
                    contract.insurer.is_some()
                        && contract.insurer == insurer
                        && entry.cents() <= contract.premium.minor
                });
                match is_small {
                    true => InsurancePaymentKind::PremiumRefund,
                    false => InsurancePaymentKind::Claim,
                }
            });
            InsurancePayment {
                insurer,
                on: entry.date(),
                amount: entry.line.amount,
                kind,
                evidence: entry.id(),
            }
        })
        .collect()
}

/// Whether money came from an insurer: a claim, or what its words call a premium given back.
fn is_from_an_insurer(entry: &Entry<'_>) -> bool {
    match entry.category() {
        Category::IncomeInsurancePayout => true,
        Category::IncomeRefund => {
            let merchant = entry.enrichment.merchant.as_deref();
            merchant.is_some_and(|name| lexicon().is_insurer(name))
        }
        _ => false,
    }
}

/// What a payment says of itself: a settled claim, or a premium given back.
fn told_kind(entry: &Entry<'_>) -> Option<InsurancePaymentKind> {
    const CLAIM: [&str; 4] = [
        "SINISTRE",
        "INDEMNISATION",
        "INDEMNITE",
        "REGLEMENT DOSSIER",
    ];
    const REFUND: [&str; 5] = ["COTISATION", "RISTOURNE", "TROP PERCU", "PRIME", "AVOIR"];
    let words = Words::of([entry.line.label.expose()]);
    let text = format!(" {} ", words.iter().collect::<Vec<_>>().join(" "));
    let says = |told: &[&str]| told.iter().any(|it| text.contains(&format!(" {it}")));
    match (says(&CLAIM), says(&REFUND)) {
        (true, false) => Some(InsurancePaymentKind::Claim),
        (false, true) => Some(InsurancePaymentKind::PremiumRefund),
        _ => None,
    }
}
