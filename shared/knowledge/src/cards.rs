//! The cards that ship, as versioned data files with a model card beside each.

use std::sync::LazyLock;

use crate::scorecard::{Card, InvalidCard};

/// The files, in the order their scores are served.
const FILES: &[&str] = &[
    include_str!("../cards/financial-resilience.json"),
    include_str!("../cards/income-stability.json"),
    include_str!("../cards/insurance-need-auto.json"),
    include_str!("../cards/insurance-need-home.json"),
    include_str!("../cards/insurance-need-loan.json"),
    include_str!("../cards/insurance-need-travel.json"),
    include_str!("../cards/insurance-need-moto.json"),
    include_str!("../cards/insurance-need-pet.json"),
    include_str!("../cards/insurance-need-legal.json"),
    include_str!("../cards/insurance-need-protection.json"),
    include_str!("../cards/insurance-need-school.json"),
];

static CARDS: LazyLock<Vec<Card>> = LazyLock::new(|| read().unwrap_or_default());

fn read() -> Result<Vec<Card>, InvalidCard> {
    FILES.iter().map(|file| Card::from_json(file)).collect()
}

/// The shipped cards. A test proves that each reads, so the list is never empty.
#[must_use]
pub fn shipped() -> &'static [Card] {
    &CARDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_card_reads() {
        assert_eq!(read().unwrap().len(), FILES.len());
    }

    #[test]
    fn every_card_has_a_model_card_of_its_version() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("cards");
        for card in shipped() {
            let page = folder.join(format!("{}.md", card.model));
            let text = std::fs::read_to_string(&page)
                .unwrap_or_else(|error| panic!("{}: {error}", page.display()));
            assert!(
                text.contains(&format!("version {}", card.version)),
                "{}",
                card.model
            );
        }
    }

    #[test]
    fn every_value_lies_inside_the_range_of_its_card() {
        let extremes = [i64::MIN, -1_000, -1, 0, 1, 500, 100_000, i64::MAX];
        for card in shipped() {
            let (lowest, highest) = card.range();
            assert!(
                card.bands.first().is_some_and(|band| band.from <= lowest),
                "{}",
                card.model
            );
            for value in extremes {
                let measured = card
                    .attributes
                    .iter()
                    .map(|attribute| (attribute.feature, value))
                    .collect();
                assert!(
                    (lowest..=highest).contains(&card.value(&measured)),
                    "{}",
                    card.model
                );
            }
        }
    }

    #[test]
    fn points_move_one_way_only_along_each_attribute() {
        for card in shipped() {
            for attribute in &card.attributes {
                let points: Vec<i64> = attribute.bins.iter().map(|bin| bin.points).collect();
                let rising = points.is_sorted();
                let falling = points.iter().rev().is_sorted();
                assert!(rising || falling, "{} {}", card.model, attribute.id);
            }
        }
    }

    #[test]
    fn a_card_that_may_be_sold_with_reads_nothing_protective() {
        for card in shipped().iter().filter(|card| card.available_to_selling) {
            for attribute in &card.attributes {
                let feature = attribute.feature;
                assert!(!feature.is_protective_only(), "{}", attribute.id);
                assert!(!feature.needs_opt_in(), "{}", attribute.id);
            }
        }
    }
}
