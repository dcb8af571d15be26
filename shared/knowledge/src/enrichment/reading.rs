//! A line as words and the phrases found in them: the movement, the business, what is left to read.

use passerelle_domain::private::Private;
use passerelle_domain::transaction::Transaction;

use crate::label::{Words, has_digit, is_number};
use crate::lexicon::{Hit, Lexicon, Meaning, Merchant, MerchantKind};
use crate::operation::Operation;

/// A line as words and the phrases found in them.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    pub(super) lexicon: &'static Lexicon,
    pub(super) line: &'a Transaction,
    pub(super) words: Words,
    pub hits: Vec<Hit>,
    pub operation: Operation,
    pub(super) from_code: bool,
    /// The words that announce the operation, where they do.
    pub(super) announced: Option<Hit>,
}

impl<'a> Reading<'a> {
    pub fn of(lexicon: &'static Lexicon, line: &'a Transaction) -> Self {
        let name = line.counterparty.name.as_ref().map(Private::expose);
        let label = line.label.expose();
        // A bank that repeats the counterparty inside the label must not make it count twice.
        let texts = [Some(label), name.filter(|name| !label.contains(*name))];
        let words = Words::of(texts.into_iter().flatten());
        let hits = lexicon.hits(&words);
        let mut reading = Self {
            lexicon,
            line,
            words,
            hits,
            operation: Operation::Unknown,
            from_code: false,
            announced: None,
        };
        reading.read_operation();
        reading
    }

    pub fn is_debit(&self) -> bool {
        self.line.amount.is_debit()
    }

    /// Whether the end of the label cuts a sensitive word short, and no business is named.
    pub fn ends_in_a_sensitive_word(&self) -> bool {
        let last = self.words.len().saturating_sub(1);
        self.lexicon.begins_sensitive(self.words.get(last)) && self.merchant().is_none()
    }

    /// Whether all of the text was read.
    pub fn is_whole(&self) -> bool {
        !self.words.is_cut()
    }

