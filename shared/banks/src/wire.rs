//! Values as banks really send them, whatever the dialect.

use std::fmt;

use passerelle_domain::money::{Amount, Currency};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// Text that may come as a string, a number or not at all. Objects and arrays are absence.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct LooseText(Option<String>);

impl LooseText {
    /// The text, trimmed; `None` when there is none.
    pub(crate) fn text(&self) -> Option<&str> {
        self.0
            .as_deref()
            .map(str::trim)
            .filter(|text| !text.is_empty())
    }
}

impl<'de> Deserialize<'de> for LooseText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match Value::deserialize(deserializer)? {
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }))
    }
}

impl fmt::Debug for LooseText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LooseText(…)")
    }
}

/// A decimal as the bank wrote it, digits untouched: in quotes or as a bare JSON number.
#[derive(Clone)]
pub(crate) struct Decimal(String);

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let digits = if raw.get().starts_with('"') {
            serde_json::from_str(raw.get()).map_err(serde::de::Error::custom)?
        } else {
            raw.get().to_owned()
        };
        Ok(Self(digits))
    }
}

impl Decimal {
    /// The amount in a currency; `None` when it is no decimal the currency holds exactly.
    pub(crate) fn read(&self, currency: Currency) -> Option<Amount> {
        Amount::parse(&self.0, currency).ok()
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Decimal(…)")
    }
}

/// `{"amount": …, "currency": …}`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct WireAmount {
    amount: Decimal,
    #[serde(default)]
    currency: LooseText,
}

impl WireAmount {
    /// The amount, in its own currency or else the account's.
    pub(crate) fn read(&self, account_currency: Currency) -> Option<Amount> {
        let currency = match self.currency.text() {
            Some(code) => code.to_ascii_uppercase().parse().ok()?,
            None => account_currency,
        };
        self.amount.read(currency)
    }
}

/// A link: `{"href": "…"}` by the standard, a bare string at some banks. Anything else is no link.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "Value")]
pub(crate) struct Link(Option<String>);

impl From<Value> for Link {
    fn from(value: Value) -> Self {
        let href = match value {
            Value::Object(mut members) => members.remove("href"),
            other => Some(other),
        };
        Self(match href {
            Some(Value::String(text)) => Some(text),
            _ => None,
        })
    }
}

impl Link {
    /// Where it points; `None` for an empty one.
    pub(crate) fn href(&self) -> Option<&str> {
        self.0
            .as_deref()
            .map(str::trim)
            .filter(|href| !href.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cents(json: &str) -> Option<i64> {
        let wire: WireAmount = serde_json::from_str(json).ok()?;
        wire.read(Currency::EUR).map(|amount| amount.minor)
    }

    #[test]
    fn amounts_are_read_as_text_or_number_without_a_float() {
        assert_eq!(cents(r#"{"amount":"-20.0","currency":"EUR"}"#), Some(-2000));
        assert_eq!(
            cents(r#"{"amount":12002,"currency":"EUR"}"#),
            Some(1_200_200)
        );
        // As a float this is 90071992547409.91 only by luck, and one more digit is lost.
        assert_eq!(
            cents(r#"{"amount":90071992547409.93}"#),
            Some(9_007_199_254_740_993)
        );
        assert_eq!(cents(r#"{"amount":-0.30}"#), Some(-30));
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for json in [
            r#"{"amount":null}"#,
            r#"{"amount":{}}"#,
            r#"{"amount":"douze"}"#,
            r#"{"amount":1e3}"#,
            r#"{"amount":"1","currency":"EURO"}"#,
            "{}",
        ] {
            assert_eq!(cents(json), None, "{json}");
        }
    }

    #[test]
    fn links_come_as_objects_or_strings() {
        let href = |json: &str| {
            serde_json::from_str::<Link>(json)
                .unwrap()
                .href()
                .map(str::to_owned)
        };
        assert_eq!(href(r#"{"href":"/v1/a"}"#).as_deref(), Some("/v1/a"));
        assert_eq!(href(r#""/v1/a""#).as_deref(), Some("/v1/a"));
        assert_eq!(href("{}"), None);
        assert_eq!(href(r#"{"href":""}"#), None);
    }

    proptest! {
        #[test]
        fn no_amount_text_makes_it_panic(text in ".{0,40}") {
            let _ = cents(&text);
            let _ = cents(&serde_json::json!({"amount": text}).to_string());
        }
    }
}
