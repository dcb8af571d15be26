//! People imported from persona files (public samples in the `BUDGET_INSIGHT_V2_0` format).
//!
//! A file's days are kept relative to one another: its last dated line falls on the day the bank
//! opened. A line without a date is a card purchase the bank has not imputed yet: it is pending.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use jiff::{Span, Unit};
use passerelle_domain::money::{Amount, Currency};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::SandboxError;
use crate::ledger::{LedgerAccount, LedgerAccountKind, LedgerLine};
use crate::people::Person;

/// The format the importer knows.
const FORMAT: &str = "BUDGET_INSIGHT_V2_0";

/// The one persona whose bank does not tell who holds the accounts.
const WITHOUT_OWNER_NAME: &str = "no-owner-name";

/// A person read from a file, days still relative.
#[derive(Debug)]
pub(crate) struct Persona {
    login: String,
    name: String,
    /// The day of the file that becomes the day the bank opened.
    anchor: Date,
    accounts: Vec<PersonaAccount>,
}

#[derive(Debug)]
struct PersonaAccount {
    key: String,
    iban: String,
    bic: Option<String>,
    kind: LedgerAccountKind,
    currency: Currency,
    balance: Amount,
    lines: Vec<PersonaLine>,
}

#[derive(Debug)]
struct PersonaLine {
    reference: String,
    booked_on: Option<Date>,
    made_on: Option<Date>,
    amount: Amount,
    label: String,
}

