//! The public personae, read line by line by hand: what a careful person concludes from them.

use std::path::PathBuf;

use passerelle_domain::account::AccountKind;
use passerelle_domain::transaction::Transaction;
use passerelle_knowledge::features::{Housing, Profile};
use passerelle_knowledge::{
    Analysis, Category, CoverRemark, Feature, FlowKind, History, Missing, Outcome, RelationKind,
    Rhythm, Score, analyse, enrich, is_sensitive,
};

use crate::persona;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/personae")
}

/// The history of a persona with its sensitive lines coarsened, as storage would hold it.
fn history(name: &str) -> Option<History> {
    let path = folder().join(format!("{name}.json"));
    if !path.exists() {
        println!("{name}: the personae folder is absent, nothing is checked");
        return None;
    }
    let mut history = persona::read(&path).unwrap();
    for account in &mut history.accounts {
        account.lines = account
            .lines
            .drain(..)
            .map(|line| {
                if is_sensitive(&line) {
                    line.coarsened()
                } else {
                    line
                }
            })
            .collect();
    }
    Some(history)
}

fn profile(analysis: &Analysis) -> &Profile {
    analysis.profile.as_ref().unwrap()
}

fn resilience(analysis: &Analysis) -> &Outcome {
    let card = analysis
        .scores
        .iter()
        .find(|score| score.model == "financial-resilience")
        .unwrap();
    assert!(card.decision_support_only);
    assert!(!card.available_to_selling);
    &card.outcome
}

fn scored(analysis: &Analysis) -> &Score {
    match resilience(analysis) {
        Outcome::Scored(score) => score,
        Outcome::InsufficientData { missing } => panic!("no score: {missing:?}"),
    }
}

/// Active regular flows as (kind, business or payee, cents, times seen), in the order of the analysis.
fn flows(analysis: &Analysis, kind: FlowKind) -> Vec<(String, i64, usize)> {
    analysis
        .recurrences
        .iter()
        .filter(|flow| flow.kind == kind && flow.is_active())
        .map(|flow| {
            assert_eq!(
                flow.rhythm,
                Rhythm::Monthly,
                "{:?} {:?}",
                flow.kind,
                flow.merchant
            );
            let payee = flow
                .merchant
                .clone()
                .unwrap_or_else(|| flow.payee.expose().to_owned());
            (payee, flow.amount.minor, flow.evidence.len())
        })
        .collect()
}

fn expect(name: &str, cents: i64, times: usize) -> (String, i64, usize) {
    (name.to_owned(), cents, times)
}

fn contracts(analysis: &Analysis) -> Vec<(Option<&str>, Category, i64)> {
    analysis
        .contracts
        .iter()
        .map(|contract| {
            (
                contract.insurer.as_deref(),
                contract.line,
                contract.premium.minor,
            )
        })
        .collect()
}

fn gaps(analysis: &Analysis) -> Vec<Category> {
    analysis
        .cover_remarks
        .iter()
        .filter_map(|remark| match remark {
            CoverRemark::PossibleGap { line, .. } => Some(*line),
            CoverRemark::PossibleDouble { .. } => None,
        })
        .collect()
}

fn feature(analysis: &Analysis, feature: Feature) -> i64 {
    analysis.features[0].value(feature).unwrap()
}

fn count(analysis: &Analysis, kind: RelationKind) -> usize {
    analysis
        .relations
        .iter()
        .filter(|relation| relation.kind == kind)
        .count()
}