    pub fn lexicon(&self) -> &'static Lexicon {
        self.lexicon
    }

    fn read_operation(&mut self) {
        let best = self
            .hits
            .iter()
            .filter_map(|hit| match hit.meaning {
                Meaning::Operation(index) if !hit.cut => Some((index, *hit)),
                _ => None,
            })
            .filter(|(index, hit)| {
                self.lexicon.operations.get(*index).is_some_and(|rule| {
                    rule.sign.admits(self.is_debit())
                        && (!rule.anchored || self.is_beginning(hit.start))
                })
            })
            .min_by_key(|(index, _)| *index);
        self.announced = best.map(|(_, hit)| hit);
        let told = best.and_then(|(index, _)| self.lexicon.operations.get(index));
        let code = self.line.bank_transaction_code.as_deref().and_then(|code| {
            Operation::from_iso20022(code, self.is_debit())
                .or_else(|| Operation::from_cfonb_code(code, self.is_debit()))
        });
        // The code wins, except where the label is more precise about the same family.
        self.operation = match (code, told) {
            (Some(code), Some(rule)) if refines(rule.operation, code) => rule.operation,
            (Some(code), _) => {
                self.from_code = true;
                code
            }
            (None, Some(rule)) => rule.operation,
            (None, None) => Operation::Unknown,
        };
    }

    /// Only dates, numbers and single letters stand before the position.
    fn is_beginning(&self, position: usize) -> bool {
        (0..position).all(|index| {
            let word = self.words.get(index);
            word.len() == 1 || has_digit(word)
        })
    }

    /// The business named in the label: a facilitator only when nobody else is, and a mere word only
    /// where no firm known for itself is named.
    pub fn merchant(&self) -> Option<(usize, Hit)> {
        let firm_is_named = self.named().any(|(_, merchant, _)| is_firm(merchant));
        let named = || {
            self.named()
                .filter(|(_, merchant, _)| !(firm_is_named && merchant.is_last_resort))
        };
        let (index, _, first) = named()
            .filter(|(_, _, hit)| !self.is_inside_announcement(hit))
            .min_by_key(|(_, merchant, hit)| {
                (
                    merchant.kind == MerchantKind::Facilitator,
                    hit.start,
                    std::cmp::Reverse(hit.words),
                    hit.cut,
                )
            })?;
        // "E.LECLERC STATION": a name that goes on where the first one ends says more.
        let goes_on = named()
            .filter(|(_, merchant, hit)| {
                merchant.kind != MerchantKind::Facilitator
                    && !hit.cut
                    && hit.start > first.start
                    && hit.start < first.start + first.words
                    && hit.start + hit.words > first.start + first.words
            })
            .map(|(index, _, hit)| (index, hit))
            .next();
        goes_on.or(Some((index, first)))
    }

    /// Every business of the dictionary in the label. A shop known by its sign alone takes no transfers:
    /// a person of the same name may.
    fn named(&self) -> impl Iterator<Item = (usize, &Merchant, Hit)> {
        let is_transfer =
            self.operation.is_outgoing_transfer() || self.operation.is_incoming_transfer();
        self.hits.iter().filter_map(move |hit| match hit.meaning {
            Meaning::Merchant(index) => {
                let merchant = self.lexicon.merchant(index)?;
                let is_person = merchant.kind == MerchantKind::Shop && is_transfer;
                (!is_person).then_some((index, merchant, *hit))
            }
            _ => None,
        })
    }

    /// A name that is part of the words announcing the operation is not a payee.
    fn is_inside_announcement(&self, hit: &Hit) -> bool {
        self.announced.is_some_and(|announced| {
            hit.start >= announced.start
                && hit.start + hit.words <= announced.start + announced.words
        })
    }

    /// A rejected debit is money back, but its words are those of the debit.
    pub fn is_for_a_debit(&self) -> bool {
        self.is_debit() || self.operation == Operation::DirectDebitRejected
    }

    /// Numbers, references and words that say nothing about the payee.
    fn is_noise(&self, word: &str) -> bool {
        let mixed_reference = has_digit(word) && word.len() >= 3;
        mixed_reference || is_number(word) || self.lexicon.is_noise(word)
    }

    /// What is left of the label for a reader, and for telling one payee from another.
    pub(super) fn cleaned(&self) -> String {
        let mut cleaned = String::with_capacity(48);
        for (index, word) in self.words.iter().enumerate() {
            let announced = self
                .announced
                .is_some_and(|hit| (hit.start..hit.start + hit.words).contains(&index));
            if announced || self.is_noise(word) || (word.len() == 1 && index == 0) {
                continue;
            }
            if !cleaned.is_empty() {
                cleaned.push(' ');
            }
            cleaned.push_str(word);
        }
        cleaned
    }
}

/// Whether a business is known by a name of its own, wherever it stands.
fn is_firm(merchant: &Merchant) -> bool {
    !merchant.is_last_resort
        && !matches!(
            merchant.kind,
            MerchantKind::Facilitator | MerchantKind::Shop
        )
}

/// Whether the label says more than the code about the same family of movement.
fn refines(told: Operation, code: Operation) -> bool {
    match code {
        Operation::Card => matches!(
            told,
            Operation::CashWithdrawal | Operation::DeferredCard | Operation::Fees
        ),
        Operation::TransferSent => {
            told.is_outgoing_transfer()
                || matches!(
                    told,
                    Operation::TransferInternal | Operation::LoanInstalment
                )
        }
        Operation::TransferReceived => {
            told.is_incoming_transfer()
                || matches!(
                    told,
                    Operation::TransferInternal
                        | Operation::TransferReturned
                        | Operation::LoanDisbursement
                )
        }
        Operation::DirectDebit => matches!(
            told,
            Operation::LoanInstalment | Operation::Fees | Operation::DeferredCard
        ),
        _ => false,
    }
}
