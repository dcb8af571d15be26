//! Judges labelled lines: `cargo run -p passerelle-knowledge --example judge -- FILE`.
//!
//! A line of the file is `half,level,bank,label,amount,category,operation`, as in the golden lines;
//! every mistake is printed with the rule that made it, and the figures come last, in thousandths.

#![allow(clippy::print_stdout, missing_docs)]

use std::error::Error;

use passerelle_domain::Date;
use passerelle_domain::ids::TransactionId;
use passerelle_domain::money::{Amount, Currency};
use passerelle_knowledge::{Category, Enrichment, Operation, enrich};

#[path = "../tests/support/persona.rs"]
#[allow(dead_code)]
mod persona;

/// One line with the answer a careful person gives.
struct Labelled<'a> {
    label: &'a str,
    amount: &'a str,
    category: Category,
    operation: Operation,
}

impl<'a> Labelled<'a> {
    fn read(line: &'a str) -> Result<Self, Box<dyn Error>> {
        let columns: Vec<&str> = line.split(',').collect();
        let [_half, _level, _bank, label, amount, category, operation] = columns[..] else {
            return Err(format!("not seven columns: {line}").into());
        };
        Ok(Self {
            label,
            amount,
            category: category.parse()?,
            operation: operation.parse()?,
        })
    }

    fn answer(&self, position: usize) -> Result<Enrichment, Box<dyn Error>> {
        let line = persona::transaction(
            TransactionId::from_entropy(persona::entropy(9, position)),
            Date::constant(2026, 6, 15),
            Amount::parse(self.amount, Currency::EUR)?,
            self.label,
        );
        Ok(enrich(&line))
    }
}

#[derive(Default)]
struct Figures {
    lines: usize,
    right: usize,
    answered: usize,
    answered_right: usize,
    operation_right: usize,
}

impl Figures {
    fn add(&mut self, expected: &Labelled<'_>, answer: &Enrichment) {
        let right = answer.category == expected.category;
        let answered = answer.category != Category::Unknown;
        self.lines += 1;
        self.right += usize::from(right);
        self.answered += usize::from(answered);
        self.answered_right += usize::from(answered && right);
        self.operation_right += usize::from(answer.operation == expected.operation);
    }
}

fn permille(part: usize, whole: usize) -> usize {
    (part * 1_000).checked_div(whole).unwrap_or_default()
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("which file?")?;
    let text = std::fs::read_to_string(path)?;
    let mut figures = Figures::default();
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with("half,"));
    for (position, line) in lines.enumerate() {
        let expected = Labelled::read(line)?;
        let answer = expected.answer(position)?;
        figures.add(&expected, &answer);
        if answer.category != expected.category || answer.operation != expected.operation {
            println!(
                "{} not {}, {:?} not {:?}: {} {} [{}]",
                answer.category,
                expected.category,
                answer.operation,
                expected.operation,
                expected.label,
                expected.amount,
                answer.rule
            );
        }
    }
    println!(
        "lines {}, accuracy {}, precision when it answers {}, coverage {}, operation {}",
        figures.lines,
        permille(figures.right, figures.lines),
        permille(figures.answered_right, figures.answered),
        permille(figures.answered, figures.lines),
        permille(figures.operation_right, figures.lines)
    );
    Ok(())
}
