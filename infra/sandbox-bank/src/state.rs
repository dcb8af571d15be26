//! What must survive a restart: consents, visits, codes, tokens, access counters. The ledgers are
//! not in it: they come again from the seed and the persona files.
//!
//! Codes and tokens are kept as digests only.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use ring::digest;
use serde::{Deserialize, Serialize};

use crate::consent::BankConsent;
use crate::error::SandboxError;

/// How long an authorisation code can be used.
pub(crate) const CODE_LIFETIME: SignedDuration = SignedDuration::from_mins(5);

/// How long an access token can be used.
pub(crate) const ACCESS_LIFETIME: SignedDuration = SignedDuration::from_mins(10);

/// The window unattended accesses are counted in.
pub(crate) const COUNTING_WINDOW: SignedDuration = SignedDuration::from_hours(24);

/// How long what is over is remembered, so that a replay gets a precise answer.
const MEMORY: SignedDuration = SignedDuration::from_hours(24 * 7);

/// SHA-256 of a code or token, in hex.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct SecretDigest(String);

impl SecretDigest {
    pub(crate) fn of(secret: &str) -> Self {
        Self(hex::encode(digest::digest(
            &digest::SHA256,
            secret.as_bytes(),
        )))
    }
}

/// A person's visit to the authorisation pages.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Visit {
    pub(crate) consent: String,
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) state: Option<String>,
    /// PKCE, where the dialect has it.
    pub(crate) code_challenge: Option<String>,
    /// STET: whether more than 90 days were asked for.
    pub(crate) extended_history: bool,
    /// Who logged in.
    pub(crate) person: Option<String>,
    pub(crate) started_at: Timestamp,
}

/// An authorisation code.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct IssuedCode {
    pub(crate) consent: String,
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) code_challenge: Option<String>,
    pub(crate) extended_history: bool,
    pub(crate) issued_at: Timestamp,
    pub(crate) used: bool,
}

/// An access token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct IssuedAccess {
    pub(crate) consent: String,
    /// STET: whether more than 90 days can be read with it. Lost at the first refresh (Q36).
    pub(crate) extended_history: bool,
    pub(crate) expires_at: Timestamp,
}

/// A refresh token: taken once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct IssuedRefresh {
    pub(crate) consent: String,
    pub(crate) client_id: String,
    pub(crate) issued_at: Timestamp,
    pub(crate) used: bool,
}

/// Everything the bank remembers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct State {
    /// When the bank opened for the first time: the ledgers are dated from it.
    pub(crate) opened_at: Timestamp,
    /// How far the clock was moved ahead, in milliseconds: a restart does not go back.
    #[serde(default)]
    pub(crate) ahead: i64,
    /// How many ids were made.
    pub(crate) issued: u64,
    pub(crate) consents: BTreeMap<String, BankConsent>,
    pub(crate) visits: BTreeMap<String, Visit>,
    pub(crate) codes: BTreeMap<SecretDigest, IssuedCode>,
    pub(crate) access_tokens: BTreeMap<SecretDigest, IssuedAccess>,
    pub(crate) refresh_tokens: BTreeMap<SecretDigest, IssuedRefresh>,
    /// Unattended accesses by consent and resource.
    pub(crate) accesses: BTreeMap<String, Vec<Timestamp>>,
}

impl State {
    /// An empty bank.
    pub(crate) fn new(opened_at: Timestamp) -> Self {
        Self {
            opened_at,
            ahead: 0,
            issued: 0,
            consents: BTreeMap::new(),
            visits: BTreeMap::new(),
            codes: BTreeMap::new(),
            access_tokens: BTreeMap::new(),
            refresh_tokens: BTreeMap::new(),
            accesses: BTreeMap::new(),
        }
    }

    /// What an earlier run left, or an empty bank.
    pub(crate) fn load(path: &Path, now: Timestamp) -> Result<Self, SandboxError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::new(now));
            }
            Err(source) => {
                return Err(SandboxError::StateFile {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        serde_json::from_slice(&bytes).map_err(|error| SandboxError::DamagedState {
            path: path.to_owned(),
            reason: error.to_string(),
        })
    }

    /// Writes beside the file and renames: a crash leaves the old state or the new one.
    pub(crate) fn save(&self, path: &Path) -> Result<(), SandboxError> {
        let failed = |source| SandboxError::StateFile {
            path: path.to_owned(),
            source,
        };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let beside = path.with_extension("new");
        let json = serde_json::to_vec(self).map_err(|error| failed(error.into()))?;
        let mut file = fs::File::create(&beside).map_err(failed)?;
        file.write_all(&json).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        fs::rename(&beside, path).map_err(failed)
    }

    /// Forgets what is long over.
    pub(crate) fn forget_the_past(&mut self, now: Timestamp) {
        let recent = |at: Timestamp| now.duration_since(at) < MEMORY;
        self.visits.retain(|_, visit| recent(visit.started_at));
        self.codes.retain(|_, code| recent(code.issued_at));
        self.access_tokens
            .retain(|_, token| recent(token.expires_at));
        self.refresh_tokens
            .retain(|_, token| !token.used || recent(token.issued_at));
        for accesses in self.accesses.values_mut() {
            accesses.retain(|at| now.duration_since(*at) < COUNTING_WINDOW);
        }
        self.accesses.retain(|_, accesses| !accesses.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_an_empty_bank_and_a_damaged_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/bank.json");
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        let state = State::load(&path, now).unwrap();
        state.save(&path).unwrap();
        assert_eq!(State::load(&path, Timestamp::MAX).unwrap().opened_at, now);
        fs::write(&path, "{").unwrap();
        let error = State::load(&path, now).unwrap_err().to_string();
        assert!(
            error.contains("bank.json") && error.contains("damaged"),
            "{error}"
        );
    }
}
