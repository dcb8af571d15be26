//! The two tables, key by key. Nothing else in the house writes a key.
//!
//! # Main table
//!
//! `T#…` stands for `T#{client}`: the tenant opens every partition key that holds anything of a
//! client's. Some items are reached before a tenant is known and are keyed by a SHA-256 instead: links
//! into a journey (its short form for another device too) or self-care, a visit's cookie and a bank's `state`.
//!
//! | item | `pk` | `sk` | holds |
//! | --- | --- | --- | --- |
//! | consent | `T#…#N#{consent}` | `CONSENT` | the consent as JSON, `version`; `calendar_day`, `calendar_key` while it can end, `calendar_tries` while what is due cannot be done |
//! | attempt pointer | `T#…#N#{consent}` | `ATTEMPT` | digest of the latest attempt's `state`; none once the journey was handed over |
//! | journey link | `L#{sha256(token)}` | `LINK` | client, consent; `ttl` |
//! | self-care link | `L#{sha256(token)}` | `SELF-CARE` | client, customer, locale, `expires_at`, `used_at`; `ttl`. A link the client signed is kept from its use on, by the digest of its signature |
//! | self-care visit | `Y#{sha256(cookie)}` | `VISIT` | client, customer, locale, since, `until`; `ttl`, checked on read |
//! | idempotency | `T#…#I#{key}` | `I` | request digest, what was made; `ttl`, checked on read |
//! | handover | `H#{sha256(code)}` | `H` | client, consent, attempt, `expires_at`, `used_at` once used; `ttl` |
//! | attempt | `S#{sha256(state)}` | `S` | the authorisation with what was agreed to as JSON, its status; sealed secrets, way to the bank, what was brought back; `claimed_until`; `ttl`. While a token is kept: the sealed token, `due_shard`, `due_at` and no `ttl` |
//! | gate | `T#…#C#{connection}` | `G` | status, `consent_until`, `lease_until`, `seq`, `listed_at` once accounts were listed, last four unattended accesses, `continue_until` and `may_continue` while a reading may go on under the last of them, `wheel_slot`, `farewells` still owed to the bank |
//! | data | `T#…#C#{connection}` | `D` | sealed token, sealed content (accounts, pending, delta buffer), `seq`, outcome; `due_shard`, `due_at`, `due_tries` while work is owed, `due_version` from then on; `rescore` while the next sync must owe a score |
//! | month | `T#…#C#{connection}` | `M#{account}#{yyyy-mm}` | sealed page of booked lines, `seq` |
//! | part | `T#…#C#{connection}` | `R#{number}` | sealed lines of a reading that is not whole yet, `seq`; `ttl` |
//! | farewell | `T#…#C#{connection}` | `F#{token seq}` or `F#{authorisation}` | a token the bank is still to be told with: sealed, bank, `tries`, `last`; `due_shard`, `due_at` |
//! | choices | `T#…#C#{connection}` | `CHOICES` | sealed corrections and opt-ins, `version` |
//! | customer | `T#…#U#{customer}` | `C#{connection}` | which connections are a person's |
//! | receipt | `T#…#R#{customer}` | `{sequence}` | the bytes of a receipt and their signature, for ever |
//! | event | `T#…#E#{yyyy-mm-dd}#{shard}` | `{milliseconds}#{event}` | the event as JSON; `ttl` |
//! | access | `T#…#U#{customer}` | `A#{milliseconds}-{suffix}` | who read what for which purpose; `ttl` |
//! | text | `T#…#TEXT#{sha256}` | `TEXT` | the bytes of a legal text, for ever |
//! | settings | `T#…#SETTINGS` | `SETTINGS` | what the client decided, as JSON, `version` |
//! | link keys | `T#…#SETTINGS` | `LINK_KEYS` | sealed keys of one-click links |
//! | logo | `T#…#LOGO#{sha256}` | `LOGO` | the picture |
//! | score | `T#…#U#{customer}` | `S` | one sealed analysis per set of connections that some purpose is granted on, with that set; `seq` |
//! | circuit | `CIRCUIT` | institution | a bank that failed lately: outages in a row, when it may be tried; `ttl`. None while it is healthy |
//! | tenant | `TENANTS` | client | a client an operator registered: its name, `registered_at`, `suspended_at` while it is suspended |
//! | registered bank | `BANKS` | bank or group | what it said when it registered us, as JSON |
//! | cursor | `CURSOR#wheel#{lane}` | `CURSOR` | where in which minute the walk of a lane is, how often it moved |
//! | cursor | `CURSOR#calendar` | `CURSOR` | per shard the first day that may hold something due |
//!
//! # Sparse indexes (keys only; the wheel also the institution, so that a bank that is down is skipped)
//!
//! | index | hash | range | written |
//! | --- | --- | --- | --- |
//! | `wheel` | `wheel_slot` = minute of the day | `pk` | once per connection |
//! | `calendar` | `calendar_day` = `{yyyy-mm-dd}#{shard}` | `calendar_key` = second, consent | when what is next due about a consent changes, or could not be done |
//! | `due` | `due_shard` = `{kind}#{shard}` | `due_at` in seconds | with the change that owes work |
//!
//! # Keys table
//!
//! Apart, with a recovery window of one day, so that a destroyed key does not survive in a backup.
//!
//! | item | `pk` | `sk` | holds |
//! | --- | --- | --- | --- |
//! | tenant key | `T#…` | `KEY` | wrapped by KMS, encryption context `tenant` |
//! | connection keys | `T#…#C#{connection}` | `KEY` | data key and token key, each wrapped by the tenant key |
//! | attempt key | `T#…#A#{authorisation}` | `KEY` | the key of a token that was exchanged and made no connection yet, wrapped by the tenant key |

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use passerelle_domain::content_hash::ContentHash;
use passerelle_domain::ids::{
    AccountId, AuthorisationId, ClientId, ConnectionId, ConsentId, CustomerReference, InstitutionId,
};
use passerelle_domain::{Date, Timestamp};
use ring::digest;

