//! A reading of a bank that takes longer than one worker: what was read so far is stored, and the next
//! worker goes on from there under the same access.
//!
//! What is known changes once, when the reading is whole. Until then the lines wait in *parts*, sealed
//! beside the pages and read by nobody; the data item says how far the reading has come. The gate says in
//! the same write that the access may go on, for as long as the bank's day lasts: a worker that finds it
//! spends none. Each time it goes on the access is dated anew, so that no 24 hours ever hold more calls
//! than accesses.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, TransactWriteItem, Update};
use jiff::{SignedDuration, Timestamp};
use passerelle_domain::account::{Account, Ineligible};
use passerelle_domain::bank_day;
use passerelle_domain::private::Private;
use passerelle_domain::reconciliation::{Coverage, ServedLine};
use serde::{Deserialize, Serialize};

use crate::attributes::{bytes, get_bytes, get_number, get_text, moment, number, text};
use crate::claims::Claim;
use crate::connections::Loaded;
use crate::content::{Content, pack, sealed_content, unpack};
use crate::due::{SET_OWN_MARK, own_mark_values};
use crate::error::Error;
use crate::store::Store;
use crate::table::{AsSliceOf, Key, Table, sortable};
use crate::vault::Place;

/// Workers that may go on under one access: a reading that ends its worker again and again is not called
/// for without end.
const CONTINUATIONS: u64 = 12;

/// Lines in one part: an item holds 400 KB.
const LINES_PER_PART: usize = 800;

/// When a sweep looks after a checkpoint whose worker said nothing more: its lease is over by then.
const FIRST_LOOK: SignedDuration = SignedDuration::from_secs(120);

/// Parts nobody took away are forgotten after this.
const PARTS_LIVE: SignedDuration = SignedDuration::from_hours(48);

/// A reading that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenReading {
    /// When it began.
    pub began_at: Timestamp,
    /// When the person authorised the token it is made with: another authorisation is another reading.
    pub authorised_at: Timestamp,
    /// The accounts the bank listed and that can be read, in its order.
    pub accounts: Vec<AccountReading>,
    /// Why the others were left out.
    pub refusals: Vec<Ineligible>,
    /// How many accounts the bank listed.
    pub listed: usize,
    /// The number of the first part that is not taken away.
    first_part: u32,
    /// The number the next part gets.
    next_part: u32,
}

/// One account of a reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountReading {
    /// The account.
    pub account: Account,
    /// Where the bank said its movements are, where it did.
    pub link: Option<Private>,
    /// How far it is read.
    pub progress: AccountProgress,
}

/// How far an account is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "progress", rename_all = "kebab-case")]
pub enum AccountProgress {
    /// Not begun.
    Waiting,
    /// Its first pages were read.
    Begun {
        /// Where it goes on.
        after: Private,
        /// The part its history begins in.
        from_part: u32,
    },
    /// Read to the end.
    Whole {
        /// From when on it is complete.
        coverage: Coverage,
        /// The part its history begins in.
        from_part: u32,
    },
    /// Listed and not there.
    Gone,
}

/// Lines by the place of their account in the reading.
pub type PartLines = BTreeMap<usize, Vec<ServedLine>>;

impl OpenReading {
    /// A reading that begins, after one that was left where there was one.
    #[must_use]
    pub fn begin(
        (began_at, authorised_at): (Timestamp, Timestamp),
        accounts: Vec<AccountReading>,
        refusals: Vec<Ineligible>,
        listed: usize,
        left: Option<&Self>,
    ) -> Self {
        Self {
            began_at,
            authorised_at,
            accounts,
            refusals,
            listed,
            first_part: left.map_or(0, |left| left.first_part),
            next_part: left.map_or(0, |left| left.next_part),
        }
    }

    /// Whether it may go on: within the bank's day it began, under the same authorisation.
    #[must_use]
    pub fn goes_on(&self, authorised_at: Timestamp, now: Timestamp) -> bool {
        self.authorised_at == authorised_at
            && bank_day::day_at(self.began_at) == bank_day::day_at(now)
    }

    /// The part the next lines will be stored in.
    #[must_use]
    pub fn next_part(&self) -> u32 {
        self.next_part
    }
}

