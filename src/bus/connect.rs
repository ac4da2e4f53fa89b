//! Getting in.

use std::{error::Error as _, path::Path, time::Duration};

use async_nats::{
    Client, ConnectError, ConnectErrorKind, ConnectOptions, Event,
    jetstream::{self, Context, ErrorCode, context::RequestErrorKind, response::Response},
};
use backon::{ConstantBuilder, Retryable};
use serde::de::IgnoredAny;

use super::{BusSettings, Login, Servers, Tls};
use crate::tokens::{TokensError, read_private};

/// What the servers' lists of connections call us.
const NAME: &str = "remora";
/// How long one server may take to greet us, before the next is tried.
const GREETING: Duration = Duration::from_secs(3);
/// Between two questions whether the server is there. After the third without an answer it counts as gone: a machine
/// that vanished closes no connection.
const PING_EVERY: Duration = Duration::from_secs(2);
/// Longest pause before the next server is tried: a daemon that is back late shows an old picture for as long.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// How long a request waits for its answer.
const REQUEST: Duration = Duration::from_secs(5);
/// Between two looks at a JetStream that is not ready: a cluster that starts elects its leader first.
const READY_EVERY: Duration = Duration::from_millis(500);
/// How often to look: some ten seconds in all.
const READY_LOOKS: usize = 20;

/// Why the bus cannot be used: what happened, with which server, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// A file with a secret.
    #[error(transparent)]
    Secret(#[from] TokensError),
    /// A file does not hold what it should.
    #[error("{file} cannot be used for the message bus: {why}")]
    File {
        /// The file.
        file: String,
        /// The reason.
        why: String,
    },
    /// There is no such host.
    #[error("no host of {servers} is known: {why}; correct `bus`")]
    NoHost {
        /// The addresses.
        servers: Servers,
        /// The reason.
        why: String,
    },
    /// Nobody listens there, or the way is closed.
    #[error("no nats server can be reached at {servers}: {why}; start it, or correct `bus`")]
    Unreachable {
        /// The addresses.
        servers: Servers,
        /// The reason.
        why: String,
    },
    /// The server does not let us in.
    #[error(
        "nats server {servers} does not let us in; look at `bus_user` and `bus_password_file`, `bus_token_file`, \
         `bus_creds_file` or `bus_nkey_file`, whichever it wants"
    )]
    Refused {
        /// The addresses.
        servers: Servers,
    },
    /// No encrypted connection comes about.
    #[error(
        "no encrypted connection to nats server {servers}: {why}; look at `bus_ca_file`, at `bus_cert_file` with \
         `bus_key_file`, and at the host's name"
    )]
    Tls {
        /// The addresses.
        servers: Servers,
        /// The reason.
        why: String,
    },
    /// The server has no JetStream.
    #[error("nats server {servers} has no jetstream: {why}; start it with -js, or allow it to this account")]
    NoJetStream {
        /// The addresses.
        servers: Servers,
        /// The reason.
        why: String,
    },
    /// JetStream is there and does not answer.
    #[error("jetstream of nats server {servers} is not ready: {why}; more than half of a cluster must run")]
    NotReady {
        /// The addresses.
        servers: Servers,
        /// The reason.
        why: String,
    },
}

/// Connects, and makes sure that there is JetStream. Whatever happens to the connection afterwards, it comes back by
/// itself.
///
/// # Errors
/// [`BusError`].
pub async fn connect(settings: &BusSettings) -> Result<Client, BusError> {
    let servers = &settings.servers;
    let client = options(settings)?.connect(servers.addresses()).await.map_err(|error| failed(servers, &error))?;
    let jetstream = jetstream::new(client.clone());
    let ready = || is_ready(&jetstream, servers);
    let looks = ConstantBuilder::default().with_delay(READY_EVERY).with_max_times(READY_LOOKS);
    ready.retry(looks).when(|error| matches!(error, BusError::NotReady { .. })).await?;
    Ok(client)
}

/// Whether all files are there and hold what they should. Connects to nothing.
///
/// # Errors
/// [`BusError`].
pub fn check(settings: &BusSettings) -> Result<(), BusError> {
    options(settings).map(drop)
}

/// Whether JetStream answers. What it answers differs from version to version.
async fn is_ready(jetstream: &Context, servers: &Servers) -> Result<(), BusError> {
    let servers = servers.clone();
    match jetstream.request::<_, (), Response<IgnoredAny>>("INFO", &()).await {
        Ok(Response::Ok(_)) => Ok(()),
        Ok(Response::Err { error }) => {
            let off = [ErrorCode::JETSTREAM_NOT_ENABLED, ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT];
            let why = error.to_string();
            let is_off = off.contains(&error.error_code());
            Err(if is_off { BusError::NoJetStream { servers, why } } else { BusError::NotReady { servers, why } })
        }
        Err(error) if error.kind() == RequestErrorKind::NoResponders => {
            Err(BusError::NoJetStream { servers, why: "nobody answers for it".to_owned() })
        }
        Err(error) => Err(BusError::NotReady { servers, why: error.to_string() }),
    }
}

