//! What a client decides for its own people: name, colours, links, how long, in which languages, for
//! which purposes. Parsed once; what is stored is what was accepted.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::content_hash::ContentHash;
use crate::locale::Locale;
use crate::purpose::{Catalogue, Purpose};

const LONGEST_NAME: usize = 60;
const MOST_INSURER_NAMES: usize = 20;
const LONGEST_ADDRESS: usize = 512;
const LONGEST_CONTACT: usize = 120;
const LONGEST_CONSENT_DAYS: u16 = 180;
const DEFAULT_CONSENT_DAYS: u16 = 90;
/// Contrast normal text needs (WCAG 2.2, 1.4.3 AA).
const READABLE: f64 = 4.5;

/// A colour on which white text can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Accent([u8; 3]);

impl Accent {
    /// The contrast with white, from 1 to 21 (WCAG 2.2, definition of contrast ratio).
    #[must_use]
    pub fn contrast_with_white(self) -> f64 {
        let linear = |channel: u8| {
            let share = f64::from(channel) / 255.0;
            if share <= 0.04045 {
                share / 12.92
            } else {
                ((share + 0.055) / 1.055).powf(2.4)
            }
        };
        let [red, green, blue] = self.0.map(linear);
        1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)
    }
}

/// A colour nobody could read white text on, or no colour at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected `#rrggbb`, dark enough for white text (contrast 4.5)")]
pub struct InvalidAccent;

impl FromStr for Accent {
    type Err = InvalidAccent;

    fn from_str(text: &str) -> Result<Self, InvalidAccent> {
        let digits = text.strip_prefix('#').ok_or(InvalidAccent)?;
        let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if digits.len() != 6 || !hexadecimal {
            return Err(InvalidAccent);
        }
        let number = u32::from_str_radix(digits, 16).map_err(|_| InvalidAccent)?;
        let [_, red, green, blue] = number.to_be_bytes();
        let accent = Self([red, green, blue]);
        (accent.contrast_with_white() >= READABLE)
            .then_some(accent)
            .ok_or(InvalidAccent)
    }
}

impl fmt::Display for Accent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(formatter, "#{red:02x}{green:02x}{blue:02x}")
    }
}

impl TryFrom<String> for Accent {
    type Error = InvalidAccent;
    fn try_from(text: String) -> Result<Self, InvalidAccent> {
        text.parse()
    }
}

impl From<Accent> for String {
    fn from(accent: Accent) -> String {
        accent.to_string()
    }
}

/// An `https` address a person may be led to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HttpsAddress(String);

/// An address a person may not be led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an https address of at most 512 characters, without a user name")]
pub struct InvalidAddress;

impl HttpsAddress {
    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HttpsAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let rest = text.strip_prefix("https://").ok_or(InvalidAddress)?;
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let of_a_host =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':');
        let of_an_address = |byte: u8| {
            byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'\\')
        };
        let sound = host.contains('.')
            && host.bytes().all(of_a_host)
            && text.len() <= LONGEST_ADDRESS
            && text.bytes().all(of_an_address);
        sound.then(|| Self(text.to_owned())).ok_or(InvalidAddress)
    }
}

impl TryFrom<String> for HttpsAddress {
    type Error = InvalidAddress;
    fn try_from(text: String) -> Result<Self, InvalidAddress> {
        text.parse()
    }
}

impl From<HttpsAddress> for String {
    fn from(address: HttpsAddress) -> String {
        address.0
    }
}

/// A picture without scripts: never SVG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogoFormat {
    /// Portable Network Graphics.
    Png,
    /// WebP.
    Webp,
}

impl LogoFormat {
    /// The media type it is served as.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Webp => "image/webp",
        }
    }
}

/// The largest logo, in bytes.
pub const LARGEST_LOGO: usize = 32 * 1024;

/// A logo as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logo {
    /// What it is.
    pub format: LogoFormat,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Bytes that are no logo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a PNG or WebP picture of at most 32 KiB")]
pub struct InvalidLogo;

impl Logo {
    /// Reads a picture by what it begins with, not by what somebody calls it.
    ///
    /// # Errors
    /// [`InvalidLogo`].
    pub fn parse(bytes: Vec<u8>) -> Result<Self, InvalidLogo> {
        let png = bytes.starts_with(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR");
        let webp = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP".as_slice());
        let format = match (png, webp) {
            (true, _) => LogoFormat::Png,
            (_, true) => LogoFormat::Webp,
            _ => return Err(InvalidLogo),
        };
        match bytes.len() {
            0..=LARGEST_LOGO => Ok(Self { format, bytes }),
            _ => Err(InvalidLogo),
        }
    }

    /// How settings name it.
    #[must_use]
    pub fn reference(&self) -> LogoReference {
        LogoReference {
            format: self.format,
            hash: ContentHash::of(&self.bytes),
        }
    }
}

/// Which logo is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogoReference {
    /// What it is.
    pub format: LogoFormat,
    /// SHA-256 of its bytes.
    pub hash: ContentHash,
}

