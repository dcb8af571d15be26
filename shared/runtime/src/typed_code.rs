//! A short code that a person reads on one screen and types, or opens, on another.

use passerelle_domain::private::Private;

use crate::entropy::entropy;

/// Digits and letters that nobody takes for one another: five bits each (Crockford's base 32).
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The longest text that is read as a code.
const LONGEST: usize = 64;

/// A code of symbols that are easy to tell apart. Its `Debug` shows nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypedCode(Private);

impl TypedCode {
    /// A code nobody can guess: five bits for each of its symbols.
    #[must_use]
    pub fn fresh<const LENGTH: usize>() -> Self {
        Self::of_bytes(&entropy::<LENGTH>())
    }

    /// A code of given bytes, one symbol for each.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let symbols = bytes.iter().filter_map(|byte| {
            let symbol = ALPHABET.get(usize::from(byte & 31))?;
            Some(char::from(*symbol))
        });
        Self(Private::new(symbols.collect::<String>()))
    }

    /// A code as it was meant, however it was typed: case and dashes do not matter, O is 0, I and L
    /// are 1.
    #[must_use]
    pub fn meant_by(typed: &Private) -> Self {
        let typed = typed.expose().chars().take(LONGEST);
        let meant = typed.filter(char::is_ascii_alphanumeric).map(|symbol| {
            match symbol.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                symbol => symbol,
            }
        });
        Self(Private::new(meant.collect::<String>()))
    }

    /// Its symbols.
    #[must_use]
    pub fn symbols(&self) -> &Private {
        &self.0
    }

    /// As it is shown: two halves are easier to type.
    #[must_use]
    pub fn in_two(&self) -> String {
        let text = self.0.expose();
        match text.split_at_checked(text.len() / 2) {
            Some((first, rest)) if !first.is_empty() => format!("{first}-{rest}"),
            _ => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_understood_however_it_is_typed() {
        let code = TypedCode::fresh::<10>();
        assert_eq!(code.symbols().expose().len(), 10);
        let shown = code.in_two();
        for typed in [shown.clone(), shown.to_ascii_lowercase()] {
            assert_eq!(TypedCode::meant_by(&Private::new(typed)), code);
        }
        let meant = TypedCode::meant_by(&Private::new("o0il-1 é"));
        assert_eq!(meant.symbols().expose(), "00111");
    }

    #[test]
    fn codes_are_not_alike() {
        assert_ne!(TypedCode::fresh::<10>(), TypedCode::fresh::<10>());
    }
}
