//! The recipe of the container image, as far as it can be looked at without building it.

use std::{fs, path::Path, process::Command};

use tokio::process;

use crate::support::{Daemon, Process, repository};

fn recipe() -> Vec<String> {
    let text = fs::read_to_string(repository().join("examples/docker/Dockerfile")).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// What is copied out of the repository.
fn sources() -> Vec<String> {
    let recipe = recipe();
    let copies = recipe.iter().filter_map(|line| line.strip_prefix("COPY ")).filter(|rest| !rest.starts_with("--"));
    copies
        .flat_map(|rest| {
            let (sources, _) = rest.rsplit_once(' ').unwrap();
            sources.split(' ').map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::copy(from, to).unwrap();
    }
}

#[test]
fn what_is_copied_is_there_and_is_enough() {
    let folder = tempfile::tempdir().unwrap();
    for source in sources() {
        let from = repository().join(&source);
        assert!(from.exists(), "{source}");
        copy(&from, &folder.path().join(&source));
    }
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--locked", "--format-version", "1", "--no-deps"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    // What the sources take in at compile time lies in what is copied.
    for folder in ["src", "web", "actors"] {
        assert!(sources().iter().any(|source| source == folder), "{folder}");
    }
}

#[test]
fn nobody_runs_as_root() {
    let recipe = recipe();
    let user = recipe.iter().rposition(|line| line.starts_with("USER ")).expect("a user");
    assert!(
        recipe[user].chars().any(|c| c.is_ascii_digit()) && !recipe[user].starts_with("USER 0"),
        "{}",
        recipe[user]
    );
    assert!(recipe.iter().rposition(|line| line.starts_with("FROM ")) < Some(user), "in the image that runs");
    let layers = recipe[recipe.iter().rposition(|line| line.starts_with("FROM ")).unwrap()..].iter();
    assert!(layers.filter(|line| line.starts_with("COPY ") || line.starts_with("RUN ")).count() <= 3);
}

#[tokio::test]
async fn its_health_is_that_the_daemon_lives() {
    let text = recipe().join("\n").replace("\\\n", "");
    let (_, check) = text.split_once("\nHEALTHCHECK ").expect("a check");
    let (_, words) = check.lines().next().unwrap().split_once(" CMD ").expect("a command");
    let words: Vec<String> = serde_json::from_str(words).expect("a list of words");
    let mut daemon = Daemon::start().await;
    let check = |port: u16| {
        let words: Vec<_> = words.iter().map(|word| word.replace("/8000", &format!("/{port}"))).collect();
        let mut command = process::Command::new(&words[0]);
        command.args(&words[1..]);
        Process::spawn(command).wait()
    };
    check(daemon.port()).await.expect(0);
    let port = daemon.port();
    daemon.kill().await;
    check(port).await.expect(1);
}
