use super::*;
use std::collections::BTreeMap;

use proptest::prelude::*;

fn code(text: &str) -> PurposeCode {
    text.parse().unwrap()
}

fn asked(text: &str, required: bool, retention_days: u16) -> RequestedPurpose {
    RequestedPurpose {
        code: code(text),
        required,
        terms: PurposeTerms {
            reads: BTreeSet::from([DataClass::Accounts]),
            retention_days,
            ..PurposeTerms::default()
        },
        text: ContentHash::of(text.as_bytes()),
    }
}

fn received() -> Consent {
    Consent {
        id: ConsentId::from_entropy([1; 16]),
        client: "cli_demo".parse().unwrap(),
        customer: "customer-1".parse().unwrap(),
        requested: vec![asked("quote", true, 0), asked("advice", false, 10)],
        duration: DEFAULT_DURATION,
        locale: Locale::Fr,
        brand: None,
        provider: Provider {
            name: "Example Access".to_owned(),
            registration: "12345".to_owned(),
        },
        journey_text: ContentHash::of(b"words"),
        return_url: None,
        created_at: Timestamp::UNIX_EPOCH,
        state: ConsentState::Received {
            link_expires_at: at(24),
            institution: None,
        },
        version: 1,
    }
}

fn at(hours: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH
        .checked_add(SignedDuration::from_hours(hours))
        .unwrap()
}

fn day(days: i64) -> Timestamp {
    at(days * 24)
}

fn connection() -> ConnectionId {
    ConnectionId::from_entropy([2; 16])
}

fn both() -> BTreeSet<PurposeCode> {
    BTreeSet::from([code("quote"), code("advice")])
}

fn bank() -> InstitutionId {
    "sandbox".parse().unwrap()
}

fn authorised(agreed: Agreement, bank_days: i64) -> ConsentEvent {
    ConsentEvent::BankAuthorised {
        institution: bank(),
        connection: connection(),
        agreed,
        bank_valid_until: day(bank_days),
    }
}

fn granted_until(bank_days: i64) -> Consent {
    let open = received();
    let agreed = open.agree(&both(), at(0)).unwrap();
    open.apply(ConsentEvent::InstitutionChosen(bank()), at(0))
        .and_then(|consent| consent.apply(authorised(agreed, bank_days), at(0)))
        .unwrap()
}

fn valid() -> Consent {
    granted_until(180)
}

fn renewing(from: &Consent, days: i64) -> Consent {
    let opened = ConsentEvent::RenewalOpened {
        link_expires_at: day(days + 1),
    };
    from.apply(opened, day(days)).unwrap()
}

fn end_of(consent: &Consent) -> Timestamp {
    match &consent.state {
        ConsentState::Valid { valid_until, .. } => *valid_until,
        other => panic!("{other:?}"),
    }
}

#[test]
fn our_consent_never_outlasts_the_banks() {
    let consent = granted_until(30);
    assert!(consent.allows(&code("quote"), at(29 * 24 - 1)));
    assert!(!consent.allows(&code("quote"), day(29)));
}

#[test]
fn a_refused_required_purpose_is_a_refusal_not_a_grant() {
    let only_optional = BTreeSet::from([code("advice")]);
    assert_eq!(
        received().agree(&only_optional, at(1)),
        Err(ConsentRefusal::RequiredPurposeMissing)
    );
    let agreed = received().agree(&both(), at(0)).unwrap();
    let without_required = Agreement {
        purposes: BTreeMap::from([(code("advice"), agreed.purposes[&code("advice")].clone())]),
        ..agreed
    };
    assert_eq!(
        received().apply(authorised(without_required, 180), at(1)),
        Err(ConsentRefusal::RequiredPurposeMissing)
    );
}

#[test]
fn an_expired_link_takes_no_more_choices_and_ends_at_the_next_tick() {
    let choice = ConsentEvent::InstitutionChosen(bank());
    assert_eq!(
        received().apply(choice, at(24)),
        Err(ConsentRefusal::LinkExpired)
    );
    assert_eq!(
        received().agree(&both(), at(24)),
        Err(ConsentRefusal::LinkExpired)
    );
    let ended = received().apply(ConsentEvent::Ticked, at(24)).unwrap();
    assert_eq!(ended.state.code(), "rejected");
    assert_eq!(ended.next_due(), None);
}

