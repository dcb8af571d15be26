//! One life from rows to the last sentence, kept as files: whatever changes in an answer shows as a
//! difference. `UPDATE_GOLDEN=1 cargo test -p passerelle-knowledge whole` writes them again.

use std::path::{Path, PathBuf};

use passerelle_domain::Date;
use passerelle_domain::account::AccountKind;
use passerelle_domain::money::Amount;
use passerelle_knowledge::{Analysis, Category, History, analyse, rules_version};

use crate::{page, persona};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// A year of a nurse in Rennes with a car, two credits, a move and a dog.
fn a_year_in_rennes() -> History {
    let mut history = persona::read(&folder().join("rennes.csv")).unwrap();
    history.accounts[0].balance = Some(persona::balance(Amount::eur(284_210)));
    history
}

/// The version of the rules changes with every line of a dictionary; what it gives must not.
fn is_as_stored(name: &str, now: &str) {
    let now = &now.replace(rules_version(), "RULES");
    let path = folder().join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, now).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == *now,
        "{name} is out of date: UPDATE_GOLDEN=1 cargo test -p passerelle-knowledge whole"
    );
}

#[test]
fn a_whole_analysis_is_as_it_was() {
    let history = a_year_in_rennes();
    let mut text = serde_json::to_string_pretty(&analyse(&history)).unwrap();
    text.push('\n');
    is_as_stored("rennes.json", &text);
}

#[test]
fn its_page_is_as_it_was() {
    let history = a_year_in_rennes();
    let page = page::page("A year in Rennes", &history, &analyse(&history));
    is_as_stored("rennes.md", &page);
    assert!(
        !page.contains("PHARMACIE"),
        "protected lines lose their text"
    );
}

#[test]
fn the_year_is_understood() {
    let history = a_year_in_rennes();
    assert_eq!(history.accounts[0].kind, AccountKind::Payment);
    let analysis = analyse(&history);
    let lines: Vec<Category> = analysis.contracts.iter().map(|held| held.line).collect();
    for line in [
        Category::InsuranceAuto,
        Category::InsuranceHome,
        Category::InsurancePet,
    ] {
        assert!(lines.contains(&line), "{line}");
    }
    let car = &analysis.profile.as_ref().unwrap().loans[0];
    assert_eq!(car.category, Category::TransportVehicleLoan);
    // 9,000 € came in September; at 205 € a month they are paid back, with interest, in 47 payments.
    assert_eq!(car.ends, Some(Date::constant(2029, 8, 5)));
}

#[test]
fn what_is_kept_is_smaller_and_says_the_same() {
    let whole = analyse(&a_year_in_rennes());
    let kept = whole.clone().condensed();
    let size = |analysis: &Analysis| serde_json::to_vec(analysis).unwrap().len();
    assert!(size(&kept) < size(&whole));
    assert_eq!(kept.clone().condensed(), kept);
    let numbers = |analysis: &Analysis| -> Vec<(i64, i64)> {
        analysis
            .recurrences
            .iter()
            .map(|flow| (flow.occurrences, flow.amount.minor))
            .collect()
    };
    assert_eq!(numbers(&kept), numbers(&whole));
    for flow in &kept.recurrences {
        assert!(flow.evidence.len() <= 3 && !flow.evidence.is_empty());
    }
}
