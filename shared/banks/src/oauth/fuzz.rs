//! Damaged answers of an authorisation server.

use super::*;
use crate::fuzzing::{Target, as_read, drive};

fn read(bytes: &[u8]) {
    let home = Url::parse("https://bank.example/.well-known/oauth-authorization-server").unwrap();
    if let Some(server) = as_read::<AuthorisationServer>(bytes) {
        let _ = server.check(&home);
    }
    for status in [200, 400, 401, 500] {
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: None,
            body: Zeroizing::new(bytes.to_vec()),
        };
        if let Ok(grant) = read_grant(&answer, |code| BankError::TokenRefused { code }) {
            let _ = grant.expires_at(Timestamp::MAX);
        }
    }
}

#[test]
fn fuzz_the_token_and_metadata_answers() {
    drive(&Target {
        name: "oauth",
        read,
    });
}
