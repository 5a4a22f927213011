//! The command line as a person meets it, the README's own commands, and the shape of the tree.

mod command_line;
mod panics;
mod readme;
mod rooms;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The root of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A `naru` without anything of the caller's environment that could change what it does.
fn naru() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_naru"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("NARU_") {
            command.env_remove(name);
        }
    }
    command
}

fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

fn run(arguments: &[&str]) -> Output {
    naru().args(arguments).output().expect("the binary runs")
}
