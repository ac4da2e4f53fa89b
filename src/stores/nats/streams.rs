//! What Remora keeps in JetStream: one stream, and a few buckets.

use std::time::Duration;

use async_nats::jetstream::{
    Context,
    object_store::{self, ObjectStore},
    stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType, Stream},
};
use backon::{ConstantBuilder, Retryable};

use super::{bucket::Bucket, why};
use crate::bus::BusSettings;

/// How long the server itself recognises an event that comes again. Whatever is older is recognised by the daemon's
/// copy of the journal, which is never that far behind: see `journal`.
pub(super) const DUPLICATES: Duration = Duration::from_secs(120);
/// Between two tries to make a stream: a cluster that starts has to elect its leaders first.
const RETRY: Duration = Duration::from_millis(500);
/// How often it is tried: some ten seconds in all.
const TRIES: usize = 20;

/// Makes what is not there yet.
pub(super) struct Streams<'a> {
    pub(super) context: &'a Context,
    pub(super) settings: &'a BusSettings,
}

impl Streams<'_> {
    /// The journal's stream.
    pub(super) async fn journal(&self) -> Result<Stream, String> {
        let names = &self.settings.names;
        let config = Config {
            name: names.journal_stream(),
            description: Some("the journal of remora".to_owned()),
            subjects: vec![format!("{}.>", names.journal_subject())],
            retention: RetentionPolicy::Limits,
            storage: StorageType::File,
            num_replicas: self.settings.replicas,
            duplicate_window: DUPLICATES,
            allow_direct: true,
            ..Config::default()
        };
        self.stream(config).await
    }

    /// A bucket whose entries stay.
    pub(super) async fn bucket(&self, name: &str) -> Result<Bucket, String> {
        self.make_bucket(name, Config::default()).await
    }

    /// A bucket that forgets. What it holds means nothing after a restart of all servers, but the bucket itself must be
    /// there: one in memory would be gone.
    pub(super) async fn passing_bucket(&self, name: &str, max_age: Duration) -> Result<Bucket, String> {
        self.make_bucket(name, Config { max_age, ..Config::default() }).await
    }

    /// A bucket is a stream of a certain form. The client library makes one only after it has read what the server says
    /// of the account, which it cannot read of every version.
    async fn make_bucket(&self, name: &str, config: Config) -> Result<Bucket, String> {
        let bucket = self.settings.names.bucket(name);
        let config = Config {
            name: format!("KV_{bucket}"),
            subjects: vec![format!("$KV.{bucket}.>")],
            max_messages_per_subject: 1,
            discard: DiscardPolicy::New,
            allow_rollup: true,
            deny_delete: true,
            allow_direct: true,
            num_replicas: self.settings.replicas,
            ..config
        };
        Ok(Bucket::new(self.context, &bucket, self.stream(config).await?))
    }

    async fn stream(&self, config: Config) -> Result<Stream, String> {
        patiently(async || {
            let stream = self.context.get_or_create_stream(config.clone()).await.map_err(|error| why(&error))?;
            check_found(&config, &info_of(&stream).await?.config)?;
            Ok(stream)
        })
        .await
    }

    /// Where pictures lie that daemons leave to each other.
    pub(super) async fn pictures(&self) -> Result<ObjectStore, String> {
        let bucket = self.settings.names.bucket("pictures");
        let config = object_store::Config {
            bucket: bucket.clone(),
            num_replicas: self.settings.replicas,
            ..object_store::Config::default()
        };
        patiently(async || match self.context.get_object_store(&bucket).await {
            Ok(store) => Ok(store),
            Err(_) => self.context.create_object_store(config.clone()).await.map_err(|error| why(&error)),
        })
        .await
    }
}

/// What the leader of a stream says of it. Without one, a server answers that has the stream, however long ago that was.
pub(super) async fn info_of(stream: &Stream) -> Result<Info, String> {
    let info = stream.get_info().await.map_err(|error| why(&error))?;
    if info.cluster.as_ref().is_some_and(|cluster| cluster.leader.is_none()) {
        return Err(format!("stream {} has no leader at present", info.config.name));
    }
    Ok(info)
}

/// Fails where a bound that somebody gave a stream leaves no room for another message of so many bytes.
pub(super) fn check_room(info: &Info, bytes: usize) -> Result<(), String> {
    let (config, state) = (&info.config, &info.state);
    let is_over = |wanted: u64, most: i64| u64::try_from(most).is_ok_and(|most| most > 0 && wanted > most);
    let full = |bound: &str| Err(format!("stream {} is full up to its `{bound}`; raise it", config.name));
    if is_over(state.messages + 1, config.max_messages) {
        return full("max_msgs");
    }
    if is_over(state.bytes.saturating_add(bytes as u64), config.max_bytes) {
        return full("max_bytes");
    }
    Ok(())
}

/// Whether a stream that was there loses nothing that is put into it, as far as Remora has not asked for that.
fn check_found(wanted: &Config, found: &Config) -> Result<(), String> {
    let stands =
        |wrong: &str| Err(format!("stream {} was made by somebody else, and {wrong}; mend or remove it", found.name));
    if found.storage != wanted.storage {
        return stands("is not kept in files");
    }
    if found.max_age != wanted.max_age {
        return stands("forgets by its own `max_age`");
    }
    let is_bounded = [found.max_messages, found.max_bytes].into_iter().any(|most| most > 0);
    if is_bounded && found.discard == DiscardPolicy::Old {
        return stands("forgets the oldest beyond its `max_msgs` or `max_bytes`");
    }
    Ok(())
}

async fn patiently<T>(make: impl AsyncFn() -> Result<T, String>) -> Result<T, String> {
    let tries = ConstantBuilder::default().with_delay(RETRY).with_max_times(TRIES);
    (async || make().await).retry(tries).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_forgets_is_refused() {
        let wanted = Config { name: "journal".to_owned(), storage: StorageType::File, ..Config::default() };
        let day = Duration::from_secs(86_400);
        for (found, refused) in [
            (wanted.clone(), false),
            (Config { max_messages: -1, max_bytes: -1, num_replicas: 3, ..wanted.clone() }, false),
            (Config { max_bytes: 1 << 30, discard: DiscardPolicy::New, ..wanted.clone() }, false),
            (Config { storage: StorageType::Memory, ..wanted.clone() }, true),
            (Config { max_age: day, ..wanted.clone() }, true),
            (Config { max_messages: 10, ..wanted.clone() }, true),
            (Config { max_bytes: 1 << 20, ..wanted.clone() }, true),
        ] {
            assert_eq!(check_found(&wanted, &found).is_err(), refused, "{found:?}");
        }
        assert!(check_found(&Config { max_age: day, ..wanted.clone() }, &Config { max_age: day, ..wanted }).is_ok());
    }
}
