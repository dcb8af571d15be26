//! Every page in every language, rendered into `target/gallery` to be looked at, and checked for
//! what no page may do.

use std::path::PathBuf;

use axum::body::to_bytes;
use axum::response::Response;
use futures::executor::block_on;
use passerelle_domain::Date;
use passerelle_domain::connection::NoAccountReason;
use passerelle_domain::locale::Locale;
use passerelle_domain::purpose::{Catalogue, PurposeText};
use passerelle_runtime::pages::{self, Brand, NextLook};

use super::*;

const LOCALES: [Locale; 2] = [Locale::Fr, Locale::En];
const HOSTILE: &str = "<script>alert('x')</script>\"&";

fn brand() -> Brand {
    Brand {
        name: "Mutuelle des Deux Rives".to_owned(),
        terms: Some("https://assureur.example/conditions".to_owned()),
        privacy: Some("https://assureur.example/confidentialite".to_owned()),
        ..Brand::default()
    }
}

fn until() -> Date {
    Date::constant(2027, 2, 20)
}

fn reassurance(locale: Locale) -> Reassurance {
    let purposes = match locale {
        Locale::Fr => ["Établir un devis", "Vous conseiller"],
        Locale::En => ["Prepare a quote", "Advise you"],
    };
    Reassurance {
        locale,
        brand: brand(),
        aisp: Aisp {
            name: "Passerelle Services SAS".to_owned(),
            registration: "ACPR 00000".to_owned(),
        },
        purposes: purposes.map(str::to_owned).to_vec(),
        days: 90,
        until: until(),
        continue_to: "/journey/example/continue".to_owned(),
        decline_to: "/journey/example/decline".to_owned(),
    }
}

fn bank_choice(locale: Locale, query: &str, found: &[(&str, &str, bool)]) -> BankChoice {
    let row = |(id, name, reachable): &(&str, &str, bool)| BankRow {
        id: id.parse().unwrap(),
        name: (*name).to_owned(),
        group: reachable.then(|| "Groupe Exemple".to_owned()),
        today: match reachable {
            true => Today::Open,
            false => Today::NotYet,
        },
        last_time: *id == "sandbox-bank",
    };
    BankChoice {
        locale,
        brand: brand(),
        query: query.to_owned(),
        search_at: "/journey/example/banks".to_owned(),
        choose_at: "/journey/example/bank".to_owned(),
        banks: found.iter().map(row).collect(),
        found: found.len(),
        before: None,
        after: (found.len() > 2).then(|| "/journey/example/bank?page=2".to_owned()),
        back_to: "/journey/example".to_owned(),
    }
}

fn purposes(locale: Locale, error: Option<PurposesError>) -> Purposes {
    let text = |title: &str, explanation: &str, if_refused: &str| PurposeText {
        title: title.to_owned(),
        explanation: explanation.to_owned(),
        learned: "Ce que vos paiements montrent.".to_owned(),
        if_refused: if_refused.to_owned(),
    };
    let (quote, advice) = match locale {
        Locale::Fr => (
            text(
                "Établir un devis",
                "Vos revenus réguliers et vos charges fixes servent à proposer un tarif que vous pouvez tenir.",
                "votre devis sera établi à partir de justificatifs que vous enverrez vous-même.",
            ),
            text(
                "Vous conseiller",
                "Vos contrats d’assurance en cours sont repérés dans vos prélèvements pour voir ce qui fait double emploi.",
                "vous ne recevrez pas de conseil personnalisé. Le devis reste possible.",
            ),
        ),
        Locale::En => (
            text(
                "Prepare a quote",
                "Your regular income and fixed costs are used to offer a price you can keep up.",
                "your quote is prepared from documents you send yourself.",
            ),
            text(
                "Advise you",
                "Your present insurance contracts are found among your direct debits, to see what overlaps.",
                "you get no personal advice. A quote remains possible.",
            ),
        ),
    };
    let switch = |code: &str, text, required| PurposeSwitch {
        code: code.parse().unwrap(),
        text,
        terms: Catalogue::standard()
            .find(&code.parse().unwrap())
            .unwrap()
            .terms
            .clone(),
        required,
        on: false,
    };
    Purposes {
        locale,
        brand: brand(),
        bank: "sandbox-bank".parse().unwrap(),
        bank_name: "Banque Bac à sable".to_owned(),
        purposes: vec![
            switch("quote", quote, true),
            switch("advice", advice, false),
        ],
        until: until(),
        error,
        agree_at: "/journey/example/purposes".to_owned(),
        decline_to: "/journey/example/decline".to_owned(),
    }
}

