//! CFONB-120 statements: the fixed-width files that French banks exchange.
//!
//! Records of 120 characters: `01` opening balance, `04` movement, `05` detail of the movement before
//! it, `07` closing balance. An amount is 13 digits and one letter that carries the last digit and the
//! sign. Layout as published by the CFONB ("Relevé de compte sur support informatique").

use std::collections::BTreeMap;

use jiff::civil::Date;
use passerelle_domain::ids::TransactionId;
use passerelle_domain::money::{Amount, Currency};
use passerelle_domain::private::Private;
use passerelle_domain::transaction::{Counterparty, Transaction};

/// One statement: an account from an opening to a closing balance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Bank code, branch code and account number, as the file has them.
    pub account: Private,
    /// The currency of every amount.
    pub currency: Currency,
    /// Opening date and balance in minor units.
    pub opening: (Date, i64),
    /// Closing date and balance in minor units.
    pub closing: (Date, i64),
    /// The movements, in file order.
    pub movements: Vec<Movement>,
}

impl Statement {
    /// Whether opening balance and movements add up to the closing balance.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        let moved = self
            .movements
            .iter()
            .try_fold(self.opening.1, |sum, movement| {
                sum.checked_add(movement.minor)
            });
        moved == Some(self.closing.1)
    }
}

/// One movement with its details.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// When it reached the account.
    pub booked_on: Date,
    /// When it counts for interest.
    pub value_date: Date,
    /// Signed amount in minor units: debits negative.
    pub minor: i64,
    /// Interbank operation code, two characters (`B1` is a SEPA direct debit received, …).
    pub operation_code: String,
    /// The short label.
    pub label: Private,
    /// The reference of the record, where there is one.
    pub reference: Option<Private>,
    /// Details by their three-letter code; several of one code are joined with a space.
    pub details: BTreeMap<String, Private>,
}

impl Movement {
    /// Label and the details that a reader would read as one text: payee or payer, then wording.
    #[must_use]
    pub fn full_label(&self) -> Private {
        let mut parts = vec![self.label.expose()];
        for code in ["NPY", "NBE", "NPO", "NBU", "LIB", "LCC", "LC2", "LCS"] {
            if let Some(text) = self.details.get(code) {
                parts.push(text.expose());
            }
        }
        Private::new(parts.join(" "))
    }

    /// The movement as knowledge reads it, under an id of the caller's.
    #[must_use]
    pub fn to_transaction(&self, id: TransactionId, currency: Currency) -> Transaction {
        let detail = |code: &str| self.details.get(code).cloned();
        Transaction {
            id,
            entry_reference: None,
            booking_date: self.booked_on,
            value_date: Some(self.value_date),
            transaction_date: None,
            amount: Amount::new(self.minor, currency),
            label: self.full_label(),
            counterparty: Counterparty::default(),
            creditor_id: self.creditor_id().map(str::to_owned),
            mandate_id: detail("RUM"),
            end_to_end_id: detail("RCN"),
            bank_transaction_code: Some(self.operation_code.clone()),
            balance_after: None,
            sensitive: false,
        }
    }

    /// The SEPA creditor identifier, where the bank gives one.
    #[must_use]
    pub fn creditor_id(&self) -> Option<&str> {
        self.details
            .get("IBE")
            .and_then(|text| text.expose().split_whitespace().next())
    }
}

/// Why a file was refused. The line is counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("CFONB-120 line {line}: {problem}; ask the bank for the file again")]
pub struct InvalidCfonb {
    /// Line number, from 1; the line after the last one when something is missing at the end.
    pub line: usize,
    /// What is wrong with it.
    pub problem: CfonbProblem,
}