impl Persona {
    /// Every `.json` file of a folder, by name.
    pub(crate) fn import(folder: &Path) -> Result<Vec<Self>, SandboxError> {
        let unreadable = |source| SandboxError::PersonaeFolder {
            path: folder.to_owned(),
            source,
        };
        let mut files: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                files.push(path);
            }
        }
        files.sort();
        files.iter().map(|path| Self::read(path)).collect()
    }

    fn read(path: &Path) -> Result<Self, SandboxError> {
        let broken = |reason: String| SandboxError::Persona {
            path: path.to_owned(),
            reason,
        };
        let text = fs::read_to_string(path).map_err(|error| broken(error.to_string()))?;
        let file: File = serde_json::from_str(&text).map_err(|error| broken(error.to_string()))?;
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .ok_or_else(|| broken("its name is not readable text".to_owned()))?;
        Self::from_file(file, stem).map_err(broken)
    }

    fn from_file(file: File, stem: &str) -> Result<Self, String> {
        if file.format != FORMAT {
            return Err(format!("`format` is not `{FORMAT}`"));
        }
        let wire: Vec<WireAccount> = file
            .connections
            .into_iter()
            .flat_map(|connection| connection.accounts)
            .collect();
        let accounts = wire
            .into_iter()
            .enumerate()
            .map(|(index, account)| {
                account
                    .read()
                    .map_err(|reason| format!("account {}: {reason}", index + 1))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let anchor = accounts
            .iter()
            .flat_map(|account| &account.lines)
            .filter_map(|line| line.booked_on)
            .max()
            .ok_or("no line has a date")?;
        Ok(Self {
            login: stem.replace('_', "-"),
            name: title_case(stem),
            anchor,
            accounts,
        })
    }

    pub(crate) fn person(&self) -> Person {
        let lines: usize = self
            .accounts
            .iter()
            .map(|account| account.lines.len())
            .sum();
        Person {
            login: self.login.clone(),
            name: self.name.clone(),
            description: format!(
                "persona importée : {} compte(s), {lines} opérations",
                self.accounts.len()
            ),
            test_case: false,
        }
    }

    /// The accounts, dated from the day the bank opened.
    pub(crate) fn accounts(&self, opened_on: Date) -> Vec<LedgerAccount> {
        let shift = self
            .anchor
            .until((Unit::Day, opened_on))
            .unwrap_or_default();
        self.accounts
            .iter()
            .map(|account| self.account(account, shift, opened_on))
            .collect()
    }

    fn account(&self, account: &PersonaAccount, shift: Span, opened_on: Date) -> LedgerAccount {
        let shifted = |day: Option<Date>| day.and_then(|day| day.checked_add(shift).ok());
        let (mut booked, mut pending) = (Vec::new(), Vec::new());
        for line in &account.lines {
            let booking_date = shifted(line.booked_on);
            let ledger_line = LedgerLine {
                reference: line.reference.clone(),
                booking_date,
                value_date: booking_date,
                // A purchase is never made in the future, whatever the file says.
                transaction_date: shifted(line.made_on).map(|day| day.min(opened_on)),
                amount: line.amount,
                label: line.label.clone(),
                other_side: None,
                code: None,
            };
            if booking_date.is_some() {
                booked.push(ledger_line);
            } else {
                pending.push(ledger_line);
            }
        }
        booked.sort_by_key(|line| line.booking_date);
        LedgerAccount {
            key: account.key.clone(),
            iban: account.iban.clone(),
            bic: account.bic.clone(),
            name: account.kind.in_french().to_owned(),
            kind: account.kind,
            currency: account.currency,
            owner_name: (self.login != WITHOUT_OWNER_NAME).then(|| self.name.clone()),
            joint: false,
            booked_balance: account.balance,
            booked,
            pending,
        }
    }
}

#[derive(Deserialize)]
struct File {
    format: String,
    connections: Vec<WireConnection>,
}

#[derive(Deserialize)]
struct WireConnection {
    accounts: Vec<WireAccount>,
}

#[derive(Deserialize)]
struct WireAccount {
    id: u64,
    iban: String,
    bic: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    currency: WireCurrency,
    balance: Box<RawValue>,
    #[serde(default)]
    transactions: Vec<WireLine>,
}

#[derive(Deserialize)]
struct WireCurrency {
    id: Currency,
}

#[derive(Deserialize)]
struct WireLine {
    id: u64,
    date: Option<String>,
    rdate: Option<String>,
    value: Box<RawValue>,
    currency: Currency,
    original_wording: String,
}

impl WireAccount {
    fn read(self) -> Result<PersonaAccount, String> {
        let kind = match self.kind.as_str() {
            "checking" => LedgerAccountKind::Payment,
            "savings" => LedgerAccountKind::Savings,
            "card" => LedgerAccountKind::Card,
            "loan" => LedgerAccountKind::Loan,
            _ => return Err("`type` is none of checking, savings, card, loan".to_owned()),
        };
        let lines = self
            .transactions
            .into_iter()
            .enumerate()
            .map(|(index, line)| {
                line.read()
                    .map_err(|reason| format!("transaction {}: {reason}", index + 1))
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(PersonaAccount {
            key: self.id.to_string(),
            iban: self.iban,
            bic: self.bic,
            kind,
            currency: self.currency.id,
            balance: read_amount(&self.balance, self.currency.id)
                .ok_or("`balance` is not an amount")?,
            lines,
        })
    }
}

impl WireLine {
    fn read(self) -> Result<PersonaLine, String> {
        Ok(PersonaLine {
            reference: self.id.to_string(),
            booked_on: read_day(self.date.as_deref(), "date")?,
            made_on: read_day(self.rdate.as_deref(), "rdate")?,
            amount: read_amount(&self.value, self.currency).ok_or("`value` is not an amount")?,
            label: self.original_wording,
        })
    }
}

/// An absent day is a day that is not known; an unreadable one is an error.
fn read_day(text: Option<&str>, field: &str) -> Result<Option<Date>, String> {
    let Some(text) = text else { return Ok(None) };
    let day = text.get(..10).and_then(|day| day.parse().ok());
    day.map(Some)
        .ok_or_else(|| format!("`{field}` is not a date"))
}

fn read_amount(digits: &RawValue, currency: Currency) -> Option<Amount> {
    Amount::parse(digits.get(), currency).ok()
}

fn title_case(stem: &str) -> String {
    stem.split('_')
        .map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase());
            first.into_iter().chain(letters).collect::<String>()
        })
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPENED: Date = Date::constant(2026, 11, 22);

    fn folder(name: &str, json: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), json).unwrap();
        folder
    }

    fn file(lines: &str) -> String {
        format!(
            r#"{{"format":"BUDGET_INSIGHT_V2_0","connections":[{{"accounts":[{{"id":1,
            "iban":"FR7630004133112916078289675","type":"checking","currency":{{"id":"EUR"}},
            "balance":-362.05,"transactions":[{lines}]}}]}}]}}"#
        )
    }

    fn line(id: u32, date: &str) -> String {
        format!(
            r#"{{"id":{id},{date}"rdate":"2026-08-23T12:00:00.000Z","currency":"EUR","value":-94.13,
            "original_wording":"PRELEVEMENT"}}"#
        )
    }

    #[test]
    fn days_stay_relative_and_the_last_one_is_the_opening_day() {
        let json = file(&format!(
            "{},{},{}",
            line(1, r#""date":"2026-05-24T12:00:00.000Z","#),
            line(2, r#""date":"2026-08-21T12:00:00.000Z","#),
            line(3, "")
        ));
        let folder = folder("jean_petit.json", &json);
        let personae = Persona::import(folder.path()).unwrap();
        assert_eq!(personae[0].person().login, "jean-petit");
        assert_eq!(personae[0].person().name, "Jean Petit");
        let accounts = personae[0].accounts(OPENED);
        let days: Vec<_> = accounts[0]
            .booked
            .iter()
            .map(|line| line.booking_date.unwrap())
            .collect();
        assert_eq!(days, [Date::constant(2026, 8, 25), OPENED]);
        assert_eq!(accounts[0].booked[0].amount, Amount::eur(-9413));
        assert_eq!(accounts[0].booked_balance, Amount::eur(-36205));
        assert_eq!(accounts[0].pending.len(), 1);
        assert_eq!(accounts[0].pending[0].transaction_date, Some(OPENED));
    }

    #[test]
    fn only_one_persona_has_no_owner_name() {
        let json = file(&line(1, r#""date":"2026-08-21T12:00:00.000Z","#));
        for (name, named) in [("no_owner_name.json", false), ("jean_petit.json", true)] {
            let folder = folder(name, &json);
            let accounts = Persona::import(folder.path()).unwrap()[0].accounts(OPENED);
            assert_eq!(accounts[0].owner_name.is_some(), named, "{name}");
        }
    }

    #[test]
    fn a_broken_file_is_named_with_the_reason() {
        for (json, reason) in [
            ("{", "EOF"),
            (
                r#"{"format":"OFX","connections":[]}"#,
                "BUDGET_INSIGHT_V2_0",
            ),
            (
                r#"{"format":"BUDGET_INSIGHT_V2_0","connections":[]}"#,
                "no line has a date",
            ),
            (
                &file(&line(1, r#""date":"hier","#)),
                "account 1: transaction 1: `date`",
            ),
        ] {
            let folder = folder("broken.json", json);
            let error = Persona::import(folder.path()).unwrap_err().to_string();
            assert!(
                error.contains("broken.json") && error.contains(reason),
                "{error}"
            );
        }
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = Persona::import(Path::new("no/such/folder")).unwrap_err();
        assert!(error.to_string().contains("no/such/folder"));
    }
}
