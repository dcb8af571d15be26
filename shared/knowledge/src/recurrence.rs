//! Regular flows: salary, rent, loans, premiums, subscriptions, with rhythm, amount and next date.
//!
//! Lines of one payee are chained: from each line, the next one is looked for about one period
//! later, nearest amount first. A chain survives one missed occurrence, a shift by a weekend or a
//! bank holiday, and a change of amount; two contracts with the same payee become two chains,
//! because each line continues the chain whose amount it fits best.

use std::collections::BTreeMap;

use jiff::civil::Date;
use passerelle_domain::ids::{AccountId, TransactionId};
use passerelle_domain::money::Amount;
use passerelle_domain::private::Private;
use serde::{Deserialize, Serialize};

use crate::ledger::{Entry, Ledger, Part};
use crate::measure::{
    count, day_number, day_number_after_months, days_between, median, plus_days, scaled,
};
use crate::operation::Operation;
use crate::taxonomy::Category;

/// How often a flow comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rhythm {
    /// Every 7 days.
    Weekly,
    /// Every 14 days.
    Fortnightly,
    /// Every month.
    Monthly,
    /// Every second month.
    EveryTwoMonths,
    /// Every quarter.
    Quarterly,
    /// Twice a year.
    HalfYearly,
    /// Once a year.
    Yearly,
}

impl Rhythm {
    const ALL: [Self; 7] = [
        Self::Monthly,
        Self::Weekly,
        Self::Fortnightly,
        Self::EveryTwoMonths,
        Self::Quarterly,
        Self::HalfYearly,
        Self::Yearly,
    ];

    /// Months in one period; `None` for a rhythm of weeks.
    #[must_use]
    pub fn months(self) -> Option<i64> {
        match self {
            Self::Weekly | Self::Fortnightly => None,
            Self::Monthly => Some(1),
            Self::EveryTwoMonths => Some(2),
            Self::Quarterly => Some(3),
            Self::HalfYearly => Some(6),
            Self::Yearly => Some(12),
        }
    }

    /// Usual days in one period.
    #[must_use]
    pub fn days(self) -> i64 {
        match self {
            Self::Weekly => 7,
            Self::Fortnightly => 14,
            Self::Monthly => 30,
            Self::EveryTwoMonths => 61,
            Self::Quarterly => 91,
            Self::HalfYearly => 183,
            Self::Yearly => 365,
        }
    }

    /// How far from its date an occurrence may fall: weekends, bank holidays, a late employer.
    pub(crate) fn tolerance(self) -> i64 {
        match self {
            Self::Weekly => 2,
            Self::Fortnightly => 3,
            Self::Monthly => 8,
            Self::EveryTwoMonths => 10,
            Self::Quarterly => 14,
            Self::HalfYearly => 20,
            Self::Yearly => 31,
        }
    }

    /// The date some periods after another.
    pub(crate) fn after(self, date: Date, periods: i64) -> Date {
        use jiff::ToSpan;
        match self.months() {
            Some(months) => date.saturating_add((months * periods).months()),
            None => plus_days(date, self.days() * periods),
        }
    }

    /// The same as a day number.
    fn day_after(self, date: Date, periods: i64) -> i64 {
        match self.months() {
            Some(months) => day_number_after_months(date, months * periods),
            None => day_number(date) + self.days() * periods,
        }
    }

    /// What an amount per period is per month.
    #[must_use]
    pub fn monthly(self, cents: i64) -> i64 {
        match self.months() {
            Some(months) => scaled(cents, 1, months),
            // A year has 52 weeks and twelve months.
            None => scaled(cents, 52 * 7, 12 * self.days()),
        }
    }

    /// What an amount per period is per year.
    #[must_use]
    pub fn yearly(self, cents: i64) -> i64 {
        match self.months() {
            Some(months) => scaled(cents, 12, months),
            None => scaled(cents, 52 * 7, self.days()),
        }
    }
}

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
    /// The lines, oldest first.
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

/// Lines that could belong to the same flow, by direction and payee.
fn groups(ledger: &Ledger<'_>) -> BTreeMap<(usize, bool, String), Vec<usize>> {
    let mut groups: BTreeMap<(usize, bool, String), Vec<usize>> = BTreeMap::new();
    for (index, entry) in ledger.entries.iter().enumerate() {
        if may_recur(entry) {
            let key = (entry.account, entry.cents() < 0, payee_key(entry));
            groups.entry(key).or_default().push(index);
        }
    }
    merge_cut_names(groups)
}