use crate::attributes::{Item, text};
use crate::clients::Clients;
use crate::error::Error;
use crate::meter::Meter;

/// SHA-256 (hex) of something that must not be stored: a `state`, a journey token, a cookie.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest(String);

impl Digest {
    /// The digest of a secret text.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        Self(hex::encode(digest::digest(
            &digest::SHA256,
            secret.as_bytes(),
        )))
    }

    /// The digest as hexadecimal text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A digest as hexadecimal text; `None` for anything else.
    #[must_use]
    pub fn of_hex(text: &str) -> Option<Self> {
        let hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        hex.then(|| Self(text.to_ascii_lowercase()))
    }

    pub(crate) fn from_stored(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// The two tables and their client. Clones share the connection; [`Table::metered`] starts a count.
#[derive(Debug, Clone)]
pub struct Table {
    pub(crate) client: aws_sdk_dynamodb::Client,
    pub(crate) name: String,
    pub(crate) keys_name: String,
    pub(crate) meter: Meter,
}

impl Table {
    /// The tables by name (`TABLE_NAME`, `KEYS_TABLE_NAME`).
    #[must_use]
    pub fn new(clients: &Clients, name: impl Into<String>, keys_name: impl Into<String>) -> Self {
        Self {
            client: clients.dynamodb.clone(),
            name: name.into(),
            keys_name: keys_name.into(),
            meter: Meter::default(),
        }
    }

    /// The same tables with a fresh meter.
    #[must_use]
    pub fn metered(&self) -> Self {
        Self {
            meter: Meter::default(),
            ..self.clone()
        }
    }

    /// What this handle used so far.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    pub(crate) async fn get(&self, table: &str, key: Key) -> Result<Option<Item>, Error> {
        let answer = self
            .client
            .get_item()
            .table_name(table)
            .set_key(Some(key.into_item()))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        self.meter
            .table_read(answer.consumed_capacity.as_slice_of());
        Ok(answer.item)
    }

    pub(crate) async fn delete(&self, table: &str, key: Key) -> Result<(), Error> {
        let answer = self
            .client
            .delete_item()
            .table_name(table)
            .set_key(Some(key.into_item()))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        self.meter
            .table_write(answer.consumed_capacity.as_slice_of());
        Ok(())
    }
}

/// Lets a single optional capacity be metered like a list of them.
pub(crate) trait AsSliceOf<T> {
    fn as_slice_of(&self) -> &[T];
}

impl<T> AsSliceOf<T> for Option<T> {
    fn as_slice_of(&self) -> &[T] {
        self.as_slice()
    }
}

/// A primary key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

impl Key {
    fn new(pk: String, sk: impl Into<String>) -> Self {
        Self { pk, sk: sk.into() }
    }

    pub(crate) fn consent(client: &ClientId, consent: &ConsentId) -> Self {
        Self::new(format!("T#{client}#N#{consent}"), "CONSENT")
    }

