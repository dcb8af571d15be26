//! A person's copy of what is stored of them, in parts of bounded size.

pub(crate) mod csv;
pub(crate) mod json;

use std::ops::Range;

use passerelle_aws::pages::AccountHistory;
use passerelle_domain::transaction::Transaction;
use passerelle_knowledge::{Corrections, Enrichment, enrich};

use super::held::Held;

/// Booked lines in one part: with the longest texts banks send, still well under the six megabytes
/// an answer may have.
const LINES_PER_PART: usize = 4_000;

/// One connection with what is stored of it.
#[derive(Debug)]
pub(crate) struct Copied {
    pub(crate) held: Held,
    /// Its accounts with their lines; none once it was erased.
    pub(crate) accounts: Vec<AccountHistory>,
    /// What somebody put right about its lines.
    pub(crate) corrections: Corrections,
}

impl Copied {
    /// What we make of a line: corrections win over every rule.
    fn enriched(&self, line: &Transaction) -> Enrichment {
        self.corrections.apply(line, enrich(line))
    }
}

/// Everything stored of a person. Its lines have one order: connection by connection, account by
/// account, oldest first.
#[derive(Debug)]
pub(crate) struct Copy {
    pub(crate) connections: Vec<Copied>,
    lines: usize,
    lines_per_part: usize,
}

/// One part: lines of the whole, by their place in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) number: usize,
    pub(crate) of: usize,
    first: usize,
    end: usize,
}

impl Part {
    pub(crate) fn is_first(self) -> bool {
        self.number == 1
    }

    /// `data.json` where there is one part only, else `data-2-of-3.json`.
    pub(crate) fn named(self, name: &str, kind: &str) -> String {
        match self.of {
            1 => format!("{name}.{kind}"),
            _ => format!("{name}-{}-of-{}.{kind}", self.number, self.of),
        }
    }

    /// Which of `length` lines that begin at `from` in the whole are in this part.
    fn of_lines(self, from: usize, length: usize) -> Range<usize> {
        let within = |place: usize| place.saturating_sub(from).min(length);
        within(self.first)..within(self.end)
    }
}

impl Copy {
    pub(crate) fn of(connections: Vec<Copied>) -> Self {
        Self::in_parts(connections, LINES_PER_PART)
    }

    fn in_parts(connections: Vec<Copied>, lines_per_part: usize) -> Self {
        let accounts = connections.iter().flat_map(|copied| &copied.accounts);
        Self {
            lines: accounts.map(|account| account.booked.len()).sum(),
            connections,
            lines_per_part,
        }
    }

    pub(crate) fn lines(&self) -> usize {
        self.lines
    }

    pub(crate) fn parts(&self) -> usize {
        self.lines.div_ceil(self.lines_per_part).max(1)
    }

    /// A part by its number, from 1.
    pub(crate) fn part(&self, number: usize) -> Option<Part> {
        let of = self.parts();
        let first = number.checked_sub(1)?.checked_mul(self.lines_per_part)?;
        (number <= of).then(|| Part {
            number,
            of,
            first,
            end: first.saturating_add(self.lines_per_part),
        })
    }

    /// Every account with the lines of a part, some with none.
    pub(crate) fn accounts(
        &self,
        part: Part,
    ) -> impl Iterator<Item = (&Copied, &AccountHistory, &[Transaction])> {
        let mut from = 0_usize;
        let accounts = self.connections.iter().flat_map(|copied| {
            let accounts = copied.accounts.iter();
            accounts.map(move |account| (copied, account))
        });
        accounts.map(move |(copied, account)| {
            let lines = part.of_lines(from, account.booked.len());
            from = from.saturating_add(account.booked.len());
            let lines = account.booked.get(lines).unwrap_or_default();
            (copied, account, lines)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_line_is_in_exactly_one_part(
            lengths in proptest::collection::vec(0_usize..30, 0..6),
            per_part in 1_usize..20,
        ) {
            let total: usize = lengths.iter().sum();
            let copy = Copy { connections: Vec::new(), lines: total, lines_per_part: per_part };
            let mut seen = vec![0_u8; total];
            for number in 1..=copy.parts() {
                let part = copy.part(number).unwrap();
                let mut from = 0;
                let mut in_part = 0;
                for length in &lengths {
                    for line in part.of_lines(from, *length) {
                        seen[from + line] += 1;
                        in_part += 1;
                    }
                    from += length;
                }
                prop_assert!(in_part <= per_part);
            }
            prop_assert!(seen.iter().all(|times| *times == 1), "{:?}", seen);
            prop_assert_eq!(copy.part(0), None);
            prop_assert_eq!(copy.part(copy.parts() + 1), None);
        }
    }
}
