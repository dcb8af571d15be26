//! How far back movements are asked for, and a history that comes in parts.

use jiff::ToSpan;
use jiff::civil::Date;
use passerelle_domain::call_budget::PsuPresence;
use passerelle_domain::ids::ResourceId;
use passerelle_domain::money::Currency;
use passerelle_domain::private::Private;
use passerelle_domain::reconciliation::Coverage;
use passerelle_domain::transaction::FetchedTransaction;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::bank_day;
use crate::error::BankError;
use crate::links::{BankAddress, Trail};
use crate::pages::{Volume, within_reason};

/// How far back a first read asks: two years of movements is what knowledge can use, more would be
/// collected for nothing (GDPR art. 5(1)(c)).
pub(crate) const HISTORY_DAYS: i64 = 730;

/// What every bank gives without a fresh SCA (RTS 2018/389 art. 10a): 90 days, less one because the
/// bank's today may be ahead of ours.
pub(crate) const ASSURED_DAYS: i64 = 89;

/// The bank's day when the call is made: what paid for the call tells.
pub(crate) fn today(presence: &PsuPresence) -> Date {
    bank_day::day_at(match presence {
        PsuPresence::Attended(psu) => psu.until,
        PsuPresence::Unattended(access) => access.at,
    })
}

/// A day some days earlier.
pub(crate) fn days_before(day: Date, days: i64) -> Date {
    day.checked_sub(days.days()).unwrap_or(Date::MIN)
}

/// The movements of one account, asked for.
#[derive(Debug, Clone, Copy)]
pub struct HistoryRequest<'a> {
    /// The bank's id of the account.
    pub account: &'a ResourceId,
    /// Where the list said its movements are, where it did.
    pub link: Option<&'a Private>,
    /// The account's currency.
    pub currency: Currency,
    /// The first day asked for; without one, as far back as the bank gives.
    pub from: Option<Date>,
    /// Where the part before ended; the first part has none.
    pub after: Option<&'a Continuation>,
}

/// Some movements of an account, in the order the bank pages them.
#[derive(Debug)]
pub struct HistoryPart {
    /// The movements.
    pub lines: Vec<FetchedTransaction>,
    /// Whether the history begins here: whatever was read of this account before is void. Once at the
    /// start, and again where a bank refuses to go on with what it began.
    pub begins: bool,
    /// What comes after.
    pub rest: Rest,
}

/// What comes after a part.
#[derive(Debug)]
pub enum Rest {
    /// More movements.
    More(Continuation),
    /// Nothing: the history is whole, from this day on.
    Whole(Coverage),
}

/// Where a history goes on. It holds addresses of the bank's and is kept sealed, like what was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Continuation(Private);

impl Continuation {
    /// The text to seal until the next part is read.
    #[must_use]
    pub fn into_text(self) -> Private {
        self.0
    }

    /// A continuation from what [`Self::into_text`] gave. Anything else is refused when it is used.
    #[must_use]
    pub fn from_text(text: Private) -> Self {
        Self(text)
    }
}

/// What a continuation says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WayOn {
    /// The page to read next.
    pub(crate) next: Url,
    /// What the history covers once it is whole.
    pub(crate) coverage: Coverage,
    trail: Trail,
    volume: Volume,
}

impl WayOn {
    /// The way into a history.
    pub(crate) fn begin(first: Url, coverage: Coverage) -> Self {
        Self {
            next: first,
            coverage,
            trail: Trail::default(),
            volume: Volume::default(),
        }
    }

    /// Reads a continuation. Its address must still be the bank's.
    ///
    /// # Errors
    /// [`BankError::DamagedSecrets`] for anything this version did not write.
    pub(crate) fn read(
        continuation: &Continuation,
        address: &BankAddress,
    ) -> Result<Self, BankError> {
        let way: Self =
            serde_json::from_str(continuation.0.expose()).map_err(|_| BankError::DamagedSecrets)?;
        address.own(&way.next)?;
        Ok(way)
    }

    /// Notes that the next page is read now.
    ///
    /// # Errors
    /// [`BankError::Nonsense`] when the pages lead in a circle or never end.
    pub(crate) fn step(&mut self) -> Result<Url, BankError> {
        self.trail.step(&self.next)?;
        Ok(self.next.clone())
    }

    /// The part a page is, given where the bank says the next one is.
    ///
    /// # Errors
    /// [`BankError::ForeignLink`] when that leaves the bank's own addresses, [`BankError::Nonsense`] when
    /// the history grows beyond what an account can have.
    pub(crate) fn part(
        mut self,
        address: &BankAddress,
        lines: Vec<FetchedTransaction>,
        link: Option<&str>,
        begins: bool,
    ) -> Result<HistoryPart, BankError> {
        self.volume.add(&lines);
        within_reason(self.volume)?;
        let rest = match link {
            None => Rest::Whole(self.coverage),
            Some(href) => {
                self.next = address.resolve(&self.next, href)?;
                Rest::More(self.write()?)
            }
        };
        Ok(HistoryPart {
            lines,
            begins,
            rest,
        })
    }

    fn write(&self) -> Result<Continuation, BankError> {
        let text = serde_json::to_string(self).map_err(|_| BankError::DamagedSecrets)?;
        Ok(Continuation(Private::new(text)))
    }
}
