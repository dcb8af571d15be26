//! One line understood: what kind of movement, with whom, for what, and how we know.

use std::borrow::Cow;

use passerelle_domain::private::Private;
use passerelle_domain::transaction::Transaction;
use serde::{Deserialize, Serialize};

use crate::income::names_a_company;
use crate::label::{Words, has_digit, is_number};
use crate::lexicon::{Hit, Lexicon, Meaning, Merchant, MerchantKind, lexicon};
use crate::operation::Operation;
use crate::sensitive::{self, Sensitivity};
use crate::taxonomy::Category;

/// Below this confidence (percent) the answer is `unknown`: a wrong category costs more than none.
pub const CONFIDENCE_BAR: u8 = 70;

/// What a last word cut short takes from the confidence, in percent.
const CUT_PENALTY: u8 = 4;

/// Which step of the decision gave the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// A correction by the person or the client.
    Correction,
    /// Marked sensitive before storage, or recognised as sensitive now.
    Sensitive,
    /// The bank transaction code.
    TransactionCode,
    /// The SEPA creditor identifier.
    CreditorIdentifier,
    /// The shape in which the bank announces the movement.
    Grammar,
    /// The dictionary of businesses.
    Dictionary,
    /// A telling word.
    Keyword,
    /// The history around the line: regular income, a transfer found on both sides.
    History,
    /// Nothing was sure enough.
    Nothing,
}

/// What is known of one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrichment {
    /// The leaf of the taxonomy.
    pub category: Category,
    /// How the money moved.
    pub operation: Operation,
    /// The business, by its usual name. Never a person, never a sensitive payee.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merchant: Option<String>,
    /// The label without prefixes, dates, card numbers and references. Empty for a sensitive line.
    pub cleaned: Private,
    /// Which step decided the category.
    pub stage: Stage,
    /// The rule of that step: a data file and its phrase.
    pub rule: Cow<'static, str>,
    /// How sure the answer is, in percent.
    pub confidence: u8,
}

/// A category and how it was found.
#[derive(Debug, Clone)]
struct Finding {
    category: Category,
    merchant: Option<usize>,
    stage: Stage,
    rule: &'static str,
    confidence: u8,
}

impl Finding {
    /// Whether the money stays the person's own, or is what it earned.
    fn is_money_kept(&self) -> bool {
        self.category.is_in("transfer")
            || matches!(
                self.category,
                Category::InsuranceLifeSavings
                    | Category::IncomeDividend
                    | Category::IncomeInterest
            )
    }
}

/// Understands one line by itself. The same line always gives the same answer.
#[must_use]
pub fn enrich(line: &Transaction) -> Enrichment {
    if line.sensitive {
        return protected(Category::Sensitive, Operation::Unknown, "coarsened");
    }
    let lexicon = lexicon();
    let reading = Reading::of(lexicon, line);
    match sensitive::sensitivity(&reading) {
        Sensitivity::Ordinary => {}
        Sensitivity::Payee => {
            return protected(Category::Sensitive, reading.operation, "sensitive.csv");
        }
        Sensitivity::Donation => {
            return protected(
                Category::CharityRestricted,
                reading.operation,
                "charities.csv",
            );
        }
        Sensitivity::HealthPremium => {
            return protected(Category::InsuranceHealth, reading.operation, "insurers.csv");
        }
        Sensitivity::IncomeWithoutCause => {
            return protected(
                Category::IncomeReplacement,
                reading.operation,
                "income without a cause",
            );
        }
    }
    let finding = reading.decide();
    let merchant = finding
        .merchant
        .or(reading.merchant().map(|(index, _)| index))
        .and_then(|index| lexicon.merchant(index));
    let sure = finding.confidence >= CONFIDENCE_BAR;
    Enrichment {
        category: if sure {
            finding.category
        } else {
            Category::Unknown
        },
        operation: reading.operation,
        merchant: merchant.map(|merchant| merchant.name.to_owned()),
        cleaned: Private::new(reading.cleaned()),
        stage: if sure { finding.stage } else { Stage::Nothing },
        rule: Cow::Borrowed(if sure { finding.rule } else { "" }),
        confidence: finding.confidence,
    }
}

fn protected(category: Category, operation: Operation, rule: &'static str) -> Enrichment {
    Enrichment {
        category,
        operation,
        merchant: None,
        cleaned: Private::default(),
        stage: Stage::Sensitive,
        rule: Cow::Borrowed(rule),
        confidence: 100,
    }
}

