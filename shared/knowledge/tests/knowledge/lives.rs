//! Short lives written by hand: what changed in them, what belongs together, what may be shown.

use std::collections::BTreeSet;

use jiff::ToSpan;
use passerelle_domain::Date;
use passerelle_domain::account::{AccountKind, Balance, BalanceType};
use passerelle_domain::ids::{AccountId, TransactionId};
use passerelle_domain::money::Amount;
use passerelle_domain::purpose::{Fact, PurposeTerms};
use passerelle_domain::transaction::Transaction;
use passerelle_knowledge::contracts::InsurancePaymentKind;
use passerelle_knowledge::{
    AccountHistory, Analysis, Category, Choices, CoverRemark, Feature, FlowKind, History,
    LifeMoment, Missing, MomentKind, OptIns, Outcome, OwnInsurers, Provider, RelationKind, analyse,
    analyse_with,
};

use crate::persona;

/// A life on one payment account, and savings where there are any.
#[derive(Default)]
struct Life {
    lines: Vec<(usize, Date, i64, String)>,
}

const DAILY: usize = 0;
const SAVINGS: usize = 1;
const CARD: usize = 2;
const AS_OF: Date = Date::constant(2026, 6, 30);

impl Life {
    fn once(mut self, on: &str, cents: i64, label: &str) -> Self {
        self.lines
            .push((DAILY, on.parse().unwrap(), cents, label.to_owned()));
        self
    }

    fn on_savings(mut self, on: &str, cents: i64, label: &str) -> Self {
        self.lines
            .push((SAVINGS, on.parse().unwrap(), cents, label.to_owned()));
        self
    }

    fn on_card(mut self, on: &str, cents: i64, label: &str) -> Self {
        self.lines
            .push((CARD, on.parse().unwrap(), cents, label.to_owned()));
        self
    }

    /// Every month from a date to another, both included.
    fn monthly(mut self, from: &str, to: &str, cents: i64, label: &str) -> Self {
        let (start, end): (Date, Date) = (from.parse().unwrap(), to.parse().unwrap());
        for month in 0.. {
            let on = start.checked_add(month.months()).unwrap();
            if on > end {
                break;
            }
            self.lines.push((DAILY, on, cents, label.to_owned()));
        }
        self
    }

    /// A salary and a rent for a year.
    fn ordinary() -> Self {
        Self::default()
            .monthly(
                "2025-07-27",
                "2026-06-30",
                220_000,
                "VIR SEPA ACME SAS SALAIRE",
            )
            .monthly(
                "2025-07-05",
                "2026-06-30",
                -75_000,
                "VIREMENT EMIS LOYER SCI DES PRES",
            )
    }

    fn history(&self) -> History {
        let account = |number: usize, kind| AccountHistory {
            account: AccountId::from_entropy(persona::entropy(number + 1, 0)),
            kind,
            balance: Some(Balance {
                amount: Amount::eur(200_000),
                balance_type: BalanceType::ClosingBooked,
                reference_date: None,
                credit_limit_included: false,
            }),
            lines: self.lines_of(number),
        };
        let mut accounts = vec![account(DAILY, AccountKind::Payment)];
        if self.lines.iter().any(|(on, ..)| *on == SAVINGS) {
            accounts.push(account(SAVINGS, AccountKind::Savings));
        }
        if self.lines.iter().any(|(on, ..)| *on == CARD) {
            accounts.push(account(CARD, AccountKind::Card));
        }
        History {
            accounts,
            as_of: AS_OF,
        }
    }

    fn lines_of(&self, account: usize) -> Vec<Transaction> {
        self.lines
            .iter()
            .enumerate()
            .filter(|(_, (on, ..))| *on == account)
            .map(|(position, (_, on, cents, label))| {
                let id = TransactionId::from_entropy(persona::entropy(5, position));
                persona::transaction(id, *on, Amount::eur(*cents), label)
            })
            .collect()
    }

    fn analysis(&self) -> Analysis {
        analyse(&self.history())
    }

