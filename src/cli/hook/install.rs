//! Writes our hooks into Claude Code's settings, and takes them out again.

use std::{
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use directories::BaseDirs;
use serde_json::json;
use similar::TextDiff;

use super::{
    ClaudeCodeArgs,
    settings::{self, Entry, SUBCOMMAND},
};
use crate::cli::{
    Shared,
    error::Error,
    terminal::{self, Output, quoted},
};

/// The hooks that report what happens.
const EVENTS: [&str; 10] = [
    "SessionStart",
    "UserPromptSubmit",
    "PreToolUse",
    "PostToolUse",
    "PostToolUseFailure",
    "Notification",
    "Stop",
    "SubagentStart",
    "SubagentStop",
    "SessionEnd",
];
/// The hook that stands for Claude Code's own prompt.
const PROMPT: &str = "PermissionRequest";
/// Seconds after which Claude Code ends a hook that only reports: far more than it ever takes.
const REPORT_S: u64 = 5;
/// Seconds that a hook which asks lives longer than its question, to say what became of it.
const ASK_MARGIN_S: u64 = 30;
/// The address that needs not be named.
const USUAL_URL: &str = "http://127.0.0.1:8000";

/// Whose settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Scope {
    /// This user's, in every project
    User,
    /// The project's in this folder, shared with everybody who works on it
    Project,
    /// This user's, in the project in this folder
    Local,
}

impl Scope {
    fn file(self) -> Result<PathBuf, Error> {
        Ok(match self {
            Self::Project => PathBuf::from(".claude/settings.json"),
            Self::Local => PathBuf::from(".claude/settings.local.json"),
            Self::User => match env::var_os("CLAUDE_CONFIG_DIR").filter(|folder| !folder.is_empty()) {
                Some(folder) => PathBuf::from(folder).join("settings.json"),
                None => BaseDirs::new()
                    .ok_or_else(|| Error::Failed("there is no home folder; name a --scope".to_owned()))?
                    .home_dir()
                    .join(".claude/settings.json"),
            },
        })
    }
}

pub(super) fn run(args: &ClaudeCodeArgs, shared: &Shared) -> Result<(), Error> {
    let path = args.scope.file()?;
    let file = File::read(&path)?;
    let old = file.text.as_deref().unwrap_or_default();
    let new = if args.install {
        settings::with_entries(old, &entries(args, shared))
    } else if file.text.is_some() {
        settings::without_entries(old)
    } else {
        Ok(String::new())
    };
    let new = new.map_err(|why| Error::Failed(format!("{} {why}; it was left as it is", path.display())))?;
    let changed = new != old;
    let mut backup = None;
    if changed {
        if !shared.json {
            show(&Output::new(), &path, old, &new)?;
        }
        if !args.yes {
            let otherwise = format!("{} was left as it is; give --yes to write it", path.display());
            terminal::confirm(&format!("write this to {}?", path.display()), &otherwise)?;
        }
        // What has hooks of ours is not how it was before them.
        let original = settings::without_entries(old).is_ok_and(|without| without == old);
        backup = file.replace(&new, original)?;
    }
    tell(args, shared, &path, changed, backup.as_deref())
}

fn tell(
    args: &ClaudeCodeArgs,
    shared: &Shared,
    path: &Path,
    changed: bool,
    backup: Option<&Path>,
) -> Result<(), Error> {
    let out = Output::new();
    if shared.json {
        return out.json(&json!({"path": path, "changed": changed, "backup": backup}).to_string());
    }
    let word = match (changed, args.install) {
        (false, true) => "nothing to do, the hooks stand there already:",
        (false, false) => "nothing to do, no hooks of ours stand there:",
        (true, true) => "installed:",
        (true, false) => "uninstalled:",
    };
    out.line(&format!("{} {}", out.paint(terminal::GOOD, word), path.display()))?;
    backup.map_or(Ok(()), |backup| out.line(&format!("as it was before: {}", backup.display())))
}

/// What is to be written, for these options.
fn entries(args: &ClaudeCodeArgs, shared: &Shared) -> Vec<Entry> {
    let command = command(args, shared);
    let ask_s = args.wait().as_secs() + ASK_MARGIN_S;
    let policy = args.policy();
    let events = EVENTS.into_iter().chain(policy.prompts.then_some(PROMPT));
    let entry = |event: &'static str| {
        let asks = event == PROMPT || event == "PreToolUse" && policy.before.is_some();
        Entry { event, command: command.clone(), timeout_s: if asks { ask_s } else { REPORT_S } }
    };
    events.map(entry).collect()
}

