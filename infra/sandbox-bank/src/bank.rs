//! The bank: its people, its clock, its memory.

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use ring::hmac;
use url::Url;

use crate::bank_day;
use crate::consent::ConsentStatus;
use crate::error::SandboxError;
use crate::ledger::LedgerAccount;
use crate::people::{Member, Person, Population};
use crate::state::State;

/// How long a read takes at `bank-slow`, unless it is said otherwise.
const SLOW_CALL: Duration = Duration::from_secs(10);

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How a bank opens.
#[derive(Clone)]
pub struct BankSettings {
    /// The address the router is mounted at, as browsers and third parties see it.
    pub base_url: Url,
    /// The same seed gives the same people with the same movements.
    pub seed: u64,
    /// Tells the time.
    pub clock: Clock,
    /// A folder of persona files to import, if any.
    pub personae: Option<PathBuf>,
    /// Where the state is kept over a restart; `None` keeps it in memory.
    pub state: Option<PathBuf>,
}

impl std::fmt::Debug for BankSettings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("BankSettings")
            .field("base_url", &self.base_url.as_str())
            .field("seed", &self.seed)
            .field("personae", &self.personae)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// A bank that is open.
pub struct Bank {
    base: String,
    clock: Clock,
    /// How far ahead of its clock the bank is, in milliseconds; `None` where the clock is kept from outside.
    ahead: Option<AtomicI64>,
    key: hmac::Key,
    population: Population,
    state_file: Option<PathBuf>,
    state: Mutex<State>,
    /// How long a slow bank takes for a read.
    slow_call: Duration,
}

impl std::fmt::Debug for Bank {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Bank")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

impl Bank {
    /// Opens the bank: imports the persona files and finds its state again.
    ///
    /// # Errors
    /// [`SandboxError`] naming the file that cannot be used.
    pub fn new(settings: BankSettings) -> Result<Self, SandboxError> {
        let now = (settings.clock)();
        let state = match &settings.state {
            Some(path) => State::load(path, now)?,
            None => State::new(now),
        };
        let population = Population::new(
            settings.seed,
            bank_day::day_at(state.opened_at),
            settings.personae.as_deref(),
        )?;
        // Ids differ between two lives of a bank that kept no state, so that one life's token is
        // never taken for another's; with a clock under control they still replay exactly.
        let secret = format!("{}|{}", settings.seed, state.opened_at);
        let bank = Self {
            base: settings.base_url.as_str().trim_end_matches('/').to_owned(),
            clock: settings.clock,
            ahead: None,
            key: hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()),
            population,
            state_file: settings.state,
            state: Mutex::new(state),
            slow_call: SLOW_CALL,
        };
        // Written at once: the day the ledgers are dated from must not move with a restart.
        bank.change(|_| ())?;
        Ok(bank)
    }

    /// Everybody who can log in, in the order of the login page.
    #[must_use]
    pub fn people(&self) -> Vec<Person> {
        self.population
            .members()
            .map(|member| member.person.clone())
            .collect()
    }

    /// Where the consents the bank holds stand, by their Berlin Group names, oldest first. One that was
    /// replaced by another of the same person is `superseded`.
    #[must_use]
    pub fn consent_states(&self) -> Vec<String> {
        let mut consents = self.look(|state| {
            let known = state.consents.values();
            known
                .map(|consent| (consent.created_at, consent.status.clone()))
                .collect::<Vec<_>>()
        });
        consents.sort_by_key(|(created_at, _)| *created_at);
        let code = |status: &ConsentStatus| match status {
            ConsentStatus::Received => "received",
            ConsentStatus::Valid { .. } => "valid",
            ConsentStatus::Rejected => "rejected",
            ConsentStatus::RevokedByPsu => "revokedByPsu",
            ConsentStatus::TerminatedByTpp => "terminatedByTpp",
            ConsentStatus::Superseded => "superseded",
        };
        let consents = consents.iter();
        consents
            .map(|(_, status)| code(status).to_owned())
            .collect()
    }

