//! Ways into self-care and the visits they open.
//!
//! A link is worth one visit: entering uses it up and opens the visit in one transaction, so that a
//! process that dies in between has done neither. Both are kept by a digest, and neither holds more
//! than whose connections may be seen.

use aws_sdk_dynamodb::types::{Put, ReturnConsumedCapacity, TransactWriteItem, Update};
use jiff::{SignedDuration, Timestamp};
use passerelle_domain::event::{About, DomainEvent, EventKind};
use passerelle_domain::ids::{ClientId, CustomerReference, LinkId};
use passerelle_domain::locale::Locale;

use crate::attributes::{Item, get_moment, get_parsed, moment, text};
use crate::consents::IdempotencyKey;
use crate::error::Error;
use crate::table::{AsSliceOf, Digest, Key, Table};

/// How long a link outlives its use, so that an old one says "expired", not "unknown".
const REMEMBERED_FOR: SignedDuration = SignedDuration::from_hours(31 * 24);

/// Whose self-care it is, and how they are addressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Psu {
    /// The client whose customer it is.
    pub client: ClientId,
    /// The client's reference for the person.
    pub customer: CustomerReference,
    /// The language of the pages.
    pub locale: Locale,
}

/// A link into self-care.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelfCareLink {
    /// Whose.
    pub psu: Psu,
    /// Until when it opens.
    pub expires_at: Timestamp,
    /// When it was used, if it was.
    pub used_at: Option<Timestamp>,
}

impl SelfCareLink {
    /// Whether it still opens.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.used_at.is_none() && now < self.expires_at
    }
}

/// A link as it was made, now or by the same request before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeLink {
    /// Its token derives from this id.
    pub id: LinkId,
    /// Until when it opens.
    pub expires_at: Timestamp,
}

/// What came of making a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// It exists.
    Link(MadeLink),
    /// The key was used for another request.
    KeyReused,
}

/// How somebody comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pass {
    /// By a link of ours, used up by entering.
    Given {
        /// SHA-256 of its token.
        link: Digest,
    },
    /// By a link the client signed, remembered from then on as used.
    Signed {
        /// SHA-256 of its signature.
        signature: Digest,
        /// Until when the signature is good.
        expires_at: Timestamp,
    },
}

/// A person looking after their connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// Who.
    pub psu: Psu,
    /// Since when.
    pub started_at: Timestamp,
    /// Until when, unless they go on.
    pub until: Timestamp,
}

