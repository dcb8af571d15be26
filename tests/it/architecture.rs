//! The house stands as it was drawn: which crate may know which, and that the folders, the
//! template, the events and the README tell the same story. Nothing here is a hand-kept list of
//! crates: rooms are recognised by their folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use cargo_metadata::{DependencyKind, Package};

use crate::fixtures::{self, Trigger};
use crate::house::{self, House};
use crate::template::Template;

/// The room a crate stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Room {
    Domain,
    Knowledge,
    Banks,
    Aws,
    Runtime,
    Function,
    SandboxBank,
    Local,
    Tests,
}

impl Room {
    fn of(folder: &str) -> Self {
        match folder {
            "shared/domain" => Self::Domain,
            "shared/knowledge" => Self::Knowledge,
            "shared/banks" => Self::Banks,
            "shared/aws" => Self::Aws,
            "shared/runtime" => Self::Runtime,
            "infra/sandbox-bank" => Self::SandboxBank,
            "infra/local" => Self::Local,
            "tests" => Self::Tests,
            _ if folder.starts_with("functions/") => Self::Function,
            _ => panic!("{folder} is in no room of the house"),
        }
    }

    /// The rooms its product may use.
    fn may_use(self) -> &'static [Self] {
        match self {
            Self::Domain => &[],
            Self::Knowledge | Self::Banks | Self::Aws | Self::Runtime | Self::SandboxBank => {
                &[Self::Domain]
            }
            Self::Function => &[
                Self::Domain,
                Self::Knowledge,
                Self::Banks,
                Self::Aws,
                Self::Runtime,
            ],
            Self::Local | Self::Tests => &[
                Self::Domain,
                Self::Knowledge,
                Self::Banks,
                Self::Aws,
                Self::Runtime,
                Self::Function,
                Self::SandboxBank,
                Self::Local,
            ],
        }
    }

    /// The rooms only its tests may use besides: a connector is proven against a bank.
    fn may_test_with(self) -> &'static [Self] {
        match self {
            Self::Banks => &[Self::SandboxBank],
            Self::SandboxBank => &[Self::Banks],
            _ => &[],
        }
    }

    fn is_pure(self) -> bool {
        matches!(self, Self::Domain | Self::Knowledge)
    }

    fn may_name_an_aws_client(self) -> bool {
        // The local suite embeds the other end of the wire.
        matches!(self, Self::Aws | Self::Local)
    }
}

/// The crates of the workspace and the rooms they stand in.
fn rooms(house: &House) -> Vec<(Room, &Package)> {
    house
        .crates()
        .into_iter()
        .map(|package| (Room::of(&house.folder(package)), package))
        .collect()
}

#[test]
fn the_arrows_between_crates_run_one_way() {
    let house = House::survey();
    let mut arrows = 0;
    for (room, package) in rooms(&house) {
        for (used, kind) in house.direct(&package.id) {
            if !house.is_ours(used) {
                continue;
            }
            let used_room = Room::of(&house.folder(used));
            let in_product = room.may_use().contains(&used_room);
            let allowed = match kind {
                DependencyKind::Development => {
                    in_product || room.may_test_with().contains(&used_room)
                }
                _ => in_product && room != Room::Tests,
            };
            assert!(
                allowed,
                "{} ({room:?}) may not depend on {} ({used_room:?}) as {kind:?}",
                package.name, used.name
            );
            arrows += 1;
        }
    }
    assert!(arrows >= 30, "only {arrows} arrows were looked at");
}

#[test]
fn the_pure_crates_reach_no_network_no_runtime_and_no_chance() {
    let house = House::survey();
    let families = [
        "async-",
        "aws-",
        "aws_",
        "axum",
        "http",
        "hyper",
        "lambda_",
        "rand",
        "reqwest",
        "rustls",
        "tokio",
        "tower",
        "winterbaume",
    ];
    let crates = [
        "dynoxide-rs",
        "fastrand",
        "futures",
        "mio",
        "socket2",
        "ureq",
        "uuid",
    ];
    for (room, package) in rooms(&house) {
        if !room.is_pure() {
            continue;
        }
        let closure = house.closure(&package.id);
        assert!(closure.contains("jiff"), "{} was not walked", package.name);
        for name in closure {
            let refused =
                crates.contains(&name) || families.iter().any(|family| name.starts_with(family));
            assert!(!refused, "{} reaches {name}", package.name);
        }
    }
}