#[test]
fn archibald_is_fragile_and_gambling_is_not_the_reason() {
    let Some(history) = history("archibald_haddock") else {
        return;
    };
    let analysis = analyse(&history);
    assert_eq!(
        flows(&analysis, FlowKind::Salary),
        [expect("Micromania", 130_876, 3)]
    );
    assert_eq!(
        flows(&analysis, FlowKind::Rent),
        [expect("Citya", -35_000, 3)]
    );
    assert_eq!(
        flows(&analysis, FlowKind::Loan),
        [
            expect("Oney", -9_413, 3),
            expect("Banque Casino", -13_428, 3)
        ]
    );
    assert_eq!(
        flows(&analysis, FlowKind::Telecom),
        [expect("La Poste Mobile", -999, 3)]
    );
    assert_eq!(
        contracts(&analysis),
        [(Some("Luko"), Category::InsuranceHome, 2_477)]
    );
    assert_eq!(profile(&analysis).housing, Housing::Tenant);
    assert!(!profile(&analysis).drives);
    // Two rejected debits, one rejected cheque, one seizure, seven incident fees.
    assert_eq!(feature(&analysis, Feature::Incidents), 11);
    assert_eq!(count(&analysis, RelationKind::RejectedDebit), 2);
    assert_eq!(count(&analysis, RelationKind::RejectedCheque), 1);
    assert_eq!(count(&analysis, RelationKind::Representation), 1);
    let score = scored(&analysis);
    assert_eq!(score.band, "fragile");
    assert_eq!(score.reasons[0].code, "financial-resilience.incidents");
    assert!(
        score
            .reasons
            .iter()
            .all(|reason| reason.feature != Feature::GamblingShare)
    );
    assert!(
        score
            .reasons
            .iter()
            .any(|reason| !reason.evidence.is_empty())
    );
}

#[test]
fn harry_carries_five_credits_and_too_many_charges() {
    let Some(history) = history("harry_potter") else {
        return;
    };
    let analysis = analyse(&history);
    assert_eq!(
        flows(&analysis, FlowKind::Salary),
        [expect("Fnac", 258_145, 3)]
    );
    assert_eq!(
        flows(&analysis, FlowKind::Rent),
        [expect("AG HOMALONE LOYER", -87_978, 3)]
    );
    let mut loans: Vec<i64> = flows(&analysis, FlowKind::Loan)
        .into_iter()
        .map(|(_, cents, _)| cents)
        .collect();
    loans.sort_unstable();
    // The rejected instalment of 343.45 was presented again: three due dates, not four.
    assert_eq!(loans, [-39_989, -34_345, -15_000, -12_699, -10_167]);
    assert_eq!(count(&analysis, RelationKind::Representation), 1);
    assert_eq!(count(&analysis, RelationKind::RejectedDebit), 2);
    assert_eq!(
        flows(&analysis, FlowKind::Energy),
        [expect("EDF", -11_232, 3)]
    );
    assert_eq!(
        contracts(&analysis),
        [(Some("Luko"), Category::InsuranceHome, 2_000)]
    );
    assert_eq!(gaps(&analysis), [Category::InsuranceAuto]);
    // The loan paid out and passed on is neither income nor spending.
    assert_eq!(feature(&analysis, Feature::IncomeMonthly), 258_145);
    assert!(feature(&analysis, Feature::ChargeRatio) > 800);
    assert_eq!(scored(&analysis).band, "fragile");
}

#[test]
fn hermione_settles_a_deferred_card_and_saves() {
    let Some(history) = history("hermione_granger") else {
        return;
    };
    let analysis = analyse(&history);
    assert_eq!(
        flows(&analysis, FlowKind::Salary),
        [expect("ALGOAN SALAIRE", 194_020, 3)]
    );
    assert_eq!(
        flows(&analysis, FlowKind::Rent),
        [expect("LOYER", -59_000, 3)]
    );
    assert_eq!(
        flows(&analysis, FlowKind::Loan),
        [
            expect("Cofidis", -13_050, 3),
            expect("Cofidis 4xCB", -4_933, 3)
        ]
    );
    assert_eq!(
        flows(&analysis, FlowKind::Savings),
        [expect("EPARGNE", -10_000, 3)]
    );
    assert_eq!(
        flows(&analysis, FlowKind::Energy),
        [expect("EDF", -6_000, 3)]
    );
    assert!(analysis.contracts.is_empty());
    assert_eq!(gaps(&analysis), [Category::InsuranceHome]);
    assert_eq!(scored(&analysis).band, "balanced");
    assert_eq!(feature(&analysis, Feature::Incidents), 0);
}

