//! The same journey on another device: the short link and its QR code, and the page it opens.

use askama::Template;
use axum::response::Response;
use passerelle_domain::locale::Locale;
use passerelle_domain::private::Private;
use passerelle_runtime::pages::{Brand, Shell, Words, notice, page};
use qrcodegen::{QrCode, QrCodeEcc};

use super::words;

/// Light modules around the code, which readers need.
const QUIET_ZONE: i32 = 4;

/// The page that shows the short link. Its `Debug` does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// The language.
    pub locale: Locale,
    /// Whose customer reads it.
    pub brand: Brand,
    /// The short link, absolute.
    pub link: Private,
    /// Where asking for another posts to.
    pub again_at: String,
    /// The page the person came from.
    pub progress: String,
}

#[derive(Template)]
#[template(path = "elsewhere.html")]
struct View<'a> {
    words: Words<'static>,
    page: &'a Elsewhere,
    /// The link without `https://`, as one types it.
    typed: &'a str,
    code: Option<Drawing>,
}

/// A QR code as one path of unit squares.
struct Drawing {
    view_box: String,
    /// Edge of the whole picture, in modules.
    edge: i32,
    path: String,
}

impl Drawing {
    /// `None` when the text does not fit a code; it then stands there to be typed.
    fn of(text: &str) -> Option<Self> {
        let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
        let size = code.size();
        let squares = (0..size).flat_map(|y| (0..size).map(move |x| (x, y)));
        let path = squares
            .filter(|(x, y)| code.get_module(*x, *y))
            .map(|(x, y)| format!("M{x} {y}h1v1h-1z"))
            .collect();
        let edge = size + 2 * QUIET_ZONE;
        Some(Self {
            view_box: format!("-{QUIET_ZONE} -{QUIET_ZONE} {edge} {edge}"),
            edge,
            path,
        })
    }
}

impl Elsewhere {
    /// Renders it.
    #[must_use]
    pub fn page(&self) -> Response {
        let words = words(self.locale);
        let link = self.link.expose();
        let view = View {
            words,
            page: self,
            typed: link.strip_prefix("https://").unwrap_or(link),
            code: Drawing::of(link),
        };
        let title = words.text("elsewhere.title");
        page(&Shell::new(self.locale, title).branded(&self.brand), &view)
    }
}

/// The page a short link opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakeOver {
    /// The language.
    pub locale: Locale,
    /// Whose customer reads it.
    pub brand: Brand,
    /// Where "yes, here" posts to.
    pub take_at: String,
}

#[derive(Template)]
#[template(path = "take_over.html")]
struct TakeOverView<'a> {
    words: Words<'static>,
    page: &'a TakeOver,
    lead: String,
}

impl TakeOver {
    /// Renders it.
    #[must_use]
    pub fn page(&self) -> Response {
        let words = words(self.locale);
        let client = [("client", self.brand.name.as_str())];
        let view = TakeOverView {
            words,
            page: self,
            lead: words.fill("take-over.lead", &client),
        };
        let title = words.text("take-over.title");
        page(&Shell::new(self.locale, title).branded(&self.brand), &view)
    }
}

/// A short link that was used, is too old or was never given.
#[must_use]
pub fn handover_is_over(locale: Locale) -> Response {
    let words = words(locale);
    let (title, text) = (
        words.text("take-over.over.title"),
        words.text("take-over.over.text"),
    );
    notice(locale, title, text, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_is_within_its_box_and_has_the_three_corners() {
        let drawing = Drawing::of("https://passerelle.example/journey/to/ABCDE-FGHJK").unwrap();
        let far = drawing.edge - 2 * QUIET_ZONE - 7;
        for (x, y) in [(0, 0), (far, 0), (0, far)] {
            assert!(drawing.path.contains(&format!("M{x} {y}h1")), "{x} {y}");
        }
        assert!(
            drawing
                .path
                .chars()
                .all(|symbol| "Mhvz -0123456789".contains(symbol))
        );
    }

    #[test]
    fn a_text_too_long_for_a_code_is_left_to_be_typed() {
        assert!(Drawing::of(&"x".repeat(5000)).is_none());
    }
}
