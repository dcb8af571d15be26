//! Everything the crate knows by heart, indexed once: one pass over the words of a label finds
//! every phrase of every data file.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Bound;
use std::sync::LazyLock;

use crate::label::Words;
use crate::operation::Operation;
use crate::table::{self, MalformedTable};
use crate::taxonomy::Category;

/// What a phrase of a data file tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    Operation(usize),
    Merchant(usize),
    Keyword(usize),
    Sensitive(usize),
    Charity,
    InsuranceLine(usize),
}

/// A phrase found in a label.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hit {
    pub start: usize,
    pub words: usize,
    /// The last word of the label is the beginning of the phrase's last word.
    pub cut: bool,
    pub meaning: Meaning,
}

/// How a kind of movement is announced.
#[derive(Debug)]
pub(crate) struct OperationRule {
    pub anchored: bool,
    pub sign: Sign,
    pub operation: Operation,
    /// How an answer names this rule.
    pub name: String,
}

/// A business.
#[derive(Debug)]
pub(crate) struct Merchant {
    pub name: &'static str,
    pub category: Category,
    /// What money from it is; `None` for a business that only ever gives back.
    pub received: Option<Category>,
    pub kind: MerchantKind,
}

/// What a business does for the label it stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MerchantKind {
    Ordinary,
    /// Known by its shop name only, so a person of the same name who receives a transfer is not it.
    Shop,
    /// Only carries the payment of another business.
    Facilitator,
    /// Sells or carries insurance: the line of a premium is told by other words.
    Insurer,
    /// A health mutual: the fact of a contract is all that may be known of it.
    HealthInsurer,
}

/// A word that tells a category by itself.
#[derive(Debug)]
pub(crate) struct Keyword {
    /// How an answer names this rule.
    pub name: String,
    pub sign: Sign,
    pub scope: Scope,
    pub category: Category,
    pub confidence: u8,
}

/// A payee that reveals what GDPR article 9 protects.
#[derive(Debug)]
pub(crate) struct SensitivePhrase {
    pub about_health: bool,
    pub guard: Guard,
}

/// A word that tells the line of a premium.
#[derive(Debug)]
pub(crate) struct InsuranceLineWord {
    pub category: Category,
    pub weight: u8,
}

/// A direction of money that a rule asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    Any,
    Credit,
    Debit,
}

impl Sign {
    pub fn admits(self, is_debit: bool) -> bool {
        match self {
            Self::Any => true,
            Self::Credit => !is_debit,
            Self::Debit => is_debit,
        }
    }

    fn read(text: &str) -> Option<Self> {
        match text {
            "" => Some(Self::Any),
            "+" => Some(Self::Credit),
            "-" => Some(Self::Debit),
            _ => None,
        }
    }
}

/// The movements a keyword speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Any,
    Card,
    Debit,
    In,
    Out,
    Internal,
    Fees,
    Loan,
    Payment,
    Untold,
}

impl Scope {
    fn read(text: &str) -> Option<Self> {
        Some(match text {
            "" => Self::Any,
            "card" => Self::Card,
            "debit" => Self::Debit,
            "in" => Self::In,
            "out" => Self::Out,
            "internal" => Self::Internal,
            "fees" => Self::Fees,
            "loan" => Self::Loan,
            "payment" => Self::Payment,
            "unknown" => Self::Untold,
            _ => return None,
        })
    }

    pub fn admits(self, operation: Operation) -> bool {
        let transfer_out = operation.is_outgoing_transfer();
        match self {
            Self::Any => true,
            Self::Card => operation.is_card() || operation == Operation::DeferredCard,
            Self::Debit => matches!(
                operation,
                Operation::DirectDebit | Operation::DirectDebitRejected
            ),
            Self::In => operation.is_incoming_transfer(),
            Self::Out => transfer_out,
            Self::Internal => operation == Operation::TransferInternal,
            Self::Fees => operation == Operation::Fees,
            Self::Loan => operation == Operation::LoanInstalment,
            Self::Payment => {
                transfer_out
                    || operation.is_card()
                    || matches!(
                        operation,
                        Operation::DirectDebit
                            | Operation::DirectDebitRejected
                            | Operation::Unknown
                    )
            }
            Self::Untold => operation == Operation::Unknown,
        }
    }
}

