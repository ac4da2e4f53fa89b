//! A target that can be told: its settings checked, its secrets read.

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::{SignedDuration, tz::TimeZone};
use remora_actors::model::notice::{AgentPattern, Near, Policy, QuietHours, Rate};
use remora_web::http::{HeaderValue, Uri};

use super::settings::{Kind, NearSetting, QuietSetting, TargetSettings};
use crate::tokens::{Secret, TokensError, read_private};

/// How a signing secret begins, as standardwebhooks.com has it.
const SECRET_PREFIX: &str = "whsec_";
/// Bytes of a signing secret: what the same page asks for at least.
const SECRET_BYTES: usize = 24;

/// Why a table `[[notify]]` cannot be used. Never tells a secret.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// A key has a value that cannot be used.
    #[error("`{key}` {problem}")]
    Unusable {
        /// The key.
        key: &'static str,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A file of secrets was refused.
    #[error("`{key}`: {source}")]
    File {
        /// The key.
        key: &'static str,
        /// The reason.
        source: TokensError,
    },
}

impl TargetError {
    fn new(key: &'static str, problem: impl Into<String>) -> Self {
        Self::Unusable { key, problem: problem.into() }
    }
}

/// A target.
#[derive(Debug, Clone)]
pub struct Target {
    /// What it wants to hear; with its name.
    pub policy: Policy,
    /// What speaks at the other end.
    pub kind: Kind,
    /// Whether its notices carry links that answer.
    pub links: bool,
    pub(super) uri: SecretUri,
    /// The value of the header `authorization`.
    pub(super) authorization: Option<HeaderValue>,
    /// What signs JSON.
    pub(super) signing: Option<Vec<u8>>,
}

/// An address whose path is a secret.
#[derive(Clone)]
pub(super) struct SecretUri(pub(super) Uri);

impl std::fmt::Debug for SecretUri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretUri({}/…)", self.host())
    }
}

impl SecretUri {
    fn host(&self) -> &str {
        self.0.host().unwrap_or_default()
    }
}

impl Target {
    /// Checks a target's settings and reads its secrets.
    ///
    /// # Errors
    /// [`TargetError`]: a key cannot be used, or a file cannot be read.
    pub fn new(settings: &TargetSettings) -> Result<Self, TargetError> {
        let uri = SecretUri(address(settings)?);
        let token = settings.token_file.as_ref().map(|file| secret("token_file", file)).transpose()?;
        let authorization = token.map(|token| authorization(&token)).transpose()?;
        let signing = settings.secret_file.as_ref().map(|file| secret("secret_file", file)).transpose()?;
        let signing = signing.map(|secret| signing_key(&secret)).transpose()?;
        if authorization.is_some() && settings.kind != Kind::Ntfy {
            return Err(TargetError::new("token_file", "is for ntfy only"));
        }
        if signing.is_some() && settings.kind != Kind::Json {
            return Err(TargetError::new("secret_file", "is for json only"));
        }
        let links = settings.links.unwrap_or(settings.kind == Kind::Ntfy);
        Ok(Self { policy: policy(settings)?, kind: settings.kind, links, uri, authorization, signing })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.policy.target
    }

    /// The host of its address: all of it that may be shown.
    pub fn host(&self) -> &str {
        self.uri.host()
    }
}

fn address(settings: &TargetSettings) -> Result<Uri, TargetError> {
    let (key, url) = match (&settings.url, &settings.url_file) {
        (Some(url), None) => ("url", url.clone()),
        (None, Some(file)) => ("url_file", secret("url_file", file)?),
        _ => return Err(TargetError::new("url", "or `url_file` must be given, and not both")),
    };
    let uri: Uri = url.expose().parse().map_err(|_| TargetError::new(key, "is not an address"))?;
    let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
    if !is_web || uri.host().is_none_or(str::is_empty) {
        return Err(TargetError::new(key, "must begin with https:// or http:// and name a host"));
    }
    if settings.kind == Kind::Ntfy && uri.path().trim_matches('/').is_empty() {
        return Err(TargetError::new(key, "must name a topic: https://ntfy.sh/my-topic"));
    }
    Ok(uri)
}

