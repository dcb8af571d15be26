//! The directory as data: what every row must be, and how a bank is found.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use proptest::prelude::*;

use super::search::fold;
use super::*;

/// Read once: the rows do not change, and reading them is slow without optimisation.
fn directory() -> &'static Directory {
    static DIRECTORY: LazyLock<Directory> =
        LazyLock::new(|| Directory::compiled(true, false, &Onboarded::default()).unwrap());
    &DIRECTORY
}

fn first(query: &str) -> Option<String> {
    found(query, 1).pop()
}

fn found(query: &str, limit: usize) -> Vec<String> {
    directory()
        .search(query, limit)
        .iter()
        .map(|entry| entry.institution.id.to_string())
        .collect()
}

/// The rows as written, before they are read.
fn written() -> Vec<toml::Table> {
    let file: toml::Table = INSTITUTIONS.parse().unwrap();
    let rows = file["institution"].as_array().unwrap().clone();
    rows.into_iter()
        .map(|row| row.as_table().unwrap().clone())
        .collect()
}

#[test]
fn every_row_is_sound_and_ids_are_unique() {
    let directory = directory();
    let ids: BTreeSet<_> = directory
        .entries()
        .map(|entry| entry.institution.id.clone())
        .collect();
    assert_eq!(ids.len(), directory.entries().count());
    for entry in directory.entries() {
        let institution = &entry.institution;
        let id = &institution.id;
        assert!((1..=180).contains(&institution.max_consent_days), "{id}");
        assert!((1..=4).contains(&institution.unattended_per_day), "{id}");
        assert_eq!(institution.country, "FR", "{id}");
        let unconfirmed = entry.standard == Standard::Unconfirmed;
        assert_eq!(entry.version.is_empty(), unconfirmed, "{id}");
        if let Reachability::NeedsOnboarding { why } = &entry.reachable {
            assert!(!why.is_empty() && !entry.sandbox, "{id}");
        }
    }
}

#[test]
fn a_bic_has_its_shape_and_belongs_to_one_bank() {
    let mut owners: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in directory().entries() {
        let Some(bic) = &entry.institution.bic else {
            continue;
        };
        let letters = |range| {
            bic.get(range)
                .is_some_and(|part: &str| part.bytes().all(|byte| byte.is_ascii_uppercase()))
        };
        assert!(bic.len() == 11 && letters(0..4) && letters(4..6), "{bic}");
        assert!(
            bic.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            "{bic}"
        );
        // Overseas banks of France have their own country codes (ISO 3166).
        let country = bic.get(4..6).unwrap();
        assert!(matches!(country, "FR" | "GP" | "MQ" | "RE"), "{bic}");
        let id = entry.institution.id.to_string();
        owners.entry(bic.clone()).or_default().push(id);
    }
    owners.retain(|_, banks| banks.len() > 1);
    // A brand without a licence of its own.
    let shared = BTreeMap::from([(
        "BNPAFRPPXXX".to_owned(),
        vec!["bnp-paribas".to_owned(), "hello-bank".to_owned()],
    )]);
    assert_eq!(owners, shared);
}

#[test]
fn every_member_of_a_row_is_one_that_is_read_and_every_one_is_used() {
    let known = BTreeSet::from([
        "id",
        "name",
        "bic",
        "country",
        "group",
        "standard",
        "version",
        "synonyms",
        "max_consent_days",
        "unattended_per_day",
        "unattended_counting",
        "capabilities",
        "signature",
        "reachable",
        "sandbox",
        "establishment",
        "host",
        "aggregator_id",
    ]);
    let capabilities = BTreeSet::from([
        "pending",
        "owner_name",
        "extended_history",
        "forwarded_consent",
    ]);
    // Known, and waiting for the first bank that has them.
    let waiting = BTreeSet::from([
        "quirks",
        "token_path",
        "sandbox_path",
        "card_accounts",
        "oauth_pre_step",
        "explicit_start",
        "app_to_app",
    ]);
    let mut used = BTreeSet::new();
    for row in written() {
        used.extend(row.keys().cloned());
        if let Some(toml::Value::Table(offered)) = row.get("capabilities") {
            used.extend(offered.keys().cloned());
        }
    }
    let used: BTreeSet<&str> = used.iter().map(String::as_str).collect();
    let expected: BTreeSet<&str> = known.union(&capabilities).copied().collect();
    let unknown = used.difference(&expected);
    let misspelt: Vec<_> = unknown.filter(|name| !waiting.contains(*name)).collect();
    assert!(misspelt.is_empty(), "nobody reads {misspelt:?}");
    let unused: Vec<_> = expected.difference(&used).collect();
    assert!(unused.is_empty(), "no row has {unused:?}");
}

