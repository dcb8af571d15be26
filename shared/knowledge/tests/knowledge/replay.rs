//! Lives with every kind of moment in them, lived day by day: what is told on a day is told for good.

use jiff::ToSpan;
use passerelle_domain::Date;
use passerelle_domain::account::AccountKind;
use passerelle_domain::ids::{AccountId, TransactionId};
use passerelle_domain::money::Amount;
use passerelle_domain::transaction::Transaction;
use passerelle_knowledge::{
    AccountHistory, Choices, History, LifeMoment, MomentKind, OptIns, analyse_with,
};
use proptest::prelude::*;
use proptest::sample::subsequence;

use crate::persona;

const START: Date = Date::constant(2024, 1, 3);
const END: Date = Date::constant(2026, 1, 31);

/// Something that happens, so many days after the start.
#[derive(Debug, Clone, Copy)]
enum Event {
    HomeBought,
    Moved,
    SuppliersChanged,
    VehicleBought,
    VehicleLeased,
    LoanEnds,
    ContractEnds,
    MotorInsuredElsewhere,
    YearlyPremium,
    PremiumRises,
    SalaryRises,
    EmployerChanges,
    NoSalaryForThreeMonths,
    FamilyBenefits,
    Pension,
}

const EVENTS: [Event; 15] = [
    Event::HomeBought,
    Event::Moved,
    Event::SuppliersChanged,
    Event::VehicleBought,
    Event::VehicleLeased,
    Event::LoanEnds,
    Event::ContractEnds,
    Event::MotorInsuredElsewhere,
    Event::YearlyPremium,
    Event::PremiumRises,
    Event::SalaryRises,
    Event::EmployerChanges,
    Event::NoSalaryForThreeMonths,
    Event::FamilyBenefits,
    Event::Pension,
];

#[derive(Default)]
struct Life {
    lines: Vec<(Date, i64, &'static str)>,
}

impl Life {
    fn of(events: &[(Event, Date)]) -> Self {
        let on = |wanted: fn(&Event) -> bool| {
            let found = events.iter().find(|(event, _)| wanted(event));
            found.map(|(_, date)| *date)
        };
        let mut life = Self::default();
        let never = END.saturating_add(1.year());
        let rise = on(|event| matches!(event, Event::SalaryRises)).unwrap_or(never);
        let leaves = on(|event| matches!(event, Event::EmployerChanges)).unwrap_or(never);
        let unpaid = on(|event| matches!(event, Event::NoSalaryForThreeMonths)).unwrap_or(never);
        life.monthly(28, |date| {
            if (unpaid..unpaid.saturating_add(95.days())).contains(&date) {
                return None;
            }
            let cents = if date >= rise { 290_000 } else { 210_000 };
            let label = if date >= leaves {
                "VIR SEPA GLOBEX SAS SALAIRE"
            } else {
                "VIR SEPA ACME SA SALAIRE"
            };
            Some((cents, label))
        });
        let suppliers = on(|event| matches!(event, Event::SuppliersChanged)).unwrap_or(never);
        life.monthly(11, |date| {
            Some(if date >= suppliers {
                (-7_100, "PRLV SEPA ENGIE")
            } else {
                (-6_900, "PRLV SEPA EDF CLIENTS PARTICULIERS")
            })
        });
        life.monthly(14, |date| {
            Some(if date >= suppliers {
                (-3_499, "PRLV SEPA SFR FIBRE")
            } else {
                (-2_999, "PRLV SEPA FREE TELECOM")
            })
        });
        let loan = on(|event| matches!(event, Event::LoanEnds)).unwrap_or(never);
        life.monthly(5, |date| {
            (date < loan).then_some((-21_000, "PRLV SEPA COFIDIS ECHEANCE"))
        });
        let cover = on(|event| matches!(event, Event::ContractEnds)).unwrap_or(never);
        life.monthly(19, |date| {
            (date < cover).then_some((-1_790, "PRLV SEPA MAAF HABITATION"))
        });
        let dearer = on(|event| matches!(event, Event::PremiumRises)).unwrap_or(never);
        life.monthly(8, |date| {
            let cents = if date >= dearer { -5_300 } else { -4_500 };
            Some((cents, "PRLV SEPA MAIF ASSURANCE AUTO"))
        });
        for (event, date) in events {
            life.live(*event, *date);
        }
        life
    }

    fn live(&mut self, event: Event, on: Date) {
        match event {
            Event::HomeBought => {
                self.once(on, -1_900_000, "VIR SEPA ETUDE NOTARIALE DURAND ACHAT");
                self.from(
                    on.saturating_add(40.days()),
                    -95_000,
                    "ECHEANCE PRET IMMOBILIER",
                );
            }
            Event::Moved => self.once(on, -120_000, "CB DEMENAGEMENTS DEMECO"),
            Event::VehicleBought => self.once(on, -980_000, "VIREMENT EMIS ACHAT VEHICULE RENAULT"),
            Event::VehicleLeased => self.from(on, -32_000, "PRLV SEPA DIAC LOCATION"),
            Event::MotorInsuredElsewhere => self.from(on, -3_900, "PRLV SEPA MACIF AUTO"),
            Event::YearlyPremium => self.once(on, -31_000, "PRLV SEPA GROUPAMA HABITATION"),
            Event::FamilyBenefits => self.from(on, 15_000, "VIR CAF ALLOCATIONS FAMILIALES"),
            Event::Pension => self.from(on, 95_000, "VIR CARSAT RETRAITE"),
            Event::SuppliersChanged
            | Event::LoanEnds
            | Event::ContractEnds
            | Event::PremiumRises
            | Event::SalaryRises
            | Event::EmployerChanges
            | Event::NoSalaryForThreeMonths => {}
        }
    }

