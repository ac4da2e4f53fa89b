//! Looking at everything that a start would need, without starting and without changing anything.

use std::path::{Path, PathBuf};

use super::{DaemonError, courier};
use crate::{
    bus,
    config::Settings,
    stores::{agentfs::Roots, data_dir::DataDir, sqlite::Database},
    telemetry,
};

/// What would keep a daemon with these settings from starting or from doing its work; nothing where all is well.
pub fn check(settings: &Settings) -> Vec<String> {
    let mut problems = Vec::new();
    let mut note = |problem: Result<(), String>| problems.extend(problem.err());
    note(settings.tokens().map(drop).map_err(|error| error.to_string()));
    note(notices(settings).map_err(|error| error.to_string()));
    note(Roots::new(&settings.workspace_roots).map(drop).map_err(|error| error.to_string()));
    note(DataDir::check(&settings.data).map_err(|error| error.to_string()));
    note(DataDir::check_whole(&settings.data).map_err(|error| error.to_string()));
    note(Database::check(&settings.data.join(crate::stores::sqlite::FILE_NAME)).map_err(|error| error.to_string()));
    note(telemetry::check(settings).map_err(|error| error.to_string()));
    if let Ok(Some(bus)) = settings.bus() {
        note(bus::check(&bus).map_err(|error| error.to_string()));
    }
    for path in &settings.follow {
        note(followable(path));
    }
    problems
}

/// Who is told of questions, with all that carrying the notices out needs.
fn notices(settings: &Settings) -> Result<(), DaemonError> {
    let targets = settings.targets()?;
    courier(settings, targets, None).map(drop).map_err(DaemonError::Certificates)
}

/// A followed file may come later, its folder may not.
fn followable(path: &Path) -> Result<(), String> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned);
    if path.is_dir() {
        return Err(format!("{} is a folder and cannot be followed; name a file in it", path.display()));
    }
    if !folder.is_dir() {
        return Err(format!("{} cannot be followed: there is no folder {}", path.display(), folder.display()));
    }
    match std::fs::File::open(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("{} cannot be followed: {error}", path.display()))
        }
        _ => Ok(()),
    }
}