    /// Sets how long a read takes at `bank-slow`, for who has not ten seconds.
    #[must_use]
    pub fn with_slow_calls(self, slow_call: Duration) -> Self {
        Self { slow_call, ..self }
    }

    /// How long a read takes at `bank-slow`.
    pub(crate) fn slow_call(&self) -> Duration {
        self.slow_call
    }

    /// Lets whoever reaches the bank move its clock ahead (`POST /clock`): for a bank that runs alone.
    #[must_use]
    pub fn with_movable_clock(self) -> Self {
        let ahead = self.look(|state| state.ahead);
        Self {
            ahead: Some(AtomicI64::new(ahead)),
            ..self
        }
    }

    pub(crate) fn has_movable_clock(&self) -> bool {
        self.ahead.is_some()
    }

    /// Moves the clock ahead, over a restart too; `false` where it is kept from outside.
    pub(crate) fn move_clock_to(&self, later: Timestamp) -> Result<bool, SandboxError> {
        let Some(ahead) = &self.ahead else {
            return Ok(false);
        };
        let real = (self.clock)();
        let needed = later.as_millisecond().saturating_sub(real.as_millisecond());
        self.change(|state| {
            state.ahead = state.ahead.max(needed);
            ahead.fetch_max(needed, Ordering::AcqRel);
        })?;
        Ok(true)
    }

    pub(crate) fn now(&self) -> Timestamp {
        let real = (self.clock)();
        let ahead = self
            .ahead
            .as_ref()
            .map_or(0, |ahead| ahead.load(Ordering::Acquire));
        let ahead = SignedDuration::from_millis(ahead);
        real.checked_add(ahead).unwrap_or(real)
    }

    pub(crate) fn today(&self) -> Date {
        bank_day::day_at(self.now())
    }

    /// An absolute address of the bank's.
    pub(crate) fn address(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The path part of an address of the bank's, as `_links` carry it.
    pub(crate) fn path(&self, path: &str) -> String {
        let prefix = Url::parse(&self.base)
            .map(|base| base.path().trim_end_matches('/').to_owned())
            .unwrap_or_default();
        format!("{prefix}{path}")
    }

    pub(crate) fn member(&self, login: &str) -> Option<&Member> {
        self.population.member(login)
    }

    /// A person's accounts as of today.
    pub(crate) fn accounts_of(&self, login: &str) -> Vec<LedgerAccount> {
        self.member(login)
            .map(|member| self.population.accounts(member, self.today()))
            .unwrap_or_default()
    }

    /// Looks at the state.
    pub(crate) fn look<T>(&self, reading: impl FnOnce(&State) -> T) -> T {
        reading(&self.lock())
    }

    /// Changes the state and writes it down before anybody hears of the change.
    pub(crate) fn change<T>(
        &self,
        change: impl FnOnce(&mut State) -> T,
    ) -> Result<T, SandboxError> {
        let now = self.now();
        let mut state = self.lock();
        let outcome = change(&mut state);
        state.forget_the_past(now);
        if let Some(path) = &self.state_file {
            state.save(path)?;
        }
        Ok(outcome)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A fresh id or secret of 256 bits.
    pub(crate) fn fresh(&self, state: &mut State, kind: &str) -> String {
        state.issued += 1;
        self.derive(&format!("{kind}|{}", state.issued))
    }

    /// The same text for the same purpose, unguessable from outside.
    pub(crate) fn derive(&self, purpose: &str) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, purpose.as_bytes()))
    }

    /// The id of an account inside one consent: another consent knows it by another name. Hexadecimal,
    /// because STET takes few characters and at most 35 of them.
    pub(crate) fn resource_id(&self, consent: &str, account_key: &str) -> String {
        let purpose = format!("resource|{consent}|{account_key}");
        let tag = hex::encode(hmac::sign(&self.key, purpose.as_bytes()));
        tag.chars().take(32).collect()
    }
}
