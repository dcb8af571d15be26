//! Where things stand in the tree, and which crates there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};

/// The folder of the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests stand inside the workspace")
}

/// The text of a file of the tree, named from the root.
pub fn text(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The folders directly inside a folder of the tree, by name, in order.
pub fn folders_in(path: &str) -> Vec<String> {
    let folder = root().join(path);
    let mut names: Vec<String> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.is_dir())
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Every folder and file under a folder, build results and hidden ones left out.
pub fn everything_under(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(folder) = waiting.pop() {
        let entries = fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.expect("a readable folder").path());
        for path in entries {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with('.') || name == "target" {
                continue;
            }
            if path.is_dir() {
                waiting.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The Rust sources under a folder of the tree, with their text.
pub fn sources_under(path: impl AsRef<Path>) -> Vec<(PathBuf, String)> {
    everything_under(&root().join(path))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a readable source");
            (path, text)
        })
        .collect()
}

/// What of a source is shipped and means something to the compiler: no comments, no test module.
pub fn product(text: &str) -> String {
    text.lines()
        .take_while(|line| line.trim() != "#[cfg(test)]")
        .filter(|line| !line.trim_start().starts_with("//"))
        .fold(String::new(), |product, line| product + line + "\n")
}

/// The crates, as cargo sees them.
pub struct House {
    metadata: Metadata,
}

impl House {
    /// Asks cargo.
    pub fn survey() -> Self {
        let metadata = MetadataCommand::new()
            .cargo_path(env!("CARGO"))
            .manifest_path(root().join("Cargo.toml"))
            // Crates for other systems are not fetched, so they cannot be asked about.
            .other_options(vec![
                "--locked".to_owned(),
                "--filter-platform".to_owned(),
                host(),
            ])
            .exec()
            .expect("cargo metadata");
        Self { metadata }
    }

    /// The crates of the workspace.
    pub fn crates(&self) -> Vec<&Package> {
        self.metadata.workspace_packages()
    }

    /// Everything of others that is compiled here, tests included.
    pub fn everything_linked(&self) -> Vec<&Package> {
        let resolve = self.metadata.resolve.as_ref().expect("a resolved graph");
        resolve
            .nodes
            .iter()
            .map(|node| &self.metadata[&node.id])
            .filter(|package| !self.is_ours(package))
            .collect()
    }

    /// Where a crate of ours stands, from the root.
    pub fn folder(&self, package: &Package) -> String {
        package
            .manifest_path
            .parent()
            .and_then(|folder| folder.strip_prefix(&self.metadata.workspace_root).ok())
            .expect("a member stands inside the workspace")
            .to_string()
    }

    /// What a package links directly, by kind.
    pub fn direct(&self, id: &PackageId) -> Vec<(&Package, DependencyKind)> {
        let resolve = self.metadata.resolve.as_ref().expect("a resolved graph");
        let node = resolve.nodes.iter().find(|node| node.id == *id);
        node.expect("a node per package")
            .deps
            .iter()
            .flat_map(|dependency| {
                let package = &self.metadata[&dependency.pkg];
                dependency
                    .dep_kinds
                    .iter()
                    .map(move |kind| (package, kind.kind))
            })
            .collect()
    }

    /// The names of everything that ends up in a package's product.
    pub fn closure(&self, id: &PackageId) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        let mut waiting = vec![id.clone()];
        while let Some(id) = waiting.pop() {
            for (package, kind) in self.direct(&id) {
                if kind == DependencyKind::Normal && seen.insert(package.name.as_str()) {
                    waiting.push(package.id.clone());
                }
            }
        }
        seen
    }

    /// Whether a package is a member of the workspace.
    pub fn is_ours(&self, package: &Package) -> bool {
        self.metadata.workspace_members.contains(&package.id)
    }
}

fn host() -> String {
    let answer = Command::new(env!("CARGO")).arg("-vV").output();
    let answer = String::from_utf8(answer.expect("cargo -vV").stdout).expect("text");
    answer
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .expect("cargo names its host")
        .to_owned()
}
