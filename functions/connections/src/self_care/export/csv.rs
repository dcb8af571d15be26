//! The copy as CSV (RFC 4180), for a spreadsheet as the person's language sets it up: `;` and a
//! decimal comma in French, `,` and a decimal point in English; UTF-8 with a mark that says so.
//!
//! A spreadsheet runs a cell that begins like a formula, and labels are written by strangers: such a
//! text gets an apostrophe in front. Numbers are ours and stay numbers.

use passerelle_aws::pages::AccountHistory;
use passerelle_domain::account::AccountKind;
use passerelle_domain::locale::Locale;
use passerelle_domain::money::Amount;
use passerelle_domain::transaction::Transaction;

use super::super::held::day;
use super::{Copied, Copy, Part};
use crate::pages;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// A file as it grows.
struct Sheet {
    text: String,
    locale: Locale,
}

impl Sheet {
    fn new(locale: Locale, heads: &[&str]) -> Self {
        let mut sheet = Self {
            text: String::from(BYTE_ORDER_MARK),
            locale,
        };
        let words = pages::words(locale);
        sheet.row(
            heads
                .iter()
                .map(|head| words.text(&format!("csv.{head}")).to_owned()),
        );
        sheet
    }

    fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let separator = match self.locale {
            Locale::Fr => ';',
            Locale::En => ',',
        };
        for (place, cell) in cells.into_iter().enumerate() {
            if place > 0 {
                self.text.push(separator);
            }
            self.text.push_str(&quoted(&cell));
        }
        self.text.push_str("\r\n");
    }

    fn number(&self, amount: Amount) -> String {
        match self.locale {
            Locale::Fr => amount.to_decimal().replace('.', ","),
            Locale::En => amount.to_decimal(),
        }
    }
}

fn quoted(cell: &str) -> String {
    format!("\"{}\"", cell.replace('"', "\"\""))
}

/// A text of somebody else's, which a spreadsheet must not take for a formula.
fn inert(text: &str) -> String {
    let one_line: String = text
        .chars()
        .map(|symbol| if symbol.is_control() { ' ' } else { symbol })
        .collect();
    let first = one_line.trim_start().chars().next();
    match first {
        Some('=' | '+' | '-' | '@' | '|' | '%' | '＝' | '＋' | '－' | '＠') => {
            format!("'{one_line}")
        }
        _ => one_line,
    }
}

/// The booked lines of one part.
pub(crate) fn transactions(copy: &Copy, part: Part, locale: Locale) -> String {
    let heads = [
        "bank",
        "account",
        "booked",
        "value",
        "amount",
        "currency",
        "label",
        "other",
        "category",
        "sensitive",
        "id",
    ];
    let mut sheet = Sheet::new(locale, &heads);
    for (copied, account, lines) in copy.accounts(part) {
        for line in lines {
            let cells = line_cells(&sheet, copied, account, line);
            sheet.row(cells);
        }
    }
    sheet.text
}

fn line_cells(
    sheet: &Sheet,
    copied: &Copied,
    account: &AccountHistory,
    line: &Transaction,
) -> [String; 11] {
    let other = line.counterparty.name.as_ref();
    let sensitive = match line.sensitive {
        true => pages::words(sheet.locale).text("csv.yes"),
        false => "",
    };
    [
        inert(&copied.held.bank_name),
        shown(account),
        line.booking_date.to_string(),
        line.value_date
            .map(|day| day.to_string())
            .unwrap_or_default(),
        sheet.number(line.amount),
        line.amount.currency.to_string(),
        inert(line.label.expose()),
        other.map(|name| inert(name.expose())).unwrap_or_default(),
        pages::category_name(copied.enriched(line).category, sheet.locale).to_owned(),
        sensitive.to_owned(),
        line.id.to_string(),
    ]
}

/// The accounts.
pub(crate) fn accounts(copy: &Copy, locale: Locale) -> String {
    let heads = [
        "bank",
        "account",
        "kind",
        "currency",
        "balance",
        "balance-on",
        "from",
        "lines",
        "id",
    ];
    let mut sheet = Sheet::new(locale, &heads);
    for copied in &copy.connections {
        for history in &copied.accounts {
            let account = &history.account;
            let balance = account.balance.map(|it| sheet.number(it.amount));
            let read_on = account.balance_read_at.map(day);
            sheet.row([
                inert(&copied.held.bank_name),
                shown(history),
                kind_name(account.kind, locale).to_owned(),
                account.currency.to_string(),
                balance.unwrap_or_default(),
                read_on.map(|day| day.to_string()).unwrap_or_default(),
                history
                    .history_from
                    .map(|day| day.to_string())
                    .unwrap_or_default(),
                history.booked.len().to_string(),
                account.id.to_string(),
            ]);
        }
    }
    sheet.text
}

/// The bank's name for an account and the end of its number.
fn shown(history: &AccountHistory) -> String {
    let account = &history.account;
    let name = account.name.as_ref().map(|name| name.expose());
    let text = format!(
        "{} …{}",
        name.unwrap_or_default(),
        account.last_characters.expose()
    );
    inert(text.trim())
}

fn kind_name(kind: AccountKind, locale: Locale) -> &'static str {
    let key = match kind {
        AccountKind::Payment => "csv.kinds.payment",
        AccountKind::Card => "csv.kinds.card",
        AccountKind::Savings => "csv.kinds.savings",
        AccountKind::Loan => "csv.kinds.loan",
        AccountKind::Other => "csv.kinds.other",
    };
    pages::words(locale).text(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_label_that_is_a_formula_is_text() {
        for formula in [
            "=HYPERLINK(\"http://x\")",
            "+1",
            "-2+3",
            "@SUM(A1)",
            "\t=1",
            "\r\n=1",
            "  =1",
            "＝1",
        ] {
            let cell = inert(formula);
            assert!(cell.starts_with('\''), "{formula:?} is {cell:?}");
            assert!(!cell.contains(['\r', '\n', '\t']), "{cell:?}");
        }
        assert_eq!(inert("CARREFOUR 12/11"), "CARREFOUR 12/11");
    }

    proptest! {
        #[test]
        fn no_text_leaves_its_cell(text in ".{0,60}") {
            let mut sheet = Sheet { text: String::new(), locale: Locale::En };
            sheet.row([inert(&text), "next".to_owned()]);
            let row = sheet.text.strip_suffix("\r\n").unwrap();
            let inner = row.strip_prefix('"').unwrap().strip_suffix(",\"next\"").unwrap();
            let inner = inner.strip_suffix('"').unwrap();
            prop_assert!(!inner.replace("\"\"", "").contains('"'), "{row}");
            prop_assert_eq!(inner.replace("\"\"", "\""), inert(&text));
        }
    }
}
