//! One line understood: what kind of movement, with whom, for what, and how we know.

mod reading;
mod shape;
mod words;

use std::borrow::Cow;

use passerelle_domain::private::Private;
use passerelle_domain::transaction::Transaction;
use serde::{Deserialize, Serialize};

use crate::lexicon::lexicon;
use crate::operation::Operation;
use crate::sensitive::{self, Sensitivity};
use crate::taxonomy::Category;
pub(crate) use reading::Reading;

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
        let is_debit = line.amount.is_debit();
        return protected(
            Category::Sensitive,
            Operation::Unknown,
            is_debit,
            "coarsened",
        );
    }
    let lexicon = lexicon();
    let reading = Reading::of(lexicon, line);
    let protection = match sensitive::sensitivity(&reading) {
        Sensitivity::Ordinary => None,
        Sensitivity::Payee => Some((Category::Sensitive, "sensitive.csv")),
        Sensitivity::Donation => Some((Category::CharityRestricted, "charities.csv")),
        Sensitivity::HealthPremium => Some((Category::InsuranceHealth, "insurers.csv")),
        Sensitivity::IncomeWithoutCause => {
            Some((Category::IncomeReplacement, "income without a cause"))
        }
    };
    if let Some((category, rule)) = protection {
        return protected(category, reading.operation, reading.is_debit(), rule);
    }
    let finding = reading.decide();
    let merchant = finding
        .merchant
        .or(reading.merchant().map(|(index, _)| index))
        .and_then(|index| lexicon.merchant(index));
    let sure = finding.confidence >= CONFIDENCE_BAR;
    let category = if sure {
        finding.category
    } else {
        Category::Unknown
    };
    Enrichment {
        category,
        operation: reading
            .operation
            .or_as_usual_for(category, line.amount.is_debit()),
        merchant: merchant.map(|merchant| merchant.name.to_owned()),
        cleaned: Private::new(reading.cleaned()),
        stage: if sure { finding.stage } else { Stage::Nothing },
        rule: Cow::Borrowed(if sure { finding.rule } else { "" }),
        confidence: finding.confidence,
    }
}

fn protected(
    category: Category,
    operation: Operation,
    is_debit: bool,
    rule: &'static str,
) -> Enrichment {
    Enrichment {
        category,
        operation: operation.or_as_usual_for(category, is_debit),
        merchant: None,
        cleaned: Private::default(),
        stage: Stage::Sensitive,
        rule: Cow::Borrowed(rule),
        confidence: 100,
    }
}

impl Reading<'_> {
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

    /// Whether words tell what an association does for its members: a sport, a lesson, an outing.
    pub fn tells_a_pastime(&self) -> bool {
        self.best_keyword().is_some_and(|finding| {
            finding.confidence >= 80
                && matches!(
                    finding.category,
                    Category::LeisureSport
                        | Category::LeisureCulture
                        | Category::FamilyActivity
                        | Category::EducationFees
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

    /// Whether nothing in the words tells another line than health.
    pub fn is_for_health(&self) -> bool {
        self.insurance_line(Category::InsuranceHealth) == Category::InsuranceHealth
    }

    /// Whether the words tell a premium for complementary health cover.
    pub fn is_health_premium(&self) -> bool {
        self.is_for_a_debit()
            && self.names_an_insurer()
            && self.insurance_line(Category::InsuranceUnknownLine) == Category::InsuranceHealth
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
}

fn is_loan(category: Category) -> bool {
    category.is_in("loan")
        || matches!(
            category,
            Category::HousingLoan | Category::TransportVehicleLoan
        )
}
