//! What Remora knows, and how events change it. Pure: no clock, no input or output, no async.

mod agent;
mod agent_query;
mod answer_log;
mod board;
mod call;
mod dashboard;
mod dialect;
mod event;
mod fields;
#[cfg(test)]
mod fuzz;
mod graph;
mod inbox;
mod limits;
pub mod notice;
mod pattern;
mod payload;
mod question;
mod registrations;
mod search;
mod text;
mod timeline;
mod trouble;
mod usage;

pub use agent::{Agent, AgentState, Call, Counts, Patience, Standing, Tally};
pub use agent_query::{AgentPage, AgentQuery, AgentSort};
pub use answer_log::AnswerLog;
pub use board::{Board, Step, Steps};
pub use call::CallName;
pub use dashboard::{Dashboard, LOG_EVENTS, ListStep, Listed, Panel, Panels, Place, ResultItem};
pub use dialect::knows_type;
pub use event::{Category, Draft, Event, FieldError, Invalid, Record, Seq, actions};
pub use graph::{Activity, Graph, Graphs, Node, Span};
pub use inbox::{Inbox, InboxPage, InboxQuery, MessageKind, MessageState, UserMessage};
pub use limits::Limits;
pub use pattern::Pattern;
pub use payload::Payload;
pub use question::{
    Answer, AnsweredBy, Choice, Decision, Door, Field, Form, Format, Held, Input, Kind, Notes, OnDeadline, Question,
    QuestionKey, QuestionRecord, Reason, Spread, Status, Urgency, Verdict, field_text,
};
pub use registrations::{Registration, RegistrationChange, Registrations};
pub use search::{Search, Term, Terms, event_texts, event_words};
pub use text::{Numbered, check_id, parse_events, parse_timestamp};
pub use timeline::{Entry, EntryKind, timeline};
pub use trouble::{PutAside, Troubles};
pub use usage::Usage;
