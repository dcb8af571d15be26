//! The lives the seed makes: who earns what, pays whom, and what changes.
//!
//! Each life is told as its commitments. Together they show what an insurer wants to know: several
//! insurance lines at different companies, a loan with its insurance, a move, a birth, irregular
//! income, and lines that nobody should learn from (health, union, religion).

use std::ops::RangeInclusive;

use crate::ledger::LedgerAccountKind;
use crate::people::flow::{Flow, Party, Rhythm};
use crate::people::household::{Household, HouseholdAccount};
use crate::people::{Behaviour, Quirk};

/// Before and after everything.
const ALWAYS: (i32, i32) = (i32::MIN, i32::MAX);

const TRANSFER_IN: &str = "PMNT-RCDT-ESCT";
const TRANSFER_OUT: &str = "PMNT-ICDT-ESCT";
const DIRECT_DEBIT: &str = "PMNT-RDDT-ESDD";
const CARD: &str = "PMNT-CCRD-POSD";
const CASH: &str = "PMNT-CCRD-CWDL";
const LOAN: &str = "LDAS-CSLN-PPAY";
const FEES: &str = "ACMT-MDOP-CHRG";

/// Everybody the seed makes.
pub(crate) fn all() -> Vec<Household> {
    vec![
        camille(),
        amina(),
        lucas(),
        jeanne(),
        karim(),
        nadia(),
        petit("paul.petit", "Paul Petit"),
        petit("marie.petit", "Marie Petit"),
    ]
}

/// Two deferred cards, settled at the end of each month.
fn nadia() -> Household {
    Household {
        login: "nadia.leroy".to_owned(),
        name: "Nadia Leroy",
        description: "deux cartes à débit différé, réglées en fin de mois",
        accounts: with_cards(vec![current_account(
            260_000,
            [
                vec![transfer_in(
                    "VIR SEPA SALAIRE MAISON ARPEGE {ref}",
                    "MAISON ARPEGE",
                    27,
                    290_000..=301_000,
                )],
                daily_life(0),
            ]
            .concat(),
        )]),
    }
}

/// One of a couple: the joint account is reached by both.
fn petit(login: &str, name: &'static str) -> Household {
    Household {
        login: login.to_owned(),
        name,
        description: "un compte joint, vu par les deux titulaires",
        accounts: vec![joint_account("petit")],
    }
}

fn joint_account(couple: &'static str) -> HouseholdAccount {
    let salary = transfer_in(
        "VIR SEPA SALAIRE PETIT",
        "ATELIER PETIT",
        28,
        310_000..=310_000,
    );
    HouseholdAccount {
        key: "joint",
        name: "Compte joint",
        joint: Some(couple),
        ..current_account(90_000, [vec![salary], daily_life(1)].concat())
    }
}

fn with_cards(mut accounts: Vec<HouseholdAccount>) -> Vec<HouseholdAccount> {
    for (key, name, low, high) in [
        ("carte-1", "Carte Visa Premier", 6, 11),
        ("carte-2", "Carte Visa", 2, 5),
    ] {
        let purchases = Flow {
            label: vec![
                "CARTE {date} LIBRAIRIE MOLLAT",
                "CARTE {date} FNAC {ref}",
                "CARTE {date} SNCF",
            ],
            ..plain(
                Party::InText,
                Rhythm::DeferredPurchases(low, high),
                -9_000..=-900,
                CARD,
            )
        };
        accounts.push(HouseholdAccount {
            key,
            name,
            kind: LedgerAccountKind::Card,
            opening: 0,
            flows: vec![purchases],
            joint: None,
        });
    }
    accounts
}

/// The life behind an oddity that shows on certain accounts only.
pub(crate) fn of_an_oddity(login: &str, quirk: Quirk) -> Household {
    let life = of_a_test_case(login);
    let accounts = match quirk {
        Quirk::Q10 | Quirk::Q44 | Quirk::Q45 => with_cards(life.accounts),
        Quirk::Q43 => vec![joint_account("quirk-q43")],
        Quirk::Q30 => life.accounts.into_iter().chain(spaces(0)).collect(),
        _ => life.accounts,
    };
    Household { accounts, ..life }
}

