//! What was learned, in plain words: contracts, scores with their reasons, changes.

use askama::Template;
use axum::response::Response;
use passerelle_domain::Date;
use passerelle_domain::locale::Locale;
use passerelle_knowledge::{
    Analysis, Category, InsuranceContract, LifeMoment, MomentKind, Outcome, Rhythm, Scorecard,
};
use passerelle_runtime::pages::Words;

use super::Frame;

/// What is known, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Knowledge {
    /// The day it was worked out.
    pub(crate) computed: Date,
    /// The banks it was worked out from.
    pub(crate) banks: Vec<String>,
    /// What was worked out, as far as the purposes allow.
    pub(crate) analysis: Analysis,
}

/// The page of what was learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Learned {
    /// What surrounds it.
    pub(crate) frame: Frame,
    /// What is known: several answers where banks were connected for different purposes.
    pub(crate) knowledge: Vec<Knowledge>,
}

/// An insurance contract in words.
struct Contract {
    line: String,
    insurer: String,
    premium: String,
}

/// A score in words.
struct Score {
    heading: String,
    strengths: Vec<String>,
    reasons: Vec<String>,
    helps: Vec<String>,
}

/// Everything on the page.
struct Said {
    /// The banks it is about, where another answer is about others.
    banks: Option<String>,
    lead: String,
    contracts: Vec<Contract>,
    scores: Vec<Score>,
    moments: Vec<String>,
}

#[derive(Template)]
#[template(path = "learned.html")]
struct View<'a> {
    words: Words<'static>,
    frame: &'a Frame,
    said: Vec<Said>,
}

impl Learned {
    /// Renders it.
    pub(crate) fn page(&self) -> Response {
        let words = self.frame.words();
        let view = View {
            words,
            frame: &self.frame,
            said: self
                .knowledge
                .iter()
                .map(|known| said(words, known, self.knowledge.len() > 1))
                .collect(),
        };
        self.frame.show(words.text("learned.title"), &view)
    }
}

fn said(words: Words<'static>, known: &Knowledge, one_of_several: bool) -> Said {
    let analysis = &known.analysis;
    let (computed, lines) = (
        words.date(known.computed),
        usize::try_from(analysis.coverage.lines).unwrap_or_default(),
    );
    let lead = words.fill(
        "learned.lead",
        &[
            ("on", computed.as_str()),
            ("lines", &words.count("learned.lines", lines)),
        ],
    );
    Said {
        banks: one_of_several.then(|| known.banks.join(", ")),
        lead,
        contracts: analysis
            .contracts
            .iter()
            .filter(|contract| contract.is_active())
            .map(|it| contract(words, it))
            .collect(),
        scores: analysis.scores.iter().map(|it| score(words, it)).collect(),
        moments: analysis
            .life_moments
            .iter()
            .map(|it| moment(words, it))
            .collect(),
    }
}

fn contract(words: Words<'static>, contract: &InsuranceContract) -> Contract {
    let premium = contract.premium.as_credit();
    let amount = match words.locale() {
        Locale::Fr => format!(
            "{}\u{a0}{}",
            premium.to_decimal().replace('.', ","),
            symbol(words)
        ),
        Locale::En => format!("{}{}", symbol(words), premium.to_decimal()),
    };
    let rhythm = contract.rhythm.map(|it| words.text(rhythm_key(it)));
    Contract {
        line: category_name(contract.line, words.locale()).to_owned(),
        insurer: contract.insurer.clone().unwrap_or_default(),
        premium: match rhythm {
            Some(rhythm) => format!("{amount} {rhythm}"),
            None => amount,
        },
    }
}

/// Scores and contracts are stated in euros.
fn symbol(words: Words<'static>) -> &'static str {
    words.text("learned.currency")
}

fn score(words: Words<'static>, card: &Scorecard) -> Score {
    let locale = words.locale();
    let name = words.text(model_key(&card.model));
    let heading = |band: &str| words.fill("learned.score", &[("name", name), ("band", band)]);
    match &card.outcome {
        Outcome::Scored(score) => Score {
            heading: heading(score.band_name.in_locale(locale)),
            strengths: score
                .strengths
                .iter()
                .map(|reason| reason.text.in_locale(locale).to_owned())
                .collect(),
            reasons: score
                .reasons
                .iter()
                .map(|reason| reason.text.in_locale(locale).to_owned())
                .collect(),
            helps: score
                .what_helps
                .iter()
                .map(|text| text.in_locale(locale).to_owned())
                .collect(),
        },
        Outcome::InsufficientData { .. } => Score {
            heading: heading(words.text("learned.too-short")),
            strengths: Vec::new(),
            reasons: Vec::new(),
            helps: Vec::new(),
        },
    }
}

fn model_key(model: &str) -> &'static str {
    match model {
        "financial-resilience" => "learned.model.financial-resilience",
        "income-stability" => "learned.model.income-stability",
        "insurance-need-auto" => "learned.model.insurance-need-auto",
        "insurance-need-home" => "learned.model.insurance-need-home",
        "insurance-need-travel" => "learned.model.insurance-need-travel",
        "insurance-need-loan" => "learned.model.insurance-need-loan",
        "insurance-need-moto" => "learned.model.insurance-need-moto",
        "insurance-need-pet" => "learned.model.insurance-need-pet",
        "insurance-need-legal" => "learned.model.insurance-need-legal",
        "insurance-need-protection" => "learned.model.insurance-need-protection",
        "insurance-need-school" => "learned.model.insurance-need-school",
        _ => "learned.model.other",
    }
}

fn moment(words: Words<'static>, moment: &LifeMoment) -> String {
    let key = match moment.kind {
        MomentKind::HomePurchase => "learned.moment.home-purchase",
        MomentKind::Moving => "learned.moment.moving",
        MomentKind::VehicleChange => "learned.moment.vehicle-change",
        MomentKind::LoanEnd => "learned.moment.loan-end",
        MomentKind::ContractEnd => "learned.moment.contract-end",
        MomentKind::ContractAnniversary => "learned.moment.contract-anniversary",
        MomentKind::NewInsuranceContract => "learned.moment.new-insurance-contract",
        MomentKind::IncomeChange => "learned.moment.income-change",
        MomentKind::NewChild => "learned.moment.new-child",
        MomentKind::Retirement => "learned.moment.retirement",
    };
    let since = words.date(moment.first_seen);
    words.fill(
        "learned.moment.since",
        &[("what", words.text(key)), ("since", &since)],
    )
}

fn rhythm_key(rhythm: Rhythm) -> &'static str {
    match rhythm {
        Rhythm::Weekly => "learned.rhythm.weekly",
        Rhythm::Fortnightly => "learned.rhythm.fortnightly",
        Rhythm::Monthly => "learned.rhythm.monthly",
        Rhythm::EveryTwoMonths => "learned.rhythm.every-two-months",
        Rhythm::Quarterly => "learned.rhythm.quarterly",
        Rhythm::HalfYearly => "learned.rhythm.half-yearly",
        Rhythm::Yearly => "learned.rhythm.yearly",
    }
}

/// A category as a reader calls it.
pub(crate) fn category_name(category: Category, locale: Locale) -> &'static str {
    let names = category.mapping().map(|names| match locale {
        Locale::Fr => names.french,
        Locale::En => names.english,
    });
    names.unwrap_or_else(|| category.code())
}
