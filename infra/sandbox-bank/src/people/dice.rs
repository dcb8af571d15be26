//! Chance that can be played again.

/// A small generator (SplitMix64): the same throws for the same name, on every machine and version.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice for one purpose: the seed, and whatever tells the purpose from the others.
    pub(crate) fn new(seed: u64, purpose: &str) -> Self {
        // FNV-1a spreads the purpose over the state.
        let spread = purpose
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325 ^ seed, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        Self(spread)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number between two bounds, both possible.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high.saturating_sub(low))
            .unwrap_or(0)
            .saturating_add(1);
        let offset = i64::try_from(self.next() % span).unwrap_or(0);
        low.saturating_add(offset)
    }

    /// One of several.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let count = u64::try_from(items.len()).ok().filter(|count| *count > 0)?;
        usize::try_from(self.next() % count)
            .ok()
            .and_then(|index| items.get(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_same_purpose_throws_the_same() {
        assert_eq!(Dice::new(1, "a").next(), Dice::new(1, "a").next());
        assert_ne!(Dice::new(1, "a").next(), Dice::new(2, "a").next());
        assert_ne!(Dice::new(1, "a").next(), Dice::new(1, "b").next());
    }

    proptest! {
        #[test]
        fn throws_stay_between_their_bounds(seed: u64, low in -1000_i64..1000, span in 0_i64..1000) {
            let thrown = Dice::new(seed, "bounds").between(low, low + span);
            prop_assert!((low..=low + span).contains(&thrown));
        }
    }
}