/// Twenty sub-accounts beside the two every test case has, with so many cents put aside a month.
fn spaces(cents: i64) -> impl Iterator<Item = HouseholdAccount> {
    const KEYS: [&str; 20] = [
        "e01", "e02", "e03", "e04", "e05", "e06", "e07", "e08", "e09", "e10", "e11", "e12", "e13",
        "e14", "e15", "e16", "e17", "e18", "e19", "e20",
    ];
    KEYS.into_iter().map(move |key| HouseholdAccount {
        name: "Espace",
        ..savings(key, "Espace", 1_000, "", 1, cents..=cents)
    })
}

/// The life of somebody whose bank misbehaves.
pub(crate) fn behind(behaviour: Behaviour) -> Household {
    let life = of_a_test_case(behaviour.login());
    match behaviour {
        Behaviour::Slow => Household {
            accounts: life.accounts.into_iter().chain(spaces(1_500)).collect(),
            ..life
        },
        _ => life,
    }
}

/// An ordinary life behind a bank that is not: enough movements for a second page.
pub(crate) fn of_a_test_case(login: &str) -> Household {
    let salary = transfer_in(
        "VIR SEPA SALAIRE ESSAI SARL",
        "ESSAI SARL",
        28,
        190_000..=190_000,
    );
    let set_aside = transfer_out("VIR VERS LIVRET A", "CAS D'ESSAI", 29, -20_000..=-20_000);
    Household {
        login: login.to_owned(),
        name: "Cas d'essai",
        description: "",
        accounts: vec![
            current_account(120_000, [vec![salary, set_aside], daily_life(1)].concat()),
            savings(
                "livret-a",
                "Livret A",
                300_000,
                "VIR DE COMPTE COURANT",
                29,
                20_000..=20_000,
            ),
        ],
    }
}

/// A tenant with a steady job, four insurance lines at four companies, and savings.
fn camille() -> Household {
    let current = [
        vec![
            transfer_in(
                "VIR SEPA SALAIRE ATELIER LUMEN SAS {ref}",
                "ATELIER LUMEN SAS",
                28,
                236_000..=248_000,
            ),
            yearly(
                "VIR SEPA PRIME ANNUELLE ATELIER LUMEN",
                Party::Named("ATELIER LUMEN SAS"),
                &[12],
                20,
                110_000..=140_000,
                TRANSFER_IN,
            ),
            transfer_out(
                "VIR SEPA LOYER FONCIA LYON",
                "FONCIA LYON",
                5,
                -89_000..=-89_000,
            ),
            debit(
                "PRLV SEPA MAIF COTISATION HABITATION {ref}",
                "MAIF",
                "FR39ZZZ121412",
                6,
                -1_890..=-1_890,
            ),
            debit(
                "PRLV SEPA DIRECT ASSURANCE AUTO {ref}",
                "DIRECT ASSURANCE",
                "FR78ZZZ424411",
                8,
                -4_270..=-4_270,
            ),
            debit(
                "PRLV SEPA HARMONIE MUTUELLE {ref}",
                "HARMONIE MUTUELLE",
                "FR87ZZZ454845",
                10,
                -5_640..=-5_640,
            ),
            debit(
                "PRLV SEPA CARDIF PROTECTION ACCIDENTS",
                "CARDIF",
                "FR16ZZZ308896",
                12,
                -990..=-990,
            ),
            debit(
                "PRLV SEPA EDF CLIENTS PARTICULIERS {ref}",
                "EDF",
                "FR47EDF001007",
                11,
                -7_400..=-6_100,
            ),
            debit(
                "PRLV SEPA ORANGE SA INTERNET",
                "ORANGE SA",
                "FR47ZZZ112234",
                15,
                -3_999..=-3_999,
            ),
            debit(
                "PRLV SEPA FREE MOBILE",
                "FREE MOBILE",
                "FR89FRM563889",
                18,
                -1_999..=-1_999,
            ),
            debit(
                "PRLV SEPA TCL ABONNEMENT",
                "KEOLIS LYON",
                "FR02ZZZ446677",
                3,
                -6_930..=-6_930,
            ),
            debit(
                "PRLV SEPA CFDT COTISATION SYNDICALE",
                "CFDT",
                "FR55ZZZ254895",
                16,
                -1_850..=-1_850,
            ),
            card_times(
                &["CARTE {date} PHARMACIE DES CELESTINS LYON"],
                0,
                2,
                -3_200..=-650,
            ),
            debit(
                "PRLV SEPA NETFLIX.COM",
                "NETFLIX INTERNATIONAL",
                "NL24ZZZ532655",
                21,
                -1_349..=-1_349,
            ),
            yearly(
                "PRLV SEPA DGFIP IMPOT TAXE {ref}",
                Party::Creditor("DGFIP FINANCES PUBLIQUES", "FR46ZZZ005002"),
                &[10],
                25,
                -21_400..=-21_400,
                DIRECT_DEBIT,
            ),
            transfer_out("VIR VERS LIVRET A", "CAMILLE MARTIN", 29, -35_000..=-35_000),
            bank_fees(-850..=-850),
        ],
        daily_life(4),
    ]
    .concat();
    Household {
        login: "camille.martin".to_owned(),
        name: "Camille Martin",
        description: "salariée, locataire à Lyon, quatre assurances chez quatre assureurs, épargne régulière",
        accounts: vec![
            current_account(142_000, current),
            savings(
                "livret-a",
                "Livret A",
                320_000,
                "VIR DE COMPTE COURANT",
                29,
                35_000..=35_000,
            ),
        ],
    }
}

