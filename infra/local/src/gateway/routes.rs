//! Which route a path takes: the most specific one, as API Gateway chooses.

use std::collections::BTreeMap;

/// A route's path, segment by segment. Orders from most to least specific.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pattern(Vec<Segment>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    /// Exactly this text.
    Literal(String),
    /// `{name}`: one segment.
    Variable(String),
    /// `{name+}`: all that is left, at least one segment.
    Greedy(String),
}

impl Pattern {
    pub(super) fn parse(path: &str) -> Self {
        Self(segments(path).map(segment).collect())
    }

    /// The variables of a path that fits, decoded as API Gateway hands them over.
    pub(super) fn matches(&self, path: &str) -> Option<BTreeMap<String, String>> {
        let mut variables = BTreeMap::new();
        let mut rest: Vec<&str> = segments(path).collect();
        rest.reverse();
        for segment in &self.0 {
            let here = rest.pop()?;
            match segment {
                Segment::Literal(text) if text == here => {}
                Segment::Literal(_) => return None,
                Segment::Variable(_) if here.is_empty() => return None,
                Segment::Variable(name) => {
                    variables.insert(name.clone(), decoded(here));
                }
                Segment::Greedy(name) => {
                    rest.reverse();
                    let all = std::iter::once(here)
                        .chain(rest.drain(..))
                        .collect::<Vec<_>>();
                    let all = all.join("/");
                    if all.is_empty() {
                        return None;
                    }
                    variables.insert(name.clone(), decoded(&all));
                }
            }
        }
        rest.is_empty().then_some(variables)
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

fn segment(text: &str) -> Segment {
    let inner = text
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'));
    match inner {
        Some(name) => match name.strip_suffix('+') {
            Some(name) => Segment::Greedy(name.to_owned()),
            None => Segment::Variable(name.to_owned()),
        },
        None => Segment::Literal(text.to_owned()),
    }
}

/// Percent-decoded; what is not text after that stays as it was.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'%')
            .then(|| after.split_at_checked(2))
            .flatten();
        match escaped.and_then(|(digits, after)| Some((hex_byte(digits)?, after))) {
            Some((byte, after)) => {
                bytes.push(byte);
                rest = after;
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits).ok()?;
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    u8::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first pattern that matches, most specific first.
    fn chosen<'a>(patterns: &[&'a str], path: &str) -> Option<&'a str> {
        let mut ordered: Vec<_> = patterns
            .iter()
            .map(|one| (Pattern::parse(one), *one))
            .collect();
        ordered.sort();
        ordered
            .into_iter()
            .find(|(pattern, _)| pattern.matches(path).is_some())
            .map(|(_, one)| one)
    }

    #[test]
    fn the_most_specific_route_is_taken() {
        let all = [
            "/{proxy+}",
            "/v1/{any+}",
            "/v1/items/{item}",
            "/v1/items/first",
            "/v1/items",
        ];
        for (path, expected) in [
            ("/v1/items", "/v1/items"),
            ("/v1/items/first", "/v1/items/first"),
            ("/v1/items/second", "/v1/items/{item}"),
            ("/v1/items/second/more", "/v1/{any+}"),
            ("/elsewhere", "/{proxy+}"),
        ] {
            assert_eq!(chosen(&all, path), Some(expected), "{path}");
        }
        assert_eq!(chosen(&["/v1/items"], "/v1/items/"), None);
        assert_eq!(chosen(&["/v1/{item}/x"], "/v1//x"), None);
        assert_eq!(chosen(&["/journey/{proxy+}"], "/journey/"), None);
        assert_eq!(chosen(&["/journey/{proxy+}"], "/journey"), None);
    }

    #[test]
    fn variables_are_decoded_and_nonsense_escapes_are_left_alone() {
        let pattern = Pattern::parse("/v1/{one}/{rest+}");
        let variables = pattern.matches("/v1/a%20b%C3%A9/c%2Fd/e%zz%+1%f").unwrap();
        assert_eq!(variables["one"], "a bé");
        assert_eq!(variables["rest"], "c/d/e%zz%+1%f");
        assert_eq!(pattern.matches("/v1/%ff/x").unwrap()["one"], "%ff");
    }
}