    /// Moments as kind and date.
    fn moments(&self) -> Vec<(MomentKind, String)> {
        self.analysis()
            .life_moments
            .into_iter()
            .map(|moment| (moment.kind, moment.first_seen.to_string()))
            .collect()
    }
}

fn at(kind: MomentKind, on: &str) -> (MomentKind, String) {
    (kind, on.to_owned())
}

#[test]
fn an_uneventful_year_has_no_moment() {
    assert_eq!(Life::ordinary().moments(), []);
}

#[test]
fn a_home_is_bought_at_the_notary_not_at_the_first_instalment() {
    let life = Life::ordinary()
        .once(
            "2026-02-10",
            -3_500_000,
            "VIR SEPA EMIS OFFICE NOTARIAL DES LILAS ACQUISITION",
        )
        .monthly(
            "2026-03-05",
            "2026-06-30",
            -90_000,
            "ECHEANCE PRET IMMOBILIER 778",
        );
    assert_eq!(life.moments(), [at(MomentKind::HomePurchase, "2026-02-10")]);
}

#[test]
fn two_new_suppliers_within_two_months_are_a_move() {
    let life = Life::ordinary()
        .monthly(
            "2025-07-10",
            "2026-02-15",
            -6_000,
            "PRLV SEPA EDF CLIENTS PARTICULIERS",
        )
        .monthly("2026-03-12", "2026-06-30", -7_000, "PRLV SEPA ENGIE")
        .monthly("2025-07-15", "2026-03-20", -2_999, "PRLV SEPA FREE TELECOM")
        .monthly("2026-04-15", "2026-06-30", -3_199, "PRLV SEPA ORANGE FIBRE");
    assert_eq!(life.moments(), [at(MomentKind::Moving, "2026-04-15")]);
}

#[test]
fn one_new_supplier_is_no_move() {
    let life = Life::ordinary()
        .monthly(
            "2025-07-10",
            "2026-02-15",
            -6_000,
            "PRLV SEPA EDF CLIENTS PARTICULIERS",
        )
        .monthly("2026-03-12", "2026-06-30", -7_000, "PRLV SEPA ENGIE");
    assert_eq!(life.moments(), []);
}

#[test]
fn a_first_car_loan_instalment_is_a_new_vehicle_and_its_premium_a_new_contract() {
    let life = Life::ordinary()
        .monthly(
            "2026-04-10",
            "2026-06-30",
            -28_900,
            "PRLV SEPA CREDIPAR 1234",
        )
        .monthly(
            "2026-04-12",
            "2026-06-30",
            -5_400,
            "PRLV SEPA DIRECT ASSURANCE AUTO",
        );
    assert_eq!(
        life.moments(),
        [
            at(MomentKind::VehicleChange, "2026-04-10"),
            at(MomentKind::NewInsuranceContract, "2026-04-12")
        ]
    );
}

#[test]
fn a_loan_that_stops_is_known_once_its_instalment_is_certainly_missing() {
    let life = Life::ordinary().monthly(
        "2025-07-03",
        "2026-03-03",
        -15_000,
        "PRLV SEPA COFIDIS 8812",
    );
    // Due on 3 April, missing for certain after the eight days a month may slip.
    assert_eq!(life.moments(), [at(MomentKind::LoanEnd, "2026-04-12")]);
}

/// Of two loans at one lender the one that stops is told, whatever the other does.
#[test]
fn a_loan_ends_while_another_of_the_same_lender_goes_on() {
    let life = Life::ordinary()
        .monthly("2025-09-05", "2026-03-05", -12_000, "PRLV SEPA COFIDIS")
        .monthly("2025-09-15", "2026-06-15", -31_000, "PRLV SEPA COFIDIS");
    let ends = life.moments();
    assert_eq!(
        ends.iter()
            .filter(|(kind, _)| *kind == MomentKind::LoanEnd)
            .count(),
        1,
        "{ends:?}"
    );
}