    fn once(&mut self, on: Date, cents: i64, label: &'static str) {
        self.lines.push((on, cents, label));
    }

    /// Each month from a day on.
    fn from(&mut self, first: Date, cents: i64, label: &'static str) {
        self.monthly(first.day(), |date| {
            (date >= first).then_some((cents, label))
        });
    }

    fn monthly(&mut self, day: i8, paid: impl Fn(Date) -> Option<(i64, &'static str)>) {
        for month in 0..25 {
            let first = Date::constant(2024, 1, 1).saturating_add(month.months());
            let date = first.saturating_add(i32::from(day - 1).min(27).days());
            if let Some((cents, label)) = paid(date) {
                self.lines.push((date, cents, label));
            }
        }
    }

    /// The moments a reader sees on a day: nothing of a later day is there yet.
    fn seen_on(&self, day: Date) -> Vec<LifeMoment> {
        let past = self.lines.iter().enumerate();
        let lines: Vec<Transaction> = past
            .filter(|(_, (on, ..))| (START..=day).contains(on))
            .map(|(position, (on, cents, label))| {
                let id = TransactionId::from_entropy(persona::entropy(5, position));
                persona::transaction(id, *on, Amount::eur(*cents), label)
            })
            .collect();
        let history = History {
            accounts: vec![AccountHistory {
                account: AccountId::from_entropy(persona::entropy(1, 0)),
                kind: AccountKind::Payment,
                balance: None,
                lines,
            }],
            as_of: day,
        };
        let choices = Choices {
            opt_ins: OptIns {
                new_child: true,
                retirement: true,
            },
            ..Choices::default()
        };
        analyse_with(&history, &choices).life_moments
    }
}

fn some_events() -> impl Strategy<Value = Vec<(Event, Date)>> {
    let chosen = subsequence(EVENTS.to_vec(), 1..=5);
    (chosen, prop::collection::vec(120_i64..560, 5)).prop_map(|(events, days)| {
        let dated = events.into_iter().zip(days);
        dated
            .map(|(event, days)| (event, START.saturating_add(days.days())))
            .collect()
    })
}

fn kinds(moments: &[LifeMoment]) -> Vec<(MomentKind, Date)> {
    moments
        .iter()
        .map(|moment| (moment.kind, moment.first_seen))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_told_on_a_day_is_told_for_good(events in some_events()) {
        let life = Life::of(&events);
        let told = kinds(&life.seen_on(END));
        let mut day = START.saturating_add(90.days());
        while day < END {
            let mut until: Vec<_> = told.iter().filter(|(_, on)| *on <= day).copied().collect();
            let mut seen = kinds(&life.seen_on(day));
            until.sort();
            seen.sort();
            prop_assert_eq!(seen, until, "on {}", day);
            day = day.saturating_add(3.days());
        }
    }
}

/// Each event alone leads to the moment it is named for.
#[test]
fn every_kind_of_event_is_told() {
    let on = Date::constant(2025, 2, 10);
    for (event, kind) in [
        (Event::HomeBought, MomentKind::HomePurchase),
        (Event::Moved, MomentKind::Moving),
        (Event::SuppliersChanged, MomentKind::Moving),
        (Event::VehicleBought, MomentKind::VehicleChange),
        (Event::VehicleLeased, MomentKind::VehicleChange),
        (Event::LoanEnds, MomentKind::LoanEnd),
        (Event::ContractEnds, MomentKind::ContractEnd),
        (
            Event::MotorInsuredElsewhere,
            MomentKind::NewInsuranceContract,
        ),
        (Event::YearlyPremium, MomentKind::ContractAnniversary),
        (Event::PremiumRises, MomentKind::ContractAnniversary),
        (Event::SalaryRises, MomentKind::IncomeChange),
        (Event::EmployerChanges, MomentKind::IncomeChange),
        (Event::NoSalaryForThreeMonths, MomentKind::IncomeChange),
        (Event::FamilyBenefits, MomentKind::NewChild),
        (Event::Pension, MomentKind::Retirement),
    ] {
        let told = kinds(&Life::of(&[(event, on)]).seen_on(END));
        assert!(
            told.iter().any(|(told, _)| *told == kind),
            "{event:?}: {told:?}"
        );
    }
    assert_eq!(kinds(&Life::of(&[]).seen_on(END)), []);
}

/// Two moves, two vehicles: the second is told as well.
#[test]
fn what_happens_again_is_told_again() {
    let (first, second) = (Date::constant(2024, 9, 2), Date::constant(2025, 9, 2));
    for (event, kind) in [
        (Event::Moved, MomentKind::Moving),
        (Event::VehicleBought, MomentKind::VehicleChange),
    ] {
        let told = kinds(&Life::of(&[(event, first), (event, second)]).seen_on(END));
        assert_eq!(told, [(kind, first), (kind, second)]);
    }
}

/// Help with the rent comes from the fund that pays for children, and is none.
#[test]
fn help_for_adults_is_no_child() {
    let on = Date::constant(2025, 2, 10);
    for (label, children) in [
        ("VIR CAF APL", 0),
        ("VIR CAF DU RHONE RSA", 0),
        ("VIR CAF PRIME D ACTIVITE", 0),
        ("VIR CAF PAJE", 1),
    ] {
        let mut life = Life::of(&[]);
        life.from(on, 21_000, label);
        let told = kinds(&life.seen_on(END));
        let child = |(kind, _): &&(MomentKind, Date)| *kind == MomentKind::NewChild;
        assert_eq!(told.iter().filter(child).count(), children, "{label}");
    }
}
