//! Reading a bank under a claim, with a token that is fresh and already stored.
//!
//! Accounts are read side by side, a few at a time, one part after the other. What takes longer than a
//! moment is stored on its way ([`Progress`]), and ends before its function does: the next one goes on
//! where it ended.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use jiff::civil::Date;
use passerelle_aws::Store;
use passerelle_aws::claims::Claim;
use passerelle_aws::connections::Loaded;
use passerelle_aws::readings::OpenReading;
use passerelle_banks::{Access, BankError, Connector, HistoryPart, HistoryRequest, OpenToken};
use passerelle_domain::account::FingerprintKey;
use passerelle_domain::call_budget::PsuPresence;
use passerelle_domain::call_context::CallContext;
use passerelle_domain::connection::{ConnectionStatus, ReauthenticationReason};
use passerelle_runtime::Clock;
use tokio::time::{Instant, interval_at};

use crate::SyncError;
use crate::fetched::Fetched;
use crate::progress::{Progress, Step};

/// How far back each sync reads again: card authorisations settle up to some twelve days later, and
/// ids may change until then.
pub(crate) const OVERLAP_DAYS: i32 = 15;

/// Accounts read at once: a slow bank is not kept waiting for itself, and not stormed.
const AT_ONCE: usize = 4;

/// How often a worker that is still reading says so: well within a lease.
const SIGN_OF_LIFE: Duration = Duration::from_secs(25);

/// Kept of the invocation's time for what is not a call: storing, and what the calls themselves keep.
const RESERVE: Duration = Duration::from_secs(4);

/// One reading of one connection.
pub(crate) struct Reading<'a> {
    pub(crate) store: &'a Store,
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) claim: &'a Claim,
    pub(crate) loaded: &'a Loaded,
    pub(crate) context: &'a CallContext,
    pub(crate) key: &'a FingerprintKey,
    pub(crate) clock: &'a Clock,
}

/// What came of a reading.
pub(crate) enum Read {
    /// Everything the bank has.
    Whole(Box<Fetched>),
    /// A part of it, stored: the rest is owed.
    InPart,
}

/// How a reading stands when its calls end.
enum Ended {
    Whole,
    OutOfTime,
}

