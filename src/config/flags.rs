//! The settings that were given as flags.

use std::{collections::HashSet, ffi::OsString};

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, parser::ValueSource};
use remora_actors::model::Limits;
use serde_json::{Map, Value};

use super::Settings;

/// The settings given as flags, and no others.
#[derive(Debug, Clone, Default)]
pub struct Flags(pub(super) Map<String, Value>);

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        Settings::augment_args(command).arg(
            Arg::new("limit")
                .long("limit")
                .value_name("NAME=VALUE")
                .help("A bound on what is taken in and kept, such as event_bytes=65536. Repeatable")
                .long_help(format!("A bound on what is taken in and kept. Repeatable. The defaults: {}", limits()))
                .action(ArgAction::Append)
                .value_parser(limit),
        )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut settings = Settings::from_arg_matches(matches)?;
        settings.token_file = matches.try_get_one("token_file").ok().flatten().cloned();
        let given: HashSet<&str> = matches
            .ids()
            .map(clap::Id::as_str)
            .filter(|id| matches.value_source(id) == Some(ValueSource::CommandLine))
            .collect();
        let Ok(Value::Object(mut flags)) = serde_json::to_value(settings) else {
            return Err(clap::Error::raw(clap::error::ErrorKind::InvalidUtf8, "a path is not valid UTF-8\n"));
        };
        flags.retain(|name, _| given.contains(name.as_str()));
        if let Some(limits) = matches.get_many::<(String, u64)>("limit") {
            let limits = limits.map(|(name, value)| (name.clone(), Value::from(*value)));
            flags.insert("limits".to_owned(), Value::Object(limits.collect()));
        }
        Ok(Self(flags))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The settings of the message bus, for other commands than the daemon's own; `--bus` itself is none of them.
#[derive(Debug, Clone, Default)]
pub struct BusFlags(pub Flags);

impl BusFlags {
    fn all() -> impl Iterator<Item = Arg> {
        let settings = Settings::augment_args(Command::new("remora"));
        let args: Vec<_> = settings.get_arguments().cloned().collect();
        args.into_iter().filter(|arg| arg.get_id().as_str().starts_with("bus_"))
    }
}

impl Args for BusFlags {
    fn augment_args(command: Command) -> Command {
        command.args(Self::all())
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for BusFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut words: Vec<OsString> = Vec::new();
        for arg in Self::all() {
            let (id, name) = (arg.get_id().as_str(), arg.get_long().unwrap_or_default());
            if matches.value_source(id) == Some(ValueSource::CommandLine) {
                words.push(format!("--{name}").into());
                words.extend(matches.get_raw(id).into_iter().flatten().map(ToOwned::to_owned));
            }
        }
        // Read as the daemon reads them.
        let command = Flags::augment_args(Command::new("remora").no_binary_name(true));
        Ok(Self(Flags::from_arg_matches(&command.try_get_matches_from(words)?)?))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn limits() -> String {
    let Ok(Value::Object(limits)) = serde_json::to_value(Limits::default()) else { return String::new() };
    limits.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
}

fn limit(text: &str) -> Result<(String, u64), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    let value = value.replace('_', "").parse().map_err(|_| format!("{value:?} is not a whole number"))?;
    Ok((name.to_owned(), value))
}

#[cfg(test)]
impl Flags {
    /// What `remora serve` makes of these words.
    pub(super) fn parse(words: &[&str]) -> Self {
        let matches = Self::augment_args(Command::new("remora").no_binary_name(true)).get_matches_from(words);
        Self::from_arg_matches(&matches).expect("valid")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn holds_what_was_given_and_nothing_else() {
        assert_eq!(Flags::parse(&[]).0, Map::new());
        let flags = Flags::parse(&["--listen", "[::1]:0", "--durability=normal", "--limit", "agents=1_000"]);
        let expected = json!({"listen": "[::1]:0", "durability": "normal", "limits": {"agents": 1000}});
        assert_eq!(Value::Object(flags.0), expected);
    }

    #[test]
    fn the_flags_of_the_bus_are_the_daemons() {
        let command = BusFlags::augment_args(Command::new("remora").no_binary_name(true));
        let matches = command.get_matches_from(["--bus-replicas", "3", "--bus-ca-file", "ca.pem"]);
        let flags = BusFlags::from_arg_matches(&matches).expect("valid");
        assert_eq!(Value::Object(flags.0.0), json!({"bus_replicas": 3, "bus_ca_file": "ca.pem"}));
    }

    #[test]
    fn a_limit_is_a_name_and_a_number() {
        for text in ["agents", "agents=", "agents=many", "agents=-1"] {
            assert!(limit(text).is_err(), "{text}");
        }
    }
}
