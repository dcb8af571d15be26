//! The data files read into the index.

use super::{
    CUT_NAME, Guard, InsuranceLineWord, Keyword, Lexicon, Meaning, Merchant, MerchantKind,
    OperationRule, Phrase, Scope, SensitivePhrase, Sign,
};
use crate::label::Words;
use crate::table::{self, MalformedTable};
use crate::taxonomy::Category;

impl Lexicon {
    pub fn read() -> Result<Self, MalformedTable> {
        let mut lexicon = Self::default();
        lexicon.read_operations()?;
        lexicon.read_merchants(
            "insurers.csv",
            include_str!("../../data/insurers.csv"),
            MerchantKind::Insurer,
        )?;
        lexicon.read_merchants(
            "merchants.csv",
            include_str!("../../data/merchants.csv"),
            MerchantKind::Ordinary,
        )?;
        lexicon.read_merchants(
            "providers.csv",
            include_str!("../../data/providers.csv"),
            MerchantKind::Ordinary,
        )?;
        lexicon.read_merchants(
            "shops.csv",
            include_str!("../../data/shops.csv"),
            MerchantKind::Shop,
        )?;
        lexicon.read_merchants(
            "brands.csv",
            include_str!("../../data/brands.csv"),
            MerchantKind::Shop,
        )?;
        lexicon.read_keywords()?;
        lexicon.read_sensitive()?;
        lexicon.read_insurance_lines()?;
        lexicon.read_creditors()?;
        lexicon.noise = table::rows("noise.csv", include_str!("../../data/noise.csv"))
            .map(|row| row.required(0))
            .collect::<Result<_, _>>()?;
        Ok(lexicon)
    }

    fn read_operations(&mut self) -> Result<(), MalformedTable> {
        for row in table::rows("operations.csv", include_str!("../../data/operations.csv")) {
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
            let phrases = row.text(3);
            let index = self.merchants.len();
            self.merchants.push(Merchant {
                name,
                category,
                received: row.optional(2)?,
                kind,
                is_last_resort: phrases.starts_with("=?"),
            });
            // `=` before the phrases means that the name itself is too common a word to be one.
            if !phrases.starts_with('=') {
                self.add_merchant_phrase(name, index);
            }
            for phrase in row.alternatives(3) {
                self.add_merchant_phrase(phrase.trim_start_matches(['=', '?']), index);
            }
        }
        Ok(())
    }

    fn read_keywords(&mut self) -> Result<(), MalformedTable> {
        for row in table::rows("keywords.csv", include_str!("../../data/keywords.csv")) {
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
        for row in table::rows(
            "first_names.csv",
            include_str!("../../data/first_names.csv"),
        ) {
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
        for row in table::rows("sensitive.csv", include_str!("../../data/sensitive.csv")) {
            let index = self.sensitive.len();
            self.sensitive.push(SensitivePhrase {
                about_health: row.required(1)? == "health",
                guard: Guard::read(row.text(2)).ok_or_else(|| row.malformed(2))?,
            });
            let phrase = row.required(0)?;
            let words = Words::of([phrase]);
            if words.len() == 1 && words.get(0).len() > CUT_NAME && row.text(2) != "none" {
                self.long_sensitive.insert(words.get(0).to_owned());
            }
            self.add_phrase(phrase, Meaning::Sensitive(index));
        }
        for row in table::rows("charities.csv", include_str!("../../data/charities.csv")) {
            let meaning = match row.text(1) {
                "" => Meaning::Charity,
                "platform" => Meaning::Platform,
                _ => return Err(row.malformed(1)),
            };
            self.add_phrase(row.required(0)?, meaning);
        }
        Ok(())
    }

    fn read_insurance_lines(&mut self) -> Result<(), MalformedTable> {
        let text = include_str!("../../data/insurance_lines.csv");
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
        for row in table::rows("creditors.csv", include_str!("../../data/creditors.csv")) {
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
}
