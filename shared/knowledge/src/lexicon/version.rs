//! Which rules answered: the crate's version and a digest of everything it knows by heart, so that two
//! answers under one version are answers of the same rules.

use std::sync::LazyLock;

use passerelle_domain::content_hash::ContentHash;

/// Every file the lexicon reads.
const FILES: [&str; 13] = [
    include_str!("../../data/brands.csv"),
    include_str!("../../data/charities.csv"),
    include_str!("../../data/creditors.csv"),
    include_str!("../../data/first_names.csv"),
    include_str!("../../data/insurance_lines.csv"),
    include_str!("../../data/insurers.csv"),
    include_str!("../../data/keywords.csv"),
    include_str!("../../data/merchants.csv"),
    include_str!("../../data/noise.csv"),
    include_str!("../../data/operations.csv"),
    include_str!("../../data/providers.csv"),
    include_str!("../../data/sensitive.csv"),
    include_str!("../../data/shops.csv"),
];

/// So much of the digest tells one set of files from another.
const DIGITS: usize = 12;

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let digest = ContentHash::of(FILES.concat().as_bytes()).to_string();
    let short: String = digest.chars().take(DIGITS).collect();
    format!("{}+{short}", env!("CARGO_PKG_VERSION"))
});

/// The version of the rules that read labels, `0.1.0+3f2a…`: build metadata as semantic versioning has it.
#[must_use]
pub fn rules_version() -> &'static str {
    &VERSION
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that is read and not in the version would change answers in silence.
    #[test]
    fn every_file_of_rules_is_in_the_version() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
        let mut read: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
            .filter(|text| !text.starts_with("# Leaves of the taxonomy"))
            .collect();
        read.sort();
        let mut counted = FILES.map(str::to_owned).to_vec();
        counted.sort();
        assert_eq!(read, counted);
        assert!(rules_version().starts_with(env!("CARGO_PKG_VERSION")));
    }
}