/// A line as words and the phrases found in them.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    lexicon: &'static Lexicon,
    line: &'a Transaction,
    words: Words,
    pub hits: Vec<Hit>,
    pub operation: Operation,
    from_code: bool,
    /// The words that announce the operation, where they do.
    announced: Option<Hit>,
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

    /// Whether a word announces wages, a pension or family benefits. An employer is no diagnosis, even
    /// when it is a hospital, and a fund that pays pensions as well as care is none either.
    pub fn announces_income(&self) -> bool {
        self.best_keyword().is_some_and(|finding| {
            finding.confidence >= 90
                && matches!(
                    finding.category,
                    Category::IncomeSalary
                        | Category::IncomeRetirement
                        | Category::IncomeFamilyBenefit
                )
        })
    }

    /// Whether the money replaces an income: that is all that may be known of it, since behind it may
    /// be a sickness.
    pub fn replaces_income(&self) -> bool {
        let replaces = |finding: &Finding| finding.category == Category::IncomeReplacement;
        !self.is_debit()
            && (self
                .best_keyword()
                .is_some_and(|finding| replaces(&finding) && finding.confidence >= 90)
                || self.by_dictionary().as_ref().is_some_and(replaces))
    }

    /// Whether the words tell a premium for complementary health cover.
    pub fn is_health_premium(&self) -> bool {
        self.is_debit()
            && self.names_an_insurer()
            && self.insurance_line(Category::InsuranceUnknownLine) == Category::InsuranceHealth
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

    /// The business named in the label: a facilitator only when nobody else is.
    pub fn merchant(&self) -> Option<(usize, Hit)> {
        let named = self.hits.iter().filter_map(|hit| match hit.meaning {
            Meaning::Merchant(index) => {
                let merchant = self.lexicon.merchant(index)?;
                let is_transfer =
                    self.operation.is_outgoing_transfer() || self.operation.is_incoming_transfer();
                if merchant.kind == MerchantKind::Shop && is_transfer {
                    return None;
                }
                Some((index, merchant.kind == MerchantKind::Facilitator, *hit))
            }
            _ => None,
        });
        named
            .filter(|(_, _, hit)| !self.is_inside_announcement(hit))
            .min_by_key(|(_, facilitator, hit)| {
                (
                    *facilitator,
                    hit.start,
                    std::cmp::Reverse(hit.words),
                    hit.cut,
                )
            })
            .map(|(index, _, hit)| (index, hit))
    }

    /// A name that is part of the words announcing the operation is not a payee.
    fn is_inside_announcement(&self, hit: &Hit) -> bool {
        self.announced.is_some_and(|announced| {
            hit.start >= announced.start
                && hit.start + hit.words <= announced.start + announced.words
        })
    }

    fn decide(&self) -> Finding {
        self.by_transaction_code()
            .or_else(|| self.by_creditor().map(|named| self.refined(named)))
            .or_else(|| self.by_grammar())
            .unwrap_or_else(|| self.by_words())
    }

    /// Who is paid is known; a telling word may say better what for, where one payee is paid for
    /// several things: "DGFIP … TAXES FONCIERES", "BOUYGUES TELECOM … BBOX".
    fn refined(&self, named: Finding) -> Finding {
        const TELLING: u8 = 84;
        let many_things = ["telecom", "loan", "tax"]
            .iter()
            .find(|group| named.category.is_in(group));
        let Some(group) = many_things else {
            return named;
        };
        let of_the_treasury = named.category == Category::TaxIncome;
        self.best_keyword()
            .filter(|keyword| keyword.confidence >= TELLING)
            .filter(|keyword| keyword.category.is_in(group) || of_the_treasury)
            .filter(|keyword| keyword.category != Category::LoanUnknown)
            .map(|keyword| Finding {
                merchant: named.merchant,
                ..keyword
            })
            .unwrap_or(named)
    }

    fn by_transaction_code(&self) -> Option<Finding> {
        let code = self.line.bank_transaction_code.as_deref()?;
        let category = match code {
            "PMNT-RCDT-SALA" | "PMNT-RCDT-PAYR" => Category::IncomeSalary,
            "ACMT-MCOP-INTR" => Category::IncomeInterest,
            "SECU-CORP-DVCA" => Category::IncomeDividend,
            "LDAS-MGLN-PPAY" => Category::HousingLoan,
            _ => return None,
        };
        Some(Finding {
            category,
            merchant: None,
            stage: Stage::TransactionCode,
            rule: "bank transaction code",
            confidence: 98,
        })
    }

    fn by_creditor(&self) -> Option<Finding> {
        let index = self
            .line
            .creditor_id
            .as_deref()
            .and_then(|identifier| self.lexicon.creditor(identifier))
            .or_else(|| self.creditor_in_label())?;
        let merchant = self.lexicon.merchant(index)?;
        self.about_merchant(index, merchant, Stage::CreditorIdentifier, 97)
    }

    /// Some banks write the creditor identifier into the label.
    fn creditor_in_label(&self) -> Option<usize> {
        self.words
            .iter()
            .filter(|word| word.len() >= 10 && looks_like_creditor(word))
            .find_map(|word| self.lexicon.creditor(word))
    }

    /// Movements whose shape alone tells what they are for.
    fn by_grammar(&self) -> Option<Finding> {
        let (category, confidence) = match self.operation {
            Operation::CashWithdrawal => (Category::CashWithdrawal, 98),
            Operation::CashDeposit => (Category::CashDeposit, 97),
            Operation::ChequeOut => (Category::ChequeOut, 97),
            Operation::ChequeIn => (Category::ChequeIn, 97),
            Operation::ChequeRejected if self.is_debit() => (Category::ChequeIn, 90),
            Operation::ChequeRejected => (Category::ChequeOut, 92),
            Operation::DeferredCard => (Category::CardDeferredSettlement, 97),
            Operation::Seizure => (Category::TaxFine, 80),
            Operation::Fees => return Some(self.kind_of_fee()),
            Operation::FeesRefund => (Category::IncomeRefund, 90),
            Operation::LoanInstalment if !self.names_an_insurer() => {
                return Some(self.kind_of_loan());
            }
            Operation::LoanDisbursement => return Some(self.kind_of_loan()),
            Operation::TransferInternal => {
                return Some(
                    self.best_keyword()
                        .unwrap_or_else(|| self.announced_finding(Category::TransferInternal, 92)),
                );
            }
            Operation::Interest => (Category::IncomeInterest, 94),
            Operation::Investment => {
                return Some(
                    self.best_keyword()
                        .filter(Finding::is_money_kept)
                        .unwrap_or_else(|| {
                            self.announced_finding(Category::TransferInvestment, 88)
                        }),
                );
            }
            _ => return None,
        };
        Some(self.announced_finding(category, confidence))
    }

    fn announced_finding(&self, category: Category, confidence: u8) -> Finding {
        let rule = self
            .announced
            .and_then(|hit| match hit.meaning {
                Meaning::Operation(index) => self.lexicon.operations.get(index),
                _ => None,
            })
            .map_or("bank transaction code", |rule| rule.name.as_str());
        Finding {
            category,
            merchant: None,
            stage: if self.from_code {
                Stage::TransactionCode
            } else {
                Stage::Grammar
            },
            rule,
            confidence,
        }
    }

    fn kind_of_fee(&self) -> Finding {
        if let Some(premium) = self.premium_among_fees() {
            return premium;
        }
        self.best_keyword()
            .filter(|finding| finding.category.is_in("bank"))
            .map(|finding| Finding {
                stage: Stage::Grammar,
                ..finding
            })
            .unwrap_or_else(|| self.announced_finding(Category::BankAccountFee, 90))
    }

    /// "COTISATION ASSURANCE MOYENS DE PAIEMENT": the bank takes it like a fee, and it is a premium.
    fn premium_among_fees(&self) -> Option<Finding> {
        if !self.is_debit() || !self.names_an_insurer() {
            return None;
        }
        let line = self.insurance_line(Category::InsuranceUnknownLine);
        (line != Category::InsuranceUnknownLine).then(|| self.announced_finding(line, 88))
    }

    fn kind_of_loan(&self) -> Finding {
        let by_word = self
            .best_keyword()
            .filter(|finding| is_loan(finding.category));
        let by_lender = self
            .merchant()
            .and_then(|(index, _)| Some((index, self.lexicon.merchant(index)?)))
            .filter(|(_, merchant)| is_loan(merchant.category))
            .map(|(index, merchant)| Finding {
                category: merchant.category,
                merchant: Some(index),
                stage: Stage::Dictionary,
                rule: merchant.name,
                confidence: 92,
            });
        match (by_word, by_lender) {
            (Some(word), _) if word.category != Category::LoanUnknown => word,
            (_, Some(lender)) => lender,
            _ => self.announced_finding(Category::LoanUnknown, 88),
        }
    }

    fn names_an_insurer(&self) -> bool {
        self.merchant()
            .and_then(|(index, _)| self.lexicon.merchant(index))
            .is_some_and(|merchant| merchant.kind == MerchantKind::Insurer)
            || self.hits.iter().any(|hit| match hit.meaning {
                Meaning::Keyword(index) => self
                    .lexicon
                    .keywords
                    .get(index)
                    .is_some_and(|keyword| keyword.category == Category::InsuranceUnknownLine),
                _ => false,
            })
    }

    /// Dictionary and telling words: the surer wins, the dictionary between equals.
    fn by_words(&self) -> Finding {
        // "ASSU. CNP PRET HABITAT" is a premium for a loan, not the loan.
        let about_insurance = self.names_an_insurer() && self.is_debit();
        let keyword = self
            .best_keyword()
            .filter(|finding| !about_insurance || !is_loan(finding.category));
        let named = self.by_dictionary();
        match (named, keyword) {
            (Some(named), Some(keyword)) if keyword.confidence > named.confidence => Finding {
                merchant: named.merchant,
                ..keyword
            },
            (Some(named), _) => self.refined(named),
            (None, Some(keyword)) if keyword.confidence >= CONFIDENCE_BAR => keyword,
            (None, weak) => self
                .by_guessed_name()
                .or_else(|| self.by_cut_word())
                .or_else(|| self.by_instant_name())
                .or(weak)
                .unwrap_or(Finding {
                    category: Category::Unknown,
                    merchant: None,
                    stage: Stage::Nothing,
                    rule: "",
                    confidence: 0,
                }),
        }
    }

    /// The last word is the beginning of telling words that all say the same.
    fn by_cut_word(&self) -> Option<Finding> {
        let last = self.words.get(self.words.len().checked_sub(1)?);
        let mut candidates = self.lexicon.words_cut_to(last).filter(|keyword| {
            keyword.sign.admits(self.keyword_sign()) && keyword.scope.admits(self.operation)
        });
        let first = candidates.next()?;
        candidates
            .all(|other| other.category == first.category)
            .then(|| Finding {
                category: first.category,
                merchant: None,
                stage: Stage::Keyword,
                rule: &first.name,
                confidence: first.confidence.saturating_sub(CUT_PENALTY),
            })
    }

    /// An instant transfer to two or three words that no firm carries: a person, as a rule.
    fn by_instant_name(&self) -> Option<Finding> {
        if self.operation != Operation::InstantSent {
            return None;
        }
        let cleaned = self.cleaned();
        let name: Vec<&str> = cleaned.split(' ').filter(|word| *word != "VERS").collect();
        let like_a_person = (2..=4).contains(&name.len())
            && name.iter().all(|word| word.len() >= 2)
            && !names_a_company(&cleaned);
        like_a_person.then_some(Finding {
            category: Category::TransferPerson,
            merchant: None,
            stage: Stage::Grammar,
            rule: "instant transfer to a name",
            confidence: 72,
        })
    }

    fn by_dictionary(&self) -> Option<Finding> {
        let (index, hit) = self.merchant()?;
        let merchant = self.lexicon.merchant(index)?;
        if merchant.kind == MerchantKind::Facilitator {
            return None;
        }
        let confidence = match (hit.cut, merchant.kind) {
            (true, _) => 84,
            // "MUSEE D ORSAY": a trade before a brand of one word says more than the brand.
            (false, MerchantKind::Shop) if hit.words == 1 && self.follows_a_trade(&hit) => 80,
            (false, _) => 92,
        };
        self.about_merchant(index, merchant, Stage::Dictionary, confidence)
    }

    /// Whether a telling word stands somewhere before the name.
    fn follows_a_trade(&self, name: &Hit) -> bool {
        self.hits
            .iter()
            .filter(|hit| hit.start < name.start)
            .any(|hit| match hit.meaning {
                Meaning::Keyword(index) => self.lexicon.keywords.get(index).is_some_and(|word| {
                    word.confidence > 84
                        && word.sign.admits(self.keyword_sign())
                        && word.scope.admits(self.operation)
                }),
                _ => false,
            })
    }

    fn by_guessed_name(&self) -> Option<Finding> {
        let index = self.lexicon.guess_merchant(&self.words)?;
        let merchant = self.lexicon.merchant(index)?;
        self.about_merchant(index, merchant, Stage::Dictionary, 78)
    }

    /// What a movement with a known business is: a purchase or premium when money leaves; when money
    /// comes, what the business pays out, a refund on a card, or nothing we can be sure of.
    fn about_merchant(
        &self,
        index: usize,
        merchant: &Merchant,
        stage: Stage,
        confidence: u8,
    ) -> Option<Finding> {
        let gives_back = matches!(self.operation, Operation::DirectDebitRejected);
        let category = if self.is_debit() || gives_back {
            match merchant.kind {
                MerchantKind::Insurer => self.insurance_line(merchant.category),
                _ => merchant.category,
            }
        } else if let Some(received) = merchant.received {
            received
        } else if merchant.kind == MerchantKind::Insurer {
            Category::IncomeInsurancePayout
        } else if self.operation == Operation::CardRefund {
            Category::IncomeRefund
        } else {
            return None;
        };
        if category == Category::Unknown {
            // Known for what it pays out only: other words may still tell what it is paid for.
            return None;
        }
        Some(Finding {
            category,
            merchant: Some(index),
            stage,
            rule: merchant.name,
            confidence,
        })
    }

    /// The line of a premium, told by the words around the insurer's name. Words that tell two lines
    /// equally loud tell none: one premium may cover a home and a car.
    fn insurance_line(&self, default: Category) -> Category {
        const LOUD: u8 = 4;
        let told = || {
            self.hits
                .iter()
                .filter(|hit| !hit.cut)
                .filter_map(|hit| match hit.meaning {
                    Meaning::InsuranceLine(index) => self.lexicon.insurance_lines.get(index),
                    _ => None,
                })
                .filter(|word| default == Category::InsuranceUnknownLine || word.weight >= LOUD)
        };
        let Some(loudest) = told().map(|word| word.weight).max() else {
            return default;
        };
        let mut lines = told()
            .filter(|word| word.weight == loudest)
            .map(|word| word.category);
        let first = lines.next().unwrap_or(default);
        if loudest >= LOUD && lines.any(|line| line != first) {
            default
        } else {
            first
        }
    }

    fn best_keyword(&self) -> Option<Finding> {
        let best = self
            .hits
            .iter()
            .filter_map(|hit| match hit.meaning {
                Meaning::Keyword(index) => Some((self.lexicon.keywords.get(index)?, *hit)),
                _ => None,
            })
            .filter(|(keyword, _)| {
                keyword.sign.admits(self.keyword_sign()) && keyword.scope.admits(self.operation)
            })
            .map(|(keyword, hit)| {
                let confidence = if hit.cut {
                    keyword.confidence.saturating_sub(CUT_PENALTY)
                } else {
                    keyword.confidence
                };
                (keyword, hit.start, confidence)
            })
            .max_by_key(|(_, start, confidence)| (*confidence, std::cmp::Reverse(*start)))?;
        let (keyword, _, confidence) = best;
        let category = match keyword.category {
            Category::InsuranceUnknownLine => self.insurance_line(keyword.category),
            other => other,
        };
        Some(Finding {
            category,
            merchant: None,
            stage: Stage::Keyword,
            rule: &keyword.name,
            confidence,
        })
    }

    /// A rejected debit is money back, but its words are those of the debit.
    fn keyword_sign(&self) -> bool {
        self.is_debit() || self.operation == Operation::DirectDebitRejected
    }

    /// Numbers, references and words that say nothing about the payee.
    fn is_noise(&self, word: &str) -> bool {
        let mixed_reference = has_digit(word) && word.len() >= 3;
        mixed_reference || is_number(word) || self.lexicon.is_noise(word)
    }

    /// What is left of the label for a reader, and for telling one payee from another.
    fn cleaned(&self) -> String {
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

fn is_loan(category: Category) -> bool {
    category.is_in("loan")
        || matches!(
            category,
            Category::HousingLoan | Category::TransportVehicleLoan
        )
}

/// Two letters, two check digits, a three-character business code, then the national part.
fn looks_like_creditor(word: &str) -> bool {
    let bytes = word.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.get(1).is_some_and(u8::is_ascii_alphabetic)
        && bytes.get(2).is_some_and(u8::is_ascii_digit)
        && bytes.get(3).is_some_and(u8::is_ascii_digit)
}