/// What a sensitive phrase asks of the line besides its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    Always,
    Credit,
    Debit,
    OnlyIn(Scope),
    Never,
}

impl Guard {
    fn read(text: &str) -> Option<Self> {
        Some(match text {
            "" => Self::Always,
            "+" => Self::Credit,
            "-" => Self::Debit,
            "none" => Self::Never,
            other => Self::OnlyIn(Scope::read(other)?),
        })
    }

    pub fn admits(self, is_debit: bool, operation: Operation) -> bool {
        match self {
            Self::Always => true,
            Self::Credit => !is_debit,
            Self::Debit => is_debit,
            Self::OnlyIn(scope) => scope.admits(operation),
            Self::Never => false,
        }
    }
}

#[derive(Debug)]
struct Phrase {
    /// The words after the first, which is the key of the index.
    rest: Vec<String>,
    meaning: Meaning,
}

/// The indexed data files.
#[derive(Debug, Default)]
pub(crate) struct Lexicon {
    pub operations: Vec<OperationRule>,
    pub merchants: Vec<Merchant>,
    pub keywords: Vec<Keyword>,
    pub sensitive: Vec<SensitivePhrase>,
    pub insurance_lines: Vec<InsuranceLineWord>,
    creditors: HashMap<&'static str, usize>,
    phrases: HashMap<String, Vec<Phrase>, BuildHasherDefault<WordHasher>>,
    /// Words that carry nothing about a payee.
    noise: HashSet<&'static str, BuildHasherDefault<WordHasher>>,
    /// Telling single words long enough to be recognised when the end of the label cuts them.
    long_words: BTreeMap<String, Vec<usize>>,
    /// Single-word names long enough to be recognised when glued to another word or cut short.
    long_names: BTreeMap<String, usize>,
}

/// A fast hash for short words of our own files (FNV-1a). Only looked up, never iterated.
#[derive(Debug)]
struct WordHasher(u64);

impl Default for WordHasher {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for WordHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| Lexicon::read().unwrap_or_default());

/// The shipped lexicon. A test proves that it reads, so the empty default is never met.
pub(crate) fn lexicon() -> &'static Lexicon {
    &LEXICON
}

/// Shortest name that is recognised inside a longer word.
const GLUED_NAME: usize = 7;
/// Shortest word that may be glued to a name: fewer letters are an ending, not a word.
const GLUED_REST: usize = 3;
/// Shortest beginning of a name that is recognised at the end of a label.
const CUT_NAME: usize = 6;

impl Lexicon {
    pub fn read() -> Result<Self, MalformedTable> {
        let mut lexicon = Self::default();
        lexicon.read_operations()?;
        lexicon.read_merchants(
            "insurers.csv",
            include_str!("../data/insurers.csv"),
            MerchantKind::Insurer,
        )?;
        lexicon.read_merchants(
            "merchants.csv",
            include_str!("../data/merchants.csv"),
            MerchantKind::Ordinary,
        )?;
        lexicon.read_merchants(
            "providers.csv",
            include_str!("../data/providers.csv"),
            MerchantKind::Ordinary,
        )?;
        lexicon.read_merchants(
            "shops.csv",
            include_str!("../data/shops.csv"),
            MerchantKind::Shop,
        )?;
        lexicon.read_merchants(
            "brands.csv",
            include_str!("../data/brands.csv"),
            MerchantKind::Shop,
        )?;
        lexicon.read_keywords()?;
        lexicon.read_sensitive()?;
        lexicon.read_insurance_lines()?;
        lexicon.read_creditors()?;
        lexicon.noise = table::rows("noise.csv", include_str!("../data/noise.csv"))
            .map(|row| row.required(0))
            .collect::<Result<_, _>>()?;
        Ok(lexicon)
    }

