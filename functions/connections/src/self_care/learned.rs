//! What was learned about the person, in plain words and with its reasons.
//!
//! Shown is what the purposes they still allow may learn, taken together: with none that may, nothing
//! is; with purposes that sell alone, what a purpose that sells may see.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use passerelle_aws::scores::StoredScore;
use passerelle_domain::Timestamp;
use passerelle_domain::purpose::{DataClass, PurposeTerms};
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
        knowledge: known.map(|known| Knowledge {
            computed: day(known.computed_at),
            analysis: known.analysis,
        }),
    };
    Ok(page.page())
}

impl Connections {
    /// The stored analysis, as far as what the person allows now lets it be.
    pub(super) async fn known(
        &self,
        here: &Here,
        held: &[Held],
    ) -> Result<Option<StoredScore<Analysis>>, Problem> {
        let (psu, now) = (&here.psu, self.clock.now());
        let Some(terms) = together(held, here, now) else {
            return Ok(None);
        };
        let found = self
            .store
            .metered()
            .score::<Analysis>(&psu.client, &psu.customer, now)
            .await
            .map_err(refused)?;
        Ok(found.map(|stored| StoredScore {
            analysis: stored.analysis.visible_to(&terms),
            ..stored
        }))
    }
}

/// What the purposes allowed now may learn, taken together; nothing where none may.
fn together(held: &[Held], here: &Here, now: Timestamp) -> Option<PurposeTerms> {
    held.iter()
        .flat_map(|held| held.granted(&here.settings.catalogue, here.psu.locale, now))
        .filter(|granted| granted.terms.may_read(DataClass::Scores))
        .map(|granted| granted.terms.clone())
        .reduce(|mut all, one| {
            all.learns.extend(one.learns);
            all.sells &= one.sells;
            all
        })
}
