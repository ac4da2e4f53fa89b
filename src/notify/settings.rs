//! The table `[[notify]]` of the configuration file.

use std::path::PathBuf;

use jiff::{SignedDuration, civil::Time};
use remora_actors::model::{Urgency, notice::NoticeKind};
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::tokens::Secret;

/// What speaks at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A topic of an ntfy server: `https://ntfy.sh/my-topic`.
    Ntfy,
    /// An incoming webhook of Slack.
    Slack,
    /// A webhook of a Discord channel.
    Discord,
    /// Anything that takes JSON, signed as standardwebhooks.com describes.
    Json,
}

impl Kind {
    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ntfy => "ntfy",
            Self::Slack => "slack",
            Self::Discord => "discord",
            Self::Json => "json",
        }
    }
}

/// Somebody who is told of questions. Each field is a key of a table `[[notify]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetSettings {
    /// What it is called in logs, on the page and beside its answers; without one, its kind.
    #[serde(default)]
    pub name: Option<String>,
    /// What speaks at the other end.
    pub kind: Kind,
    /// Its address. For most services whoever knows it may post: see `url_file`.
    #[serde(default, skip_serializing)]
    pub url: Option<Secret>,
    /// A file with the address, closed to other users, so that the configuration holds no secret.
    #[serde(default)]
    pub url_file: Option<PathBuf>,
    /// A file with the token that an ntfy server asks for.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// A file with the secret that signs JSON, `whsec_…`.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// What it wants to hear of.
    #[serde(default = "all_kinds")]
    pub events: Vec<NoticeKind>,
    /// Less urgent questions are not told.
    #[serde(default = "lowest")]
    pub min_urgency: Urgency,
    /// The agents it wants to hear of, `*` standing for any characters; none: all.
    #[serde(default)]
    pub agents: Vec<String>,
    /// When a deadline is near: a share of the question's time, `20%`, or the time left, `5m`.
    #[serde(default)]
    pub near: NearSetting,
    /// When it wants to be left alone.
    #[serde(default)]
    pub quiet: Option<QuietSetting>,
    /// Notices about one agent at once; what comes faster is summed up.
    #[serde(default = "five")]
    pub burst: u32,
    /// Seconds after which one more may follow.
    #[serde(default = "a_minute")]
    pub every_s: u32,
    /// Whether its notices carry links that answer. Whoever reads them may answer then.
    #[serde(default)]
    pub links: Option<bool>,
}

/// When a deadline is near.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub enum NearSetting {
    /// In percent of the question's time.
    Percent(f64),
    /// So much time before.
    Left(SignedDuration),
}

impl Default for NearSetting {
    fn default() -> Self {
        Self::Percent(20.0)
    }
}

impl<'de> Deserialize<'de> for NearSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let problem = || de::Error::custom(format!("{text:?} is neither a share such as 20% nor a time such as 5m"));
        match text.strip_suffix('%') {
            Some(share) => {
                let share = share.trim().parse().ok().filter(|share| (0.0..100.0).contains(share));
                share.map(Self::Percent).ok_or_else(problem)
            }
            None => {
                let left = text.parse().ok().filter(|left: &SignedDuration| left.is_positive());
                left.map(Self::Left).ok_or_else(problem)
            }
        }
    }
}

/// Quiet hours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuietSetting {
    /// Their beginning, by the clock on the wall.
    pub from: Time,
    /// Their end; before the beginning: on the next day.
    pub to: Time,
    /// The zone of that clock, such as `Europe/Berlin`; without one, this machine's.
    #[serde(default)]
    pub zone: Option<String>,
    /// Questions of this urgency and above are told all the same.
    #[serde(default)]
    pub unless: Option<Urgency>,
}

fn all_kinds() -> Vec<NoticeKind> {
    vec![NoticeKind::Opened, NoticeKind::Near, NoticeKind::Expired]
}

fn lowest() -> Urgency {
    Urgency::Low
}

fn five() -> u32 {
    5
}

fn a_minute() -> u32 {
    60
}