#[test]
fn host_templates_are_filled_in_and_each_is_used_with_its_source() {
    let file: toml::Table = INSTITUTIONS.parse().unwrap();
    let templates: BTreeSet<String> = file["host"].as_table().unwrap().keys().cloned().collect();
    let used: BTreeSet<String> = directory()
        .entries()
        .filter_map(|entry| entry.host.clone())
        .collect();
    assert_eq!(used, templates);
    let ile_de_france = directory()
        .get(&"caisse-d-epargne-ile-de-france".parse().unwrap())
        .unwrap();
    let hosts = ile_de_france.hosts.as_ref().unwrap();
    assert_eq!(
        hosts.api.as_str(),
        "https://www.17515.live.api.89c3.com/stet/psd2"
    );
    assert!(
        directory()
            .entries()
            .filter_map(|entry| entry.hosts.as_ref())
            .all(|hosts| !hosts.source.is_empty())
    );
}

#[test]
fn what_is_listed_covers_98_percent_and_an_aggregator_reaches_it() {
    let alone = Directory::compiled(false, false, &Onboarded::default())
        .unwrap()
        .coverage();
    assert!(alone.listed_percent >= 98.0, "{}", alone.listed_percent);
    assert_eq!(alone.reachable_percent, 0.0);
    assert_eq!(alone.needs_onboarding_percent, alone.listed_percent);
    let helped = Directory::compiled(false, true, &Onboarded::default())
        .unwrap()
        .coverage();
    assert!(
        helped.reachable_percent >= 98.0,
        "{}",
        helped.reachable_percent
    );
    assert_eq!(helped.needs_onboarding_percent, 0.0);
    assert!(helped.groups.iter().all(|group| group.listed > 0));
    let sum: f64 = helped.groups.iter().map(|group| group.percent).sum();
    assert!((sum - helped.listed_percent).abs() < 0.05 && sum <= 100.0);
}

#[test]
fn figures_and_the_aggregator_speak_of_groups_that_are_listed() {
    let file: toml::Table = INSTITUTIONS.parse().unwrap();
    let names = |value: &toml::Value| -> Vec<String> {
        let listed = value.as_array().unwrap();
        listed
            .iter()
            .map(|name| name.as_str().unwrap().to_owned())
            .collect()
    };
    let mut spoken = names(&file["aggregator"]["groups"]);
    for share in file["market"]["share"].as_array().unwrap() {
        spoken.extend(names(&share["groups"]));
    }
    let listed: BTreeSet<String> = directory()
        .entries()
        .map(|entry| entry.group.clone())
        .collect();
    for group in spoken {
        assert!(listed.contains(&group), "{group}");
    }
}

#[test]
fn an_aggregator_takes_nothing_from_a_bank_that_is_reached_directly() {
    let directory = Directory::compiled(true, true, &Onboarded::default()).unwrap();
    for entry in directory.sandboxes() {
        let through = Through::Bank;
        assert_eq!(entry.reachable, Reachability::Ready { through });
    }
    assert!(directory.aggregated().count() > 80);
    let revolut = directory.get(&"revolut".parse().unwrap()).unwrap();
    assert!(!revolut.reachable.is_ready());
}

#[test]
fn a_bank_is_found_by_name_synonym_and_bic_without_accents_or_case() {
    for (query, expected) in [
        ("societe generale", "societe-generale"),
        ("SOCIÉTÉ  GÉNÉRALE", "societe-generale"),
        (
            "Socie\u{301}te\u{301} ge\u{301}ne\u{301}rale",
            "societe-generale",
        ),
        ("boursorama", "boursobank"),
        ("credit lyonnais", "lcl"),
        ("CRLYFRPP", "lcl"),
        ("psst", "la-banque-postale"),
        ("ca ile de france", "credit-agricole-ile-de-france"),
        ("agricole ile france", "credit-agricole-ile-de-france"),
        ("caisse epargne normandie", "caisse-d-epargne-normandie"),
        ("AGRIRERX", "credit-agricole-reunion"),
        ("hello bank!", "hello-bank"),
        ("sandbox", "sandbox-bank"),
    ] {
        assert_eq!(first(query).as_deref(), Some(expected), "{query}");
    }
    assert_eq!(first("banque qui n'existe pas"), None);
}