    pub(crate) fn attempt_pointer(client: &ClientId, consent: &ConsentId) -> Self {
        Self::new(format!("T#{client}#N#{consent}"), "ATTEMPT")
    }

    pub(crate) fn link(token: &Digest) -> Self {
        Self::new(format!("L#{}", token.as_str()), "LINK")
    }

    pub(crate) fn self_care_link(token: &Digest) -> Self {
        Self::new(format!("L#{}", token.as_str()), "SELF-CARE")
    }

    pub(crate) fn visit(cookie: &Digest) -> Self {
        Self::new(format!("Y#{}", cookie.as_str()), "VISIT")
    }

    pub(crate) fn handover(code: &Digest) -> Self {
        Self::new(format!("H#{}", code.as_str()), "H")
    }

    pub(crate) fn idempotency(client: &ClientId, key: &str) -> Self {
        Self::new(format!("T#{client}#I#{key}"), "I")
    }

    pub(crate) fn attempt(state: &Digest) -> Self {
        Self::new(format!("S#{}", state.as_str()), "S")
    }

    pub(crate) fn gate(client: &ClientId, connection: &ConnectionId) -> Self {
        Self::new(Self::connection_partition(client, connection), "G")
    }

    pub(crate) fn data(client: &ClientId, connection: &ConnectionId) -> Self {
        Self::new(Self::connection_partition(client, connection), "D")
    }

    pub(crate) fn choices(client: &ClientId, connection: &ConnectionId) -> Self {
        Self::new(Self::connection_partition(client, connection), "CHOICES")
    }

    pub(crate) fn month(
        client: &ClientId,
        connection: &ConnectionId,
        account: &AccountId,
        month: Month,
    ) -> Self {
        Self::new(
            Self::connection_partition(client, connection),
            format!("M#{account}#{month}"),
        )
    }

    /// The parts of an unfinished reading; complete with their number.
    pub(crate) const PART: &str = "R#";

    pub(crate) fn part(client: &ClientId, connection: &ConnectionId, number: u32) -> Self {
        Self::new(
            Self::connection_partition(client, connection),
            format!("{}{number:06}", Self::PART),
        )
    }

    pub(crate) fn customer_connection(
        client: &ClientId,
        customer: &CustomerReference,
        connection: &ConnectionId,
    ) -> Self {
        Self::new(
            Self::customer_partition(client, customer),
            format!("C#{connection}"),
        )
    }

    pub(crate) fn score(client: &ClientId, customer: &CustomerReference) -> Self {
        Self::new(Self::customer_partition(client, customer), "S")
    }

    pub(crate) fn receipt(client: &ClientId, customer: &CustomerReference, sequence: u64) -> Self {
        Self::new(
            format!("T#{client}#R#{customer}"),
            format!("{sequence:020}"),
        )
    }

    pub(crate) fn event(client: &ClientId, day: Date, shard: u32, place: &str) -> Self {
        Self::new(format!("T#{client}#E#{day}#{shard}"), place)
    }

    pub(crate) fn access(client: &ClientId, customer: &CustomerReference, place: &str) -> Self {
        Self::new(
            Self::customer_partition(client, customer),
            format!("A#{place}"),
        )
    }

    pub(crate) fn text(client: &ClientId, hash: &ContentHash) -> Self {
        Self::new(format!("T#{client}#TEXT#{hash}"), "TEXT")
    }

    pub(crate) fn settings(client: &ClientId) -> Self {
        Self::new(format!("T#{client}#SETTINGS"), "SETTINGS")
    }

    pub(crate) fn link_keys(client: &ClientId) -> Self {
        Self::new(format!("T#{client}#SETTINGS"), "LINK_KEYS")
    }

    pub(crate) fn logo(client: &ClientId, hash: &ContentHash) -> Self {
        Self::new(format!("T#{client}#LOGO#{hash}"), "LOGO")
    }

    /// The farewells of a connection; complete with the `seq` of the token or the attempt's id.
    pub(crate) const FAREWELL: &str = "F#";

    pub(crate) fn farewell(client: &ClientId, connection: &ConnectionId, token_seq: u64) -> Self {
        Self::new(
            Self::connection_partition(client, connection),
            format!("{}{token_seq:012}", Self::FAREWELL),
        )
    }

