//! Events of another journal, taken in at the positions that they have there, with what was made of those that were
//! deleted. Nobody else writes meanwhile: a mark keeps daemons away until all is there.
//!
//! A stream counts by itself, and cannot be told where to begin: a server of a cluster that was told goes by its own
//! count all the same. So what is missing is stood in for by messages without content, which are taken away again.

use std::{collections::VecDeque, ops::Range, sync::atomic::Ordering};

use async_nats::jetstream::{
    context::{PublishAckFuture, PublishError},
    message::PublishMessage,
    publish::PublishAck,
};
use remora_actors::{
    model::Seq,
    ports::{Snapshot, Workspace},
};
use serde_json::json;

use super::{
    Nats, NatsError, SHARED, bucket::Bucket, commit::headers, journal_copy::note_pruned, keys, streams::info_of, why,
};
use crate::{bus::BusSettings, stores::sqlite::CopiedEvent};

/// The subject of what stands in for a missing event. No event has it: an event's has one part more.
const MISSING: &str = "missing";
/// Where it is marked that a move has not come to its end: where it comes from.
const MOVE: &str = "unfinished_move";
/// Messages that are sent and not acknowledged: enough that the way there and back does not count.
const UNACKNOWLEDGED: usize = 1_024;
/// Messages that stand in for others until they are taken away: so few that a busy server takes them away in time.
const STAND_INS: Seq = 10_000;

/// Whether all is there that was to be moved there.
pub(super) async fn check_whole(workspaces: &Bucket, settings: &BusSettings) -> Result<(), NatsError> {
    let mark = workspaces.last(&keys::encode(SHARED, MOVE)).await.map_err(NatsError::Server)?.value;
    let Some(from) = mark else { return Ok(()) };
    let from = from.as_str().unwrap_or_default().to_owned();
    Err(NatsError::Unfinished { from, servers: settings.servers.clone(), prefix: settings.names.clone() })
}

impl Nats {
    /// Marks the stores as ones that hold a part only, until [`Self::end_move`].
    ///
    /// # Errors
    /// [`NatsError`].
    pub async fn begin_move(&self, from: &str) -> Result<(), NatsError> {
        self.journal.shared.set(MOVE, &json!(from)).await.map_err(|error| NatsError::Server(error.to_string()))
    }

    /// Takes the mark away: everything is there.
    ///
    /// # Errors
    /// [`NatsError`].
    pub async fn end_move(&self) -> Result<(), NatsError> {
        let removed = self.journal.shared.delete(MOVE).await;
        removed.map(drop).map_err(|error| NatsError::Server(error.to_string()))
    }

    /// Takes in events behind those that are there. Returns once the copy has them.
    ///
    /// # Errors
    /// [`NatsError`]; those that came before the one that failed may be there.
    pub async fn take_in(&self, events: &[CopiedEvent]) -> Result<(), NatsError> {
        let Some(last) = events.last() else { return Ok(()) };
        let stream = info_of(&self.journal.stream).await.map_err(NatsError::Server)?;
        let mut before = stream.state.last_sequence;
        let mut underway = Underway::default();
        for event in events {
            self.stand_in(before + 1..event.seq, &mut underway).await?;
            before = event.seq;
            let CopiedEvent { seq, id, category, action, json, .. } = event;
            let message = PublishMessage::build().headers(headers(id)).payload(json.clone());
            // Where one is lost, none that follows takes its place.
            let (subject, message) =
                (self.journal.publisher.subject_of(category, action), message.expected_last_sequence(seq - 1));
            underway.add(self.journal.publisher.context.send_publish(subject, message).await).await?;
        }
        underway.settle().await?;
        self.copied(last.seq).await
    }

    async fn stand_in(&self, missing: Range<Seq>, underway: &mut Underway) -> Result<(), NatsError> {
        for seq in missing {
            let stand_in = PublishMessage::build().expected_last_sequence(seq - 1);
            underway.add(self.journal.publisher.context.send_publish(self.missing(), stand_in).await).await?;
            if seq.is_multiple_of(STAND_INS) {
                underway.settle().await?;
                self.take_away().await?;
            }
        }
        Ok(())
    }

    fn missing(&self) -> String {
        format!("{}.{MISSING}", self.journal.publisher.subject)
    }

    async fn take_away(&self) -> Result<(), NatsError> {
        self.journal.stream.purge().filter(self.missing()).await.map(drop).map_err(|error| failed(&error))
    }

