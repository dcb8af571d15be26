//! Everything the crate knows by heart, indexed once: one pass over the words of a label finds
//! every phrase of every data file.

mod lookup;
mod reading;
mod version;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::LazyLock;

use crate::operation::Operation;
use crate::taxonomy::Category;
pub use version::rules_version;

/// What a phrase of a data file tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    Operation(usize),
    Merchant(usize),
    Keyword(usize),
    Sensitive(usize),
    Charity,
    /// Collects for associations of every kind.
    Platform,
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

impl Hit {
    /// Whether another phrase lies inside this one.
    pub fn covers(&self, inner: &Self) -> bool {
        self.start <= inner.start && inner.start + inner.words <= self.start + self.words
    }
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
    /// A word rather than a name: it counts only where nobody else is named.
    pub is_last_resort: bool,
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

impl MerchantKind {
    /// Whether premiums are paid to it.
    pub fn is_insurer(self) -> bool {
        matches!(self, Self::Insurer | Self::HealthInsurer)
    }
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
    /// Sensitive single words long enough to be recognised when the end of the label cuts them.
    long_sensitive: BTreeSet<String>,
    /// Single-word names long enough to be recognised when glued to another word or cut short.
    long_names: BTreeMap<String, usize>,
}

/// A fast hash for short words of our own files, eight bytes at a time. Only looked up, never iterated.
#[derive(Debug)]
struct WordHasher(u64);

impl Default for WordHasher {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for WordHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut padded = [0_u8; 8];
            padded
                .iter_mut()
                .zip(chunk)
                .for_each(|(to, from)| *to = *from);
            let word = u64::from_le_bytes(padded);
            self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
        }
    }

    fn finish(&self) -> u64 {
        // The upper bits are the well mixed ones, the lower ones choose the place.
        self.0.rotate_left(26)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table;

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
