//! Fits a points card on binned cases and prints its numbers as JSON, for a comparison with another
//! implementation.
//!
//! `cargo run -p passerelle-knowledge --example fit -- CASES.csv`
//!
//! The first line names the columns, the last of which is the outcome (1 for the event); every other
//! cell is the number of the bin the case falls into, from 0.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use passerelle_knowledge::fitting::{
    BinCount, FittedBin, Scale, information_value, logistic_regression, weights_of_evidence,
};
use serde_json::json;

fn main() -> ExitCode {
    match std::env::args()
        .nth(1)
        .ok_or("usage: fit CASES.csv".to_owned())
        .and_then(|path| fit(&path))
    {
        Ok(card) => {
            println!("{card}");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

/// The cases of a file: bin numbers by row, and outcomes.
struct Cases {
    names: Vec<String>,
    bins: Vec<Vec<usize>>,
    bad: Vec<bool>,
}

fn read(path: &str) -> Result<Cases, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let mut lines = text.lines();
    let mut names: Vec<String> = lines
        .next()
        .unwrap_or_default()
        .split(',')
        .map(str::to_owned)
        .collect();
    names.pop().ok_or("no columns")?;
    let mut cases = Cases {
        names,
        bins: Vec::new(),
        bad: Vec::new(),
    };
    for line in lines {
        let mut cells: Vec<usize> = line
            .split(',')
            .map(|cell| {
                cell.parse()
                    .map_err(|_| format!("not a bin number: {cell}"))
            })
            .collect::<Result<_, String>>()?;
        cases.bad.push(cells.pop() == Some(1));
        cases.bins.push(cells);
    }
    Ok(cases)
}

fn fit(path: &str) -> Result<serde_json::Value, String> {
    let cases = read(path)?;
    let fitted: Vec<Vec<FittedBin>> = (0..cases.names.len())
        .map(|column| weights_of_evidence(&counts(&cases, column)))
        .collect();
    let rows: Vec<Vec<f64>> = cases
        .bins
        .iter()
        .map(|case| {
            case.iter()
                .zip(&fitted)
                .filter_map(|(bin, bins)| bins.get(*bin))
                .map(|bin| bin.woe)
                .collect()
        })
        .collect();
    let model = logistic_regression(&rows, &cases.bad).map_err(|error| error.to_string())?;
    let scale = Scale::default();
    let intercept = model.0.first().copied().unwrap_or_default();
    let attributes: Vec<serde_json::Value> = cases
        .names
        .iter()
        .zip(&fitted)
        .zip(model.0.iter().skip(1))
        .map(|((name, bins), coefficient)| {
            json!({
                "name": name,
                "coefficient": coefficient,
                "information_value": information_value(bins),
                "woe": bins.iter().map(|bin| bin.woe).collect::<Vec<f64>>(),
                "points": bins.iter().map(|bin| scale.points(*coefficient, bin.woe)).collect::<Vec<i64>>(),
            })
        })
        .collect();
    Ok(json!({ "intercept": intercept, "start": scale.start(intercept), "attributes": attributes }))
}

fn counts(cases: &Cases, column: usize) -> Vec<BinCount> {
    let mut counts: Vec<BinCount> = Vec::new();
    for (case, bad) in cases.bins.iter().zip(&cases.bad) {
        let bin = case.get(column).copied().unwrap_or_default();
        if counts.len() <= bin {
            counts.resize(bin + 1, BinCount { good: 0, bad: 0 });
        }
        if let Some(count) = counts.get_mut(bin) {
            if *bad {
                count.bad += 1
            } else {
                count.good += 1
            }
        }
    }
    counts
}
