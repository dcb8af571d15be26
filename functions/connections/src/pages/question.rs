//! "Are you sure?", with what will happen, before anything is taken back.

use askama::Template;
use axum::response::Response;
use passerelle_runtime::pages::Words;

use super::Frame;

/// What is to be taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    /// One purpose, while others stay.
    Purpose {
        /// Its title.
        title: String,
    },
    /// The only purpose left: the connection ends with it.
    LastPurpose {
        /// Its title.
        title: String,
    },
    /// A connection.
    Connection,
    /// Every connection.
    Everything,
}

impl Subject {
    fn key(&self) -> &'static str {
        match self {
            Self::Purpose { .. } => "question.purpose",
            Self::LastPurpose { .. } => "question.last-purpose",
            Self::Connection => "question.connection",
            Self::Everything => "question.everything",
        }
    }

    fn title(&self) -> &str {
        match self {
            Self::Purpose { title } | Self::LastPurpose { title } => title,
            Self::Connection | Self::Everything => "",
        }
    }

    /// What will happen, in the order in which it does.
    fn consequences(&self) -> &'static [&'static str] {
        match self {
            Self::Purpose { .. } => &["stops", "others-stay", "only-for-it", "told"],
            Self::LastPurpose { .. } | Self::Connection | Self::Everything => {
                &["no-more-reads", "key", "bank", "told", "receipt"]
            }
        }
    }
}

/// The page on which a person says yes a second time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    /// What surrounds it.
    pub(crate) frame: Frame,
    /// What is to be taken back.
    pub(crate) subject: Subject,
    /// The banks it is about.
    pub(crate) banks: Vec<String>,
    /// Where "yes" posts to.
    pub(crate) do_at: String,
    /// Where "no" leads.
    pub(crate) keep_at: String,
}

#[derive(Template)]
#[template(path = "question.html")]
struct View<'a> {
    words: Words<'static>,
    page: &'a Question,
    lead: String,
    consequences: Vec<String>,
    yes: String,
}

impl Question {
    /// Renders it.
    pub(crate) fn page(&self) -> Response {
        let (words, key) = (self.frame.words(), self.subject.key());
        let banks = self.banks.join(", ");
        let values = [
            ("client", self.frame.brand.name.as_str()),
            ("purpose", self.subject.title()),
            ("bank", banks.as_str()),
        ];
        let happens = self.subject.consequences().iter();
        let view = View {
            words,
            page: self,
            lead: words.fill(&format!("{key}.lead"), &values),
            consequences: happens
                .map(|what| words.fill(&format!("question.happens.{what}"), &values))
                .collect(),
            yes: words.fill(&format!("{key}.yes"), &values),
        };
        let title = words.fill(&format!("{key}.title"), &values);
        self.frame.show(&title, &view)
    }
}