impl Table {
    /// Stores a new link and, where given, its idempotency record: both or none.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn open_self_care_link(
        &self,
        made: &MadeLink,
        token: &Digest,
        psu: &Psu,
        idempotency: Option<&IdempotencyKey>,
        now: Timestamp,
    ) -> Result<Made, Error> {
        let mut writes = vec![self.put_new(link_item(token, psu, made.expires_at))];
        if let Some(key) = idempotency {
            let outcome = [
                ("link", text(made.id.as_str())),
                ("expires_at", moment(made.expires_at)),
            ];
            writes.push(self.put_idempotency(&psu.client, key, outcome, now)?);
        }
        match (self.transact(writes).await, idempotency) {
            (Ok(()), _) => Ok(Made::Link(made.clone())),
            (Err(Error::Conflict), Some(key)) => self.link_made_before(&psu.client, key).await,
            (Err(error), _) => Err(error),
        }
    }

    async fn link_made_before(
        &self,
        client: &ClientId,
        key: &IdempotencyKey,
    ) -> Result<Made, Error> {
        let Some(item) = self.made_before(client, key).await? else {
            return Ok(Made::KeyReused);
        };
        Ok(Made::Link(MadeLink {
            id: get_parsed(&item, "link")?,
            expires_at: get_moment(&item, "expires_at")?,
        }))
    }

    /// A link of ours by its token, used or expired ones included; or, by its signature, a client's
    /// link that was used.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn self_care_link(&self, token: &Digest) -> Result<Option<SelfCareLink>, Error> {
        let item = self.get(&self.name, Key::self_care_link(token)).await?;
        let read = |item: Item| {
            let used = item
                .contains_key("used_at")
                .then(|| get_moment(&item, "used_at"));
            Ok(SelfCareLink {
                psu: read_psu(&item)?,
                expires_at: get_moment(&item, "expires_at")?,
                used_at: used.transpose()?,
            })
        };
        item.map(read).transpose()
    }

    /// Uses the pass up and opens a visit: both or none.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the pass was used before or its time is up.
    pub async fn enter_self_care(
        &self,
        pass: &Pass,
        cookie: &Digest,
        visit: &Visit,
    ) -> Result<(), Error> {
        let used = match pass {
            Pass::Given { link } => self.use_link(link, visit.started_at)?,
            Pass::Signed {
                signature,
                expires_at,
            } => self.remember_signature(signature, visit, *expires_at),
        };
        let opened = self.put_new(visit_item(cookie, visit));
        self.transact(vec![used, opened]).await
    }

    fn use_link(&self, link: &Digest, now: Timestamp) -> Result<TransactWriteItem, Error> {
        let update = Update::builder()
            .table_name(&self.name)
            .set_key(Some(Key::self_care_link(link).into_item()))
            .update_expression("SET used_at = :now")
            .condition_expression("attribute_not_exists(used_at) AND expires_at > :now")
            .expression_attribute_values(":now", moment(now))
            .build()
            .map_err(|_| Error::Unreadable("link"))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    fn remember_signature(
        &self,
        signature: &Digest,
        visit: &Visit,
        expires_at: Timestamp,
    ) -> TransactWriteItem {
        let mut item = link_item(signature, &visit.psu, expires_at);
        item.insert("used_at".to_owned(), moment(visit.started_at));
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .build();
        TransactWriteItem::builder().set_put(put.ok()).build()
    }

    /// The visit a cookie stands for, while it lasts.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn visit(&self, cookie: &Digest, now: Timestamp) -> Result<Option<Visit>, Error> {
        let Some(item) = self.get(&self.name, Key::visit(cookie)).await? else {
            return Ok(None);
        };
        let visit = Visit {
            psu: read_psu(&item)?,
            started_at: get_moment(&item, "started_at")?,
            until: get_moment(&item, "until")?,
        };
        // TTL deletes late, so the end is judged here.
        Ok(Some(visit).filter(|visit| now < visit.until))
    }

    /// Stores a visit's new end or language. One that was left meanwhile stays left.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn keep_visit(&self, cookie: &Digest, visit: &Visit) -> Result<(), Error> {
        let answer = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(Key::visit(cookie).into_item()))
            .update_expression("SET #until = :until, #ttl = :until, locale = :locale")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#until", "until")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":until", moment(visit.until))
            .expression_attribute_values(":locale", text(visit.psu.locale.tag()))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk);
        match answer {
            Ok(answer) => {
                self.meter
                    .table_write(answer.consumed_capacity.as_slice_of());
                Ok(())
            }
            Err(Error::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Ends a visit.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn end_visit(&self, cookie: &Digest) -> Result<(), Error> {
        self.delete(&self.name, Key::visit(cookie)).await
    }

    /// Tells the client that a person asks for a link; once an hour, however often they ask.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn request_link(&self, psu: &Psu, now: Timestamp) -> Result<(), Error> {
        let hour = now.as_second().div_euclid(3600);
        // With a space in it, no key a client sends can be the same.
        let once = IdempotencyKey {
            key: format!("self-care {} {hour}", psu.customer),
            request: Digest::of("self-care-link"),
        };
        let about = About {
            client: psu.client.clone(),
            customer: Some(psu.customer.clone()),
            consent: None,
            connection: None,
        };
        let sequence = u64::try_from(hour).unwrap_or_default();
        let event = DomainEvent::new(about, sequence, EventKind::SelfCareLinkRequested, now);
        let writes = vec![
            self.put_idempotency(&psu.client, &once, [], now)?,
            self.put_event(&event)?,
        ];
        match self.transact(writes).await {
            // Told before, within this hour.
            Ok(()) | Err(Error::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn link_item(token: &Digest, psu: &Psu, expires_at: Timestamp) -> Item {
    let mut item = with_psu(Key::self_care_link(token), psu);
    item.insert("expires_at".to_owned(), moment(expires_at));
    if let Ok(until) = expires_at.checked_add(REMEMBERED_FOR) {
        item.insert("ttl".to_owned(), moment(until));
    }
    item
}

fn visit_item(cookie: &Digest, visit: &Visit) -> Item {
    let mut item = with_psu(Key::visit(cookie), &visit.psu);
    item.insert("started_at".to_owned(), moment(visit.started_at));
    item.insert("until".to_owned(), moment(visit.until));
    item.insert("ttl".to_owned(), moment(visit.until));
    item
}

fn with_psu(key: Key, psu: &Psu) -> Item {
    key.with([
        ("client", text(psu.client.as_str())),
        ("customer", text(psu.customer.as_str())),
        ("locale", text(psu.locale.tag())),
    ])
}

fn read_psu(item: &Item) -> Result<Psu, Error> {
    Ok(Psu {
        client: get_parsed(item, "client")?,
        customer: get_parsed(item, "customer")?,
        locale: get_parsed(item, "locale")?,
    })
}
