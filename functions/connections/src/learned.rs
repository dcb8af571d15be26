//! What was last learned about a person, part by part: profile, contracts, recurrences, life moments,
//! scores. Each `GET /v1/customers/{customer}/…?purpose=…`.
//!
//! Served from the connections whose consent grants the purpose now, and from no other: a purpose that
//! two connections grant is answered from both, one that one of them grants from that one alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use passerelle_domain::Date;
use passerelle_domain::Timestamp;
use passerelle_domain::ids::{ConnectionId, CustomerReference};
use passerelle_domain::purpose::{DataClass, PurposeCode};
use passerelle_knowledge::{
    Analysis, CoverRemark, Coverage, FeatureWindow, InsuranceContract, InsurancePayment,
    LifeMoment, OwnInsurers, Profile, Recurrence, Scorecard,
};
use passerelle_runtime::{Caller, Code, Json, Path, Problem, Query};
use serde::Serialize;

use crate::grant::{Named, Read};
use crate::{Connections, refused};

/// A part of what was learned, and what it was learned from.
#[derive(Debug, Serialize)]
pub(crate) struct Learned<P> {
    customer: CustomerReference,
    purpose: PurposeCode,
    computed_at: Timestamp,
    as_of: Date,
    taxonomy_version: String,
    rules_version: String,
    connections: BTreeSet<ConnectionId>,
    coverage: Coverage,
    #[serde(flatten)]
    part: P,
}

/// How the person lives, in numbers.
#[derive(Debug, Serialize)]
pub(crate) struct ProfilePart {
    profile: Option<Profile>,
    features: Vec<FeatureWindow>,
}

/// Insurance held.
#[derive(Debug, Serialize)]
pub(crate) struct ContractsPart {
    contracts: Vec<InsuranceContract>,
    cover_remarks: Vec<CoverRemark>,
    insurance_payments: Vec<InsurancePayment>,
}

/// Regular flows.
#[derive(Debug, Serialize)]
pub(crate) struct RecurrencesPart {
    recurrences: Vec<Recurrence>,
}

/// What changed.
#[derive(Debug, Serialize)]
pub(crate) struct LifeMomentsPart {
    life_moments: Vec<LifeMoment>,
}

/// One answer per card.
#[derive(Debug, Serialize)]
pub(crate) struct ScoresPart {
    scores: Vec<Scorecard>,
}

type Asked = (
    State<Arc<Connections>>,
    Caller,
    Path<CustomerReference>,
    Query<Named>,
);

pub(crate) async fn profile(
    connections: State<Arc<Connections>>,
    caller: Caller,
    customer: Path<CustomerReference>,
    named: Query<Named>,
) -> Result<Json<Learned<ProfilePart>>, Problem> {
    serve((connections, caller, customer, named), |analysis| {
        ProfilePart {
            profile: analysis.profile,
            features: analysis.features,
        }
    })
    .await
}

pub(crate) async fn contracts(
    connections: State<Arc<Connections>>,
    caller: Caller,
    customer: Path<CustomerReference>,
    named: Query<Named>,
) -> Result<Json<Learned<ContractsPart>>, Problem> {
    serve((connections, caller, customer, named), |analysis| {
        ContractsPart {
            contracts: analysis.contracts,
            cover_remarks: analysis.cover_remarks,
            insurance_payments: analysis.insurance_payments,
        }
    })
    .await
}

pub(crate) async fn recurrences(
    connections: State<Arc<Connections>>,
    caller: Caller,
    customer: Path<CustomerReference>,
    named: Query<Named>,
) -> Result<Json<Learned<RecurrencesPart>>, Problem> {
    serve((connections, caller, customer, named), |analysis| {
        RecurrencesPart {
            recurrences: analysis.recurrences,
        }
    })
    .await
}

pub(crate) async fn life_moments(
    connections: State<Arc<Connections>>,
    caller: Caller,
    customer: Path<CustomerReference>,
    named: Query<Named>,
) -> Result<Json<Learned<LifeMomentsPart>>, Problem> {
    serve((connections, caller, customer, named), |analysis| {
        LifeMomentsPart {
            life_moments: analysis.life_moments,
        }
    })
    .await
}

pub(crate) async fn scores(
    connections: State<Arc<Connections>>,
    caller: Caller,
    customer: Path<CustomerReference>,
    named: Query<Named>,
) -> Result<Json<Learned<ScoresPart>>, Problem> {
    serve((connections, caller, customer, named), |analysis| {
        ScoresPart {
            scores: analysis.scores,
        }
    })
    .await
}

/// Reads what the purpose may see and answers one part of it.
async fn serve<P>(
    (State(connections), caller, Path(customer), Query(named)): Asked,
    part: impl FnOnce(Analysis) -> P,
) -> Result<Json<Learned<P>>, Problem> {
    let (store, now) = (connections.store.metered(), connections.clock.now());
    let (client, purpose) = (&caller.client, &named.purpose);
    let grounds = store.table().score_grounds(client, &customer, now).await;
    let grounds = grounds.map_err(refused)?;
    let granting = grounds.connections_for(purpose);
    // Without any grant, whether anything was learned is not told either.
    if granting.is_empty() {
        return Err(Problem::purpose_not_granted());
    }
    let found = store
        .score::<Analysis>(client, &customer, &granting, now)
        .await
        .map_err(refused)?;
    let stored = found.ok_or_else(not_ready)?;
    // What one of them was not told of is shown of none.
    let told = grounds.terms(purpose, &stored.connections);
    let mut analysis = told.fold(stored.analysis, |analysis, terms| {
        analysis.visible_to(terms)
    });
    let settings = store.table().settings(&caller.client).await;
    let names = settings.map_err(refused)?.insurer_names;
    analysis = analysis.seen_by(&OwnInsurers::named(names.iter().map(String::as_str)));
    let read = Read {
        customer: &customer,
        connection: None,
        class: DataClass::Scores,
        purpose: &named.purpose,
    };
    connections.log(&caller, &read, now).await?;
    Ok(Json(Learned {
        customer,
        purpose: named.purpose,
        computed_at: stored.computed_at,
        as_of: analysis.as_of,
        taxonomy_version: analysis.taxonomy_version.clone(),
        rules_version: analysis.rules_version.clone(),
        connections: stored.connections,
        coverage: analysis.coverage.clone(),
        part: part(analysis),
    }))
}

fn not_ready() -> Problem {
    Problem::new(Code::NotFound).with_detail(
        "Nothing has been learned yet: wait for the first sync, or POST /v1/scores to compute now.",
    )
}
