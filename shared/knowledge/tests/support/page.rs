//! A whole analysis as a page of Markdown that reads from top to bottom: what was seen, what it comes to,
//! why, and at last every line with the rule that sorted it.

use std::fmt::Write;

use passerelle_domain::ids::TransactionId;
use passerelle_domain::transaction::Transaction;
use passerelle_knowledge::wording::value_in_french;
use passerelle_knowledge::{
    Analysis, CoverRemark, FlowState, History, LifeMoment, Missing, Outcome, Reason, Scorecard,
    enrich, storable,
};

/// How many lines of evidence stand below a statement.
const SHOWN_EVIDENCE: usize = 4;

/// The page. Writing to a `String` cannot fail, so results of `write!` are dropped.
pub fn page(title: &str, history: &History, analysis: &Analysis) -> String {
    let mut page = Page {
        history,
        analysis,
        text: format!("# {title}\n\n"),
    };
    page.seen();
    page.scores();
    page.insurance();
    page.flows();
    page.household();
    page.moments();
    page.numbers();
    page.lines();
    page.text
}

struct Page<'a> {
    history: &'a History,
    analysis: &'a Analysis,
    text: String,
}

impl Page<'_> {
    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn heading(&mut self, text: &str) {
        let _ = write!(self.text, "\n## {text}\n\n");
    }

    fn table(&mut self, heads: &[&str], rows: &[Vec<String>]) {
        if rows.is_empty() {
            self.line("Nothing.");
            return;
        }
        let _ = writeln!(self.text, "| {} |", heads.join(" | "));
        let _ = writeln!(self.text, "|{}", " --- |".repeat(heads.len()));
        for row in rows {
            let _ = writeln!(self.text, "| {} |", row.join(" | "));
        }
    }

    fn seen(&mut self) {
        let coverage = &self.analysis.coverage;
        let text = format!(
            "{} lines on {} accounts ({} left out), {} days to {}; {} paydays; balances {}; {} of the lines \
             unknown, {} protected. Taxonomy {}, rules {}.",
            coverage.lines,
            coverage.accounts,
            coverage.unreadable_accounts,
            coverage.days,
            self.analysis.as_of,
            coverage.income_cycles,
            if coverage.balances_known {
                "known"
            } else {
                "not known"
            },
            percent(coverage.unknown_permille),
            percent(coverage.sensitive_permille),
            self.analysis.taxonomy_version,
            self.analysis.rules_version,
        );
        self.line(&text);
    }

    fn scores(&mut self) {
        self.heading("Scores");
        let rows: Vec<Vec<String>> = self.analysis.scores.iter().map(score_row).collect();
        self.table(
            &[
                "card",
                "version",
                "value",
                "of",
                "band",
                "in French",
                "good until",
            ],
            &rows,
        );
        for score in &self.analysis.scores {
            if let Outcome::Scored(scored) = &score.outcome {
                let _ = write!(self.text, "\n### {}: {}\n\n", score.model, scored.value);
                for reason in &scored.reasons {
                    self.reason("−", reason);
                }
                for strength in &scored.strengths {
                    self.reason("+", strength);
                }
                for helps in &scored.what_helps {
                    let _ = writeln!(self.text, "- would help: {} / {}", helps.fr, helps.en);
                }
            }
        }
    }

    fn reason(&mut self, sign: &str, reason: &Reason) {
        let _ = writeln!(
            self.text,
            "- {sign} {} of {} points: {} / {}",
            reason.points, reason.best_points, reason.text.fr, reason.text.en
        );
        self.evidence(&reason.evidence);
    }

    fn evidence(&mut self, evidence: &[TransactionId]) {
        for id in evidence.iter().take(SHOWN_EVIDENCE) {
            let found = self
                .history
                .accounts
                .iter()
                .flat_map(|account| &account.lines)
                .find(|line| line.id == *id)
                .cloned();
            if let Some(line) = found.map(storable) {
                let _ = writeln!(
                    self.text,
                    "  - {} {} {}",
                    line.booking_date,
                    line.amount.to_decimal(),
                    in_a_cell(line.label.expose())
                );
            }
        }
    }

    fn insurance(&mut self) {
        self.heading("Insurance");
        let rows: Vec<Vec<String>> = self
            .analysis
            .contracts
            .iter()
            .map(|contract| {
                vec![
                    contract.line.code().to_owned(),
                    contract.insurer.clone().unwrap_or_else(|| "?".to_owned()),
                    contract.premium.to_decimal(),
                    contract
                        .rhythm
                        .map_or_else(|| "once".to_owned(), |rhythm| format!("{rhythm:?}")),
                    format!("{} €", contract.yearly_cents / 100),
                    contract.since.to_string(),
                    contract
                        .anniversary
                        .map_or_else(String::new, |day| day.to_string()),
                    state(contract.state),
                    format!("{} %", contract.confidence),
                ]
            })
            .collect();
        self.table(
            &[
                "line",
                "insurer",
                "premium",
                "rhythm",
                "a year",
                "since",
                "anniversary",
                "now",
                "sure",
            ],
            &rows,
        );
        let remarks = self.analysis.cover_remarks.clone();
        for remark in &remarks {
            let (text, evidence) = match remark {
                CoverRemark::PossibleDouble { line, evidence } => {
                    (format!("Perhaps twice: {}", line.code()), evidence)
                }
                CoverRemark::PossibleGap { line, evidence } => (
                    format!("A need without a premium: {}", line.code()),
                    evidence,
                ),
            };
            let _ = write!(self.text, "\n- {text}\n");
            self.evidence(evidence);
        }
        for payment in &self.analysis.insurance_payments {
            let _ = write!(
                self.text,
                "\n- {} on {}: {:?} from {}\n",
                payment.amount.to_decimal(),
                payment.on,
                payment.kind,
                payment.insurer.as_deref().unwrap_or("an insurer")
            );
        }
    }

    fn flows(&mut self) {
        self.heading("Regular flows");
        let rows: Vec<Vec<String>> = self
            .analysis
            .recurrences
            .iter()
            .map(|flow| {
                vec![
                    format!("{:?}", flow.kind),
                    in_a_cell(flow.merchant.as_deref().unwrap_or(flow.payee.expose())),
                    flow.category.code().to_owned(),
                    flow.amount.to_decimal(),
                    format!("{:?}", flow.rhythm),
                    format!("{} times since {}", flow.occurrences, flow.first_seen),
                    state(flow.state),
                    flow.changes
                        .iter()
                        .map(|change| format!("{} from {}", decimal(change.to_cents), change.on))
                        .collect::<Vec<_>>()
                        .join(", "),
                ]
            })
            .collect();
        self.table(
            &[
                "what",
                "who",
                "category",
                "amount",
                "rhythm",
                "seen",
                "now",
                "changed to",
            ],
            &rows,
        );
    }

    fn household(&mut self) {
        self.heading("Household");
        let Some(profile) = &self.analysis.profile else {
            self.line("Not told.");
            return;
        };
        let text = format!(
            "Housing: {:?}. Drives: {}.\n",
            profile.housing,
            if profile.drives { "yes" } else { "no sign" }
        );
        let rows: Vec<Vec<String>> = profile
            .loans
            .iter()
            .map(|loan| {
                vec![
                    loan.category.code().to_owned(),
                    loan.lender.clone().unwrap_or_else(|| "?".to_owned()),
                    decimal(loan.instalment_cents),
                    loan.first_seen.to_string(),
                    if loan.is_active { "runs" } else { "ended" }.to_owned(),
                    loan.ends
                        .map_or_else(|| "not told".to_owned(), |end| end.to_string()),
                ]
            })
            .collect();
        self.line(&text);
        self.table(
            &[
                "loan",
                "lender",
                "instalment",
                "since",
                "now",
                "last instalment",
            ],
            &rows,
        );
    }

    fn moments(&mut self) {
        self.heading("Life moments");
        let moments: Vec<LifeMoment> = self.analysis.life_moments.clone();
        if moments.is_empty() {
            self.line("Nothing.");
        }
        for moment in moments {
            let _ = writeln!(
                self.text,
                "- {:?}, known on {}, {} % sure, good until {}{}",
                moment.kind,
                moment.first_seen,
                moment.confidence,
                moment.expires,
                if moment.protective_only {
                    ", never for a sale"
                } else {
                    ""
                }
            );
            self.evidence(&moment.evidence);
        }
    }

    /// One row for each number, one column for each window.
    fn numbers(&mut self) {
        self.heading("Numbers");
        let windows = &self.analysis.features;
        let Some(longest) = windows.last() else {
            self.line("The history is shorter than three months.");
            return;
        };
        let heads: Vec<String> = windows
            .iter()
            .map(|window| format!("{} months", window.months))
            .collect();
        let mut columns = vec!["number"];
        columns.extend(heads.iter().map(String::as_str));
        let rows: Vec<Vec<String>> = longest
            .values
            .keys()
            .map(|feature| {
                let values = windows.iter().map(|window| {
                    window
                        .value(*feature)
                        .map_or_else(String::new, |value| value_in_french(*feature, value))
                });
                [format!("{feature:?}")].into_iter().chain(values).collect()
            })
            .collect();
        self.table(&columns, &rows);
    }

    fn lines(&mut self) {
        for account in &self.history.accounts {
            self.heading(&format!("Lines of the {:?} account", account.kind));
            let mut lines: Vec<Transaction> = account.lines.iter().cloned().map(storable).collect();
            lines.sort_by(|one, other| {
                (one.booking_date, &one.id).cmp(&(other.booking_date, &other.id))
            });
            let rows: Vec<Vec<String>> = lines.iter().map(line_row).collect();
            self.table(
                &[
                    "date", "amount", "category", "movement", "sure", "who", "label", "told by",
                ],
                &rows,
            );
        }
    }
}

