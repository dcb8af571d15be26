//! A customer's consent receipts, and the key that verifies them.
//!
//! `GET /v1/customers/{customer}/receipts` gives one line per receipt, oldest first:
//! `{"signature":"…","receipt":{…}}`. Everything between `"receipt":` and the last brace are the very
//! bytes that were signed, so `openssl` and `sha256sum` are enough to check a download
//! (`tests/verify_receipts.sh`). `GET /v1/receipt-key` gives the public key to anybody.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use passerelle_domain::ids::{ClientId, CustomerReference};
use passerelle_domain::receipt::SignedReceipt;
use passerelle_runtime::{Caller, Path, Problem};

use crate::{Connections, refused};

/// Characters of a line of a PEM file (RFC 7468).
const PEM_LINE: usize = 64;

pub(crate) async fn of_customer(
    State(connections): State<Arc<Connections>>,
    caller: Caller,
    Path(customer): Path<CustomerReference>,
) -> Result<Response, Problem> {
    connections.receipts_of(&caller.client, &customer).await
}

pub(crate) async fn public_key(
    State(connections): State<Arc<Connections>>,
) -> Result<Response, Problem> {
    let key = connections.receipts.public_key().await.map_err(refused)?;
    Ok(([(CONTENT_TYPE, "application/x-pem-file")], pem(&key)).into_response())
}

impl Connections {
    /// The download of a person's receipts, for the client and for the person.
    pub(crate) async fn receipts_of(
        &self,
        client: &ClientId,
        customer: &CustomerReference,
    ) -> Result<Response, Problem> {
        let receipts = self.store.table().receipts(client, customer);
        let receipts = receipts.await.map_err(refused)?;
        let headers = [
            (CONTENT_TYPE, "application/jsonl"),
            (
                CONTENT_DISPOSITION,
                "attachment; filename=\"receipts.jsonl\"",
            ),
        ];
        Ok((headers, lines(&receipts)).into_response())
    }
}

fn lines(receipts: &[SignedReceipt]) -> Vec<u8> {
    let mut lines = Vec::new();
    for receipt in receipts {
        lines.extend_from_slice(b"{\"signature\":\"");
        lines.extend_from_slice(STANDARD.encode(&receipt.signature).as_bytes());
        lines.extend_from_slice(b"\",\"receipt\":");
        lines.extend_from_slice(&receipt.bytes);
        lines.extend_from_slice(b"}\n");
    }
    lines
}

fn pem(der: &[u8]) -> String {
    let mut text = "-----BEGIN PUBLIC KEY-----\n".to_owned();
    for (index, character) in STANDARD.encode(der).chars().enumerate() {
        if index > 0 && index.is_multiple_of(PEM_LINE) {
            text.push('\n');
        }
        text.push(character);
    }
    text.push_str("\n-----END PUBLIC KEY-----\n");
    text
}
