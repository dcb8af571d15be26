//! Every page in every language, rendered into `target/gallery` to be looked at, and checked for
//! what no page may do.

use std::path::PathBuf;

use axum::body::to_bytes;
use axum::response::Response;
use futures::executor::block_on;
use jiff::SignedDuration;
use passerelle_domain::Date;
use passerelle_domain::account::{AccountKind, Balance, BalanceType};
use passerelle_domain::ids::{AccountId, TransactionId};
use passerelle_domain::money::Amount;
use passerelle_domain::purpose::{Catalogue, DataClass};
use passerelle_domain::transaction::{Counterparty, Transaction};
use passerelle_knowledge::{AccountHistory, Analysis, Category, History, analyse};
use passerelle_runtime::pages as shared;

use super::*;

const LOCALES: [Locale; 2] = [Locale::Fr, Locale::En];
const HOSTILE: &str = "<script>alert('x')</script>\"&";
const BANK: &str = "Banque d’Exemple-sur-Loire et du Grand Ouest";

fn day(month: i8, day: i8) -> Date {
    Date::constant(2026, month, day)
}

fn brand(name: &str) -> Brand {
    Brand {
        name: name.to_owned(),
        ..Brand::default()
    }
}

fn frame(locale: Locale) -> Frame {
    let way = |key, href: &str| Way {
        key,
        href: href.to_owned(),
    };
    Frame {
        locale,
        brand: brand("Mutuelle des Deux Rives"),
        proof: "0".repeat(64),
        ways: vec![
            way("ways.connections", "/self-care/connections"),
            way("ways.learned", "/self-care/learned"),
            way("ways.access", "/self-care/access-log"),
            way("ways.downloads", "/self-care/downloads"),
        ],
    }
}

fn card(bank: &str, standing: Standing) -> ConnectionCard {
    let live = matches!(
        standing,
        Standing::Reading | Standing::Active { .. } | Standing::BankAsksAgain { .. }
    );
    ConnectionCard {
        bank_name: bank.to_owned(),
        standing,
        until_when: live.then(|| UntilWhen {
            granted: day(11, 22),
            until: Date::constant(2027, 2, 20),
        }),
        purposes: match live {
            true => vec!["Préparer un devis".to_owned(), "Vous conseiller".to_owned()],
            false => Vec::new(),
        },
        detail_at: "/self-care/connections/example".to_owned(),
    }
}

fn active() -> Standing {
    Standing::Active {
        last_read: "2026-11-22T19:04:00Z".parse().unwrap(),
    }
}

fn standings() -> Vec<Standing> {
    let on = day(11, 20);
    vec![
        active(),
        Standing::Reading,
        Standing::BankAsksAgain { since: on },
        Standing::NothingToRead,
        Standing::Withdrawn {
            on,
            erasure: Erasure::Doing,
        },
        Standing::Withdrawn {
            on,
            erasure: Erasure::Done,
        },
        Standing::Expired {
            on,
            erasure: Erasure::On(day(12, 20)),
        },
        Standing::Ended {
            on,
            erasure: Erasure::Done,
        },
    ]
}

fn overview(locale: Locale, connections: Vec<ConnectionCard>) -> Overview {
    let any = !connections.is_empty();
    Overview {
        frame: frame(locale),
        connections,
        withdraw_all_at: any.then(|| "/self-care/withdraw".to_owned()),
    }
}

fn detail(locale: Locale, standing: Standing) -> Detail {
    let card = card(BANK, standing);
    let live = card.until_when.is_some();
    let catalogue = Catalogue::standard();
    let row = |code: &str| {
        let purpose = catalogue.find(&code.parse().unwrap()).unwrap();
        PurposeRow {
            code: purpose.code.clone(),
            text: purpose.text(locale).unwrap().clone(),
            reads: purpose.terms.reads.iter().copied().collect(),
            narrow_at: format!("/self-care/connections/example/purposes/{code}"),
        }
    };
    Detail {
        frame: frame(locale),
        card,
        purposes: match live {
            true => vec![row("quote"), row("advice")],
            false => Vec::new(),
        },
        lines_at: live.then(|| "/self-care/connections/example/lines".to_owned()),
        renew_at: live.then(|| "/self-care/connections/example/renew".to_owned()),
        withdraw_at: live.then(|| "/self-care/connections/example/withdraw".to_owned()),
    }
}

