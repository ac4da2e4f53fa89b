//! What the daemon tells of itself: logs on standard error, and spans for a collector where one is named.
//!
//! A span is part of what caused it: `request` → `publish` → `commit` → `fold` → `frame`. It ends with the last of what
//! it caused. Commits and frames that serve several causes are part of the first and linked to the others.

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterFn, LevelFilter},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::config::{LogFormat, Settings};

/// How long the last spans may take to reach the collector.
const FLUSH: Duration = Duration::from_millis(250);

type AnyLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Why spans cannot be exported.
#[derive(Debug, thiserror::Error)]
#[error("spans cannot be sent to {endpoint}: {source}; correct `otlp_endpoint` or leave it out")]
pub struct TelemetryError {
    endpoint: String,
    source: ExporterBuildError,
}

/// Whether spans could be exported.
///
/// # Errors
/// As at the start.
pub(crate) fn check(settings: &Settings) -> Result<(), TelemetryError> {
    settings.otlp_endpoint.as_deref().map(exporter).transpose().map(drop)
}

/// Held while the daemon runs.
#[derive(Debug)]
#[must_use]
pub(crate) struct Telemetry(Option<SdkTracerProvider>);

/// Begins to log, and to export spans.
///
/// # Errors
/// The collector's address cannot be used. Nothing is sent yet.
pub(crate) fn start(settings: &Settings) -> Result<Telemetry, TelemetryError> {
    let provider = settings.otlp_endpoint.as_deref().map(exporter).transpose()?;
    let mut layers = vec![logs(settings)];
    layers.extend(provider.as_ref().map(spans));
    // A second daemon in the process logs where the first one does.
    let _ = Registry::default().with(layers).try_init();
    Ok(Telemetry(provider))
}

impl Telemetry {
    /// Sends what has not been sent.
    pub(crate) async fn stop(self) {
        let Some(provider) = self.0 else { return };
        let flushed = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FLUSH));
        match tokio::time::timeout(2 * FLUSH, flushed).await {
            Ok(Ok(Ok(()))) => {}
            _ => tracing::warn!("the last spans were not sent, the collector does not answer"),
        }
    }
}

/// Logs go to standard error; standard output says only where the daemon listens.
fn logs(settings: &Settings) -> AnyLayer {
    // A browser that closes a stream is no error, though warp logs it as one, and requests are counted; rmcp tells of
    // every session, async_nats of what `bus` tells in our words.
    let quiet = "warp::server=off,warp::filters::trace=off,rmcp=warn,async_nats=warn,opentelemetry=warn,\
        opentelemetry_sdk=warn";
    let filter = EnvFilter::builder().parse_lossy(format!("{quiet},{}", settings.log));
    // The layer's own complaint about a log that cannot be written would go to standard error, which cannot be written
    // then, and panic.
    let logs = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .log_internal_errors(false);
    match settings.log_format {
        LogFormat::Json => logs.json().with_ansi(false).with_filter(filter).boxed(),
        LogFormat::Pretty => logs.with_filter(filter).boxed(),
        LogFormat::Compact => logs.compact().with_target(false).with_filter(filter).boxed(),
    }
}

/// Remora's own spans; those of its libraries would tell of the export itself, too.
fn spans(provider: &SdkTracerProvider) -> AnyLayer {
    let ours = FilterFn::new(|span| span.is_span() && span.target().starts_with("remora"));
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("remora"))
        .with_filter(ours.with_max_level_hint(LevelFilter::DEBUG))
        .boxed()
}

fn exporter(endpoint: &str) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .build()
        .map_err(|source| TelemetryError { endpoint: endpoint.to_owned(), source })?;
    let resource = Resource::builder().with_service_name("remora").build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}
