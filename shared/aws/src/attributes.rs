//! Reading and writing item attributes without repeating their wire types.

use std::collections::HashMap;
use std::str::FromStr;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

pub(crate) type Item = HashMap<String, AttributeValue>;

pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(crate) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(crate) fn bytes(value: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(value))
}

/// Moments are whole seconds: they are compared in conditions.
pub(crate) fn moment(value: Timestamp) -> AttributeValue {
    AttributeValue::N(value.as_second().to_string())
}

pub(crate) fn json<T: Serialize>(value: &T) -> Result<AttributeValue, Error> {
    serde_json::to_string(value)
        .map(AttributeValue::S)
        .map_err(|_| Error::Unreadable("value"))
}

pub(crate) fn get_text<'a>(item: &'a Item, name: &'static str) -> Result<&'a str, Error> {
    item.get(name)
        .and_then(|value| value.as_s().ok())
        .map(String::as_str)
        .ok_or(Error::Unreadable(name))
}

pub(crate) fn get_parsed<T: FromStr>(item: &Item, name: &'static str) -> Result<T, Error> {
    get_text(item, name)?
        .parse()
        .map_err(|_| Error::Unreadable(name))
}

pub(crate) fn get_number(item: &Item, name: &'static str) -> Result<u64, Error> {
    item.get(name)
        .and_then(|value| value.as_n().ok())
        .and_then(|digits| digits.parse().ok())
        .ok_or(Error::Unreadable(name))
}

pub(crate) fn get_moment(item: &Item, name: &'static str) -> Result<Timestamp, Error> {
    item.get(name)
        .and_then(|value| value.as_n().ok())
        .and_then(|digits| digits.parse().ok())
        .and_then(|second| Timestamp::from_second(second).ok())
        .ok_or(Error::Unreadable(name))
}

pub(crate) fn get_bytes<'a>(item: &'a Item, name: &'static str) -> Result<&'a [u8], Error> {
    item.get(name)
        .and_then(|value| value.as_b().ok())
        .map(Blob::as_ref)
        .ok_or(Error::Unreadable(name))
}

pub(crate) fn get_json<T: DeserializeOwned>(item: &Item, name: &'static str) -> Result<T, Error> {
    serde_json::from_str(get_text(item, name)?).map_err(|_| Error::Unreadable(name))
}
