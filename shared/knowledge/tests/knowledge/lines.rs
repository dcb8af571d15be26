//! Single lines: structured fields, invariances, corrections, and no text that hurts.

use passerelle_domain::Date;
use passerelle_domain::ids::TransactionId;
use passerelle_domain::money::Amount;
use passerelle_domain::private::Private;
use passerelle_domain::transaction::Transaction;
use passerelle_knowledge::{
    Category, Corrections, Operation, Sensitivity, Stage, enrich, is_sensitive, sensitivity_of,
    storable,
};
use proptest::prelude::*;

use crate::persona;

fn line(cents: i64, label: &str) -> Transaction {
    persona::transaction(
        TransactionId::from_entropy([7; 16]),
        Date::constant(2026, 6, 15),
        Amount::eur(cents),
        label,
    )
}

#[test]
fn a_creditor_identifier_speaks_before_the_label() {
    let known = enrich(&Transaction {
        creditor_id: Some("FR83ABC459654".to_owned()),
        ..line(-2_999, "PRLV SEPA 0099 REF 1234")
    });
    assert_eq!(known.category, Category::TelecomInternet);
    assert_eq!(known.stage, Stage::CreditorIdentifier);
    assert_eq!(known.merchant.as_deref(), Some("Free"));
    let inside = enrich(&line(
        -9_000,
        "PRLV SEPA FINANCES ID EMETTEUR/FR46ZZZ005002 MDT/99",
    ));
    assert_eq!(inside.stage, Stage::CreditorIdentifier);
    assert_eq!(inside.category, Category::TaxIncome);
}

#[test]
fn a_bank_transaction_code_speaks_before_the_label() {
    let coded = |code: &str, cents, label: &str| {
        enrich(&Transaction {
            bank_transaction_code: Some(code.to_owned()),
            ..line(cents, label)
        })
    };
    assert_eq!(
        coded("PMNT-RCDT-SALA", 200_000, "VIR ACME").category,
        Category::IncomeSalary
    );
    assert_eq!(
        coded("PMNT-CCRD-CWDL", -6_000, "1234 PARIS").category,
        Category::CashWithdrawal
    );
    assert_eq!(
        coded("PMNT-RDDT-ESDD", -3_000, "EDF").operation,
        Operation::DirectDebit
    );
    // The label is more precise than the code about the same family.
    assert_eq!(
        coded("PMNT-ICDT-ESCT", -3_000, "VIR INST LEO").operation,
        Operation::InstantSent
    );
    assert_eq!(
        coded("nonsense", -3_000, "PRLV SEPA EDF").operation,
        Operation::DirectDebit
    );
}

#[test]
fn a_counterparty_name_is_read_with_the_label() {
    let mut given = line(-4_200, "PRLV SEPA 12345678");
    given.counterparty.name = Some(Private::new("Électricité de France"));
    assert_eq!(enrich(&given).category, Category::HousingEnergy);
}

#[test]
fn the_same_shop_takes_and_gives_back() {
    assert_eq!(
        enrich(&line(-3_000, "CARTE 12/06/26 DECATHLON")).category,
        Category::LeisureSport
    );
    let back = enrich(&line(3_000, "CARTE 12/06/26 DECATHLON"));
    assert_eq!(
        (back.category, back.operation),
        (Category::IncomeRefund, Operation::CardRefund)
    );
}