#[test]
fn narrowing_the_last_purpose_withdraws_the_consent() {
    let narrowed = valid()
        .apply(ConsentEvent::Narrowed(code("advice")), at(3))
        .unwrap();
    assert!(!narrowed.allows(&code("advice"), at(3)));
    assert!(narrowed.allows(&code("quote"), at(3)));
    assert_eq!(narrowed.next_due(), Some(at(3)), "its data is to be erased");
    let ended = narrowed
        .apply(ConsentEvent::Narrowed(code("quote")), at(4))
        .unwrap();
    assert_eq!(ended.state.code(), "revokedByPsu");
}

#[test]
fn warnings_come_at_30_7_and_1_days_then_the_end_each_once() {
    let mut consent = valid();
    for (days_left, when) in [(30, day(60)), (7, day(83)), (1, day(89))] {
        assert_eq!(consent.next_due(), Some(when));
        let early = when.checked_sub(SignedDuration::from_secs(1)).unwrap();
        assert!(consent.apply(ConsentEvent::Ticked, early).is_err());
        consent = consent.apply(ConsentEvent::Ticked, when).unwrap();
        let ConsentState::Valid { warned, .. } = &consent.state else {
            panic!("{consent:?}")
        };
        assert_eq!(*warned, Some(days_left));
        assert!(consent.apply(ConsentEvent::Ticked, when).is_err(), "once");
    }
    assert_eq!(consent.next_due(), Some(day(90)));
    let ended = consent.apply(ConsentEvent::Ticked, day(90)).unwrap();
    assert_eq!(ended.state.code(), "expired");
    assert_eq!(
        ended.next_due(),
        Some(day(100)),
        "`advice` is kept for ten days"
    );
}

#[test]
fn a_warning_that_was_missed_gives_way_to_the_more_urgent_one() {
    let late = valid().apply(ConsentEvent::Ticked, day(84)).unwrap();
    let ConsentState::Valid { warned, .. } = &late.state else {
        panic!("{late:?}")
    };
    assert_eq!(*warned, Some(7));
    assert_eq!(late.next_due(), Some(day(89)));
}

#[test]
fn a_short_consent_does_not_begin_with_a_warning() {
    assert_eq!(
        granted_until(11).next_due(),
        Some(day(3)),
        "seven days before"
    );
    let one_day = granted_until(2);
    assert_eq!(one_day.next_due(), Some(day(1)), "its end");
}

#[test]
fn a_renewal_moves_both_ends_and_keeps_id_connection_and_purposes() {
    let open = renewing(&valid(), 80);
    let agreed = open.agree(&both(), day(80)).unwrap();
    let renewed = open.apply(authorised(agreed, 260), day(80)).unwrap();
    assert_eq!(end_of(&renewed), day(170));
    assert!(renewed.allows(&code("advice"), day(169)));
    assert_eq!(renewed.next_due(), Some(day(140)), "warned anew");
    assert_eq!(renewed.question(day(80)), None, "nothing is asked any more");
    let again = renewing(&renewed, 81);
    assert_eq!(again.link_number(), 2, "each renewal has a link of its own");
}

#[test]
fn an_abandoned_or_declined_renewal_changes_nothing_a_read_can_see() {
    let open = renewing(&valid(), 80);
    let declined = open.apply(ConsentEvent::Declined, day(80)).unwrap();
    for consent in [&open, &declined] {
        assert_eq!(end_of(consent), day(90));
        assert!(consent.allows(&code("advice"), day(89)));
        assert!(!consent.allows(&code("advice"), day(90)));
    }
    assert!(open.question(day(82)).is_none(), "the link is over");
}

#[test]
fn a_new_authentication_without_an_open_question_changes_nothing() {
    let open = renewing(&valid(), 80);
    let agreed = open.agree(&both(), day(80)).unwrap();
    let late = authorised(agreed.clone(), 260);
    let first = valid();
    let declined = open.apply(ConsentEvent::Declined, day(80)).unwrap();
    let renewed = open.apply(late.clone(), day(80)).unwrap();
    let asked_again = renewing(&renewed, 81);
    for consent in [first, declined, renewed, asked_again] {
        assert_eq!(
            consent.apply(late.clone(), day(81)),
            Err(ConsentRefusal::OutOfOrder),
            "{:?}",
            consent.state
        );
    }
}

