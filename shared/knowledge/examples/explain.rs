//! Reads a persona file (JSON) or a CSV of `date,label,amount` and prints the whole analysis as a page.
//!
//! `cargo run -p passerelle-knowledge --example explain -- FILE`
#![allow(clippy::print_stdout, clippy::print_stderr)]

#[path = "../tests/support/persona.rs"]
mod persona;

use std::process::ExitCode;

use passerelle_domain::ids::TransactionId;
use passerelle_domain::transaction::Transaction;
use passerelle_knowledge::{
    Analysis, FlowState, History, Missing, Outcome, Reason, analyse, enrich, is_sensitive,
};

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: explain FILE   (a persona file, or a CSV of date,label,amount)");
        return ExitCode::FAILURE;
    };
    let history = match persona::read(std::path::Path::new(&path)) {
        Ok(history) => history,
        Err(reason) => {
            eprintln!("{path}: {reason}");
            return ExitCode::FAILURE;
        }
    };
    println!("# {path}\n");
    print_lines(&history);
    print_analysis(&history, &analyse(&history));
    ExitCode::SUCCESS
}

fn print_lines(history: &History) {
    for account in &history.accounts {
        println!(
            "## {:?} account, {} lines\n",
            account.kind,
            account.lines.len()
        );
        let mut lines: Vec<&Transaction> = account.lines.iter().collect();
        lines.sort_by_key(|line| line.booking_date);
        for line in lines {
            // A sensitive line is shown as it would be stored.
            let line = if is_sensitive(line) {
                line.clone().coarsened()
            } else {
                line.clone()
            };
            let known = enrich(&line);
            println!(
                "{}  {:>10}  {:<24} {:<22} {:>3} %  {:<20}  {}",
                line.booking_date,
                line.amount.to_decimal(),
                known.category.code(),
                format!("{:?}", known.operation),
                known.confidence,
                known.merchant.unwrap_or_default(),
                line.label.expose(),
            );
        }
        println!();
    }
}

fn print_analysis(history: &History, analysis: &Analysis) {
    let coverage = &analysis.coverage;
    println!(
        "## Seen\n\n{} accounts ({} left out), {} lines, {} days to {}, {} paydays, {} ‰ unknown, {} ‰ sensitive\n",
        coverage.accounts,
        coverage.unreadable_accounts,
        coverage.lines,
        coverage.days,
        analysis.as_of,
        coverage.income_cycles,
        coverage.unknown_permille,
        coverage.sensitive_permille
    );
    println!("## Regular flows\n");
    for flow in &analysis.recurrences {
        let state = match flow.state {
            FlowState::Active { next_expected } => format!("next {next_expected}"),
            FlowState::Ended { missed_on } => format!("ended, was due {missed_on}"),
        };
        println!(
            "{:<13} {:<24} {:>12}  {:<14} {} times, {}, {}  {}",
            format!("{:?}", flow.kind),
            flow.category.code(),
            flow.amount.to_decimal(),
            format!("{:?}", flow.rhythm),
            flow.evidence.len(),
            flow.first_seen,
            state,
            flow.merchant.as_deref().unwrap_or(flow.payee.expose()),
        );
    }
    println!("\n## Insurance\n");
    for contract in &analysis.contracts {
        println!(
            "{:<24} {:<20} {} € a year, since {} ({} %)",
            contract.line.code(),
            contract.insurer.as_deref().unwrap_or("insurer unknown"),
            contract.yearly_cents / 100,
            contract.since,
            contract.confidence
        );
    }
    for remark in &analysis.cover_remarks {
        println!("{remark:?}");
    }
    let Some(profile) = &analysis.profile else {
        return;
    };
    println!(
        "\n## Housing and loans\n\n{:?}, drives: {}",
        profile.housing, profile.drives
    );
    for loan in &profile.loans {
        println!(
            "{:<24} {:<20} {} cents, {} to {}, active: {}",
            loan.category.code(),
            loan.lender.as_deref().unwrap_or("lender unknown"),
            loan.instalment_cents,
            loan.first_seen,
            loan.last_seen,
            loan.is_active
        );
    }
    for window in &analysis.features {
        println!("\n## {} months from {}\n", window.months, window.from);
        for (feature, measured) in &window.values {
            println!(
                "{:<24} {}",
                format!("{feature:?}"),
                passerelle_knowledge::wording::value_in_french(*feature, measured.value)
            );
        }
    }
    println!("\n## Life moments\n");
    for moment in &analysis.life_moments {
        println!(
            "{:?} on {} ({} %), until {}",
            moment.kind, moment.first_seen, moment.confidence, moment.expires
        );
        print_evidence(history, &moment.evidence);
    }
    println!("\n## Scores");
    for score in &analysis.scores {
        println!("\n### {} {}\n", score.model, score.version);
        match &score.outcome {
            Outcome::Scored(scored) => {
                println!(
                    "{} of {} to {}: {} / {}",
                    scored.value,
                    scored.lowest,
                    scored.highest,
                    scored.band_name.fr,
                    scored.band_name.en
                );
                for reason in &scored.reasons {
                    print_reason(history, "-", reason);
                }
                for strength in &scored.strengths {
                    print_reason(history, "+", strength);
                }
            }
            Outcome::InsufficientData { missing } => {
                for missing in missing {
                    println!("missing: {}", missing_text(missing));
                }
            }
        }
    }
}

fn print_reason(history: &History, sign: &str, reason: &Reason) {
    println!(
        "{sign} {} ({} of {} points)\n  {}",
        reason.text.fr, reason.points, reason.best_points, reason.text.en
    );
    print_evidence(history, &reason.evidence);
}

fn print_evidence(history: &History, evidence: &[TransactionId]) {
    for id in evidence.iter().take(4) {
        let line = history
            .accounts
            .iter()
            .flat_map(|account| &account.lines)
            .find(|line| line.id == *id);
        if let Some(line) = line {
            println!(
                "      {} {:>10} {}",
                line.booking_date,
                line.amount.to_decimal(),
                line.label.expose()
            );
        }
    }
}

fn missing_text(missing: &Missing) -> String {
    match missing {
        Missing::PaymentAccount => "a payment account in euros".to_owned(),
        Missing::DaysOfHistory { seen, needed } => format!("{needed} days of history, {seen} seen"),
        Missing::IncomeCycles { seen, needed } => format!("{needed} paydays, {seen} seen"),
        Missing::Balance => "the balance of a payment account".to_owned(),
    }
}