/// Feeds that cut labels at another length than last month must not split a flow in two.
fn merge_cut_names(
    groups: BTreeMap<(usize, bool, String), Vec<usize>>,
) -> BTreeMap<(usize, bool, String), Vec<usize>> {
    const SHORTEST: usize = 10;
    let mut merged: BTreeMap<(usize, bool, String), Vec<usize>> = BTreeMap::new();
    for ((account, debit, name), mut lines) in groups {
        let longer_than_last = merged.last_entry().filter(|last| {
            let (last_account, last_debit, last_name) = last.key();
            *last_account == account
                && *last_debit == debit
                && last_name.len() >= SHORTEST
                && name.starts_with(last_name.as_str())
        });
        match longer_than_last {
            Some(mut last) => {
                last.get_mut().append(&mut lines);
                last.get_mut().sort_unstable();
            }
            None => {
                merged.insert((account, debit, name), lines);
            }
        }
    }
    merged
}

fn payee_key(entry: &Entry<'_>) -> String {
    match (
        &entry.enrichment.merchant,
        entry.enrichment.cleaned.expose(),
    ) {
        (Some(merchant), _) => merchant.clone(),
        (None, "") => entry.category().code().to_owned(),
        (None, cleaned) => cleaned.to_owned(),
    }
}

/// Cash, cheques, fuel and shopping follow habits, not contracts.
fn may_recur(entry: &Entry<'_>) -> bool {
    let moved = matches!(
        entry.operation(),
        Operation::CashWithdrawal
            | Operation::CashDeposit
            | Operation::ChequeOut
            | Operation::ChequeIn
            | Operation::ChequeRejected
            | Operation::DirectDebitRejected
            | Operation::CardRefund
            | Operation::DeferredCard
            | Operation::Seizure
            | Operation::FeesRefund
            | Operation::TransferReturned
            | Operation::LoanDisbursement
            | Operation::Investment
    );
    let habit = matches!(
        entry.category(),
        Category::LeisureGambling
            | Category::TransportFuel
            | Category::TransportTaxi
            | Category::ShoppingTobaccoPress
            | Category::BankIncidentFee
            | Category::BankOverdraftInterest
            | Category::Sensitive
            | Category::IncomeRefund
            | Category::IncomeInsurancePayout
    ) || entry.category().is_in("food");
    // A debit that was given back was due all the same: the contract runs.
    let counted = matches!(
        entry.part,
        Part::Ordinary | Part::InternalTransfer | Part::GivenBack
    );
    counted && !moved && !habit && entry.cents() != 0
}

/// Lines that follow each other in one rhythm.
#[derive(Debug)]
struct Chain {
    rhythm: Rhythm,
    entries: Vec<usize>,
    /// Occurrences that were due from the first to the last.
    due: i64,
    variation: i64,
}

impl Chain {
    fn seen(&self) -> i64 {
        count(self.entries.len())
    }

    /// Which of two chains explains more: each line explained counts, an unsteady amount takes up to
    /// two thirds of it away, a missed occurrence a third.
    fn merit(&self) -> i64 {
        let missed = self.due - self.seen();
        self.seen() * (1_000 - self.variation.min(667)) - missed * 333
    }
}

fn best_chain(ledger: &Ledger<'_>, lines: &[usize]) -> Option<Chain> {
    // A chain that starts at one of the first lines sees whatever any later start would.
    const STARTS: usize = 4;
    let mut best: Option<Chain> = None;
    for rhythm in Rhythm::ALL {
        for position in 0..lines.len().min(STARTS) {
            let Some(start) = lines.get(position..) else {
                continue;
            };
            let Some(chain) = chain_from(ledger, start, rhythm) else {
                continue;
            };
            if is_regular(ledger, &chain, lines.len())
                && best
                    .as_ref()
                    .is_none_or(|known| chain.merit() > known.merit())
            {
                best = Some(chain);
            }
        }
    }
    best
}

/// Follows a rhythm from the first of the lines; one missed occurrence is stepped over.
fn chain_from(ledger: &Ledger<'_>, lines: &[usize], rhythm: Rhythm) -> Option<Chain> {
    let first = *lines.first()?;
    let mut last = ledger.entries.get(first)?;
    let anchor = last.date();
    let mut chain = vec![first];
    let mut amounts = vec![last.cents()];
    let mut periods = 0;
    loop {
        let mut steps = [1, 2].into_iter().filter_map(|step| {
            // The due date follows the last occurrence and leans towards the first one's day.
            let by_last = rhythm.day_after(last.date(), step);
            let by_anchor = rhythm.day_after(anchor, periods + step);
            let due = if (by_last - by_anchor).abs() <= rhythm.tolerance() {
                by_anchor
            } else {
                by_last
            };
            nearest(ledger, lines, last, due, rhythm).map(|(index, gap)| (index, gap, step))
        });
        let next = match (steps.next(), steps.next()) {
            // A missed occurrence explains more than a jump to another contract's amount.
            (Some((_, jump, 1)), Some((index, same, step))) if jump > 300 && same <= 50 => {
                Some((index, step))
            }
            (Some((index, _, step)), _) => Some((index, step)),
            (None, _) => None,
        };
        let Some((index, step)) = next else {
            break;
        };
        last = ledger.entries.get(index)?;
        periods += step;
        chain.push(index);
        amounts.push(last.cents());
    }
    Some(Chain {
        rhythm,
        due: periods + 1,
        variation: typical_deviation_permille(&amounts),
        entries: chain,
    })
}