/// Two wages, a mortgage with its insurance, two children, insurance in one hand.
fn amina() -> Household {
    let current = [
        vec![
            transfer_in(
                "VIR SEPA SALAIRE CHU NANTES {ref}",
                "CHU DE NANTES",
                26,
                251_000..=263_000,
            ),
            transfer_in(
                "VIR SEPA VIREMENT SALAIRE OMAR BENALI",
                "OMAR BENALI",
                30,
                160_000..=160_000,
            ),
            transfer_in(
                "VIR SEPA CAF DE LOIRE ATLANTIQUE",
                "CAF DE LOIRE ATLANTIQUE",
                5,
                14_800..=14_800,
            ),
            loan("ECH PRET IMMOBILIER 00{ref}", 7, -118_400..=-118_400),
            debit(
                "PRLV SEPA CNP ASSURANCES EMPRUNTEUR {ref}",
                "CNP ASSURANCES",
                "FR83ZZZ383983",
                7,
                -4_310..=-4_310,
            ),
            debit(
                "PRLV SEPA MACIF HABITATION AUTO {ref}",
                "MACIF",
                "FR20ZZZ103006",
                10,
                -11_260..=-11_260,
            ),
            debit(
                "PRLV SEPA MACIF GARANTIE ACCIDENT FAMILLE",
                "MACIF",
                "FR20ZZZ103006",
                10,
                -1_780..=-1_780,
            ),
            debit(
                "PRLV SEPA MGEN MUTUELLE {ref}",
                "MGEN",
                "FR56ZZZ108541",
                9,
                -13_920..=-13_920,
            ),
            debit(
                "PRLV SEPA ENGIE {ref}",
                "ENGIE",
                "FR57ZZZ425779",
                14,
                -14_800..=-11_900,
            ),
            debit(
                "PRLV SEPA SAUR EAU",
                "SAUR",
                "FR73ZZZ339379",
                20,
                -4_100..=-3_400,
            ),
            debit(
                "PRLV SEPA BOUYGUES TELECOM",
                "BOUYGUES TELECOM",
                "FR62ZZZ397480",
                17,
                -5_498..=-5_498,
            ),
            debit(
                "PRLV SEPA VILLE DE NANTES CANTINE",
                "VILLE DE NANTES",
                "FR11ZZZ440109",
                12,
                -9_800..=-7_200,
            ),
            yearly(
                "PRLV SEPA DGFIP TAXE FONCIERE {ref}",
                Party::Creditor("DGFIP FINANCES PUBLIQUES", "FR46ZZZ005002"),
                &[10],
                20,
                -141_200..=-141_200,
                DIRECT_DEBIT,
            ),
            card_times(
                &[
                    "CARTE {date} CABINET DENTAIRE NANTES",
                    "CARTE {date} PHARMACIE GRASLIN",
                ],
                1,
                3,
                -6_000..=-900,
            ),
            transfer_out("VIR VERS PEL", "AMINA BENALI", 28, -45_000..=-45_000),
            transfer_out(
                "VIR SEPA SUPPLEMENT ASSURANCE VIE",
                "MACSF EPARGNE",
                29,
                -40_000..=-40_000,
            ),
            transfer_out(
                "VIR SEPA ECOLE DE MUSIQUE",
                "ECOLE DE MUSIQUE",
                15,
                -9_000..=-9_000,
            ),
        ],
        daily_life(8),
    ]
    .concat();
    Household {
        login: "amina.benali".to_owned(),
        name: "Amina Benali",
        description: "famille avec deux enfants, crédit immobilier et assurance emprunteur, épargne logement",
        accounts: vec![
            current_account(215_000, current),
            savings(
                "pel",
                "Plan épargne logement",
                940_000,
                "VIR DE COMPTE JOINT",
                28,
                45_000..=45_000,
            ),
        ],
    }
}