impl Table {
    /// Keeps a claimed connection for longer, and dates its access anew: calls are still being made.
    ///
    /// # Errors
    /// [`Error::Conflict`] when a newer claim or an end took the connection: no call may be made any more.
    pub async fn hold_on(&self, claim: &Claim, now: Timestamp) -> Result<(), Error> {
        let set = match claim.paid() {
            true => "SET lease_until = :lease, access_4 = :now",
            false => "SET lease_until = :lease",
        };
        let mut update = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(Key::gate(claim.client(), claim.id()).into_item()))
            .update_expression(set)
            .condition_expression("seq = :seq AND phase = :open")
            .expression_attribute_values(":seq", number(claim.seq))
            .expression_attribute_values(":open", text("open"))
            .expression_attribute_values(":lease", moment(Claim::lease_from(now)?));
        if claim.paid() {
            update = update.expression_attribute_values(":now", moment(now));
        }
        let answer = update
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        self.meter
            .table_write(answer.consumed_capacity.as_slice_of());
        Ok(())
    }

    /// Says that the access of an unfinished reading is used up: whoever goes on spends another one.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn end_access(&self, claim: &Claim) -> Result<(), Error> {
        self.update_gate_of(claim, "REMOVE may_continue, continue_until", Vec::new())
            .await
    }

    /// The gate of a reading that may go on without another access.
    fn marked_gate(&self, claim: &Claim, reading: &OpenReading) -> Result<Update, Error> {
        let tomorrow = bank_day::day_at(reading.began_at).tomorrow();
        let until = tomorrow.map_or(reading.began_at, bank_day::start_of);
        self.gate_of(claim)
            .update_expression(
                "SET continue_until = :until, may_continue = if_not_exists(may_continue, :most)",
            )
            .expression_attribute_values(":until", moment(until))
            .expression_attribute_values(":most", number(CONTINUATIONS))
            .build()
            .map_err(|_| Error::Unreadable("gate"))
    }

    /// The gate of a reading that is whole.
    pub(crate) fn unmarked_gate(&self, claim: &Claim) -> Result<Update, Error> {
        self.gate_of(claim)
            .update_expression("REMOVE may_continue, continue_until")
            .build()
            .map_err(|_| Error::Unreadable("gate"))
    }

    fn gate_of(&self, claim: &Claim) -> UpdateBuilder {
        Update::builder()
            .table_name(&self.name)
            .set_key(Some(Key::gate(claim.client(), claim.id()).into_item()))
            .condition_expression("seq = :seq AND phase = :open")
            .expression_attribute_values(":seq", number(claim.seq))
            .expression_attribute_values(":open", text("open"))
    }
}

impl Store {
    /// Stores how far a reading has come and the lines read since the last time. It owes the rest.
    /// `is_marked`: under this claim it is not the first time.
    ///
    /// # Errors
    /// [`Error::Conflict`] when a newer worker took over or the connection has ended.
    pub async fn checkpoint(
        &self,
        claim: &Claim,
        loaded: &Loaded,
        reading: &mut OpenReading,
        lines: PartLines,
        is_marked: bool,
        now: Timestamp,
    ) -> Result<(), Error> {
        for part in parts_of(lines) {
            self.put_part(claim, loaded, reading.next_part, &part, now)
                .await?;
            reading.next_part = reading.next_part.saturating_add(1);
        }
        let content = Content {
            reading: Some(reading.clone()),
            ..loaded.content.clone()
        };
        let data = self.checkpointed(claim, loaded, &content, now)?;
        // The gate needs to be told once.
        if !claim.paid() || claim.continues() || is_marked {
            return self.write_data(data).await;
        }
        let gate = self.table.marked_gate(claim, reading)?;
        let writes = [data, gate].map(|it| TransactWriteItem::builder().update(it).build());
        self.table.transact(writes.into()).await
    }

    fn checkpointed(
        &self,
        claim: &Claim,
        loaded: &Loaded,
        content: &Content,
        now: Timestamp,
    ) -> Result<Update, Error> {
        let (client, connection) = (claim.client(), claim.id());
        let sealed = sealed_content(&loaded.key, client, connection, claim.seq, content)?;
        let due = now.checked_add(FIRST_LOOK).unwrap_or(now);
        let mut set = format!("SET seq = :seq, content = :content, {SET_OWN_MARK}");
        let mut update = Update::builder().set_expression_attribute_values(Some(
            own_mark_values(connection, sortable(due))
                .into_iter()
                .collect(),
        ));
        // A score that was owed before is owed after the reading: the mark now says sync.
        if loaded.rescore {
            set.push_str(", rescore = :yes");
            update = update.expression_attribute_values(":yes", number(1));
        }
        update
            .table_name(&self.table.name)
            .set_key(Some(Key::data(client, connection).into_item()))
            .update_expression(set)
            .condition_expression("seq <= :seq AND attribute_not_exists(fenced)")
            .expression_attribute_values(":seq", number(claim.seq))
            .expression_attribute_values(":content", bytes(sealed))
            .build()
            .map_err(|_| Error::Unreadable("data"))
    }

