//! Where a reader of the feed is, and how it goes on without skipping anything.
//!
//! Writers stamp an event before they commit it, so a slow one may appear behind a reader that is
//! past its moment already. A cursor therefore never stands nearer to now than [`SETTLED`], and it
//! remembers the events it gave from there on. Nothing is skipped, and a reader that goes on from its
//! cursor gets nothing twice; one that goes back reads again and knows what it has seen by id.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use passerelle_domain::event::DomainEvent;
use passerelle_domain::ids::EventId;

use crate::error::Error;
use crate::table::Digest;

/// How long a change may take from its stamp to its commit.
const SETTLED: SignedDuration = SignedDuration::from_mins(2);

/// Events younger than [`SETTLED`] that a cursor remembers. More of them wait until they settle.
const REMEMBERED: usize = 100;

/// Hexadecimal digits by which a cursor remembers an event.
const MARK: usize = 12;

/// A place in a client's feed: a millisecond, and the event given there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    millisecond: i64,
    event: Option<EventId>,
}

impl Position {
    pub(crate) fn of(event: &DomainEvent) -> Self {
        Self {
            millisecond: event.at.as_millisecond().max(0),
            event: Some(event.id.clone()),
        }
    }

    /// Before everything that happens at a moment.
    fn before(moment: Timestamp) -> Self {
        Self {
            millisecond: moment.as_millisecond().max(0),
            event: None,
        }
    }

    pub(crate) fn moment(&self) -> Result<Timestamp, Error> {
        Timestamp::from_millisecond(self.millisecond).map_err(|_| Error::Unreadable("cursor"))
    }
}

/// As a sort key: texts sort like the positions do.
impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:015}", self.millisecond)?;
        match &self.event {
            Some(event) => write!(formatter, "#{event}"),
            None => Ok(()),
        }
    }
}

/// Where a reader is. Opaque to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventCursor {
    from: Position,
    /// Marks of what was given after that place.
    given: BTreeSet<String>,
}

/// A text that is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the `next` of an earlier page")]
pub struct InvalidCursor;

impl fmt::Display for EventCursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:x}-", self.from.millisecond)?;
        if let Some(event) = &self.from.event {
            write!(formatter, "{event}")?;
        }
        for mark in &self.given {
            write!(formatter, ".{mark}")?;
        }
        Ok(())
    }
}

impl FromStr for EventCursor {
    type Err = InvalidCursor;

    fn from_str(cursor: &str) -> Result<Self, InvalidCursor> {
        let mut parts = cursor.split('.');
        let place = parts.next().and_then(|place| place.split_once('-'));
        let (millisecond, event) = place.ok_or(InvalidCursor)?;
        let millisecond = i64::from_str_radix(millisecond, 16).map_err(|_| InvalidCursor)?;
        Timestamp::from_millisecond(millisecond).map_err(|_| InvalidCursor)?;
        let event = match event {
            "" => None,
            event => Some(event.parse().map_err(|_| InvalidCursor)?),
        };
        let is_mark =
            |part: &&str| part.len() == MARK && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        let given: Vec<&str> = parts.take(REMEMBERED + 1).collect();
        if millisecond < 0 || given.len() > REMEMBERED || !given.iter().all(is_mark) {
            return Err(InvalidCursor);
        }
        Ok(Self {
            from: Position { millisecond, event },
            given: given.into_iter().map(str::to_owned).collect(),
        })
    }
}

/// A page of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPage {
    /// Oldest first.
    pub events: Vec<DomainEvent>,
    /// Where to go on.
    pub next: EventCursor,
    /// Whether there is more to read at once.
    pub more: bool,
}

/// What a partition gave: its first events, in order.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) events: Vec<DomainEvent>,
    /// Whether there are more.
    pub(crate) cut: bool,
}

/// One page in the making.
pub(crate) struct Walk {
    after: EventCursor,
    /// The first place that may still change.
    settled: Position,
    limit: usize,
    events: Vec<DomainEvent>,
    /// Everything that was met, given now or before.
    met: Vec<(Position, String)>,
    /// Events given now that the next cursor has to remember.
    fresh: usize,
    full: bool,
}

impl Walk {
    /// Goes on from a cursor, or from a moment where there is none or what it stands at is gone.
    pub(crate) fn begin(
        after: Option<EventCursor>,
        oldest: Timestamp,
        limit: usize,
        now: Timestamp,
    ) -> Self {
        let oldest = Position::before(oldest);
        let mut after = after.unwrap_or(EventCursor {
            from: oldest.clone(),
            given: BTreeSet::new(),
        });
        after.from = after.from.max(oldest);
        Self {
            after,
            settled: Position::before(now.checked_sub(SETTLED).unwrap_or(now)),
            limit,
            events: Vec::new(),
            met: Vec::new(),
            fresh: 0,
            full: false,
        }
    }

    pub(crate) fn from(&self) -> &Position {
        &self.after.from
    }

    pub(crate) fn is_full(&self) -> bool {
        self.full
    }

    /// Enough to fill the page although everything remembered comes again.
    pub(crate) fn wanted(&self) -> usize {
        let left = self.limit.saturating_sub(self.events.len());
        left.saturating_add(self.after.given.len()).max(1)
    }

    pub(crate) fn take(&mut self, found: Found) {
        for event in found.events {
            let (place, mark) = (Position::of(&event), mark_of(&event));
            if self.after.given.contains(&mark) {
                self.met.push((place, mark));
                continue;
            }
            let fresh = usize::from(place >= self.settled);
            let remembered = self.after.given.len() + self.fresh + fresh;
            if self.events.len() == self.limit || (fresh > 0 && remembered > REMEMBERED) {
                self.full = true;
                return;
            }
            self.fresh += fresh;
            self.met.push((place, mark));
            self.events.push(event);
        }
        self.full |= found.cut;
    }

    /// The page, and the cursor after it. `unwalked` is the first moment nobody looked at.
    pub(crate) fn end(self, unwalked: Option<Timestamp>) -> EventPage {
        let reached = match (self.full, unwalked) {
            (true, _) => self.met.last().map(|(place, _)| place.clone()),
            (false, Some(moment)) => Some(Position::before(moment)),
            (false, None) => Some(self.settled.clone()),
        };
        let reached = reached.unwrap_or_else(|| self.after.from.clone());
        let place = reached.min(self.settled).max(self.after.from.clone());
        let whole = !self.full && unwalked.is_none();
        // What was not met although everything was looked at is no longer there.
        let mut given = match whole {
            true => BTreeSet::new(),
            false => self.after.given,
        };
        for (met, mark) in self.met {
            if met > place {
                given.insert(mark);
            } else {
                given.remove(&mark);
            }
        }
        EventPage {
            more: self.events.len() == self.limit || unwalked.is_some(),
            events: self.events,
            next: EventCursor { from: place, given },
        }
    }
}

fn mark_of(event: &DomainEvent) -> String {
    let digest = Digest::of(event.id.as_str());
    digest.as_str().chars().take(MARK).collect()
}

#[cfg(test)]
mod tests;
