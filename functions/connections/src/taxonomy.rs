//! `GET /v1/taxonomy`: every category an answer may carry, how it is called, and what it is elsewhere.

use passerelle_knowledge::taxonomy::Mapping;
use passerelle_knowledge::{Category, TAXONOMY_VERSION};
use passerelle_runtime::{Caller, Json};
use serde::Serialize;

/// The whole of it.
#[derive(Debug, Serialize)]
pub(crate) struct Taxonomy {
    version: &'static str,
    leaves: Vec<Leaf>,
}

#[derive(Debug, Serialize)]
struct Leaf {
    code: Category,
    #[serde(flatten)]
    mapping: Option<&'static Mapping>,
}

/// The same for everybody: no purpose is needed, and nothing of anybody is read.
pub(crate) async fn read(_caller: Caller) -> Json<Taxonomy> {
    let leaves = Category::ALL.iter().map(|code| Leaf {
        code: *code,
        mapping: code.mapping(),
    });
    Json(Taxonomy {
        version: TAXONOMY_VERSION,
        leaves: leaves.collect(),
    })
}