/// What a client decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantSettings {
    /// Grows with each change; 0 until the first.
    pub version: u64,
    /// The name people know it by; its id where it gave none.
    pub display_name: Option<String>,
    /// Shown on the pages.
    pub logo: Option<LogoReference>,
    /// The colour of buttons and links; the house's own where it gave none.
    pub accent: Option<Accent>,
    /// Its terms of use.
    pub terms_url: Option<HttpsAddress>,
    /// Its privacy policy.
    pub privacy_url: Option<HttpsAddress>,
    /// Where a person can ask: an e-mail address or an `https` address.
    pub contact: Option<String>,
    /// How long a consent lasts unless the request says less, in days.
    pub consent_days: u16,
    /// The languages it offers; the first is the one of a person who named none.
    pub locales: Vec<Locale>,
    /// Its purposes.
    pub catalogue: Catalogue,
    /// The names under which it collects premiums: a contract with any other is a competitor's.
    #[serde(default)]
    pub insurer_names: Vec<String>,
}

impl Default for TenantSettings {
    fn default() -> Self {
        Self {
            version: 0,
            display_name: None,
            logo: None,
            accent: None,
            terms_url: None,
            privacy_url: None,
            contact: None,
            consent_days: DEFAULT_CONSENT_DAYS,
            locales: vec![Locale::Fr, Locale::En],
            catalogue: Catalogue::standard(),
            insurer_names: Vec::new(),
        }
    }
}

/// Settings as a client sends them, before anything of them is believed. What is left out takes its
/// default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnverifiedSettings {
    /// See [`TenantSettings::display_name`].
    pub display_name: Option<String>,
    /// See [`TenantSettings::accent`].
    pub accent: Option<String>,
    /// See [`TenantSettings::terms_url`].
    pub terms_url: Option<String>,
    /// See [`TenantSettings::privacy_url`].
    pub privacy_url: Option<String>,
    /// See [`TenantSettings::contact`].
    pub contact: Option<String>,
    /// See [`TenantSettings::consent_days`].
    pub consent_days: Option<u16>,
    /// See [`TenantSettings::locales`].
    pub locales: Option<Vec<Locale>>,
    /// See [`TenantSettings::catalogue`]; the standard catalogue where it is left out.
    pub purposes: Option<Vec<Purpose>>,
    /// See [`TenantSettings::insurer_names`].
    pub insurer_names: Option<Vec<String>>,
}

/// What does not fit in settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsFault {
    /// Where, as a JSON pointer: `/purposes/0/code`.
    pub pointer: String,
    /// What would have been accepted.
    pub expected: String,
}

/// Collects what does not fit, so that a client reads all of it at once.
#[derive(Default)]
struct Faults(Vec<SettingsFault>);

impl Faults {
    fn add(&mut self, pointer: impl Into<String>, expected: impl ToString) {
        self.0.push(SettingsFault {
            pointer: pointer.into(),
            expected: expected.to_string(),
        });
    }

    fn parsed<T: FromStr<Err: fmt::Display>>(
        &mut self,
        pointer: &str,
        text: Option<String>,
    ) -> Option<T> {
        match text.map(|text| text.parse()).transpose() {
            Ok(value) => value,
            Err(error) => {
                self.add(pointer, error);
                None
            }
        }
    }

    fn checked(
        &mut self,
        pointer: &str,
        text: Option<String>,
        sound: fn(&str) -> bool,
        expected: &str,
    ) -> Option<String> {
        if text.as_deref().is_some_and(|text| !sound(text)) {
            self.add(pointer, expected);
        }
        text
    }
}

impl UnverifiedSettings {
    /// The settings that follow those before: the logo, sent on its own, stays.
    ///
    /// # Errors
    /// Everything that does not fit, each with its place.
    pub fn parse(self, before: &TenantSettings) -> Result<TenantSettings, Vec<SettingsFault>> {
        let mut faults = Faults::default();
        let locales = self.locales.unwrap_or_else(|| vec![Locale::Fr, Locale::En]);
        let twice = locales
            .iter()
            .enumerate()
            .any(|(index, locale)| locales.iter().skip(index + 1).any(|other| other == locale));
        if locales.is_empty() || twice {
            faults.add("/locales", "expected at least one language, each once");
        }
        let catalogue = match self.purposes {
            None => Catalogue::standard(),
            Some(purposes) => Catalogue::parse(purposes, &locales).unwrap_or_else(|wrong| {
                for fault in wrong {
                    faults.add(format!("/purposes{}", fault.pointer), fault.expected);
                }
                Catalogue::default()
            }),
        };
        let consent_days = self.consent_days.unwrap_or(DEFAULT_CONSENT_DAYS);
        if !(1..=LONGEST_CONSENT_DAYS).contains(&consent_days) {
            faults.add("/consent_days", "expected 1 to 180 days");
        }
        let insurer_names = self.insurer_names.unwrap_or_default();
        if insurer_names.len() > MOST_INSURER_NAMES {
            faults.add("/insurer_names", "expected at most 20 names");
        }
        for (index, name) in insurer_names.iter().enumerate() {
            if !is_name(name) {
                let pointer = format!("/insurer_names/{index}");
                faults.add(pointer, "expected 1 to 60 printable characters");
            }
        }
        let settings = TenantSettings {
            version: before.version.saturating_add(1),
            display_name: faults.checked(
                "/display_name",
                self.display_name,
                is_name,
                "expected 1 to 60 printable characters",
            ),
            logo: before.logo.clone(),
            accent: faults.parsed("/accent", self.accent),
            terms_url: faults.parsed("/terms_url", self.terms_url),
            privacy_url: faults.parsed("/privacy_url", self.privacy_url),
            contact: faults.checked(
                "/contact",
                self.contact,
                is_contact,
                "expected an e-mail address or an https address",
            ),
            consent_days,
            locales,
            catalogue,
            insurer_names,
        };
        match faults.0.is_empty() {
            true => Ok(settings),
            false => Err(faults.0),
        }
    }
}