#[test]
fn what_the_person_did_not_tick_is_never_granted() {
    let only_quote = received()
        .agree(&BTreeSet::from([code("quote")]), at(0))
        .unwrap();
    let granted = received()
        .apply(authorised(only_quote, 180), at(1))
        .unwrap();
    assert!(granted.allows(&code("quote"), at(2)));
    assert!(!granted.allows(&code("advice"), at(2)));
}

#[test]
fn an_agreement_to_other_words_than_are_asked_grants_nothing() {
    let mut agreed = received().agree(&both(), at(0)).unwrap();
    for text in agreed.purposes.values_mut() {
        *text = ContentHash::of(b"other words");
    }
    assert!(received().apply(authorised(agreed, 180), at(1)).is_err());
}

#[test]
fn what_is_taken_back_while_the_person_is_at_the_bank_is_not_renewed() {
    let open = renewing(&valid(), 80);
    let agreed = open.agree(&both(), day(80)).unwrap();
    let narrowed = open
        .apply(ConsentEvent::Narrowed(code("advice")), day(80))
        .unwrap();
    let renewed = narrowed.apply(authorised(agreed, 260), day(80)).unwrap();
    assert!(renewed.allows(&code("quote"), day(169)));
    assert!(!renewed.allows(&code("advice"), day(81)));
}

#[test]
fn a_renewal_does_not_ask_again_for_what_was_taken_back() {
    let narrowed = valid()
        .apply(ConsentEvent::Narrowed(code("advice")), day(5))
        .unwrap();
    let open = renewing(&narrowed, 80);
    let question = open.question(day(80)).unwrap();
    assert_eq!(question.purposes.len(), 1);
    assert_eq!(
        open.agree(&both(), day(80)),
        Err(ConsentRefusal::PurposeNotRequested)
    );
}

#[test]
fn another_connection_or_another_bank_is_not_taken_for_a_renewal() {
    let open = renewing(&valid(), 80);
    let agreed = open.agree(&both(), day(80)).unwrap();
    let others = [
        (bank(), ConnectionId::from_entropy([9; 16])),
        ("another-bank".parse().unwrap(), connection()),
    ];
    for (institution, connection) in others {
        let event = ConsentEvent::BankAuthorised {
            institution,
            connection,
            agreed: agreed.clone(),
            bank_valid_until: day(260),
        };
        assert_eq!(open.apply(event, day(80)), Err(ConsentRefusal::OutOfOrder));
    }
}

/// An agreement somebody may come back with: to any purposes, in any words, for any question.
fn any_agreement() -> impl Strategy<Value = Agreement> {
    let word = prop_oneof![
        5 => Just(None),
        1 => Just(Some(ContentHash::of(b"other words"))),
    ];
    let ticked = proptest::collection::btree_map(any_purpose(), word, 0..3);
    (0_u32..4, ticked).prop_map(|(link_number, ticked)| Agreement {
        link_number,
        purposes: ticked
            .into_iter()
            .map(|(code, word)| {
                let read = ContentHash::of(code.as_str().as_bytes());
                (code, word.unwrap_or(read))
            })
            .collect(),
        journey_text: ContentHash::of(b"words"),
        at: at(0),
    })
}

fn any_purpose() -> impl Strategy<Value = PurposeCode> {
    prop_oneof![
        Just(code("quote")),
        Just(code("advice")),
        Just(code("claims"))
    ]
}

fn any_event() -> impl Strategy<Value = ConsentEvent> {
    let authorised = (any_agreement(), 1_i64..800, 2_u8..4).prop_map(|(agreed, days, id)| {
        ConsentEvent::BankAuthorised {
            institution: bank(),
            connection: ConnectionId::from_entropy([id; 16]),
            agreed,
            bank_valid_until: day(days),
        }
    });
    let opened = (1_i64..20_000).prop_map(|hours| ConsentEvent::RenewalOpened {
        link_expires_at: at(hours),
    });
    prop_oneof![
        1 => Just(ConsentEvent::InstitutionChosen(bank())),
        1 => Just(ConsentEvent::Declined),
        6 => authorised,
        3 => opened,
        1 => any_purpose().prop_map(ConsentEvent::Narrowed),
        1 => Just(ConsentEvent::Erased),
        1 => Just(ConsentEvent::Withdrawn),
        1 => Just(ConsentEvent::Terminated),
        3 => Just(ConsentEvent::Ticked),
    ]
}

