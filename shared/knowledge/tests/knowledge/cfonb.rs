//! CFONB-120 files: valid ones are read to the cent, broken ones refused with the line.

use std::path::PathBuf;

use passerelle_domain::Date;
use passerelle_knowledge::cfonb::{self, CfonbProblem, InvalidCfonb};
use passerelle_knowledge::{Operation, analyse, enrich};
use proptest::prelude::*;

use crate::persona;

fn fixture(name: &str) -> Option<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data/cfonb120")
        .join(name);
    let text = std::fs::read_to_string(path).ok();
    if text.is_none() {
        println!("{name}: the cfonb120 folder is absent, nothing is checked");
    }
    text
}

#[test]
fn statements_are_read_to_the_cent() {
    let Some(text) = fixture("example.txt") else {
        return;
    };
    let statements = cfonb::read(&text).unwrap();
    assert_eq!(statements.len(), 2);
    let first = &statements[0];
    assert_eq!(first.opening, (Date::constant(2019, 5, 15), -19_040));
    assert_eq!(first.closing, (Date::constant(2019, 5, 16), -24_121));
    assert!(first.is_balanced());
    let debit = &first.movements[0];
    assert_eq!(debit.minor, -3_221);
    assert_eq!(debit.operation_code, "B1");
    assert_eq!(debit.label.expose(), "PRLV SEPA TEST CABINET");
    assert_eq!(
        debit.details["LIB"].expose(),
        "MENSUEAUHTR13133 MENSUEAUHTR13DUP"
    );
    assert_eq!(debit.details["NPY"].expose(), "INTERNET SFR");
    assert!(debit.full_label().expose().contains("INTERNET SFR"));
    assert_eq!(
        first.movements[1].reference.as_ref().unwrap().expose(),
        "REFERENCE"
    );
    let second = &statements[1];
    assert_eq!(second.movements[0].minor, 9_749);
}

/// A statement is a history like any other: codes, creditors and texts of its records are read.
#[test]
fn a_statement_is_read_as_a_history() {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/cfonb120/example.txt");
    if fixture("example.txt").is_none() {
        return;
    }
    let history = persona::read(&path).unwrap();
    assert_eq!(history.as_of, Date::constant(2019, 5, 17));
    let lines: Vec<_> = history.accounts.iter().flat_map(|it| &it.lines).collect();
    let debit = enrich(lines[0]);
    assert_eq!(debit.operation, Operation::DirectDebit);
    assert_eq!(debit.merchant.as_deref(), Some("SFR"));
    let moved: i64 = lines.iter().map(|line| line.amount.minor).sum();
    assert_eq!(
        analyse(&history).coverage.lines,
        i64::try_from(lines.len()).unwrap()
    );
    assert_ne!(moved, 0);
}

#[test]
fn broken_files_are_refused_with_the_line() {
    let cases = [
        ("invalid_date.txt", CfonbProblem::InvalidDate, 1),
        (
            "new_statement_without_previous_ended.txt",
            CfonbProblem::StatementNotClosed,
            6,
        ),
        (
            "end_of_statement_without_beginning.txt",
            CfonbProblem::OutsideStatement,
            9,
        ),
        (
            "operation_out_of_statement.txt",
            CfonbProblem::OutsideStatement,
            1,
        ),
        (
            "operation_detail_without_operation.txt",
            CfonbProblem::DetailWithoutMovement,
            3,
        ),
        ("operation_unstarted.txt", CfonbProblem::OutsideStatement, 1),
        (
            "operation_already_defined.txt",
            CfonbProblem::OutsideStatement,
            1,
        ),
        ("operation.txt", CfonbProblem::OutsideStatement, 1),
    ];
    for (name, problem, line) in cases {
        let Some(text) = fixture(name) else { return };
        assert_eq!(
            cfonb::read(&text),
            Err(InvalidCfonb { line, problem }),
            "{name}"
        );
    }
}

#[test]
fn an_unfinished_file_is_refused_after_its_last_line() {
    let Some(text) = fixture("example.txt") else {
        return;
    };
    let cut: String = text
        .lines()
        .take(3)
        .map(|line| format!("{line}\n"))
        .collect();
    let refused = cfonb::read(&cut).unwrap_err();
    assert_eq!(
        (refused.line, refused.problem),
        (4, CfonbProblem::StatementNotClosed)
    );
    assert!(!refused.is_retryable());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_reader_panic(text in "(0[1457][ -~é]{0,130}\n?){0,6}") {
        let _ = cfonb::read(&text);
    }

    #[test]
    fn no_damage_to_a_file_makes_the_reader_panic(at in 0_usize..2_000, symbol in any::<char>()) {
        if let Some(text) = fixture("example.txt") {
            let damaged: String = text
                .chars()
                .enumerate()
                .map(|(position, old)| if position == at { symbol } else { old })
                .collect();
            let _ = cfonb::read(&damaged);
        }
    }
}
