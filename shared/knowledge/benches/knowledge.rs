//! How fast lines are read, beside a plain Python reading of the same data files in the same run.
//!
//! `cargo bench -p passerelle-knowledge`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs
)]

#[path = "../tests/support/persona.rs"]
#[allow(dead_code)]
mod persona;

use std::process::Command;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use passerelle_domain::Date;
use passerelle_domain::account::{AccountKind, Balance, BalanceType};
use passerelle_domain::ids::{AccountId, TransactionId};
use passerelle_domain::money::{Amount, Currency};
use passerelle_domain::transaction::Transaction;
use passerelle_knowledge::{AccountHistory, History, analyse, enrich, is_sensitive};

const GOLDEN: &str = include_str!("../tests/golden/lines.csv");

fn golden_lines() -> Vec<Transaction> {
    GOLDEN
        .lines()
        .filter(|line| !line.starts_with('#'))
        .skip(1)
        .enumerate()
        .map(|(position, line)| {
            let columns: Vec<&str> = line.split(',').collect();
            persona::transaction(
                TransactionId::from_entropy(persona::entropy(9, position)),
                Date::constant(2026, 6, 15),
                Amount::parse(columns[4], Currency::EUR).unwrap(),
                columns[3],
            )
        })
        .collect()
}

/// Three accounts over twelve months, 1,200 lines with labels of every bank.
fn year() -> History {
    let shapes = golden_lines();
    let start = Date::constant(2025, 7, 1);
    let accounts = [
        AccountKind::Payment,
        AccountKind::Payment,
        AccountKind::Savings,
    ]
    .into_iter()
    .enumerate()
    .map(|(number, kind)| AccountHistory {
        account: AccountId::from_entropy(persona::entropy(number + 1, 0)),
        kind,
        balance: Some(Balance {
            amount: Amount::eur(150_000),
            balance_type: BalanceType::ClosingBooked,
            reference_date: None,
            credit_limit_included: false,
        }),
        lines: (0..400)
            .map(|position| {
                let shape = &shapes[(number * 400 + position * 7) % shapes.len()];
                let days = i32::try_from(position * 365 / 400).unwrap();
                Transaction {
                    id: TransactionId::from_entropy(persona::entropy(number, position)),
                    booking_date: start.checked_add(jiff::Span::new().days(days)).unwrap(),
                    ..shape.clone()
                }
            })
            .collect(),
    })
    .collect();
    History {
        accounts,
        as_of: Date::constant(2026, 6, 30),
    }
}

fn labels(criterion: &mut Criterion) {
    let lines = golden_lines();
    let mut group = criterion.benchmark_group("labels");
    group.throughput(Throughput::Elements(u64::try_from(lines.len()).unwrap()));
    group.bench_function("enrich", |bencher| {
        bencher.iter(|| {
            lines
                .iter()
                .map(enrich)
                .map(|known| u64::from(known.confidence))
                .sum::<u64>()
        });
    });
    group.bench_function("is_sensitive", |bencher| {
        bencher.iter(|| lines.iter().filter(|line| is_sensitive(line)).count());
    });
    group.finish();
    python_reference();
}

fn scores(criterion: &mut Criterion) {
    let history = year();
    let mut group = criterion.benchmark_group("scores");
    group.throughput(Throughput::Elements(1_200));
    group.bench_function(
        "12 months of three accounts, from rows to all scores",
        |bencher| {
            bencher.iter(|| analyse(&history).scores.len());
        },
    );
    group.finish();
}

/// The same lookup in Python, on the same files and lines. Where there is no Python it says so.
fn python_reference() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/reference.py");
    match Command::new("python3").arg(script).output() {
        Ok(output) => println!("{}", String::from_utf8_lossy(&output.stdout).trim()),
        Err(_) => println!("python3 is absent: no reference beside these numbers"),
    }
}

criterion_group!(benches, labels, scores);
criterion_main!(benches);
