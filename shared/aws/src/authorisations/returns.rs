//! What a browser brings back: parked until the person confirms it, or claimed for its exchange.
//!
//! Whatever is claimed is stored with the claim, so that a worker that is cut off in the middle loses
//! nothing: the same return is claimed anew once its lease is over. Both are due at the attempt's end: the
//! bank may hold a consent open that nobody carries on.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use passerelle_domain::authorisation::{Authorisation, AuthorisationStatus, CLAIM_LEASE, Phase};
use passerelle_domain::call_budget::AttendedPsu;
use passerelle_domain::private::Private;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::exchange::due_at_its_end;
use super::{Change, place, read_attempt};
use crate::attributes::{Item, bytes, get_bytes, moment};
use crate::error::Error;
use crate::store::Store;
use crate::table::{Digest, Key, Table};
use crate::vault::DataKey;

/// What a person brought back from the bank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BankReturn {
    /// An authorisation or confirmation code, nothing at a bank that sends none.
    pub code: Option<Private>,
    /// The issuer that answered (RFC 9207), where it said so.
    pub issuer: Option<String>,
    /// The person, as the bank is told of them.
    pub psu: AttendedPsu,
}

impl BankReturn {
    /// Whether another return brings the same, whenever it comes.
    #[must_use]
    pub fn brings_the_same_as(&self, other: &Self) -> bool {
        self.code == other.code && self.issuer == other.issuer
    }
}

/// A return that came in another browser and waits for the person's code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedReturn {
    /// What came.
    pub returned: BankReturn,
    /// What the browser that returned shows, and what is typed where the journey began.
    pub confirmation: Private,
}

/// An attempt that was just claimed: nobody else can exchange what was brought back.
#[derive(Debug)]
pub struct ClaimedAttempt {
    /// The attempt.
    pub authorisation: Authorisation,
    /// What the connector asked to remember when the attempt started.
    pub secrets: Zeroizing<Vec<u8>>,
    /// What was brought back.
    pub returned: BankReturn,
}

impl Store {
    /// Bytes that only this very return yields: who holds the attempt's link but has not been at the
    /// bank cannot know them.
    ///
    /// # Errors
    /// When the tenant's key cannot be had.
    pub async fn fingerprint_of_return(
        &self,
        authorisation: &Authorisation,
        state: &Private,
        returned: &BankReturn,
        now: Timestamp,
    ) -> Result<[u8; 32], Error> {
        let key = self.attempt_key(authorisation, now).await?;
        let code = returned.code.as_ref().map_or("", Private::expose);
        let issuer = returned.issuer.as_deref().unwrap_or_default();
        Ok(key.fingerprint(&[
            b"return",
            state.expose().as_bytes(),
            code.as_bytes(),
            issuer.as_bytes(),
        ]))
    }

    /// Keeps a return that came in another browser until the person confirms it. A later return takes
    /// its place.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the attempt is past that point.
    pub async fn park_return(
        &self,
        authorisation: &Authorisation,
        state: &Digest,
        parked: &ParkedReturn,
        now: Timestamp,
    ) -> Result<(), Error> {
        let key = self.attempt_key(authorisation, now).await?;
        let sealed = sealed(&key, authorisation, "parked", parked)?;
        // Another return is no fresh start for whoever guesses.
        let wrong = match authorisation.status {
            AuthorisationStatus::Returned { wrong, .. } => wrong,
            _ => 0,
        };
        let status = AuthorisationStatus::Returned { at: now, wrong };
        let [shard, due] = due_at_its_end(authorisation, state);
        let kept = [("parked", bytes(sealed)), shard, due];
        let change = Change::to(&status)
            .keeping(&kept)
            .removing(&["ttl"])
            .before_end(now);
        self.table.move_attempt(state, change).await.map(drop)
    }

    /// The return that waits to be confirmed.
    ///
    /// # Errors
    /// When AWS does not answer.
    pub async fn parked_return(
        &self,
        authorisation: &Authorisation,
        state: &Digest,
        now: Timestamp,
    ) -> Result<Option<ParkedReturn>, Error> {
        let key = Key::attempt(state);
        let item = self.table.get(&self.table.name, key).await?;
        let Some(item) = item.filter(|item| item.contains_key("parked")) else {
            return Ok(None);
        };
        let key = self.attempt_key(authorisation, now).await?;
        opened(&key, authorisation, &item, "parked").map(Some)
    }

