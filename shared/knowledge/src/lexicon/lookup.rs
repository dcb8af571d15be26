//! What the words of a label are found to be.

use std::ops::Bound;

use super::{CUT_NAME, GLUED_NAME, GLUED_REST, Hit, Keyword, Lexicon, Merchant};
use crate::label::{Words, has_digit};

impl Lexicon {
    /// Every phrase in the words, from left to right.
    pub fn hits(&self, words: &Words) -> Vec<Hit> {
        let mut hits = Vec::with_capacity(8);
        let end = self.end_of_text(words);
        for (start, word) in words.iter().enumerate() {
            let Some(phrases) = self.phrases.get(word) else {
                continue;
            };
            for phrase in phrases {
                if let Some(cut) = follows(words, end, start + 1, &phrase.rest) {
                    hits.push(Hit {
                        start,
                        words: phrase.rest.len() + 1,
                        cut,
                        meaning: phrase.meaning,
                    });
                }
            }
        }
        hits
    }

    /// Where the text of a label ends: dates, card numbers and words that say nothing come after the place at
    /// which a bank cuts.
    pub fn end_of_text(&self, words: &Words) -> usize {
        let mut end = words.len();
        while let Some(last) = end.checked_sub(1) {
            let word = words.get(last);
            if !has_digit(word) && !self.is_noise(word) {
                break;
            }
            end = last;
        }
        end
    }

    /// The business whose name is glued to another word, or cut at the end of the label.
    pub fn guess_merchant(&self, words: &Words) -> Option<usize> {
        let last = self.end_of_text(words).checked_sub(1)?;
        words.iter().enumerate().find_map(|(index, word)| {
            self.glued_name(word)
                .or_else(|| (index == last).then(|| self.cut_name(word)).flatten())
        })
    }

    /// The telling words of which a word is the beginning.
    pub fn words_cut_to(&self, word: &str) -> impl Iterator<Item = &Keyword> {
        let from = if word.len() < CUT_NAME {
            Bound::Excluded("\u{10ffff}")
        } else {
            Bound::Excluded(word)
        };
        self.long_words
            .range::<str, _>((from, Bound::Unbounded))
            .take_while(move |(whole, _)| whole.starts_with(word))
            .flat_map(|(_, indexes)| indexes)
            .filter_map(|index| self.keywords.get(*index))
    }

    /// Whether a word is most of the beginning of a sensitive one.
    pub fn begins_sensitive(&self, word: &str) -> bool {
        word.len() >= CUT_NAME
            && self
                .long_sensitive
                .range::<str, _>((Bound::Excluded(word), Bound::Unbounded))
                .take_while(|whole| whole.starts_with(word))
                .any(|whole| word.len() * 3 >= whole.len() * 2)
    }

    fn glued_name(&self, word: &str) -> Option<usize> {
        if word.len() < GLUED_NAME + GLUED_REST {
            return None;
        }
        let up_to_word = (Bound::Unbounded, Bound::Included(word));
        let (name, merchant) = self.long_names.range::<str, _>(up_to_word).next_back()?;
        let glued = name.len() >= GLUED_NAME
            && word.len() >= name.len() + GLUED_REST
            && word.starts_with(name.as_str());
        glued.then_some(*merchant)
    }

    fn cut_name(&self, word: &str) -> Option<usize> {
        if word.len() < CUT_NAME {
            return None;
        }
        let mut candidates = self
            .long_names
            .range::<str, _>((Bound::Included(word), Bound::Unbounded))
            .take_while(|(name, _)| name.starts_with(word))
            .map(|(_, merchant)| *merchant);
        let first = candidates.next()?;
        let category = self.merchants.get(first)?.category;
        candidates
            .all(|other| {
                self.merchants
                    .get(other)
                    .is_some_and(|merchant| merchant.category == category)
            })
            .then_some(first)
    }

    /// The business behind a SEPA creditor identifier. Characters 5 to 7 are a business code of the
    /// creditor's own choice and the check digits say nothing: the country and the national part do.
    pub fn creditor(&self, identifier: &str) -> Option<usize> {
        let compact: String = identifier
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|symbol| symbol.to_ascii_uppercase())
            .collect();
        let country = compact.get(..2)?;
        let national = compact.get(7..)?;
        let key = format!("{country}{}", national.trim_start_matches('0'));
        self.creditors.get(key.as_str()).copied()
    }

    /// Whether a word carries nothing about a payee.
    pub fn is_noise(&self, word: &str) -> bool {
        self.noise.contains(word)
    }

    /// Whether premiums are paid to the business of this name.
    pub fn is_insurer(&self, name: &str) -> bool {
        self.merchants
            .iter()
            .any(|merchant| merchant.name == name && merchant.kind.is_insurer())
    }

    pub fn merchant(&self, index: usize) -> Option<&Merchant> {
        self.merchants.get(index)
    }
}

/// Whether the words from a position are those of a phrase; `Some(true)` when the last one is cut
/// short, as card networks and older feeds do.
fn follows(words: &Words, end: usize, from: usize, rest: &[String]) -> Option<bool> {
    let count = rest.len();
    for (offset, expected) in rest.iter().enumerate() {
        let found = words.get(from + offset);
        if found == expected {
            continue;
        }
        let is_last = offset + 1 == count;
        let ends_the_label = [end, words.len()].contains(&(from + offset + 1));
        let enough = if ends_the_label {
            found.len() >= 2 || (count >= 2 && !found.is_empty())
        } else {
            found.len() >= 4 && found.len() * 3 >= expected.len() * 2
        };
        let is_cut = enough && expected.starts_with(found);
        return (is_last && is_cut).then_some(true);
    }
    Some(false)
}