/// Irregular income, overdraft fees, hardly any insurance.
fn lucas() -> Household {
    let current = [
        vec![
            Flow {
                label: vec![
                    "VIR SEPA UBER BV PAIEMENT {ref}",
                    "VIR INST STUART DELIVERY {ref}",
                ],
                ..plain(
                    Party::InText,
                    Rhythm::AnyDay(6, 7),
                    11_500..=15_500,
                    TRANSFER_IN,
                )
            },
            transfer_in(
                "VIR SEPA CAF DE GIRONDE APL",
                "CAF DE GIRONDE",
                5,
                18_700..=18_700,
            ),
            transfer_out(
                "VIR SEPA LOYER STUDIO M BERNARD",
                "M BERNARD",
                4,
                -46_000..=-46_000,
            ),
            debit(
                "PRLV SEPA SFR {ref}",
                "SFR",
                "FR91ZZZ343059",
                13,
                -2_599..=-2_599,
            ),
            debit(
                "PRLV SEPA LUKO COVER HABITATION",
                "LUKO COVER SAS",
                "FR33ZZZ824456",
                22,
                -590..=-590,
            ),
            Flow {
                label: vec!["COMMISSION D'INTERVENTION", "INTERETS DEBITEURS"],
                ..plain(Party::InText, Rhythm::AnyDay(0, 3), -800..=-800, FEES)
            },
            card_times(
                &["CARTE {date} UBER EATS", "CARTE {date} DELIVEROO"],
                2,
                6,
                -2_800..=-1_100,
            ),
        ],
        daily_life(1),
    ]
    .concat();
    Household {
        login: "lucas.moreau".to_owned(),
        name: "Lucas Moreau",
        description: "livreur étudiant, revenus irréguliers, découvert fréquent, presque pas d'assurance",
        accounts: vec![current_account(31_000, current)],
    }
}

/// Two pensions, a health cover that weighs, a funeral plan, gifts.
fn jeanne() -> Household {
    let current = [
        vec![
            transfer_in(
                "VIR SEPA CARSAT RETRAITE {ref}",
                "CARSAT HAUTS DE FRANCE",
                9,
                121_300..=121_300,
            ),
            transfer_in("VIR SEPA AGIRC ARRCO", "AGIRC ARRCO", 1, 58_400..=58_400),
            debit(
                "PRLV SEPA MUTUELLE GENERALE SENIOR {ref}",
                "LA MUTUELLE GENERALE",
                "FR44ZZZ775685",
                8,
                -14_120..=-14_120,
            ),
            debit(
                "PRLV SEPA GROUPAMA HABITATION",
                "GROUPAMA",
                "FR61ZZZ382285",
                11,
                -2_640..=-2_640,
            ),
            debit(
                "PRLV SEPA AXA PREVOYANCE OBSEQUES",
                "AXA FRANCE VIE",
                "FR98ZZZ310499",
                15,
                -3_850..=-3_850,
            ),
            debit(
                "PRLV SEPA EDF CLIENTS PARTICULIERS {ref}",
                "EDF",
                "FR47EDF001007",
                16,
                -11_800..=-9_300,
            ),
            debit(
                "PRLV SEPA ORANGE SA",
                "ORANGE SA",
                "FR47ZZZ112234",
                19,
                -4_299..=-4_299,
            ),
            debit(
                "PRLV SEPA DENIER DE L'EGLISE DIOCESE DE LILLE",
                "ASSOCIATION DIOCESAINE DE LILLE",
                "FR29ZZZ423344",
                21,
                -3_000..=-3_000,
            ),
            card_times(
                &[
                    "CARTE {date} PHARMACIE DU BEFFROI",
                    "CARTE {date} LABORATOIRE BIOLILLE",
                ],
                1,
                4,
                -2_900..=-480,
            ),
            debit(
                "PRLV SEPA ADMR AIDE A DOMICILE {ref}",
                "ADMR",
                "FR35ZZZ509988",
                12,
                -26_000..=-21_000,
            ),
            transfer_out("VIR SEPA AFER ASSURANCE VIE", "AFER", 20, -20_000..=-20_000),
            yearly(
                "VIR SEPA CADEAU PETITS ENFANTS",
                Party::Named("THOMAS DUBOIS"),
                &[6, 12],
                18,
                -30_000..=-20_000,
                TRANSFER_OUT,
            ),
        ],
        daily_life(4),
    ]
    .concat();
    Household {
        login: "jeanne.dubois".to_owned(),
        name: "Jeanne Dubois",
        description: "retraitée propriétaire, complémentaire santé et obsèques, patrimoine prudent",
        accounts: vec![
            current_account(268_000, current),
            savings("ldds", "LDDS", 1_180_000, "INTERETS CREDITEURS", 31, 0..=0),
        ],
    }
}

