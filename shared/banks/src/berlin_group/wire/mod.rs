//! The Berlin Group 1.3 wire, as banks really write it, and its meaning in our words.
//!
//! Only what is needed is read; unknown members are ignored, optional ones may have any shape.

pub(crate) mod accounts;
pub(crate) mod cards;
pub(crate) mod consents;
pub(crate) mod transactions;

use passerelle_domain::money::{Amount, Currency};
use passerelle_domain::private::Private;
use passerelle_domain::transaction::FetchedTransaction;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::BankError;
use crate::wire::{Link, LooseText, WireAmount};

/// A page of movements, of an account or of a card.
pub(crate) trait Report: DeserializeOwned {
    /// Where the next page is.
    fn next(&self) -> Option<&str>;

    /// Adds the page's movements.
    ///
    /// # Errors
    /// [`BankError::Nonsense`] when one of them cannot be read: none is ever left out.
    fn read_into(
        self,
        currency: Currency,
        lines: &mut Vec<FetchedTransaction>,
    ) -> Result<(), BankError>;
}

#[derive(Debug, Deserialize)]
struct PageLinks {
    #[serde(default)]
    next: Option<Link>,
}

/// The first link to a next page: the standard puts it inside the report, some banks beside it.
fn next_of(places: [&Option<PageLinks>; 2]) -> Option<&str> {
    places
        .into_iter()
        .flatten()
        .filter_map(|links| links.next.as_ref())
        .find_map(Link::href)
}

fn private(text: &LooseText) -> Option<Private> {
    text.text().map(Private::from)
}

/// Money that cannot be read is never left out: the whole answer is refused.
fn amount(wire: &WireAmount, currency: Currency) -> Result<Amount, BankError> {
    wire.read(currency).ok_or(BankError::Nonsense {
        what: "an amount cannot be read",
    })
}
