//! One text out of whatever a bank calls remittance information.
//!
//! It comes as a string, an array, an object, an empty array or `-`; cut at 35 or 140 characters in
//! the middle of words; with technical filler in it.

use serde_json::Value;

/// Lengths at which formats cut text: a piece this long continues in the next one without a space.
const CUT_LENGTHS: [usize; 2] = [35, 140];

/// The most text kept of one movement.
const MAX_LENGTH: usize = 500;

/// How deep a bank may nest text before it is ignored.
const MAX_DEPTH: usize = 4;

/// The first of several fields that holds any text, joined and cleaned.
pub(crate) fn first_text<'a>(fields: impl IntoIterator<Item = Option<&'a Value>>) -> String {
    fields
        .into_iter()
        .flatten()
        .map(text_of)
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

fn text_of(field: &Value) -> String {
    let mut pieces = Vec::new();
    collect(field, 0, &mut pieces);
    clean(&join(&pieces))
}

fn collect<'a>(value: &'a Value, depth: usize, pieces: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => pieces.push(text),
        Value::Array(items) if depth < MAX_DEPTH => {
            for item in items {
                collect(item, depth + 1, pieces);
            }
        }
        Value::Object(members) if depth < MAX_DEPTH => {
            for (name, member) in members {
                // The reference's scheme and issuer are about the text, they are not the text.
                if !name.to_ascii_lowercase().contains("type") && !name.contains("ssuer") {
                    collect(member, depth + 1, pieces);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {}
    }
}

fn join(pieces: &[&str]) -> String {
    let mut joined = String::new();
    let mut previous_was_cut = true;
    for piece in pieces {
        if !previous_was_cut {
            joined.push(' ');
        }
        joined.push_str(piece);
        previous_was_cut =
            CUT_LENGTHS.contains(&piece.chars().count()) && !piece.ends_with(char::is_whitespace);
    }
    joined
}

/// Drops placeholders and the end-to-end noise some banks append, and collapses white space.
fn clean(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut kept: Vec<&str> = Vec::new();
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        let lower = word.to_ascii_lowercase();
        if matches!(lower.as_str(), "endtoendid:" | "end-to-end-id:")
            && words.peek().is_some_and(|next| is_placeholder(next))
        {
            words.next();
            continue;
        }
        if lower.ends_with("endtoendid:notprovided") || lower == "notprovided" {
            continue;
        }
        kept.push(word);
    }
    let joined = kept.join(" ");
    if is_placeholder(&joined) {
        return String::new();
    }
    joined.chars().take(MAX_LENGTH).collect()
}

fn is_placeholder(text: &str) -> bool {
    text.chars().all(|symbol| matches!(symbol, '-' | '.' | '*'))
        || text.eq_ignore_ascii_case("notprovided")
        || text.eq_ignore_ascii_case("null")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn one_text_comes_out_of_every_shape() {
        for shape in [
            json!("PRLV SEPA EDF"),
            json!(["PRLV SEPA", "EDF"]),
            json!({"unstructured": ["PRLV SEPA EDF"]}),
            json!({"reference": "PRLV SEPA EDF", "referenceType": "SCOR"}),
            json!("  PRLV  SEPA EDF EndToEndID: NOTPROVIDED"),
        ] {
            assert_eq!(first_text([Some(&shape)]), "PRLV SEPA EDF", "{shape}");
        }
    }

    #[test]
    fn empty_shapes_are_no_text_and_the_next_field_is_used() {
        let additional = json!("VIR SALAIRE");
        for shape in [json!([]), json!("-"), json!(null), json!({}), json!(12)] {
            assert_eq!(
                first_text([Some(&shape), None, Some(&additional)]),
                "VIR SALAIRE"
            );
        }
    }

    #[test]
    fn a_word_cut_by_the_format_is_joined_again() {
        let first = "PRLV SEPA ASSURANCE HABITATION ECHE".to_owned();
        assert_eq!(first.len(), 35);
        let shape = json!([first, "ANCE NOVEMBRE"]);
        assert_eq!(
            first_text([Some(&shape)]),
            "PRLV SEPA ASSURANCE HABITATION ECHEANCE NOVEMBRE"
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_or_grow(pieces in proptest::collection::vec(".{0,200}", 0..8)) {
            let text = first_text([Some(&json!(pieces))]);
            prop_assert!(text.chars().count() <= MAX_LENGTH);
        }
    }
}