/// Among the later lines near the due day, the one whose amount continues best, and by how many
/// thousandths it differs. Lines are in the order of the ledger, which is by date.
fn nearest(
    ledger: &Ledger<'_>,
    lines: &[usize],
    last: &Entry<'_>,
    due: i64,
    rhythm: Rhythm,
) -> Option<(usize, i64)> {
    let day_of = |index: usize| {
        ledger
            .entries
            .get(index)
            .map_or(i64::MAX, |entry| entry.day)
    };
    let earliest = (due - rhythm.tolerance()).max(last.day + 1);
    let latest = due + rhythm.tolerance();
    let from = lines.partition_point(|index| day_of(*index) < earliest);
    lines
        .get(from..)
        .unwrap_or_default()
        .iter()
        .filter_map(|index| Some((*index, ledger.entries.get(*index)?)))
        .take_while(|(_, entry)| entry.day <= latest)
        .map(|(index, entry)| {
            let gap = change_permille(last.cents(), entry.cents());
            (gap / 50, (due - entry.day).abs(), gap, index)
        })
        .min()
        .map(|(_, _, gap, index)| (index, gap))
}

fn change_permille(from: i64, to: i64) -> i64 {
    scaled((to - from).abs(), 1_000, from.abs().max(1))
}

/// Median distance from the median amount, in thousandths of it: one odd amount does not matter.
fn typical_deviation_permille(amounts: &[i64]) -> i64 {
    let Some(middle) = median(amounts) else {
        return 0;
    };
    let mut distances: Vec<i64> = amounts
        .iter()
        .map(|amount| change_permille(middle, *amount))
        .collect();
    distances.sort_unstable();
    // The upper quartile rather than the middle: half a chain of odd amounts is no contract.
    distances
        .get(distances.len() * 3 / 4)
        .or(distances.last())
        .copied()
        .unwrap_or_default()
}

/// Whether a chain is a contract or income rather than a coincidence.
fn is_regular(ledger: &Ledger<'_>, chain: &Chain, lines: usize) -> bool {
    let Some(entry) = chain
        .entries
        .first()
        .and_then(|index| ledger.entries.get(*index))
    else {
        return false;
    };
    let committed = is_commitment(entry);
    let allowed = match (entry.operation(), entry.category().group()) {
        _ if entry.cents() > 0 => 500,
        (_, "housing") if entry.category() != Category::HousingRent => 900,
        (_, "tax" | "telecom") => 900,
        (_, "insurance") => 600,
        (Operation::DirectDebit, _) => 400,
        (Operation::Card | Operation::Unknown, _) if committed => 120,
        (Operation::Card | Operation::Unknown, _) => 10,
        _ => 250,
    };
    // A shop visited all the time now and then takes the same amount a month apart.
    let habit = !committed
        && matches!(entry.operation(), Operation::Card | Operation::Unknown)
        && chain.seen() * 2 < count(lines);
    // Nearly anything fits a rhythm of weeks: the amount must tell.
    let allowed = match chain.rhythm {
        Rhythm::Weekly | Rhythm::Fortnightly if entry.cents() < 0 => allowed.min(150),
        _ => allowed,
    };
    let (seen, due) = (chain.seen(), chain.due);
    let enough = match chain.rhythm {
        Rhythm::Weekly | Rhythm::Fortnightly => seen >= 4,
        // Two occurrences are enough where the payee sells nothing but contracts.
        Rhythm::Monthly => {
            seen >= 3 || (seen == 2 && due == 2 && committed && chain.variation <= 100)
        }
        Rhythm::EveryTwoMonths => seen >= 3 && committed,
        Rhythm::Quarterly => seen >= 3 || (seen == 2 && due == 2 && committed),
        Rhythm::HalfYearly | Rhythm::Yearly => seen >= 2 && committed,
    };
    let complete = seen * 4 >= due * 3;
    enough && complete && !habit && chain.variation <= allowed
}

