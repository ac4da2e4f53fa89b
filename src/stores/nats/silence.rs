//! What to make of a reader that says nothing: nothing happens, or its server does not know what happens.
//!
//! A server that has lost the others of its cluster says that it is there all the same, as does one that is stuck. So the
//! leader of the stream is asked whether anything stands there that was not told.

use std::{pin::Pin, time::Duration};

use async_nats::jetstream::stream::{RawMessageErrorKind, Stream};
use tokio::time::{Instant, sleep_until};

use super::{follower::Interruption, streams::info_of, why};

/// A reader that has told nothing for this long is not believed any more. To be asked that often is nothing to a server.
const SILENCE: Duration = Duration::from_secs(2);
/// How long nobody may know: a stream whose leader is lost has another one after some seconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// Every subject.
const ALL: &str = ">";

/// The silence of a reader.
pub(super) struct Silence {
    stream: Stream,
    state: State,
    /// Since when the leader does not answer.
    unanswered: Option<Instant>,
}

enum State {
    /// Since then.
    Silent(Instant),
    Asking(Pin<Box<dyn Future<Output = Result<bool, Interruption>> + Send>>),
    /// There is something, which is to be told until then.
    Owed(Instant),
}

impl Silence {
    pub(super) fn new(stream: &Stream) -> Self {
        Self { stream: stream.clone(), state: State::Silent(Instant::now()), unanswered: None }
    }

    /// It is over: the position goes on.
    pub(super) fn end(&mut self) {
        self.state = State::Silent(Instant::now());
        self.unanswered = None;
    }

    /// Returns where nothing stands behind the position; fails where something does, and is not told. Nothing is lost if
    /// it is not waited for any more.
    pub(super) async fn explained(&mut self, position: u64) -> Result<(), Interruption> {
        loop {
            match &mut self.state {
                State::Silent(since) => {
                    sleep_until(*since + SILENCE).await;
                    self.state = State::Asking(Box::pin(goes_on(self.stream.clone(), position)));
                }
                State::Asking(answer) => match answer.await {
                    Ok(true) => self.state = State::Owed(Instant::now() + SILENCE),
                    Ok(false) => {
                        self.end();
                        return Ok(());
                    }
                    Err(Interruption::Refused(_)) if self.is_patient() => {
                        self.state = State::Silent(Instant::now());
                    }
                    Err(error) => return Err(error),
                },
                State::Owed(until) => {
                    sleep_until(*until).await;
                    return Err(Interruption::Ended("the server does not tell what is in the stream".to_owned()));
                }
            }
        }
    }

    fn is_patient(&mut self) -> bool {
        self.unanswered.get_or_insert_with(Instant::now).elapsed() < PATIENCE
    }
}

/// The last position of the stream. One that is shorter than its copy is another one, or has lost what it had
/// acknowledged.
pub(super) async fn last_position(stream: &Stream, position: u64) -> Result<u64, Interruption> {
    let info = info_of(stream).await.map_err(Interruption::Refused)?;
    let (name, last) = (&info.config.name, info.state.last_sequence);
    if last < position || info.created != stream.cached_info().created {
        return Err(Interruption::Hindered(format!(
            "stream {name} is not what it was; restart this daemon, so that it reads all of it anew"
        )));
    }
    Ok(last)
}

/// Whether anything stands in the stream behind a position.
async fn goes_on(stream: Stream, position: u64) -> Result<bool, Interruption> {
    if last_position(&stream, position).await? == position {
        return Ok(false);
    }
    // It may have been deleted.
    match stream.get_first_raw_message_by_subject(ALL, position + 1).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(false),
        Err(error) => Err(Interruption::Refused(why(&error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::{
        conformance::journal::{self, Append},
        nats::testing::Fixture,
    };

    #[tokio::test]
    async fn what_was_deleted_is_not_owed() {
        let fixture = Fixture::new().await;
        let stream = &fixture.nats.journal.stream;
        let goes_on = async |position| goes_on(stream.clone(), position).await.expect("an answer");
        fixture.nats.journal().append(journal::batch(0..3)).await.expect("append");
        assert!(!goes_on(3).await);
        assert!(goes_on(2).await);
        stream.purge().await.expect("purged");
        assert!(!goes_on(2).await);
        let shorter = last_position(stream, 4).await.expect_err("it was longer once");
        assert!(matches!(shorter, Interruption::Hindered(_)), "{shorter}");
    }
}