#[test]
fn a_contract_that_is_no_longer_paid_has_ended() {
    let life = Life::ordinary().monthly(
        "2025-07-08",
        "2026-02-08",
        -2_400,
        "PRLV SEPA MAIF HABITATION",
    );
    let own = OwnInsurers::named(["MAIF"]);
    let told = life.analysis().seen_by(&own).life_moments;
    let end = told
        .iter()
        .find(|moment| moment.kind == MomentKind::ContractEnd)
        .unwrap();
    assert_eq!(
        (end.insurer.as_deref(), end.provider),
        (Some("MAIF"), Some(Provider::Own))
    );
    // Of health cover nothing more is told than that it is held.
    let health = Life::ordinary().monthly(
        "2025-07-08",
        "2026-02-08",
        -6_400,
        "PRLV SEPA HARMONIE MUTUELLE",
    );
    assert_eq!(health.moments(), []);
}

#[test]
fn a_fall_in_salary_is_seen_when_the_next_payment_confirms_it() {
    let life = Life::default()
        .monthly(
            "2025-07-05",
            "2026-06-30",
            -75_000,
            "VIREMENT EMIS LOYER SCI DES PRES",
        )
        .monthly(
            "2025-07-27",
            "2026-02-28",
            220_000,
            "VIR SEPA ACME SAS SALAIRE",
        )
        .monthly(
            "2026-03-27",
            "2026-06-30",
            150_000,
            "VIR SEPA ACME SAS SALAIRE",
        );
    assert_eq!(life.moments(), [at(MomentKind::IncomeChange, "2026-04-27")]);
    assert!(
        life.analysis()
            .life_moments
            .iter()
            .all(|moment| moment.protective_only)
    );
}

#[test]
fn a_salary_that_stops_is_seen_after_forty_five_days() {
    let life = Life::default()
        .monthly(
            "2025-07-05",
            "2026-06-30",
            -75_000,
            "VIREMENT EMIS LOYER SCI DES PRES",
        )
        .monthly(
            "2025-07-27",
            "2026-04-27",
            220_000,
            "VIR SEPA ACME SAS SALAIRE",
        );
    assert_eq!(life.moments(), [at(MomentKind::IncomeChange, "2026-06-12")]);
}

#[test]
fn a_yearly_contract_is_announced_two_months_before_its_date() {
    let life = Life::ordinary().once("2025-07-20", -42_000, "PRLV SEPA MAIF ASSURANCE AUTO");
    assert_eq!(
        life.moments(),
        [at(MomentKind::ContractAnniversary, "2026-05-21")]
    );
    assert_eq!(life.analysis().contracts[0].yearly_cents, 42_000);
}

/// The same history, read by the insurer itself, by another, and by one that gave no name.
#[test]
fn a_contract_is_the_readers_own_or_a_competitors() {
    let life = Life::ordinary().once("2026-05-12", -42_000, "PRLV SEPA MAIF ASSURANCE AUTO");
    let read_by = |names: &[&str]| {
        let own = OwnInsurers::named(names.iter().copied());
        let seen = life.analysis().seen_by(&own);
        let contract = seen.contracts.iter().map(|contract| contract.provider);
        let moment = seen.life_moments.iter().map(|moment| moment.provider);
        (contract.collect::<Vec<_>>(), moment.collect::<Vec<_>>())
    };
    let of = |provider| (vec![provider], vec![provider]);
    assert_eq!(read_by(&["Maif"]), of(Some(Provider::Own)));
    assert_eq!(
        read_by(&["Macif", "Generali"]),
        of(Some(Provider::Competitor))
    );
    assert_eq!(read_by(&[]), of(None));
}