/// A life: it begins valid more often than not, or most sequences would die of their first step.
fn any_life() -> impl Strategy<Value = (Consent, Vec<(ConsentEvent, i64)>)> {
    let start = prop_oneof![
        1 => Just(received()),
        3 => (2_i64..300).prop_map(granted_until),
    ];
    let events = proptest::collection::vec((any_event(), 0_i64..15 * 24), 0..40);
    (start, events)
}

/// What is granted, where anything is.
fn grants(consent: &Consent) -> Option<&BTreeSet<PurposeCode>> {
    match &consent.state {
        ConsentState::Valid { granted, .. } => Some(granted),
        _ => None,
    }
}

proptest! {
    #[test]
    fn whatever_happens_terminal_stays_narrowing_is_for_good_and_nothing_is_served_past_the_end(
        (start, events) in any_life()
    ) {
        let (mut consent, mut now) = (start, 0);
        for (event, hours) in events {
            now += hours;
            let before = consent.clone();
            let said_yes = match (&before.state, &event) {
                (
                    ConsentState::Valid { renewal: Some(renewal), .. },
                    ConsentEvent::BankAuthorised { agreed, .. },
                ) => {
                    renewal.answer == RenewalAnswer::Asked && renewal.number == agreed.link_number
                }
                _ => false,
            };
            match consent.apply(event.clone(), at(now)) {
                Ok(next) => {
                    prop_assert!(!before.state.is_terminal(), "terminal moved: {:?}", event);
                    prop_assert_eq!(next.version, before.version + 1);
                    consent = next;
                }
                Err(_) => prop_assert_eq!(&before, &consent),
            }
            if consent.state.is_terminal() {
                for purpose in both() {
                    prop_assert!(!consent.allows(&purpose, at(now)), "read after the end");
                }
            }
            if let (Some(earlier), Some(later)) = (grants(&before), grants(&consent)) {
                prop_assert!(later.is_subset(earlier), "widened by {:?}", event);
            }
            if let ConsentEvent::BankAuthorised { agreed, .. } = &event
                && consent.version != before.version
            {
                for purpose in grants(&consent).into_iter().flatten() {
                    prop_assert!(agreed.purposes.contains_key(purpose), "never ticked");
                }
            }
            if let ConsentState::Valid {
                granted, valid_until, bank_valid_until, granted_at, renewed_at, ..
            } = &consent.state
            {
                prop_assert!(valid_until < bank_valid_until);
                let began = renewed_at.unwrap_or(*granted_at);
                prop_assert!(valid_until.duration_since(began) <= DEFAULT_DURATION);
                prop_assert!(!granted.is_empty());
                for purpose in granted {
                    prop_assert!(!consent.allows(purpose, *valid_until));
                }
                if let ConsentState::Valid { valid_until: earlier, .. } = &before.state {
                    let longer = valid_until > earlier;
                    let answered = matches!(event, ConsentEvent::BankAuthorised { .. });
                    prop_assert!(!longer || (answered && said_yes), "longer by {:?}", event);
                }
            }
        }
    }

    #[test]
    fn a_sweep_that_follows_the_agenda_does_everything_once_and_then_nothing_is_owed(
        bank_days in 2_i64..400,
        lateness in proptest::collection::vec(0_i64..50 * 24, 1..12),
    ) {
        let mut consent = granted_until(bank_days);
        let mut given = Vec::new();
        for late in lateness {
            let Some(due) = consent.next_due() else { break };
            let now = due.checked_add(SignedDuration::from_hours(late)).unwrap();
            let before = due.checked_sub(SignedDuration::from_secs(1)).unwrap();
            prop_assert!(consent.apply(ConsentEvent::Ticked, before).is_err(), "too early");
            consent = consent.apply(ConsentEvent::Ticked, now).unwrap();
            prop_assert!(consent.apply(ConsentEvent::Ticked, now).is_err(), "twice");
            match &consent.state {
                ConsentState::Valid { warned: Some(days), .. } => given.push(*days),
                ConsentState::Expired { .. } => break,
                other => prop_assert!(false, "{other:?}"),
            }
        }
        prop_assert!(given.is_sorted_by(|one, other| one > other), "{given:?}");
    }
}
