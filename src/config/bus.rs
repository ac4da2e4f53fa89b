//! What the settings say of the message bus.

use super::{Settings, SettingsError};
use crate::bus::{BusSettings, Login, MAX_REPLICAS, Names, ServersError, Tls};

impl Settings {
    /// The message bus; `None` where the data folder holds everything.
    ///
    /// # Errors
    /// A setting of it cannot be used, or contradicts another one.
    pub fn bus(&self) -> Result<Option<BusSettings>, SettingsError> {
        self.bus.as_deref().map(|servers| self.bus_at(servers)).transpose()
    }

    /// The message bus at servers that another one than the setting `bus` names.
    ///
    /// # Errors
    /// As [`Settings::bus`].
    pub fn bus_at(&self, servers: &str) -> Result<BusSettings, SettingsError> {
        if !(1..=MAX_REPLICAS).contains(&self.bus_replicas) {
            return Err(unusable("bus_replicas", format!("must be 1 to {MAX_REPLICAS}")));
        }
        let wanted = "must be 1 to 32 letters, digits, `_` or `-`: it becomes part of names and subjects";
        Ok(BusSettings {
            servers: servers.parse().map_err(|error: ServersError| unusable("bus", error.to_string()))?,
            login: self.bus_login()?,
            tls: self.bus_tls()?,
            replicas: self.bus_replicas,
            names: Names::new(&self.bus_prefix).ok_or_else(|| unusable("bus_prefix", wanted))?,
        })
    }

    fn bus_login(&self) -> Result<Login, SettingsError> {
        let password = match (&self.bus_user, &self.bus_password_file) {
            (Some(user), Some(file)) => Some(Login::Password { user: user.clone(), file: file.clone() }),
            (None, None) => None,
            (Some(_), None) => return Err(unusable("bus_user", "needs `bus_password_file` beside it")),
            (None, Some(_)) => return Err(unusable("bus_password_file", "needs `bus_user` beside it")),
        };
        let ways = [
            ("bus_user", password),
            ("bus_token_file", self.bus_token_file.clone().map(Login::Token)),
            ("bus_creds_file", self.bus_creds_file.clone().map(Login::Credentials)),
            ("bus_nkey_file", self.bus_nkey_file.clone().map(Login::Nkey)),
        ];
        let mut given = ways.into_iter().filter_map(|(name, way)| Some((name, way?)));
        match (given.next(), given.next()) {
            (None, _) => Ok(Login::Open),
            (Some((_, login)), None) => Ok(login),
            (Some((first, _)), Some((second, _))) => {
                Err(unusable(second, format!("cannot stand beside `{first}`: choose one way to get in")))
            }
        }
    }

    fn bus_tls(&self) -> Result<Tls, SettingsError> {
        let client = match (&self.bus_cert_file, &self.bus_key_file) {
            (Some(cert), Some(key)) => Some((cert.clone(), key.clone())),
            (None, None) => None,
            (Some(_), None) => return Err(unusable("bus_cert_file", "needs `bus_key_file` beside it")),
            (None, Some(_)) => return Err(unusable("bus_key_file", "needs `bus_cert_file` beside it")),
        };
        Ok(Tls { ca: self.bus_ca_file.clone(), client })
    }
}

fn unusable(setting: &str, problem: impl Into<String>) -> SettingsError {
    SettingsError::Unusable { setting: setting.to_owned(), problem: problem.into() }
}
