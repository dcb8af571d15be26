//! Damaged statements and labels.

#[path = "../../../../tests/fuzz/driver.rs"]
mod driver;

use passerelle_domain::Date;
use passerelle_domain::ids::TransactionId;
use passerelle_domain::money::Amount;
use passerelle_domain::private::Private;
use passerelle_domain::transaction::{Counterparty, Transaction};
use passerelle_knowledge::{cfonb, enrich, is_sensitive};

use driver::{Target, drive};

fn read_statements(bytes: &[u8]) {
    if let Ok(statements) = cfonb::read(&String::from_utf8_lossy(bytes)) {
        for statement in statements {
            let _ = statement.is_balanced();
            for movement in &statement.movements {
                let _ = movement.full_label();
                let _ = movement.creditor_id();
            }
        }
    }
}

fn read_label(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for minor in [-2_990, 210_000] {
        let line = Transaction {
            id: TransactionId::from_entropy([7; 16]),
            entry_reference: None,
            booking_date: Date::constant(2026, 11, 20),
            value_date: None,
            transaction_date: None,
            amount: Amount::eur(minor),
            label: Private::new(text.clone().into_owned()),
            counterparty: Counterparty {
                name: Some(Private::new(text.clone().into_owned())),
                iban: None,
            },
            creditor_id: Some(text.clone().into_owned()),
            mandate_id: None,
            end_to_end_id: None,
            bank_transaction_code: Some(text.clone().into_owned()),
            balance_after: None,
            sensitive: false,
        };
        let _ = is_sensitive(&line);
        let _ = enrich(&line);
    }
}

#[test]
fn fuzz_statements() {
    drive(&Target {
        name: "cfonb",
        read: read_statements,
    });
}

#[test]
fn fuzz_labels() {
    drive(&Target {
        name: "labels",
        read: read_label,
    });
}