fn question(locale: Locale, subject: Subject) -> Question {
    Question {
        frame: frame(locale),
        subject,
        banks: vec![BANK.to_owned()],
        do_at: "/self-care/connections/example/withdraw".to_owned(),
        keep_at: "/self-care/connections/example".to_owned(),
    }
}

fn access_log(locale: Locale, any: bool) -> AccessLog {
    let row = |bank: Option<&str>, read| AccessRow {
        at: "2026-11-22T19:04:00Z".parse().unwrap(),
        read,
        purpose: "Préparer un devis".to_owned(),
        bank_name: bank.map(str::to_owned),
    };
    AccessLog {
        frame: frame(locale),
        rows: match any {
            true => vec![
                row(Some(BANK), DataClass::Accounts),
                row(None, DataClass::Scores),
            ],
            false => Vec::new(),
        },
        older_at: any.then(|| "/self-care/access-log?before=example".to_owned()),
    }
}

fn line(label: &str, category: Category, said: bool) -> LineRow {
    LineRow {
        on: day(11, 20),
        amount: Amount::eur(-4_590),
        label: label.to_owned(),
        category,
        was_said: said,
        correct_at: (!label.is_empty()).then(|| "/self-care/connections/c/lines/l".to_owned()),
    }
}

fn lines(locale: Locale, any: bool) -> Lines {
    let rows = vec![
        line(
            "PRLV SEPA MAIF COTISATION AUTO",
            Category::InsuranceAuto,
            false,
        ),
        line("CB INCONNU", Category::LeisureSport, true),
        line("", Category::Sensitive, false),
    ];
    Lines {
        frame: frame(locale),
        bank_name: BANK.to_owned(),
        rows: if any { rows } else { Vec::new() },
        older_at: any.then(|| "/self-care/connections/c/lines?from=50".to_owned()),
        back_at: "/self-care/connections/c".to_owned(),
    }
}

fn one_line(locale: Locale, said: bool) -> OneLine {
    OneLine {
        frame: frame(locale),
        row: line("CB INCONNU", Category::LeisureSport, said),
        choices: vec![Category::LeisureSport, Category::FoodGroceries],
        do_at: "/self-care/connections/c/lines/l".to_owned(),
        back_at: "/self-care/connections/c/lines".to_owned(),
    }
}

fn downloads(locale: Locale, count: usize) -> Downloads {
    Downloads {
        frame: frame(locale),
        parts: Parts { count, lines: 1284 },
        json_at: "/self-care/downloads/data.json".to_owned(),
        transactions_at: "/self-care/downloads/transactions.csv".to_owned(),
        accounts_at: "/self-care/downloads/accounts.csv".to_owned(),
        receipts_at: "/self-care/downloads/receipts.jsonl".to_owned(),
    }
}

/// A year of salary, rent and a car insurance: enough to learn something from.
fn analysis() -> Analysis {
    let start = Date::constant(2025, 11, 1);
    let mut booked = Vec::new();
    for month in 0..12_i64 {
        let first = start
            .checked_add(SignedDuration::from_hours(24 * 30 * month))
            .unwrap();
        for (place, cents, label) in [
            (0_u8, 230_000, "VIR SALAIRE ATELIERS DU PORT"),
            (1, -78_000, "PRLV SEPA LOYER AGENCE DES HALLES"),
            (2, -4_590, "PRLV SEPA MAIF COTISATION AUTO"),
        ] {
            let mut id = [place; 16];
            id[1] = u8::try_from(month).unwrap();
            booked.push(Transaction {
                id: TransactionId::from_entropy(id),
                entry_reference: None,
                booking_date: first,
                value_date: None,
                transaction_date: None,
                amount: Amount::eur(cents),
                label: label.into(),
                counterparty: Counterparty::default(),
                creditor_id: None,
                mandate_id: None,
                end_to_end_id: None,
                bank_transaction_code: None,
                balance_after: None,
                sensitive: false,
            });
        }
    }
    analyse(&History {
        as_of: Date::constant(2026, 11, 1),
        accounts: vec![AccountHistory {
            account: AccountId::from_entropy([1; 16]),
            kind: AccountKind::Payment,
            balance: Some(Balance {
                amount: Amount::eur(120_000),
                balance_type: BalanceType::ClosingBooked,
                reference_date: None,
                credit_limit_included: false,
            }),
            lines: booked,
        }],
    })
}

