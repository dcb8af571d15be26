//! Every dependency, whatever brings it in, comes from the registry and may be shipped by an insurer.

use std::collections::BTreeSet;

use spdx::{Expression, ParseMode};

use crate::house::{self, House};

/// The licences of `deny.toml`, the one place where they are chosen.
fn allowed_licences() -> BTreeSet<String> {
    let config: toml::Table = house::text("deny.toml").parse().expect("deny.toml is TOML");
    config["licenses"]["allow"]
        .as_array()
        .expect("a list of licences")
        .iter()
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect()
}

#[test]
fn every_dependency_has_a_licence_that_may_be_shipped() {
    let allowed = allowed_licences();
    let house = House::survey();
    let mut seen = 0;
    for package in house.everything_linked() {
        let licence = package.license.as_deref();
        let licence = licence.unwrap_or_else(|| panic!("{} has no licence", package.name));
        let expression = Expression::parse_mode(licence, ParseMode::LAX)
            .unwrap_or_else(|error| panic!("{}: {error}", package.name));
        let permitted = expression.evaluate(|asked| allowed.contains(&asked.to_string()));
        assert!(permitted, "{} is under {licence}", package.name);
        seen += 1;
    }
    assert!(seen > 100, "only {seen} dependencies were looked at");
}

#[test]
fn every_dependency_comes_from_the_registry() {
    for package in House::survey().everything_linked() {
        let source = package.source.as_ref();
        let from_registry = source.is_some_and(|source| source.repr.starts_with("registry+"));
        assert!(from_registry, "{} comes from {source:?}", package.name);
    }
}
