//! What was decided about what is learned from a connection: read, changed, scored anew.

use passerelle_aws::choices::StoredChoices;
use passerelle_aws::pages::History;
use passerelle_knowledge::Choices;
use passerelle_runtime::Problem;

use crate::{Connections, refused};

impl Connections {
    /// The choices of a connection; none at first.
    pub(crate) fn choices(&self, history: &History) -> Result<StoredChoices<Choices>, Problem> {
        history.choices().map_err(refused)
    }

    /// Changes them and owes a new score; what somebody else changed in between is a conflict.
    pub(crate) async fn change_choices(
        &self,
        history: &History,
        change: impl FnOnce(&mut Choices),
    ) -> Result<Choices, Problem> {
        let mut stored = self.choices(history)?;
        let before = stored.choices.clone();
        change(&mut stored.choices);
        if stored.choices != before {
            self.store
                .save_choices(history, &stored, self.clock.now())
                .await
                .map_err(refused)?;
        }
        Ok(stored.choices)
    }
}
