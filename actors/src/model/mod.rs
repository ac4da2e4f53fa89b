//! What Remora knows, and how events change it. Pure: no clock, no input or output, no async.

mod agent;
mod answer_log;
mod board;
mod dashboard;
mod dialect;
mod event;
#[cfg(test)]
mod fuzz;
mod graph;
mod inbox;
mod limits;
pub mod notice;
mod pattern;
mod question;
mod registrations;
mod search;
mod text;
mod trouble;

pub use agent::{Agent, AgentState, Tally};
pub use answer_log::AnswerLog;
pub use board::{Board, Step, Steps};
pub use dashboard::{Dashboard, LOG_EVENTS, Panel, Panels, ResultItem};
pub use event::{Category, Draft, Event, FieldError, Invalid, Record, Seq, actions};
pub use graph::{Activity, Graph, Graphs, Node, Span};
pub use inbox::{Inbox, InboxPage, InboxQuery, MessageState, UserMessage};
pub use limits::Limits;
pub use pattern::Pattern;
pub use question::{
    Answer, AnsweredBy, Choice, Decision, Door, Field, Form, Format, Held, Input, Kind, Notes, OnDeadline, Question,
    QuestionKey, QuestionRecord, Reason, Status, Urgency, Verdict, field_text,
};
pub use registrations::{Registration, RegistrationChange, Registrations};
pub use search::{Search, Term, Terms, event_texts, event_words};
pub use text::{Numbered, check_id, parse_events, parse_timestamp};
pub use trouble::{PutAside, Troubles};
