//! The API's answers as the page shows them. What is absent is left out, never made up.

use serde_json::Value;

use super::api::Refused;

/// A connection with what can be read of it.
pub(super) struct ConnectionView {
    pub(super) id: String,
    pub(super) institution: String,
    pub(super) status: String,
    pub(super) consent_until: String,
    pub(super) last_synced_at: String,
    pub(super) accounts_path: String,
    pub(super) transactions_path: String,
    pub(super) accounts: Result<Vec<AccountView>, Refused>,
    pub(super) lines: Result<Vec<LineView>, Refused>,
}

impl ConnectionView {
    /// Whether data comes, now or within moments.
    pub(super) fn may_be_read(&self) -> bool {
        matches!(self.status.as_str(), "connected" | "active")
    }
}

pub(super) struct AccountView {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) last_characters: String,
    pub(super) balance: String,
    pub(super) booked_lines: String,
    pub(super) history_from: String,
}

pub(super) struct LineView {
    pub(super) date: String,
    pub(super) amount: String,
    pub(super) income: bool,
    pub(super) label: String,
    pub(super) category: String,
    pub(super) confidence: String,
}

/// What was learned.
pub(super) struct ScoreView {
    pub(super) computed_at: String,
    pub(super) days: String,
    pub(super) lines: String,
    pub(super) cards: Vec<CardView>,
    pub(super) contracts: Vec<ContractView>,
    pub(super) moments: Vec<String>,
}

/// One scorecard: a value with its reasons, or what is missing for one.
pub(super) struct CardView {
    pub(super) model: String,
    pub(super) version: String,
    pub(super) window: String,
    pub(super) value: Option<String>,
    pub(super) range: String,
    pub(super) band: String,
    pub(super) strengths: Vec<ReasonView>,
    pub(super) reasons: Vec<ReasonView>,
    pub(super) helps: Vec<String>,
    pub(super) missing: Vec<String>,
}

pub(super) struct ReasonView {
    pub(super) text: String,
    pub(super) points: String,
    pub(super) evidence: String,
}

pub(super) struct ContractView {
    pub(super) line: String,
    pub(super) insurer: String,
    pub(super) yearly: String,
    pub(super) since: String,
}

pub(super) fn connections(answer: &Value) -> Vec<ConnectionView> {
    items(answer, "connections")
        .map(|one| ConnectionView {
            id: text(one, "/id"),
            institution: text(one, "/institution"),
            status: text(one, "/status"),
            consent_until: day(one, "/consent_until"),
            last_synced_at: moment(one, "/last_synced_at"),
            accounts_path: String::new(),
            transactions_path: String::new(),
            accounts: Ok(Vec::new()),
            lines: Ok(Vec::new()),
        })
        .collect()
}

pub(super) fn accounts(answer: &Value) -> Vec<AccountView> {
    items(answer, "accounts")
        .map(|one| AccountView {
            name: text(one, "/name"),
            kind: text(one, "/kind"),
            last_characters: text(one, "/last_characters"),
            balance: amount(one.pointer("/balance/amount")),
            booked_lines: text(one, "/booked_lines"),
            history_from: text(one, "/history_from"),
        })
        .collect()
}

pub(super) fn lines(answer: &Value) -> Vec<LineView> {
    items(answer, "transactions")
        .map(|one| LineView {
            date: text(one, "/booking_date"),
            amount: amount(one.pointer("/amount")),
            income: one
                .pointer("/amount/minor")
                .and_then(Value::as_i64)
                .is_some_and(|minor| minor > 0),
            label: text(one, "/label"),
            category: text(one, "/enrichment/category"),
            confidence: text(one, "/enrichment/confidence"),
        })
        .collect()
}

pub(super) fn scores(answer: &Value, contracts: &Value, moments: &Value) -> ScoreView {
    ScoreView {
        computed_at: moment(answer, "/computed_at"),
        days: text(answer, "/coverage/days"),
        lines: text(answer, "/coverage/lines"),
        cards: items(answer, "scores").map(card).collect(),
        contracts: items(contracts, "contracts")
            .map(|one| ContractView {
                line: text(one, "/line"),
                insurer: text(one, "/insurer"),
                yearly: one
                    .pointer("/yearly_cents")
                    .and_then(Value::as_i64)
                    .map_or_else(String::new, |cents| {
                        format!("{} EUR a year", decimal(cents))
                    }),
                since: text(one, "/since"),
            })
            .collect(),
        moments: items(moments, "life_moments")
            .map(|one| format!("{} ({})", words(&one["kind"]), text(one, "/first_seen")))
            .collect(),
    }
}

