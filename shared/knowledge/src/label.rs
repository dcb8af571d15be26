//! A bank label as words that can be compared: no accents, no case, no punctuation.

/// A folded label and where its words are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Words {
    folded: String,
    bounds: Vec<(u32, u32)>,
    is_cut: bool,
}

/// No bank writes as many words about one line. What follows is not read, so that no text is slow.
pub(crate) const MOST_WORDS: usize = 256;
/// Nor as many letters.
const MOST_LETTERS: usize = 8 * MOST_WORDS;

impl Words {
    /// Folds texts one after the other; words never run over the border of two texts.
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut words = Self {
            folded: String::with_capacity(96),
            bounds: Vec::with_capacity(16),
            is_cut: false,
        };
        for text in texts {
            words.push_text(text);
        }
        words
    }

    fn push_text(&mut self, text: &str) {
        let mut start = self.folded.len();
        for symbol in text.chars() {
            if self.len() >= MOST_WORDS || self.folded.len() >= MOST_LETTERS {
                self.is_cut = true;
                return;
            }
            if push_folded(symbol, &mut self.folded) {
                continue;
            }
            start = self.close_word(start);
        }
        self.close_word(start);
    }

    fn close_word(&mut self, start: usize) -> usize {
        let end = self.folded.len();
        if end > start {
            if let (Ok(from), Ok(to)) = (u32::try_from(start), u32::try_from(end)) {
                self.bounds.push((from, to));
            }
            self.folded.push(' ');
        }
        self.folded.len()
    }

    /// Whether there was more text than is read.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// How many words there are.
    pub fn len(&self) -> usize {
        self.bounds.len()
    }

    /// The word at a position, empty beyond the end.
    pub fn get(&self, index: usize) -> &str {
        self.bounds
            .get(index)
            .and_then(|(from, to)| {
                let from = usize::try_from(*from).ok()?;
                let to = usize::try_from(*to).ok()?;
                self.folded.get(from..to)
            })
            .unwrap_or_default()
    }

    /// The words in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|index| self.get(index))
    }
}

/// Appends the folded form of a symbol; `false` when the symbol separates words. Combining marks
/// are dropped, so that a decomposed accent changes nothing either.
fn push_folded(symbol: char, into: &mut String) -> bool {
    if symbol.is_ascii_alphanumeric() {
        into.push(symbol.to_ascii_uppercase());
        return true;
    }
    if symbol.is_ascii() {
        return false;
    }
    let plain = match symbol {
        'À'..='Å' | 'à'..='å' => "A",
        'Ç' | 'ç' => "C",
        'È'..='Ë' | 'è'..='ë' => "E",
        'Ì'..='Ï' | 'ì'..='ï' => "I",
        'Ñ' | 'ñ' => "N",
        'Ò'..='Ö' | 'ò'..='ö' | 'Ø' | 'ø' => "O",
        'Ù'..='Ü' | 'ù'..='ü' => "U",
        'Ý' | 'ý' | 'ÿ' | 'Ÿ' => "Y",
        'Œ' | 'œ' => "OE",
        'Æ' | 'æ' => "AE",
        'ß' => "SS",
        '\u{300}'..='\u{36f}' | '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{feff}' => "",
        _ => return false,
    };
    into.push_str(plain);
    true
}

/// Whether a word carries a digit: a date, a card number, a reference, a store number.
pub(crate) fn has_digit(word: &str) -> bool {
    word.bytes().any(|byte| byte.is_ascii_digit())
}

/// Whether a word is only digits.
pub(crate) fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn folded(text: &str) -> String {
        Words::of([text]).iter().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn accents_case_and_punctuation_disappear() {
        assert_eq!(
            folded("Prélèvement  d'œuvre*N°12"),
            "PRELEVEMENT D OEUVRE N 12"
        );
        assert_eq!(folded("CAFE\u{301} OZ"), "CAFE OZ");
        assert_eq!(folded("MICROSOFT*XBOX"), "MICROSOFT XBOX");
        assert_eq!(folded("  "), "");
    }

    proptest! {
        #[test]
        fn case_never_changes_the_words(text in "[a-zA-Zéèçœ0-9 */.-]{0,60}") {
            prop_assert_eq!(folded(&text), folded(&text.to_uppercase()));
            prop_assert_eq!(folded(&text), folded(&text.to_lowercase()));
        }

        #[test]
        fn any_text_folds(text in "\\PC{0,200}") {
            prop_assert!(folded(&text).is_ascii());
        }
    }
}
