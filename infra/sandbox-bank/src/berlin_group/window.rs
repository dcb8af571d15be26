//! Which movements are asked for: dates, status, and where the last page ended.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::ToSpan;
use jiff::civil::Date;

use crate::access::GrantedAccess;
use crate::bank::Bank;
use crate::berlin_group::refusal::Refusal;
use crate::consent::{FULL_HISTORY_TIME, HISTORY_DAYS};
use crate::ledger::{LedgerAccount, LedgerAccountKind};
use crate::people::Quirk;

/// Movements on one page.
pub(crate) const PAGE_LENGTH: usize = 100;

/// What the query accepts on a first page.
const PARAMETERS: [&str; 4] = ["bookingStatus", "dateFrom", "dateTo", "withBalance"];

/// `bookingStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BookingStatus {
    Booked,
    Pending,
    Both,
    /// Standing orders.
    Information,
}

impl BookingStatus {
    fn read(text: &str) -> Option<Self> {
        match text {
            "booked" => Some(Self::Booked),
            "pending" => Some(Self::Pending),
            "both" => Some(Self::Both),
            "information" => Some(Self::Information),
            _ => None,
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::Booked => "booked",
            Self::Pending => "pending",
            Self::Both => "both",
            Self::Information => "information",
        }
    }

    pub(crate) fn wants_booked(self) -> bool {
        matches!(self, Self::Booked | Self::Both)
    }

    pub(crate) fn wants_pending(self) -> bool {
        matches!(self, Self::Pending | Self::Both)
    }
}

/// A request for movements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) status: BookingStatus,
    from: Date,
    /// Inclusive.
    to: Date,
    /// Booked lines shown on earlier pages.
    pub(crate) offset: usize,
    /// Whether an earlier page led here.
    pub(crate) continued: bool,
}

impl Window {
    /// Reads a first page's parameters, or a continuation key, which comes alone (Q15).
    pub(crate) fn read(
        bank: &Bank,
        access: &GrantedAccess,
        account: &LedgerAccount,
        parameters: &BTreeMap<String, String>,
    ) -> Result<Self, Refusal> {
        match parameters.get("continuationKey") {
            Some(key) if parameters.len() == 1 => Self::continued(bank, account, key),
            Some(_) => Err(Refusal::Format("a continuation key comes alone")),
            None => Self::first(bank, access, account, parameters),
        }
    }

    fn first(
        bank: &Bank,
        access: &GrantedAccess,
        account: &LedgerAccount,
        parameters: &BTreeMap<String, String>,
    ) -> Result<Self, Refusal> {
        if parameters
            .keys()
            .any(|name| !PARAMETERS.contains(&name.as_str()))
        {
            return Err(Refusal::NotSupported("an unknown query parameter"));
        }
        let status = match parameters.get("bookingStatus").map(String::as_str) {
            None => return Err(Refusal::Format("bookingStatus is missing")),
            Some("all") => {
                return Err(Refusal::NotSupported("bookingStatus=all is not supported"));
            }
            Some(text) => {
                BookingStatus::read(text).ok_or(Refusal::Format("bookingStatus is unknown"))?
            }
        };
        if access.quirk == Some(Quirk::Q26) && status == BookingStatus::Both {
            return Err(Refusal::NotSupported("bookingStatus=both is not supported"));
        }
        let today = bank.today();
        let oldest = today.checked_sub(HISTORY_DAYS.days()).unwrap_or(today);
        let refuses_filters =
            access.quirk == Some(Quirk::Q27) && account.kind == LedgerAccountKind::Savings;
        let from = read_day(parameters, "dateFrom")?;
        let to = read_day(parameters, "dateTo")?.unwrap_or(today);
        let from = match (from, status) {
            (Some(_), _) if refuses_filters => {
                return Err(Refusal::NotSupported("dateFrom is not supported"));
            }
            (Some(from), _) => from,
            (None, _) if refuses_filters => oldest,
            (None, BookingStatus::Pending | BookingStatus::Information) => today,
            (None, _) => return Err(Refusal::Format("dateFrom is missing")),
        };
        if from > to {
            return Err(Refusal::Format("dateFrom is after dateTo"));
        }
        let fresh = bank.now().duration_since(access.approved_at) <= FULL_HISTORY_TIME;
        if from < oldest && !fresh {
            return Err(Refusal::PeriodInvalid);
        }
        Ok(Self {
            status,
            from,
            to,
            offset: 0,
            continued: false,
        })
    }

    fn continued(bank: &Bank, account: &LedgerAccount, key: &str) -> Result<Self, Refusal> {
        let unreadable = Refusal::Format("the continuation key is not one of ours");
        let text = URL_SAFE_NO_PAD
            .decode(key)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        let Some((content, seal)) = text.as_deref().and_then(|text| text.rsplit_once('|')) else {
            return Err(unreadable);
        };
        if seal != seal_of(bank, account, content) {
            return Err(unreadable);
        }
        Self::from_content(content).ok_or(unreadable)
    }

    fn from_content(content: &str) -> Option<Self> {
        let mut parts = content.split('|');
        let window = Self {
            status: BookingStatus::read(parts.next()?)?,
            from: parts.next()?.parse().ok()?,
            to: parts.next()?.parse().ok()?,
            offset: parts.next()?.parse().ok()?,
            continued: true,
        };
        parts.next().is_none().then_some(window)
    }

    /// What leads to the page that begins after so many lines. Sealed: the first minutes' right to
    /// the whole history must not be written by hand.
    pub(crate) fn continuation(
        &self,
        bank: &Bank,
        account: &LedgerAccount,
        offset: usize,
    ) -> String {
        let content = format!("{}|{}|{}|{offset}", self.status.code(), self.from, self.to);
        let seal = seal_of(bank, account, &content);
        URL_SAFE_NO_PAD.encode(format!("{content}|{seal}"))
    }

    pub(crate) fn holds(&self, day: Date) -> bool {
        self.from <= day && day <= self.to
    }
}

fn seal_of(bank: &Bank, account: &LedgerAccount, content: &str) -> String {
    bank.derive(&format!("continuation|{}|{content}", account.key))
}

fn read_day(parameters: &BTreeMap<String, String>, name: &str) -> Result<Option<Date>, Refusal> {
    parameters
        .get(name)
        .map(|text| text.parse())
        .transpose()
        .map_err(|_| Refusal::Format("a date is not of the form 2026-11-22"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_ends_are_inclusive() {
        let window = Window::from_content("both|2026-11-01|2026-11-22|0").unwrap();
        assert!(window.holds(Date::constant(2026, 11, 1)));
        assert!(window.holds(Date::constant(2026, 11, 22)));
        assert!(!window.holds(Date::constant(2026, 11, 23)));
        assert!(!window.holds(Date::constant(2026, 10, 31)));
    }

    proptest! {
        #[test]
        fn no_content_makes_it_panic(content in ".{0,60}") {
            let _ = Window::from_content(&content);
        }
    }
}