impl Reading<'_> {
    /// Reads as much as there is time for; refreshes the token at most twice (when it is due, and when
    /// the bank refuses one that looked fresh).
    pub(crate) async fn read(&self, mut token: OpenToken) -> Result<Read, SyncError> {
        if token.needs_refresh(self.now()) {
            token = self.refreshed(&token).await?;
        }
        let mut progress = self.resumed(&token);
        let ended = match self.go_on(&token, &mut progress).await {
            Err(SyncError::Bank(error)) if error.wants_refresh() => {
                token = self.refreshed(&token).await?;
                self.go_on(&token, &mut progress).await
            }
            ended => ended,
        };
        match (ended, progress) {
            (Ok(Ended::Whole), Some(progress)) => {
                let fetched = progress.fetched(self).await?;
                Ok(Read::Whole(Box::new(fetched)))
            }
            (Ok(_), Some(mut progress)) if progress.has_come_on() => {
                progress.save(self).await?;
                Ok(Read::InPart)
            }
            (Ok(_), _) => Err(BankError::OutOfTime.into()),
            (Err(error), progress) => {
                if let Some(progress) = progress {
                    self.leave(progress, &error).await?;
                }
                Err(error)
            }
        }
    }

    /// Keeps what was read before a failure. What failed is called again under another access only.
    async fn leave(&self, mut progress: Progress, error: &SyncError) -> Result<(), SyncError> {
        if matches!(error, SyncError::Aws(_)) {
            return Ok(());
        }
        if progress.has_come_on() && !progress.is_lost() {
            progress.save(self).await?;
        }
        if progress.is_marked(self.claim) {
            self.store.table().end_access(self.claim).await?;
        }
        Ok(())
    }

    /// The reading a worker before this one left, when it may go on.
    fn resumed(&self, token: &OpenToken) -> Option<Progress> {
        let left = self.loaded.content.reading.as_ref()?;
        let left = left
            .goes_on(token.authorised_at(), self.now())
            .then(|| left.clone());
        left.map(Progress::resumed).filter(|left| !left.is_lost())
    }

    /// Renews the token and stores it before any call is made with it.
    async fn refreshed(&self, token: &OpenToken) -> Result<OpenToken, SyncError> {
        let renewed = self
            .connector
            .refresh_token(token, self.context, self.now())
            .await;
        let renewed = renewed.inspect_err(|error| self.log_lost_token(error))?;
        self.store
            .keep_token(self.claim, self.loaded, &renewed.to_bytes())
            .await
            .map_err(SyncError::TokenNotKept)?;
        Ok(renewed)
    }

    /// An earlier worker that never committed may have held the token the bank now wants.
    fn log_lost_token(&self, error: &BankError) {
        let interrupted = self.claim.seq > self.loaded.seq + 1;
        if error.needs_psu() == Some(ReauthenticationReason::TokenRefused) && interrupted {
            tracing::warn!("the token was probably lost by an interrupted sync");
        }
    }

    /// Goes on with what is not read yet, until all is or time is over.
    async fn go_on(
        &self,
        token: &OpenToken,
        progress: &mut Option<Progress>,
    ) -> Result<Ended, SyncError> {
        if progress.is_none() {
            *progress = Some(self.listed(token).await?);
        }
        let Some(progress) = progress.as_mut() else {
            return Ok(Ended::OutOfTime);
        };
        let mut running = FuturesUnordered::new();
        let mut signs = interval_at(Instant::now() + SIGN_OF_LIFE, SIGN_OF_LIFE);
        let mut longest = Duration::ZERO;
        let mut failure: Option<BankError> = None;
        let mut out_of_time = false;
        progress.nothing_runs();
        loop {
            let goes_on = |longest| failure.is_none() && !out_of_time && self.has_time(longest);
            while running.len() < AT_ONCE && goes_on(longest) {
                match progress.next_step() {
                    Some(step) => running.push(self.take(token, step)),
                    None => break,
                }
            }
            if running.is_empty() {
                break;
            }
            tokio::select! {
                Some((step, took, outcome)) = running.next() => {
                    longest = longest.max(took);
                    match outcome {
                        Ok(part) => progress.add(&step, part),
                        // Closed since it was listed (Q41): what was read of it before stays.
                        Err(error @ BankError::UnknownAccount { .. }) => {
                            tracing::warn!(%error, "an account was listed and is not there");
                            progress.is_gone(&step, error);
                        }
                        Err(BankError::OutOfTime) => out_of_time = true,
                        Err(error) => failure = failure.or(Some(error)),
                    }
                    if progress.is_worth_saving() {
                        progress.save(self).await?;
                    }
                }
                _ = signs.tick() => self.store.table().hold_on(self.claim, self.now()).await?,
            }
        }
        drop(running);
        match failure {
            Some(error) => Err(error.into()),
            None if !progress.is_whole() => Ok(Ended::OutOfTime),
            None if self.has_time_to_store(progress) => progress.end().map(|()| Ended::Whole),
            None => Ok(Ended::OutOfTime),
        }
    }

    /// Asks for the accounts.
    async fn listed(&self, token: &OpenToken) -> Result<Progress, SyncError> {
        let presence = self.presence()?;
        let access = self.access(token, &presence);
        let listed = self.holding_on(self.connector.accounts(&access)).await??;
        self.tell_who_waits().await;
        let left = self.loaded.content.reading.as_ref();
        let moments = (self.claim.claimed_at(), token.authorised_at());
        Ok(Progress::begin(self, moments, listed, left))
    }

    /// Waits for calls and says meanwhile that this worker still works.
    async fn holding_on<T>(&self, calls: impl Future<Output = T>) -> Result<T, SyncError> {
        let mut signs = interval_at(Instant::now() + SIGN_OF_LIFE, SIGN_OF_LIFE);
        let mut calls = pin!(calls);
        loop {
            tokio::select! {
                done = &mut calls => return Ok(done),
                _ = signs.tick() => self.store.table().hold_on(self.claim, self.now()).await?,
            }
        }
    }

    /// One part of one account's history, and how long it took.
    async fn take(
        &self,
        token: &OpenToken,
        step: Step,
    ) -> (Step, Duration, Result<HistoryPart, BankError>) {
        let started = Instant::now();
        let outcome = self.part(token, &step).await;
        (step, started.elapsed(), outcome)
    }

    async fn part(&self, token: &OpenToken, step: &Step) -> Result<HistoryPart, BankError> {
        let presence = self.presence()?;
        let known = self.loaded.content.seen.contains_key(&step.account.id);
        let request = HistoryRequest {
            account: &step.account.resource_id,
            link: step.link.as_ref(),
            currency: step.account.currency,
            from: if known { self.overlap_start() } else { None },
            after: step.after.as_ref(),
        };
        let access = self.access(token, &presence);
        self.connector.history(&access, &request).await
    }

    fn access<'b>(&'b self, token: &'b OpenToken, presence: &'b PsuPresence) -> Access<'b> {
        Access {
            token,
            presence,
            context: self.context,
        }
    }

    /// The first reading is waited for on a page. A note that fails only makes the page less telling.
    async fn tell_who_waits(&self) {
        if self.claim.connection.status != ConnectionStatus::Connected {
            return;
        }
        let table = self.store.table();
        if let Err(error) = table.note_accounts_listed(self.claim, self.now()).await {
            tracing::warn!(%error, "the waiting page does not learn that accounts were listed");
        }
    }

    /// Where a known account is read from; an unknown one is read as far back as the bank gives.
    fn overlap_start(&self) -> Option<Date> {
        let synced_on = self.loaded.content.synced_on?;
        synced_on
            .checked_sub(jiff::Span::new().days(OVERLAP_DAYS))
            .ok()
    }

    /// Who stands behind the next call. When nobody does any more, the calls are over.
    fn presence(&self) -> Result<PsuPresence, BankError> {
        self.claim
            .presence(&self.loaded.content, self.now())
            .ok_or(BankError::OutOfTime)
    }

    /// Whether a call that takes as long as the longest one so far still fits.
    fn has_time(&self, longest: Duration) -> bool {
        let left = self.context.deadline.time_left(Instant::now().into_std());
        left.is_none_or(|left| left >= RESERVE.saturating_add(longest))
    }

    /// Whether what was read can be written into its pages before the deadline. A worker that has read
    /// nothing itself has all the time there will ever be.
    fn has_time_to_store(&self, progress: &Progress) -> bool {
        let left = self.context.deadline.time_left(Instant::now().into_std());
        let fits = left.is_none_or(|left| left >= progress.time_to_store());
        fits || !progress.has_come_on()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// The reading that is stored after each moment.
impl Reading<'_> {
    pub(crate) async fn checkpoint(
        &self,
        reading: &mut OpenReading,
        lines: passerelle_aws::readings::PartLines,
        is_marked: bool,
    ) -> Result<(), SyncError> {
        self.store
            .checkpoint(
                self.claim,
                self.loaded,
                reading,
                lines,
                is_marked,
                self.now(),
            )
            .await?;
        tracing::info!(
            accounts = reading.accounts.len(),
            parts = reading.next_part(),
            "what was read so far is stored"
        );
        Ok(())
    }
}
