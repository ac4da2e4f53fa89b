//! A question that is asked, read in one way at every door.

use remora_actors::inbox_coordinator::Ask;
use serde_json::{Map, Value};

use crate::{problem::Problem, request::json, routes::check_properties};

/// A question's fields, none of which is unknown.
#[derive(Debug)]
pub struct Asked(Map<String, Value>);

impl Asked {
    /// Reads a JSON object, which may have the fields of a question and those that only the door knows.
    ///
    /// # Errors
    /// It is something else, or it has other fields.
    pub fn read(body: &[u8], own: &[&str]) -> Result<Self, Problem> {
        let Value::Object(fields) = json(body)? else {
            return Err(Problem::unprocessable("a question is a json object"));
        };
        check_properties("NewQuestion", own, fields.keys())?;
        Ok(Self(fields))
    }

    /// Takes out a field; `None`: it is not there, or null.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.0.shift_remove(name).filter(|value| !value.is_null())
    }

    /// What a field says; `None`: it is not there, or null.
    ///
    /// # Errors
    /// It is no text.
    pub fn text(&self, name: &str) -> Result<Option<String>, Problem> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(not_a_text(name)),
        }
    }

    /// The agent that asks.
    ///
    /// # Errors
    /// It is not said.
    pub fn agent_id(&self) -> Result<String, Problem> {
        self.text("agent_id")?.ok_or_else(|| not_a_text("agent_id"))
    }

    /// The question of an agent under an id.
    ///
    /// # Errors
    /// Its workspace is no text.
    pub fn into_ask(self, agent_id: String, msg_id: String) -> Result<Ask, Problem> {
        Ok(Ask { agent_id, msg_id, workspace_id: self.text("workspace_id")?, fields: self.0 })
    }
}

fn not_a_text(name: &str) -> Problem {
    Problem::unprocessable(format_args!("field `{name}` must be a text"))
}
