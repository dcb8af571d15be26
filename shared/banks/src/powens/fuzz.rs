//! Damaged documents of the aggregator.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use passerelle_domain::money::Currency;
use passerelle_domain::reconciliation::Coverage;
use reqwest::StatusCode;
use zeroize::Zeroizing;

use crate::bank_http::Answer;
use crate::fuzzing::{Target, as_read, drive};
use crate::powens::accounts::AccountList;
use crate::powens::movements::Page;
use crate::powens::refusal;
use crate::powens::standing::ConnectionList;

const TODAY: Date = Date::constant(2026, 11, 22);

fn read(bytes: &[u8]) {
    if let Some(connections) = as_read::<ConnectionList>(bytes) {
        let _ = connections.readable();
        let _ = connections.consent(Timestamp::UNIX_EPOCH, TODAY);
    }
    if let Some(list) = as_read::<AccountList>(bytes) {
        let _ = list.read(&BTreeSet::from(["7".to_owned()]));
    }
    if let Some(page) = as_read::<Page>(bytes) {
        let _ = page.next().map(str::len);
        let _ = page.coverage(Coverage::Since(TODAY));
        let _ = page.read(Currency::EUR);
    }
    for status in [200, 400, 401, 409, 503] {
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: None,
            body: Zeroizing::new(bytes.to_vec()),
        };
        let _ = refusal::read(&answer);
        let _ = refusal::granted(&answer);
    }
}

#[test]
fn fuzz_the_aggregators_wire() {
    drive(&Target {
        name: "powens",
        read,
    });
}
