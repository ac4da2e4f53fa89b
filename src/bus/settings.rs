//! Which NATS, and how to get in.

use std::{fmt, path::PathBuf, str::FromStr};

use async_nats::ServerAddr;

use super::Names;

/// The most copies that JetStream keeps.
pub const MAX_REPLICAS: usize = 5;

/// A NATS that daemons share. Secrets are read from their files when a connection is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusSettings {
    /// One server, or several of one cluster.
    pub servers: Servers,
    /// How to get in.
    pub login: Login,
    /// Whom to trust, and with what to prove who we are.
    pub tls: Tls,
    /// Copies of each stream and bucket, 1 to [`MAX_REPLICAS`].
    pub replicas: usize,
    /// What everything there is called.
    pub names: Names,
}

/// How to get in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// The door is open.
    Open,
    /// With a name and a password.
    Password {
        /// The name.
        user: String,
        /// The file of the password.
        file: PathBuf,
    },
    /// With a token in a file.
    Token(PathBuf),
    /// With a credentials file, as `nsc` writes it.
    Credentials(PathBuf),
    /// With the seed of an nkey in a file.
    Nkey(PathBuf),
}

/// What encrypts the connection, beside a `tls://` in a server's address. Files are PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// The authorities to trust instead of those of this machine.
    pub ca: Option<PathBuf>,
    /// The certificate of this client, and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

impl Tls {
    /// True where nothing but an encrypted connection makes sense.
    pub(super) fn is_required(&self) -> bool {
        self.ca.is_some() || self.client.is_some()
    }
}

/// Addresses of servers, without anything secret in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Servers(Vec<ServerAddr>);

/// Why addresses of servers cannot be used, to stand after what they were given as. Never shows what may be secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServersError {
    /// There is something like a password in one.
    #[error(
        "must not hold a user, a password or a token: lists of processes and logs would show it; name files with \
         --bus-password-file, --bus-token-file or --bus-creds-file"
    )]
    Secret,
    /// One is no address of a NATS server.
    #[error(
        "must be like nats://host:4222, or tls://host:4222 to encrypt; servers of one cluster stand separated by commas"
    )]
    Address,
}

impl Servers {
    pub(super) fn addresses(&self) -> &[ServerAddr] {
        &self.0
    }
}

impl FromStr for Servers {
    type Err = ServersError;

    fn from_str(text: &str) -> Result<Self, ServersError> {
        if text.contains('@') {
            return Err(ServersError::Secret);
        }
        text.split(',').map(str::trim).map(server).collect::<Result<_, _>>().map(Self)
    }
}

fn server(text: &str) -> Result<ServerAddr, ServersError> {
    let (scheme, place) = text.split_once("://").ok_or(ServersError::Address)?;
    let place = place.strip_suffix('/').unwrap_or(place);
    if !["nats", "tls"].contains(&scheme) || place.is_empty() || place.contains(['/', '?', '#']) {
        return Err(ServersError::Address);
    }
    format!("{scheme}://{place}").parse().map_err(|_| ServersError::Address)
}

impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, server) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{}://{}:{}", server.scheme(), bracketed(server.host()), server.port())?;
        }
        Ok(())
    }
}

/// An address of the sixth version of the protocol is written in brackets.
fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_and_written() {
        for (text, written) in [
            ("nats://127.0.0.1:4222", "nats://127.0.0.1:4222"),
            ("nats://nats", "nats://nats:4222"),
            ("tls://a:1/, nats://[::1]:2", "tls://a:1,nats://[::1]:2"),
        ] {
            assert_eq!(text.parse::<Servers>().expect("valid").to_string(), written);
        }
        for text in
            ["", "host:4222", "http://host:1", "nats://", "nats://h:x", "nats://h/p", "nats://h?a=b", "nats://a,"]
        {
            assert_eq!(text.parse::<Servers>(), Err(ServersError::Address), "{text}");
        }
    }

    #[test]
    fn a_secret_in_an_address_is_refused_and_not_shown() {
        for text in ["nats://u:s3cret@h:1", "nats://s3cret@h", "nats://a,nats://u:s3cret@b"] {
            let error = text.parse::<Servers>().expect_err("refused");
            assert!(error == ServersError::Secret && !error.to_string().contains("s3cret"));
        }
    }
}
