//! The invariants that `src/lib.rs` states and a test can hold.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Everything that a package links, by name.
fn linked_by(package: &str) -> Vec<String> {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--edges", "normal", "--prefix", "none", "--all-features"])
        .args(["--package", package])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let names = String::from_utf8(tree.stdout).unwrap();
    names.lines().filter_map(|line| line.split(' ').next().map(str::to_owned)).collect()
}

fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path, extension));
        } else if path.extension().is_some_and(|other| other == extension) {
            found.push(path);
        }
    }
    found
}

#[test]
fn the_actors_know_no_http_no_html_and_no_database() {
    let linked = linked_by("remora-actors");
    assert!(linked.iter().any(|name| name == "ractor"), "the tree was read: {linked:?}");
    let stranger = |name: &&String| {
        [
            "warp",
            "hyper",
            "http",
            "horrorshow",
            "datastar",
            "reqwest",
            "rusqlite",
            "tokio-rusqlite",
            "remora-web",
            "remora",
        ]
        .contains(&name.as_str())
    };
    assert_eq!(linked.iter().find(stranger), None);
}

#[test]
fn the_web_front_knows_no_database_and_not_the_daemon() {
    let linked = linked_by("remora-web");
    assert!(linked.iter().any(|name| name == "remora-actors"), "the tree was read: {linked:?}");
    let stranger =
        |name: &&String| ["rusqlite", "tokio-rusqlite", "reqwest", "notify", "remora"].contains(&name.as_str());
    assert_eq!(linked.iter().find(stranger), None);
}

#[test]
fn the_model_is_pure() {
    let files = files_below(&root().join("actors/src/model"), "rs");
    assert!(files.len() > 8, "{files:?}");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for impure in
            ["tokio", "async ", ".await", "Timestamp::now", "now_v7", "Instant::", "std::fs", "std::net", "std::env"]
        {
            assert!(!text.contains(impure), "{} in {}", impure, file.display());
        }
    }
}

#[test]
fn there_is_no_script_of_our_own() {
    for folder in ["static", "web", "src", "actors"] {
        let scripts = files_below(&root().join(folder), "js");
        assert!(scripts.is_empty(), "{scripts:?}");
    }
}

#[test]
fn there_is_no_unsafe_code() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"forbid\""));
    for member in ["Cargo.toml", "actors/Cargo.toml", "web/Cargo.toml"] {
        let manifest = fs::read_to_string(root().join(member)).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{member} does not take the workspace's lints");
    }
}