/// A bank that begins to write the line of a premium has not sold another contract.
#[test]
fn a_premium_that_later_says_its_line_is_the_same_contract() {
    let mut life = Life::ordinary();
    for (month, label) in [
        ("2025-10", "PRLV SEPA MAIF"),
        ("2025-11", "PRLV SEPA MAIF"),
        ("2025-12", "PRLV SEPA MAIF"),
        ("2026-01", "PRLV SEPA MAIF"),
        ("2026-02", "PRLV SEPA MAIF ASSURANCE AUTO"),
        ("2026-03", "PRLV SEPA MAIF ASSURANCE AUTO"),
    ] {
        life = life.once(&format!("{month}-05"), -4_210, label);
    }
    let analysis = life.analysis();
    let new = |moment: &&LifeMoment| moment.kind == MomentKind::NewInsuranceContract;
    assert_eq!(analysis.life_moments.iter().filter(new).count(), 1);
    let lines: Vec<_> = analysis.contracts.iter().map(|it| it.line).collect();
    assert_eq!(lines, [Category::InsuranceAuto]);
}

#[test]
fn a_child_is_seen_only_when_the_person_asked_for_it() {
    let life = Life::ordinary().monthly("2026-03-05", "2026-06-30", 18_200, "VIR CAF DU RHONE");
    assert_eq!(life.moments(), []);
    let choices = Choices {
        opt_ins: OptIns {
            new_child: true,
            retirement: false,
        },
        ..Choices::default()
    };
    let asked = analyse_with(&life.history(), &choices);
    assert_eq!(asked.life_moments[0].kind, MomentKind::NewChild);
}

#[test]
fn a_transfer_between_two_accounts_is_found_once_and_is_not_spending() {
    let life = Life::ordinary()
        .once("2026-06-05", -30_000, "VIR SEPA 4412")
        .on_savings("2026-06-06", 30_000, "VIR RECU 4412");
    let analysis = life.analysis();
    let internal: Vec<_> = analysis
        .relations
        .iter()
        .filter(|relation| relation.kind == RelationKind::InternalTransfer)
        .collect();
    assert_eq!(internal.len(), 1);
    let quarter = &analysis.features[0];
    assert_eq!(quarter.value(Feature::SpendingMonthly), Some(75_000));
    assert!(quarter.value(Feature::SavingsRate).unwrap() > 0);
}

#[test]
fn a_joint_account_reached_twice_counts_once() {
    let life = Life::ordinary();
    let once = life.history();
    let mut twice = once.clone();
    twice.accounts.push(once.accounts[0].clone());
    assert_eq!(analyse(&twice), analyse(&once));
}

#[test]
fn a_purchase_given_back_is_not_spent() {
    let life = Life::ordinary()
        .once("2026-05-10", -12_000, "CARTE 09/05/26 ZARA LYON")
        .once("2026-05-20", 12_000, "AVOIR 200526 ZARA LYON");
    let analysis = life.analysis();
    assert_eq!(analysis.relations[0].kind, RelationKind::Refund);
    assert_eq!(
        analysis.features[0].value(Feature::SpendingMonthly),
        Some(75_000)
    );
}

/// Two deferred cards, one of them shared: its purchases stand for its settlement, the settlement of the
/// other is all that is seen of what it bought.
#[test]
fn the_settlement_of_a_card_that_is_not_shared_stays_spent() {
    let mut life = Life::ordinary();
    for month in ["2026-04", "2026-05", "2026-06"] {
        life = life
            .on_card(&format!("{month}-03"), -8_000, "CARTE INTERMARCHE")
            .on_card(&format!("{month}-19"), -4_000, "CARTE DECATHLON")
            .once(&format!("{month}-28"), -12_000, "DEPENSES CARTE 1234")
            .once(&format!("{month}-28"), -30_000, "DEPENSES CARTE 9876");
    }
    let spent = |life: &Life| life.analysis().features[0].value(Feature::SpendingMonthly);
    let without = spent(&Life::ordinary()).unwrap();
    assert_eq!(spent(&life), Some(without + 12_000 + 30_000));
}

