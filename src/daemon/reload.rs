//! What a running daemon reads again when it is told to by SIGHUP: the token file. Everything else takes a restart.

use std::{error::Error, path::PathBuf};

use tokio::{signal::unix::Signal, sync::watch};

use crate::tokens::Tokens;

/// The token file, and whom its tokens are told.
#[derive(Debug)]
pub(super) struct TokenFile {
    path: PathBuf,
    tokens: watch::Sender<remora_web::Tokens>,
}

impl TokenFile {
    /// A file that was read.
    pub(super) fn new(path: PathBuf, tokens: &Tokens) -> Self {
        Self { path, tokens: watch::Sender::new(expose(tokens)) }
    }

    /// The tokens, now and later.
    pub(super) fn tokens(&self) -> watch::Receiver<remora_web::Tokens> {
        self.tokens.subscribe()
    }

    /// A file that cannot be used changes nothing: nobody is shut out by mistake.
    fn read_again(&self) {
        let path = self.path.display();
        match Tokens::read(&self.path) {
            Ok(tokens) => {
                let (agents, operators) = (tokens.agent.len(), tokens.operator.len());
                self.tokens.send_replace(expose(&tokens));
                tracing::info!(%path, agents, operators, "tokens read again, those that are gone are void");
            }
            Err(error) => {
                let error = &error as &dyn Error;
                tracing::error!(%path, error, "tokens not read again, those from before hold");
            }
        }
    }
}

/// Reads again what can be, each time it is told to.
pub(super) async fn whenever_told(mut hangup: Signal, file: Option<TokenFile>) {
    while hangup.recv().await.is_some() {
        match &file {
            Some(file) => file.read_again(),
            None => tracing::info!("nothing to read again: there is no token file, and the settings take a restart"),
        }
    }
}

fn expose(tokens: &Tokens) -> remora_web::Tokens {
    remora_web::Tokens {
        agent: tokens.agent.iter().map(|token| token.expose().to_owned()).collect(),
        operator: tokens.operator.iter().map(|(token, name)| (token.expose().to_owned(), name.clone())).collect(),
    }
}
