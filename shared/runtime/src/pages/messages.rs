//! What pages say, in every language: one TOML file per language, compiled in.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use passerelle_domain::locale::Locale;

/// The texts of a set of pages, by language and key.
#[derive(Debug, Clone, Default)]
pub struct Messages(BTreeMap<Locale, BTreeMap<String, String>>);

impl Messages {
    /// Reads the files. Tables nest: `[ending.done] title = …` is `ending.done.title`.
    ///
    /// A file that is not TOML gives no texts, and [`Messages::differences`] then names all of them:
    /// call it in a test.
    #[must_use]
    pub fn compiled(files: &[(Locale, &str)]) -> Self {
        let read = |file: &str| {
            let mut texts = BTreeMap::new();
            let table: toml::Table = toml::from_str(file).unwrap_or_default();
            flatten("", &table, &mut texts);
            texts
        };
        Self(
            files
                .iter()
                .map(|(locale, file)| (*locale, read(file)))
                .collect(),
        )
    }

    /// The texts in one language.
    #[must_use]
    pub fn words(&self, locale: Locale) -> Words<'_> {
        Words {
            messages: self,
            locale,
        }
    }

    /// Where languages differ: a key or a placeholder that one has and another has not.
    #[must_use]
    pub fn differences(&self) -> Vec<String> {
        let said: BTreeSet<_> = self.0.values().flat_map(placeholders_by_key).collect();
        let mut differences = Vec::new();
        for (locale, texts) in &self.0 {
            let here: BTreeSet<_> = placeholders_by_key(texts).collect();
            for (key, placeholder) in said.difference(&here) {
                differences.push(format!("{}: {key} {placeholder}", locale.tag()));
            }
        }
        if said.is_empty() {
            differences.push("no text at all".to_owned());
        }
        differences
    }

    fn find(&self, locale: Locale, key: &str) -> Option<&str> {
        self.0.get(&locale)?.get(key).map(String::as_str)
    }
}

fn flatten(prefix: &str, table: &toml::Table, texts: &mut BTreeMap<String, String>) {
    for (name, value) in table {
        let key = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        match value {
            toml::Value::String(text) => {
                texts.insert(key, text.trim().to_owned());
            }
            toml::Value::Table(table) => flatten(&key, table, texts),
            // A number or a list is no text: it is missing, and the pages show its key.
            _ => {}
        }
    }
}

/// Every key with each of its placeholders, and once with none.
fn placeholders_by_key(
    texts: &BTreeMap<String, String>,
) -> impl Iterator<Item = (String, String)> + '_ {
    texts.iter().flat_map(|(key, text)| {
        let placeholders = text
            .split('{')
            .skip(1)
            .filter_map(|rest| rest.split('}').next());
        placeholders
            .chain([""])
            .map(|placeholder| (key.clone(), placeholder.to_owned()))
    })
}

/// The texts in one language.
#[derive(Debug, Clone, Copy)]
pub struct Words<'a> {
    messages: &'a Messages,
    locale: Locale,
}

impl<'a> Words<'a> {
    /// The language.
    #[must_use]
    pub fn locale(&self) -> Locale {
        self.locale
    }