/// A life that changed three months ago: another home, a birth, another motor insurer.
fn karim() -> Household {
    let ended = |flow: Flow| Flow {
        months: (i32::MIN, -4),
        ..flow
    };
    let begun = |flow: Flow| Flow {
        months: (-3, i32::MAX),
        ..flow
    };
    let current = [
        vec![
            transfer_in(
                "VIR SEPA SALAIRE NOVATECH {ref}",
                "NOVATECH",
                27,
                298_000..=312_000,
            ),
            ended(transfer_out(
                "VIR SEPA LOYER AGENCE CENTRALE",
                "AGENCE CENTRALE",
                3,
                -69_000..=-69_000,
            )),
            begun(transfer_out(
                "VIR SEPA LOYER NEXITY RENNES",
                "NEXITY",
                3,
                -98_000..=-98_000,
            )),
            Flow {
                months: (-3, -3),
                ..yearly(
                    "CARTE {date} DEMECO DEMENAGEMENT",
                    Party::InText,
                    &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
                    2,
                    -142_000..=-142_000,
                    CARD,
                )
            },
            Flow {
                months: (-3, -3),
                ..transfer_out(
                    "VIR SEPA DEPOT DE GARANTIE NEXITY",
                    "NEXITY",
                    1,
                    -98_000..=-98_000,
                )
            },
            begun(transfer_in(
                "VIR SEPA CAF ILLE ET VILAINE PAJE",
                "CAF D'ILLE ET VILAINE",
                5,
                19_300..=19_300,
            )),
            begun(debit(
                "PRLV SEPA CRECHE LES LUTINS",
                "CRECHE LES LUTINS",
                "FR70ZZZ501122",
                10,
                -41_000..=-36_000,
            )),
            begun(card_times(
                &["CARTE {date} VERTBAUDET", "CARTE {date} AUBERT RENNES"],
                1,
                4,
                -12_000..=-2_500,
            )),
            ended(debit(
                "PRLV SEPA AXA ASSURANCE AUTO {ref}",
                "AXA FRANCE IARD",
                "FR12ZZZ722057",
                9,
                -6_810..=-6_810,
            )),
            begun(debit(
                "PRLV SEPA MATMUT AUTO {ref}",
                "MATMUT",
                "FR26ZZZ775701",
                9,
                -4_930..=-4_930,
            )),
            debit(
                "PRLV SEPA AXA HABITATION {ref}",
                "AXA FRANCE IARD",
                "FR12ZZZ722057",
                9,
                -2_120..=-2_120,
            ),
            debit(
                "PRLV SEPA ALAN SA SANTE",
                "ALAN",
                "FR80ZZZ816578",
                6,
                -7_400..=-7_400,
            ),
            loan("ECH PRET AUTO 01{ref}", 15, -21_700..=-21_700),
            debit(
                "PRLV SEPA TOTALENERGIES {ref}",
                "TOTALENERGIES",
                "FR09ZZZ442395",
                12,
                -9_400..=-7_300,
            ),
            debit(
                "PRLV SEPA SFR FIBRE",
                "SFR",
                "FR91ZZZ343059",
                14,
                -4_400..=-4_400,
            ),
            transfer_out("VIR VERS LIVRET A", "KARIM NGUYEN", 28, -50_000..=-50_000),
        ],
        daily_life(6),
    ]
    .concat();
    Household {
        login: "karim.nguyen".to_owned(),
        name: "Karim Nguyen",
        description: "a déménagé, accueilli un enfant et changé d'assureur auto il y a trois mois",
        accounts: vec![
            current_account(188_000, current),
            savings(
                "livret-a",
                "Livret A",
                450_000,
                "VIR DE COMPTE COURANT",
                28,
                50_000..=50_000,
            ),
        ],
    }
}

