//! The last page of ours before the bank.

use askama::Template;
use axum::response::Response;
use passerelle_domain::locale::Locale;
use passerelle_domain::private::Private;
use passerelle_runtime::pages::{Brand, Shell, Words, page};

use super::words;

/// Where the person decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// On the bank's page.
    ThePage {
        /// Its host, so that the person can compare it with the address bar.
        host: String,
    },
    /// On another device of theirs, the bank's application for one.
    AnotherDevice {
        /// What the bank wants them to be told.
        message: Option<Private>,
    },
}

/// The page that leads to the bank. A link and not a form: see [`passerelle_runtime::pages`].
#[derive(Clone, PartialEq, Eq)]
pub struct AtBank {
    /// The language.
    pub locale: Locale,
    /// Whose customer reads it.
    pub brand: Brand,
    /// The bank.
    pub bank_name: String,
    /// What was ticked, in the words that were read.
    pub purposes: Vec<String>,
    /// Where the person decides.
    pub way: Way,
    /// The bank's address with everything it needs. Secret: it carries the `state`.
    pub href: String,
    /// Where asking for a fresh link posts to.
    pub ask_again_at: String,
    /// Where asking for a short link to another device posts to.
    pub elsewhere_at: String,
    /// Where to choose another bank.
    pub other_bank: String,
    /// The page that shows how far things are, for who comes back by another way.
    pub progress: String,
}

impl std::fmt::Debug for AtBank {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("AtBank")
            .field("way", &self.way)
            .finish_non_exhaustive()
    }
}

#[derive(Template)]
#[template(path = "at_bank.html")]
struct View<'a> {
    words: Words<'static>,
    page: &'a AtBank,
    /// What happens, in order.
    steps: [&'static str; 3],
    leave: String,
    note: String,
    agreed: String,
}

impl AtBank {
    /// Renders it.
    #[must_use]
    pub fn page(&self) -> Response {
        let words = words(self.locale);
        let bank = [("bank", self.bank_name.as_str())];
        let client = [("client", self.brand.name.as_str())];
        let agreed = words.fill("at-bank.agreed", &client);
        let view = match &self.way {
            Way::ThePage { host } => View {
                words,
                page: self,
                steps: ["at-bank.login", "at-bank.accounts", "at-bank.return"]
                    .map(|key| words.text(key)),
                leave: words.fill("at-bank.leave", &bank),
                note: words.fill("at-bank.host", &[("host", host)]),
                agreed,
            },
            Way::AnotherDevice { message } => View {
                words,
                page: self,
                steps: ["at-device.open", "at-device.decide", "at-device.return"]
                    .map(|key| words.text(key)),
                leave: words.fill("at-device.go-on", &bank),
                note: message
                    .as_ref()
                    .map(|text| text.expose().to_owned())
                    .unwrap_or_default(),
                agreed,
            },
        };
        let title = words.fill("at-bank.title", &bank);
        page(&Shell::new(self.locale, &title).branded(&self.brand), &view)
    }
}