fn card(card: &Value) -> CardView {
    let outcome = &card["outcome"];
    let value = outcome.get("value").map(plain);
    let reasons = |name| items(outcome, name).map(reason).collect();
    CardView {
        model: text(card, "/model"),
        version: text(card, "/version"),
        window: format!(
            "{} to {}",
            text(card, "/window_from"),
            text(card, "/window_to")
        ),
        range: format!(
            "{} to {}",
            text(outcome, "/lowest"),
            text(outcome, "/highest")
        ),
        band: text(outcome, "/band_name/en"),
        value,
        strengths: reasons("strengths"),
        reasons: reasons("reasons"),
        helps: items(outcome, "what_helps")
            .map(|one| text(one, "/en"))
            .collect(),
        missing: items(outcome, "missing").map(words).collect(),
    }
}

fn reason(reason: &Value) -> ReasonView {
    ReasonView {
        text: text(reason, "/text/en"),
        points: format!(
            "{} of {}",
            text(reason, "/points"),
            text(reason, "/best_points")
        ),
        evidence: match items(reason, "evidence").count() {
            0 => String::new(),
            1 => ", 1 line as evidence".to_owned(),
            count => format!(", {count} lines as evidence"),
        },
    }
}

fn items<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value
        .get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).map(plain).unwrap_or_default()
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A code, or an object with a `kind` and what belongs to it, as words.
fn words(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let kind = fields.get("kind").map(plain).unwrap_or_default();
            let mut rest: Vec<String> = fields
                .iter()
                .filter(|(name, _)| *name != "kind")
                .map(|(name, value)| format!("{} {}", name.replace('_', " "), plain(value)))
                .collect();
            rest.sort();
            let joined = if rest.is_empty() {
                kind
            } else {
                format!("{kind}: {}", rest.join(", "))
            };
            joined.replace('-', " ")
        }
        other => plain(other).replace('-', " "),
    }
}

fn amount(value: Option<&Value>) -> String {
    let minor = value
        .and_then(|amount| amount.get("minor"))
        .and_then(Value::as_i64);
    let currency = value
        .and_then(|amount| amount.get("currency"))
        .map(plain)
        .unwrap_or_default();
    // The sandbox bank keeps euros only; another currency is shown in its minor units' hundredths.
    minor.map_or_else(String::new, |minor| {
        format!("{} {currency}", decimal(minor))
    })
}

fn decimal(minor: i64) -> String {
    let sign = if minor < 0 { "−" } else { "" };
    let absolute = minor.unsigned_abs();
    format!("{sign}{}.{:02}", absolute / 100, absolute % 100)
}

fn day(value: &Value, pointer: &str) -> String {
    text(value, pointer).chars().take(10).collect()
}

fn moment(value: &Value, pointer: &str) -> String {
    let moment: String = text(value, pointer).chars().take(16).collect();
    moment.replace('T', " ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn amounts_keep_their_cents_and_their_sign() {
        for (minor, expected) in [
            (0, "0.00 EUR"),
            (-5, "−0.05 EUR"),
            (123_456, "1234.56 EUR"),
            (-100, "−1.00 EUR"),
        ] {
            let value = json!({ "minor": minor, "currency": "EUR" });
            assert_eq!(amount(Some(&value)), expected);
        }
    }

    #[test]
    fn an_answer_with_nothing_in_it_shows_nothing_and_breaks_nothing() {
        for answer in [
            json!(null),
            json!({}),
            json!({ "scores": [{}], "connections": [null] }),
        ] {
            let shown = scores(&answer, &answer, &answer);
            assert!(shown.cards.iter().all(|card| card.value.is_none()));
            assert!(connections(&answer).iter().all(|one| one.id.is_empty()));
            assert!(accounts(&answer).is_empty() && lines(&answer).is_empty());
        }
    }

    #[test]
    fn a_missing_condition_is_put_in_words() {
        let missing = json!({ "kind": "days-of-history", "seen": 12, "needed": 90 });
        assert_eq!(words(&missing), "days of history: needed 90, seen 12");
    }
}