    /// The language as in `<html lang="…">`.
    #[must_use]
    pub fn tag(&self) -> &'static str {
        self.locale.tag()
    }

    /// A text. French where the language lacks it; where French does too, a mark that no page may
    /// show (tests look for `⟦`).
    #[must_use]
    pub fn text(&self, key: &str) -> &'a str {
        self.messages
            .find(self.locale, key)
            .or_else(|| self.messages.find(Locale::Fr, key))
            .unwrap_or("⟦text missing⟧")
    }

    /// A text with its placeholders filled: `{bank}` by `("bank", name)`. What is filled in is never
    /// read for placeholders again.
    #[must_use]
    pub fn fill(&self, key: &str, values: &[(&str, &str)]) -> String {
        let mut filled = String::new();
        let mut rest = self.text(key);
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let Some((name, remaining)) = after.split_once('}') else {
                rest = after;
                break;
            };
            let value = values.iter().find(|(known, _)| *known == name);
            filled.push_str(value.map_or("⟦value missing⟧", |(_, value)| value));
            rest = remaining;
        }
        filled.push_str(rest);
        filled
    }

    /// A text that depends on a number: `<key>.one` or `<key>.other`, with `{count}`. Zero is singular
    /// in French, plural in English.
    #[must_use]
    pub fn count(&self, key: &str, count: usize) -> String {
        let singular = match self.locale {
            Locale::Fr => count < 2,
            Locale::En => count == 1,
        };
        let form = if singular { "one" } else { "other" };
        self.fill(&format!("{key}.{form}"), &[("count", &self.number(count))])
    }

    /// A whole number with its thousands apart: `1 284` (a narrow no-break space), `1,284`.
    #[must_use]
    pub fn number(&self, number: usize) -> String {
        let separator = match self.locale {
            Locale::Fr => '\u{202f}',
            Locale::En => ',',
        };
        let digits = number.to_string();
        let mut grouped = String::new();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                grouped.push(separator);
            }
            grouped.push(digit);
        }
        grouped
    }

    /// A date in full: `1er mars 2027`, `1 March 2027`.
    #[must_use]
    pub fn date(&self, date: Date) -> String {
        let shared = super::words(self.locale);
        let month = shared.text(&format!("month.{}", date.month()));
        let day = match (self.locale, date.day()) {
            (Locale::Fr, 1) => "1er".to_owned(),
            (_, day) => day.to_string(),
        };
        format!("{day} {month} {}", date.year())
    }

    /// A moment to the minute, in UTC and saying so: `1 March 2027 at 09:05 (UTC)`.
    #[must_use]
    pub fn moment(&self, moment: Timestamp) -> String {
        let utc = moment.to_zoned(TimeZone::UTC);
        let date = self.date(utc.date());
        let time = match self.locale {
            Locale::Fr => format!("{} h {:02}", utc.hour(), utc.minute()),
            Locale::En => format!("{:02}:{:02}", utc.hour(), utc.minute()),
        };
        super::words(self.locale).fill("moment", &[("date", &date), ("time", &time)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_value_with_braces_stays_as_it_is() {
        let messages = Messages::compiled(&[(Locale::Fr, "hello = \"Bonjour {name} !\"")]);
        let words = messages.words(Locale::En);
        assert_eq!(
            words.fill("hello", &[("name", "{name}")]),
            "Bonjour {name} !"
        );
    }

    #[test]
    fn a_missing_key_and_a_missing_placeholder_are_differences() {
        let messages = Messages::compiled(&[
            (Locale::Fr, "a = \"{x}\"\nb = \"b\""),
            (Locale::En, "a = \"x\""),
        ]);
        assert_eq!(messages.differences(), ["en: a x", "en: b "]);
    }

    #[test]
    fn thousands_are_set_apart() {
        let english = super::super::words(Locale::En);
        assert_eq!(
            [7, 284, 1_284, 1_234_567].map(|n| english.number(n)),
            ["7", "284", "1,284", "1,234,567"]
        );
        assert_eq!(
            super::super::words(Locale::Fr).number(1_284),
            "1\u{202f}284"
        );
    }

    #[test]
    fn dates_are_written_as_people_write_them() {
        let day = date(2027, 3, 1);
        assert_eq!(super::super::words(Locale::Fr).date(day), "1er mars 2027");
        assert_eq!(super::super::words(Locale::En).date(day), "1 March 2027");
    }

    #[test]
    fn moments_say_which_clock_they_are_read_on() {
        let moment = "2027-03-01T09:05:59Z".parse().unwrap();
        let said = |locale| super::super::words(locale).moment(moment);
        assert_eq!(said(Locale::Fr), "1er mars 2027 à 9 h 05 (UTC)");
        assert_eq!(said(Locale::En), "1 March 2027 at 09:05 (UTC)");
    }
}
