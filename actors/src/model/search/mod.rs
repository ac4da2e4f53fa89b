//! Searching the journal: what a person types as terms, and whether an event has them. `words`: how a text falls into
//! words. Every store finds the same, because this is the one place that says what matches.

mod words;

use std::{borrow::Cow, convert::Infallible, fmt, ops::Range, str::FromStr};

use jiff::Timestamp;
use serde_json::Value;

use super::{Event, Pattern};
use words::{Word, fold, parts, words};

/// Terms of one search; what is typed beyond is left out. More than a person types, few enough to be looked up at once.
const TERMS: usize = 32;
/// Words of an event that are searched: a whole model's answer, but not a file of a hundred thousand numbers.
const EVENT_WORDS: usize = 20_000;

/// What is looked for in the events' texts.
///
/// Typed as words, `"phrases"` and `-unwanted` ones. A bare word stands for all words that begin with it (a `*` behind
/// it changes nothing), a quoted one for itself. Any text is a search; what has no word in it finds everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    typed: String,
    wanted: Vec<Term>,
    unwanted: Vec<Term>,
}

/// Words that follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// The words, folded. Never empty.
    pub words: Vec<String>,
    /// True where the last one stands for all words that begin with it.
    pub is_open: bool,
}

impl FromStr for Terms {
    type Err = Infallible;

    fn from_str(typed: &str) -> Result<Self, Infallible> {
        let mut terms = Self { typed: typed.to_owned(), ..Self::default() };
        let mut rest = typed.trim_start();
        while !rest.is_empty() && terms.wanted.len() + terms.unwanted.len() < TERMS {
            let (is_unwanted, body) = rest.strip_prefix('-').map_or((false, rest), |body| (true, body));
            let (text, is_open, behind) = match body.strip_prefix('"') {
                Some(quoted) => {
                    let (text, behind) = quoted.split_once('"').unwrap_or((quoted, ""));
                    behind.strip_prefix('*').map_or((text, false, behind), |behind| (text, true, behind))
                }
                None => {
                    let end = body.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(body.len());
                    (&body[..end], true, &body[end..])
                }
            };
            let words: Vec<_> = words(text).map(|word| word.folded).collect();
            if !words.is_empty() {
                let list = if is_unwanted { &mut terms.unwanted } else { &mut terms.wanted };
                list.push(Term { words, is_open });
            }
            rest = behind.trim_start();
        }
        Ok(terms)
    }
}

impl fmt::Display for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.typed)
    }
}

impl Term {
    fn is_at(&self, words: &[Word]) -> bool {
        let last = self.words.len() - 1;
        words.len() > last
            && self.words.iter().zip(words).enumerate().all(|(index, (wanted, word))| {
                *wanted == word.folded || index == last && self.is_open && word.folded.starts_with(wanted.as_str())
            })
    }

    fn is_in(&self, words: &[Word]) -> bool {
        (0..words.len()).any(|start| self.is_at(&words[start..]))
    }
}

impl Terms {
    /// What an event must have, all of it.
    pub fn wanted(&self) -> &[Term] {
        &self.wanted
    }

    /// What an event must not have, none of it.
    pub fn unwanted(&self) -> &[Term] {
        &self.unwanted
    }

    /// True where everything is found.
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty() && self.unwanted.is_empty()
    }

    /// True where the event's texts have all wanted terms and no unwanted one.
    pub fn matches(&self, event: &Event) -> bool {
        if self.is_empty() {
            return true;
        }
        let texts = texts_in_words(event);
        let has = |term: &Term| texts.iter().any(|words| term.is_in(words));
        self.wanted.iter().all(has) && !self.unwanted.iter().any(has)
    }

    /// Where the wanted terms stand in a text, in order and without overlaps.
    pub fn places(&self, text: &str) -> Vec<Range<usize>> {
        let words: Vec<_> = words(text).take(EVENT_WORDS).collect();
        let mut places: Vec<Range<usize>> = Vec::new();
        for start in 0..words.len() {
            let at = |term: &&Term| term.is_at(&words[start..]);
            let Some(longest) = self.wanted.iter().filter(at).map(|term| term.words.len()).max() else { continue };
            let place = words[start].range.start..words[start + longest - 1].range.end;
            match places.last_mut() {
                Some(last) if last.end >= place.start => last.end = last.end.max(place.end),
                _ => places.push(place),
            }
        }
        places
    }
}

/// The words of an event that are searched, each with a space behind it: those of its kind, its ids but for its own, and
/// its payload's values.
pub fn event_words(event: &Event) -> String {
    let mut out = String::new();
    let mut left = EVENT_WORDS;
    for text in event_texts(event) {
        for range in parts(&text) {
            let start = out.len();
            fold(&text[range], &mut out);
            if out.len() > start {
                out.push(' ');
                left -= 1;
            }
            if left == 0 {
                return out;
            }
        }
    }
    out
}

fn texts_in_words(event: &Event) -> Vec<Vec<Word>> {
    let mut left = EVENT_WORDS;
    let mut texts = Vec::new();
    for text in event_texts(event) {
        let words: Vec<_> = words(&text).take(left).collect();
        left -= words.len();
        texts.push(words);
    }
    texts
}

/// The texts of an event that are searched, one by one: a phrase stands in one of them.
pub fn event_texts(event: &Event) -> Vec<Cow<'_, str>> {
    let mut texts = vec![Cow::Owned(event.kind())];
    let ids = [&event.agent_id, &event.graph_id, &event.node_id, &event.session_id];
    texts.extend(ids.into_iter().flatten().map(|id| Cow::Borrowed(id.as_str())));
    event.payload.values().for_each(|value| add_texts(value, &mut texts));
    texts
}

fn add_texts<'a>(value: &'a Value, texts: &mut Vec<Cow<'a, str>>) {
    match value {
        Value::Null => {}
        Value::String(text) => texts.push(text.into()),
        Value::Array(items) => items.iter().for_each(|item| add_texts(item, texts)),
        Value::Object(fields) => fields.values().for_each(|field| add_texts(field, texts)),
        Value::Bool(_) | Value::Number(_) => texts.push(value.to_string().into()),
    }
}

/// Which events are looked for. Everything given must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// By their texts.
    pub terms: Terms,
    /// By kind.
    pub pattern: Pattern,
    /// By agent.
    pub agent_id: Option<String>,
    /// By graph.
    pub graph_id: Option<String>,
    /// By session.
    pub session_id: Option<String>,
    /// By time: not before this one, by the emitter's clock.
    pub from: Option<Timestamp>,
    /// By time: not after this one.
    pub until: Option<Timestamp>,
}

impl Search {
    /// Finds every event.
    pub fn all() -> Self {
        Self {
            terms: Terms::default(),
            pattern: Pattern::ALL,
            agent_id: None,
            graph_id: None,
            session_id: None,
            from: None,
            until: None,
        }
    }

    /// True where the event is one of those.
    pub fn matches(&self, event: &Event) -> bool {
        let is = |wanted: &Option<String>, id: &Option<String>| wanted.is_none() || wanted == id;
        self.pattern.matches(event)
            && is(&self.agent_id, &event.agent_id)
            && is(&self.graph_id, &event.graph_id)
            && is(&self.session_id, &event.session_id)
            && self.from.is_none_or(|from| event.timestamp >= from)
            && self.until.is_none_or(|until| event.timestamp <= until)
            && self.terms.matches(event)
    }
}

#[cfg(test)]
mod tests;
