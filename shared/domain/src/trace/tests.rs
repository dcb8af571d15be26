use jiff::SignedDuration;

use super::*;
use crate::consent::{Agreement, ConsentEvent, DEFAULT_DURATION, Provider, RequestedPurpose};
use crate::content_hash::ContentHash;
use crate::ids::ConsentId;
use crate::locale::Locale;
use crate::purpose::PurposeTerms;

fn day(days: i64) -> Timestamp {
    let passed = SignedDuration::from_hours(24 * days);
    Timestamp::UNIX_EPOCH.checked_add(passed).unwrap()
}

fn codes(texts: &[&str]) -> BTreeSet<PurposeCode> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn received() -> Consent {
    let asked = |text: &str| RequestedPurpose {
        code: text.parse().unwrap(),
        required: false,
        terms: PurposeTerms::default(),
        text: ContentHash::of(text.as_bytes()),
    };
    Consent {
        id: ConsentId::from_entropy([1; 16]),
        client: "cli_demo".parse().unwrap(),
        customer: "customer-1".parse().unwrap(),
        requested: vec![asked("quote"), asked("advice"), asked("claims")],
        duration: DEFAULT_DURATION,
        locale: Locale::En,
        brand: None,
        provider: Provider {
            name: "Example Access".to_owned(),
            registration: "12345".to_owned(),
        },
        journey_text: ContentHash::of(b"words"),
        return_url: None,
        created_at: day(0),
        state: ConsentState::Received {
            link_expires_at: day(1),
            institution: None,
        },
        version: 1,
    }
}

/// Applies an event and tells what it left behind.
fn step(consent: &mut Consent, event: ConsentEvent, actor: Actor, now: Timestamp) -> Trace {
    let after = consent.apply(event, now).unwrap();
    let trace = Trace::of(consent, &after, actor, now);
    *consent = after;
    trace
}

fn kinds(trace: &Trace) -> Vec<&'static str> {
    trace.events.iter().map(|event| event.kind.code()).collect()
}

fn authorised(agreed: Agreement, bank_days: i64) -> ConsentEvent {
    ConsentEvent::BankAuthorised {
        institution: "sandbox-bank".parse().unwrap(),
        connection: ConnectionId::from_entropy([2; 16]),
        agreed,
        bank_valid_until: day(bank_days),
    }
}

fn granted() -> (Consent, Trace) {
    let mut consent = received();
    let bank = "sandbox-bank".parse().unwrap();
    let agreed = consent.agree(&codes(&["quote", "advice"]), day(0)).unwrap();
    let chosen = ConsentEvent::InstitutionChosen(bank);
    let trace = step(&mut consent, chosen, Actor::Psu, day(0));
    assert_eq!(trace, Trace::default(), "a choice is nothing to tell");
    let event = authorised(agreed, 180);
    let trace = step(&mut consent, event, Actor::Psu, day(0));
    (consent, trace)
}

#[test]
fn a_grant_leaves_a_receipt_of_the_texts_that_were_granted_and_of_no_others() {
    let (_, trace) = granted();
    assert_eq!(kinds(&trace), ["consent.granted"]);
    let Some(Act::Granted(terms)) = trace.receipt.map(|entry| entry.act) else {
        panic!("no receipt of the grant");
    };
    let texts: Vec<_> = terms.purposes.into_iter().map(|asked| asked.text).collect();
    assert_eq!(
        texts,
        [ContentHash::of(b"quote"), ContentHash::of(b"advice")]
    );
    assert_eq!(terms.valid_until, day(90));
}

#[test]
fn a_warning_is_told_and_needs_no_receipt() {
    let (mut consent, _) = granted();
    let trace = step(&mut consent, ConsentEvent::Ticked, Actor::Time, day(60));
    assert_eq!(kinds(&trace), ["consent.expiring"]);
    assert_eq!(trace.receipt, None);
}

#[test]
fn narrowing_and_every_end_leave_a_receipt_and_one_event_that_says_who() {
    let (valid, _) = granted();
    let narrowed = ConsentEvent::Narrowed("quote".parse().unwrap());
    let cases = [
        (narrowed, Actor::Psu, 1, "consent.narrowed"),
        (ConsentEvent::Withdrawn, Actor::Psu, 1, "consent.withdrawn"),
        (
            ConsentEvent::Terminated,
            Actor::Client,
            1,
            "consent.withdrawn",
        ),
        (ConsentEvent::Ticked, Actor::Time, 90, "consent.expired"),
    ];
    for (event, actor, at, kind) in cases {
        let trace = step(&mut valid.clone(), event, actor, day(at));
        assert_eq!(kinds(&trace), [kind]);
        let entry = trace.receipt.unwrap();
        assert_eq!(entry.actor, actor, "{kind}");
        assert_eq!(entry.institution.as_str(), "sandbox-bank");
        let about = &trace.events[0].about;
        assert_eq!(about.connection.as_ref(), Some(&entry.connection), "{kind}");
    }
}

#[test]
fn a_consent_nobody_gave_ends_without_a_receipt() {
    let cases = [
        (ConsentEvent::Declined, 0, "consent.declined"),
        (ConsentEvent::Ticked, 1, "consent.declined"),
        (ConsentEvent::Terminated, 0, "consent.withdrawn"),
    ];
    for (event, at, kind) in cases {
        let trace = step(&mut received(), event, Actor::Client, day(at));
        assert_eq!(kinds(&trace), [kind]);
        assert_eq!(trace.receipt, None);
    }
}

#[test]
fn a_renewal_leaves_a_receipt_with_the_new_end() {
    let (mut consent, _) = granted();
    let opened = ConsentEvent::RenewalOpened {
        link_expires_at: day(81),
    };
    let trace = step(&mut consent, opened, Actor::Psu, day(80));
    assert_eq!(trace, Trace::default(), "asking is no grant");
    let agreed = consent.agree(&codes(&["advice"]), day(80)).unwrap();
    let authorised = authorised(agreed, 260);
    let trace = step(&mut consent, authorised, Actor::Psu, day(80));
    assert_eq!(kinds(&trace), ["consent.renewed"]);
    let Some(Act::Renewed(terms)) = trace.receipt.map(|entry| entry.act) else {
        panic!("no receipt of the renewal");
    };
    assert_eq!(terms.valid_until, day(170));
    assert_eq!(terms.purposes.len(), 1);
}
