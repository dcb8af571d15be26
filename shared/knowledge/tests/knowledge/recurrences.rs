//! Regular flows in generated lives whose truth is known.

use jiff::ToSpan;
use passerelle_domain::Date;
use passerelle_domain::account::{AccountKind, Balance, BalanceType};
use passerelle_domain::ids::{AccountId, TransactionId};
use passerelle_domain::money::Amount;
use passerelle_domain::transaction::Transaction;
use passerelle_knowledge::{
    AccountHistory, FlowKind, FlowState, History, Recurrence, Rhythm, analyse,
};
use proptest::prelude::*;

use crate::persona;

/// A small reproducible sequence (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> i64 {
        i64::try_from(self.next() % bound).unwrap()
    }
}

/// A contract of a generated life.
#[derive(Debug, Clone, Copy)]
struct Contract {
    kind: FlowKind,
    label: &'static str,
    cents: i64,
    rhythm: Rhythm,
    /// Amount of each payment may vary by so many thousandths.
    noise: i64,
}

const CONTRACTS: &[Contract] = &[
    Contract {
        kind: FlowKind::Salary,
        label: "VIR SEPA RECU /DE ACME SAS /MOTIF SALAIRE /REF ",
        cents: 210_000,
        rhythm: Rhythm::Monthly,
        noise: 60,
    },
    Contract {
        kind: FlowKind::Rent,
        label: "VIREMENT EMIS LOYER SCI LES TILLEULS ",
        cents: -70_000,
        rhythm: Rhythm::Monthly,
        noise: 0,
    },
    Contract {
        kind: FlowKind::Energy,
        label: "PRLV SEPA EDF CLIENTS PARTICULIERS REF ",
        cents: -8_000,
        rhythm: Rhythm::Monthly,
        noise: 150,
    },
    Contract {
        kind: FlowKind::Insurance,
        label: "PRLV SEPA MAIF ASSURANCE AUTO ",
        cents: -4_500,
        rhythm: Rhythm::Monthly,
        noise: 0,
    },
    Contract {
        kind: FlowKind::Insurance,
        label: "PRLV SEPA MAIF HABITATION ",
        cents: -1_800,
        rhythm: Rhythm::Monthly,
        noise: 0,
    },
    Contract {
        kind: FlowKind::Telecom,
        label: "PRLV SEPA FREE MOBILE ",
        cents: -1_999,
        rhythm: Rhythm::Monthly,
        noise: 0,
    },
    Contract {
        kind: FlowKind::Subscription,
        label: "CARTE 12/06 NETFLIX.COM ",
        cents: -1_349,
        rhythm: Rhythm::Monthly,
        noise: 0,
    },
    Contract {
        kind: FlowKind::Loan,
        label: "ECHEANCE PRET IMMOBILIER ",
        cents: -88_000,
        rhythm: Rhythm::Monthly,
        noise: 0,
    },
    Contract {
        kind: FlowKind::Savings,
        label: "VIR PERMANENT EPARGNE ",
        cents: -10_000,
        rhythm: Rhythm::Monthly,
        noise: 0,
    },
    Contract {
        kind: FlowKind::Energy,
        label: "PRLV SEPA VEOLIA EAU ",
        cents: -9_000,
        rhythm: Rhythm::Quarterly,
        noise: 200,
    },
];

/// What happens to a contract in a life.
#[derive(Debug, Clone, Copy, Default)]
struct Fate {
    missed: Option<i64>,
    raised_at: Option<i64>,
    ended_at: Option<i64>,
}

struct Life {
    lines: Vec<Transaction>,
    /// The contract and what happened to it.
    truth: Vec<(Contract, Fate)>,
    as_of: Date,
}

fn life(seed: u64) -> Life {
    let mut dice = Dice(seed);
    let start = Date::constant(2025, 1, 1);
    let as_of = Date::constant(2026, 1, 31);
    let mut rows: Vec<(Date, i64, String)> = Vec::new();
    let mut truth = Vec::new();
    for contract in CONTRACTS {
        if dice.below(10) < 2 {
            continue;
        }
        let months = contract.rhythm.months().unwrap();
        let payments = 12 / months + 1;
        let fate = match dice.below(6) {
            0 if payments > 6 => Fate {
                missed: Some(3 + dice.below(4)),
                ..Fate::default()
            },
            1 if payments > 6 => Fate {
                raised_at: Some(4 + dice.below(4)),
                ..Fate::default()
            },
            2 if payments > 6 => Fate {
                ended_at: Some(6 + dice.below(3)),
                ..Fate::default()
            },
            _ => Fate::default(),
        };
        let day = dice.below(27);
        for payment in 0..payments {
            if fate.missed == Some(payment) || fate.ended_at.is_some_and(|end| payment >= end) {
                continue;
            }
            let shift = dice.below(4);
            let on = start
                .checked_add((payment * months).months())
                .unwrap()
                .checked_add((day + shift).days())
                .unwrap();
            let raised = fate.raised_at.is_some_and(|from| payment >= from);
            let base = if raised {
                contract.cents * 112 / 100
            } else {
                contract.cents
            };
            let noise = if contract.noise == 0 {
                0
            } else {
                base * (dice.below(2 * contract.noise.unsigned_abs()) - contract.noise) / 1_000
            };
            if on <= as_of {
                rows.push((
                    on,
                    base + noise,
                    format!("{}{}", contract.label, dice.below(1_000_000)),
                ));
            }
        }
        truth.push((*contract, fate));
    }
    for _ in 0..350 {
        let shop = [
            "CARREFOUR CITY",
            "LIDL",
            "BOULANGERIE JULIEN",
            "TOTAL ACCESS",
            "AMAZON EU SARL",
            "ZARA LYON",
            "SAS KLM CONCEPT",
        ];
        let shop = shop[usize::try_from(dice.below(7)).unwrap()];
        let on = start.checked_add(dice.below(395).days()).unwrap();
        rows.push((
            on,
            -(300 + dice.below(9_000)),
            format!("CARTE X1234 {shop}"),
        ));
    }
    let lines = rows
        .into_iter()
        .enumerate()
        .map(|(position, (on, cents, label))| {
            let id = TransactionId::from_entropy(persona::entropy(1, position));
            persona::transaction(id, on, Amount::eur(cents), &label)
        })
        .collect();
    Life {
        lines,
        truth,
        as_of,
    }
}