#[test]
fn protected_lines_are_recognised_and_say_nothing() {
    let protected = [
        (-1_850, "CB PHARMACIE DES HALLES"),
        (-2_650, "CARTE X1234 DR MARTIN CARDIOLOGUE"),
        (1_840, "VIR SEPA C.P.A.M. DES YVELINES 225350012345"),
        (-1_500, "PRLV SEPA CFDT"),
        (-2_000, "CB PAROISSE SAINT PAUL"),
        (-3_000, "PRLV SEPA PARTI SOCIALISTE"),
        (-4_500, "PRLV SEPA MEDECINS SANS FRONTIERES"),
        (-6_000, "PRLV SEPA HARMONIE MUTUELLE"),
        (-900, "CB PHIE LAFAYETTE"),
        (-5_000, "CB LABORATOIRE BIOGROUP"),
        (-2_300, "CB PHCIE DU CENTRE"),
        (-6_000, "CARTE X1234 CENTRE OPHTALMOLOGIQUE"),
        (2_450, "VIR AMELI REMBOURSEMENT"),
        (1_200, "VIR SEPA VIAMEDIS"),
        (-4_000, "CARTE 12/03 DRE LEFEBVRE"),
        (-1_800, "PRLV SEPA SNUDI FO 44"),
        (-1_500, "PRLV SEPA CONFEDERATION GENERALE DU TRAVAIL"),
        (-2_000, "PRLV SEPA LFI"),
        (-3_000, "VIR SEPA EVECHE DE NANTES"),
        (-4_100, "PRLV SEPA SWISSLIFE PREVOYANCE ET SANTE"),
        (
            -5_200,
            "PRLV SEPA AXA FRANCE COMPLEMENTAIRE SANTE PREVOYANCE",
        ),
        (-7_300, "PRLV SEPA ALLIANZ VIE SANTE AUTO"),
        (-1_900, "PRLV SEPA ALLIANZ VIE HOSPITALISATION"),
    ];
    for (cents, label) in protected {
        let given = line(cents, label);
        assert!(is_sensitive(&given), "{label}");
        let known = enrich(&given);
        assert!(
            known.cleaned.is_empty() && known.merchant.is_none(),
            "{label}"
        );
        assert_eq!(known.stage, Stage::Sensitive, "{label}");
        let stored = given.coarsened();
        assert!(is_sensitive(&stored), "{label}");
        assert_eq!(enrich(&stored).category, Category::Sensitive, "{label}");
    }
}

#[test]
fn ordinary_lines_are_not_hidden() {
    let ordinary = [
        (-3_000, "CB CARREFOUR CITY"),
        (210_000, "VIR SEPA CHU DE NANTES PAIE"),
        (190_000, "VIR HARMONIE MUTUELLE SALAIRE MAI"),
        (90_000, "VIR PRO BTP CONGES PAYES"),
        (-1_900, "CB CHR RESTAURATION"),
        (-50_000, "VIREMENT EMIS LOYER"),
        (-900, "CB MONOPRIX"),
        (-2_500, "PRLV SEPA SANTEVET"),
        (-4_000, "CB LA DROGUERIE"),
        (-2_300, "CB BRASSERIE DE L HOPITAL"),
        (-450, "CB PARKING HOPITAL"),
        (-800, "CB INDIGO PARC CLINIQUE"),
        (-350, "CB BOULANGERIE RUE DE L EGLISE"),
        (-25_000, "CB GARAGE DE L ABBAYE"),
        (-16_000, "CB DR MARTENS PARIS"),
        (-1_250, "CB LABO PHOTO EXPRESS"),
    ];
    for (cents, label) in ordinary {
        assert!(!is_sensitive(&line(cents, label)), "{label}");
    }
}

