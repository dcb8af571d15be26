//! The insurer's colour, as a stylesheet of its own: `GET /assets/theme/{rrggbb}.css`.
//!
//! The strict content policy allows no style inside a page, so the colour is in the address. What is
//! served is computed from that address alone: nothing is looked up, nothing about a client is told,
//! and the answer can be kept for ever. A colour too pale to be read on white is not served at all.

use std::str::FromStr;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use super::{CSS_TYPE, KEPT_FOR_EVER};
use crate::problem::Problem;

/// Least contrast of text with its ground (WCAG 2.2, 1.4.3).
const READABLE: f64 = 4.5;

const WHITE: Colour = Colour([0xff, 0xff, 0xff]);
const BLACK: Colour = Colour([0, 0, 0]);
/// `--sheet` of the dark scheme in `style.css`.
const DARK_SHEET: Colour = Colour([0x1b, 0x23, 0x26]);

/// An sRGB colour, `rrggbb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Colour([u8; 3]);

/// Text that is no `rrggbb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NotAColour;

impl FromStr for Colour {
    type Err = NotAColour;

    fn from_str(text: &str) -> Result<Self, NotAColour> {
        let mut channels = [0; 3];
        hex::decode_to_slice(text, &mut channels).map_err(|_| NotAColour)?;
        Ok(Self(channels))
    }
}

impl Colour {
    /// WCAG's relative luminance: 0 for black, 1 for white.
    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let share = f64::from(channel) / 255.0;
            match share <= 0.040_45 {
                true => share / 12.92,
                false => ((share + 0.055) / 1.055).powf(2.4),
            }
        };
        let [red, green, blue] = self.0.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// `percent` of another colour mixed in.
    fn mixed(self, other: Self, percent: u16) -> Self {
        let share = percent.min(100);
        let mut mixed = self.0;
        for (here, there) in mixed.iter_mut().zip(other.0) {
            let sum = u16::from(*here) * (100 - share) + u16::from(there) * share;
            *here = u8::try_from(sum / 100).unwrap_or(u8::MAX);
        }
        Self(mixed)
    }

    /// The colour, lightened until it is read on a dark sheet.
    fn for_the_dark(self) -> Self {
        let lighter = (0..=100).step_by(5).map(|share| self.mixed(WHITE, share));
        let mut readable = lighter.filter(|colour| colour.contrast(DARK_SHEET) >= READABLE + 1.0);
        readable.next().unwrap_or(WHITE)
    }

    /// Black or white, whichever is read better on it.
    fn ink(self) -> Self {
        match self.contrast(WHITE) >= self.contrast(BLACK) {
            true => WHITE,
            false => BLACK,
        }
    }

    fn css(self) -> String {
        format!("#{}", hex::encode(self.0))
    }
}

/// Where the stylesheet of a colour (`rrggbb`) is served.
#[must_use]
pub fn theme_address(colour: &str) -> String {
    format!("/assets/theme/{colour}.css")
}

pub(super) async fn serve(Path(file): Path<String>) -> Response {
    let colour = file.strip_suffix(".css").and_then(|text| text.parse().ok());
    match colour.filter(|colour: &Colour| colour.contrast(WHITE) >= READABLE) {
        Some(accent) => (
            [(CONTENT_TYPE, CSS_TYPE), (CACHE_CONTROL, KEPT_FOR_EVER)],
            stylesheet(accent),
        )
            .into_response(),
        None => Problem::not_found().into_response(),
    }
}

fn stylesheet(accent: Colour) -> String {
    let light = scheme(accent, accent.mixed(BLACK, 30), accent.mixed(WHITE, 92));
    let pale = accent.for_the_dark();
    let dark = scheme(pale, pale.mixed(WHITE, 45), pale.mixed(DARK_SHEET, 86));
    format!(":root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}")
}

fn scheme(accent: Colour, strong: Colour, wash: Colour) -> String {
    format!(
        "--accent:{};--accent-strong:{};--on-accent:{};--wash:{}",
        accent.css(),
        strong.css(),
        accent.ink().css(),
        wash.css()
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn contrast_is_what_wcag_says_it_is() {
        assert!((BLACK.contrast(WHITE) - 21.0).abs() < 0.01);
        let grey: Colour = "767676".parse().unwrap();
        assert!((grey.contrast(WHITE) - 4.54).abs() < 0.01);
    }

    #[test]
    fn what_is_no_colour_is_none() {
        for text in ["", "fff", "#0b5a54", "0b5a5g", "0b5a54ff", "0b5a54}*{"] {
            assert_eq!(text.parse::<Colour>(), Err(NotAColour), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_colour_read_on_white_is_read_in_both_schemes(channels: [u8; 3]) {
            let accent = Colour(channels);
            prop_assume!(accent.contrast(WHITE) >= READABLE);
            let pale = accent.for_the_dark();
            prop_assert!(pale.contrast(DARK_SHEET) >= READABLE);
            for ground in [accent, accent.mixed(BLACK, 30), pale, pale.mixed(WHITE, 45)] {
                prop_assert!(ground.contrast(ground.ink()) >= READABLE);
            }
            prop_assert!(accent.contrast(accent.mixed(WHITE, 92)) >= 3.0);
        }
    }
}
