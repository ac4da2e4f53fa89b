//! What this machine shows: the daemon's settings and its data folder.

use std::path::{Path, PathBuf};

use super::{DoctorArgs, Finding};
use crate::{
    config::{Flags, Settings},
    stores::data_dir::DataDir,
};

/// Looks, and returns the settings where they can be used.
pub(super) fn look(args: &DoctorArgs, is_up: bool, findings: &mut Vec<Finding>) -> Option<Settings> {
    let settings = match Settings::load(args.config.as_deref(), &Flags::default()) {
        Ok(settings) => {
            findings.push(Finding::ok("settings", "can be used"));
            settings
        }
        Err(error) => {
            findings.push(Finding::failed("settings", error.to_string(), "correct them: the daemon would not start"));
            return None;
        }
    };
    findings.push(targets(&settings));
    let folder = args.data.as_ref().unwrap_or(&settings.data);
    findings.push(writable(folder));
    findings.push(user(folder, is_up));
    Some(settings)
}

/// Whether the targets of notices can be used. None of them is told anything.
fn targets(settings: &Settings) -> Finding {
    match settings.targets() {
        Ok(targets) if targets.is_empty() => Finding::ok("notices", "nobody is told: there is no table [[notify]]"),
        Ok(targets) => {
            let names: Vec<_> = targets.iter().map(|target| format!("{} ({})", target.name(), target.host())).collect();
            Finding::ok("notices", format!("can go to {}; to try: remora notify test", names.join(", ")))
        }
        Err(error) => Finding::failed("notices", error.to_string(), "correct it: the daemon would not start"),
    }
}

/// Whether the folder, or where it would be made, can be written.
fn writable(folder: &Path) -> Finding {
    let there = folder.ancestors().find(|folder| folder.exists()).map_or_else(|| PathBuf::from("."), Path::to_owned);
    match tempfile::NamedTempFile::new_in(&there) {
        Ok(_) if there == folder => Finding::ok("data folder", format!("{} can be written", folder.display())),
        Ok(_) => Finding::ok("data folder", format!("{} is not there yet and can be made", folder.display())),
        Err(error) => {
            let cure = "give it to the user who runs the daemon, free some space, or choose another with --data DIR";
            Finding::failed("data folder", format!("{} cannot be written: {error}", there.display()), cure)
        }
    }
}

/// Whether the daemon that answers is the one that runs on the folder.
fn user(folder: &Path, is_up: bool) -> Finding {
    let shown = folder.display();
    match (DataDir::user(folder), is_up) {
        (Ok(Some(process)), true) => {
            Finding::ok("data lock", format!("held by the daemon{} that runs on it", in_process(process)))
        }
        (Ok(Some(process)), false) => {
            let detail = format!("a daemon{} runs on {shown}, at another address", in_process(process));
            Finding::failed("data lock", detail, "name its address with --url, or stop it")
        }
        (Ok(None), true) => Finding::skipped(
            "data lock",
            format!("the daemon keeps its data elsewhere than in {shown}; name it with --data"),
        ),
        (Ok(None), false) => Finding::ok("data lock", "free"),
        (Err(error), _) => {
            let cure = "run this as the user who runs the daemon";
            Finding::failed("data lock", format!("the lock in {shown} cannot be read: {error}"), cure)
        }
    }
}

fn in_process(process: Option<u32>) -> String {
    process.map(|process| format!(" (process {process})")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{super::Health, *};

    #[test]
    fn a_folder_is_looked_at_and_left_as_it_is() {
        let folder = tempfile::tempdir().expect("tempdir");
        let path = folder.path().join("a/b");
        assert_eq!(writable(&path).health, Health::Ok);
        assert!(!path.exists());
        assert_eq!(user(&path, false).health, Health::Ok);
        let file = folder.path().join("file");
        std::fs::write(&file, "").expect("written");
        assert_eq!(writable(&file.join("below")).health, Health::Failed, "a file is in the way");
        let held = DataDir::open(&path).expect("created");
        assert_eq!((user(&path, true).health, user(&path, false).health), (Health::Ok, Health::Failed));
        drop(held);
        assert_eq!(user(&path, true).health, Health::Skipped);
    }
}