/// What the words say is covered, and in which direction the money goes, tell more than the name alone.
#[test]
fn words_around_an_insurers_name_tell_what_is_paid() {
    for (cents, label, category) in [
        (
            -2_210,
            "PRLV SEPA MALAKOFF HUMANIS ASSURANCE EMPRUNTEUR",
            Category::InsuranceLoan,
        ),
        (
            -1_210,
            "PRLV SEPA MGEN VIE CAUTION PRET",
            Category::InsuranceLoan,
        ),
        (
            -10_000,
            "PRLV SEPA AG2R LA MONDIALE EPARGNE RETRAITE",
            Category::InsuranceLifeSavings,
        ),
        (
            -5_210,
            "PRLV MUTUELLE ASSURANCE DES COMMERCANTS MACIF AUTO",
            Category::InsuranceAuto,
        ),
        (
            -3_200,
            "PRLV CARDIF ASSURANCE VIE ASSU EMPRUNTEUR",
            Category::InsuranceLoan,
        ),
        (
            500_000,
            "VIR ALLIANZ VIE RACHAT PARTIEL",
            Category::InsuranceLifeSavings,
        ),
        (1_200, "VIR MAIF RISTOURNE 2024", Category::IncomeRefund),
        (
            2_200,
            "VIR DIRECT ASSURANCE TROP PERCU COTISATION",
            Category::IncomeRefund,
        ),
        (
            -61_200,
            "ECHEANCE PRET 12 CAPITAL : 500.00 INTERETS : 100.00 ASSURANCE : 12.00",
            Category::LoanUnknown,
        ),
    ] {
        let read = line(cents, label);
        assert_eq!(enrich(&read).category, category, "{label}");
        assert!(!is_sensitive(&read), "{label}");
    }
    // Without another word, a mutual is a health mutual, and so is the bare word.
    for label in [
        "PRLV MUTUELLE",
        "PRLV SEPA MALAKOFF HUMANIS",
        "PRLV MGEN SANTE PRET",
    ] {
        assert_eq!(
            enrich(&line(-4_500, label)).category,
            Category::InsuranceHealth,
            "{label}"
        );
    }
}

/// Applications that write English, and French banks that shorten their words.
#[test]
fn movements_are_told_in_other_banks_own_words() {
    for (cents, label, operation, category) in [
        (
            -2_000,
            "To Marie Dupont",
            Operation::TransferSent,
            Category::TransferPerson,
        ),
        (
            2_000,
            "Payment from Camille Martin",
            Operation::InstantReceived,
            Category::TransferPerson,
        ),
        (
            200_000,
            "Salary from ACME SAS",
            Operation::TransferReceived,
            Category::IncomeSalary,
        ),
        (
            -5_000,
            "To pocket EUR Vacances from EUR",
            Operation::TransferInternal,
            Category::TransferSavings,
        ),
        (
            -4_000,
            "Cash at LCL PARIS",
            Operation::CashWithdrawal,
            Category::CashWithdrawal,
        ),
        (
            -799,
            "Premium plan fee",
            Operation::Fees,
            Category::BankAccountFee,
        ),
        (
            20_000,
            "VRST REF ESPECES 0012",
            Operation::CashDeposit,
            Category::CashDeposit,
        ),
        (
            -400,
            "INTERETS/FRAIS AU 30 09 24",
            Operation::Fees,
            Category::BankOverdraftInterest,
        ),
        (
            -300,
            "PAIEMENT PSC 1205 PARIS FRAIS CARTE PAUL",
            Operation::Card,
            Category::FoodRestaurant,
        ),
    ] {
        let read = enrich(&line(cents, label));
        assert_eq!(
            (read.operation, read.category),
            (operation, category),
            "{label}"
        );
    }
}

/// A platform collects for every kind of association: a judo lesson is none, a gift to nobody knows whom is.
#[test]
fn what_a_platform_collects_for_is_told_by_the_words_beside_it() {
    let read = |label: &str| enrich(&line(-16_500, label)).category;
    assert_eq!(
        read("CB HELLOASSO*JUDO CLUB DE VITRE"),
        Category::LeisureSport
    );
    assert_eq!(
        read("CB HELLOASSO*CENTRE DE LOISIRS"),
        Category::FamilyActivity
    );
    for label in ["CB HELLOASSO", "CB HELLOASSO*LES AMIS DE JEANNE"] {
        assert_eq!(read(label), Category::CharityRestricted, "{label}");
        assert!(is_sensitive(&line(-16_500, label)), "{label}");
    }
    assert!(is_sensitive(&line(
        -2_000,
        "CB HELLOASSO*PAROISSE SAINT JEAN"
    )));
}

