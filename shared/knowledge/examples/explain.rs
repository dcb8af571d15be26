//! Reads a persona file (JSON), a CFONB-120 statement or a CSV of `date,label,amount` and prints the whole
//! analysis as a page.
//!
//! `cargo run -p passerelle-knowledge --example explain -- FILE`
#![allow(clippy::print_stdout, clippy::print_stderr)]

#[path = "../tests/support/page.rs"]
mod page;
#[path = "../tests/support/persona.rs"]
mod persona;

use std::path::Path;
use std::process::ExitCode;

use passerelle_knowledge::analyse;

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!(
            "usage: explain FILE   (a persona file, a CFONB-120 statement, or a CSV of date,label,amount)"
        );
        return ExitCode::FAILURE;
    };
    let file = Path::new(&path);
    match persona::read(file) {
        Ok(history) => {
            let title = file.file_stem().unwrap_or_default().to_string_lossy();
            print!("{}", page::page(&title, &history, &analyse(&history)));
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("{path}: {reason}");
            ExitCode::FAILURE
        }
    }
}
