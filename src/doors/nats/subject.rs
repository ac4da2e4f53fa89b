//! From a subject and what was published on it to an event.
//!
//! The subject fills the fields of its parts, or must say the same as they do: where NATS lets an agent publish on its
//! own subjects only, no agent can speak for another.

use remora_actors::model::{Draft, Invalid, Limits};
use serde_json::{Map, Value};

/// The parts of a subject behind the prefix: `<agent_id>.<category>.<action>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Subject<'a> {
    /// May hold dots: the other two hold none.
    pub(super) agent_id: &'a str,
    category: &'a str,
    action: &'a str,
}

impl<'a> Subject<'a> {
    /// Reads what stands behind the prefix and its dot.
    ///
    /// # Errors
    /// A part is missing.
    pub(super) fn parse(rest: &'a str) -> Result<Self, Invalid> {
        let mut parts = rest.rsplitn(3, '.');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(action), Some(category), Some(agent_id)) => Ok(Self { agent_id, category, action }),
            _ => Err(Invalid::field("subject", "must end in <agent_id>.<category>.<action>")),
        }
    }

    /// Reads what was published on it: an event in either dialect, or nothing.
    ///
    /// # Errors
    /// It is no event, it says another thing than the subject, or it tells of what only a person does.
    pub(super) fn read(&self, body: &[u8], limits: &Limits) -> Result<Draft, Invalid> {
        Invalid::over(body.len(), limits.event_bytes, "the event", "event_bytes")?;
        let mut fields = Map::new();
        if !body.trim_ascii().is_empty() {
            fields = serde_json::from_slice(body).map_err(|error| Invalid::Json(error.to_string()))?;
        }
        // The later dialect says by its type what happened.
        let is_typed = fields.contains_key("type");
        let parts = [("agent_id", self.agent_id), ("category", self.category), ("action", self.action)];
        for (name, word) in parts.into_iter().take(if is_typed { 1 } else { 3 }) {
            let field = fields.entry(name).or_insert(Value::Null);
            if field.is_null() {
                *field = word.into();
            }
        }
        let text = serde_json::to_vec(&fields).map_err(|error| Invalid::Json(error.to_string()))?;
        let draft = Draft::parse(&text, limits)?;
        self.check(&draft)?;
        Ok(draft)
    }

    fn check(&self, draft: &Draft) -> Result<(), Invalid> {
        let (agent_id, category, action) = draft.subject();
        let parts = [
            ("agent_id", agent_id.unwrap_or_default(), self.agent_id),
            ("category", category.as_str(), self.category),
            ("action", action, self.action),
        ];
        if let Some((field, _, wanted)) = parts.into_iter().find(|(_, given, wanted)| given != wanted) {
            return Err(Invalid::field(field, format!("must be `{wanted}` as in the subject, or be left out")));
        }
        if draft.speaks_for_a_person() {
            return Err(Invalid::field("action", "tells of a person's doing, which cannot be published on nats"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rest: &str, body: &str) -> Result<Draft, Invalid> {
        Subject::parse(rest)?.read(body.as_bytes(), &Limits::default())
    }

    #[test]
    fn the_subject_fills_what_the_body_leaves_out() {
        for body in ["", "{}", r#"{"agent_id":null,"payload":{"name":"Linter"}}"#, r#"{"type":"AgentStartEvent"}"#] {
            let draft = read("a.b-1.agent.started", body).expect("an event");
            assert_eq!(draft.subject().0, Some("a.b-1"), "{body}");
            assert_eq!((draft.subject().1.as_str(), draft.subject().2), ("agent", "started"));
        }
        assert_eq!(read("a.tool.called", r#"{"id":"x"}"#).expect("an event").id.as_deref(), Some("x"));
    }

    #[test]
    fn what_contradicts_the_subject_is_refused() {
        for (rest, body, needle) in [
            ("a.agent", "{}", "<agent_id>.<category>.<action>"),
            ("a.agent.started", "[1]", "json"),
            ("a.agent.started", "nonsense", "json"),
            ("a.agent.started", r#"{"agent_id":"b"}"#, "`a` as in the subject"),
            ("a.agent.started", r#"{"action":"failed"}"#, "`started` as in the subject"),
            ("a.agent.started", r#"{"type":"AgentErrorEvent"}"#, "`started` as in the subject"),
            ("a.nobody.started", "{}", "`category`"),
            ("a.agent.Started", "{}", "`action`"),
        ] {
            let error = read(rest, body).expect_err("refused").to_string();
            assert!(error.contains(needle), "{rest} {body}: {error}");
        }
    }

    #[test]
    fn nobody_speaks_for_a_person() {
        for rest in ["a.agent.resumed", "a.user.answered", "a.user.messaged", "a.agent.answer_held"] {
            let error = read(rest, r#"{"payload":{"msg_id":"m","answer":"yes"}}"#).expect_err("refused").to_string();
            assert!(error.contains("a person's doing"), "{rest}: {error}");
        }
    }
}
