//! Which movements are asked for. `dateFrom` is inclusive, `dateTo` exclusive.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::Date;

use crate::access::GrantedAccess;
use crate::bank::Bank;
use crate::consent::HISTORY_DAYS;
use crate::ledger::LedgerLine;
use crate::stet::Version;
use crate::stet::refusal::Refusal;

/// A request for movements.
#[derive(Debug)]
pub(crate) struct Window {
    from: Date,
    before: Option<Date>,
    /// Counted from one.
    pub(crate) page: usize,
    /// The filters as they came, for the next page's link.
    filters: String,
}

impl Window {
    pub(crate) fn read(
        bank: &Bank,
        access: &GrantedAccess,
        version: Version,
        parameters: &BTreeMap<String, String>,
    ) -> Result<Self, Refusal> {
        let oldest = bank
            .today()
            .checked_sub(HISTORY_DAYS.days())
            .unwrap_or(Date::MIN);
        let mut window = Self {
            from: if access.extended_history {
                Date::MIN
            } else {
                oldest
            },
            before: None,
            page: 1,
            filters: String::new(),
        };
        for (name, value) in parameters {
            match name.as_str() {
                "dateFrom" => window.from = read_day(value, version)?,
                "dateTo" => window.before = Some(read_day(value, version)?),
                "page" => {
                    window.page = value
                        .parse()
                        .ok()
                        .filter(|page| *page >= 1)
                        .ok_or(Refusal::BadRequest("page is not a number"))?;
                    continue;
                }
                _ => return Err(Refusal::BadRequest("an unknown query parameter")),
            }
            let value = value.replace('+', "%2B");
            window.filters.push_str(&format!("&{name}={value}"));
        }
        if window.from < oldest && !access.extended_history {
            return Err(Refusal::Forbidden(
                "more than 90 days needs a fresh consent",
            ));
        }
        Ok(window)
    }

    /// Pending lines belong to every window: they have no day yet.
    pub(crate) fn holds(&self, line: &LedgerLine) -> bool {
        line.booking_date
            .is_none_or(|day| self.from <= day && self.before.is_none_or(|before| day < before))
    }

    pub(crate) fn query(&self, page: usize) -> String {
        format!("page={page}{}", self.filters)
    }
}

/// A date in 1.6, a date and time with its offset in 1.4. Its own calendar day counts.
fn read_day(text: &str, version: Version) -> Result<Date, Refusal> {
    let unreadable = Refusal::BadRequest("a date filter cannot be read");
    let (day, rest) = text
        .split_at_checked(10)
        .ok_or(Refusal::BadRequest("a date filter is too short"))?;
    let shape = match version {
        Version::V14 => rest.starts_with('T'),
        Version::V16 => rest.is_empty(),
    };
    day.parse().ok().filter(|_| shape).ok_or(unreadable)
}
