//! Patterns over event kinds: `agent:blocked`, `tool:*`, `*:failed`, `*`.

use std::{fmt, str::FromStr};

use super::{Category, Event, Invalid};

/// Which events a subscriber wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    category: Option<Category>,
    action: Option<String>,
}

impl Pattern {
    /// Every event.
    pub const ALL: Self = Self { category: None, action: None };

    /// The only category it matches; `None`: any.
    pub fn category(&self) -> Option<Category> {
        self.category
    }

    /// The only action it matches; `None`: any.
    pub fn action(&self) -> Option<&str> {
        self.action.as_deref()
    }

    /// True where the event is of a kind that the pattern names.
    pub fn matches(&self, event: &Event) -> bool {
        self.category.is_none_or(|category| category == event.category)
            && self.action.as_ref().is_none_or(|action| *action == event.action)
    }
}

impl FromStr for Pattern {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (category, action) = match text.split_once(':') {
            Some(parts) => parts,
            None => (text, "*"),
        };
        Ok(Self {
            category: match category {
                "*" => None,
                word => Some(word.parse().map_err(|_| {
                    Invalid::field("pattern", "must be `*`, `category:*`, `category:action` or `*:action`")
                })?),
            },
            action: match action {
                "*" => None,
                word if super::text::is_action(word) => Some(word.to_owned()),
                _ => return Err(Invalid::field("pattern", "has an action that is not a lower-case word or `*`")),
            },
        })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.category, &self.action) {
            (None, None) => f.write_str("*"),
            (category, action) => {
                write!(f, "{}:{}", category.map_or("*", Category::as_str), action.as_deref().unwrap_or("*"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(category: Category, action: &str) -> Event {
        Event { category, ..Event::of_agent("a", action, jiff::Timestamp::UNIX_EPOCH, &[], serde_json::json!({})) }
    }

    #[test]
    fn names_what_it_matches() {
        let blocked = event(Category::Agent, "blocked");
        for (pattern, expected) in [
            ("*", true),
            ("agent", true),
            ("agent:*", true),
            ("agent:blocked", true),
            ("*:blocked", true),
            ("tool:*", false),
            ("agent:resumed", false),
        ] {
            assert_eq!(pattern.parse::<Pattern>().expect(pattern).matches(&blocked), expected, "{pattern}");
        }
    }

    #[test]
    fn refuses_what_can_never_match() {
        for pattern in ["", "robot:*", "agent:", "agent:Blocked", "agent:a:b"] {
            assert!(pattern.parse::<Pattern>().is_err(), "{pattern}");
        }
    }
}
