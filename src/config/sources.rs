//! Where settings are said: flags, variables and the file; and what is said of one that cannot be used, with its place.

use std::path::{Path, PathBuf};

use directories::ProjectDirs;
use figment::{
    Figment, Metadata,
    error::Kind,
    providers::{Env, Format, Serialized, Toml},
};

use super::{Flags, Settings, SettingsError};

/// Variables that begin like a setting's and belong to the command line's client side.
const CLIENT_VARIABLES: [&str; 6] = ["url", "token", "agent_id", "config", "hook_ask", "hook_limit_ms"];

/// Everything that was said, the later over the earlier.
pub(super) fn merged(file: Option<&Path>, flags: &Flags) -> Result<Figment, SettingsError> {
    let mut figment = Figment::from(Serialized::defaults(Settings::default()));
    if let Some(file) = config_file(file)? {
        figment = figment.merge(Toml::file_exact(file));
    }
    let variables = Env::prefixed("REMORA_").ignore(&CLIENT_VARIABLES);
    // As for the command line, what is empty is not set.
    let empty = variables.iter().filter(|(_, value)| value.is_empty()).map(|(name, _)| name.into_string());
    let empty: Vec<String> = empty.collect();
    let empty: Vec<&str> = empty.iter().map(String::as_str).collect();
    let variables = variables.ignore(&empty).split("__");
    Ok(figment.merge(variables).merge(Serialized::defaults(&flags.0)))
}

fn config_file(named: Option<&Path>) -> Result<Option<PathBuf>, SettingsError> {
    if let Some(file) = named {
        return if file.is_file() { Ok(Some(file.to_owned())) } else { Err(SettingsError::NoFile(file.to_owned())) };
    }
    let default = ProjectDirs::from("", "", "remora").map(|folders| folders.config_dir().join("remora.toml"));
    Ok(default.filter(|file| file.is_file()))
}

/// Where a setting can be said beside the flags.
pub(super) enum Place {
    File(PathBuf),
    Variable(String),
}

/// Where a setting was said; `None`: by a flag, or not at all.
pub(super) fn place(key: &str, metadata: &Metadata) -> Option<Place> {
    if let Some(file) = metadata.source.as_ref().and_then(|source| source.file_path()) {
        return Some(Place::File(file.to_owned()));
    }
    let variable = || Place::Variable(format!("REMORA_{}", key.to_uppercase().replace('.', "__")));
    metadata.name.contains("environment").then(variable)
}

/// One sentence: which setting, where it stands, what is wrong with it.
pub(super) fn explain(error: &figment::Error, figment: &Figment) -> String {
    let mut key = error.path.join(".");
    if let Kind::UnknownField(field, _) = &error.kind
        && error.path.last() != Some(field)
    {
        key = error.path.iter().map(String::as_str).chain([field.as_str()]).collect::<Vec<_>>().join(".");
    }
    let metadata = figment.find_metadata(&key).or(error.metadata.as_ref());
    let place = match metadata.and_then(|metadata| place(&key, metadata)) {
        Some(Place::File(file)) => format!(" in {}", file.display()),
        Some(Place::Variable(name)) => format!(" (variable {name})"),
        None => String::new(),
    };
    match &error.kind {
        Kind::UnknownField(_, known) => format!("unknown setting `{key}`{place}; there are: {}", known.join(", ")),
        _ if key.is_empty() => format!("the settings{place} cannot be read: {}", error.kind),
        kind => format!("setting `{key}`{place}: {kind}"),
    }
}