    async fn put_part(
        &self,
        claim: &Claim,
        loaded: &Loaded,
        part: u32,
        lines: &PartLines,
        now: Timestamp,
    ) -> Result<(), Error> {
        let (client, connection) = (claim.client(), claim.id());
        let key = Key::part(client, connection, part);
        let kind = key.sk.clone();
        let place = Place {
            client,
            owner: connection.as_str(),
            kind: &kind,
            seq: claim.seq,
        };
        let sealed = loaded.key.seal(&place, &pack(lines)?)?;
        let until = now.checked_add(PARTS_LIVE).unwrap_or(now);
        let item = key.with([
            ("part", bytes(sealed)),
            ("seq", number(claim.seq)),
            ("ttl", moment(until)),
        ]);
        let answer = self
            .table
            .client
            .put_item()
            .table_name(&self.table.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(seq) OR seq <= :seq")
            .expression_attribute_values(":seq", number(claim.seq))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        self.table
            .meter
            .table_write(answer.consumed_capacity.as_slice_of());
        Ok(())
    }

    /// The stored lines of a reading, each account's from where its history begins.
    ///
    /// # Errors
    /// [`Error::Unreadable`] when a part is missing: half a history is none.
    pub async fn parts(
        &self,
        claim: &Claim,
        loaded: &Loaded,
        reading: &OpenReading,
    ) -> Result<PartLines, Error> {
        let mut lines = PartLines::new();
        for number in reading.first_part..reading.next_part {
            let from = |index: &usize| match reading.accounts.get(*index)?.progress {
                AccountProgress::Begun { from_part, .. }
                | AccountProgress::Whole { from_part, .. } => Some(from_part),
                AccountProgress::Waiting | AccountProgress::Gone => None,
            };
            let needed = |index: &usize| from(index).is_some_and(|first| first <= number);
            let everybody = 0..reading.accounts.len();
            if !everybody.clone().any(|index| needed(&index)) {
                continue;
            }
            for (index, read) in self.part(claim, loaded, number).await? {
                if needed(&index) {
                    lines.entry(index).or_default().extend(read);
                }
            }
        }
        Ok(lines)
    }

    async fn part(&self, claim: &Claim, loaded: &Loaded, part: u32) -> Result<PartLines, Error> {
        let (client, connection) = (claim.client(), claim.id());
        let key = Key::part(client, connection, part);
        let item = self.table.get(&self.table.name, key).await?;
        let item = item.ok_or(Error::Unreadable("part"))?;
        let place = Place {
            client,
            owner: connection.as_str(),
            kind: get_text(&item, "sk")?,
            seq: get_number(&item, "seq")?,
        };
        unpack(&loaded.key.open(&place, get_bytes(&item, "part")?)?)
    }

    /// Takes the parts of a reading away that is whole and committed. What stays after a failure is
    /// forgotten by itself.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn take_parts_away(&self, claim: &Claim, reading: &OpenReading) -> Result<(), Error> {
        for number in reading.first_part..reading.next_part {
            let key = Key::part(claim.client(), claim.id(), number);
            self.table.delete(&self.table.name, key).await?;
        }
        Ok(())
    }
}

/// Lines in portions that fit an item each.
fn parts_of(lines: PartLines) -> Vec<PartLines> {
    let mut parts = Vec::new();
    let (mut part, mut count) = (PartLines::new(), 0);
    for (index, lines) in lines {
        for line in lines {
            if count == LINES_PER_PART {
                parts.push(std::mem::take(&mut part));
                count = 0;
            }
            part.entry(index).or_default().push(line);
            count += 1;
        }
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn lines_are_cut_into_parts_that_fit_an_item_and_none_is_lost() {
        let lines = PartLines::from([
            (0, vec![ServedLine::Undated; 3]),
            (7, vec![ServedLine::Undated; 2 * LINES_PER_PART]),
        ]);
        let parts = parts_of(lines);
        let sizes: Vec<usize> = parts
            .iter()
            .map(|part| part.values().map(Vec::len).sum())
            .collect();
        assert_eq!(sizes, [LINES_PER_PART, LINES_PER_PART, 3]);
        assert_eq!(parts[0][&0].len(), 3);
        assert!(parts_of(PartLines::new()).is_empty());
    }

    #[test]
    fn a_reading_goes_on_within_its_banks_day_and_under_its_own_authorisation() {
        let moments = (at("2026-11-22T22:00:00Z"), at("2026-11-22T21:59:00Z"));
        let reading = OpenReading::begin(moments, Vec::new(), Vec::new(), 0, None);
        let goes_on = |authorised: &str, now: &str| reading.goes_on(at(authorised), at(now));
        assert!(goes_on("2026-11-22T21:59:00Z", "2026-11-22T22:59:59Z"));
        // Midnight in Paris.
        assert!(!goes_on("2026-11-22T21:59:00Z", "2026-11-22T23:00:00Z"));
        assert!(!goes_on("2026-11-22T22:30:00Z", "2026-11-22T22:31:00Z"));
    }

    #[test]
    fn a_reading_that_begins_after_one_that_was_left_takes_no_number_twice() {
        let moments = (at("2026-11-22T10:00:00Z"), at("2026-11-22T09:59:00Z"));
        let mut left = OpenReading::begin(moments, Vec::new(), Vec::new(), 0, None);
        left.next_part = 5;
        let next = OpenReading::begin(moments, Vec::new(), Vec::new(), 0, Some(&left));
        assert_eq!((next.first_part, next.next_part()), (0, 5));
    }
}
