//! How a journey ends, well or not: always with what happened and what can be done now.

use askama::Template;
use axum::response::Response;
use passerelle_domain::Date;
use passerelle_domain::connection::NoAccountReason;
use passerelle_domain::locale::Locale;
use passerelle_runtime::pages::{Brand, Shell, Words, page};

use super::words;

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Connected, read and analysed.
    Done {
        /// Accounts read.
        accounts: usize,
        /// Booked transactions read.
        transactions: usize,
        /// What the analysis came to.
        result: AnalysisResult,
        /// The last day of the access.
        until: Date,
    },
    /// The person said no, here or at the bank.
    Refused,
    /// The bank waited too long for the person.
    TimedOut,
    /// The bank did not answer or answered nonsense.
    BankUnavailable,
    /// The bank answered and holds nothing to work with.
    NoEligibleAccount(NoAccountReason),
    /// The link's time is up.
    LinkExpired,
    /// Everything was done before.
    AlreadyDone,
    /// The return was cut off half-way; the bank's code cannot be used again.
    Interrupted,
    /// The bank answered in another browser, and that was not confirmed where the journey began.
    NotConfirmed,
    /// The bank no longer answers without the person.
    BankAsksAgain,
    /// The agreement's time is up.
    ConsentExpired,
    /// The person took the agreement back.
    Withdrawn,
    /// The client ended the agreement.
    Ended,
}

/// What came of the analysis, for the last page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnalysisResult {
    /// The band of the first score, in words of the page's language.
    Band(String),
    /// The history is too short for a score.
    TooShort,
    /// No purpose that was granted lets a score be computed.
    NotAsked,
}

impl Ending {
    fn key(&self) -> &'static str {
        match self {
            Self::Done { .. } => "done",
            Self::Refused => "refused",
            Self::TimedOut => "timed-out",
            Self::BankUnavailable => "bank-unavailable",
            Self::NoEligibleAccount(NoAccountReason::NoAccount) => "no-account",
            Self::NoEligibleAccount(NoAccountReason::CurrencyNotSupported) => "currency",
            Self::NoEligibleAccount(NoAccountReason::NoPaymentAccount) => "no-payment-account",
            Self::LinkExpired => "link-expired",
            Self::AlreadyDone => "already-done",
            Self::Interrupted => "interrupted",
            Self::NotConfirmed => "not-confirmed",
            Self::BankAsksAgain => "bank-asks-again",
            Self::ConsentExpired => "consent-expired",
            Self::Withdrawn => "withdrawn",
            Self::Ended => "ended",
        }
    }
}

/// The last page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndingPage {
    /// The language.
    pub locale: Locale,
    /// Whose customer reads it.
    pub brand: Brand,
    /// The bank's name, where one was chosen.
    pub bank_name: Option<String>,
    /// How it ended.
    pub ending: Ending,
    /// Where starting again leads, where that makes sense.
    pub again_at: Option<String>,
    /// The insurer's own page to return to, where it gave one.
    pub return_to: Option<String>,
}

#[derive(Template)]
#[template(path = "ending.html")]
struct View<'a> {
    words: Words<'static>,
    page: &'a EndingPage,
    text: String,
    facts: Vec<Fact>,
    back: String,
}

struct Fact {
    name: &'static str,
    value: String,
}

impl EndingPage {
    /// Renders it.
    #[must_use]
    pub fn page(&self) -> Response {
        let words = words(self.locale);
        let bank = self.bank_name.as_deref();
        let names = [
            ("client", self.brand.name.as_str()),
            ("bank", bank.unwrap_or(words.text("ending.your-bank"))),
        ];
        let key = self.ending.key();
        let view = View {
            words,
            page: self,
            text: words.fill(&format!("ending.{key}.text"), &names),
            facts: self.facts(words),
            back: words.fill("ending.back", &names),
        };
        let title = words.fill(&format!("ending.{key}.title"), &names);
        page(&Shell::new(self.locale, &title).branded(&self.brand), &view)
    }

    fn facts(&self, words: Words<'static>) -> Vec<Fact> {
        let Ending::Done {
            accounts,
            transactions,
            result,
            until,
        } = &self.ending
        else {
            return Vec::new();
        };
        let fact = |name, value| Fact {
            name: words.text(name),
            value,
        };
        let result = match result {
            AnalysisResult::Band(band) => Some(band.clone()),
            AnalysisResult::TooShort => Some(words.text("ending.done.no-band").to_owned()),
            AnalysisResult::NotAsked => None,
        };
        let read = fact(
            "ending.done.read",
            format!(
                "{}, {}",
                words.count("ending.done.accounts", *accounts),
                words.count("ending.done.transactions", *transactions)
            ),
        );
        let result = result.map(|result| fact("ending.done.result", result));
        let until = fact("ending.done.until", words.date(*until));
        [Some(read), result, Some(until)]
            .into_iter()
            .flatten()
            .collect()
    }
}