#[test]
fn once_the_card_lines_are_booked_the_settlement_is_not_counted_again() {
    let Some(mut history) = history("hermione_granger") else {
        return;
    };
    let before = feature(&analyse(&history), Feature::SpendingMonthly);
    let settled: i64 = [53_801, 43_798, 52_045].iter().sum();
    let mut bought = 0;
    for account in history
        .accounts
        .iter_mut()
        .filter(|account| account.kind == AccountKind::Card)
    {
        for line in &mut account.lines {
            line.booking_date = "2026-06-01".parse().unwrap();
            bought += (-line.amount.minor).max(0);
        }
    }
    let after = feature(&analyse(&history), Feature::SpendingMonthly);
    // Settlements within two months of the purchases are replaced by the purchases themselves.
    let replaced = 53_801 + 43_798;
    assert_eq!(after, before + (bought - replaced) / 3);
    assert!(settled > replaced);
}

#[test]
fn leia_is_fine_and_her_salary_is_told_by_its_rhythm() {
    let Some(history) = history("leia_skywalker") else {
        return;
    };
    let analysis = analyse(&history);
    assert_eq!(
        flows(&analysis, FlowKind::Salary),
        [expect("Disneyland Paris", 123_212, 3)]
    );
    assert_eq!(
        flows(&analysis, FlowKind::Benefit),
        [expect("CAF", 12_540, 3)]
    );
    assert_eq!(
        flows(&analysis, FlowKind::Rent),
        [expect("Auvergne Habitat", -39_079, 3)]
    );
    assert_eq!(
        flows(&analysis, FlowKind::Loan),
        [expect(
            "LA BANQUE POSTALE NANCEMENT MENSUALITE PRET PERSONNEL",
            -11_878,
            3
        )]
    );
    assert_eq!(
        flows(&analysis, FlowKind::Energy),
        [expect("Engie", -5_500, 3)]
    );
    assert_eq!(
        flows(&analysis, FlowKind::Telecom),
        [expect("Bouygues Telecom", -1_999, 3)]
    );
    assert_eq!(
        flows(&analysis, FlowKind::Subscription),
        [
            expect("Netflix", -1_399, 3),
            expect("ASF", -1_220, 3),
            expect("Spotify", -999, 3)
        ]
    );
    // 1225.05, 1251.82, 1232.12: a wage that breathes has not changed.
    let mut changed = analysis.recurrences.iter().flat_map(|flow| &flow.changes);
    assert_eq!(changed.next(), None);
    assert_eq!(
        contracts(&analysis),
        [(Some("Pacifica"), Category::InsuranceAuto, 2_292)]
    );
    assert_eq!(gaps(&analysis), [Category::InsuranceHome]);
    assert!(profile(&analysis).drives);
    let score = scored(&analysis);
    assert_eq!(score.band, "comfortable");
    assert!(score.value < score.highest);
}

#[test]
fn ron_is_comfortable_with_a_mortgage() {
    let Some(history) = history("ron_weasley") else {
        return;
    };
    let analysis = analyse(&history);
    let salaries: Vec<i64> = flows(&analysis, FlowKind::Salary)
        .into_iter()
        .map(|(_, cents, _)| cents)
        .collect();
    assert_eq!(salaries, [204_256, 238_643]);
    let housing = String::new();
    assert_eq!(
        flows(&analysis, FlowKind::Loan),
        [(housing, -127_206, 3), expect("Sofinco", -13_763, 3)]
    );
    assert_eq!(
        flows(&analysis, FlowKind::Energy),
        [expect("TotalEnergies", -8_822, 3)]
    );
    assert_eq!(
        flows(&analysis, FlowKind::Telecom),
        [
            expect("Free Mobile", -3_566, 3),
            expect("Orange", -3_116, 3)
        ]
    );
    assert_eq!(profile(&analysis).housing, Housing::OwnerWithLoan);
    assert_eq!(
        contracts(&analysis),
        [
            (Some("Acommeassure"), Category::InsuranceAuto, 2_165),
            (Some("CNP Assurances"), Category::InsuranceLoan, 3_391),
        ]
    );
    assert_eq!(gaps(&analysis), [Category::InsuranceHome]);
    assert_eq!(scored(&analysis).band, "comfortable");
}

