//! A stream of server-sent events, read as it comes.

use std::pin::Pin;

use eventsource_stream::{Event, Eventsource};
use futures_util::StreamExt;
use reqwest::{Method, header::HeaderMap};

use super::{Api, DEADLINE};

type Frames = Pin<Box<dyn futures_util::Stream<Item = Option<Event>> + Send>>;

/// An open stream.
pub(crate) struct Stream {
    frames: Frames,
    pub(crate) headers: HeaderMap,
}

impl Stream {
    /// Opens a stream.
    pub(crate) async fn open(api: &Api, path: &str) -> Self {
        Self::resume(api, path, None).await
    }

    /// Opens a stream after the event of that id.
    pub(crate) async fn resume(api: &Api, path: &str, last_event_id: Option<&str>) -> Self {
        let response = Self::request(api, path, last_event_id).send().await.expect("the daemon replies");
        assert_eq!(response.status(), 200, "{path}: {:?}", response.text().await);
        Self::of(response)
    }

    /// The same; `None` where the daemon is not there or busy.
    pub(crate) async fn try_resume(api: &Api, path: &str, last_event_id: Option<&str>) -> Option<Self> {
        let response = Self::request(api, path, last_event_id).send().await.ok()?;
        (response.status() == 200).then(|| Self::of(response))
    }

    fn request(api: &Api, path: &str, last_event_id: Option<&str>) -> reqwest::RequestBuilder {
        let request = api.request(Method::GET, path).header("accept", "text/event-stream");
        // A stream lasts as long as its test.
        let mut request = request.timeout(60 * DEADLINE);
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        request
    }

    fn of(response: reqwest::Response) -> Self {
        let headers = response.headers().clone();
        let frames = response.bytes_stream().eventsource().map(Result::ok);
        Self { frames: Box::pin(frames), headers }
    }

    /// The next event, however long it takes; `None` once the stream has ended.
    pub(crate) async fn read(&mut self) -> Option<Event> {
        self.frames.next().await.flatten()
    }

    /// The next event; `None` once the daemon has ended the stream.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        let next = tokio::time::timeout(DEADLINE, self.frames.next()).await;
        next.expect("waited in vain for an event of the stream").flatten()
    }

    /// Events until one satisfies the condition; what it made of that one.
    pub(crate) async fn until<T>(&mut self, what: &str, mut pick: impl FnMut(&Event) -> Option<T>) -> T {
        let found = tokio::time::timeout(DEADLINE, async {
            while let Some(event) = self.frames.next().await.flatten() {
                if let Some(found) = pick(&event) {
                    return Some(found);
                }
            }
            None
        });
        match found.await {
            Ok(Some(found)) => found,
            Ok(None) => panic!("the stream ended before {what}"),
            Err(_) => panic!("waited in vain until {what}"),
        }
    }
}
