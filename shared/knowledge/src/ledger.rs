//! The lines of all accounts side by side, each counted once, with its part in the whole.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::civil::Date;
use passerelle_domain::account::{AccountKind, Balance};
use passerelle_domain::ids::{AccountId, TransactionId};
use passerelle_domain::money::Currency;
use passerelle_domain::transaction::Transaction;

use crate::corrections::Corrections;
use crate::enrichment::{Enrichment, Stage, enrich};
use crate::history::History;
use crate::measure::{count, day_number, days_between};
use crate::operation::Operation;
use crate::relations::{self, Relation};
use crate::taxonomy::Category;

/// The part a line plays once the others are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// It counts for itself.
    Ordinary,
    /// One side of a transfer between accounts of the same person.
    InternalTransfer,
    /// A card settlement whose purchases are known one by one.
    CardSettlement,
    /// A debit that was given back: it never happened.
    GivenBack,
    /// The credit that gives a debit back.
    Return,
    /// A debit presented again after it was given back: it counts as spent, but is no new due date.
    Representation,
    /// Money back on an earlier purchase.
    Refund,
}

/// One line with what is known of it.
#[derive(Debug, Clone)]
pub(crate) struct Entry<'a> {
    /// Where the entry stands in the ledger.
    pub position: usize,
    pub account: usize,
    /// The booking date as a day number.
    pub day: i64,
    pub line: &'a Transaction,
    pub enrichment: Enrichment,
    pub part: Part,
}

impl Entry<'_> {
    pub fn date(&self) -> Date {
        self.line.booking_date
    }

    pub fn cents(&self) -> i64 {
        self.line.amount.minor
    }

    pub fn category(&self) -> Category {
        self.enrichment.category
    }

    pub fn operation(&self) -> Operation {
        self.enrichment.operation
    }

    pub fn id(&self) -> TransactionId {
        self.line.id.clone()
    }

    /// Whether the line counts as money earned or spent by the household.
    pub fn counts(&self) -> bool {
        matches!(self.part, Part::Ordinary | Part::Representation)
    }

    /// Cents that left for something bought or paid, refunds taken off; 0 for anything else.
    pub fn spent(&self) -> i64 {
        match self.part {
            Part::Refund => -self.cents(),
            _ if self.counts() && self.cents() < 0 && self.category().is_spending() => {
                -self.cents()
            }
            _ => 0,
        }
    }
}

/// One account of the ledger.
#[derive(Debug, Clone)]
pub(crate) struct LedgerAccount {
    pub id: AccountId,
    pub kind: AccountKind,
    pub balance: Option<Balance>,
}

/// Every account and line that can be learned from, in a fixed order.
#[derive(Debug)]
pub(crate) struct Ledger<'a> {
    pub as_of: Date,
    pub accounts: Vec<LedgerAccount>,
    /// By date, then account, then id.
    pub entries: Vec<Entry<'a>>,
    pub relations: Vec<Relation>,
    /// Accounts left out, because of their currency or kind.
    pub unreadable_accounts: usize,
}

impl<'a> Ledger<'a> {
    pub fn of(history: &'a History, corrections: &Corrections) -> Self {
        let mut by_account: BTreeMap<
            &AccountId,
            (LedgerAccount, BTreeMap<&TransactionId, &'a Transaction>),
        > = BTreeMap::new();
        let mut unreadable_accounts = 0;
        for account in &history.accounts {
            if !is_readable(account) {
                unreadable_accounts += 1;
                continue;
            }
            let (known, lines) = by_account.entry(&account.account).or_insert_with(|| {
                let known = LedgerAccount {
                    id: account.account.clone(),
                    kind: account.kind,
                    balance: account.balance,
                };
                (known, BTreeMap::new())
            });
            known.balance = known.balance.or(account.balance);
            lines.extend(
                account
                    .lines
                    .iter()
                    .filter(|line| line.booking_date <= history.as_of)
                    .filter(|line| line.amount.currency == Currency::EUR)
                    .map(|line| (&line.id, line)),
            );
        }
        let mut accounts = Vec::with_capacity(by_account.len());
        let mut entries = Vec::new();
        for (index, (account, lines)) in by_account.into_values().enumerate() {
            accounts.push(account);
            entries.extend(lines.into_values().map(|line| Entry {
                position: 0,
                account: index,
                day: day_number(line.booking_date),
                line,
                enrichment: corrections.apply(line, enrich(line)),
                part: Part::Ordinary,
            }));
        }
        entries.sort_by(|one, other| {
            (one.date(), one.account, &one.line.id).cmp(&(
                other.date(),
                other.account,
                &other.line.id,
            ))
        });
        for (position, entry) in entries.iter_mut().enumerate() {
            entry.position = position;
        }
        let mut ledger = Self {
            as_of: history.as_of,
            accounts,
            entries,
            relations: Vec::new(),
            unreadable_accounts,
        };
        relations::find(&mut ledger);
        ledger
    }

    pub fn kind_of(&self, entry: &Entry<'_>) -> AccountKind {
        self.accounts
            .get(entry.account)
            .map_or(AccountKind::Other, |account| account.kind)
    }

    pub fn has_kind(&self, kind: AccountKind) -> bool {
        self.accounts.iter().any(|account| account.kind == kind)
    }

    /// Lines of the accounts of daily life, where income and payments are.
    pub fn daily_life(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.entries.iter().filter(|entry| {
            matches!(
                self.kind_of(entry),
                AccountKind::Payment | AccountKind::Card
            )
        })
    }

    /// The first line of daily life.
    pub fn first_date(&self) -> Option<Date> {
        self.daily_life().map(Entry::date).min()
    }

    /// Days of daily life seen up to the day of the analysis, both ends included.
    pub fn days_seen(&self) -> i64 {
        self.first_date()
            .map_or(0, |first| days_between(first, self.as_of) + 1)
    }

    pub fn lines(&self) -> i64 {
        count(self.entries.len())
    }

    /// Changes what a line is for because of what stands around it. A correction is never undone.
    pub fn reclassify(
        &mut self,
        index: usize,
        category: Category,
        rule: &'static str,
        confidence: u8,
    ) {
        if let Some(entry) = self.entries.get_mut(index)
            && entry.enrichment.stage != Stage::Correction
        {
            entry.enrichment.category = category;
            entry.enrichment.stage = Stage::History;
            entry.enrichment.rule = Cow::Borrowed(rule);
            entry.enrichment.confidence = confidence;
        }
    }
}

fn is_readable(account: &crate::history::AccountHistory) -> bool {
    let kind = matches!(
        account.kind,
        AccountKind::Payment | AccountKind::Card | AccountKind::Savings
    );
    let in_euros = account
        .balance
        .is_none_or(|balance| balance.amount.currency == Currency::EUR);
    kind && in_euros
}
