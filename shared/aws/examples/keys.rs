//! Reads secrets and signs a message as the functions do, for somebody who shares no code with us to
//! compare: `tests/outside/keys/run.sh`.
//!
//! ```text
//! cargo run -p passerelle-aws --example keys -- KEY_ARN SECRET_ARN…
//! ```
//!
//! Region, credentials and endpoint come from the environment. Prints one JSON object: what each secret
//! holds, or why it cannot be read, and two signatures of the bytes `message`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::error::Error;

use passerelle_aws::{Clients, Keys};
use passerelle_domain::keys::{Hash, KeyHolder};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let variables: BTreeMap<String, String> = std::env::vars().collect();
    let keys = Keys::new(&Clients::from_environment(&variables).unwrap());
    let mut names = std::env::args().skip(1);
    let key = names.next().unwrap();
    let mut answers = BTreeMap::new();
    for name in names {
        let answer = match keys.secret(&name).await {
            Ok(secret) => secret.expose().to_owned(),
            Err(error) => format!("error: {}", error.source().unwrap()),
        };
        answers.insert(name, answer);
    }
    for (name, hash) in [("sha-256", Hash::Sha256), ("sha-512", Hash::Sha512)] {
        let signature = keys.sign(&key, hash, b"message").await.unwrap();
        answers.insert(name.to_owned(), hex::encode(signature));
    }
    println!("{}", serde_json::to_string(&answers).unwrap());
}
