//! A vehicle, the end of a loan, an insurance contract that is new or due.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::Date;
use passerelle_domain::ids::TransactionId;

use super::{LifeMoment, MomentKind, Story};
use crate::contracts::{InsuranceContract, is_cover};
use crate::label::Words;
use crate::ledger::Entry;
use crate::measure::{days_between, plus_days};
use crate::recurrence::{Flow, FlowKind, FlowState, Rhythm, payee_key};
use crate::taxonomy::Category;

impl Story<'_, '_> {
    /// At a large payment for a vehicle, a first car-loan instalment, or registration.
    pub(super) fn vehicle_change(&self, since: Date) -> Option<LifeMoment> {
        const PURCHASE_FLOOR: i64 = 150_000;
        let purchase = self
            .debits(Category::TransportVehiclePurchase)
            .find(|entry| entry.date() >= since && entry.cents() <= -PURCHASE_FLOOR);
        let registration = self
            .debits(Category::TransportVehiclePurchase)
            .filter(|entry| entry.date() >= since && entry.cents() > -PURCHASE_FLOOR)
            .find(|entry| !is_about_a_person(entry));
        let lease = self
            .debut(Category::TransportVehicleLoan)
            .filter(|entry| entry.date() >= since);
        let candidates = [(purchase, 85), (lease, 80), (registration, 65)];
        candidates
            .into_iter()
            .filter_map(|(entry, confidence)| Some((entry?, confidence)))
            .min_by_key(|(entry, confidence)| (entry.date(), std::cmp::Reverse(*confidence)))
            .map(|(entry, confidence)| {
                LifeMoment::new(
                    MomentKind::VehicleChange,
                    entry.date(),
                    confidence,
                    vec![entry.id()],
                )
            })
    }

    /// On the first day on which a loan's next instalment is certainly missing.
    pub(super) fn loan_ends(&self) -> impl Iterator<Item = LifeMoment> {
        self.flows.iter().filter_map(|flow| {
            let recurrence = &flow.recurrence;
            let FlowState::Ended { missed_on } = recurrence.state else {
                return None;
            };
            let is_loan = recurrence.kind == FlowKind::Loan
                && recurrence.category != Category::LoanBnpl
                && recurrence.evidence.len() >= 3;
            let known_on = plus_days(missed_on, recurrence.rhythm.tolerance() + 1);
            (is_loan && !self.is_paid_between(flow, known_on)).then(|| {
                let evidence = recurrence.evidence.last().cloned().into_iter().collect();
                LifeMoment::new(MomentKind::LoanEnd, known_on, 65, evidence)
            })
        })
    }

    /// When no premium came within a month and a half of the third monthly one. Told from the premiums as
    /// they came: of two contracts of one insurer and line, none is told. Of health cover nothing more is
    /// told than that it is held.
    pub(super) fn contract_ends(&self) -> Vec<LifeMoment> {
        let mut by_insurer: BTreeMap<String, Vec<&Entry<'_>>> = BTreeMap::new();
        for entry in &self.ledger.entries {
            if entry.cents() < 0 && ends_in_silence(entry.category()) {
                by_insurer.entry(payee_key(entry)).or_default().push(entry);
            }
        }
        by_insurer
            .values()
            .flat_map(|premiums| self.silences(premiums))
            .collect()
    }