    fn read_operations(&mut self) -> Result<(), MalformedTable> {
        for row in table::rows("operations.csv", include_str!("../data/operations.csv")) {
            let anchored = match row.text(1) {
                "start" => true,
                "any" => false,
                _ => return Err(row.malformed(1)),
            };
            let phrase = row.required(0)?;
            let index = self.operations.len();
            self.operations.push(OperationRule {
                anchored,
                sign: Sign::read(row.text(2)).ok_or_else(|| row.malformed(2))?,
                operation: row.parse(3)?,
                name: format!("operations.csv:{phrase}"),
            });
            self.add_phrase(phrase, Meaning::Operation(index));
        }
        Ok(())
    }

    fn read_merchants(
        &mut self,
        file: &'static str,
        text: &'static str,
        default_kind: MerchantKind,
    ) -> Result<(), MalformedTable> {
        for row in table::rows(file, text) {
            let name = row.required(0)?;
            let (category, kind) = match row.text(1) {
                "facilitator" => (Category::Unknown, MerchantKind::Facilitator),
                _ => (row.parse(1)?, default_kind),
            };
            let kind = match (kind, category) {
                (MerchantKind::Insurer, Category::InsuranceHealth) => MerchantKind::HealthInsurer,
                (kind, _) => kind,
            };
            let index = self.merchants.len();
            self.merchants.push(Merchant {
                name,
                category,
                received: row.optional(2)?,
                kind,
            });
            // `=` before the phrases means that the name itself is too common a word to be one.
            let phrases = row.text(3);
            if !phrases.starts_with('=') {
                self.add_merchant_phrase(name, index);
            }
            for phrase in row.alternatives(3) {
                self.add_merchant_phrase(phrase.trim_start_matches('='), index);
            }
        }
        Ok(())
    }

    fn read_keywords(&mut self) -> Result<(), MalformedTable> {
        for row in table::rows("keywords.csv", include_str!("../data/keywords.csv")) {
            let phrase = row.required(0)?;
            let index = self.keywords.len();
            self.keywords.push(Keyword {
                name: format!("keywords.csv:{phrase}"),
                sign: Sign::read(row.text(1)).ok_or_else(|| row.malformed(1))?,
                scope: Scope::read(row.text(2)).ok_or_else(|| row.malformed(2))?,
                category: row.parse(3)?,
                confidence: row.parse(4)?,
            });
            self.add_phrase(phrase, Meaning::Keyword(index));
            let words = Words::of([phrase]);
            if words.len() == 1 && words.get(0).len() > CUT_NAME {
                self.long_words
                    .entry(words.get(0).to_owned())
                    .or_default()
                    .push(index);
            }
        }
        self.read_first_names()
    }

    /// A first name tells a transfer between persons, in both directions.
    fn read_first_names(&mut self) -> Result<(), MalformedTable> {
        const SENT: u8 = 76;
        const RECEIVED: u8 = 72;
        for row in table::rows("first_names.csv", include_str!("../data/first_names.csv")) {
            let phrase = row.required(0)?;
            for (scope, confidence) in [(Scope::Out, SENT), (Scope::In, RECEIVED)] {
                let index = self.keywords.len();
                self.keywords.push(Keyword {
                    name: "first_names.csv".to_owned(),
                    sign: Sign::Any,
                    scope,
                    category: Category::TransferPerson,
                    confidence,
                });
                self.add_phrase(phrase, Meaning::Keyword(index));
            }
        }
        Ok(())
    }

    fn read_sensitive(&mut self) -> Result<(), MalformedTable> {
        for row in table::rows("sensitive.csv", include_str!("../data/sensitive.csv")) {
            let index = self.sensitive.len();
            self.sensitive.push(SensitivePhrase {
                about_health: row.required(1)? == "health",
                guard: Guard::read(row.text(2)).ok_or_else(|| row.malformed(2))?,
            });
            self.add_phrase(row.required(0)?, Meaning::Sensitive(index));
        }
        for row in table::rows("charities.csv", include_str!("../data/charities.csv")) {
            self.add_phrase(row.required(0)?, Meaning::Charity);
        }
        Ok(())
    }

    fn read_insurance_lines(&mut self) -> Result<(), MalformedTable> {
        let text = include_str!("../data/insurance_lines.csv");
        for row in table::rows("insurance_lines.csv", text) {
            let index = self.insurance_lines.len();
            self.insurance_lines.push(InsuranceLineWord {
                category: row.parse(1)?,
                weight: row.parse(2)?,
            });
            self.add_phrase(row.required(0)?, Meaning::InsuranceLine(index));
        }
        Ok(())
    }

