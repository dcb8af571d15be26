//! What the name of a business and telling words say.

use super::{CONFIDENCE_BAR, CUT_PENALTY, Finding, Reading, Stage, is_loan};
use crate::income::names_a_company;
use crate::lexicon::{Hit, Meaning, Merchant, MerchantKind};
use crate::operation::Operation;
use crate::taxonomy::Category;

impl Reading<'_> {
    pub(super) fn names_an_insurer(&self) -> bool {
        self.merchant()
            .and_then(|(index, _)| self.lexicon.merchant(index))
            .is_some_and(|merchant| merchant.kind.is_insurer())
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
    pub(super) fn by_words(&self) -> Finding {
        // "ASSU. CNP PRET HABITAT" is a premium for a loan, not the loan.
        let about_insurance = self.names_an_insurer() && self.is_debit();
        let keyword = self
            .best_keyword()
            .filter(|finding| !about_insurance || !is_loan(finding.category));
        let named = self.by_dictionary();
        match (named, keyword) {
            // What a lessor calls a rent is the lease of what it lets.
            (Some(named), Some(keyword)) if is_lease(&named, &keyword) => self.refined(named),
            // "CARDIF ASSURANCE VIE ASSU EMPRUNTEUR": all the words were weighed for the line already.
            (Some(named), Some(keyword)) if self.line_is_told(&named, &keyword) => named,
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

    /// Whether words around an insurer's name made its line more precise, where a word tells another.
    fn line_is_told(&self, named: &Finding, keyword: &Finding) -> bool {
        let usual = named
            .merchant
            .and_then(|index| self.lexicon.merchant(index))
            .map(|merchant| merchant.category);
        named.category.is_in("insurance")
            && keyword.category.is_in("insurance")
            && usual.is_some_and(|usual| usual != named.category)
    }

    /// The last word is the beginning of telling words that all say the same.
    fn by_cut_word(&self) -> Option<Finding> {
        let last = self.words.get(self.words.len().checked_sub(1)?);
        let mut candidates = self.lexicon.words_cut_to(last).filter(|keyword| {
            keyword.sign.admits(self.is_for_a_debit()) && keyword.scope.admits(self.operation)
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

    /// An instant transfer to or from two or three words that no firm carries: a person, as a rule.
    fn by_instant_name(&self) -> Option<Finding> {
        if !matches!(
            self.operation,
            Operation::InstantSent | Operation::InstantReceived
        ) {
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
            rule: "instant transfer and a name",
            confidence: 72,
        })
    }

    pub(super) fn by_dictionary(&self) -> Option<Finding> {
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
                        && word.sign.admits(self.is_for_a_debit())
                        && word.scope.admits(self.operation)
                }),
                _ => false,
            })
    }

    /// A name glued to another word or cut short, where none is written in full.
    fn by_guessed_name(&self) -> Option<Finding> {
        if self.merchant().is_some() {
            return None;
        }
        let index = self.lexicon.guess_merchant(&self.words)?;
        let merchant = self.lexicon.merchant(index)?;
        self.about_merchant(index, merchant, Stage::Dictionary, 78)
    }

    /// What a movement with a known business is: a purchase or premium when money leaves; when money
    /// comes, what the business pays out, a refund on a card, or nothing we can be sure of.
    pub(super) fn about_merchant(
        &self,
        index: usize,
        merchant: &Merchant,
        stage: Stage,
        confidence: u8,
    ) -> Option<Finding> {
        let gives_back = matches!(self.operation, Operation::DirectDebitRejected);
        let category = if self.is_debit() || gives_back {
            match merchant.kind {
                MerchantKind::Insurer | MerchantKind::HealthInsurer => {
                    self.insurance_line(merchant.category)
                }
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
    /// equally loud tell none: one premium may cover a home and a car; a word for health tells it always.
    pub(super) fn insurance_line(&self, default: Category) -> Category {
        const LOUD: u8 = 4;
        let lines = || {
            let whole = self.hits.iter().filter(|hit| !hit.cut);
            whole.filter(|hit| matches!(hit.meaning, Meaning::InsuranceLine(_)))
        };
        let told = || {
            lines()
                // "IARD ET SANTE" is a firm's name: the words inside it tell nothing more.
                .filter(|hit| !lines().any(|other| other.words > hit.words && other.covers(hit)))
                .filter_map(|hit| match hit.meaning {
                    Meaning::InsuranceLine(index) => self.lexicon.insurance_lines.get(index),
                    _ => None,
                })
                .filter(|word| default == Category::InsuranceUnknownLine || word.weight >= LOUD)
        };
        // A premium that covers health among other things is a health premium: nothing less protects it.
        if told().any(|word| word.weight >= LOUD && word.category == Category::InsuranceHealth) {
            return Category::InsuranceHealth;
        }
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

    pub(super) fn best_keyword(&self) -> Option<Finding> {
        let best = self
            .hits
            .iter()
            .filter_map(|hit| match hit.meaning {
                Meaning::Keyword(index) => Some((self.lexicon.keywords.get(index)?, *hit)),
                _ => None,
            })
            .filter(|(keyword, _)| {
                keyword.sign.admits(self.is_for_a_debit()) && keyword.scope.admits(self.operation)
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
}

/// Whether the word "rent" stands beside somebody who lets no homes.
fn is_lease(named: &Finding, keyword: &Finding) -> bool {
    keyword.category == Category::HousingRent
        && matches!(
            named.category,
            Category::TransportVehicleLoan
                | Category::TransportVehicleRental
                | Category::TelecomInternet
                | Category::TelecomMobile
        )
}
