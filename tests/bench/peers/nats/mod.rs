//! A NATS server, and clients of it without a daemon: what the bus bears by itself.

mod shards;

use std::{
    process::{Child, Command},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use async_nats::jetstream::{
    Context, Message,
    consumer::{AckPolicy, pull},
    context::ContextBuilder,
    message::PublishMessage,
    stream::Config,
};
use clap::Subcommand;
use futures_util::{Stream, StreamExt, TryStreamExt, future, stream};
use tempfile::TempDir;

use super::{figure_of, free_address, this_program};
use crate::{
    daemon::{AGENTS, folder},
    event::Template,
    process::{Place, Server, started_at},
};

/// The stream of clients without a daemon.
const ALONE: &str = "alone";
/// Where the daemons' journal is: its stream, and the subject of an event in it.
pub(crate) const JOURNAL: &str = "remora-events";
const JOURNAL_SUBJECT: &str = "remora.journal.tool.completed";
/// Between two events of another one that puts events into the daemons' journal.
const BESIDE: Duration = Duration::from_millis(100);
/// What a daemon asks for at once when it follows a stream.
const REQUESTED: usize = 5_000;
const REQUESTED_BYTES: usize = 16 << 20;

/// A server with JetStream as it comes: it keeps streams in files, which it syncs every two minutes.
#[derive(Debug)]
pub(crate) struct NatsServer {
    pub(crate) server: Server,
    /// Vanishes after the server has ended.
    _folder: TempDir,
}

impl NatsServer {
    /// Starts one that holds nothing.
    pub(crate) fn start(place: Place) -> Result<Self> {
        let (folder, address) = (folder()?, free_address()?);
        let mut command = Command::new("nats-server");
        command.args(["-js", "-a", &address.ip().to_string(), "-p", &address.port().to_string(), "-sd"]);
        command.arg(folder.path().join("streams"));
        let server = Server::start_at(place, "nats-server", &command, folder.path(), address)?;
        Ok(Self { server, _folder: folder })
    }

    /// Where it is reached.
    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.server.address())
    }

    /// Events a second that are published, at most so many of them unacknowledged.
    pub(crate) fn published(&self, place: Place, window: usize, seconds: f64) -> Result<f64> {
        self.figure_of(place, "publish", &[window.to_string(), seconds.to_string()])
    }

    /// Lets another one put events into the daemons' journal, ten a second, for as long as what it returns is held.
    pub(crate) fn put_in_beside(&self) -> Result<Beside> {
        let mut command = this_program("nats")?;
        command.args(["put-in", &self.url()]);
        Ok(Beside(started_at(Place::Load, || command.spawn())?.context("cannot start a peer")?))
    }

    /// Messages a second that are read from a stream, all that it holds.
    pub(crate) fn consumed(&self, place: Place, stream: &str) -> Result<f64> {
        self.figure_of(place, "consume", &[stream.to_owned()])
    }

    /// Events a second that go through so many streams and are folded behind each.
    pub(crate) fn sharded(&self, place: Place, shards: usize, window: usize, seconds: f64) -> Result<f64> {
        self.figure_of(place, "shards", &[shards.to_string(), window.to_string(), seconds.to_string()])
    }

    fn figure_of(&self, place: Place, client: &str, arguments: &[String]) -> Result<f64> {
        let mut command = this_program("nats")?;
        command.args([client, &self.url()]).args(arguments);
        figure_of(place, command)
    }
}

/// Another one that puts events into the daemons' journal.
#[derive(Debug)]
pub(crate) struct Beside(Child);

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a client does; it prints how much of it a second.
#[derive(Debug, Subcommand)]
pub(crate) enum Client {
    /// Publishes into one stream
    Publish { url: String, window: usize, seconds: f64 },
    /// Puts events into the daemons' journal until it is ended, a few a second
    PutIn { url: String },
    /// Reads a stream from its beginning to its end
    Consume { url: String, stream: String },
    /// Publishes events of many graphs, each into its graph's stream, and folds what stands in each stream
    Shards { url: String, shards: usize, window: usize, seconds: f64 },
}