    /// Ends it: takes away what stood in for missing events, and leaves the pictures with which a daemon begins that
    /// has not seen the events up to `deleted`.
    ///
    /// # Errors
    /// [`NatsError`]; it can be done again.
    pub async fn take_over(&self, deleted: Seq, pictures: &[(&'static str, Snapshot)]) -> Result<(), NatsError> {
        let journal = &self.journal;
        self.take_away().await?;
        for (name, picture) in pictures {
            journal.pictures.put(name, picture).await?;
        }
        note_pruned(&journal.shared, deleted).await.map_err(NatsError::Server)?;
        journal.lacks.fetch_max(deleted, Ordering::Relaxed);
        Ok(self.database.pruned_until(deleted).await?)
    }

    /// However long that takes: nobody waits here for an acknowledgement, as publishers do for a commit.
    async fn copied(&self, seq: Seq) -> Result<(), NatsError> {
        let mut progress = self.journal.followed.journal.progress.clone();
        let reached = progress.wait_for(|progress| progress.position >= seq || progress.trouble.is_some()).await;
        match reached.map(|progress| progress.trouble.clone()) {
            Ok(None) => Ok(()),
            Ok(Some(trouble)) => Err(NatsError::Server(trouble.to_string())),
            Err(_) => Err(NatsError::Server("its follower has ended".to_owned())),
        }
    }
}

/// Messages that are sent and not acknowledged.
#[derive(Default)]
struct Underway(VecDeque<PublishAckFuture>);

impl Underway {
    async fn add(&mut self, sent: Result<PublishAckFuture, PublishError>) -> Result<(), NatsError> {
        self.0.push_back(sent.map_err(|error| failed(&error))?);
        if self.0.len() == UNACKNOWLEDGED { self.settle_one().await } else { Ok(()) }
    }

    async fn settle(&mut self) -> Result<(), NatsError> {
        while !self.0.is_empty() {
            self.settle_one().await?;
        }
        Ok(())
    }

    async fn settle_one(&mut self) -> Result<(), NatsError> {
        let Some(ack) = self.0.pop_front() else { return Ok(()) };
        match ack.await {
            Ok(PublishAck { duplicate: true, sequence, .. }) => {
                Err(NatsError::Server(format!("an event to be moved came before position {sequence}")))
            }
            Ok(_) => Ok(()),
            Err(error) => Err(failed(&error)),
        }
    }
}

fn failed(error: &(dyn std::error::Error + 'static)) -> NatsError {
    NatsError::Server(why(error))
}

#[cfg(test)]
mod tests {
    use remora_actors::ports::Filter;

    use super::*;
    use crate::stores::nats::testing::Fixture;

    fn event(seq: Seq) -> CopiedEvent {
        let (id, category, action) = (format!("e{seq}"), "tool".to_owned(), "called".to_owned());
        let json = format!(
            r#"{{"id":"{id}","timestamp":"2026-02-24T09:37:15.120Z","category":"tool","action":"called","agent_id":"a","payload":{{}}}}"#
        );
        CopiedEvent { seq, received_at: 0, id, category, action, agent_id: Some("a".to_owned()), json: json.into() }
    }

    async fn seqs(nats: &Nats) -> Vec<Seq> {
        let records = nats.journal().read(0, 1_000, &Filter::ALL).await.expect("read");
        records.iter().map(|record| record.seq).collect()
    }

    #[tokio::test]
    async fn events_keep_their_positions_and_what_was_deleted_stays_away() {
        let fixture = Fixture::new().await;
        let nats = &fixture.nats;
        let picture = Snapshot { seq: 18_000, body: vec![7; 1_000] };
        nats.take_in(&[event(15_000), event(15_003)]).await.expect("taken in");
        nats.take_in(&[event(15_004), event(17_000)]).await.expect("taken in");
        nats.take_in(&[event(17_000)]).await.expect_err("it is there already");
        nats.take_over(15_004, &[("picture", picture.clone())]).await.expect("taken over");
        let there = [15_000, 15_003, 15_004, 17_000];
        assert_eq!(seqs(nats).await, there);
        let late = fixture.another().await;
        assert_eq!(seqs(&late).await, there);
        assert_eq!(late.journal().first_seq().await, Ok(15_005));
        assert_eq!(late.journal().load_snapshot("picture").await.expect("load"), Some(picture));
        let state = nats.journal.stream.get_info().await.expect("info").state;
        assert_eq!((state.messages, state.last_sequence), (4, 17_000));
    }
}
