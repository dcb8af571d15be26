//! The hosted journey, page by page: what each shows, and nothing about when it is shown.
//!
//! Every page is a struct with what it needs and a `page()` that renders it. All addresses are given;
//! the words come from `messages/<language>.toml`. How a page leaves for the bank is told in
//! [`passerelle_runtime::pages`].

mod at_bank;
mod bank_choice;
mod confirm;
mod elsewhere;
mod ending;
mod progress;
mod purposes;
mod reassurance;

use std::sync::LazyLock;

use passerelle_domain::locale::Locale;
use passerelle_runtime::pages::{Messages, Words};

pub use at_bank::{AtBank, Way};
pub use bank_choice::{BankChoice, BankRow, Today};
pub use confirm::Confirm;
pub use elsewhere::{Elsewhere, TakeOver, handover_is_over};
pub use ending::{AnalysisResult, Ending, EndingPage};
pub use progress::{Progress, StepState, Steps};
pub use purposes::{PurposeSwitch, Purposes, PurposesError};
pub use reassurance::{Aisp, Reassurance};

const FRENCH: &str = include_str!("messages/fr.toml");
const ENGLISH: &str = include_str!("messages/en.toml");

static MESSAGES: LazyLock<Messages> =
    LazyLock::new(|| Messages::compiled(&[(Locale::Fr, FRENCH), (Locale::En, ENGLISH)]));

/// All words of the pages in a language: what is kept as the text a person was led by.
pub(crate) fn words_document(locale: Locale) -> &'static str {
    match locale {
        Locale::Fr => FRENCH,
        Locale::En => ENGLISH,
    }
}

fn words(locale: Locale) -> Words<'static> {
    MESSAGES.words(locale)
}

#[cfg(test)]
mod gallery;
