//! How much of a country's banking the directory covers, from published figures.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::directory::DirectoryEntry;

/// What is published of the market.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Market {
    measure: String,
    source: String,
    year: u16,
    share: Vec<Share>,
}

/// One group's part of it. What is called one group there may be several here.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Share {
    name: String,
    groups: BTreeSet<String>,
    permille: u16,
}

/// How much of a country's banking is listed and reachable.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Coverage {
    /// What the percentages are of.
    pub measure: String,
    /// Where the figures are published.
    pub source: String,
    /// The year they hold for.
    pub year: u16,
    /// Groups with a bank in the directory.
    pub listed_percent: f64,
    /// Groups of which every listed bank can be reached today: their own interface or an aggregator.
    pub reachable_percent: f64,
    /// Listed, and not reachable before somebody registers with the bank or sets up an aggregator.
    pub needs_onboarding_percent: f64,
    /// Each group.
    pub groups: Vec<GroupCoverage>,
}

/// One group.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupCoverage {
    /// Its name.
    pub name: String,
    /// Its part of what is measured.
    pub percent: f64,
    /// Its banks in the directory.
    pub listed: usize,
    /// Those that can be reached today.
    pub reachable: usize,
}

impl Market {
    /// Adds up what the entries cover.
    pub(crate) fn coverage<'a>(
        &self,
        entries: impl Iterator<Item = &'a DirectoryEntry> + Clone,
    ) -> Coverage {
        let (mut listed, mut reachable) = (0_u16, 0_u16);
        let mut groups = Vec::new();
        for share in &self.share {
            let banks = entries
                .clone()
                .filter(|entry| share.groups.contains(&entry.group));
            let ready = banks
                .clone()
                .filter(|bank| bank.reachable.is_ready())
                .count();
            let banks = banks.count();
            if banks > 0 {
                listed = listed.saturating_add(share.permille);
            }
            if banks > 0 && banks == ready {
                reachable = reachable.saturating_add(share.permille);
            }
            groups.push(GroupCoverage {
                name: share.name.clone(),
                percent: percent(share.permille),
                listed: banks,
                reachable: ready,
            });
        }
        Coverage {
            measure: self.measure.clone(),
            source: self.source.clone(),
            year: self.year,
            listed_percent: percent(listed),
            reachable_percent: percent(reachable),
            needs_onboarding_percent: percent(listed.saturating_sub(reachable)),
            groups,
        }
    }
}

fn percent(permille: u16) -> f64 {
    f64::from(permille) / 10.0
}
