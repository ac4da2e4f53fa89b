//! What an event carries beside its own fields.

use std::{borrow::Cow, fmt, ops::Deref, sync::OnceLock};

use memchr::memchr2;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{
    Map, Value,
    value::{RawValue, to_raw_value},
};

/// Fields up to which it is looked whether a name stands twice: comparing each with each is cheap for so many.
const COMPARED: usize = 32;

/// A JSON object on one line, kept as the text that it came as. Its fields are read only when somebody looks at them:
/// most events are journaled and handed on without that.
#[derive(Clone)]
pub struct Payload {
    text: Box<RawValue>,
    fields: OnceLock<Map<String, Value>>,
}

impl Payload {
    /// Takes an object over as it is written, unless it has line breaks or a name twice: then it is written anew.
    ///
    /// # Errors
    /// It is no object, or none that can be read: nested too deeply, or with a number that no computer holds.
    pub(super) fn read(text: &RawValue) -> Result<Self, serde_json::Error> {
        let Names { repeated } = serde_json::from_str(text.get())?;
        if repeated || memchr2(b'\n', b'\r', text.get().as_bytes()).is_some() {
            return serde_json::from_str::<Map<String, Value>>(text.get()).map(Self::from);
        }
        Ok(Self { text: text.to_owned(), fields: OnceLock::new() })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.text.get()
    }

    /// The fields of these names that are texts. Nothing is kept of it: where all that is looked at are a few fields, one
    /// pass over the text takes less than half of what reading all of them into a map would.
    pub(super) fn texts<const N: usize>(&self, names: [&str; N]) -> [Option<String>; N] {
        let reader = &mut serde_json::Deserializer::from_str(self.as_str());
        Texts(names).deserialize(reader).unwrap_or([const { None }; N])
    }

    /// The same with other fields.
    pub(super) fn edited(mut self, change: impl FnOnce(&mut Map<String, Value>)) -> Self {
        let mut fields = self.fields.take().unwrap_or_else(|| fields_of(&self.text));
        change(&mut fields);
        fields.into()
    }
}

/// A payload was read when it came in, so it can be read again.
fn fields_of(text: &RawValue) -> Map<String, Value> {
    serde_json::from_str(text.get()).unwrap_or_default()
}

impl Deref for Payload {
    type Target = Map<String, Value>;

    fn deref(&self) -> &Self::Target {
        self.fields.get_or_init(|| fields_of(&self.text))
    }
}

impl From<Map<String, Value>> for Payload {
    fn from(fields: Map<String, Value>) -> Self {
        let text = to_raw_value(&fields).expect("an object has only string keys");
        Self { text, fields: fields.into() }
    }
}

impl FromIterator<(String, Value)> for Payload {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(fields: I) -> Self {
        Map::from_iter(fields).into()
    }
}

impl Default for Payload {
    fn default() -> Self {
        Map::new().into()
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text.serialize(serializer)
    }
}

/// From a journal, which was given only what was read when it came in.
impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        if !text.get().starts_with('{') {
            return Err(D::Error::custom("a payload is an object"));
        }
        Ok(Self { text, fields: OnceLock::new() })
    }
}

/// The names of fields.
struct Texts<'n, const N: usize>([&'n str; N]);

impl<'de, const N: usize> DeserializeSeed<'de> for Texts<'_, N> {
    type Value = [Option<String>; N];

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Texts<'_, N> {
    type Value = [Option<String>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut texts = [const { None }; N];
        while let Some(Name(name)) = fields.next_key()? {
            match self.0.iter().position(|wanted| *wanted == name) {
                Some(place) => texts[place] = serde_json::from_str(fields.next_value::<&RawValue>()?.get()).ok(),
                None => _ = fields.next_value::<IgnoredAny>()?,
            }
        }
        Ok(texts)
    }
}

/// An object that was read to its end, and whether a name stands twice in it, as far as that is known.
struct Names {
    repeated: bool,
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NamesVisitor)
    }
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = Names;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Names, A::Error> {
        let mut names: Vec<Cow<'de, str>> = Vec::with_capacity(COMPARED / 4);
        let mut repeated = false;
        while let Some(Name(name)) = fields.next_key()? {
            fields.next_value::<Readable>()?;
            repeated = repeated || names.len() == COMPARED || names.contains(&name);
            if !repeated {
                names.push(name);
            }
        }
        Ok(Names { repeated })
    }
}

