//! On what ground a score exists: which of a person's connections may be scored together, and for which
//! purpose.
//!
//! A purpose that was granted on two connections is answered from both; one that was granted on one of
//! them is answered from that one alone, whatever the other allows.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::consent::Consent;
use crate::ids::ConnectionId;
use crate::purpose::{DataClass, PurposeCode, PurposeTerms};

/// The purposes that may read scores at one moment, each with the connections whose consent grants it
/// and the terms the person was shown there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScoreGrounds(BTreeMap<PurposeCode, BTreeMap<ConnectionId, PurposeTerms>>);

impl ScoreGrounds {
    /// Adds what a consent grants its connection at a moment.
    pub fn add(&mut self, connection: &ConnectionId, consent: &Consent, now: Timestamp) {
        for asked in &consent.requested {
            if consent.permits(&asked.code, DataClass::Scores, now) {
                let granted = self.0.entry(asked.code.clone()).or_default();
                granted.insert(connection.clone(), asked.terms.clone());
            }
        }
    }

    /// Whether nothing may be scored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every connection that may be scored for some purpose.
    #[must_use]
    pub fn connections(&self) -> BTreeSet<ConnectionId> {
        self.0.values().flat_map(BTreeMap::keys).cloned().collect()
    }

    /// The connections a purpose may be answered from.
    #[must_use]
    pub fn connections_for(&self, purpose: &PurposeCode) -> BTreeSet<ConnectionId> {
        let granted = self.0.get(purpose);
        granted
            .map(|granted| granted.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// What the person was told of a purpose on each of these connections.
    pub fn terms<'a>(
        &'a self,
        purpose: &PurposeCode,
        connections: &'a BTreeSet<ConnectionId>,
    ) -> impl Iterator<Item = &'a PurposeTerms> {
        let granted = self.0.get(purpose).into_iter().flatten();
        granted
            .filter(|(connection, _)| connections.contains(*connection))
            .map(|(_, terms)| terms)
    }

    /// The sets of connections to be scored together, one per answer that differs: purposes granted on
    /// the same readable connections share one.
    #[must_use]
    pub fn sets(&self, readable: &BTreeSet<ConnectionId>) -> BTreeSet<BTreeSet<ConnectionId>> {
        let sets = self.0.values().map(|granted| {
            let kept = granted.keys().filter(|it| readable.contains(*it));
            kept.cloned().collect::<BTreeSet<_>>()
        });
        sets.filter(|set| !set.is_empty()).collect()
    }

    /// Whether some purpose is granted on every one of these connections.
    #[must_use]
    pub fn justify(&self, connections: &BTreeSet<ConnectionId>) -> bool {
        self.together(connections).is_some()
    }

    /// What the purposes granted on all of these connections may learn, taken together: within one
    /// purpose what every connection's terms allow, across purposes what any of them allows. `None` when
    /// no purpose is granted on all of them.
    #[must_use]
    pub fn together(&self, connections: &BTreeSet<ConnectionId>) -> Option<PurposeTerms> {
        let granted = self
            .0
            .iter()
            .filter(|(_, granted)| connections.iter().all(|it| granted.contains_key(it)));
        let purposes = granted.filter_map(|(purpose, _)| {
            let told = self.terms(purpose, connections).cloned();
            told.reduce(|mut common, terms| {
                common.learns.retain(|fact| terms.may_learn(*fact));
                common.sells |= terms.sells;
                common
            })
        });
        purposes.reduce(|mut all, one| {
            all.learns.extend(one.learns);
            all.sells &= one.sells;
            all
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::purpose::Fact;

    fn purpose(code: &str) -> PurposeCode {
        code.parse().unwrap()
    }

    fn connection(number: u8) -> ConnectionId {
        ConnectionId::from_entropy([number; 16])
    }

    fn set(numbers: &[u8]) -> BTreeSet<ConnectionId> {
        numbers.iter().map(|number| connection(*number)).collect()
    }

    /// A purpose, and which facts of which connections it grants.
    type Granted<'a> = (&'a str, &'a [(u8, &'a [Fact])]);

    fn grounds(granted: &[Granted<'_>]) -> ScoreGrounds {
        let granted = granted.iter().map(|(code, connections)| {
            let terms = connections.iter().map(|(number, learns)| {
                let terms = PurposeTerms {
                    learns: learns.iter().copied().collect(),
                    ..PurposeTerms::default()
                };
                (connection(*number), terms)
            });
            (purpose(code), terms.collect())
        });
        ScoreGrounds(granted.collect())
    }

    #[test]
    fn each_purpose_is_answered_from_the_connections_that_grant_it_and_equal_sets_are_one() {
        let grounds = grounds(&[
            ("advice", &[(1, &[])]),
            ("quote", &[(2, &[])]),
            ("retention", &[(1, &[]), (2, &[])]),
            ("underwriting", &[(1, &[])]),
        ]);
        assert_eq!(grounds.connections_for(&purpose("advice")), set(&[1]));
        assert_eq!(grounds.connections_for(&purpose("claims")), set(&[]));
        let sets = grounds.sets(&set(&[1, 2]));
        assert_eq!(sets, BTreeSet::from([set(&[1]), set(&[2]), set(&[1, 2])]));
        // A connection that was not read yet does not hide the others.
        assert_eq!(grounds.sets(&set(&[1])), BTreeSet::from([set(&[1])]));
    }

    #[test]
    fn a_set_is_justified_by_one_purpose_granted_on_all_of_it_and_by_no_two() {
        let grounds = grounds(&[("advice", &[(1, &[])]), ("quote", &[(2, &[])])]);
        assert!(grounds.justify(&set(&[1])));
        assert!(grounds.justify(&set(&[2])));
        assert!(!grounds.justify(&set(&[1, 2])));
        assert!(!grounds.justify(&set(&[1, 3])));
    }

    #[test]
    fn what_is_learned_together_is_common_within_a_purpose_and_joined_across_purposes() {
        let grounds = grounds(&[
            (
                "advice",
                &[
                    (1, &[Fact::Scores, Fact::LifeMoments]),
                    (2, &[Fact::Scores]),
                ],
            ),
            ("quote", &[(1, &[Fact::Household])]),
        ]);
        let together = |numbers: &[u8]| grounds.together(&set(numbers)).unwrap().learns;
        assert_eq!(together(&[1, 2]), BTreeSet::from([Fact::Scores]));
        assert_eq!(
            together(&[1]),
            BTreeSet::from([Fact::Scores, Fact::LifeMoments, Fact::Household])
        );
    }
}