fn learned(locale: Locale, analysis: Option<&Analysis>) -> Learned {
    Learned {
        frame: frame(locale),
        knowledge: analysis
            .into_iter()
            .map(|analysis| Knowledge {
                computed: day(11, 22),
                banks: vec!["Banque Bac à sable".to_owned()],
                analysis: analysis.clone(),
            })
            .collect(),
    }
}

fn subjects(title: &str) -> [(&'static str, Subject); 4] {
    let title = title.to_owned();
    [
        (
            "purpose",
            Subject::Purpose {
                title: title.clone(),
            },
        ),
        ("last-purpose", Subject::LastPurpose { title }),
        ("connection", Subject::Connection),
        ("everything", Subject::Everything),
    ]
}

/// Every page, by name.
fn all(locale: Locale) -> Vec<(String, Response)> {
    let landing = Landing {
        locale,
        brand: brand("Mutuelle des Deux Rives"),
        enter_at: "/self-care/link/example".to_owned(),
    };
    let cards = || {
        let cards = standings().into_iter();
        cards.map(|standing| card(BANK, standing)).collect()
    };
    let analysis = analysis();
    let mut pages = vec![
        ("landing".to_owned(), landing.page()),
        (
            "overview".to_owned(),
            overview(locale, vec![card("Banque Bac à sable", active())]).page(),
        ),
        (
            "overview-every-standing".to_owned(),
            overview(locale, cards()).page(),
        ),
        (
            "overview-none".to_owned(),
            overview(locale, Vec::new()).page(),
        ),
        ("access-log".to_owned(), access_log(locale, true).page()),
        (
            "access-log-none".to_owned(),
            access_log(locale, false).page(),
        ),
        (
            "learned".to_owned(),
            learned(locale, Some(&analysis)).page(),
        ),
        ("learned-nothing".to_owned(), learned(locale, None).page()),
        ("lines".to_owned(), lines(locale, true).page()),
        ("lines-none".to_owned(), lines(locale, false).page()),
        ("line".to_owned(), one_line(locale, false).page()),
        ("line-said".to_owned(), one_line(locale, true).page()),
        ("downloads".to_owned(), downloads(locale, 1).page()),
        ("downloads-in-parts".to_owned(), downloads(locale, 3).page()),
    ];
    for standing in standings() {
        let name = match standing {
            Standing::Withdrawn {
                erasure: Erasure::Doing,
                ..
            } => "withdrawn-erasing".to_owned(),
            _ => standing.code().to_owned(),
        };
        pages.push((format!("detail-{name}"), detail(locale, standing).page()));
    }
    for (name, subject) in subjects("Préparer un devis") {
        pages.push((format!("question-{name}"), question(locale, subject).page()));
    }
    for one in Ending::ALL {
        let closed = matches!(one, Ending::LinkUsed | Ending::LinkExpired);
        let onward = match closed {
            true => Onward::Choices {
                go_on_at: "/self-care/connections".to_owned(),
                again_at: "/self-care/link/example/again".to_owned(),
            },
            false => Onward::Nowhere,
        };
        pages.push((
            format!("ending-{}", one.key()),
            ending(locale, one, &onward),
        ));
    }
    pages
}

fn html(response: Response) -> String {
    let body = block_on(to_bytes(response.into_body(), usize::MAX)).unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

#[test]
fn both_languages_say_the_same_things() {
    assert_eq!(MESSAGES.differences(), Vec::<String>::new());
}

/// The gallery: open `target/gallery/self-care.html`.
#[test]
fn every_page_is_rendered_in_every_language() {
    let target = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/gallery");
    std::fs::create_dir_all(target.join("assets")).unwrap();
    let mut index = String::from("<!doctype html><meta charset=\"utf-8\"><ul>");
    for locale in LOCALES {
        for (name, response) in all(locale) {
            let html = html(response);
            assert!(!html.contains('⟦'), "{name} lacks a text:\n{html}");
            assert!(html.contains(&format!("<html lang=\"{}\"", locale.tag())));
            assert_eq!(html.matches("<h1").count(), 1, "{name}");
            assert!(
                !html.contains("<script") && !html.contains(" style="),
                "{name}"
            );
            let file = format!("self-care-{name}.{}.html", locale.tag());
            let opened = html.replace(
                "href=\"/assets/passerelle.css?",
                "href=\"assets/passerelle.css?",
            );
            std::fs::write(target.join(&file), opened).unwrap();
            index.push_str(&format!("<li><a href=\"{file}\">{file}</a>"));
        }
    }
    std::fs::write(target.join("assets/passerelle.css"), shared::STYLE).unwrap();
    std::fs::write(target.join("self-care.html"), index).unwrap();
}

#[test]
fn every_form_of_a_visit_carries_its_proof_and_every_button_and_link_a_name() {
    for locale in LOCALES {
        for (name, response) in all(locale) {
            let html = html(response);
            for form in html.split("<form").skip(1) {
                let form = form.split("</form>").next().unwrap();
                let entering = form.contains("action=\"/self-care/link/");
                assert!(form.contains(" action=\"/self-care/"), "{name}: {form}");
                assert!(
                    entering || form.contains("name=\"proof\""),
                    "{name}: {form}"
                );
            }
            for named in html.split("<button").chain(html.split("<a ")).skip(1) {
                let label = named.split_once('>').map(|(_, rest)| rest).unwrap_or("x");
                assert!(!label.trim_start().starts_with("</"), "{name}: {named}");
            }
            // What is not hidden stands in its own label.
            let inputs = html.matches("<input").count();
            let hidden = html.matches("<input type=\"hidden\"").count();
            let labelled = html.matches("<label><input type=\"radio\"").count();
            assert_eq!(hidden + labelled, inputs, "{name}");
        }
    }
}

#[test]
fn names_from_outside_are_text_wherever_they_stand() {
    let mut first = overview(Locale::En, vec![card(HOSTILE, active())]);
    first.frame.brand = brand(HOSTILE);
    first.connections[0].purposes = vec![HOSTILE.to_owned()];
    let mut second = detail(Locale::En, active());
    second.card.bank_name = HOSTILE.to_owned();
    second.purposes[0].text.explanation = HOSTILE.to_owned();
    second.frame.brand = brand(HOSTILE);
    let mut third = question(Locale::En, subjects(HOSTILE)[0].1.clone());
    third.banks = vec![HOSTILE.to_owned()];
    let mut analysis = analysis();
    assert!(
        !analysis.contracts.is_empty(),
        "the example learns something"
    );
    analysis.contracts[0].insurer = Some(HOSTILE.to_owned());
    let landing = Landing {
        locale: Locale::En,
        brand: brand(HOSTILE),
        enter_at: format!("/self-care/link/{HOSTILE}"),
    };
    for page in [
        first.page(),
        second.page(),
        third.page(),
        learned(Locale::En, Some(&analysis)).page(),
        landing.page(),
    ] {
        let html = html(page);
        assert!(html.contains("alert("), "{html}");
        assert!(
            !html.contains("<script") && !html.contains("</script"),
            "{html}"
        );
        assert!(!html.contains("'x'"), "{html}");
    }
}