/// A field's name, borrowed where it has no escapes.
pub(super) struct Name<'a>(pub(super) Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameVisitor)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Name<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
        Ok(Name(name.into()))
    }

    fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
        Ok(Name(name.to_owned().into()))
    }
}

/// Any value, read as strictly as a [`Value`], of which nothing is kept. [`IgnoredAny`] lets numbers, escapes and depths
/// pass that a later reader stumbles over.
struct Readable;

impl<'de> Deserialize<'de> for Readable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReadableVisitor).map(|IgnoredAny| Self)
    }
}

struct ReadableVisitor;

impl<'de> Visitor<'de> for ReadableVisitor {
    type Value = IgnoredAny;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<IgnoredAny, E> {
        Ok(IgnoredAny)
    }

    fn visit_bool<E>(self, _: bool) -> Result<IgnoredAny, E> {
        Ok(IgnoredAny)
    }

    fn visit_i64<E>(self, _: i64) -> Result<IgnoredAny, E> {
        Ok(IgnoredAny)
    }

    fn visit_u64<E>(self, _: u64) -> Result<IgnoredAny, E> {
        Ok(IgnoredAny)
    }

    fn visit_f64<E>(self, _: f64) -> Result<IgnoredAny, E> {
        Ok(IgnoredAny)
    }

    fn visit_str<E>(self, _: &str) -> Result<IgnoredAny, E> {
        Ok(IgnoredAny)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<IgnoredAny, A::Error> {
        while items.next_element::<Readable>()?.is_some() {}
        Ok(IgnoredAny)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<IgnoredAny, A::Error> {
        while fields.next_key::<Readable>()?.is_some() {
            fields.next_value::<Readable>()?;
        }
        Ok(IgnoredAny)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(text: &str) -> Result<Payload, serde_json::Error> {
        Payload::read(serde_json::from_str(text)?)
    }

    #[test]
    fn it_stays_as_it_was_written() {
        for text in
            ["{}", r#"{ "a" : 1.50, "b":[1,{"c":null}] }"#, r#"{"\u00e9":"\n\u2028","n":123456789012345678901234}"#]
        {
            let payload = read(text).expect("an object");
            assert_eq!(payload.as_str(), text);
            assert_eq!(serde_json::to_string(&payload).expect("written"), text);
            assert_eq!(json!(payload), serde_json::from_str::<Value>(text).expect("json"));
        }
    }

    #[test]
    fn line_breaks_and_repeated_names_are_written_anew() {
        assert_eq!(read("{\n\"a\":1,\r\n\"b\":2}").expect("an object").as_str(), r#"{"a":1,"b":2}"#);
        assert_eq!(read(r#"{"a":1,"b":2,"\u0061":3}"#).expect("an object").as_str(), r#"{"a":3,"b":2}"#);
        let many: Map<_, _> = (0..100).map(|n| (n.to_string(), json!(n))).collect();
        assert_eq!(*read(&Value::Object(many.clone()).to_string()).expect("an object"), many);
    }

    #[test]
    fn texts_are_found_without_reading_all_of_it() {
        let payload = read(r#"{"a":"x","b":{"a":"inner"},"\u0063":"é\n","d":1,"e":null}"#).expect("an object");
        let texts = payload.texts(["e", "d", "c", "b", "a", "none"]);
        assert_eq!(texts, [None, None, Some("é\n".to_owned()), None, Some("x".to_owned()), None]);
        assert!(payload.fields.get().is_none(), "no map was made");
    }

    #[test]
    fn what_could_not_be_read_later_is_refused_now() {
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(500), "]".repeat(500));
        for text in ["[]", "null", r#"{"a":1e999}"#, r#"{"a":"\ud800"}"#, &deep] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn it_is_as_strict_as_a_map(text in r#"\{("a":|"b":|1|-0\.5|1e9{1,4}|"|\\u[0-9d][0-9a-f]{3}|\\|\[|\]|\{|\}|,|null| |\n){0,12}\}"#) {
            let Ok(raw) = serde_json::from_str::<&RawValue>(&text) else { return Ok(()) };
            match (Payload::read(raw), serde_json::from_str::<Map<String, Value>>(&text)) {
                (Ok(payload), Ok(map)) => {
                    let text = |name: &str| map.get(name).and_then(Value::as_str).map(str::to_owned);
                    prop_assert_eq!(payload.texts(["a", "b"]), [text("a"), text("b")]);
                    prop_assert_eq!(&*payload, &map);
                }
                (payload, map) => prop_assert_eq!(payload.is_ok(), map.is_ok()),
            }
        }
    }
}
