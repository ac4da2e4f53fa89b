//! A decision about something that an agent wants to do: the answer to a confirmation or a tool call.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{super::Invalid, Question};

/// Yes, yes with changes, or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Do it as it was put.
    Approve,
    /// Do it with the arguments, or the text, that stand in the decision.
    Edit,
    /// Do not do it.
    #[serde(alias = "deny")]
    Reject,
}

/// The answer to a confirmation or a tool call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Yes or no.
    pub decision: Verdict,
    /// With `edit`: all arguments, as they shall be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Map<String, Value>>,
    /// With `edit`: the proposal as it shall be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<String>,
    /// Why, in the person's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Decision {
    /// Without a reason and without changes.
    pub fn of(decision: Verdict) -> Self {
        Self { decision, arguments: None, proposal: None, reason: None }
    }

    /// Reads an answer: an object, or one of the words alone.
    pub fn read(answer: &Value) -> Option<Self> {
        match Verdict::deserialize(answer) {
            Ok(verdict) => Some(Self::of(verdict)),
            Err(_) => Self::deserialize(answer).ok(),
        }
    }

    /// As an answer.
    pub fn to_answer(&self) -> Value {
        serde_json::to_value(self).expect("a decision has only string keys")
    }
}

impl Question {
    /// A decision as the agent shall read it: `edit` wherever something was changed and only there.
    pub(super) fn decided(&self, answer: &Value) -> Result<Value, Invalid> {
        let problem = || {
            let shape = r#"must be approve, reject, or an object such as {"decision":"reject","reason":"too early"}"#;
            Invalid::field("answer", shape)
        };
        let mut decision = Decision::read(answer).ok_or_else(problem)?;
        decision.reason = decision.reason.filter(|reason| !reason.trim().is_empty());
        let takes_arguments = self.arguments.is_some();
        if decision.arguments.is_some() && !takes_arguments || decision.proposal.is_some() && self.proposal.is_none() {
            return Err(Invalid::field("answer", "changes what the question does not carry"));
        }
        let nothing_given = decision.arguments.is_none() && decision.proposal.is_none();
        if decision.decision == Verdict::Edit && nothing_given {
            let what = if takes_arguments { "`arguments`" } else { "`proposal`" };
            return Err(Invalid::field("answer", format!("must hold the {what} as they shall be where it is an edit")));
        }
        let is_edit = decision.decision != Verdict::Reject;
        decision.arguments =
            decision.arguments.filter(|_| is_edit).filter(|edited| self.arguments.as_ref() != Some(edited));
        decision.proposal =
            decision.proposal.filter(|_| is_edit).filter(|edited| self.proposal.as_ref() != Some(edited));
        if is_edit {
            let is_changed = decision.arguments.is_some() || decision.proposal.is_some();
            decision.decision = if is_changed { Verdict::Edit } else { Verdict::Approve };
        }
        Ok(decision.to_answer())
    }

    /// What `on_deadline: deny` answers: a rejection where a decision is asked for, else the word.
    pub fn denial(&self) -> Value {
        if self.asks_for_decision() {
            let decision = Decision::of(Verdict::Reject);
            Decision { reason: Some("nobody answered before the deadline".to_owned()), ..decision }.to_answer()
        } else {
            json!("deny")
        }
    }
}
