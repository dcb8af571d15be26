use passerelle_domain::event::{About, EventKind};
use proptest::prelude::*;

use super::*;

fn event(number: u64, at: Timestamp) -> DomainEvent {
    let about = About {
        client: "cli_demo".parse().unwrap(),
        customer: None,
        consent: None,
        connection: None,
    };
    DomainEvent::new(about, number, EventKind::ConsentExpired, at)
}

fn at(millisecond: i64) -> Timestamp {
    Timestamp::from_millisecond(1_000_000_000 + millisecond).unwrap()
}

/// One page over everything committed so far, as the table would give it.
fn page(
    committed: &[DomainEvent],
    after: Option<EventCursor>,
    limit: usize,
    now: Timestamp,
) -> EventPage {
    let mut walk = Walk::begin(after, at(-1_000), limit, now);
    let mut events: Vec<DomainEvent> = committed
        .iter()
        .filter(|event| Position::of(event) > *walk.from())
        .cloned()
        .collect();
    events.sort_by_key(Position::of);
    let cut = events.len() > walk.wanted();
    events.truncate(walk.wanted());
    walk.take(Found { events, cut });
    walk.end(None)
}

proptest! {
    #[test]
    fn whatever_is_committed_late_every_event_is_given_exactly_once(
        // When it is stamped, and how long its commit takes.
        writes in proptest::collection::vec((0_i64..300_000, 0_i64..120_000), 0..60),
        polls in proptest::collection::vec(1_i64..40_000, 1..40),
        limit in 1_usize..20,
    ) {
        let mut cursor = None;
        let mut given = Vec::new();
        let mut now = 0;
        // Long enough for everything to settle in the end.
        for pause in polls.into_iter().chain(std::iter::repeat_n(10_000, 120)) {
            now += pause;
            let committed: Vec<DomainEvent> = (0_u64..)
                .zip(&writes)
                .filter(|(_, (stamp, delay))| stamp + delay <= now)
                .map(|(number, (stamp, _))| event(number, at(*stamp)))
                .collect();
            let found = page(&committed, cursor.take(), limit, at(now));
            prop_assert!(found.events.len() <= limit);
            given.extend(found.events.into_iter().map(|event| event.id));
            // A cursor travels as text.
            cursor = Some(found.next.to_string().parse().unwrap());
        }
        let told: BTreeSet<_> = given.iter().cloned().collect();
        prop_assert_eq!(told.len(), given.len(), "an event was given twice");
        prop_assert_eq!(told.len(), writes.len(), "an event was skipped");
    }

    #[test]
    fn no_text_makes_reading_a_cursor_panic(text in "[0-9a-f.\\-evt_]{0,60}") {
        let _ = text.parse::<EventCursor>();
    }
}

#[test]
fn a_storm_within_one_millisecond_is_given_page_by_page() {
    let storm: Vec<DomainEvent> = (0..1_000).map(|number| event(number, at(0))).collect();
    let (mut cursor, mut given) = (None, 0);
    for _ in 0..20 {
        let found = page(&storm, cursor.take(), 50, at(600_000));
        given += found.events.len();
        cursor = Some(found.next);
    }
    assert_eq!(given, 1_000);
    let after = page(&storm, cursor, 50, at(600_000));
    assert!(after.events.is_empty() && !after.more);
}

#[test]
fn a_fresh_storm_waits_until_it_settles_and_the_cursor_stays_short() {
    let storm: Vec<DomainEvent> = (0..1_000).map(|number| event(number, at(0))).collect();
    let first = page(&storm, None, 500, at(1));
    assert_eq!(first.events.len(), REMEMBERED);
    assert!(!first.more, "asking again at once would give nothing");
    assert!(first.next.to_string().len() < 1_500);
    let second = page(&storm, Some(first.next), 500, at(2));
    assert!(second.events.is_empty());
    let later = page(&storm, Some(second.next), 1_000, at(200_000));
    assert_eq!(later.events.len(), 1_000 - REMEMBERED);
}