/// The one secret in a file.
fn secret(key: &'static str, file: &std::path::Path) -> Result<Secret, TargetError> {
    let text = read_private(file).map_err(|source| TargetError::File { key, source })?;
    let text = text.trim();
    if text.is_empty() || text.contains(char::is_whitespace) {
        return Err(TargetError::new(key, "must name a file with one word in it"));
    }
    Ok(Secret::new(text))
}

fn authorization(token: &Secret) -> Result<HeaderValue, TargetError> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
        .map_err(|_| TargetError::new("token_file", "has characters that cannot stand in a request's header"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn signing_key(secret: &Secret) -> Result<Vec<u8>, TargetError> {
    let text = secret.expose().strip_prefix(SECRET_PREFIX).unwrap_or(secret.expose());
    let key = BASE64_STANDARD.decode(text).ok().filter(|key| key.len() >= SECRET_BYTES);
    key.ok_or_else(|| {
        TargetError::new("secret_file", format!("must hold {SECRET_PREFIX} and {SECRET_BYTES} or more bytes in base64"))
    })
}

fn policy(settings: &TargetSettings) -> Result<Policy, TargetError> {
    let name = settings.name.clone().unwrap_or_else(|| settings.kind.as_str().to_owned());
    if name.trim().is_empty() || name.len() > 64 || name.chars().any(char::is_control) {
        return Err(TargetError::new("name", "must be a short text without control characters"));
    }
    if settings.events.is_empty() {
        return Err(TargetError::new("events", "must name at least one of opened, near and expired"));
    }
    if !(1..=Rate::MAX_BURST).contains(&settings.burst) {
        return Err(TargetError::new("burst", format!("must be between 1 and {}", Rate::MAX_BURST)));
    }
    if settings.every_s == 0 {
        return Err(TargetError::new("every_s", "must be at least 1"));
    }
    Ok(Policy {
        target: name,
        kinds: settings.events.iter().copied().collect(),
        min_urgency: settings.min_urgency,
        agents: settings.agents.iter().map(|pattern| AgentPattern::new(pattern)).collect(),
        near: match settings.near {
            NearSetting::Percent(percent) => Near::Share(percent / 100.0),
            NearSetting::Left(left) => Near::Left(left),
        },
        quiet: settings.quiet.as_ref().map(quiet_hours).transpose()?,
        rate: Rate { burst: settings.burst, every: SignedDuration::from_secs(settings.every_s.into()) },
    })
}

fn quiet_hours(quiet: &QuietSetting) -> Result<QuietHours, TargetError> {
    let zone = match &quiet.zone {
        Some(name) => {
            TimeZone::get(name).map_err(|_| TargetError::new("quiet", format!("names an unknown zone {name:?}")))?
        }
        None => TimeZone::system(),
    };
    Ok(QuietHours { from: quiet.from, to: quiet.to, zone, unless: quiet.unless })
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use remora_actors::model::notice::NoticeKind;

    use super::*;

    fn target(toml: &str) -> Result<Target, String> {
        use figment::providers::{Format, Toml};
        let settings = figment::Figment::from(Toml::string(toml)).extract().map_err(|error| error.to_string())?;
        Target::new(&settings).map_err(|error| error.to_string())
    }

    #[test]
    fn little_has_to_be_said() {
        let target = target("kind = 'ntfy'\nurl = 'https://ntfy.sh/t'").expect("valid");
        assert_eq!((target.name(), target.host(), target.links), ("ntfy", "ntfy.sh", true));
        assert_eq!(target.policy.kinds.len(), 3);
        assert_eq!((target.policy.near, target.policy.quiet), (Near::Share(0.2), None));
    }

    #[test]
    fn everything_can_be_said() {
        let target = target(
            "name = 'phone'\nkind = 'slack'\nurl = 'http://127.0.0.1:1/x'\nevents = ['opened', 'expired']\n\
             min_urgency = 'high'\nagents = ['deploy-*']\nnear = '1m30s'\nburst = 2\nevery_s = 30\nlinks = true\n\
             quiet = { from = '22:00', to = '07:00', zone = 'Europe/Berlin', unless = 'critical' }",
        )
        .expect("valid");
        assert_eq!((target.name(), target.links), ("phone", true));
        assert!(!target.policy.kinds.contains(&NoticeKind::Near));
        assert_eq!(target.policy.near, Near::Left(SignedDuration::from_secs(90)));
        assert_eq!(target.policy.quiet.expect("hours").zone.iana_name(), Some("Europe/Berlin"));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (toml, needle) in [
            ("kind = 'pigeon'\nurl = 'http://x'", "pigeon"),
            ("kind = 'slack'", "`url_file`"),
            ("kind = 'slack'\nurl = 'https://hooks.example/s3cret'\nurl_file = '/x'", "not both"),
            ("kind = 'slack'\nurl = 'ftp://x/s3cret'", "https://"),
            ("kind = 'ntfy'\nurl = 'https://ntfy.sh/'", "topic"),
            ("kind = 'json'\nurl = 'https://x'\nnear = 'soon'", "20%"),
            ("kind = 'json'\nurl = 'https://x'\nnear = '-5m'", "20%"),
            ("kind = 'json'\nurl = 'https://x'\nevents = []", "`events`"),
            ("kind = 'json'\nurl = 'https://x'\nburst = 0", "`burst`"),
            ("kind = 'json'\nurl = 'https://x'\nquiet = { from = '22:00', to = '7', zone = 'UTC' }", "quiet"),
            ("kind = 'json'\nurl = 'https://x'\nquiet = { from = '22:00', to = '07:00', zone = 'Mars' }", "Mars"),
            ("kind = 'json'\nurl = 'https://x'\nsecret_file = '/nonexistent'", "`secret_file`"),
            ("kind = 'json'\nurl = 'https://x'\nsecrets = 'y'", "secrets"),
        ] {
            let error = target(toml).expect_err(toml);
            assert!(error.contains(needle), "{toml}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn secrets_come_from_files_and_are_not_shown() {
        let folder = tempfile::tempdir().expect("tempdir");
        let file = |name: &str, text: &str, mode| {
            let path = folder.path().join(name);
            fs::write(&path, text).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
            path.display().to_string()
        };
        let url = file("url", "https://hooks.example/s3cret\n", 0o600);
        let found = target(&format!("kind = 'slack'\nurl_file = '{url}'")).expect("valid");
        assert_eq!(found.host(), "hooks.example");
        assert!(!format!("{found:?}").contains("s3cret"), "{found:?}");
        let open = file("open", "https://hooks.example/s3cret\n", 0o644);
        assert!(target(&format!("kind = 'slack'\nurl_file = '{open}'")).expect_err("refused").contains("chmod 600"));
        let secret = file("secret", &format!("whsec_{}", BASE64_STANDARD.encode([1; 24])), 0o600);
        let found = target(&format!("kind = 'json'\nurl = 'https://x'\nsecret_file = '{secret}'")).expect("valid");
        assert_eq!(found.signing, Some(vec![1; 24]));
        let short = file("short", "whsec_AAAA", 0o600);
        let error = target(&format!("kind = 'json'\nurl = 'https://x'\nsecret_file = '{short}'")).expect_err("short");
        assert!(error.contains("24") && !error.contains("AAAA"), "{error}");
        assert!(target(&format!("kind = 'slack'\nurl = 'https://x'\nsecret_file = '{secret}'")).is_err());
    }
}