fn at_bank(locale: Locale) -> AtBank {
    AtBank {
        locale,
        brand: brand(),
        bank_name: "Banque Bac à sable".to_owned(),
        purposes: vec!["Vous conseiller".to_owned()],
        way: Way::ThePage {
            host: "https://banque.example".to_owned(),
        },
        href: "https://banque.example/authorize?state=example".to_owned(),
        ask_again_at: "/journey/example/leave".to_owned(),
        elsewhere_at: "/journey/example/elsewhere".to_owned(),
        other_bank: "/journey/example/banks".to_owned(),
        progress: "/journey/example/progress".to_owned(),
    }
}

fn progress(locale: Locale, takes_long: bool) -> Progress {
    Progress {
        locale,
        brand: brand(),
        bank_name: "Banque Bac à sable".to_owned(),
        steps: Steps {
            connected: StepState::Done,
            accounts: StepState::Done,
            transactions: StepState::Doing,
            analysed: StepState::Waiting,
        },
        at_bank: false,
        takes_long,
        next_look: (!takes_long).then(|| NextLook::after(0, "/journey/example/progress")),
        refreshing_at: "/journey/example/progress".to_owned(),
        still_at: "/journey/example/progress?still".to_owned(),
        elsewhere_at: Some("/journey/example/elsewhere".to_owned()),
        carry_on: None,
        free_in: None,
    }
}

/// The waiting page when the bank may have decided by now.
fn to_be_carried_on(locale: Locale) -> Progress {
    let action = "/v1/callback/sandbox-bank/resume".to_owned();
    Progress {
        carry_on: Some((action, "example".into())),
        free_in: None,
        ..at_bank_elsewhere(locale)
    }
}

/// The waiting page on a device that did not leave for the bank.
fn at_bank_elsewhere(locale: Locale) -> Progress {
    use StepState::{Doing, Waiting};
    Progress {
        steps: Steps {
            connected: Doing,
            accounts: Waiting,
            transactions: Waiting,
            analysed: Waiting,
        },
        at_bank: true,
        elsewhere_at: None,
        free_in: Some(12),
        ..progress(locale, false)
    }
}

fn elsewhere(locale: Locale) -> Elsewhere {
    Elsewhere {
        locale,
        brand: brand(),
        link: "https://passerelle.example/journey/to/7K3QX-9ABCD".into(),
        again_at: "/journey/example/elsewhere".to_owned(),
        progress: "/journey/example/progress".to_owned(),
    }
}

fn take_over(locale: Locale) -> TakeOver {
    TakeOver {
        locale,
        brand: brand(),
        take_at: "/journey/to/7K3QX-9ABCD".to_owned(),
    }
}

fn confirm(locale: Locale, was_wrong: bool) -> Confirm {
    Confirm {
        locale,
        brand: brand(),
        bank_name: "Banque Bac à sable".to_owned(),
        journey: "example".into(),
        confirm_at: "/v1/callback/sandbox-bank/confirm".to_owned(),
        refuse_at: "/v1/callback/sandbox-bank/not-me".to_owned(),
        was_wrong,
    }
}

fn endings(locale: Locale) -> Vec<(&'static str, EndingPage)> {
    let band = match locale {
        Locale::Fr => "Situation solide",
        Locale::En => "Solid situation",
    };
    let done = |result, transactions| Ending::Done {
        accounts: 2,
        transactions,
        result,
        until: until(),
    };
    let band = AnalysisResult::Band(band.to_owned());
    let reason = Ending::NoEligibleAccount;
    [
        ("done", done(band, 1284), false),
        (
            "done-without-score",
            done(AnalysisResult::TooShort, 1),
            false,
        ),
        (
            "done-no-score-asked",
            done(AnalysisResult::NotAsked, 1284),
            false,
        ),
        ("refused", Ending::Refused, true),
        ("timed-out", Ending::TimedOut, true),
        ("bank-unavailable", Ending::BankUnavailable, true),
        ("no-account", reason(NoAccountReason::NoAccount), false),
        (
            "currency",
            reason(NoAccountReason::CurrencyNotSupported),
            false,
        ),
        (
            "no-payment-account",
            reason(NoAccountReason::NoPaymentAccount),
            false,
        ),
        ("link-expired", Ending::LinkExpired, false),
        ("already-done", Ending::AlreadyDone, false),
        ("interrupted", Ending::Interrupted, true),
        ("not-confirmed", Ending::NotConfirmed, true),
        ("bank-asks-again", Ending::BankAsksAgain, false),
        ("consent-expired", Ending::ConsentExpired, false),
        ("withdrawn", Ending::Withdrawn, false),
        ("ended", Ending::Ended, false),
    ]
    .map(|(name, ending, again)| {
        let page = EndingPage {
            locale,
            brand: brand(),
            bank_name: Some("Banque Bac à sable".to_owned()),
            ending,
            again_at: again.then(|| "/journey/example/banks".to_owned()),
            return_to: Some("https://assureur.example/retour".to_owned()),
        };
        (name, page)
    })
    .into()
}