impl InvalidCfonb {
    /// The same file is as wrong when read again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        false
    }
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CfonbProblem {
    /// Not a record of a known type.
    #[error("unknown record type")]
    UnknownRecord,
    /// Shorter than the fields it must have.
    #[error("the record is too short")]
    TooShort,
    /// Not a date `ddmmyy`.
    #[error("invalid date")]
    InvalidDate,
    /// Not 13 digits and a sign letter.
    #[error("invalid amount")]
    InvalidAmount,
    /// Not a currency code, or decimals that do not fit.
    #[error("invalid currency")]
    InvalidCurrency,
    /// A movement or closing before an opening.
    #[error("no statement is open")]
    OutsideStatement,
    /// An opening before the closing of the statement before.
    #[error("the statement before was not closed")]
    StatementNotClosed,
    /// A detail without a movement.
    #[error("a detail without a movement")]
    DetailWithoutMovement,
    /// A closing for another account than the opening.
    #[error("the closing is for another account")]
    OtherAccount,
}

/// Reads all statements of a file. Blank lines are skipped.
///
/// # Errors
/// [`InvalidCfonb`] with the line and what is wrong with it. Nothing is guessed: one broken line
/// refuses the file.
pub fn read(text: &str) -> Result<Vec<Statement>, InvalidCfonb> {
    let mut reader = Reader::default();
    let mut last = 0;
    for (index, line) in text.lines().enumerate() {
        last = index + 1;
        let line = line.trim_end_matches('\r');
        if line.trim().is_empty() {
            continue;
        }
        reader.record(line).map_err(|problem| InvalidCfonb {
            line: index + 1,
            problem,
        })?;
    }
    match reader.open {
        None => Ok(reader.statements),
        Some(_) => Err(InvalidCfonb {
            line: last + 1,
            problem: CfonbProblem::StatementNotClosed,
        }),
    }
}

#[derive(Debug)]
struct OpenStatement {
    account: String,
    currency: Currency,
    opening: (Date, i64),
    movements: Vec<Movement>,
}

#[derive(Debug, Default)]
struct Reader {
    statements: Vec<Statement>,
    open: Option<OpenStatement>,
}

impl Reader {
    fn record(&mut self, line: &str) -> Result<(), CfonbProblem> {
        match field(line, 0, 2)? {
            "01" => self.opening(line),
            "04" => self.movement(line),
            "05" => self.detail(line),
            "07" => self.closing(line),
            _ => Err(CfonbProblem::UnknownRecord),
        }
    }

    fn opening(&mut self, line: &str) -> Result<(), CfonbProblem> {
        if self.open.is_some() {
            return Err(CfonbProblem::StatementNotClosed);
        }
        self.open = Some(OpenStatement {
            account: account_of(line)?,
            currency: currency_of(line)?,
            opening: (date_at(line, 34)?, amount_at(line, 90)?),
            movements: Vec::new(),
        });
        Ok(())
    }

    fn movement(&mut self, line: &str) -> Result<(), CfonbProblem> {
        let open = self.open.as_mut().ok_or(CfonbProblem::OutsideStatement)?;
        let reference = optional(line, 104, 120).trim();
        open.movements.push(Movement {
            booked_on: date_at(line, 34)?,
            value_date: date_at(line, 42)?,
            minor: amount_at(line, 90)?,
            operation_code: field(line, 32, 34)?.trim().to_owned(),
            label: Private::new(single_spaced(field(line, 48, 79)?)),
            reference: (!reference.is_empty()).then(|| Private::new(reference)),
            details: BTreeMap::new(),
        });
        Ok(())
    }

    fn detail(&mut self, line: &str) -> Result<(), CfonbProblem> {
        let open = self.open.as_mut().ok_or(CfonbProblem::OutsideStatement)?;
        let movement = open
            .movements
            .last_mut()
            .ok_or(CfonbProblem::DetailWithoutMovement)?;
        let code = field(line, 45, 48)?.trim().to_owned();
        let text = single_spaced(optional(line, 48, 118));
        if code.is_empty() || text.is_empty() {
            return Ok(());
        }
        let known = movement.details.entry(code).or_default();
        *known = if known.is_empty() {
            Private::new(text)
        } else {
            Private::new(format!("{} {text}", known.expose()))
        };
        Ok(())
    }