    fn read_creditors(&mut self) -> Result<(), MalformedTable> {
        for row in table::rows("creditors.csv", include_str!("../data/creditors.csv")) {
            let name = row.required(1)?;
            let index = self
                .merchants
                .iter()
                .position(|merchant| merchant.name == name)
                .ok_or_else(|| row.malformed(1))?;
            self.creditors.insert(row.required(0)?, index);
        }
        Ok(())
    }

    fn add_merchant_phrase(&mut self, phrase: &str, merchant: usize) {
        let words = Words::of([phrase]);
        // An insurer is never guessed from a part of its name: what follows from it weighs too much.
        let may_be_guessed = self
            .merchants
            .get(merchant)
            .is_some_and(|known| matches!(known.kind, MerchantKind::Ordinary | MerchantKind::Shop));
        if may_be_guessed && words.len() == 1 && words.get(0).len() >= CUT_NAME {
            self.long_names
                .entry(words.get(0).to_owned())
                .or_insert(merchant);
        }
        self.add_phrase(phrase, Meaning::Merchant(merchant));
    }

    fn add_phrase(&mut self, phrase: &str, meaning: Meaning) {
        let words = Words::of([phrase]);
        let first = words.get(0).to_owned();
        let rest: Vec<String> = words.iter().skip(1).map(str::to_owned).collect();
        if first.is_empty() {
            return;
        }
        self.phrases
            .entry(first)
            .or_default()
            .push(Phrase { rest, meaning });
    }

    /// Every phrase in the words, from left to right.
    pub fn hits(&self, words: &Words) -> Vec<Hit> {
        let mut hits = Vec::with_capacity(8);
        for (start, word) in words.iter().enumerate() {
            let Some(phrases) = self.phrases.get(word) else {
                continue;
            };
            for phrase in phrases {
                if let Some(cut) = follows(words, start + 1, &phrase.rest) {
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

    /// The business whose name is glued to another word, or cut at the end of the label.
    pub fn guess_merchant(&self, words: &Words) -> Option<usize> {
        let last = words.len().checked_sub(1)?;
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

    pub fn merchant(&self, index: usize) -> Option<&Merchant> {
        self.merchants.get(index)
    }
}

/// Whether the words from a position are those of a phrase; `Some(true)` when the last one is cut
/// short, as card networks and older feeds do.
fn follows(words: &Words, from: usize, rest: &[String]) -> Option<bool> {
    let count = rest.len();
    for (offset, expected) in rest.iter().enumerate() {
        let found = words.get(from + offset);
        if found == expected {
            continue;
        }
        let is_last = offset + 1 == count;
        let ends_the_label = from + offset + 1 == words.len();
        let enough = if ends_the_label {
            found.len() >= 2
        } else {
            found.len() >= 4 && found.len() * 3 >= expected.len() * 2
        };
        let is_cut = enough && expected.starts_with(found);
        return (is_last && is_cut).then_some(true);
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_every_data_file_reads() {
        let lexicon = Lexicon::read().unwrap();
        assert!(lexicon.merchants.len() > 300);
        assert!(lexicon.keywords.len() > 200);
        assert!(lexicon.operations.len() > 150);
    }

    #[test]
    fn a_broken_line_is_named() {
        let broken = table::rows("keywords.csv", "head\nPAIE,+,in,income.salary,many")
            .next()
            .unwrap()
            .parse::<u8>(4)
            .unwrap_err();
        assert_eq!((broken.line, broken.column), (2, 5));
        assert!(!broken.is_retryable());
    }

    #[test]
    fn the_business_code_of_a_creditor_identifier_does_not_matter() {
        let lexicon = lexicon();
        let free = lexicon.creditor("FR83ZZZ459654");
        assert!(free.is_some());
        assert_eq!(lexicon.creditor("fr 83 TV1 459654"), free);
        assert_eq!(lexicon.creditor("FR83"), None);
    }
}
