//! Finding a bank by what a person types.

use std::fmt;

use crate::directory::DirectoryEntry;

/// An entry and the texts it is found by, folded once.
pub(crate) struct SearchableEntry {
    pub(crate) entry: DirectoryEntry,
    pub(crate) name: String,
    synonyms: Vec<String>,
    group: String,
    bic: String,
}

impl fmt::Debug for SearchableEntry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entry.fmt(formatter)
    }
}

impl SearchableEntry {
    pub(crate) fn new(entry: DirectoryEntry) -> Self {
        Self {
            name: fold(&entry.institution.name),
            synonyms: entry.synonyms.iter().map(|name| fold(name)).collect(),
            group: fold(&entry.group),
            bic: fold(entry.institution.bic.as_deref().unwrap_or_default()),
            entry,
        }
    }

    /// How well the entry answers a folded query: lower is better, `None` is not at all.
    pub(crate) fn rank(&self, query: &str) -> Option<u8> {
        if query.is_empty() || self.name == query {
            return Some(0);
        }
        if self.synonyms.iter().any(|name| name == query) {
            return Some(1);
        }
        if self.name.starts_with(query) {
            return Some(2);
        }
        if query.len() >= 4 && self.bic.starts_with(query) {
            return Some(3);
        }
        if starts_every_word(&self.name, query) {
            return Some(4);
        }
        let with_name = |other: &String| format!("{} {other}", self.name);
        let by_synonym = |synonym: &String| starts_every_word(&with_name(synonym), query);
        if self.synonyms.iter().any(by_synonym) {
            return Some(5);
        }
        starts_every_word(&with_name(&self.group), query).then_some(6)
    }
}

/// Whether each word of the query begins some word of the text.
fn starts_every_word(text: &str, query: &str) -> bool {
    query
        .split(' ')
        .all(|wanted| text.split(' ').any(|word| word.starts_with(wanted)))
}

/// Lower-case words of plain letters and digits: accents off, anything else a space.
pub(crate) fn fold(text: &str) -> String {
    let plain: String = text
        .chars()
        .flat_map(char::to_lowercase)
        .filter(|symbol| !is_combining_mark(*symbol))
        .flat_map(|symbol| plain_letters(symbol).chars().collect::<Vec<_>>())
        .collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Accents written as a mark of their own after the letter.
fn is_combining_mark(symbol: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&symbol)
}

fn plain_letters(symbol: char) -> String {
    let letters = match symbol {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => "a",
        'ç' => "c",
        'è' | 'é' | 'ê' | 'ë' => "e",
        'ì' | 'í' | 'î' | 'ï' => "i",
        'ñ' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' => "o",
        'ù' | 'ú' | 'û' | 'ü' => "u",
        'ý' | 'ÿ' => "y",
        'æ' => "ae",
        'œ' => "oe",
        'ß' => "ss",
        letter if letter.is_alphanumeric() => return letter.to_string(),
        _ => " ",
    };
    letters.to_owned()
}
