//! A list served in pages: each is reached by the link of the one before, replayed to the letter.

use passerelle_domain::transaction::FetchedTransaction;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::error::BankError;
use crate::links::{BankAddress, Trail};

/// More movements than any account has in two years: beyond it somebody is filling our memory.
const MAX_LINES: usize = 100_000;

/// More text than so many movements have, in bytes.
const MAX_TEXT: usize = 64 * 1024 * 1024;

/// More accounts than a person has, spaces and cards included.
const MAX_ACCOUNTS: usize = 500;

/// The way through the pages of one list.
#[derive(Debug)]
pub(crate) struct Pages<'a> {
    address: &'a BankAddress,
    trail: Trail,
    next: Option<Url>,
}

impl<'a> Pages<'a> {
    /// Begins at a page.
    pub(crate) fn from(address: &'a BankAddress, first: Url) -> Self {
        Self {
            address,
            trail: Trail::default(),
            next: Some(first),
        }
    }

    /// The page to read now; `None` when the list is whole.
    ///
    /// # Errors
    /// [`BankError::Nonsense`] when the pages lead in a circle or never end.
    pub(crate) fn turn(&mut self) -> Result<Option<Url>, BankError> {
        let Some(page) = self.next.take() else {
            return Ok(None);
        };
        self.trail.step(&page)?;
        Ok(Some(page))
    }

    /// Notes where a page says the next one is.
    ///
    /// # Errors
    /// [`BankError::ForeignLink`] when it leaves the bank's own addresses.
    pub(crate) fn follow(&mut self, page: &Url, link: Option<&str>) -> Result<(), BankError> {
        self.next = link
            .map(|href| self.address.resolve(page, href))
            .transpose()?;
        Ok(())
    }
}

/// How much was read of one history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Volume {
    lines: usize,
    /// In bytes.
    text: usize,
}

impl Volume {
    pub(crate) fn add(&mut self, lines: &[FetchedTransaction]) {
        self.lines = self.lines.saturating_add(lines.len());
        let text: usize = lines.iter().map(text_of).sum();
        self.text = self.text.saturating_add(text);
    }
}

/// Refuses a history that grows beyond what any account has, in number or in length.
///
/// # Errors
/// [`BankError::Nonsense`].
pub(crate) fn within_reason(volume: Volume) -> Result<(), BankError> {
    if volume.lines > MAX_LINES || volume.text > MAX_TEXT {
        return Err(BankError::Nonsense {
            what: "more movements than an account can have",
        });
    }
    Ok(())
}

/// Refuses more accounts than a person can have: each may cost calls.
///
/// # Errors
/// [`BankError::Nonsense`].
pub(crate) fn few_enough(accounts: usize) -> Result<(), BankError> {
    if accounts > MAX_ACCOUNTS {
        return Err(BankError::Nonsense {
            what: "more accounts than a person can have",
        });
    }
    Ok(())
}

/// How long the texts of a movement are together, in bytes.
fn text_of(line: &FetchedTransaction) -> usize {
    let private = [
        Some(&line.label),
        line.counterparty.name.as_ref(),
        line.counterparty.iban.as_ref(),
        line.mandate_id.as_ref(),
        line.end_to_end_id.as_ref(),
    ];
    let public = [&line.creditor_id, &line.bank_transaction_code];
    let private = private.into_iter().flatten();
    let public = public.into_iter().flatten();
    private.map(|text| text.expose().len()).sum::<usize>() + public.map(String::len).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use passerelle_domain::money::Amount;
    use passerelle_domain::private::Private;
    use passerelle_domain::transaction::{BookingStatus, Counterparty};

    use super::*;

    fn line(label: &str) -> FetchedTransaction {
        FetchedTransaction {
            entry_reference: None,
            status: BookingStatus::Booked,
            booking_date: None,
            value_date: None,
            transaction_date: None,
            amount: Amount::eur(-100),
            label: Private::new(label),
            counterparty: Counterparty::default(),
            creditor_id: None,
            mandate_id: None,
            end_to_end_id: None,
            bank_transaction_code: None,
            balance_after: None,
        }
    }

    #[test]
    fn neither_many_movements_nor_long_ones_fill_our_memory() {
        // However it is cut into parts.
        let read = |parts: &[Vec<FetchedTransaction>]| {
            let mut volume = Volume::default();
            parts.iter().for_each(|part| volume.add(part));
            within_reason(volume)
        };
        assert!(read(&[vec![line("CB"); MAX_LINES]]).is_ok());
        assert!(read(&[vec![line(""); MAX_LINES], vec![line("")]]).is_err());
        let long = line(&"X".repeat(1024 * 1024));
        assert!(read(&[vec![long.clone(); 32]]).is_ok());
        assert!(read(&[vec![long.clone(); 32], vec![long; 33]]).is_err());
        assert!(few_enough(MAX_ACCOUNTS).is_ok() && few_enough(MAX_ACCOUNTS + 1).is_err());
    }
}