fn score_row(score: &Scorecard) -> Vec<String> {
    let (value, of, band, french) = match &score.outcome {
        Outcome::Scored(scored) => (
            scored.value.to_string(),
            format!("{} to {}", scored.lowest, scored.highest),
            scored.band_name.en.clone(),
            scored.band_name.fr.clone(),
        ),
        Outcome::InsufficientData { missing } => (
            "none".to_owned(),
            String::new(),
            missing
                .iter()
                .map(missing_text)
                .collect::<Vec<_>>()
                .join("; "),
            String::new(),
        ),
    };
    vec![
        score.model.clone(),
        score.version.clone(),
        value,
        of,
        band,
        french,
        score.valid_until.to_string(),
    ]
}

/// A line as it would be stored: a protected one has lost its text.
fn line_row(line: &Transaction) -> Vec<String> {
    let known = enrich(line);
    vec![
        line.booking_date.to_string(),
        line.amount.to_decimal(),
        known.category.code().to_owned(),
        format!("{:?}", known.operation),
        format!("{} %", known.confidence),
        known.merchant.unwrap_or_default(),
        in_a_cell(line.label.expose()),
        known.rule.into_owned(),
    ]
}

fn missing_text(missing: &Missing) -> String {
    match missing {
        Missing::PaymentAccount => "needs a payment account in euros".to_owned(),
        Missing::DaysOfHistory { seen, needed } => format!("needs {needed} days, {seen} seen"),
        Missing::IncomeCycles { seen, needed } => format!("needs {needed} paydays, {seen} seen"),
        Missing::Balance => "needs the balance of each payment account".to_owned(),
    }
}

fn state(state: FlowState) -> String {
    match state {
        FlowState::Active { next_expected } => format!("next {next_expected}"),
        FlowState::Ended { missed_on } => format!("ended, was due {missed_on}"),
    }
}

fn decimal(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    let magnitude = cents.unsigned_abs();
    format!("{sign}{}.{:02}", magnitude / 100, magnitude % 100)
}

fn percent(permille: i64) -> String {
    format!("{}.{} %", permille / 10, permille % 10)
}

/// A bar would end the cell.
fn in_a_cell(text: &str) -> String {
    text.replace('|', "/")
}