/// Food, meals, fuel, clothes, cash: what every account shows. A bigger household shops more.
fn daily_life(size: i64) -> Vec<Flow> {
    vec![
        card_times(
            &[
                "CARTE {date} CARREFOUR MARKET",
                "CARTE {date} LIDL {ref}",
                "CARTE {date} MONOPRIX",
                "CARTE {date} E.LECLERC",
                "CARTE {date} BIOCOOP",
            ],
            3 + size,
            6 + size,
            -7_800..=-1_200,
        ),
        card_times(
            &[
                "CARTE {date} BOULANGERIE PAUL",
                "CARTE {date} SUMUP *CAFE DU COIN",
                "CARTE {date} MCDONALD'S",
                "CARTE {date} BRASSERIE GEORGES",
            ],
            2,
            5 + size,
            -3_400..=-250,
        ),
        card_times(
            &[
                "CARTE {date} TOTALENERGIES STATION",
                "CARTE {date} STATION U",
            ],
            0,
            2,
            -7_200..=-3_500,
        ),
        card_times(
            &[
                "CARTE {date} AMAZON EU SARL",
                "CARTE {date} DECATHLON",
                "CARTE {date} FNAC",
                "CARTE {date} ZARA",
            ],
            0,
            3,
            -8_900..=-900,
        ),
        Flow {
            label: vec!["RETRAIT DAB {ref}"],
            ..plain(Party::InText, Rhythm::AnyDay(0, 2), -6_000..=-2_000, CASH)
        },
    ]
}

fn current_account(opening: i64, flows: Vec<Flow>) -> HouseholdAccount {
    HouseholdAccount {
        key: "courant",
        name: "Compte courant",
        kind: LedgerAccountKind::Payment,
        opening,
        flows,
        joint: None,
    }
}

fn savings(
    key: &'static str,
    name: &'static str,
    opening: i64,
    label: &'static str,
    day: i8,
    cents: RangeInclusive<i64>,
) -> HouseholdAccount {
    let interest = yearly(
        "INTERETS ANNUELS",
        Party::InText,
        &[1],
        2,
        opening / 60..=opening / 50,
        "ACMT-MCOP-INTR",
    );
    let mut flows = vec![interest];
    if *cents.end() != 0 {
        flows.push(Flow {
            label: vec![label],
            ..plain(Party::InText, Rhythm::Monthly(day), cents, TRANSFER_IN)
        });
    }
    HouseholdAccount {
        key,
        name,
        kind: LedgerAccountKind::Savings,
        opening,
        flows,
        joint: None,
    }
}

fn plain(
    other_side: Party,
    rhythm: Rhythm,
    cents: RangeInclusive<i64>,
    code: &'static str,
) -> Flow {
    Flow {
        label: Vec::new(),
        other_side,
        rhythm,
        cents: cents.into_inner(),
        code,
        months: ALWAYS,
    }
}

fn transfer_in(
    label: &'static str,
    payer: &'static str,
    day: i8,
    cents: RangeInclusive<i64>,
) -> Flow {
    Flow {
        label: vec![label],
        ..plain(
            Party::Named(payer),
            Rhythm::Monthly(day),
            cents,
            TRANSFER_IN,
        )
    }
}