#[test]
fn a_claim_is_told_from_a_premium_given_back_and_from_income() {
    let life = Life::ordinary()
        .monthly(
            "2025-07-10",
            "2026-06-30",
            -4_500,
            "PRLV SEPA MAIF ASSURANCE AUTO",
        )
        .once("2026-05-02", 4_500, "VIR SEPA MAIF")
        .once("2026-05-20", 145_000, "VIR SEPA MAIF REGLEMENT SINISTRE");
    let analysis = life.analysis();
    let kinds: Vec<_> = analysis
        .insurance_payments
        .iter()
        .map(|payment| payment.kind)
        .collect();
    assert_eq!(
        kinds,
        [
            InsurancePaymentKind::PremiumRefund,
            InsurancePaymentKind::Claim
        ]
    );
    assert_eq!(
        analysis.features[0].value(Feature::IncomeMonthly),
        Some(220_000)
    );
}

#[test]
fn a_tenant_who_moves_has_bought_nothing() {
    let life = Life::ordinary()
        .once(
            "2026-03-02",
            75_000,
            "VIR SEPA REMBOURSEMENT DEPOT DE GARANTIE",
        )
        .once("2026-04-04", -1_800, "PRLV SEPA MAIF HABITATION");
    let bought = life
        .analysis()
        .life_moments
        .iter()
        .any(|moment| moment.kind == MomentKind::HomePurchase);
    assert!(!bought);
}

#[test]
fn a_passport_is_no_vehicle() {
    let vehicles = |label: &str| {
        let life = Life::ordinary().once("2026-03-02", -8_600, label);
        let moments = life.analysis().life_moments;
        let kinds = moments.iter().map(|moment| moment.kind);
        kinds
            .filter(|kind| *kind == MomentKind::VehicleChange)
            .count()
    };
    assert_eq!(vehicles("CB ANTS PASSEPORT"), 0);
    assert_eq!(vehicles("CB ANTS PERMIS DE CONDUIRE"), 0);
    assert_eq!(vehicles("CB ANTS IMMATRICULATION"), 1);
}

/// The amount alone would call it a refund: it is less than a year's premium.
#[test]
fn a_payment_that_names_a_claim_is_one_however_small() {
    let life = Life::ordinary()
        .once("2025-09-10", -62_000, "PRLV SEPA MAIF ASSURANCE AUTO")
        .once("2026-02-02", 45_000, "VIR SEPA MAIF REGLEMENT SINISTRE")
        .once("2026-03-02", 90_000, "VIR SEPA MAIF RISTOURNE COTISATION");
    let kinds: Vec<_> = life
        .analysis()
        .insurance_payments
        .iter()
        .map(|payment| payment.kind)
        .collect();
    assert_eq!(
        kinds,
        [
            InsurancePaymentKind::Claim,
            InsurancePaymentKind::PremiumRefund
        ]
    );
}

/// As many equal transfers there and back as nobody makes: pairing them is not slow.
#[test]
fn a_thousand_equal_transfers_are_paired_once_each() {
    let mut life = Life::ordinary();
    for _ in 0..1_000 {
        life = life.once("2026-05-04", -5_000, "VIR VERS LIVRET A");
        life = life.on_savings("2026-05-04", 5_000, "VIR DEPUIS COMPTE COURANT");
    }
    let relations = life.analysis().relations;
    let internal = relations
        .iter()
        .filter(|relation| relation.kind == RelationKind::InternalTransfer);
    assert_eq!(internal.count(), 1_000);
}

#[test]
fn two_motor_contracts_are_a_possible_double() {
    let life = Life::ordinary()
        .monthly(
            "2025-07-10",
            "2026-06-30",
            -4_500,
            "PRLV SEPA MAIF ASSURANCE AUTO",
        )
        .monthly(
            "2025-07-14",
            "2026-06-30",
            -5_100,
            "PRLV SEPA DIRECT ASSURANCE",
        );
    let double = life
        .analysis()
        .cover_remarks
        .into_iter()
        .find_map(|remark| match remark {
            CoverRemark::PossibleDouble { line, .. } => Some(line),
            CoverRemark::PossibleGap { .. } => None,
        });
    assert_eq!(double, Some(Category::InsuranceAuto));
}