/// Categories in which one pays because of a contract.
fn is_commitment(entry: &Entry<'_>) -> bool {
    let category = entry.category();
    matches!(
        category,
        Category::LeisureStreaming
            | Category::LeisureSport
            | Category::TransportVehicleLoan
            | Category::TransportPublic
            | Category::BankAccountFee
            | Category::BankCardFee
            | Category::FamilyChildcare
            | Category::FamilyActivity
            | Category::FamilyAlimony
            | Category::TransferSavings
            | Category::IncomeSalary
            | Category::IncomeRetirement
            | Category::IncomeReplacement
            | Category::IncomeFamilyBenefit
            | Category::IncomeRental
    ) || matches!(
        category.group(),
        "housing" | "insurance" | "loan" | "telecom" | "tax"
    ) || matches!(
        entry.operation(),
        Operation::StandingOrder | Operation::LoanInstalment
    )
}

fn describe(ledger: &Ledger<'_>, chain: &Chain) -> Option<Flow> {
    let entries: Vec<&Entry<'_>> = chain
        .entries
        .iter()
        .filter_map(|index| ledger.entries.get(*index))
        .collect();
    let first = *entries.first()?;
    let last = *entries.last()?;
    let amounts: Vec<i64> = entries.iter().map(|entry| entry.cents()).collect();
    let changes = lasting_changes(&entries);
    // After a change the amount is the new one.
    let since_change: Vec<i64> = match changes.last() {
        Some(change) => entries
            .iter()
            .filter(|entry| entry.date() >= change.on)
            .map(|entry| entry.cents())
            .collect(),
        None => amounts.clone(),
    };
    let magnitudes = amounts.iter().map(|amount| amount.abs());
    let category = dominant_category(&entries);
    let recurrence = Recurrence {
        kind: FlowKind::of(category, last.operation()),
        category,
        merchant: last.enrichment.merchant.clone(),
        payee: last.enrichment.cleaned.clone(),
        account: ledger.accounts.get(last.account)?.id.clone(),
        rhythm: chain.rhythm,
        amount: Amount::eur(median(&since_change)?),
        lowest_cents: magnitudes.clone().min()?,
        highest_cents: magnitudes.max()?,
        first_seen: first.date(),
        last_seen: last.date(),
        regularity_permille: scaled(chain.seen(), 1_000, chain.due.max(1)),
        state: state_of(chain.rhythm, last.date(), ledger.as_of),
        changes,
        confidence: confidence_of(chain),
        evidence: entries.iter().map(|entry| entry.id()).collect(),
    };
    Some(Flow {
        recurrence,
        entries: chain.entries.clone(),
    })
}

fn state_of(rhythm: Rhythm, last: Date, as_of: Date) -> FlowState {
    let due = rhythm.after(last, 1);
    if days_between(due, as_of) > rhythm.tolerance() {
        FlowState::Ended { missed_on: due }
    } else {
        FlowState::Active { next_expected: due }
    }
}

/// The category most lines have; the later one between equals.
fn dominant_category(entries: &[&Entry<'_>]) -> Category {
    let mut votes: BTreeMap<Category, (usize, usize)> = BTreeMap::new();
    for (position, entry) in entries.iter().enumerate() {
        let vote = votes.entry(entry.category()).or_default();
        vote.0 += 1;
        vote.1 = position;
    }
    votes
        .into_iter()
        .max_by_key(|(_, vote)| *vote)
        .map_or(Category::Unknown, |(category, _)| category)
}

/// Changes above 2 % (and 50 cents) that hold for the next occurrence too, or are the latest one of
/// a flow that was steady until then.
fn lasting_changes(entries: &[&Entry<'_>]) -> Vec<AmountChange> {
    let differs = |from: i64, to: i64| change_permille(from, to) > 20 && (to - from).abs() >= 50;
    let mut changes = Vec::new();
    let Some(first) = entries.first() else {
        return changes;
    };
    let mut level = first.cents();
    let mut steady = 1;
    for (position, entry) in entries.iter().enumerate().skip(1) {
        if !differs(level, entry.cents()) {
            steady += 1;
            continue;
        }
        let next = entries.get(position + 1);
        let holds = match next {
            Some(next) => !differs(entry.cents(), next.cents()),
            None => steady >= 3,
        };
        if holds {
            changes.push(AmountChange {
                on: entry.date(),
                from_cents: level,
                to_cents: entry.cents(),
                evidence: entry.id(),
            });
            level = entry.cents();
            steady = 1;
        }
    }
    changes
}

fn confidence_of(chain: &Chain) -> u8 {
    let by_count = match chain.seen() {
        ..=2 => 65,
        3 => 80,
        4..=5 => 88,
        _ => 95,
    };
    let missed = u8::try_from((chain.due - chain.seen()).clamp(0, 4)).unwrap_or(4) * 4;
    let unsteady: u8 = if chain.variation > 200 { 5 } else { 0 };
    by_count - missed - unsteady
}
