//! How far a reading has come: which accounts are read, which are on their way, and what of it is stored.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use passerelle_aws::claims::Claim;
use passerelle_aws::readings::{AccountProgress, AccountReading, OpenReading, PartLines};
use passerelle_banks::{BankError, Continuation, HistoryPart, Rest};
use passerelle_domain::account::{Account, FetchedAccount};
use passerelle_domain::private::Private;
use passerelle_domain::reconciliation::{Coverage, ServedLine};
use passerelle_knowledge::storable;
use tokio::time::Instant;

use crate::SyncError;
use crate::fetched::Fetched;
use crate::reading::Reading;

/// What took longer than this to read is stored: a bank that answers at once costs no write on the way.
const WORTH_SAVING: Duration = Duration::from_secs(2);

/// What one page of lines takes to be written, at most.
const TIME_PER_PAGE: Duration = Duration::from_millis(4);

/// What the rest of a commit takes, at most.
const TIME_TO_COMMIT: Duration = Duration::from_secs(2);

/// A reading on its way.
pub(crate) struct Progress {
    reading: OpenReading,
    /// Lines that are not stored yet.
    unsaved: PartLines,
    /// Accounts a call is made for.
    running: BTreeSet<usize>,
    /// Whether anything was read that is not stored yet.
    has_news: bool,
    /// Whether this worker has read anything.
    has_come_on: bool,
    /// Whether the gate knows, by this worker.
    is_marked: bool,
    saved_at: Instant,
    /// Why an account is not there.
    gone: Option<BankError>,
}

/// The next part of an account.
pub(crate) struct Step {
    index: usize,
    pub(crate) account: Account,
    pub(crate) link: Option<Private>,
    pub(crate) after: Option<Continuation>,
}

impl Progress {
    /// A reading whose accounts were just listed.
    pub(crate) fn begin(
        reading: &Reading<'_>,
        moments: (Timestamp, Timestamp),
        fetched: Vec<FetchedAccount>,
        left: Option<&OpenReading>,
    ) -> Self {
        let (listed, now) = (fetched.len(), reading.now());
        let (mut accounts, mut refusals) = (Vec::new(), Vec::new());
        for account in fetched {
            match account.eligibility() {
                Ok(()) => {
                    let link = account.link.clone();
                    accounts.push(AccountReading {
                        account: account.into_account(reading.key, now),
                        link,
                        progress: match reading.claim.reads_lines {
                            true => AccountProgress::Waiting,
                            // No purpose that is granted reads lines: none are asked for.
                            false => AccountProgress::Whole {
                                coverage: Coverage::Since(now.to_zoned(TimeZone::UTC).date()),
                                from_part: 0,
                            },
                        },
                    });
                }
                Err(refusal) => refusals.push(refusal),
            }
        }
        let began = OpenReading::begin(moments, accounts, refusals, listed, left);
        Self::of(began, true)
    }

    /// A reading another worker began.
    pub(crate) fn resumed(reading: OpenReading) -> Self {
        Self::of(reading, false)
    }

    fn of(reading: OpenReading, has_news: bool) -> Self {
        Self {
            reading,
            unsaved: PartLines::new(),
            running: BTreeSet::new(),
            has_news,
            has_come_on: has_news,
            is_marked: false,
            saved_at: Instant::now(),
            gone: None,
        }
    }

    /// No call is made any more.
    pub(crate) fn nothing_runs(&mut self) {
        self.running.clear();
    }

    /// What to read next, in the bank's order; noted as being read.
    pub(crate) fn next_step(&mut self) -> Option<Step> {
        let accounts = self.reading.accounts.iter().enumerate();
        let (index, next, after) = accounts
            .filter(|(index, _)| !self.running.contains(index))
            .find_map(|(index, account)| match &account.progress {
                AccountProgress::Waiting => Some((index, account, None)),
                AccountProgress::Begun { after, .. } => {
                    let after = Continuation::from_text(after.clone());
                    Some((index, account, Some(after)))
                }
                AccountProgress::Whole { .. } | AccountProgress::Gone => None,
            })?;
        let step = Step {
            index,
            account: next.account.clone(),
            link: next.link.clone(),
            after,
        };
        self.running.insert(index);
        Some(step)
    }

