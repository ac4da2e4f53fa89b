//! `remora migrate`: moves the journal and the workspaces from a data folder to a NATS, or back.
//!
//! What is there already is not copied again, so a move that was interrupted goes on where it was; and nothing is taken
//! away from where it comes from. Until the move has come to its end, no daemon starts on what is there. [`side`] is one
//! end; [`events`], [`values`] and what is [`beyond`] them are what is moved, compared at both ends afterwards.

mod beyond;
mod events;
mod side;
mod values;

use std::path::PathBuf;

use clap::Args;
use remora_actors::{
    model::Seq,
    ports::{JournalError, WorkspaceError},
};
use serde_json::json;

use self::side::Side;
use super::{
    Shared,
    error::Error,
    terminal::{self, Output},
};
use crate::{
    bus::BusError,
    config::{BusFlags, Settings, SettingsError},
    stores::{data_dir::DataDirError, nats::NatsError, sqlite::OpenError},
};

#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    /// Where everything is: a data folder, or nats://host:4222
    #[arg(long, value_name = "DIR|URL")]
    from: String,

    /// Where everything shall be: the same; empty, or the outcome of an earlier move, finished or not
    #[arg(long, value_name = "DIR|URL")]
    to: String,

    /// The daemon's TOML file [default: as the daemon has it]
    #[arg(long, value_name = "FILE", env = "REMORA_CONFIG")]
    config: Option<PathBuf>,

    #[command(flatten)]
    bus: BusFlags,
}

/// Why nothing was moved, or not everything.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MigrateError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Folder(#[from] DataDirError),
    #[error(transparent)]
    Database(#[from] OpenError),
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error(transparent)]
    Nats(#[from] NatsError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    #[error("no folder for a copy of what nats holds: {0}")]
    Copy(std::io::Error),
    #[error("there is no journal in {0}; name the data folder of a daemon, or its NATS")]
    NoJournal(String),
    #[error("a daemon runs on {place} ({}); stop it, and all others there", .others.join(", "))]
    InUse { place: String, others: Vec<String> },
    #[error("{0} is both where everything is and where it shall be; name another place with --to")]
    Same(String),
    #[error("{side} holds other events: number {number} is {found}, and not {wanted}; move to where nothing is yet")]
    OtherEvents { side: String, number: u64, found: String, wanted: String },
    #[error("{side} holds more events than the {number} to be moved; move to where nothing is yet")]
    MoreEvents { side: String, number: u64 },
    #[error("{side} holds workspaces and no events; move to where nothing is yet")]
    OtherValues { side: String },
    #[error("{side} ends after {number} events, and there are more; look for what else writes there, and move again")]
    FewerEvents { side: String, number: u64 },
    #[error("what deleted events told is not the same at {side}; look for what else writes there, and move again")]
    OtherPictures { side: String },
    #[error("value {key:?} of workspace {workspace:?} is not the same at both ends; look for what else writes there")]
    Differs { workspace: String, key: String },
}

/// How much was moved.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Moved {
    /// How many there are at both ends.
    all: u64,
    /// How many of them were not there before.
    new: u64,
}

pub(crate) async fn run(args: &MigrateArgs, shared: &Shared) -> Result<(), Error> {
    let settings = Settings::load(args.config.as_deref(), &args.bus.0)?;
    let failed = |error: MigrateError| match error {
        MigrateError::Settings(error) => Error::Settings(error),
        error => Error::Failed(error.to_string()),
    };
    let from = Side::open(&args.from, &settings, true).await.map_err(failed)?;
    let to = match Side::open(&args.to, &settings, false).await {
        Ok(to) => to,
        Err(error) => {
            from.close().await;
            return Err(failed(from.or_same(error)));
        }
    };
    let moved = moved(&from, &to).await.map_err(failed);
    from.close().await;
    to.close().await;
    let (events, values) = moved?;
    let out = Output::new();
    if shared.json {
        let counts = |moved: Moved| json!({"all": moved.all, "new": moved.new});
        return out.json(&json!({"events": counts(events), "values": counts(values)}).to_string());
    }
    let told = |moved: Moved| format!("{} ({} new)", moved.all, moved.new);
    let (from, to) = (from.name(), to.name());
    out.line(&format!("{} events and {} workspace values of {from} are in {to}", told(events), told(values)))?;
    out.line("compared at both ends: the same, in the same order; nothing was taken away")
}

