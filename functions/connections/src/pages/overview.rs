//! Every connection of the person's at one glance.

use askama::Template;
use axum::response::Response;
use passerelle_domain::{Date, Timestamp};
use passerelle_runtime::pages::Words;

use super::Frame;

/// Where a connection stands, as the person is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The first read is under way.
    Reading,
    /// Read, and refreshed at least once a day.
    Active {
        /// When the bank was last read.
        last_read: Timestamp,
    },
    /// Nothing is read until the person has been to the bank again.
    BankAsksAgain {
        /// Since when.
        since: Date,
    },
    /// The bank was reached and showed no account that can be used.
    NothingToRead,
    /// The person took it back.
    Withdrawn {
        /// When.
        on: Date,
        /// What becomes of what was read.
        erasure: Erasure,
    },
    /// Its time was up.
    Expired {
        /// When.
        on: Date,
        /// What becomes of what was read.
        erasure: Erasure,
    },
    /// The insurer ended it.
    Ended {
        /// When.
        on: Date,
        /// What becomes of what was read.
        erasure: Erasure,
    },
}

impl Standing {
    /// The stable code, which is the key of its words and its class on the page.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::Active { .. } => "active",
            Self::BankAsksAgain { .. } => "bank-asks-again",
            Self::NothingToRead => "nothing-to-read",
            Self::Withdrawn { .. } => "withdrawn",
            Self::Expired { .. } => "expired",
            Self::Ended { .. } => "ended",
        }
    }

    fn said(self, words: Words<'static>) -> String {
        let key = format!("standing.{}", self.code());
        let filled = |name, value: String| words.fill(&key, &[(name, value.as_str())]);
        match self {
            Self::Reading | Self::Active { .. } | Self::NothingToRead => {
                words.text(&key).to_owned()
            }
            Self::BankAsksAgain { since } => filled("since", words.date(since)),
            Self::Withdrawn { on, .. } | Self::Expired { on, .. } | Self::Ended { on, .. } => {
                filled("on", words.date(on))
            }
        }
    }

    /// What becomes of what was read, once it is over.
    fn erasure(self, words: Words<'static>) -> Option<String> {
        let (Self::Withdrawn { erasure, .. }
        | Self::Expired { erasure, .. }
        | Self::Ended { erasure, .. }) = self
        else {
            return None;
        };
        Some(match erasure {
            Erasure::Doing => words.text("standing.erasure.doing").to_owned(),
            Erasure::Done => words.text("standing.erasure.done").to_owned(),
            Erasure::On(day) => {
                let day = words.date(day);
                words.fill("standing.erasure.on", &[("on", day.as_str())])
            }
        })
    }
}

/// What becomes of what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Erasure {
    /// It is being erased.
    Doing,
    /// It is erased.
    Done,
    /// It lies sealed, shown to nobody, until this day.
    On(Date),
}

/// Since when and until when an agreement holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UntilWhen {
    /// The day it was given.
    pub(crate) granted: Date,
    /// The last day.
    pub(crate) until: Date,
}

/// One connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConnectionCard {
    /// The bank.
    pub(crate) bank_name: String,
    /// Where it stands.
    pub(crate) standing: Standing,
    /// Its dates, while it is allowed.
    pub(crate) until_when: Option<UntilWhen>,
    /// The titles of the purposes that are allowed.
    pub(crate) purposes: Vec<String>,
    /// The page of this connection.
    pub(crate) detail_at: String,
}

/// A connection in words.
pub(super) struct SaidCard<'a> {
    pub(super) bank_name: &'a str,
    pub(super) code: &'static str,
    pub(super) standing: String,
    pub(super) erasure: Option<String>,
    pub(super) facts: Vec<Fact>,
    pub(super) purposes: &'a [String],
    pub(super) detail: String,
    pub(super) detail_at: &'a str,
}

/// A name and a value.
pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) value: String,
}

impl ConnectionCard {
    pub(super) fn said(&self, words: Words<'static>) -> SaidCard<'_> {
        SaidCard {
            bank_name: &self.bank_name,
            code: self.standing.code(),
            standing: self.standing.said(words),
            erasure: self.standing.erasure(words),
            facts: self.facts(words),
            purposes: &self.purposes,
            detail: words.fill("overview.detail", &[("bank", self.bank_name.as_str())]),
            detail_at: &self.detail_at,
        }
    }

    fn facts(&self, words: Words<'static>) -> Vec<Fact> {
        let mut facts = Vec::new();
        let mut fact = |key: &str, value: String| {
            facts.push(Fact {
                name: words.text(key),
                value,
            });
        };
        if let Some(dates) = self.until_when {
            fact("card.granted", words.date(dates.granted));
            fact("card.until", words.date(dates.until));
        }
        if let Standing::Active { last_read } = self.standing {
            fact("card.last-read", words.moment(last_read));
            fact("card.next-read", words.text("card.within-a-day").to_owned());
        }
        facts
    }
}

/// The first page of a visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Overview {
    /// What surrounds it.
    pub(crate) frame: Frame,
    /// The connections, newest first.
    pub(crate) connections: Vec<ConnectionCard>,
    /// Where withdrawing all of them begins, while any is allowed.
    pub(crate) withdraw_all_at: Option<String>,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct View<'a> {
    words: Words<'static>,
    frame: &'a Frame,
    cards: Vec<SaidCard<'a>>,
    withdraw_all_at: Option<&'a str>,
    lead: String,
}

impl Overview {
    /// Renders it.
    pub(crate) fn page(&self) -> Response {
        let words = self.frame.words();
        let client = [("client", self.frame.brand.name.as_str())];
        let key = match self.connections.is_empty() {
            true => "overview.none",
            false => "overview.lead",
        };
        let view = View {
            words,
            frame: &self.frame,
            cards: self
                .connections
                .iter()
                .map(|card| card.said(words))
                .collect(),
            withdraw_all_at: self.withdraw_all_at.as_deref(),
            lead: words.fill(key, &client),
        };
        self.frame.show(words.text("overview.title"), &view)
    }
}
