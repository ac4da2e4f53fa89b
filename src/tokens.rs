//! The tokens that open the daemon to agents and to operators, and the file that holds them.
//!
//! One token a line; `#` begins a comment:
//!
//! ```text
//! agent    3f9c2b7e5d1a4c80
//! operator 9b1e7f04c6d84a2f  alice
//! ```
//!
//! A running daemon reads it again on SIGHUP.

use std::{collections::HashMap, fmt, fs, io, path::Path};

use serde::{Deserialize, Deserializer};

/// The fewest characters a token may have: 16 random letters and digits carry over 80 bits.
pub const MIN_TOKEN_CHARS: usize = 16;

/// A token's text. It can be compared and sent, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a token's text as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for a request's header or a comparison. Never for a log.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

/// The tokens of one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens {
    /// May emit, ask and read the own workspaces.
    pub agent: Vec<Secret>,
    /// May answer as well; with the name that stands beside the answers.
    pub operator: Vec<(Secret, String)>,
}

/// Why a token file was not taken. Never holds a token.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// The file is missing, a folder, or not allowed to be read.
    #[error("token file {path} cannot be read")]
    Unreadable {
        /// The file.
        path: String,
        /// The reason.
        source: io::Error,
    },
    /// Other users of the machine can read or change the file.
    #[error("token file {path} is open to every user of this machine; run: chmod 600 {path}")]
    Exposed {
        /// The file.
        path: String,
    },
    /// A line is not a token.
    #[error("token file line {line}: {problem}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong, and what it should be.
        problem: String,
    },
    /// Nobody could answer.
    #[error("the token file has no operator token, so nobody could answer; add a line: operator <token> <name>")]
    NoOperator,
}

impl Tokens {
    /// Reads a token file.
    ///
    /// # Errors
    /// The file cannot be read, is open to other users, or [`Tokens::parse`] refuses it.
    pub fn read(path: &Path) -> Result<Self, TokensError> {
        Self::parse(&read_private(path)?)
    }

    /// Reads the text of a token file.
    ///
    /// # Errors
    /// A line that is not a token, a token twice, a short token, or no operator's token at all.
    pub fn parse(text: &str) -> Result<Self, TokensError> {
        let mut tokens = Self::default();
        let mut seen = HashMap::new();
        for (number, line) in text.lines().enumerate() {
            let bad = |problem: String| TokensError::Line { line: number + 1, problem };
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let Some(scope) = words.next() else { continue };
            let token =
                words.next().ok_or_else(|| bad("expected `agent <token>` or `operator <token> [name]`".into()))?;
            if token.chars().count() < MIN_TOKEN_CHARS {
                return Err(bad(format!("the token is shorter than {MIN_TOKEN_CHARS} characters")));
            }
            if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(bad("the token has characters that cannot stand in a request's header".into()));
            }
            if let Some(first) = seen.insert(token, number + 1) {
                return Err(bad(format!("the same token stands on line {first}")));
            }
            let rest = words.collect::<Vec<_>>().join(" ");
            match scope {
                "agent" if rest.is_empty() => tokens.agent.push(Secret::new(token)),
                "agent" => return Err(bad("an agent's token has no name".into())),
                "operator" if rest.is_empty() => tokens.operator.push((Secret::new(token), "operator".into())),
                "operator" => tokens.operator.push((Secret::new(token), rest)),
                _ => return Err(bad("the first word must be `agent` or `operator`".into())),
            }
        }
        if tokens.operator.is_empty() { Err(TokensError::NoOperator) } else { Ok(tokens) }
    }
}

/// The text of a file that only its owner, and perhaps a group, can read.
///
/// # Errors
/// The file cannot be read, or every user of the machine can.
pub fn read_private(path: &Path) -> Result<String, TokensError> {
    let unreadable = |source| TokensError::Unreadable { path: path.display().to_string(), source };
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if is_exposed(&metadata) {
        return Err(TokensError::Exposed { path: path.display().to_string() });
    }
    fs::read_to_string(path).map_err(unreadable)
}

#[cfg(unix)]
fn is_exposed(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o007 != 0
}

#[cfg(not(unix))]
fn is_exposed(_: &fs::Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGENT: &str = "agent-0123456789";
    const OPERATOR: &str = "operator-0123456";

    #[test]
    fn reads_scopes_names_and_comments() {
        let text = format!("# who may do what\n\nagent {AGENT} # the linter\noperator {OPERATOR}  Alice Liddell\r\n");
        let tokens = Tokens::parse(&text).expect("valid");
        assert_eq!(tokens.agent, [Secret::new(AGENT)]);
        assert_eq!(tokens.operator, [(Secret::new(OPERATOR), "Alice Liddell".to_owned())]);
    }

    #[test]
    fn an_operator_needs_no_name() {
        let tokens = Tokens::parse(&format!("operator {OPERATOR}")).expect("valid");
        assert_eq!(tokens.operator[0].1, "operator");
    }

    #[test]
    fn names_the_bad_line_and_never_the_token() {
        for (text, line, problem) in [
            (format!("operator {OPERATOR}\nadmin {AGENT}"), 2, "first word"),
            (format!("operator {OPERATOR}\n\nagent"), 3, "expected"),
            ("agent too-short".to_owned(), 1, "shorter than 16"),
            (format!("agent {OPERATOR}\noperator {OPERATOR}"), 2, "stands on line 1"),
            (format!("agent {AGENT} bob"), 1, "no name"),
            ("agent äääääääääääääääää".to_owned(), 1, "header"),
        ] {
            let error = Tokens::parse(&text).expect_err("refused");
            assert!(matches!(error, TokensError::Line { line: at, .. } if at == line), "{error}");
            assert!(error.to_string().contains(problem), "{error}");
            assert!(!format!("{error:?}").contains(AGENT) && !format!("{error:?}").contains("too-short"), "{error:?}");
        }
    }

    #[test]
    fn somebody_must_be_able_to_answer() {
        assert!(matches!(Tokens::parse(&format!("agent {AGENT}")), Err(TokensError::NoOperator)));
    }

    #[test]
    fn debug_hides_the_token() {
        let tokens = Tokens::parse(&format!("agent {AGENT}\noperator {OPERATOR} alice")).expect("valid");
        let shown = format!("{tokens:?}");
        assert!(!shown.contains(AGENT) && !shown.contains(OPERATOR) && shown.contains("alice"), "{shown}");
    }

    #[cfg(unix)]
    #[test]
    fn refuses_a_file_that_others_can_read() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("valid");
        let path = folder.path().join("tokens");
        fs::write(&path, format!("operator {OPERATOR}\n")).expect("valid");
        for (mode, taken) in [(0o644, false), (0o602, false), (0o600, true), (0o440, true)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("valid");
            assert_eq!(Tokens::read(&path).is_ok(), taken, "{mode:o}");
        }
    }
}
