//! What codes, creditor identifiers and the shape of a movement tell, before any word is read.

use super::{Finding, Reading, Stage, is_loan};
use crate::lexicon::Meaning;
use crate::operation::Operation;
use crate::taxonomy::Category;

impl Reading<'_> {
    pub(super) fn by_transaction_code(&self) -> Option<Finding> {
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

    pub(super) fn by_creditor(&self) -> Option<Finding> {
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
    pub(super) fn by_grammar(&self) -> Option<Finding> {
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
            Operation::LoanInstalment if self.is_in_parts() || !self.names_an_insurer() => {
                return Some(self.kind_of_loan());
            }
            Operation::LoanDisbursement => return Some(self.kind_of_loan()),
            Operation::TransferInternal => {
                return Some(
                    self.best_keyword()
                        .unwrap_or_else(|| self.announced_finding(Category::TransferInternal, 92)),
                );
            }
            Operation::Interest => {
                return Some(
                    self.best_keyword()
                        .filter(|finding| finding.category == Category::IncomeDividend)
                        .unwrap_or_else(|| self.announced_finding(Category::IncomeInterest, 94)),
                );
            }
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

    /// "ECHEANCE PRET … CAPITAL … INTERETS … ASSURANCE": an instalment told part by part is no premium.
    fn is_in_parts(&self) -> bool {
        self.words
            .iter()
            .any(|word| matches!(word, "CAPITAL" | "INTERETS" | "AMORTI"))
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
        let usual = self
            .merchant()
            .and_then(|(index, _)| self.lexicon.merchant(index))
            .filter(|merchant| merchant.kind.is_insurer())
            .map_or(Category::InsuranceUnknownLine, |merchant| merchant.category);
        let line = self.insurance_line(usual);
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
}

/// Two letters, two check digits, a three-character business code, then the national part.
fn looks_like_creditor(word: &str) -> bool {
    let bytes = word.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.get(1).is_some_and(u8::is_ascii_alphabetic)
        && bytes.get(2).is_some_and(u8::is_ascii_digit)
        && bytes.get(3).is_some_and(u8::is_ascii_digit)
}