    /// The farewell of an attempt that came to nothing.
    pub(crate) fn attempt_farewell(
        client: &ClientId,
        connection: &ConnectionId,
        attempt: &AuthorisationId,
    ) -> Self {
        Self::new(
            Self::connection_partition(client, connection),
            format!("{}{attempt}", Self::FAREWELL),
        )
    }

    /// The partition of all circuits.
    pub(crate) fn circuits() -> &'static str {
        "CIRCUIT"
    }

    pub(crate) fn circuit(bank: &InstitutionId) -> Self {
        Self::new(Self::circuits().to_owned(), bank.as_str())
    }

    /// The partition of all clients an operator registered.
    pub(crate) fn tenants() -> &'static str {
        "TENANTS"
    }

    pub(crate) fn tenant(client: &ClientId) -> Self {
        Self::new(Self::tenants().to_owned(), client.as_str())
    }

    /// The partition of all banks that registered us.
    pub(crate) fn registered_banks() -> &'static str {
        "BANKS"
    }

    pub(crate) fn registered_bank(name: &str) -> Self {
        Self::new(Self::registered_banks().to_owned(), name)
    }

    pub(crate) fn cursor(name: &str) -> Self {
        Self::new(format!("CURSOR#{name}"), "CURSOR")
    }

    pub(crate) fn tenant_key(client: &ClientId) -> Self {
        Self::new(format!("T#{client}"), "KEY")
    }

    pub(crate) fn connection_key(client: &ClientId, connection: &ConnectionId) -> Self {
        Self::new(Self::connection_partition(client, connection), "KEY")
    }

    pub(crate) fn attempt_token_key(client: &ClientId, attempt: &AuthorisationId) -> Self {
        Self::new(format!("T#{client}#A#{attempt}"), "KEY")
    }

    pub(crate) fn connection_partition(client: &ClientId, connection: &ConnectionId) -> String {
        format!("T#{client}#C#{connection}")
    }

    pub(crate) fn customer_partition(client: &ClientId, customer: &CustomerReference) -> String {
        format!("T#{client}#U#{customer}")
    }

    pub(crate) fn of_item(item: &Item) -> Option<Self> {
        let part = |name: &str| item.get(name)?.as_s().ok().cloned();
        Some(Self {
            pk: part("pk")?,
            sk: part("sk")?,
        })
    }

    /// The client and connection a partition key names, for index entries.
    pub(crate) fn connection_of(&self) -> Option<(ClientId, ConnectionId)> {
        let (client, connection) = self.pk.strip_prefix("T#")?.rsplit_once("#C#")?;
        Some((client.parse().ok()?, connection.parse().ok()?))
    }

    /// The digest of an attempt's `state` that a partition key names, for index entries.
    pub(crate) fn attempt_of(&self) -> Option<Digest> {
        self.pk.strip_prefix("S#").map(Digest::from_stored)
    }

    /// The client and consent a partition key names, for index entries.
    pub(crate) fn consent_of(&self) -> Option<(ClientId, ConsentId)> {
        let (client, consent) = self.pk.strip_prefix("T#")?.rsplit_once("#N#")?;
        Some((client.parse().ok()?, consent.parse().ok()?))
    }

    pub(crate) fn into_item(self) -> Item {
        Item::from([
            ("pk".to_owned(), text(self.pk)),
            ("sk".to_owned(), text(self.sk)),
        ])
    }

    pub(crate) fn with(
        self,
        attributes: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> Item {
        let mut item = self.into_item();
        item.extend(
            attributes
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value)),
        );
        item
    }
}

/// A calendar month, the unit a page covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    year: i16,
    month: i8,
}

impl Month {
    /// The month a day lies in.
    #[must_use]
    pub fn of(day: Date) -> Self {
        Self {
            year: day.year(),
            month: day.month(),
        }
    }
}

impl std::fmt::Display for Month {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:04}-{:02}", self.year, self.month)
    }
}

/// A moment as index text: twelve digits sort like the moments do.
pub(crate) fn sortable(moment: Timestamp) -> String {
    format!("{:012}", moment.as_second().max(0))
}

/// Spreads keys over `count` index partitions.
pub(crate) fn shard(text: &str, count: u32) -> u32 {
    spread(text) % count.max(1)
}

/// A number that spreads evenly and stays the same for ever: slots are written once.
pub(crate) fn spread(text: &str) -> u32 {
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    hash.as_ref()
        .iter()
        .take(4)
        .fold(0_u32, |number, byte| (number << 8) | u32::from(*byte))
}