fn transfer_out(
    label: &'static str,
    payee: &'static str,
    day: i8,
    cents: RangeInclusive<i64>,
) -> Flow {
    Flow {
        label: vec![label],
        ..plain(
            Party::Named(payee),
            Rhythm::Monthly(day),
            cents,
            TRANSFER_OUT,
        )
    }
}

fn debit(
    label: &'static str,
    creditor: &'static str,
    creditor_id: &'static str,
    day: i8,
    cents: RangeInclusive<i64>,
) -> Flow {
    Flow {
        label: vec![label],
        ..plain(
            Party::Creditor(creditor, creditor_id),
            Rhythm::Monthly(day),
            cents,
            DIRECT_DEBIT,
        )
    }
}

fn loan(label: &'static str, day: i8, cents: RangeInclusive<i64>) -> Flow {
    Flow {
        label: vec![label],
        ..plain(Party::InText, Rhythm::Monthly(day), cents, LOAN)
    }
}

fn bank_fees(cents: RangeInclusive<i64>) -> Flow {
    Flow {
        label: vec!["COTISATION CARTE ET SERVICES"],
        ..plain(Party::InText, Rhythm::Monthly(2), cents, FEES)
    }
}

fn yearly(
    label: &'static str,
    other_side: Party,
    months: &'static [i8],
    day: i8,
    cents: RangeInclusive<i64>,
    code: &'static str,
) -> Flow {
    Flow {
        label: vec![label],
        ..plain(other_side, Rhythm::Months(months, day), cents, code)
    }
}

fn card_times(labels: &[&'static str], low: i64, high: i64, cents: RangeInclusive<i64>) -> Flow {
    Flow {
        label: labels.to_vec(),
        ..plain(Party::InText, Rhythm::CardPurchases(low, high), cents, CARD)
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;
    use jiff::civil::Date;

    use super::*;

    const OPENED: Date = Date::constant(2026, 11, 22);

    #[test]
    fn every_life_has_two_years_that_end_today() {
        for household in all() {
            let accounts = household.accounts(7, OPENED, OPENED);
            let current = &accounts[0];
            let days: Vec<_> = current
                .booked
                .iter()
                .filter_map(|line| line.booking_date)
                .collect();
            let first = *days.first().unwrap();
            let last = *days.last().unwrap();
            assert!(first <= OPENED.checked_sub(720.days()).unwrap(), "{first}");
            assert!(
                last <= OPENED && last >= OPENED.checked_sub(6.days()).unwrap(),
                "{last}"
            );
            // Who pays by deferred card has fewer lines here and the rest on the cards.
            assert!(current.booked.len() > 300, "{}", current.booked.len());
        }
    }

    #[test]
    fn nobody_drifts_away_from_a_plausible_balance() {
        for seed in 1..20 {
            for household in all() {
                for account in household.accounts(seed, OPENED, OPENED) {
                    let euros = account.booked_balance.minor / 100;
                    let plausible = (-3_000..100_000).contains(&euros);
                    assert!(plausible, "{seed} {} {euros}", household.login);
                }
            }
        }
    }

    #[test]
    fn a_later_day_only_adds_to_the_history() {
        let camille = camille();
        let before = &camille.accounts(7, OPENED, OPENED)[0];
        let later = OPENED.checked_add(45.days()).unwrap();
        let after = &camille.accounts(7, OPENED, later)[0];
        assert!(after.booked.len() > before.booked.len());
        assert_eq!(after.booked[..before.booked.len()], before.booked[..]);
        let added: i64 = after.booked[before.booked.len()..]
            .iter()
            .map(|line| line.amount.minor)
            .sum();
        assert_eq!(
            after.booked_balance.minor,
            before.booked_balance.minor + added
        );
    }

    #[test]
    fn references_are_unique_inside_an_account() {
        for household in all() {
            for account in household.accounts(7, OPENED, OPENED) {
                let references: std::collections::BTreeSet<_> =
                    account.booked.iter().map(|line| &line.reference).collect();
                assert_eq!(
                    references.len(),
                    account.booked.len(),
                    "{}",
                    household.login
                );
            }
        }
    }

    #[test]
    fn another_seed_is_another_life() {
        let one = &camille().accounts(1, OPENED, OPENED)[0].booked_balance;
        let other = &camille().accounts(2, OPENED, OPENED)[0].booked_balance;
        assert_ne!(one, other);
    }
}
