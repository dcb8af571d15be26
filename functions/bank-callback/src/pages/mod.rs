//! What a browser shows that was at the bank while the journey runs in another one.
//!
//! Every page is a struct with what it needs and a `page()` that renders it; the words come from
//! `messages/<language>.toml`.

use std::sync::LazyLock;

use askama::Template;
use axum::response::Response;
use passerelle_domain::locale::Locale;
use passerelle_runtime::pages::{Brand, Messages, Shell, Words, page};

static MESSAGES: LazyLock<Messages> = LazyLock::new(|| {
    Messages::compiled(&[
        (Locale::Fr, include_str!("messages/fr.toml")),
        (Locale::En, include_str!("messages/en.toml")),
    ])
});

/// The code that is typed where the journey began, under who asks for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Returned {
    /// The language of the journey.
    pub(crate) locale: Locale,
    /// The name the customer knows, and its face.
    pub(crate) brand: Brand,
    /// The insurer behind it, where that has another name.
    pub(crate) insurer: Option<String>,
    /// The bank that has just agreed.
    pub(crate) bank_name: String,
    /// What was ticked before the bank.
    pub(crate) purposes: Vec<String>,
    /// The code, in two halves.
    pub(crate) code: String,
    /// Which attempt is meant when the person says that it was not them.
    pub(crate) attempt: String,
    /// Where that posts to.
    pub(crate) refuse_at: String,
}

#[derive(Template)]
#[template(path = "returned.html")]
struct ReturnedView<'a> {
    words: Words<'static>,
    page: &'a Returned,
    lead: String,
    insurer: Option<String>,
}

impl Returned {
    /// Renders it.
    pub(crate) fn page(&self) -> Response {
        let words = MESSAGES.words(self.locale);
        let names = [
            ("bank", self.bank_name.as_str()),
            ("client", self.brand.name.as_str()),
        ];
        let insurer = self.insurer.as_deref();
        let view = ReturnedView {
            words,
            page: self,
            lead: words.fill("returned.lead", &names),
            insurer: insurer.map(|name| words.fill("returned.insurer", &[("insurer", name)])),
        };
        let title = words.fill("returned.title", &names);
        page(&Shell::new(self.locale, &title).branded(&self.brand), &view)
    }
}

/// What the browser that was at the bank learns in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing came of the return.
    NothingConnected,
    /// The code was typed before: the access stands.
    Connected {
        /// Who can end it.
        client: String,
    },
}

/// The end of a return in another browser than the one that began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TurnedAway {
    /// The language.
    pub(crate) locale: Locale,
    /// Whose journey it was, while that is known.
    pub(crate) brand: Option<Brand>,
    /// How it ended.
    pub(crate) outcome: Outcome,
}

#[derive(Template)]
#[template(path = "turned_away.html")]
struct TurnedAwayView {
    paragraphs: [String; 3],
}

impl TurnedAway {
    /// Renders it.
    pub(crate) fn page(&self) -> Response {
        let words = MESSAGES.words(self.locale);
        let (kind, client) = match &self.outcome {
            Outcome::NothingConnected => ("turned-away", ""),
            Outcome::Connected { client } => ("confirmed-before", client.as_str()),
        };
        let names = [("client", client)];
        let fill = |part: &str| words.fill(&format!("{kind}.{part}"), &names);
        let shell = Shell::new(self.locale, words.text(&format!("{kind}.title")));
        let view = TurnedAwayView {
            paragraphs: ["text", "again", "close"].map(fill),
        };
        match &self.brand {
            Some(brand) => page(&shell.branded(brand), &view),
            None => page(&shell, &view),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use futures::executor::block_on;

    use super::*;

    const HOSTILE: &str = "<script>alert('x')</script>\"&";

    fn html(response: Response) -> String {
        let body = block_on(to_bytes(response.into_body(), usize::MAX)).unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[test]
    fn both_languages_say_the_same_things() {
        assert_eq!(MESSAGES.differences(), Vec::<String>::new());
    }

    #[test]
    fn the_browser_that_was_at_the_bank_reads_who_asks_for_what_before_it_sees_the_code() {
        for locale in [Locale::Fr, Locale::En] {
            let brand = Brand {
                name: "Mutuelle des Deux Rives".to_owned(),
                ..Brand::default()
            };
            let page = Returned {
                locale,
                brand: brand.clone(),
                insurer: Some("Assurances du Pont".to_owned()),
                bank_name: "Banque du Quai".to_owned(),
                purposes: vec!["Prepare a quote".to_owned(), HOSTILE.to_owned()],
                code: "K7QF-2M9X".to_owned(),
                attempt: "0".repeat(64),
                refuse_at: "/v1/callback/bank/not-me".to_owned(),
            };
            let text = html(page.page());
            assert!(!text.contains('⟦') && !text.contains("<script"), "{text}");
            let place = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part}: {text}"));
            let code = place("K7QF-2M9X");
            for named in [
                "Mutuelle des Deux Rives",
                "Assurances du Pont",
                "Banque du Quai",
                "Prepare a quote",
            ] {
                assert!(place(named) < code, "{named}");
            }
            let connected = Outcome::Connected {
                client: brand.name.clone(),
            };
            for outcome in [Outcome::NothingConnected, connected] {
                let away = TurnedAway {
                    locale,
                    brand: Some(brand.clone()),
                    outcome,
                };
                let text = html(away.page());
                assert!(!text.contains('⟦') && !text.contains('{'), "{text}");
            }
        }
    }
}