#[test]
fn an_account_without_an_owner_name_is_read_like_any_other() {
    let Some(history) = history("no_owner_name") else {
        return;
    };
    let analysis = analyse(&history);
    let salary = &flows(&analysis, FlowKind::Salary)[0];
    assert_eq!((salary.1, salary.2), (258_145, 3));
    assert_eq!(
        flows(&analysis, FlowKind::Loan),
        [
            expect("Credipar", -7_889, 3),
            expect("Cofidis", -5_012, 3),
            expect("", -52_231, 3),
            expect("Oney 3x4x", -12_699, 2),
        ]
    );
    assert_eq!(
        flows(&analysis, FlowKind::Subscription),
        [expect("Basic-Fit", -3_597, 3)]
    );
    assert_eq!(
        flows(&analysis, FlowKind::BankFee),
        [expect("A COMPOSER REM", -1_300, 3)]
    );
    let lines: Vec<Category> = analysis
        .contracts
        .iter()
        .map(|contract| contract.line)
        .collect();
    assert_eq!(
        lines,
        [
            Category::InsuranceAuto,
            Category::InsuranceHome,
            Category::InsuranceLoan
        ]
    );
    assert_eq!(profile(&analysis).housing, Housing::OwnerWithLoan);
    assert_eq!(gaps(&analysis), []);
    assert_eq!(scored(&analysis).band, "balanced");
}

#[test]
fn the_negative_personae_are_told_what_is_missing() {
    for name in ["currency_not_supported", "no_checking_account"] {
        let Some(history) = history(name) else { return };
        match resilience(&analyse(&history)) {
            Outcome::InsufficientData { missing } => {
                assert_eq!(missing[0], Missing::PaymentAccount, "{name}");
            }
            Outcome::Scored(score) => panic!("{name} was scored {}", score.value),
        }
    }
}

#[test]
fn a_pharmacy_leaves_nothing_behind() {
    let Some(history) = history("leia_skywalker") else {
        return;
    };
    let hidden: Vec<&Transaction> = history.accounts[0]
        .lines
        .iter()
        .filter(|line| line.sensitive)
        .collect();
    assert_eq!(hidden.len(), 2, "two visits to a pharmacy");
    for line in hidden {
        let known = enrich(line);
        assert_eq!(known.category, Category::Sensitive);
        assert!(known.cleaned.is_empty() && known.merchant.is_none());
    }
    let analysis = serde_json::to_string(&analyse(&history)).unwrap();
    assert!(!analysis.contains("PHIE"));
}

#[test]
fn an_analysis_is_the_same_bytes_whatever_the_order_of_its_rows() {
    for name in [
        "archibald_haddock",
        "harry_potter",
        "hermione_granger",
        "leia_skywalker",
    ] {
        let Some(mut history) = history(name) else {
            return;
        };
        let once = serde_json::to_vec(&analyse(&history)).unwrap();
        history.accounts.reverse();
        for account in &mut history.accounts {
            account.lines.reverse();
        }
        assert_eq!(
            serde_json::to_vec(&analyse(&history)).unwrap(),
            once,
            "{name}"
        );
        let read: Analysis = serde_json::from_slice(&once).unwrap();
        assert_eq!(serde_json::to_vec(&read).unwrap(), once, "{name}");
    }
}