    /// Where the premiums of one insurer stop, line by line.
    fn silences(&self, premiums: &[&Entry<'_>]) -> Vec<LifeMoment> {
        let of_one =
            |one: &Entry<'_>, other: &Entry<'_>| may_be_one(one.category(), other.category());
        let mut moments = Vec::new();
        for (position, last) in premiums.iter().enumerate() {
            let before = premiums.iter().take(position).rev();
            let mut dates = before
                .filter(|entry| of_one(entry, last))
                .map(|entry| entry.date());
            let monthly = [dates.next(), dates.next()]
                .into_iter()
                .try_fold(last.date(), |later, date| {
                    let gap = days_between(date?, later);
                    (MONTH_AT_LEAST..=MONTH_AT_MOST)
                        .contains(&gap)
                        .then_some(date?)
                })
                .is_some();
            let known_on = plus_days(last.date(), MONTH_AT_MOST + 1);
            let goes_on = premiums
                .iter()
                .skip(position + 1)
                .take_while(|entry| entry.date() < known_on)
                .any(|entry| of_one(entry, last));
            if monthly && !goes_on && known_on <= self.ledger.as_of {
                let kind = MomentKind::ContractEnd;
                let moment = LifeMoment::new(kind, known_on, 65, vec![last.id()]);
                moments.push(moment.with(last.enrichment.merchant.clone()));
            }
        }
        moments
    }

    /// Whether the payee of a flow was paid about as much after its last line, though otherwise than the flow
    /// has it: what goes on has not ended. Another loan of the same lender goes on with another amount.
    fn is_paid_between(&self, flow: &Flow, until: Date) -> bool {
        let last = flow.entries.last();
        let Some(last) = last.and_then(|index| self.ledger.entries.get(*index)) else {
            return false;
        };
        let (payee, paid) = (payee_key(last), last.date());
        self.lines().any(|entry| {
            let difference = (entry.cents() - last.cents()).abs();
            entry.cents() < 0
                && difference.saturating_mul(4) <= last.cents().abs()
                && entry.date() > paid
                && entry.date() <= until
                && payee_key(entry) == payee
        })
    }

    /// At the first premium of an insurer for a line, when neither was paid before. A premium that does
    /// not say its line may be any of its insurer's.
    pub(super) fn new_insurance(&self) -> Vec<LifeMoment> {
        let mut known: Vec<(Option<&String>, Category)> = Vec::new();
        let mut moments = Vec::new();
        for entry in self.lines().filter(|entry| entry.cents() < 0) {
            let line = entry.category();
            let cover = line.is_in("insurance")
                && !matches!(
                    line,
                    Category::InsuranceLifeSavings | Category::InsuranceTravel
                );
            if !cover {
                continue;
            }
            let insurer = entry.enrichment.merchant.as_ref();
            let may_be_known = known
                .iter()
                .any(|(whose, which)| *whose == insurer && may_be_one(*which, line));
            if !known.contains(&(insurer, line)) {
                known.push((insurer, line));
            }
            if !may_be_known && entry.date() > self.quiet_until {
                let kind = MomentKind::NewInsuranceContract;
                moments.push(
                    LifeMoment::new(kind, entry.date(), 75, vec![entry.id()])
                        .with(insurer.cloned()),
                );
            }
        }
        moments
    }

    /// Sixty days before each yearly date of a contract that still ran then.
    pub(super) fn anniversaries(
        &self,
        contracts: &[InsuranceContract],
    ) -> impl Iterator<Item = LifeMoment> {
        let paid_once = contracts
            .iter()
            .filter(|contract| contract.rhythm.is_none())
            .filter_map(|contract| Some((contract.last_paid, contract.evidence.last()?.clone())));
        let premiums = self
            .flows
            .iter()
            .filter(|flow| is_cover(flow.recurrence.category) && !flow.recurrence.is_income());
        premiums
            .flat_map(|flow| self.yearly_dates(flow))
            .chain(paid_once)
            .filter(|(date, _)| notice_of(*date) <= self.ledger.as_of)
            .map(|(date, evidence)| {
                let kind = MomentKind::ContractAnniversary;
                LifeMoment::new(kind, notice_of(date), 70, vec![evidence])
            })
    }

    /// The dates a contract turns on: each yearly premium, or each change of a more frequent one, where
    /// that was still paid when notice of the next one was due.
    fn yearly_dates(&self, flow: &Flow) -> Vec<(Date, TransactionId)> {
        let recurrence = &flow.recurrence;
        if recurrence.rhythm == Rhythm::Yearly {
            let paid = flow.entries.iter();
            return paid
                .filter_map(|index| self.ledger.entries.get(*index))
                .map(|entry| (entry.date(), entry.id()))
                .collect();
        }
        let due = recurrence.rhythm.after(recurrence.last_seen, 1);
        let ran_until = plus_days(due, recurrence.rhythm.tolerance());
        recurrence
            .changes
            .iter()
            .filter(|change| notice_of(change.on) <= ran_until)
            .map(|change| (change.on, change.evidence.clone()))
            .collect()
    }
}

/// Two monthly premiums are so many days apart: weekends, short months and a late bank included.
const MONTH_AT_LEAST: i64 = 20;
const MONTH_AT_MOST: i64 = 45;

/// Whether a premium that no longer comes is all that tells the end of its contract.
fn ends_in_silence(line: Category) -> bool {
    is_cover(line) && !matches!(line, Category::InsuranceHealth | Category::InsuranceTravel)
}

/// When a contract that turned on a date should be spoken of before it turns again.
fn notice_of(date: Date) -> Date {
    const NOTICE_DAYS: i64 = 60;
    plus_days(date.saturating_add(1.year()), -NOTICE_DAYS)
}

/// Whether two premiums of one insurer may be for the same contract.
fn may_be_one(one: Category, other: Category) -> bool {
    one == other || one == Category::InsuranceUnknownLine || other == Category::InsuranceUnknownLine
}

/// Whether a payment to the agency that registers vehicles is for a passport, a card or a licence.
fn is_about_a_person(entry: &Entry<'_>) -> bool {
    const PAPERS: [&str; 5] = ["PASSEPORT", "PERMIS", "IDENTITE", "CNI", "TIMBRE"];
    Words::of([entry.line.label.expose()])
        .iter()
        .any(|word| PAPERS.contains(&word))
}