async fn moved(from: &Side, to: &Side) -> Result<(Moved, Moved), MigrateError> {
    let bar = terminal::steps();
    let (events, values) = (from.count_events().await?, from.count_values().await?);
    let begin = |step: &'static str, length: u64| {
        bar.set_message(step);
        bar.set_length(length);
        bar.reset();
    };
    begin("comparing events", to.count_events().await?);
    let known = events::compare(from, to, &bar).await?;
    if known.events == 0 && events > 0 && to.count_values().await? > 0 {
        return Err(MigrateError::OtherValues { side: to.name().to_owned() });
    }
    to.begin_move(from).await?;
    begin("moving events", events - known.events);
    events::copy(from, to, known.seq, &bar).await?;
    begin("moving values", values);
    let changed = values::copy(from, to, &bar).await?;
    begin("comparing events", events);
    let all = events::compare(from, to, &bar).await?;
    if !all.is_whole {
        return Err(MigrateError::FewerEvents { side: to.name().to_owned(), number: all.events });
    }
    begin("comparing values", values);
    let values = values::compare(from, to, &bar).await?;
    bar.finish_and_clear();
    beyond::copy(from, to).await?;
    to.end_move().await?;
    Ok((Moved { all: all.events, new: all.events - known.events }, Moved { all: values, new: changed }))
}

/// What two journals have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Common {
    /// How many events.
    events: u64,
    /// The position of the last of them in the first journal.
    seq: Seq,
    /// True where the first one has no more.
    is_whole: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::sqlite::{CopiedEvent, CopiedValue};

    fn event(seq: Seq) -> CopiedEvent {
        let (id, category, action) = (format!("e{seq}"), "tool".to_owned(), "called".to_owned());
        let json = format!(
            r#"{{"id":"{id}","timestamp":"2026-02-24T09:37:15.120Z","category":"tool","action":"called","payload":{{}}}}"#
        );
        CopiedEvent { seq, received_at: 1_000, id, category, action, agent_id: None, json: json.into() }
    }

    fn value(text: &str) -> CopiedValue {
        CopiedValue { workspace: "a".to_owned(), key: "k".to_owned(), json: Some(text.to_owned()) }
    }

    /// A folder with events at these positions.
    async fn folder(seqs: &[Seq]) -> (Side, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("tempdir");
        let side = Side::open(&folder.path().display().to_string(), &Settings::default(), false).await.expect("opened");
        side.write_events(seqs.iter().copied().map(event).collect()).await.expect("written");
        (side, folder)
    }

    #[tokio::test]
    async fn what_differs_at_the_ends_is_found() {
        let bar = indicatif::ProgressBar::hidden();
        let ((from, _here), (to, _there)) = (folder(&[3, 5, 6]).await, folder(&[]).await);
        from.write_values(vec![value("1")]).await.expect("written");
        let (events, values) = moved(&from, &to).await.expect("moved");
        assert_eq!((events, values), (Moved { all: 3, new: 3 }, Moved { all: 1, new: 1 }));
        assert_eq!(to.events(0, 9).await, from.events(0, 9).await, "also when they came in");

        to.write_values(vec![value("2")]).await.expect("written");
        let differs = values::compare(&from, &to, &bar).await.expect_err("a value was changed");
        assert!(matches!(differs, MigrateError::Differs { .. }), "{differs}");
        from.write_events(vec![event(8)]).await.expect("written");
        assert!(!events::compare(&from, &to, &bar).await.expect("compared").is_whole);
        to.write_events(vec![event(7)]).await.expect("written");
        let other = events::compare(&from, &to, &bar).await.expect_err("they stand elsewhere").to_string();
        assert!(other.contains(r#"number 4 is "e7" at 7, and not "e8" at 8"#), "{other}");
    }
}
