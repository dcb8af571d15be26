//! Lines of one payee that follow each other in one rhythm.

use super::Rhythm;
use crate::ledger::{Entry, Ledger};
use crate::measure::{count, median, scaled};
use crate::operation::Operation;
use crate::taxonomy::Category;

/// Lines that follow each other in one rhythm.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) rhythm: Rhythm,
    pub(super) entries: Vec<usize>,
    /// Occurrences that were due from the first to the last.
    pub(super) due: i64,
    pub(super) variation: i64,
}

impl Chain {
    pub(super) fn seen(&self) -> i64 {
        count(self.entries.len())
    }

    /// Which of two chains explains more: each line explained counts, an unsteady amount takes up to
    /// two thirds of it away, a missed occurrence a third.
    fn merit(&self) -> i64 {
        let missed = self.due - self.seen();
        self.seen() * (1_000 - self.variation.min(667)) - missed * 333
    }
}

pub(super) fn best_chain(ledger: &Ledger<'_>, lines: &[usize]) -> Option<Chain> {
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

pub(super) fn change_permille(from: i64, to: i64) -> i64 {
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
