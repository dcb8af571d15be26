//! What happens after the bank, step by step, as it happens.

use askama::Template;
use axum::response::Response;
use passerelle_domain::locale::Locale;
use passerelle_domain::private::Private;
use passerelle_runtime::pages::{Brand, NextLook, Shell, Words, page};

use super::words;

/// How far one step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    /// Over.
    Done,
    /// Going on now.
    Doing,
    /// Not begun.
    Waiting,
}

impl StepState {
    fn code(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Doing => "doing",
            Self::Waiting => "waiting",
        }
    }
}

/// The real steps of a first synchronisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    /// The bank agreed.
    pub connected: StepState,
    /// The accounts are read.
    pub accounts: StepState,
    /// The transactions are read.
    pub transactions: StepState,
    /// The score is computed.
    pub analysed: StepState,
}

/// The page a person waits on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The language.
    pub locale: Locale,
    /// Whose customer reads it.
    pub brand: Brand,
    /// The bank.
    pub bank_name: String,
    /// How far each step is.
    pub steps: Steps,
    /// Whether the bank's answer is waited for, and not our own work.
    pub at_bank: bool,
    /// Whether it takes longer than usual: then the page says what to do.
    pub takes_long: bool,
    /// When the page looks again by itself, if it does. A person can stop that (WCAG 2.2.1, 2.2.2).
    pub next_look: Option<NextLook>,
    /// This page, looking again by itself from now on.
    pub refreshing_at: String,
    /// This page, standing still.
    pub still_at: String,
    /// Where asking for a short link to another device posts to, in the browser that may offer it.
    pub elsewhere_at: Option<String>,
    /// Where having a return carried on posts to, with the journey's token: in the browser that left for
    /// the bank, when the bank may have decided.
    pub carry_on: Option<(String, Private)>,
    /// In how many minutes another browser than the one that left for the bank can begin anew.
    pub free_in: Option<usize>,
}

#[derive(Template)]
#[template(path = "progress.html")]
struct View<'a> {
    words: Words<'static>,
    page: &'a Progress,
    lead: &'static str,
    /// When the page looks again by itself, in words.
    refreshes: Option<String>,
    steps: [Step; 4],
    free: Option<String>,
}

struct Step {
    code: &'static str,
    name: &'static str,
    state: &'static str,
}

impl Step {
    fn new(words: Words<'static>, name: &str, state: StepState) -> Self {
        let code = state.code();
        Self {
            code,
            name: words.text(&format!("progress.step.{name}")),
            state: words.text(&format!("progress.state.{code}")),
        }
    }
}

impl Progress {
    /// Renders it.
    #[must_use]
    pub fn page(&self) -> Response {
        let words = words(self.locale);
        let steps = &self.steps;
        let refreshes = self.next_look.as_ref().map(|next| {
            let seconds = next.after_seconds().to_string();
            words.fill("progress.refreshes", &[("seconds", &seconds)])
        });
        let view = View {
            words,
            refreshes,
            page: self,
            lead: words.text(match self.at_bank {
                true => "progress.lead-at-bank",
                false => "progress.lead",
            }),
            steps: [
                Step::new(words, "connected", steps.connected),
                Step::new(words, "accounts", steps.accounts),
                Step::new(words, "transactions", steps.transactions),
                Step::new(words, "analysed", steps.analysed),
            ],
            free: self
                .free_in
                .map(|minutes| words.count("progress.free", minutes)),
        };
        let title = match self.at_bank {
            true => "progress.title-at-bank",
            false => "progress.title",
        };
        let title = words.fill(title, &[("bank", &self.bank_name)]);
        let shell = Shell::new(self.locale, &title).branded(&self.brand);
        page(&shell.refreshing(self.next_look.as_ref()), &view)
    }
}
