//! Turns what serde says into words for the caller.
//!
//! Serde's own messages repeat the input and name Rust types, so only the static part of a message,
//! what was expected, is used.

use serde_path_to_error::{Path, Segment};

/// Longest field name repeated back.
const NAME_LIMIT: usize = 64;

/// What does not fit, told from the message of a deserialisation error.
pub(super) struct Misfit {
    /// The field that is missing or there twice: it is not in the path. A name of ours, never input.
    pub field: Option<String>,
    /// What was expected.
    pub detail: String,
}

/// Reads a serde message.
pub(super) fn misfit(message: &str) -> Misfit {
    // serde_json adds where it stopped reading.
    let message = message
        .rfind(" at line ")
        .and_then(|end| message.get(..end))
        .unwrap_or(message);
    let without_field = |detail: String| Misfit {
        field: None,
        detail,
    };
    let expected = message
        .rfind(", expected ")
        .and_then(|start| message.get(start + ", expected ".len()..));
    if let Some(rest) = message.strip_prefix("missing field `") {
        return Misfit {
            field: rest.strip_suffix('`').map(str::to_owned),
            detail: "this field is required".to_owned(),
        };
    }
    if let Some(rest) = message.strip_prefix("duplicate field `") {
        return Misfit {
            field: rest.strip_suffix('`').map(str::to_owned),
            detail: "this field is there twice".to_owned(),
        };
    }
    if message.starts_with("unknown field ") {
        return without_field(match expected {
            Some(names) => format!("this field is not known: expected {names}"),
            None => "this field is not known".to_owned(),
        });
    }
    if message.starts_with("unknown variant ") {
        return without_field(match expected {
            Some(values) => format!("expected {values}"),
            None => "this value is not known".to_owned(),
        });
    }
    if message.starts_with("invalid type: ") || message.starts_with("invalid value: ") {
        return without_field(match expected.and_then(in_plain_words) {
            Some(words) => format!("expected {words}"),
            None => "the value is of the wrong type".to_owned(),
        });
    }
    if message.starts_with("invalid length ") {
        return without_field("the number of values is not the one expected".to_owned());
    }
    // The ids of the domain describe their shape and never the text that was refused.
    if message.starts_with("not a valid ") && message.contains(": expected ") {
        return without_field(message.to_owned());
    }
    without_field("the value is not accepted".to_owned())
}

fn in_plain_words(expected: &str) -> Option<&str> {
    match expected {
        "a boolean" => Some("true or false"),
        "a string" | "a borrowed string" | "string" => Some("a string"),
        "a sequence" => Some("a list"),
        "a map" => Some("an object"),
        "f32" | "f64" => Some("a number"),
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => Some("a whole number"),
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => {
            Some("a whole number that is not negative and not too large")
        }
        _ if expected.starts_with("struct ") => Some("an object"),
        _ if expected.starts_with('`') || expected.starts_with("one of `") => Some(expected),
        _ => None,
    }
}

/// The path of a field as a JSON pointer in URI fragment form. `unreached` is the field the path
/// stops short of.
pub(super) fn pointer(path: &Path, unreached: Option<&str>) -> String {
    let mut pointer = String::from("#");
    for segment in path {
        match segment {
            Segment::Seq { index } => push(&mut pointer, &index.to_string()),
            Segment::Map { key } => push(&mut pointer, key),
            Segment::Enum { variant } => push(&mut pointer, variant),
            Segment::Unknown => {}
        }
    }
    if let Some(name) = unreached {
        push(&mut pointer, name);
    }
    pointer
}

fn push(pointer: &mut String, name: &str) {
    let shown = shown(name).replace('~', "~0").replace('/', "~1");
    pointer.push('/');
    pointer.push_str(&shown);
}

/// A field name as it may be repeated: short, and without anything that could act in a terminal or a
/// page.
pub(super) fn shown(name: &str) -> String {
    name.chars()
        .take(NAME_LIMIT)
        .map(|symbol| {
            if symbol.is_ascii_alphanumeric() || "_-.~/:[]".contains(symbol) {
                symbol
            } else {
                '?'
            }
        })
        .collect()
}

/// The name of a parameter from a path of one segment.
pub(super) fn parameter(path: &Path, unreached: Option<&str>) -> String {
    let named = path.iter().find_map(|segment| match segment {
        Segment::Map { key } => Some(key.as_str()),
        _ => None,
    });
    unreached.or(named).map(shown).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use passerelle_domain::ids::ConsentId;

    #[test]
    fn the_shape_of_an_id_is_told() {
        let error = serde_json::from_str::<ConsentId>("\"FR7630001007941234567890185\"")
            .unwrap_err()
            .to_string();
        let detail = misfit(&error).detail;
        assert!(detail.contains("consent id"), "{detail}");
        assert!(!detail.contains("FR76"), "{detail}");
    }

    #[test]
    fn a_value_that_imitates_a_message_is_not_repeated() {
        let error = serde_json::from_str::<u32>(r#""x, expected SECRET""#)
            .unwrap_err()
            .to_string();
        let detail = misfit(&error).detail;
        assert!(!detail.contains("SECRET"), "{detail}");
        assert!(detail.contains("whole number"), "{detail}");
    }
}
