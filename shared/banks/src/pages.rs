//! A list served in pages: each is reached by the link of the one before, replayed to the letter.

use url::Url;

use crate::error::BankError;
use crate::links::{BankAddress, Trail};

/// More movements than any account has in two years: beyond it somebody is filling our memory.
pub(crate) const MAX_LINES: usize = 200_000;

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

/// Refuses a list that grows beyond what any account has.
pub(crate) fn within_reason(lines: usize) -> Result<(), BankError> {
    if lines > MAX_LINES {
        return Err(BankError::Nonsense {
            what: "more movements than an account can have",
        });
    }
    Ok(())
}
