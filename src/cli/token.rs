//! The token that a command shows.

use super::{Connection, error::Error};
use crate::tokens::{Secret, Tokens, read_private};

/// What a command does, which tells the token it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Emits and asks.
    Agent,
    /// Looks on and answers.
    Operator,
}

/// The token for what the command does: of the named file, else of `REMORA_TOKEN`.
pub(super) fn token(connection: &Connection, scope: Scope) -> Result<Option<Secret>, Error> {
    let Some(path) = &connection.token_file else {
        let variable = std::env::var("REMORA_TOKEN").ok();
        return Ok(variable.filter(|text| !text.trim().is_empty()).map(|text| Secret::new(text.trim())));
    };
    pick_token(&read_private(path)?, scope).map(Some)
}

/// A file for a client holds one bare token; the daemon's own file serves as well.
fn pick_token(text: &str, scope: Scope) -> Result<Secret, Error> {
    if let [bare] = text.split_whitespace().collect::<Vec<_>>()[..] {
        return Ok(Secret::new(bare));
    }
    let tokens = Tokens::parse(text)?;
    let agent = tokens.agent.into_iter().next();
    let operator = tokens.operator.into_iter().next().map(|(token, _)| token);
    let (first, second) = if scope == Scope::Agent { (agent, operator) } else { (operator, agent) };
    first.or(second).ok_or_else(|| Error::Usage("the token file has no token".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_file_gives_the_token_the_command_needs() {
        let both = "operator operator-01234567 alice\nagent agent-0123456789";
        for (text, scope, expected) in [
            (both, Scope::Agent, "agent-0123456789"),
            (both, Scope::Operator, "operator-01234567"),
            ("operator operator-01234567", Scope::Agent, "operator-01234567"),
            ("bare-0123456789\n", Scope::Operator, "bare-0123456789"),
        ] {
            assert_eq!(pick_token(text, scope).expect("valid").expose(), expected);
        }
    }
}
