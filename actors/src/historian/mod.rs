//! The `Historian`: shows the dashboard as it was after any event. It folds from the nearest picture that it has:
//! `checkpoints` in the journal, spread over all of it, and `pictures` in memory, around where somebody looks. It takes
//! one request after the other, so that looking back costs the daemon one thread at the most.

mod checkpoints;
mod pictures;

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};

use crate::{
    model::{Dashboard, Seq},
    ports::{Filter, JournalError},
    replica::replay,
    system::System,
    view::{Moment, Part, View},
};
use checkpoints::Checkpoints;
use pictures::Pictures;

/// Events between two pictures that a long fold leaves in memory: folding so many takes some ten milliseconds.
const PICTURE_EVENTS: u64 = 2_000;
/// Events between two checkpoints at least: folding so many takes about a tenth of a second.
const CHECKPOINT_EVENTS: u64 = 20_000;

/// A moment, as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// After an event; the nearest one that there is.
    Seq(Seq),
    /// After the last event up to a time.
    Time(Timestamp),
}

/// What the historian is told.
#[derive(Debug)]
pub enum HistorianMessage {
    /// Render the dashboard of a moment. `None`: there is no picture of any.
    Show(At, Part, RpcReplyPort<Result<Option<Bytes>, JournalError>>),
    /// Keep the picture that was saved after this event, for those who look back later.
    Keep(Seq),
    /// Answer, to show that you can.
    Ping(RpcReplyPort<()>),
}

/// The actor.
#[derive(Debug)]
pub struct Historian;

/// Its state. All of it can be made again from the journal.
pub struct HistorianState {
    system: Arc<System>,
    checkpoints: Checkpoints,
    pictures: Pictures,
}

impl Actor for Historian {
    type Msg = HistorianMessage;
    type State = HistorianState;
    type Arguments = Arc<System>;

    async fn pre_start(
        &self,
        _: ActorRef<Self::Msg>,
        system: Arc<System>,
    ) -> Result<HistorianState, ActorProcessingErr> {
        let checkpoints = Checkpoints::load(system.journal()).await?;
        Ok(HistorianState { system, checkpoints, pictures: Pictures::default() })
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut HistorianState,
    ) -> Result<(), ActorProcessingErr> {
        state.system.faults.point("historian", &message);
        match message {
            // Who drags a slider asks for many moments and waits for the last one only.
            HistorianMessage::Show(_, _, reply) if reply.is_closed() => {}
            HistorianMessage::Show(at, part, reply) => {
                let shown = state.show(at, part).await;
                let _ = reply.send(shown);
            }
            HistorianMessage::Keep(seq) => {
                if let Err(error) = state.checkpoints.keep_saved(state.system.journal(), seq, CHECKPOINT_EVENTS).await {
                    tracing::warn!(%error, "checkpoint not kept, looking back takes longer");
                }
            }
            HistorianMessage::Ping(reply) => {
                let _ = reply.send(());
            }
        }
        Ok(())
    }
}

impl HistorianState {
    async fn show(&mut self, at: At, part: Part) -> Result<Option<Bytes>, JournalError> {
        let system = Arc::clone(&self.system);
        let (whole_from, last) = (system.journal().first_seq().await?, system.journal().last_seq().await?);
        let Some(first) = self.first(whole_from, last).await? else { return Ok(None) };
        let seq = match at {
            At::Seq(seq) => seq,
            At::Time(time) => self.last_until(time, first, last).await?,
        };
        let seq = seq.clamp(first, last);
        let Some(picture) = self.picture(seq, whole_from).await? else { return Ok(None) };
        let at = picture.log().next_back().map_or(Timestamp::UNIX_EPOCH, |record| record.event.timestamp);
        let view = View::Past(Moment { seq, at, first, last }, part);
        let shown = (system.world.renderer)(&picture, &view, at);
        self.pictures.keep(picture);
        Ok(shown)
    }

    /// The first moment that there is a picture of, where nothing is missing from `whole_from` on. `None`: there is none.
    async fn first(&mut self, whole_from: Seq, last: Seq) -> Result<Option<Seq>, JournalError> {
        if last == 0 {
            return Ok(None);
        }
        if whole_from == 1 {
            return Ok(Some(1));
        }
        // Only a checkpoint tells what was before. They are far apart; the picture that was saved last is as new as
        // anything that was deleted.
        if self.checkpoints.first_from(whole_from - 1).is_none() {
            self.checkpoints.keep_saved(self.system.journal(), last, 0).await?;
        }
        Ok(self.checkpoints.first_from(whole_from - 1).map(|kept| kept.max(whole_from)))
    }

    /// The last event up to a time. Where the emitters' clocks differ, it is one of those around it.
    async fn last_until(&self, time: Timestamp, first: Seq, last: Seq) -> Result<Seq, JournalError> {
        let (mut low, mut high) = (first, last);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            let record = self.system.journal().read(middle - 1, 1, &Filter::ALL).await?;
            if record.first().is_some_and(|record| record.event.timestamp <= time) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        Ok(low)
    }

    /// The picture after an event, folded from the nearest one before it, where nothing is missing from `whole_from` on.
    /// `None`: there is none to fold from.
    async fn picture(&mut self, seq: Seq, whole_from: Seq) -> Result<Option<Dashboard>, JournalError> {
        let journal = self.system.journal();
        let known = self.pictures.latest_until(seq).filter(|picture| picture.last_seq() + 1 >= whole_from);
        let nearer = known.as_ref().map_or(whole_from - 1, |picture| picture.last_seq() + PICTURE_EVENTS);
        let beginning = (whole_from == 1).then(|| Dashboard::new(self.system.limits()));
        let nearest = self.checkpoints.latest(journal, nearer..=seq).await?.or(known).or(beginning);
        let Some(mut picture) = nearest else { return Ok(None) };
        let from = picture.last_seq();
        let (pictures, mut checkpoints) = (&mut self.pictures, Vec::new());
        let spacing = CHECKPOINT_EVENTS.max((seq - from) / checkpoints::SLOTS as u64);
        replay(journal, from, seq, |record| {
            picture.apply(record);
            if record.seq.is_multiple_of(PICTURE_EVENTS) && seq - record.seq < PICTURE_EVENTS * pictures::COUNT / 2 {
                pictures.keep(picture.clone());
            }
            if record.seq.is_multiple_of(spacing) {
                checkpoints.push(picture.clone());
            }
        })
        .await?;
        for checkpoint in checkpoints {
            self.checkpoints.keep(journal, &checkpoint, spacing).await?;
        }
        Ok(Some(picture))
    }
}