impl Client {
    pub(super) fn run(self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let figure = runtime.block_on(async {
            match self {
                Self::Publish { url, window, seconds } => publish(&url, window, seconds).await,
                Self::PutIn { url } => put_in(&url).await,
                Self::Consume { url, stream } => consume(&url, &stream).await,
                Self::Shards { url, shards, window, seconds } => shards::run(&url, shards, window, seconds).await,
            }
        })?;
        println!("{figure}");
        Ok(())
    }
}

async fn publish(url: &str, window: usize, seconds: f64) -> Result<f64> {
    let context = connect(url, window).await?;
    context.create_stream(like_the_journal(ALONE)).await?;
    let (began, mut template) = (Instant::now(), Template::new(AGENTS));
    let events = numbers(began, seconds).map(|number| template.text(number));
    let sent = events.then(|event| send(&context, "alone.tool.completed", event));
    let acknowledged = sent.try_buffered(window).try_fold(0_u64, async |count, _| Ok(count + 1)).await?;
    Ok(acknowledged as f64 / began.elapsed().as_secs_f64())
}

async fn put_in(url: &str) -> Result<f64> {
    let (context, mut template) = (connect(url, 1).await?, Template::new(AGENTS));
    for number in 1.. {
        send(&context, JOURNAL_SUBJECT, template.text(number)).await?.await?;
        tokio::time::sleep(BESIDE).await;
    }
    Ok(0.0)
}

async fn consume(url: &str, stream: &str) -> Result<f64> {
    let (began, mut count) = (Instant::now(), 0_u64);
    let mut messages = Box::pin(follow(&connect(url, 1).await?, stream).await?);
    while let Some(message) = messages.try_next().await? {
        count += 1;
        if message.info().map_err(anyhow::Error::from_boxed)?.pending == 0 {
            return Ok(count as f64 / began.elapsed().as_secs_f64());
        }
    }
    bail!("the server has ended the stream {stream}")
}

/// A connection on which at most so many messages are unacknowledged.
async fn connect(url: &str, window: usize) -> Result<Context> {
    let client = async_nats::connect(url).await.with_context(|| format!("cannot connect to {url}"))?;
    Ok(ContextBuilder::new().max_ack_inflight(window).backpressure_on_inflight(true).build(client))
}

/// A stream of its own that is kept as the journal is.
fn like_the_journal(name: &str) -> Config {
    Config {
        name: name.to_owned(),
        subjects: vec![format!("{name}.>")],
        duplicate_window: Duration::from_secs(120),
        allow_direct: true,
        ..Config::default()
    }
}

/// The numbers of events, for so long.
fn numbers(began: Instant, seconds: f64) -> impl Stream<Item = u32> {
    stream::iter(1..).take_while(move |_| future::ready(began.elapsed().as_secs_f64() < seconds))
}

/// Publishes an event under its id; what comes of it is its acknowledgement.
async fn send(context: &Context, subject: &str, event: String) -> Result<impl Future<Output = Result<()>> + use<>> {
    let message = PublishMessage::build().message_id(Template::id_of(&event)).payload(event.into());
    let acknowledged = context.send_publish(subject.to_owned(), message).await?.into_future();
    Ok(async { Ok(acknowledged.await.map(drop)?) })
}

/// The messages of a stream from its beginning, as a daemon follows it.
async fn follow(context: &Context, stream: &str) -> Result<impl Stream<Item = Result<Message>> + use<>> {
    let config = pull::Config { ack_policy: AckPolicy::None, memory_storage: true, ..pull::Config::default() };
    let consumer = context.get_stream(stream).await?.create_consumer(config).await?;
    let messages = consumer.stream().max_messages_per_batch(REQUESTED).max_bytes_per_batch(REQUESTED_BYTES);
    Ok(messages.messages().await?.map_err(anyhow::Error::from))
}
