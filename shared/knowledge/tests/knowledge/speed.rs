//! No text is slow: there is an end to what is read of one label, and ten thousand equal lines are read
//! like any others.

use passerelle_domain::Date;
use passerelle_domain::ids::TransactionId;
use passerelle_domain::money::Amount;
use passerelle_domain::transaction::Transaction;
use passerelle_knowledge::{Category, Stage, analyse, cfonb, enrich, is_sensitive};
use proptest::prelude::*;

use crate::persona;

fn line(label: &str) -> Transaction {
    persona::transaction(
        TransactionId::from_entropy([7; 16]),
        Date::constant(2026, 6, 15),
        Amount::eur(-1_250),
        label,
    )
}

#[test]
fn a_text_longer_than_any_bank_writes_is_protected_unread() {
    for endless in [
        "CARREFOUR ",
        "PRLV SEPA ",
        "A ",
        "9",
        "ASSURANCE VIE ",
        "É-",
    ] {
        let known = enrich(&line(&endless.repeat(100_000)));
        assert_eq!(known.category, Category::Sensitive, "{endless:?}");
        assert_eq!(known.stage, Stage::Sensitive);
        assert!(is_sensitive(&line(&endless.repeat(100_000))));
    }
    assert_eq!(
        enrich(&line(&"CARREFOUR ".repeat(100))).category,
        Category::FoodGroceries
    );
}

#[test]
fn ten_thousand_equal_lines_are_no_trouble() {
    let mut history = persona::read(
        &std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/rennes.csv"),
    )
    .unwrap();
    let shape = history.accounts[0].lines[0].clone();
    history.accounts[0].lines = (0..10_000)
        .map(|position| Transaction {
            id: TransactionId::from_entropy(persona::entropy(3, position)),
            ..shape.clone()
        })
        .collect();
    assert_eq!(analyse(&history).coverage.lines, 10_000);
}

proptest! {
    #[test]
    fn any_bytes_are_read_as_a_statement_or_refused_with_a_line(
        bytes in proptest::collection::vec(any::<u8>(), 0..2_000)
    ) {
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.lines().count().max(1);
        if let Err(refused) = cfonb::read(&text) {
            prop_assert!(refused.line >= 1 && refused.line <= lines + 1);
        }
    }

    #[test]
    fn any_label_is_read(label in "\\PC{0,400}") {
        let line = line(&label);
        prop_assert_eq!(enrich(&line), enrich(&line));
    }
}