/// A card number after it does not keep a cut name from being the end of the text.
#[test]
fn a_name_cut_before_the_card_number_is_known() {
    for (label, category) in [
        (
            "FACTURE CARTE DU 050924 HIPPOPOTAM CARTE 4974XXXXXXXX3301",
            Category::FoodRestaurant,
        ),
        ("CB BRICOMARC FACT 080924", Category::HousingWorksFurniture),
        ("CARTE X4821 13/06 PUY DU F", Category::LeisureCulture),
    ] {
        assert_eq!(enrich(&line(-5_780, label)).category, category, "{label}");
    }
}

/// What applications write is the name alone: how it was paid follows from what it was.
#[test]
fn a_bare_name_is_paid_as_such_things_are() {
    for (cents, label, operation) in [
        (-1_340, "Naturalia Batignolles", Operation::Card),
        (-6_150, "ORNIKAR ASSURANCES", Operation::DirectDebit),
        (2_499, "Remboursement DECATHLON", Operation::CardRefund),
        (-1_500, "XKT", Operation::Unknown),
    ] {
        assert_eq!(enrich(&line(cents, label)).operation, operation, "{label}");
    }
}

#[test]
fn a_lessors_rent_is_no_home() {
    for label in [
        "PRLV SEPA CREDIPAR LOYER 12",
        "PRLV SEPA VOLKSWAGEN BANK LOYER",
        "PRLV SEPA BMW FINANCE LOYER LOA",
    ] {
        assert_eq!(
            enrich(&line(-32_000, label)).category,
            Category::TransportVehicleLoan,
            "{label}"
        );
    }
    let home = enrich(&line(-72_000, "PRLV SEPA FONCIA LOYER JUIN"));
    assert_eq!(home.category, Category::HousingRent);
}

#[test]
fn a_health_premium_is_told_from_care_paid_back() {
    assert_eq!(
        sensitivity_of(&line(-6_000, "PRLV SEPA MGEN")),
        Sensitivity::HealthPremium
    );
    assert_eq!(
        sensitivity_of(&line(6_000, "VIR SEPA MGEN")),
        Sensitivity::Payee
    );
}

#[test]
fn an_insurer_is_never_guessed_from_a_part_of_its_name() {
    let known = enrich(&line(-4_800, "PRLV SEPA MACIFLORE ET CIE"));
    assert_eq!((known.category, known.merchant), (Category::Unknown, None));
    assert_eq!(
        enrich(&line(-4_800, "CB CARREFOURDRIVE")).category,
        Category::FoodGroceries
    );
}

#[test]
fn a_longer_name_takes_a_shorter_sensitive_word_along() {
    for (label, expected) in [
        ("CB CLINIQUE VETERINAIRE DU LAC", Sensitivity::Ordinary),
        ("PRLV MEDECINS SANS FRONTIERES", Sensitivity::Donation),
        ("CB CLINIQUE DU LAC", Sensitivity::Payee),
    ] {
        assert_eq!(sensitivity_of(&line(-4_000, label)), expected, "{label}");
    }
}

#[test]
fn a_sensitive_word_cut_at_the_end_is_sensitive() {
    assert!(is_sensitive(&line(-1_400, "CARTE X7788 23/06 PHARMACI")));
    assert!(!is_sensitive(&line(-1_400, "CARTE X7788 23/06 PHARE")));
}

#[test]
fn a_name_that_goes_on_says_more() {
    let known = enrich(&line(-7_100, "PAIEMENT PAR CARTE E.LECLERC STATION AGEN"));
    assert_eq!(known.category, Category::TransportFuel);
}

