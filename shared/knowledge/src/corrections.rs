//! Corrections by the person or the client: they win over every rule and are remembered.

use std::collections::BTreeMap;

use passerelle_domain::ids::TransactionId;
use passerelle_domain::transaction::Transaction;
use serde::{Deserialize, Serialize};

use crate::enrichment::{Enrichment, Stage};
use crate::taxonomy::Category;

/// What was corrected for one person. Kept by the caller, applied before anything is learned.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Corrections {
    /// This line, whatever others like it are.
    #[serde(default)]
    lines: BTreeMap<TransactionId, Category>,
    /// Every line of this payee, by cleaned label.
    #[serde(default)]
    payees: BTreeMap<String, Category>,
}

impl Corrections {
    /// Corrects one line.
    pub fn correct_line(&mut self, line: TransactionId, category: Category) {
        self.lines.insert(line, category);
    }

    /// Corrects a line and every line of the same payee, past and future. A line without any text
    /// left (a sensitive one) has no payee to remember: nothing happens.
    pub fn correct_payee(&mut self, like: &Enrichment, category: Category) {
        let payee = like.cleaned.expose();
        if !payee.is_empty() {
            self.payees.insert(payee.to_owned(), category);
        }
    }

    /// Takes back what was said of one line.
    pub fn forget_line(&mut self, line: &TransactionId) {
        self.lines.remove(line);
    }

    /// Takes back what was said of a line's payee.
    pub fn forget_payee(&mut self, like: &Enrichment) {
        self.payees.remove(like.cleaned.expose());
    }

    /// The lines that were corrected, with what they are.
    pub fn lines(&self) -> impl Iterator<Item = (&TransactionId, Category)> {
        self.lines.iter().map(|(line, category)| (line, *category))
    }

    /// The payees that were corrected, by cleaned label, with what they are.
    pub fn payees(&self) -> impl Iterator<Item = (&str, Category)> {
        let payees = self.payees.iter();
        payees.map(|(payee, category)| (payee.as_str(), *category))
    }

    /// Joins corrections made elsewhere; the other's stand where both speak.
    pub fn add(&mut self, other: Self) {
        self.lines.extend(other.lines);
        self.payees.extend(other.payees);
    }

    /// The enrichment after correction. A sensitive line stays sensitive.
    #[must_use]
    pub fn apply(&self, line: &Transaction, enrichment: Enrichment) -> Enrichment {
        if enrichment.stage == Stage::Sensitive {
            return enrichment;
        }
        let corrected = self
            .lines
            .get(&line.id)
            .or_else(|| self.payees.get(enrichment.cleaned.expose()));
        match corrected {
            Some(category) => Enrichment {
                category: *category,
                stage: Stage::Correction,
                rule: "correction".into(),
                confidence: 100,
                ..enrichment
            },
            None => enrichment,
        }
    }
}
