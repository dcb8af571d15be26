//! What was learned about the person, in plain words and with its reasons.
//!
//! Shown is all that is stored, each analysis as far as the purposes that justify it may learn, taken
//! together: with none that may, nothing is; with purposes that sell alone, what a purpose that sells may
//! see.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use passerelle_aws::scores::StoredScore;
use passerelle_domain::score_grounds::ScoreGrounds;
use passerelle_knowledge::Analysis;
use passerelle_runtime::Problem;

use super::held::{Held, day};
use super::overview::frame;
use super::visit::Here;
use crate::pages::{Knowledge, Learned};
use crate::{Connections, refused};

pub(crate) async fn show(
    State(connections): State<Arc<Connections>>,
    here: Here,
) -> Result<Response, Problem> {
    let held = connections.held_by(&here.psu).await?;
    let known = connections.known(&here, &held).await?;
    let page = Learned {
        frame: frame(&here, &held),
        knowledge: known
            .into_iter()
            .map(|known| Knowledge {
                computed: day(known.computed_at),
                banks: banks_of(&held, &known),
                analysis: known.analysis,
            })
            .collect(),
    };
    Ok(page.page())
}

impl Connections {
    /// What is stored, as far as what the person allows now lets it be; from the most connections to the
    /// fewest.
    pub(super) async fn known(
        &self,
        here: &Here,
        held: &[Held],
    ) -> Result<Vec<StoredScore<Analysis>>, Problem> {
        let (psu, now) = (&here.psu, self.clock.now());
        let mut grounds = ScoreGrounds::default();
        for held in held {
            grounds.add(&held.connection.id, &held.consent, now);
        }
        if grounds.is_empty() {
            return Ok(Vec::new());
        }
        let stored = self.store.metered();
        let stored = stored.scores::<Analysis>(&psu.client, &psu.customer, now);
        let stored = stored.await.map_err(refused)?.into_iter();
        let known = stored.filter_map(|stored| {
            let terms = grounds.together(&stored.connections)?;
            Some(StoredScore {
                analysis: stored.analysis.visible_to(&terms),
                ..stored
            })
        });
        Ok(known.collect())
    }
}

/// The banks it was learned from.
fn banks_of(held: &[Held], known: &StoredScore<Analysis>) -> Vec<String> {
    let known = held
        .iter()
        .filter(|held| known.connections.contains(&held.connection.id));
    known.map(|held| held.bank_name.clone()).collect()
}