    /// Takes a part in.
    pub(crate) fn add(&mut self, step: &Step, part: HistoryPart) {
        self.running.remove(&step.index);
        let next_part = self.reading.next_part();
        let Some(account) = self.reading.accounts.get_mut(step.index) else {
            return;
        };
        let unsaved = self.unsaved.entry(step.index).or_default();
        let from_part = match account.progress {
            AccountProgress::Begun { from_part, .. } if !part.begins => from_part,
            _ => {
                unsaved.clear();
                next_part
            }
        };
        let served = |line| ServedLine::of(&step.account.id, line, storable);
        unsaved.extend(part.lines.into_iter().map(served));
        account.progress = match part.rest {
            Rest::More(after) => AccountProgress::Begun {
                after: after.into_text(),
                from_part,
            },
            Rest::Whole(coverage) => AccountProgress::Whole {
                coverage,
                from_part,
            },
        };
        (self.has_news, self.has_come_on) = (true, true);
    }

    /// An account was listed and is not there.
    pub(crate) fn is_gone(&mut self, step: &Step, error: BankError) {
        self.running.remove(&step.index);
        self.unsaved.remove(&step.index);
        if let Some(account) = self.reading.accounts.get_mut(step.index) {
            account.progress = AccountProgress::Gone;
        }
        self.gone = Some(error);
        (self.has_news, self.has_come_on) = (true, true);
    }

    /// Whether every account was read to its end.
    pub(crate) fn is_whole(&self) -> bool {
        self.reading.accounts.iter().all(|account| {
            matches!(
                account.progress,
                AccountProgress::Whole { .. } | AccountProgress::Gone
            )
        })
    }

    /// Ends a reading that is whole. A list of nothing but lost accounts is a fault of the bank's, not an
    /// empty bank.
    pub(crate) fn end(&mut self) -> Result<(), SyncError> {
        match self.gone.take() {
            Some(error) if self.is_lost() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Whether every account that was listed is not there: nothing of it is worth going on with.
    pub(crate) fn is_lost(&self) -> bool {
        let gone = |account: &AccountReading| account.progress == AccountProgress::Gone;
        !self.reading.accounts.is_empty() && self.reading.accounts.iter().all(gone)
    }

    /// Whether this worker has read anything.
    pub(crate) fn has_come_on(&self) -> bool {
        self.has_come_on
    }

    /// Whether the gate lets others go on under this access.
    pub(crate) fn is_marked(&self, claim: &Claim) -> bool {
        self.is_marked || claim.continues()
    }

    /// Whether what is not stored took long enough to be worth a write.
    pub(crate) fn is_worth_saving(&self) -> bool {
        self.has_news && self.saved_at.elapsed() >= WORTH_SAVING && !self.is_whole()
    }

    /// What it takes to write everything into its pages.
    pub(crate) fn time_to_store(&self) -> Duration {
        let months = u32::try_from(self.reading.accounts.len().saturating_mul(24));
        TIME_PER_PAGE
            .saturating_mul(months.unwrap_or(u32::MAX))
            .saturating_add(TIME_TO_COMMIT)
    }

    /// Stores what is not stored yet.
    pub(crate) async fn save(&mut self, reading: &Reading<'_>) -> Result<(), SyncError> {
        if self.has_news {
            let lines = std::mem::take(&mut self.unsaved);
            reading
                .checkpoint(&mut self.reading, lines, self.is_marked)
                .await?;
            (self.has_news, self.is_marked) = (false, true);
        }
        self.saved_at = Instant::now();
        Ok(())
    }

    /// Everything that was read, each account's lines together.
    pub(crate) async fn fetched(self, reading: &Reading<'_>) -> Result<Fetched, SyncError> {
        let stored = reading
            .store
            .parts(reading.claim, reading.loaded, &self.reading)
            .await?;
        let is_stored = self.is_marked(reading.claim) || reading.loaded.content.reading.is_some();
        Ok(Fetched::join(self.reading, stored, self.unsaved, is_stored))
    }
}
