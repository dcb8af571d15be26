//! What a bank served, whole.

use passerelle_aws::readings::{AccountProgress, OpenReading, PartLines};
use passerelle_domain::account::{Account, AccountKind, Ineligible};
use passerelle_domain::deferred_card;
use passerelle_domain::reconciliation::{ServedLine, ServedWindow};

/// What the bank served.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// Accounts we can work with, each with its lines.
    pub(crate) accounts: Vec<(Account, ServedWindow)>,
    /// Why the others were left out.
    pub(crate) refusals: Vec<Ineligible>,
    /// How many accounts the bank listed.
    pub(crate) listed: usize,
    /// The reading it comes from, where that was stored on its way: its parts are to be taken away.
    pub(crate) stored: Option<OpenReading>,
}

impl Fetched {
    /// Joins what was stored on the way and what was read last.
    pub(crate) fn join(
        mut reading: OpenReading,
        mut stored: PartLines,
        mut last: PartLines,
        is_stored: bool,
    ) -> Self {
        let mut accounts = Vec::new();
        for (index, account) in reading.accounts.iter().enumerate() {
            let AccountProgress::Whole { coverage, .. } = account.progress else {
                continue;
            };
            let mut lines = stored.remove(&index).unwrap_or_default();
            lines.append(&mut last.remove(&index).unwrap_or_default());
            let from = coverage.first_day(lines.iter().filter_map(ServedLine::booked_on));
            accounts.push((account.account.clone(), ServedWindow { from, lines }));
        }
        show_once(&mut accounts);
        Self {
            accounts,
            refusals: std::mem::take(&mut reading.refusals),
            listed: reading.listed,
            stored: is_stored.then_some(reading),
        }
    }
}

/// Purchases by deferred card belong to the card: where a bank shows them in the account that settles
/// it as well (Q45), they are kept once.
fn show_once(accounts: &mut [(Account, ServedWindow)]) {
    let on_cards: Vec<ServedWindow> = accounts
        .iter()
        .filter(|(account, _)| account.kind == AccountKind::Card)
        .map(|(_, window)| window.clone())
        .collect();
    for (account, window) in accounts {
        if account.kind == AccountKind::Payment {
            on_cards
                .iter()
                .for_each(|card| deferred_card::keep_on_card(window, card));
        }
    }
}