#[test]
fn too_little_is_said_to_be_too_little() {
    let mut history = Life::ordinary().history();
    history.as_of = Date::constant(2025, 8, 20);
    let analysis = analyse(&history);
    match &analysis.scores[0].outcome {
        Outcome::InsufficientData { missing } => assert_eq!(
            *missing,
            [
                Missing::DaysOfHistory {
                    seen: 47,
                    needed: 84
                },
                Missing::IncomeCycles { seen: 0, needed: 2 }
            ]
        ),
        Outcome::Scored(score) => panic!("scored {}", score.value),
    }
    history.as_of = AS_OF;
    history.accounts[0].balance = None;
    match &analyse(&history).scores[0].outcome {
        Outcome::InsufficientData { missing } => assert_eq!(*missing, [Missing::Balance]),
        Outcome::Scored(score) => panic!("scored {}", score.value),
    }
}

#[test]
fn a_purpose_that_sells_sees_nothing_of_difficulty_or_gambling() {
    let life = Life::ordinary()
        .monthly(
            "2025-09-02",
            "2026-06-30",
            -2_000,
            "COMMISSION D INTERVENTION",
        )
        .monthly("2025-09-03", "2026-06-30", -5_000, "CB WINAMAX FR")
        .monthly(
            "2025-09-09",
            "2026-06-30",
            -4_500,
            "PRLV SEPA CREDIT RENOUVELABLE COFIDIS",
        )
        .once("2026-06-08", -6_000, "PRLV SEPA EDF")
        .once("2026-06-10", 6_000, "REJET PRLV SEPA EDF");
    let everything = BTreeSet::from([
        Fact::RegularFlows,
        Fact::InsuranceContracts,
        Fact::Household,
        Fact::LifeMoments,
        Fact::Scores,
    ]);
    let purpose = |sells| PurposeTerms {
        learns: everything.clone(),
        sells,
        ..PurposeTerms::default()
    };
    let whole = life.analysis();
    assert!(whole.features[0].value(Feature::GamblingShare).unwrap() > 0);
    assert_eq!(whole.profile.as_ref().unwrap().loans.len(), 1);
    let nothing = whole.clone().visible_to(&PurposeTerms::default());
    assert!(nothing.features.is_empty() && nothing.scores.is_empty());
    assert!(nothing.recurrences.is_empty() && nothing.relations.is_empty());
    assert_eq!(nothing.coverage, whole.coverage);
    assert_eq!(whole.clone().visible_to(&purpose(false)), whole);
    let shown = whole.visible_to(&purpose(true));
    let text = serde_json::to_string(&shown).unwrap();
    for hidden in [
        "gambling",
        "incident",
        "overdraft",
        "resilience",
        "rejected",
        "winamax",
        "revolving",
        "short-credits",
    ] {
        assert!(!text.to_lowercase().contains(hidden), "{hidden} is visible");
    }
    assert!(
        shown
            .scores
            .iter()
            .any(|score| score.model == "insurance-need-home")
    );
    assert!(
        shown
            .recurrences
            .iter()
            .any(|flow| flow.kind == FlowKind::Rent)
    );
}

#[test]
fn a_reason_is_plain_in_both_languages_and_carries_its_lines() {
    let life = Life::ordinary().monthly("2025-07-12", "2026-06-30", -60_000, "PRLV SEPA COFIDIS 9");
    let analysis = life.analysis();
    let Outcome::Scored(score) = &analysis.scores[0].outcome else {
        panic!("no score")
    };
    let reason = score
        .reasons
        .iter()
        .find(|reason| reason.code == "financial-resilience.charge-ratio")
        .unwrap();
    assert!(reason.text.fr.contains("61\u{a0}%"), "{}", reason.text.fr);
    assert!(reason.text.en.contains("61%"), "{}", reason.text.en);
    assert!(!reason.evidence.is_empty());
    assert!(score.reasons.len() <= 5);
    assert_eq!(score.reasons.len(), score.what_helps.len());
}