fn is_name(text: &str) -> bool {
    let length = text.chars().count();
    (1..=LONGEST_NAME).contains(&length) && !text.chars().any(char::is_control)
}

fn is_contact(text: &str) -> bool {
    let mail = |text: &str| {
        let plain = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|byte| {
                    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'+')
                })
        };
        let parts = text.split_once('@');
        parts.is_some_and(|(name, host)| plain(name) && plain(host) && host.contains('.'))
    };
    text.len() <= LONGEST_CONTACT && (mail(text) || text.parse::<HttpsAddress>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn faults(settings: UnverifiedSettings) -> Vec<String> {
        let faults = settings.parse(&TenantSettings::default()).unwrap_err();
        faults.into_iter().map(|fault| fault.pointer).collect()
    }

    #[test]
    fn settings_left_out_are_the_defaults_of_the_next_version() {
        let parsed = UnverifiedSettings::default().parse(&TenantSettings::default());
        let expected = TenantSettings {
            version: 1,
            ..TenantSettings::default()
        };
        assert_eq!(parsed, Ok(expected));
    }

    #[test]
    fn everything_that_does_not_fit_is_told_at_once() {
        let text = |text: &str| Some(text.to_owned());
        let settings = UnverifiedSettings {
            display_name: text("a\u{0}"),
            accent: text("#ffff00"),
            terms_url: text("javascript:alert(1)"),
            privacy_url: text("https://user@example.com/"),
            contact: text("somewhere"),
            consent_days: Some(181),
            locales: Some(vec![Locale::Fr, Locale::Fr]),
            purposes: Some(Vec::new()),
            insurer_names: Some(vec!["MAIF".to_owned(), String::new()]),
        };
        let mut told = faults(settings);
        told.sort();
        assert_eq!(
            told,
            [
                "/accent",
                "/consent_days",
                "/contact",
                "/display_name",
                "/insurer_names/1",
                "/locales",
                "/privacy_url",
                "/purposes",
                "/terms_url"
            ]
        );
    }

    #[test]
    fn an_accent_is_one_white_text_can_be_read_on() {
        assert!("#000000".parse::<Accent>().unwrap().contrast_with_white() > 20.9);
        // #767676 is the lightest grey that passes, #777777 fails by a hair.
        assert!("#767676".parse::<Accent>().is_ok());
        assert_eq!("#777777".parse::<Accent>(), Err(InvalidAccent));
        assert_eq!("red".parse::<Accent>(), Err(InvalidAccent));
        assert_eq!("#é1é1".parse::<Accent>(), Err(InvalidAccent));
    }

    #[test]
    fn a_logo_is_known_by_its_bytes_and_svg_is_none() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR and so on".to_vec();
        assert_eq!(Logo::parse(png).unwrap().format, LogoFormat::Png);
        assert_eq!(
            Logo::parse(b"RIFF1234WEBPVP8 ".to_vec()).unwrap().format,
            LogoFormat::Webp
        );
        assert_eq!(Logo::parse(b"<svg onload=x>".to_vec()), Err(InvalidLogo));
        let mut large = b"RIFF1234WEBP".to_vec();
        large.resize(LARGEST_LOGO + 1, 0);
        assert_eq!(Logo::parse(large), Err(InvalidLogo));
    }

    proptest! {
        #[test]
        fn no_text_makes_parsing_panic_and_what_is_accepted_is_https(text in ".{0,80}") {
            let _ = text.parse::<Accent>();
            let _ = is_contact(&text);
            if let Ok(address) = text.parse::<HttpsAddress>() {
                prop_assert!(address.as_str().starts_with("https://"));
            }
        }

        #[test]
        fn an_accepted_accent_prints_as_it_was_written(number in 0_u32..0x0100_0000) {
            let text = format!("#{number:06x}");
            if let Ok(accent) = text.parse::<Accent>() {
                prop_assert_eq!(accent.to_string(), text);
            }
        }
    }
}