#[test]
fn income_that_replaces_another_is_stored_without_its_cause() {
    let stored = |label: &str| storable(line(51_200, label));
    let sickness = stored("VIR CPAM RENNES INDEMNITES JOURNALIERES 0126");
    let unemployment = stored("VIR FRANCE TRAVAIL CHOMAGE 0126");
    assert_eq!(sickness.label, unemployment.label);
    for line in [&sickness, &unemployment] {
        assert_eq!(enrich(line).category, Category::IncomeReplacement);
        assert!(!line.sensitive && line.counterparty.name.is_none());
    }
    let care = stored("VIR CPAM RENNES REMBOURSEMENT SOINS");
    assert!(care.sensitive && care.label.is_empty());
    assert_eq!(enrich(&care).category, Category::Sensitive);
}

#[test]
fn one_premium_for_a_home_and_a_car_tells_neither() {
    let line_of = |label: &str| enrich(&line(-8_100, label)).category;
    assert_eq!(
        line_of("PRLV SEPA MACIF HABITATION ET VEHICULES"),
        Category::InsuranceUnknownLine
    );
    assert_eq!(
        line_of("PRLV SEPA MACIF HABITATION"),
        Category::InsuranceHome
    );
}

#[test]
fn a_correction_wins_and_is_remembered_for_the_payee() {
    let mut corrections = Corrections::default();
    let bought = line(-4_195, "CARTE X4567 FBH DISTRIBUTION");
    corrections.correct_payee(&enrich(&bought), Category::FoodGroceries);
    let again = line(-1_200, "CARTE X9999 FBH DISTRIBUTION CARTE NUMERO 641");
    let known = corrections.apply(&again, enrich(&again));
    assert_eq!(
        (known.category, known.stage),
        (Category::FoodGroceries, Stage::Correction)
    );
    let hidden = line(-1_200, "CB PHARMACIE DU CENTRE");
    corrections.correct_line(hidden.id.clone(), Category::FoodGroceries);
    assert_eq!(
        corrections.apply(&hidden, enrich(&hidden)).category,
        Category::Sensitive
    );
}

#[test]
fn a_label_of_a_megabyte_is_read() {
    // Words that begin many phrases of the dictionaries, repeated: a quadratic reader would not end.
    let long = "FRAIS VIREMENT LA BANQUE CARTE PRET ".repeat(30_000);
    assert!(enrich(&line(-100, &long)).confidence <= 100);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(
        label in "\\PC{0,300}", name in proptest::option::of("\\PC{0,60}"), code in "\\PC{0,20}", cents: i64
    ) {
        let mut given = line(cents, &label);
        given.counterparty.name = name.map(Private::new);
        given.creditor_id = Some(code.clone());
        given.bank_transaction_code = Some(code);
        let known = enrich(&given);
        prop_assert!(known.confidence <= 100);
        prop_assert_eq!(&known, &enrich(&given));
        prop_assert_eq!(is_sensitive(&given), known.stage == Stage::Sensitive);
    }

    #[test]
    fn accents_and_case_never_change_the_answer(
        words in proptest::collection::vec(
            prop_oneof![
                Just("prélèvement"), Just("carte"), Just("pâtisserie"), Just("École"), Just("loyer"),
                Just("VIR"), Just("Crédit"), Just("assurance"), Just("maïf"), Just("12/06"),
                Just("hôtel"), Just("péage"), Just("EDF"), Just("électricité"), Just("chèque")
            ],
            0..6,
        ),
        debit: bool,
    ) {
        let text = words.join(" ");
        let plain: String = text
            .chars()
            .map(|symbol| match symbol {
                'é' | 'è' => 'e', 'É' => 'E', 'â' => 'a', 'ô' => 'o', 'ï' => 'i', other => other,
            })
            .collect();
        let cents = if debit { -5_000 } else { 5_000 };
        let answer = enrich(&line(cents, &text));
        prop_assert_eq!(&answer, &enrich(&line(cents, &text.to_uppercase())));
        prop_assert_eq!(&answer, &enrich(&line(cents, &text.to_lowercase())));
        prop_assert_eq!(&answer, &enrich(&line(cents, &plain)));
    }
}
