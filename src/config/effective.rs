//! The settings as they are in the end, each with where it was said: what `remora serve --check-config` prints.

use std::{
    fmt::{self, Display, Formatter},
    path::Path,
};

use figment::Figment;
use serde_json::{Map, Value, json};

use super::{
    Flags, Settings, SettingsError,
    sources::{Place, merged, place},
};

/// What stands in place of a secret.
const MASK: &str = "***";

/// The settings with where each was said. Written out they are a TOML file.
#[derive(Debug)]
pub struct Effective {
    plain: Vec<Said>,
    tables: Vec<(String, Vec<Said>)>,
}

/// A setting without what opens something, and where it was said.
#[derive(Debug)]
struct Said {
    name: String,
    value: Value,
    source: String,
}

impl Effective {
    /// Gathers them from where they may be said.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn load(file: Option<&Path>, flags: &Flags) -> Result<Self, SettingsError> {
        let settings = Settings::load(file, flags)?;
        let figment = merged(file, flags)?;
        let mut effective = Self { plain: Vec::new(), tables: Vec::new() };
        let Ok(Value::Object(all)) = serde_json::to_value(&settings) else { return Ok(effective) };
        let said = |key: &str, name: &str, value: &Value| {
            let (name, value) = (name.to_owned(), masked(name, value));
            Said { name, value, source: source(&figment, flags, key) }
        };
        for (name, value) in &all {
            match value {
                Value::Object(values) => {
                    let values = values.iter().map(|(of_it, value)| said(&format!("{name}.{of_it}"), of_it, value));
                    effective.tables.push((name.clone(), values.collect()));
                }
                value => effective.plain.push(said(name, name, value)),
            }
        }
        Ok(effective)
    }

    /// By name, each an object of its `value` and its `source`.
    pub fn to_json(&self) -> Value {
        let object = |said: &[Said]| -> Map<String, Value> {
            said.iter().map(|s| (s.name.clone(), json!({"value": s.value, "source": s.source}))).collect()
        };
        let mut all = object(&self.plain);
        all.extend(self.tables.iter().map(|(name, said)| (name.clone(), object(said).into())));
        all.into()
    }
}

impl Display for Effective {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.plain.iter().try_for_each(|said| said.fmt(f))?;
        for (name, all) in &self.tables {
            writeln!(f, "\n[{name}]")?;
            all.iter().try_for_each(|said| said.fmt(f))?;
        }
        Ok(())
    }
}

impl Display for Said {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { name, value, source } = self;
        match value {
            // What is not set has no value in TOML.
            Value::Null => writeln!(f, "# {name} is not set"),
            value => writeln!(f, "{name} = {value}  # {source}"),
        }
    }
}

fn source(figment: &Figment, flags: &Flags, key: &str) -> String {
    let mut given = Some(&flags.0).and_then(|flags| flags.get(key.split('.').next().unwrap_or_default()));
    if let Some((_, name)) = key.split_once('.') {
        given = given.and_then(|table| table.get(name));
    }
    if given.is_some() {
        return "flag".to_owned();
    }
    match figment.find_metadata(key).and_then(|metadata| place(key, metadata)) {
        Some(Place::File(file)) => file.display().to_string(),
        Some(Place::Variable(name)) => name,
        None => "default".to_owned(),
    }
}

/// A value without what opens something: that of a setting named after a secret, or what stands in an address before
/// the host and behind the question mark.
fn masked(name: &str, value: &Value) -> Value {
    let is_secret = ["secret", "password", "token"].iter().any(|word| name.split('_').next_back() == Some(word));
    match value {
        Value::String(_) if is_secret => MASK.into(),
        Value::String(text) => text.split(',').map(masked_address).collect::<Vec<_>>().join(",").into(),
        Value::Array(items) => items.iter().map(|item| masked(name, item)).collect(),
        other => other.clone(),
    }
}

fn masked_address(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let (authority, path) = rest.split_once('/').map_or((rest, String::new()), |(a, path)| (a, format!("/{path}")));
    let authority = match authority.rsplit_once('@') {
        Some((_, host)) => format!("{MASK}@{host}"),
        None => authority.to_owned(),
    };
    let query = query.map_or(String::new(), |_| format!("?{MASK}"));
    format!("{scheme}://{authority}{path}{query}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_masked() {
        for (name, value, shown) in [
            ("hook_secret", json!("s3cret"), json!("***")),
            ("token_file", json!("/etc/remora/tokens"), json!("/etc/remora/tokens")),
            ("bus", json!("nats://u:p@host:4222/a?b=c"), json!("nats://***@host:4222/a?***")),
            ("bus", json!("nats://a:1,nats://u:p@b:2"), json!("nats://a:1,nats://***@b:2")),
            ("targets", json!(["http://host/x?key=1"]), json!(["http://host/x?***"])),
            ("listen", json!("127.0.0.1:8000"), json!("127.0.0.1:8000")),
        ] {
            assert_eq!(masked(name, &value), shown);
        }
    }
}