    fn closing(&mut self, line: &str) -> Result<(), CfonbProblem> {
        let open = self.open.take().ok_or(CfonbProblem::OutsideStatement)?;
        let closing = (date_at(line, 34)?, amount_at(line, 90)?);
        // Branches move and bank codes change inside a file; the account number does not.
        if account_number(&open.account) != account_number(&account_of(line)?) {
            return Err(CfonbProblem::OtherAccount);
        }
        self.statements.push(Statement {
            account: Private::new(open.account),
            currency: open.currency,
            opening: open.opening,
            closing,
            movements: open.movements,
        });
        Ok(())
    }
}

/// Characters of a line from a position (from 0) to before another. Files are single-byte; a letter
/// with an accent that became two bytes must not shift the fields.
fn field(line: &str, from: usize, to: usize) -> Result<&str, CfonbProblem> {
    let start = offset(line, from).ok_or(CfonbProblem::TooShort)?;
    let end = offset(line, to).ok_or(CfonbProblem::TooShort)?;
    line.get(start..end).ok_or(CfonbProblem::TooShort)
}

fn offset(line: &str, position: usize) -> Option<usize> {
    line.char_indices()
        .map(|(offset, _)| offset)
        .chain([line.len()])
        .nth(position)
}

/// Like [`field`], but what is beyond the end of the line is simply not there.
fn optional(line: &str, from: usize, to: usize) -> &str {
    let Some(start) = offset(line, from) else {
        return "";
    };
    let end = offset(line, to).unwrap_or(line.len());
    line.get(start..end).unwrap_or_default()
}

fn account_of(line: &str) -> Result<String, CfonbProblem> {
    let bank = field(line, 2, 7)?;
    let branch = field(line, 11, 16)?;
    let number = field(line, 21, 32)?;
    Ok(format!("{bank} {branch} {number}"))
}

fn account_number(account: &str) -> &str {
    account.rsplit(' ').next().unwrap_or_default()
}

fn currency_of(line: &str) -> Result<Currency, CfonbProblem> {
    let currency: Currency = field(line, 16, 19)?
        .parse()
        .map_err(|_| CfonbProblem::InvalidCurrency)?;
    let decimals = field(line, 19, 20)?;
    (decimals == currency.decimals().to_string())
        .then_some(currency)
        .ok_or(CfonbProblem::InvalidCurrency)
}

/// `ddmmyy`; the format knows no century, and no statement is older than this one.
fn date_at(line: &str, from: usize) -> Result<Date, CfonbProblem> {
    let text = field(line, from, from + 6)?;
    let two = |start: usize| -> Option<i8> { text.get(start..start + 2)?.parse().ok() };
    let parsed = match (two(0), two(2), two(4)) {
        (Some(day), Some(month), Some(year)) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            Date::new(2000 + i16::from(year), month, day).ok()
        }
        _ => None,
    };
    parsed.ok_or(CfonbProblem::InvalidDate)
}

/// 13 digits (blanks for leading zeros) and a letter: `{` and `A` to `I` are a last digit 0 to 9 of a
/// credit, `}` and `J` to `R` of a debit.
fn amount_at(line: &str, from: usize) -> Result<i64, CfonbProblem> {
    let text = field(line, from, from + 14)?;
    let mut symbols = text.chars();
    let letter = symbols.next_back().ok_or(CfonbProblem::InvalidAmount)?;
    let digits = symbols.as_str();
    let (last, sign) = match letter {
        '{' => (0, 1),
        '}' => (0, -1),
        'A'..='I' => (i64::from(u32::from(letter) - u32::from('A')) + 1, 1),
        'J'..='R' => (i64::from(u32::from(letter) - u32::from('J')) + 1, -1),
        _ => return Err(CfonbProblem::InvalidAmount),
    };
    let trimmed = digits.trim_start();
    if trimmed.is_empty() || !trimmed.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(CfonbProblem::InvalidAmount);
    }
    let leading: i64 = trimmed.parse().map_err(|_| CfonbProblem::InvalidAmount)?;
    Ok(sign * (leading * 10 + last))
}

fn single_spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
