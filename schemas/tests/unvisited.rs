//! A text that is added to the model and not visited does not compile: the real source, changed so, is given to the
//! compiler.

use std::process::Command;

/// The source of the model's contents as plain Rust, with `change` made in it.
fn source(change: impl FnOnce(String) -> String) -> String {
    let source = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/content.rs"))
        .expect("the source is there");
    let plain = source
        .replace(", Serialize, Deserialize", "")
        .replace("use serde::{Deserialize, Serialize};", "")
        .replace("#[serde(rename_all = \"snake_case\")]", "");
    change(plain)
}

/// What the compiler says of it: nothing where it compiles.
fn compile(name: &str, source: &str) -> String {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join(format!("{name}.rs"));
    std::fs::write(&file, source).expect("the folder takes a file");
    let compiler = Command::new("rustc")
        .args(["--edition", "2024", "--crate-type", "lib", "--emit", "metadata", "--cap-lints", "allow"])
        .arg("-o")
        .arg(folder.join(format!("{name}.rmeta")))
        .arg(&file)
        .output()
        .expect("the compiler that built this test is there");
    let said = String::from_utf8_lossy(&compiler.stderr).into_owned();
    assert_eq!(compiler.status.success(), said.is_empty(), "{said}");
    said
}

#[test]
fn as_it_is_it_compiles() {
    assert_eq!(compile("as-it-is", &source(|plain| plain)), "");
}

#[test]
fn a_new_text_must_be_visited() {
    for (name, before, field) in [
        ("sticker", "keywords: Vec<String>,", "caption: String,"),
        ("media", "kind: MediaKind,", "transcript: String,"),
        ("option", "pub struct ChoiceOption {", "pub hint: String,"),
        ("card", "pub struct Card {", "pub footer: String,"),
    ] {
        let changed = source(|plain| {
            assert_eq!(plain.matches(before).count(), 1, "{before} is there once");
            plain.replace(before, &format!("{before}\n    {field}"))
        });
        let said = compile(name, &changed);
        assert!(said.contains("E0027"), "{name}: a pattern lacks the new field: {said}");
    }
}