    /// Claims an attempt for the exchange of what was brought back, which is kept with the claim.
    /// Without a return, the one kept by the worker before is taken up.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it is claimed, ended or expired.
    pub async fn claim_authorisation(
        &self,
        authorisation: &Authorisation,
        state: &Digest,
        returned: Option<&BankReturn>,
        now: Timestamp,
    ) -> Result<ClaimedAttempt, Error> {
        let key = self.attempt_key(authorisation, now).await?;
        let status = AuthorisationStatus::Claimed { at: now };
        let mut kept = claimed_until(now).to_vec();
        kept.extend(due_at_its_end(authorisation, state));
        if let Some(returned) = returned {
            let sealed = sealed(&key, authorisation, "returned", returned)?;
            kept.push(("returned", bytes(sealed)));
        }
        let change = Change::to(&status)
            .keeping(&kept)
            .removing(&["parked", "ttl"])
            .before_end(now);
        let item = self.table.move_attempt(state, change).await?;
        claimed(&key, &item, "returned")
    }

    /// Claims an attempt nobody carries on any more, so that what was brought back is exchanged and
    /// given back. `None` when nothing was brought back that is not exchanged yet.
    ///
    /// # Errors
    /// [`Error::Conflict`] when somebody is at work on it.
    pub async fn claim_to_give_back(
        &self,
        state: &Digest,
        now: Timestamp,
    ) -> Result<Option<ClaimedAttempt>, Error> {
        let key = Key::attempt(state);
        let Some(item) = self.table.get(&self.table.name, key).await? else {
            return Ok(None);
        };
        let authorisation = read_attempt(&item)?;
        let brought = match authorisation.status.phase() {
            // A parked return stays where it is while it is given back: an earlier sweep may have failed.
            Phase::Returned | Phase::Claimed if item.contains_key("parked") => "parked",
            Phase::Claimed => "returned",
            _ => return Ok(None),
        };
        let status = AuthorisationStatus::Claimed { at: now };
        let kept = claimed_until(now);
        let change = Change::to(&status).keeping(&kept).after_its_end(now);
        let item = self.table.move_attempt(state, change).await?;
        let key = self.attempt_key(&authorisation, now).await?;
        claimed(&key, &item, brought).map(Some)
    }
}

/// For how long a claim keeps others away.
fn claimed_until(now: Timestamp) -> [(&'static str, AttributeValue); 1] {
    let until = now.checked_add(CLAIM_LEASE).unwrap_or(now);
    [("claimed_until", moment(until))]
}

/// A claimed attempt, with what was brought back as it was kept.
fn claimed(key: &DataKey, item: &Item, brought: &'static str) -> Result<ClaimedAttempt, Error> {
    let authorisation = read_attempt(item)?;
    let secrets = key.open(
        &place(&authorisation, "attempt"),
        get_bytes(item, "secrets")?,
    )?;
    let returned = match brought {
        "parked" => opened::<ParkedReturn>(key, &authorisation, item, brought)?.returned,
        _ => opened(key, &authorisation, item, brought)?,
    };
    Ok(ClaimedAttempt {
        authorisation,
        secrets,
        returned,
    })
}

impl Table {
    /// Notes that the bank answered without a code. A late code may still come.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the attempt is past that point.
    pub async fn note_refusal(
        &self,
        state: &Digest,
        by_psu: bool,
        now: Timestamp,
    ) -> Result<(), Error> {
        let status = AuthorisationStatus::Refused { by_psu, at: now };
        let change = Change::to(&status).before_end(now);
        self.move_attempt(state, change).await.map(drop)
    }

    /// Counts a code that was typed for a parked return, before it is compared: of several that are typed
    /// at once, one is.
    ///
    /// # Errors
    /// [`Error::Conflict`] when another one was counted, or the attempt is past that point.
    pub async fn count_try(
        &self,
        attempt: &Authorisation,
        state: &Digest,
        now: Timestamp,
    ) -> Result<u8, Error> {
        let AuthorisationStatus::Returned { at, wrong } = attempt.status else {
            return Err(Error::Conflict);
        };
        let wrong = wrong.saturating_add(1);
        let status = AuthorisationStatus::Returned { at, wrong };
        let change = Change::to(&status).before_end(now).from(&attempt.status);
        self.move_attempt(state, change).await?;
        Ok(wrong)
    }
}

fn sealed<T: Serialize>(
    key: &DataKey,
    authorisation: &Authorisation,
    kind: &'static str,
    value: &T,
) -> Result<Vec<u8>, Error> {
    let plain = Zeroizing::new(serde_json::to_vec(value).map_err(|_| Error::Unreadable(kind))?);
    key.seal(&place(authorisation, kind), &plain)
}

fn opened<T: serde::de::DeserializeOwned>(
    key: &DataKey,
    authorisation: &Authorisation,
    item: &Item,
    kind: &'static str,
) -> Result<T, Error> {
    let plain = key.open(&place(authorisation, kind), get_bytes(item, kind)?)?;
    serde_json::from_slice(&plain).map_err(|_| Error::Unreadable(kind))
}
