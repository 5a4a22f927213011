//! Help, completions, `config check` and exit codes.

use crate::{naru, root, run, text};

/// Lines and columns of the smallest terminal that we care for.
const SCREEN: (usize, usize) = (40, 100);

#[test]
fn help_fits_a_screen() {
    for arguments in [&["--help"][..], &["dev", "--help"], &["config", "--help"]] {
        let output = run(arguments);
        let help = text(&output.stdout);
        assert!(output.status.success());
        assert!(help.lines().count() <= SCREEN.0, "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= SCREEN.1), "{help}");
    }
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run(&["completions", shell]);
        assert!(output.status.success() && text(&output.stdout).contains("processors"), "{shell}");
    }
}

#[test]
fn config_check_lists_every_mistake_with_its_path_and_exits_2() {
    let file = root().join("crates/runtime/tests/config/five-mistakes.toml");
    let secrets = std::fs::read_to_string(&file).expect("the file is there");
    let mut check = naru();
    check.args(["config", "check", "--config"]).arg(&file);
    // Whatever variables the file names for its secrets are set: those are not its mistakes.
    for name in secrets.split("env = \"").skip(1).filter_map(|rest| rest.split('"').next()) {
        check.env(name, "a secret that is long enough for every key");
    }
    let output = check.output().expect("the binary runs");
    let mistakes = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{mistakes}");
    let expected =
        std::fs::read_to_string(root().join("crates/runtime/tests/config/five-mistakes.mistakes.txt"))
            .expect("the file is there");
    let paths: Vec<&str> = expected.lines().filter_map(|line| line.split(": ").next()).collect();
    assert_eq!(paths.len(), 5);
    for path in paths {
        assert!(mistakes.lines().any(|line| line.starts_with(path)), "{path} is not in\n{mistakes}");
    }
    assert!(mistakes.trim_end().ends_with("5 mistakes"), "{mistakes}");
}

#[test]
fn config_check_takes_its_own_example() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("naru.toml");
    let example = run(&["config", "example"]);
    std::fs::write(&file, &example.stdout).expect("written");
    let mut check = naru();
    check.args(["config", "check", "--config"]).arg(&file);
    for name in text(&example.stdout).split("env = \"").skip(1).filter_map(|rest| rest.split('"').next()) {
        check.env(name, "a secret that is long enough for every key");
    }
    let output = check.output().expect("the binary runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn a_missing_configuration_says_what_to_do() {
    let output = run(&["ingress", "--config", "/nonexistent/naru.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--config"), "{}", text(&output.stderr));
}

#[test]
fn an_unknown_command_exits_2() {
    assert_eq!(run(&["fly"]).status.code(), Some(2));
}
