//! The right to work on a connection: one conditional update of its gate takes the lease, spends an
//! unattended access before any call is made and raises `seq`. Refused unless the connection is open,
//! inside its consent, unleased and inside two budgets: the law's and the bank's own.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update,
};
use jiff::{SignedDuration, Timestamp};
use passerelle_domain::call_budget::{
    CallBudget, CallRule, PsuPresence, SpentAccess, window_start,
};
use passerelle_domain::connection::{Connection, ReauthenticationReason};
use passerelle_domain::event::{About, DomainEvent, EventKind};
use passerelle_domain::ids::{ClientId, ConnectionId};

use crate::attributes::{Item, get_moment, get_number, get_text, json, moment, number, text};
use crate::connections::{read_budget, read_connection};
use crate::content::Content;
use crate::due::DueMark;
use crate::error::Error;
use crate::table::{AsSliceOf, Key, Table};

/// How long a worker holds a connection without saying that it still works.
const LEASE: SignedDuration = SignedDuration::from_secs(90);

/// The right to work on a connection until the lease ends.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The connection as the gate knows it.
    pub connection: Connection,
    /// The sequence number this work commits under.
    pub seq: u64,
    /// The budget after this claim.
    pub budget: CallBudget,
    /// Whether any purpose still granted justifies reading lines.
    pub reads_lines: bool,
    spent: SpentAccess,
    spending: Spending,
    attended_until: Timestamp,
}

/// Why a claim was refused. None of these is a failure of the message that asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimRefusal {
    /// No such connection.
    Unknown,
    /// Closed, or waiting for the person.
    NotOpen,
    /// Our consent has ended.
    ConsentEnded,
    /// Another worker holds it.
    Leased,
    /// The bank's unattended calls are spent.
    BudgetSpent {
        /// When the next one is possible.
        next_possible: Timestamp,
    },
}

/// What a claim costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spending {
    /// An unattended access.
    Access,
    /// Nothing more: a reading goes on under the access that was spent on it.
    Continuation,
    /// Nothing: the person is there.
    PersonThere,
    /// Nothing: no bank is called.
    NoCall,
}

impl Claim {
    /// Whether the person stands behind the calls of this claim; `None` when nobody does any more, and no
    /// access was spent: no call may be made.
    #[must_use]
    pub fn presence(&self, content: &Content, now: Timestamp) -> Option<PsuPresence> {
        match &content.attended {
            Some(psu) if now < psu.until && now < self.attended_until => {
                Some(PsuPresence::Attended(psu.clone()))
            }
            _ => self.paid().then_some(PsuPresence::Unattended(self.spent)),
        }
    }

    /// Whether an unattended access stands behind this claim.
    pub(crate) fn paid(&self) -> bool {
        matches!(self.spending, Spending::Access | Spending::Continuation)
    }

    /// When it was taken.
    #[must_use]
    pub fn claimed_at(&self) -> Timestamp {
        self.spent.at
    }

    /// Whether the claim goes on with an access spent before: only an unfinished reading may be made
    /// with it.
    #[must_use]
    pub fn continues(&self) -> bool {
        self.spending == Spending::Continuation
    }

    pub(crate) fn lease_from(now: Timestamp) -> Result<Timestamp, Error> {
        now.checked_add(LEASE)
            .map_err(|_| Error::Unreadable("clock"))
    }

    /// Whether the person may stand behind the calls of this claim.
    #[must_use]
    pub fn may_be_attended(&self, now: Timestamp) -> bool {
        now < self.attended_until
    }

    pub(crate) fn client(&self) -> &ClientId {
        &self.connection.client
    }

    pub(crate) fn id(&self) -> &ConnectionId {
        &self.connection.id
    }
}

impl Table {
    /// Claims a connection for a sync.
    ///
    /// An unattended access is spent in the same write. None is where a reading goes on under an access
    /// spent before, nor where the budget is spent but the person is there.
    ///
    /// # Errors
    /// When the table does not answer; a refusal is a value.
    pub async fn claim(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
        now: Timestamp,
    ) -> Result<Result<Claim, ClaimRefusal>, Error> {
        let old = match self
            .try_claim(client, connection, now, Spending::Access)
            .await?
        {
            Ok(claim) => return Ok(Ok(claim)),
            Err(old) => old,
        };
        let without_access = match refusal(old.as_ref(), now)? {
            ClaimRefusal::BudgetSpent { .. } if goes_on(old.as_ref(), now) => {
                Spending::Continuation
            }
            ClaimRefusal::BudgetSpent { .. } if attended(old.as_ref(), now) => {
                Spending::PersonThere
            }
            refused => return Ok(Err(refused)),
        };
        let second = self
            .try_claim(client, connection, now, without_access)
            .await?;
        match second {
            Ok(claim) => Ok(Ok(claim)),
            Err(old) => Ok(Err(refusal(old.as_ref(), now)?)),
        }
    }