/// Every page, by name.
fn all(locale: Locale) -> Vec<(String, Response)> {
    let banks = [
        ("sandbox-bank", "Banque Bac à sable", true),
        (
            "example-bank",
            "Banque d’Exemple-sur-Loire et du Grand Ouest",
            true,
        ),
        ("bnp-paribas", "BNP Paribas", false),
    ];
    let mut pages = vec![
        ("1-reassurance", reassurance(locale).page()),
        ("2-bank-choice", bank_choice(locale, "", &banks).page()),
        (
            "2-bank-choice-found",
            bank_choice(locale, "bac", &banks[..1]).page(),
        ),
        ("2-bank-choice-none", bank_choice(locale, "zzz", &[]).page()),
        ("3-purposes", purposes(locale, None).page()),
        (
            "3-purposes-required-missing",
            purposes(locale, Some(PurposesError::RequiredMissing)).page(),
        ),
        (
            "3-purposes-nothing-chosen",
            purposes(locale, Some(PurposesError::NothingChosen)).page(),
        ),
        ("4-at-bank", at_bank(locale).page()),
        ("5-confirm", confirm(locale, false).page()),
        ("5-confirm-wrong", confirm(locale, true).page()),
        ("6-progress", progress(locale, false).page()),
        ("6-progress-long", progress(locale, true).page()),
        ("6-progress-at-bank", at_bank_elsewhere(locale).page()),
        ("6-progress-carry-on", to_be_carried_on(locale).page()),
        ("6-elsewhere", elsewhere(locale).page()),
        ("6-take-over", take_over(locale).page()),
        ("6-take-over-too-late", handover_is_over(locale)),
        (
            "8-notice",
            pages::notice(locale, "Notice", "One.\nTwo.", Some(("Go", "/go"))),
        ),
    ]
    .into_iter()
    .map(|(name, page)| (name.to_owned(), page))
    .collect::<Vec<_>>();
    pages.extend(
        endings(locale)
            .into_iter()
            .map(|(name, ending)| (format!("7-ending-{name}"), ending.page())),
    );
    pages
}

