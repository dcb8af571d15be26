//! What an account was billed for a charge in another currency.

use passerelle_domain::money::{Amount, Currency};

/// The billed amount a text tells, when a bank gives the charge in the shop's currency (Q12): one
/// number beside the account's currency, `10,48 EUR` or `EUR 10.48`. Two different numbers tell
/// nothing.
pub(crate) fn billed(charged: Amount, currency: Currency, text: &str) -> Option<Amount> {
    if charged.currency == currency {
        return None;
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut beside = words
        .windows(2)
        .filter_map(|pair| match pair {
            [code, number] if names(code, currency) => read(number, currency),
            [number, code] if names(code, currency) => read(number, currency),
            _ => None,
        })
        .map(Amount::as_credit);
    let found = beside.next()?;
    let certain = beside.all(|other| other == found);
    let signed = match charged.is_debit() {
        true => found.as_debit(),
        false => found,
    };
    certain.then_some(signed)
}

fn names(word: &str, currency: Currency) -> bool {
    let word = word.trim_matches(|symbol: char| !symbol.is_alphanumeric() && symbol != '€');
    word.eq_ignore_ascii_case(currency.as_str()) || (currency == Currency::EUR && word == "€")
}

/// A number with decimals: a house number or a year beside a currency is no amount.
fn read(word: &str, currency: Currency) -> Option<Amount> {
    let number = word
        .trim_matches(|symbol: char| !symbol.is_ascii_digit())
        .replace(',', ".");
    number
        .contains('.')
        .then(|| Amount::parse(&number, currency).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(text: &str) -> Option<i64> {
        let crowns = Amount::new(-12_000, "SEK".parse().unwrap());
        billed(crowns, Currency::EUR, text).map(|amount| amount.minor)
    }

    #[test]
    fn one_number_beside_the_currency_is_the_billed_amount() {
        assert_eq!(told("ICA STOCKHOLM 10,48 EUR"), Some(-1048));
        assert_eq!(told("(EUR 10.48) ICA"), Some(-1048));
        assert_eq!(told("ICA 10,48 €"), Some(-1048));
    }

    #[test]
    fn anything_less_certain_tells_nothing() {
        for text in [
            "",
            "ICA 10,48",
            "EUR",
            "10 EUR",
            "10,48 EUR OU 11,00 EUR",
            "2026 EUR",
        ] {
            assert_eq!(told(text), None, "{text}");
        }
        let euros = Amount::eur(-500);
        assert_eq!(billed(euros, Currency::EUR, "4,00 EUR"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}") {
            let _ = told(&text);
        }
    }
}