    /// Claims a connection for work that calls no bank, whatever the budget.
    ///
    /// # Errors
    /// When the table does not answer; a refusal is a value.
    pub(crate) async fn claim_without_call(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
        now: Timestamp,
    ) -> Result<Result<Claim, ClaimRefusal>, Error> {
        let claimed = self
            .try_claim(client, connection, now, Spending::NoCall)
            .await?;
        match claimed {
            Ok(claim) => Ok(Ok(claim)),
            Err(old) => Ok(Err(refusal(old.as_ref(), now)?)),
        }
    }

    async fn try_claim(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
        now: Timestamp,
        spending: Spending,
    ) -> Result<Result<Claim, Option<Item>>, Error> {
        let lease = Claim::lease_from(now)?;
        let update = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(Key::gate(client, connection).into_item()))
            .expression_attribute_values(":now", moment(now))
            .expression_attribute_values(":lease", moment(lease))
            .expression_attribute_values(":one", number(1));
        let answer = spend(update, spending, now)
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match answer {
            Ok(answer) => {
                self.meter
                    .table_write(answer.consumed_capacity.as_slice_of());
                let gate = answer.attributes.ok_or(Error::Unreadable("gate"))?;
                Ok(Ok(Claim {
                    connection: read_connection(client, connection, &gate, None)?,
                    seq: get_number(&gate, "seq")?,
                    budget: read_budget(&gate),
                    reads_lines: !gate.contains_key("no_lines"),
                    spent: SpentAccess { at: now },
                    spending,
                    attended_until: get_moment(&gate, "attended_until")?,
                }))
            }
            Err(SdkError::ServiceError(failure)) => match failure.into_err() {
                UpdateItemError::ConditionalCheckFailedException(refused) => {
                    // A refused condition is billed like the write it refused.
                    self.meter.table_write(&[]);
                    Ok(Err(refused.item))
                }
                other => Err(Error::from_sdk(SdkError::<_, ()>::service_error(other, ()))),
            },
            Err(error) => Err(Error::from_sdk(error)),
        }
    }

    /// Gives a claimed connection back after a failure, so that a retry need not wait for the lease.
    ///
    /// # Errors
    /// When the table does not answer; the lease then ends by itself.
    pub async fn release(&self, claim: &Claim) -> Result<(), Error> {
        self.update_gate_of(claim, "SET lease_until = :zero", vec![(":zero", number(0))])
            .await
    }

    /// Gives a claimed connection back, and the access with it: no call was made.
    ///
    /// # Errors
    /// When the table does not answer; the access is then lost and the lease ends by itself.
    pub async fn release_unused(&self, claim: &Claim) -> Result<(), Error> {
        let zero = vec![(":zero", number(0))];
        match claim.spending {
            // What the claim pushed out of the list counted no more: an empty place stands for it.
            Spending::Access => {
                let back = "SET lease_until = :zero, access_4 = access_3, access_3 = access_2, \
                            access_2 = access_1, access_1 = :zero";
                self.update_gate_of(claim, back, zero).await
            }
            Spending::Continuation | Spending::PersonThere | Spending::NoCall => {
                self.release(claim).await
            }
        }
    }

    /// Stores the bank's call rule where the directory has another one by now.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn keep_call_rule(&self, claim: &Claim, rule: CallRule) -> Result<(), Error> {
        let code = vec![(":rule", text(rule.code()))];
        self.update_gate_of(claim, "SET call_rule = :rule", code)
            .await
    }

    /// Records that the bank wants the person again, and tells the client. No sync runs until it is
    /// mended, so the one that was owed when the work began is owed no more.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn require_reauthentication(
        &self,
        claim: &Claim,
        reason: ReauthenticationReason,
        mark: Option<DueMark>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let connection = &claim.connection;
        let update = Update::builder()
            .table_name(&self.name)
            .set_key(Some(Key::gate(claim.client(), claim.id()).into_item()))
            .update_expression("SET phase = :phase, since = :since, reason = :reason")
            .condition_expression("seq = :seq AND phase = :open")
            .expression_attribute_values(":seq", number(claim.seq))
            .expression_attribute_values(":open", text("open"))
            .expression_attribute_values(":phase", text("reauthentication-needed"))
            .expression_attribute_values(":since", moment(now))
            .expression_attribute_values(":reason", json(&reason)?)
            .build()
            .map_err(|_| Error::Unreadable("gate"))?;
        let about = About {
            client: connection.client.clone(),
            customer: Some(connection.customer.clone()),
            consent: Some(connection.consent.clone()),
            connection: Some(connection.id.clone()),
        };
        let kind = EventKind::ReauthenticationNeeded { reason };
        let event = DomainEvent::new(about, claim.seq, kind, now);
        let writes = vec![
            TransactWriteItem::builder().update(update).build(),
            self.put_event(&event)?,
        ];
        match self.transact(writes).await {
            // A newer claim or a closing decides; this one has nothing left to say.
            Ok(()) | Err(Error::Conflict) => {}
            Err(error) => return Err(error),
        }
        match mark {
            Some(mark) => self.clear_due(claim.client(), claim.id(), mark).await,
            None => Ok(()),
        }
    }

    /// Changes the gate while the claim is the latest one.
    pub(crate) async fn update_gate_of(
        &self,
        claim: &Claim,
        expression: &str,
        values: Vec<(&'static str, AttributeValue)>,
    ) -> Result<(), Error> {
        let mut update = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(Key::gate(claim.client(), claim.id()).into_item()))
            .update_expression(expression)
            .condition_expression("seq = :seq AND phase = :open")
            .expression_attribute_values(":seq", number(claim.seq))
            .expression_attribute_values(":open", text("open"));
        for (name, value) in values {
            update = update.expression_attribute_values(name, value);
        }
        let answer = update
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk);
        match answer {
            Ok(answer) => self
                .meter
                .table_write(answer.consumed_capacity.as_slice_of()),
            // A newer claim or a closing decides; this one has nothing left to say.
            Err(Error::Conflict) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// An unfinished reading may go on under the access spent last.
const GOES_ON: &str =
    "attribute_exists(may_continue) AND may_continue > :zero AND continue_until > :now";

/// What the claim writes and under which condition.
fn spend(
    update: UpdateItemFluentBuilder,
    spending: Spending,
    now: Timestamp,
) -> UpdateItemFluentBuilder {
    let open = "phase = :open AND consent_until > :now AND lease_until <= :now";
    let take = "SET lease_until = :lease, seq = seq + :one";
    let update = match spending {
        Spending::NoCall => {
            // A connection that waits for the person still holds what is to be erased.
            return update
                .update_expression(take)
                .condition_expression("phase <> :closed AND lease_until <= :now")
                .expression_attribute_values(":closed", text("closed"));
        }
        Spending::PersonThere => {
            return update
                .update_expression(take)
                .condition_expression(format!("{open} AND attended_until > :now"))
                .expression_attribute_values(":open", text("open"));
        }
        // The access is dated anew: its calls go on now.
        Spending::Continuation => {
            return update
                .update_expression(format!(
                    "{take}, access_4 = :now, may_continue = may_continue - :one"
                ))
                .condition_expression(format!("{open} AND {GOES_ON}"))
                .expression_attribute_values(":open", text("open"))
                .expression_attribute_values(":zero", number(0));
        }
        Spending::Access => update
            .update_expression(format!(
                "{take}, access_1 = access_2, access_2 = access_3, access_3 = access_4, \
                 access_4 = :now REMOVE may_continue, continue_until"
            ))
            .expression_attribute_values(":zero", number(0)),
    };
    let mut rules = vec!["attribute_not_exists(call_rule)".to_owned()];
    let mut update = update.expression_attribute_values(":open", text("open"));
    for (index, rule) in CallRule::all().enumerate() {
        // The access that must count no more for one to be left: the n-th from the last.
        let nth_last = 5_u8.saturating_sub(rule.limit());
        rules.push(format!(
            "(call_rule = :rule{index} AND access_{nth_last} <= :from{index})"
        ));
        update = update
            .expression_attribute_values(format!(":rule{index}"), text(rule.code()))
            .expression_attribute_values(format!(":from{index}"), moment(rule.counts_after(now)));
    }
    update
        .condition_expression(format!(
            "{open} AND NOT ({GOES_ON}) AND access_1 <= :window AND ({})",
            rules.join(" OR ")
        ))
        .expression_attribute_values(":window", moment(window_start(now)))
}

fn refusal(old: Option<&Item>, now: Timestamp) -> Result<ClaimRefusal, Error> {
    let Some(gate) = old.filter(|gate| gate.contains_key("phase")) else {
        return Ok(ClaimRefusal::Unknown);
    };
    if get_text(gate, "phase")? != "open" {
        return Ok(ClaimRefusal::NotOpen);
    }
    if get_moment(gate, "consent_until")? <= now {
        return Ok(ClaimRefusal::ConsentEnded);
    }
    if get_moment(gate, "lease_until")? > now {
        return Ok(ClaimRefusal::Leased);
    }
    Ok(ClaimRefusal::BudgetSpent {
        next_possible: read_budget(gate).next_possible(now),
    })
}

fn goes_on(old: Option<&Item>, now: Timestamp) -> bool {
    old.is_some_and(|gate| {
        get_number(gate, "may_continue").is_ok_and(|left| left > 0)
            && get_moment(gate, "continue_until").is_ok_and(|until| until > now)
    })
}

fn attended(old: Option<&Item>, now: Timestamp) -> bool {
    old.and_then(|gate| get_moment(gate, "attended_until").ok())
        .is_some_and(|until| now < until)
}