#[test]
fn the_pure_crates_ask_no_clock_no_environment_and_no_chance() {
    let questions = [
        "Timestamp::now",
        "Zoned::now",
        "SystemTime::now",
        "Instant::now",
        "std::env",
        "env::var",
        "SystemRandom",
        "std::fs",
        "TcpStream",
        "TcpListener",
        "UdpSocket",
        "ToSocketAddrs",
        "std::thread",
        "std::process",
    ];
    for folder in ["shared/domain/src", "shared/knowledge/src"] {
        for (path, text) in house::sources_under(folder) {
            for question in questions {
                assert!(
                    !house::product(&text).contains(question),
                    "{} asks for {question}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn only_one_crate_names_an_aws_client() {
    let house = House::survey();
    let mut namers = BTreeSet::new();
    for (room, package) in rooms(&house) {
        for (used, _) in house.direct(&package.id) {
            let is_client = used.name.starts_with("aws-sdk-") || used.name == "aws-config";
            if is_client {
                assert!(
                    room.may_name_an_aws_client(),
                    "{} names {}",
                    package.name,
                    used.name
                );
                namers.insert(room);
            }
        }
    }
    assert!(namers.contains(&Room::Aws));
}

#[test]
fn no_second_provider_of_cryptography_reaches_a_function() {
    for name in house::folders_in("functions") {
        let linked = linked_alone(&name);
        assert!(linked.contains("ring"), "{name} was not walked");
        for refused in [
            "aws-config",
            "aws-lc-rs",
            "aws-lc-sys",
            "openssl",
            "native-tls",
        ] {
            assert!(!linked.contains(refused), "{name} links {refused}");
        }
    }
}

/// What a function links when it is built alone, as it is for a deployment: in the whole workspace
/// the embedded AWS switches features on that no function has.
fn linked_alone(package: &str) -> BTreeSet<String> {
    let answer = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--edges", "normal", "--prefix", "none"])
        .args(["--format", "{lib}|{p}", "--package", package])
        .current_dir(house::root())
        .output()
        .expect("cargo tree");
    let text = String::from_utf8(answer.stdout).expect("text");
    assert!(answer.status.success(), "cargo tree -p {package}");
    text.lines()
        .filter_map(|line| line.split('|').nth(1)?.split(' ').next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_crate_obeys_the_lints_of_the_workspace() {
    let house = House::survey();
    for (_, package) in rooms(&house) {
        let manifest = std::fs::read_to_string(&package.manifest_path).expect("a manifest");
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{} has lints of its own",
            package.name
        );
    }
}

#[test]
fn a_main_is_wiring_and_nothing_else() {
    let house = House::survey();
    let mut seen = 0;
    for (_, package) in rooms(&house) {
        for target in package.targets.iter().filter(|target| target.is_bin()) {
            let text = std::fs::read_to_string(&target.src_path).expect("a readable main");
            let lines = text.lines().count();
            assert!(lines <= 25, "{} has {lines} lines", target.src_path);
            seen += 1;
        }
    }
    assert!(seen > house::folders_in("functions").len());
}

#[test]
fn a_function_is_a_folder_a_resource_its_events_and_a_row_of_the_readme() {
    let folders: BTreeSet<String> = house::folders_in("functions").into_iter().collect();
    let resources: BTreeSet<String> = Template::read()
        .functions()
        .into_iter()
        .map(|function| function.folder)
        .collect();
    let events: BTreeSet<String> = house::folders_in("events").into_iter().collect();
    assert_eq!(folders, resources, "functions/ and template.yaml differ");
    assert_eq!(folders, events, "functions/ and events/ differ");
    assert_eq!(
        folders,
        rows_of_the_readme(),
        "functions/ and README.md differ"
    );
}

/// The functions of the README's table: rows that open with a name in backticks, under the heading
/// of a column called `function`.
fn rows_of_the_readme() -> BTreeSet<String> {
    house::text("README.md")
        .lines()
        .skip_while(|line| !line.starts_with("| function |"))
        .take_while(|line| line.starts_with('|'))
        .filter_map(|row| row.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .collect()
}

#[test]
fn a_function_and_its_resource_bear_the_same_name() {
    let house = House::survey();
    let binaries: BTreeMap<String, String> = rooms(&house)
        .into_iter()
        .filter(|(room, _)| *room == Room::Function)
        .flat_map(|(_, package)| {
            let folder = house.folder(package);
            package
                .targets
                .iter()
                .filter(|target| target.is_bin())
                .map(move |target| (folder.clone(), target.name.clone()))
                .collect::<Vec<_>>()
        })
        .collect();
    for function in Template::read().functions() {
        let expected: String = function.folder.split('-').map(capitalised).collect();
        assert_eq!(function.logical_id, format!("{expected}Function"));
        assert_eq!(function.role, format!("{expected}Role"));
        let binary = &binaries[&format!("functions/{}", function.folder)];
        assert_eq!(
            *binary, function.folder,
            "the binary is named after its folder"
        );
    }
}

fn capitalised(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_uppercase() + rest
}

#[test]
fn every_function_has_a_happy_an_edge_and_a_hostile_event_and_one_per_kind_of_trigger() {
    for function in Template::read().functions() {
        let fixtures = fixtures::of(&function.folder);
        for sort in ["happy", "edge", "hostile"] {
            assert!(
                fixtures
                    .iter()
                    .any(|fixture| fixture.case.starts_with(sort)),
                "events/{} has no {sort} case",
                function.folder
            );
        }
        let triggers: BTreeSet<Trigger> = fixtures.iter().map(fixtures::Fixture::trigger).collect();
        for trigger in &triggers {
            let known = match trigger {
                Trigger::Route(route) => function.routes.contains(route),
                Trigger::Queue(name) => function.queues.iter().any(|queue| name.contains(queue)),
                Trigger::Schedule => function.schedules > 0,
                Trigger::Command => function.takes_commands(),
            };
            assert!(known, "{} is never started by {trigger:?}", function.folder);
        }
        let has = |wanted: fn(&Trigger) -> bool| triggers.iter().any(wanted);
        assert_eq!(
            !function.routes.is_empty(),
            has(|trigger| matches!(trigger, Trigger::Route(_))),
            "{}: routes and HTTP events",
            function.folder
        );
        assert_eq!(
            !function.queues.is_empty(),
            has(|trigger| matches!(trigger, Trigger::Queue(_))),
            "{}: queues and SQS events",
            function.folder
        );
        assert_eq!(
            function.schedules > 0,
            has(|trigger| matches!(trigger, Trigger::Schedule)),
            "{}: schedules and scheduler events",
            function.folder
        );
        assert_eq!(
            function.takes_commands(),
            has(|trigger| matches!(trigger, Trigger::Command)),
            "{}: nothing else calls it, and commands",
            function.folder
        );
    }
}

#[test]
fn no_route_has_two_functions() {
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    for function in Template::read().functions() {
        for route in function.routes {
            let earlier = owners.insert(route.clone(), function.folder.clone());
            assert_eq!(earlier, None, "{route} is also {}'s", function.folder);
        }
    }
    assert!(owners.len() >= 16);
}

#[test]
fn a_function_serves_exactly_the_paths_the_template_sends_it() {
    for function in Template::read().functions() {
        let mut served = paths_served_under(&format!("functions/{}/src", function.folder));
        if function.folder == "consent-start" {
            // The pages' stylesheet is the runtime's, mounted with them.
            served.extend(paths_served_under("shared/runtime/src/pages"));
        }
        let given: BTreeSet<&str> = function
            .routes
            .iter()
            .filter_map(|route| route.split_once(' '))
            .map(|(_, path)| path)
            .collect();
        let greedy = |path: &str| {
            given.iter().any(|given| {
                let prefix = given.strip_suffix("{proxy+}");
                prefix.is_some_and(|prefix| path.starts_with(prefix))
            })
        };
        for path in &served {
            assert!(
                given.contains(path.as_str()) || greedy(path),
                "{} serves {path}, which no route of template.yaml reaches",
                function.folder
            );
        }
        for path in given {
            let prefix = path.trim_end_matches("{proxy+}");
            let known = served.contains(path)
                || (prefix != path && served.iter().any(|path| path.starts_with(prefix)));
            assert!(
                known,
                "template.yaml sends {path} to {}, which does not serve it",
                function.folder
            );
        }
    }
}

/// The paths given to `route` of a router.
fn paths_served_under(folder: &str) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for (_, text) in house::sources_under(folder) {
        let product: String = house::product(&text).split_whitespace().collect();
        let routes = product.split(".route(\"").skip(1);
        paths.extend(routes.filter_map(|rest| rest.split('"').next().map(str::to_owned)));
    }
    paths
}

#[test]
fn the_settings_a_function_reads_are_the_variables_the_template_gives_it() {
    let mut read = BTreeMap::new();
    let mut given = BTreeMap::new();
    for function in Template::read().functions() {
        let mut names = settings_read_under(&format!("functions/{}/src", function.folder));
        // Every function logs, and the log asks the process how much.
        names.insert("RUST_LOG".to_owned());
        read.insert(function.folder.clone(), names);
        given.insert(function.folder, function.variables);
    }
    read.retain(|function, names| given.get(function) != Some(names));
    given.retain(|function, _| read.contains_key(function));
    assert_eq!(
        read, given,
        "left what the sources read, right what template.yaml sets"
    );
    let elsewhere: BTreeSet<String> = ["domain", "knowledge", "banks", "aws", "runtime"]
        .into_iter()
        .flat_map(|name| settings_read_under(&format!("shared/{name}/src")))
        .collect();
    assert_eq!(
        elsewhere,
        BTreeSet::new(),
        "a function reads its settings itself, the shared crates are given them"
    );
}

/// Names of settings: upper-case literals given to a reader of the environment.
fn settings_read_under(folder: &str) -> BTreeSet<String> {
    let readers = [
        ".text(",
        ".optional(",
        ".parsed(",
        ".optional_parsed(",
        ">(",
        "var(",
        "var_os(",
    ];
    let mut names = BTreeSet::new();
    for (_, text) in house::sources_under(folder) {
        let product: String = house::product(&text).split_whitespace().collect();
        for reader in readers {
            for (at, _) in product.match_indices(reader) {
                let argument = &product[at + reader.len()..];
                let literal = argument
                    .strip_prefix('"')
                    .and_then(|rest| rest.split('"').next());
                names.extend(literal.filter(|name| is_setting(name)).map(str::to_owned));
            }
        }
    }
    names
}

fn is_setting(literal: &str) -> bool {
    // What Lambda itself sets is not ours to configure.
    let reserved = literal.starts_with("AWS_") || literal.starts_with('_');
    !reserved
        && literal.len() > 3
        && literal
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

#[test]
fn no_room_is_a_lumber_room() {
    let refused = [
        "utils", "util", "common", "helpers", "helper", "manager", "service", "core", "misc",
    ];
    let mut seen = 0;
    for part in ["functions", "shared", "infra", "tests"] {
        for path in house::everything_under(&house::root().join(part)) {
            let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
            let counts = path.is_dir() || path.extension().is_some_and(|kind| kind == "rs");
            assert!(
                !counts || !refused.contains(&stem.as_str()),
                "{} says nothing of what is in it",
                path.display()
            );
            seen += usize::from(counts);
        }
        for (path, text) in house::sources_under(part) {
            for name in refused {
                let declared = [format!("mod {name} {{"), format!("mod {name};")];
                let found = text.lines().any(|line| {
                    let line = line.trim_start().trim_start_matches("pub ");
                    declared
                        .iter()
                        .any(|module| line.starts_with(module.as_str()))
                });
                assert!(!found, "{} declares a module {name}", path.display());
            }
        }
    }
    assert!(seen > 40, "only {seen} names were looked at");
}

#[test]
fn the_top_of_the_tree_is_the_one_of_the_plan() {
    let planned = [
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE",
        "README.md",
        "SECURITY.md",
        "clippy.toml",
        "deny.toml",
        "events",
        "functions",
        "infra",
        "justfile",
        "rust-toolchain.toml",
        "rustfmt.toml",
        "samconfig.toml",
        "shared",
        "template.yaml",
        "tests",
    ];
    let git = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(house::root())
        .output();
    let listed = match git {
        Ok(answer) if answer.status.success() => answer.stdout,
        // A source archive has no history to ask.
        _ => return println!("not a git work tree: the top level was not looked at"),
    };
    for path in String::from_utf8(listed).expect("paths are text").lines() {
        let top = Path::new(path).iter().next().unwrap().to_string_lossy();
        let known = top.starts_with('.') || planned.contains(&top.as_ref());
        assert!(known, "{top} is not in the plan of the house");
    }
}

#[test]
fn the_api_description_lists_exactly_the_routes_a_program_may_call() {
    let described: BTreeSet<String> = house::text("infra/openapi.yaml")
        .lines()
        .scan(String::new(), |path, line| {
            let indent = line.len() - line.trim_start().len();
            let name = line.trim().trim_end_matches(':').to_owned();
            let is_method =
                indent == 4 && ["get", "post", "delete", "put"].contains(&name.as_str());
            if indent == 2 {
                *path = name.clone();
            }
            Some(
                (is_method && path.starts_with('/'))
                    .then(|| format!("{} {path}", name.to_uppercase())),
            )
        })
        .flatten()
        .collect();
    let served: BTreeSet<String> = Template::read()
        .functions()
        .into_iter()
        .flat_map(|function| function.routes)
        // The pages and the return from the bank are for browsers.
        .filter(|route| route.contains(" /v1/") && !route.contains("/v1/callback/"))
        .collect();
    assert_eq!(
        described, served,
        "infra/openapi.yaml and template.yaml differ"
    );
}