fn html(response: Response) -> String {
    assert_eq!(response.status(), 200);
    let body = block_on(to_bytes(response.into_body(), usize::MAX)).unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

#[test]
fn both_languages_say_the_same_things() {
    assert_eq!(MESSAGES.differences(), Vec::<String>::new());
}

/// The gallery: open `target/gallery/index.html`.
#[test]
fn every_page_is_rendered_in_every_language() {
    let target = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/gallery");
    std::fs::create_dir_all(target.join("assets")).unwrap();
    let mut index = String::from("<!doctype html><meta charset=\"utf-8\"><ul>");
    for locale in LOCALES {
        for (name, response) in all(locale) {
            let html = html(response);
            assert!(!html.contains('⟦'), "{name} lacks a text:\n{html}");
            assert!(html.contains(&format!("<html lang=\"{}\">", locale.tag())));
            assert_eq!(html.matches("<h1>").count(), 1, "{name}");
            assert!(
                !html.contains("<script") && !html.contains(" style="),
                "{name}"
            );
            let file = format!("{name}.{}.html", locale.tag());
            let opened = html.replace(
                "href=\"/assets/passerelle.css?",
                "href=\"assets/passerelle.css?",
            );
            std::fs::write(target.join(&file), opened).unwrap();
            index.push_str(&format!("<li><a href=\"{file}\">{file}</a>"));
        }
    }
    std::fs::write(target.join("assets/passerelle.css"), pages::STYLE).unwrap();
    std::fs::write(target.join("index.html"), index).unwrap();
}

#[test]
fn every_control_has_a_name_and_every_form_an_address() {
    for locale in LOCALES {
        for (name, response) in all(locale) {
            let html = html(response);
            let forms = html.matches("<form").count();
            assert_eq!(html.matches(" action=\"/").count(), forms, "{name}");
            for button in html.split("<button").skip(1) {
                let label = button.split_once('>').unwrap().1;
                assert!(!label.starts_with("</button>"), "{name}");
            }
            for input in html.split("<input").skip(1) {
                let labelled = input.contains("type=\"hidden\"")
                    || html.contains("<label><input")
                    || html.split("<label for=\"").skip(1).any(|label| {
                        let id = label.split('"').next().unwrap();
                        input.contains(&format!("id=\"{id}\""))
                    });
                assert!(labelled, "{name}");
            }
        }
    }
}

#[test]
fn no_purpose_is_ticked_before_the_person_ticks_it() {
    let page = html(purposes(Locale::Fr, None).page());
    assert_eq!(page.matches("type=\"checkbox\"").count(), 2);
    assert!(!page.contains(" checked"));
    let mut again = purposes(Locale::Fr, Some(PurposesError::RequiredMissing));
    again.purposes[1].on = true;
    let page = html(again.page());
    assert_eq!(page.matches(" checked").count(), 1);
    assert!(page.contains("role=\"alert\""));
}

#[test]
fn names_from_outside_are_text_wherever_they_stand() {
    let mut pages = vec![];
    let mut first = reassurance(Locale::En);
    first.brand.name = HOSTILE.to_owned();
    first.aisp.registration = HOSTILE.to_owned();
    first.purposes = vec![HOSTILE.to_owned()];
    pages.push(first.page());
    let mut choice = bank_choice(Locale::En, HOSTILE, &[("x", HOSTILE, true)]);
    choice.search_at = format!("/{HOSTILE}");
    pages.push(choice.page());
    let mut question = purposes(Locale::En, None);
    question.bank_name = HOSTILE.to_owned();
    question.purposes[0].text.explanation = HOSTILE.to_owned();
    pages.push(question.page());
    let mut leave = at_bank(Locale::En);
    leave.href = format!("https://banque.example/?{HOSTILE}");
    leave.way = Way::AnotherDevice {
        message: Some(HOSTILE.into()),
    };
    pages.push(leave.page());
    let mut ending = endings(Locale::En).remove(0).1;
    ending.return_to = Some(format!("https://assureur.example/?{HOSTILE}"));
    ending.bank_name = Some(HOSTILE.to_owned());
    pages.push(ending.page());
    for page in pages {
        let html = html(page);
        assert!(!html.contains("<script"), "{html}");
        assert!(!html.contains("</script"), "{html}");
        assert!(!html.contains("'x'"), "{html}");
    }
}

#[test]
fn a_page_that_waits_looks_soon_then_seldom_and_can_be_stopped_at_every_look() {
    let here = "/journey/example/progress";
    let mut stood = Vec::new();
    for look in [0, 1, 2, 3, 4, 5, u8::MAX] {
        let mut waiting = progress(Locale::En, false);
        waiting.next_look = Some(NextLook::after(look, here));
        let page = waiting.page();
        let refresh = page.headers().get("refresh").unwrap().to_str().unwrap();
        let (seconds, to) = refresh.split_once("; url=").unwrap();
        let next = look.saturating_add(1);
        assert_eq!(to, format!("{here}?look={next}"));
        stood.push(seconds.parse::<u8>().unwrap());
        let said = format!("in {seconds} seconds");
        let html = html(page);
        assert!(html.contains("?still") && html.contains(&said), "{html}");
    }
    assert!(stood[0] <= 3, "most waits are short: {stood:?}");
    assert!(stood.is_sorted(), "{stood:?}");
    assert!(
        stood[4..].iter().all(|it| *it >= 20),
        "WCAG 2.2.1: {stood:?}"
    );
    let still = progress(Locale::En, true).page();
    assert!(!still.headers().contains_key("refresh"));
}

#[test]
fn the_example_shows_what_the_terms_allow_and_says_what_they_do_not() {
    let page = html(purposes(Locale::En, None).page());
    let (quote, advice) = page.split_once("value=\"advice\"").unwrap();
    assert!(quote.contains("Not: single movements") && !quote.contains("Each movement"));
    assert!(advice.contains("Each movement") && !advice.contains("Not: single movements"));
    assert!(!quote.contains("a move in June") && advice.contains("a move in June"));
}

#[test]
fn the_banks_address_is_a_link_and_never_a_form() {
    let page = html(at_bank(Locale::Fr).page());
    assert!(page.contains("<a class=\"button\" href=\"https://banque.example/authorize"));
    let forms = page.split("<form").skip(1);
    assert!(forms.clone().all(|form| !form.contains("banque.example")));
    assert_eq!(forms.count(), 2, "a fresh link, another device");
    assert!(!format!("{:?}", at_bank(Locale::Fr)).contains("state="));
}