#[test]
fn a_match_of_the_group_alone_comes_after_every_name_that_begins_so() {
    let folded: BTreeMap<_, (String, bool)> = directory()
        .entries()
        .map(|entry| {
            let name = fold(&entry.institution.name);
            (entry.institution.id.clone(), (name, entry.sandbox))
        })
        .collect();
    // A name of one group that begins like the name of another: `Crédit Agricole …`, `Crédit Mutuel`.
    let mut queries = BTreeSet::new();
    for (name, _) in folded.values() {
        for words in 1..=3 {
            let words: Vec<&str> = name.split(' ').take(words).collect();
            queries.insert(words.join(" "));
            queries.insert(name.chars().take(5).collect());
        }
    }
    for query in queries {
        let results = directory().search(&query, usize::MAX);
        let names: Vec<bool> = results
            .iter()
            .map(|entry| folded[&entry.institution.id].0.starts_with(query.as_str()))
            .collect();
        let by_group: Vec<bool> = results
            .iter()
            .map(|entry| {
                let (name, _) = &folded[&entry.institution.id];
                let own = |text: &str| query.split(' ').any(|word| fold(text).contains(word));
                let bic = entry.institution.bic.as_deref().unwrap_or_default();
                !own(name) && !entry.synonyms.iter().any(|name| own(name)) && !own(bic)
            })
            .collect();
        let last_name = names.iter().rposition(|begins| *begins);
        let first_group = by_group.iter().position(|alone| *alone);
        if let (Some(last_name), Some(first_group)) = (last_name, first_group) {
            assert!(last_name < first_group, "{query}");
        }
    }
}

#[test]
fn an_empty_query_lists_what_can_be_reached_first() {
    assert_eq!(first("").as_deref(), Some("sandbox-bank"));
    assert_eq!(found("", 7).len(), 7);
}

#[test]
fn the_sandbox_is_listed_only_where_it_runs() {
    let directory = Directory::compiled(false, false, &Onboarded::default()).unwrap();
    assert!(directory.entries().all(|entry| !entry.sandbox));
    assert!(directory.search("sandbox", 5).is_empty());
}

/// The same text with its accents off, or written as marks of their own.
fn respelt(text: &str, decomposed: bool) -> String {
    let mut out = String::new();
    for symbol in text.chars() {
        let (letter, mark) = match symbol {
            'é' => ('e', '\u{301}'),
            'è' => ('e', '\u{300}'),
            'ê' => ('e', '\u{302}'),
            'ô' => ('o', '\u{302}'),
            'Î' => ('I', '\u{302}'),
            'î' => ('i', '\u{302}'),
            'ç' => ('c', '\u{327}'),
            'ó' => ('o', '\u{301}'),
            'à' => ('a', '\u{300}'),
            other => (other, '\0'),
        };
        out.push(letter);
        if decomposed && mark != '\0' {
            out.push(mark);
        }
    }
    out
}

proptest! {
    #[test]
    fn accents_and_case_never_change_what_is_found(
        row in any::<proptest::sample::Index>(),
        words in 1_usize..6,
    ) {
        let directory = directory();
        let entries: Vec<_> = directory.entries().collect();
        let name = &row.get(&entries).institution.name;
        let query: Vec<&str> = name.split(' ').take(words).collect();
        let query = query.join(" ");
        let expected = found(&query, 50);
        prop_assert!(!expected.is_empty());
        for spelling in [
            respelt(&query, false),
            respelt(&query, true),
            query.to_uppercase(),
            format!("  {} ", query.to_lowercase()),
        ] {
            prop_assert_eq!(&found(&spelling, 50), &expected, "{}", spelling);
        }
    }

    #[test]
    fn no_query_makes_it_panic(query in ".{0,40}") {
        let _ = directory().search(&query, 3);
    }
}
