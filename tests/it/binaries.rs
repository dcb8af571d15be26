//! The programs of the workspace, as processes to start.
//!
//! `cargo test` builds a program only for the tests of its own package, so they are built here, by
//! the same cargo into the same folder with the same profile. Naming this very test target beside
//! the programs makes cargo choose the same features as for `cargo test --workspace`: nothing but
//! the programs themselves is left to compile.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::house;

/// The path of a program of the workspace, built if need be.
pub fn program(name: &str) -> PathBuf {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let folder = FOLDER.get_or_init(build).as_ref();
    let folder = folder.unwrap_or_else(|error| panic!("the programs do not build:\n{error}"));
    let program = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(program.is_file(), "{} was not built", program.display());
    program
}

fn build() -> Result<PathBuf, String> {
    // …/target/debug/deps/it-0123456789abcdef
    let this_test = std::env::current_exe().expect("this test is a file");
    let profile_folder = this_test.ancestors().nth(2).expect("target/<profile>");
    let target = profile_folder.parent().expect("target");
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--locked", "--workspace", "--bins", "--test", "it"])
        .arg("--target-dir")
        .arg(target)
        .current_dir(house::root());
    if profile_folder.ends_with("release") {
        cargo.arg("--release");
    }
    forget_the_surrounding_cargo(&mut cargo);
    let answer = cargo.output().expect("cargo runs");
    if answer.status.success() {
        Ok(profile_folder.to_path_buf())
    } else {
        Err(String::from_utf8_lossy(&answer.stderr).into_owned())
    }
}

/// Build scripts ask for these and would run again if they were another crate's.
fn forget_the_surrounding_cargo(cargo: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let of_this_package = [
            "CARGO_PKG_",
            "CARGO_MANIFEST_",
            "CARGO_BIN_",
            "CARGO_CRATE_",
        ]
        .iter()
        .any(|prefix| text.starts_with(prefix));
        if of_this_package || text == "CARGO_PRIMARY_PACKAGE" || text == "OUT_DIR" {
            cargo.env_remove(&name);
        }
    }
}