fn command(args: &ClaudeCodeArgs, shared: &Shared) -> String {
    let mut words = vec![quoted(&program()), SUBCOMMAND.to_owned()];
    let mut add = |flag: &str, value: &str| words.push(format!("{flag} {}", quoted(value)));
    if let Some(tools) = args.policy().before {
        add("--ask", &tools.to_string());
    }
    if args.asks() {
        add("--wait", &format!("{}s", args.wait().as_secs().max(1)));
    }
    if shared.connection.url != USUAL_URL {
        add("--url", &shared.connection.url);
    }
    if let Some(file) = &shared.connection.token_file {
        let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
        add("--token-file", &file.display().to_string());
    }
    if args.ask_prompts {
        words.push("--ask-prompts".to_owned());
    }
    words.join(" ")
}

/// How the shell finds this program: by its name where that means this very file, else by its path.
fn program() -> String {
    let Ok(this) = env::current_exe().and_then(fs::canonicalize) else { return "remora".to_owned() };
    let paths = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&paths).map(|folder| folder.join("remora")).find(|file| file.is_file());
    match found.and_then(|file| fs::canonicalize(file).ok()) {
        Some(file) if file == this => "remora".to_owned(),
        _ => this.display().to_string(),
    }
}

fn show(out: &Output, path: &Path, old: &str, new: &str) -> Result<(), Error> {
    let name = path.display().to_string();
    let diff = TextDiff::from_lines(old, new).unified_diff().context_radius(3).header(&name, &name).to_string();
    diff.lines().try_for_each(|line| {
        let text = terminal::escape(line);
        out.line(&match line.as_bytes().first() {
            Some(b'+') => out.paint(terminal::GOOD, &text),
            Some(b'-') => out.paint(terminal::BAD, &text),
            Some(b'@') => out.paint(terminal::FAINT, &text),
            _ => text.into_owned(),
        })
    })
}

/// A settings file that may not be there yet.
struct File {
    /// Where it really lies: a link to it stays a link.
    path: PathBuf,
    text: Option<String>,
}

impl File {
    fn read(path: &Path) -> Result<Self, Error> {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Self { path, text: Some(text) }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self { path, text: None }),
            Err(source) => Err(Error::io(format!("{} cannot be read", path.display()), source)),
        }
    }

    /// Writes the new text, whole or not at all, and keeps the old one beside it, if it is the `original` one or none is
    /// kept yet; where.
    fn replace(&self, new: &str, original: bool) -> Result<Option<PathBuf>, Error> {
        let failed = |source| Error::io(format!("{} cannot be written, it is as it was", self.path.display()), source);
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(failed)?;
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        file.write_all(new.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
        let mut backup = None;
        if self.text.is_some() {
            let permissions = fs::metadata(&self.path).map_err(failed)?.permissions();
            file.as_file().set_permissions(permissions).map_err(failed)?;
            let beside = self.path.with_added_extension("before-remora");
            if original || !beside.exists() {
                fs::copy(&self.path, &beside).map_err(failed)?;
            }
            backup = Some(beside);
        }
        file.persist(&self.path).map_err(|error| failed(error.error))?;
        Ok(backup)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_its_predecessor_kept() {
        let folder = tempfile::tempdir().expect("tempdir");
        let path = folder.path().join("new/settings.json");
        assert_eq!(File::read(&path).expect("readable").replace("one", true).expect("written"), None);
        let backup = File::read(&path).expect("readable").replace("two", true).expect("written").expect("kept");
        let read = |path: &Path| fs::read_to_string(path).expect("readable");
        assert_eq!((read(&path), read(&backup)), ("two".to_owned(), "one".to_owned()));
        let backup = File::read(&path).expect("readable").replace("three", false).expect("written").expect("kept");
        assert_eq!((read(&path), read(&backup)), ("three".to_owned(), "one".to_owned()));
        assert_eq!(
            fs::read_dir(folder.path().join("new")).expect("readable").count(),
            2,
            "nothing else is left behind"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().expect("tempdir");
        let (real, link) = (folder.path().join("real.json"), folder.path().join("settings.json"));
        fs::write(&real, "one").expect("written");
        std::os::unix::fs::symlink(&real, &link).expect("linked");
        File::read(&link).expect("readable").replace("two", true).expect("written");
        assert_eq!(fs::read_link(&link).expect("a link"), real);
        assert_eq!(fs::read_to_string(&real).expect("readable"), "two");
    }
}