fn options(settings: &BusSettings) -> Result<ConnectOptions, BusError> {
    let servers = settings.servers.to_string();
    let options = ConnectOptions::new()
        .name(NAME)
        .connection_timeout(GREETING)
        .ping_interval(PING_EVERY)
        .request_timeout(Some(REQUEST))
        .reconnect_delay_callback(pause)
        .event_callback(move |event| {
            tell(&servers, &event);
            std::future::ready(())
        });
    with_tls(with_login(options, &settings.login)?, &settings.tls)
}

/// At once, then longer and longer.
fn pause(attempts: usize) -> Duration {
    let doubled = u32::try_from(attempts).ok().and_then(|attempts| 2_u64.checked_pow(attempts));
    if attempts <= 1 { Duration::ZERO } else { doubled.map_or(LONGEST_PAUSE, Duration::from_millis).min(LONGEST_PAUSE) }
}

fn tell(servers: &str, event: &Event) {
    match event {
        Event::Connected => tracing::info!(servers, "message bus connected"),
        Event::Disconnected => tracing::warn!(servers, "message bus disconnected, connecting again"),
        Event::LameDuckMode => tracing::info!(servers, "nats server is about to stop, changing to another"),
        Event::SlowConsumer(subscription) => tracing::warn!(servers, subscription, "message bus faster than we are"),
        Event::ServerError(error) => tracing::warn!(servers, %error, "nats server complains"),
        Event::ClientError(error) => tracing::debug!(servers, %error, "message bus not reached yet"),
        Event::Draining | Event::Closed => tracing::debug!(servers, "message bus left"),
    }
}

fn with_login(options: ConnectOptions, login: &Login) -> Result<ConnectOptions, BusError> {
    let secret = |file: &Path| read_private(file).map(|text| text.trim().to_owned());
    Ok(match login {
        Login::Open => options,
        Login::Password { user, file } => options.user_and_password(user.clone(), secret(file)?),
        Login::Token(file) => options.token(secret(file)?),
        Login::Credentials(file) => {
            let why = |_| unusable(file, "it is no credentials file, as `nsc generate creds` writes it");
            options.credentials(&read_private(file)?).map_err(why)?
        }
        Login::Nkey(file) => {
            let seed = secret(file)?;
            if !seed.starts_with("SU") {
                return Err(unusable(file, "it is no seed of a user's nkey, which begins with SU"));
            }
            options.nkey(seed)
        }
    })
}

fn with_tls(mut options: ConnectOptions, tls: &Tls) -> Result<ConnectOptions, BusError> {
    let named = tls.ca.iter().chain(tls.client.iter().flat_map(|(cert, key)| [cert, key]));
    for file in named {
        std::fs::File::open(file).map_err(|error| unusable(file, &error.to_string()))?;
    }
    if let Some(ca) = &tls.ca {
        options = options.add_root_certificates(ca.clone());
    }
    if let Some((cert, key)) = &tls.client {
        options = options.add_client_certificate(cert.clone(), key.clone());
    }
    Ok(options.require_tls(tls.is_required()))
}

fn unusable(file: &Path, why: &str) -> BusError {
    BusError::File { file: file.display().to_string(), why: why.to_owned() }
}

fn failed(servers: &Servers, error: &ConnectError) -> BusError {
    let (servers, why) = (servers.clone(), reason(error));
    match error.kind() {
        ConnectErrorKind::Dns => BusError::NoHost { servers, why },
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => BusError::Refused { servers },
        ConnectErrorKind::Tls => BusError::Tls { servers, why },
        // The library reports a handshake that failed as any other trouble of the connection.
        _ if caused_by_tls(error) => BusError::Tls { servers, why },
        _ => BusError::Unreachable { servers, why },
    }
}

/// The innermost cause, which says most.
fn reason(error: &ConnectError) -> String {
    causes(error).last().map_or_else(|| error.kind().to_string(), ToString::to_string)
}

fn causes(error: &ConnectError) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}

fn caused_by_tls(error: &ConnectError) -> bool {
    let is_tls = |cause: &(dyn std::error::Error + 'static)| {
        let inner = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause.is::<async_nats::rustls::Error>() || inner.is_some_and(|inner| inner.is::<async_nats::rustls::Error>())
    };
    causes(error).any(is_tls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_limit() {
        assert_eq!([0, 1, 2, 3].map(pause), [0, 0, 4, 8].map(Duration::from_millis));
        assert_eq!((pause(9), pause(10_000)), (LONGEST_PAUSE, LONGEST_PAUSE));
    }
}
