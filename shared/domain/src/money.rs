//! Amounts of money as integers of a currency's minor unit. No float anywhere.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An ISO 4217 alphabetic code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

impl Currency {
    /// The euro.
    pub const EUR: Self = Self(*b"EUR");

    /// The three letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }

    /// How many decimals the currency's minor unit has (ISO 4217).
    #[must_use]
    pub fn decimals(self) -> u32 {
        match &self.0 {
            b"JPY" | b"KRW" | b"CLP" | b"ISK" | b"VND" | b"XAF" | b"XOF" | b"XPF" | b"PYG"
            | b"RWF" | b"UGX" | b"BIF" | b"DJF" | b"GNF" | b"KMF" | b"VUV" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            _ => 2,
        }
    }
}

impl FromStr for Currency {
    type Err = InvalidMoney;

    fn from_str(text: &str) -> Result<Self, InvalidMoney> {
        match text.as_bytes() {
            [a, b, c] if [a, b, c].iter().all(|letter| letter.is_ascii_uppercase()) => {
                Ok(Self([*a, *b, *c]))
            }
            _ => Err(InvalidMoney::Currency),
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = InvalidMoney;
    fn try_from(text: String) -> Result<Self, InvalidMoney> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> String {
        currency.as_str().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Money that could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMoney {
    /// Not three upper-case letters.
    #[error("not an ISO 4217 currency code")]
    Currency,
    /// Not a plain decimal number.
    #[error("not a decimal amount")]
    NotDecimal,
    /// More decimals than the currency has.
    #[error("more decimals than the currency has")]
    TooPrecise,
    /// Beyond what an account can hold.
    #[error("amount out of range")]
    OutOfRange,
}

/// A signed amount: what the account holder gains is positive, what they spend is negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Amount {
    /// Minor units (cents for the euro).
    pub minor: i64,
    /// The currency `minor` counts in.
    pub currency: Currency,
}

impl Amount {
    /// An amount from minor units.
    #[must_use]
    pub fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// An amount in euro cents.
    #[must_use]
    pub fn eur(cents: i64) -> Self {
        Self::new(cents, Currency::EUR)
    }

    /// Reads a decimal as banks write it: `-20.0`, `12002`, `+3.50`, `1e2` refused.
    ///
    /// # Errors
    /// [`InvalidMoney`] when the text is not a decimal the currency can hold exactly.
    pub fn parse(decimal: &str, currency: Currency) -> Result<Self, InvalidMoney> {
        let trimmed = decimal.trim();
        let (negative, digits) = match trimmed.as_bytes().first() {
            Some(b'-') => (true, trimmed.get(1..).unwrap_or_default()),
            Some(b'+') => (false, trimmed.get(1..).unwrap_or_default()),
            _ => (false, trimmed),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
            return Err(InvalidMoney::NotDecimal);
        }
        if digits.ends_with('.') {
            return Err(InvalidMoney::NotDecimal);
        }
        let decimals = usize::try_from(currency.decimals()).unwrap_or(2);
        let kept = fraction
            .get(..decimals.min(fraction.len()))
            .unwrap_or_default();
        let dropped = fraction.get(kept.len()..).unwrap_or_default();
        if dropped.bytes().any(|byte| byte != b'0') {
            return Err(InvalidMoney::TooPrecise);
        }
        let padded = format!("{whole}{kept:0<decimals$}");
        let magnitude: i64 = padded.parse().map_err(|_| InvalidMoney::OutOfRange)?;
        let minor = if negative { -magnitude } else { magnitude };
        Ok(Self { minor, currency })
    }

    /// The amount as a plain decimal, `-20.00`.
    #[must_use]
    pub fn to_decimal(self) -> String {
        let decimals = self.currency.decimals();
        let sign = if self.minor < 0 { "-" } else { "" };
        let magnitude = self.minor.unsigned_abs();
        let scale = 10_u64.pow(decimals);
        if decimals == 0 {
            return format!("{sign}{magnitude}");
        }
        let width = usize::try_from(decimals).unwrap_or(2);
        format!("{sign}{}.{:0width$}", magnitude / scale, magnitude % scale)
    }

    /// Whether money left the account.
    #[must_use]
    pub fn is_debit(self) -> bool {
        self.minor < 0
    }

    /// The same magnitude, leaving the account.
    #[must_use]
    pub fn as_debit(self) -> Self {
        Self {
            minor: self.minor.saturating_abs().saturating_neg(),
            ..self
        }
    }

    /// The same magnitude, moving the other way.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self {
            minor: self.minor.saturating_neg(),
            ..self
        }
    }

    /// The same magnitude, reaching the account.
    #[must_use]
    pub fn as_credit(self) -> Self {
        Self {
            minor: self.minor.saturating_abs(),
            ..self
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.to_decimal(), self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cents(text: &str) -> Result<i64, InvalidMoney> {
        Amount::parse(text, Currency::EUR).map(|amount| amount.minor)
    }

    #[test]
    fn reads_the_shapes_banks_send() {
        assert_eq!(cents("-20.0"), Ok(-2000));
        assert_eq!(cents("12002"), Ok(1_200_200));
        assert_eq!(cents("+3.5"), Ok(350));
        assert_eq!(cents("0.010"), Ok(1));
        assert_eq!(
            Amount::parse("150", "JPY".parse().unwrap()).unwrap().minor,
            150
        );
    }

    #[test]
    fn refuses_what_is_not_exactly_an_amount() {
        assert_eq!(cents("1,50"), Err(InvalidMoney::NotDecimal));
        assert_eq!(cents("1e2"), Err(InvalidMoney::NotDecimal));
        assert_eq!(cents(""), Err(InvalidMoney::NotDecimal));
        assert_eq!(cents("--1"), Err(InvalidMoney::NotDecimal));
        assert_eq!(cents("5."), Err(InvalidMoney::NotDecimal));
        assert_eq!(cents("0.001"), Err(InvalidMoney::TooPrecise));
        assert_eq!(cents("99999999999999999999"), Err(InvalidMoney::OutOfRange));
    }

    proptest! {
        #[test]
        fn writing_and_reading_is_the_identity(minor in -1_000_000_000_000_i64..1_000_000_000_000) {
            let amount = Amount::eur(minor);
            prop_assert_eq!(Amount::parse(&amount.to_decimal(), Currency::EUR), Ok(amount));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}") {
            let _ = Amount::parse(&text, Currency::EUR);
        }
    }
}