fn history(lines: Vec<Transaction>, as_of: Date) -> History {
    History {
        accounts: vec![AccountHistory {
            account: AccountId::from_entropy([3; 16]),
            kind: AccountKind::Payment,
            balance: Some(Balance {
                amount: Amount::eur(100_000),
                balance_type: BalanceType::ClosingBooked,
                reference_date: None,
                credit_limit_included: false,
            }),
            lines,
        }],
        as_of,
    }
}

fn matches(flow: &Recurrence, contract: Contract) -> bool {
    let change = (flow.amount.minor - contract.cents).abs() * 100 / contract.cents.abs();
    flow.kind == contract.kind && flow.rhythm == contract.rhythm && change <= 20
}

#[test]
fn flows_are_found_and_nothing_else() {
    let (mut found, mut expected, mut answered) = (0, 0, 0);
    let mut missed = Vec::new();
    for seed in 0..60 {
        let life = life(seed);
        let analysis = analyse(&history(life.lines, life.as_of));
        expected += life.truth.len();
        answered += analysis.recurrences.len();
        for flow in &analysis.recurrences {
            if !life
                .truth
                .iter()
                .any(|(contract, _)| matches(flow, *contract))
            {
                missed.push(format!(
                    "seed {seed}: unexpected {:?} {:?} {}",
                    flow.kind,
                    flow.rhythm,
                    flow.payee.expose()
                ));
            }
        }
        for (contract, fate) in &life.truth {
            let hits = analysis
                .recurrences
                .iter()
                .filter(|flow| matches(flow, *contract));
            match hits.count() {
                1 => found += 1,
                other => missed.push(format!(
                    "seed {seed}: {} {fate:?} found {other} times",
                    contract.label
                )),
            }
        }
    }
    let recall = found * 1_000 / expected;
    let precision = found * 1_000 / answered;
    println!("recurrences: recall {recall}, precision {precision} (thousandths) of {expected}");
    assert!(recall >= 990, "recall {recall}: {missed:#?}");
    assert!(precision >= 990, "precision {precision}: {missed:#?}");
}

#[test]
fn a_contract_that_stopped_is_told_from_one_that_runs() {
    for seed in 0..30 {
        let life = life(seed);
        let analysis = analyse(&history(life.lines, life.as_of));
        for (contract, fate) in &life.truth {
            for flow in analysis
                .recurrences
                .iter()
                .filter(|flow| matches(flow, *contract))
            {
                let ended = matches!(flow.state, FlowState::Ended { .. });
                assert_eq!(
                    ended,
                    fate.ended_at.is_some(),
                    "seed {seed} {}",
                    contract.label
                );
            }
        }
    }
}

#[test]
fn a_raised_premium_is_one_contract_with_a_change() {
    let mut seen = 0;
    for seed in 0..60 {
        let life = life(seed);
        let analysis = analyse(&history(life.lines, life.as_of));
        for (contract, _) in life
            .truth
            .iter()
            .filter(|(contract, fate)| fate.raised_at.is_some() && contract.noise == 0)
        {
            let flow = analysis
                .recurrences
                .iter()
                .find(|flow| matches(flow, *contract))
                .unwrap();
            assert_eq!(flow.changes.len(), 1, "seed {seed} {}", contract.label);
            assert_eq!(flow.changes[0].to_cents, contract.cents * 112 / 100);
            seen += 1;
        }
    }
    assert!(seen > 10);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_rows_changes_nothing(seed in 0_u64..1_000) {
        let life = life(seed);
        let mut shuffled = life.lines.clone();
        let mut dice = Dice(seed ^ 77);
        for position in (1..shuffled.len()).rev() {
            let other = usize::try_from(dice.below(u64::try_from(position).unwrap() + 1)).unwrap();
            shuffled.swap(position, other);
        }
        let once = analyse(&history(life.lines, life.as_of));
        prop_assert_eq!(once, analyse(&history(shuffled, life.as_of)));
    }

    #[test]
    fn replaying_day_by_day_never_sees_a_moment_before_its_evidence(seed in 0_u64..1_000) {
        let life = life(seed);
        let whole = analyse(&history(life.lines.clone(), life.as_of));
        let dated = |id: &TransactionId| life.lines.iter().find(|line| line.id == *id).unwrap().booking_date;
        for moment in &whole.life_moments {
            for id in &moment.evidence {
                prop_assert!(dated(id) <= moment.first_seen);
            }
            let eve = moment.first_seen.yesterday().unwrap();
            let before = analyse(&history(life.lines.clone(), eve));
            prop_assert!(!before.life_moments.contains(moment), "{:?} was seen the day before", moment);
            let that_day = analyse(&history(life.lines.clone(), moment.first_seen));
            let seen = that_day
                .life_moments
                .iter()
                .any(|other| other.kind == moment.kind && other.first_seen == moment.first_seen);
            prop_assert!(seen, "{:?} was not seen on its own day", moment);
        }
    }
}
