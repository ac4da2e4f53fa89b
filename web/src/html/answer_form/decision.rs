//! Approving or rejecting: what is proposed or called, ready to be changed, why, and one button each.

use horrorshow::{Raw, owned_html};
use remora_actors::model::{Form, Kind};
use serde_json::Value;

use super::{Parts, control::Typed, fields};
use crate::html::{
    card::{self, Place},
    pretty::pretty,
    text_of, words,
};

/// Characters of arguments or of a proposal that are ready to be changed on the dashboard, where every patch of the
/// panel carries them again. An agent's own page has them whole.
const EDITABLE_CHARS: usize = 4_000;

pub(super) fn body(parts: &Parts<'_>) -> String {
    let subject = subject(parts);
    let (id, reason) = (parts.id("reason"), parts.again.map(|again| again.post.reason.clone()).unwrap_or_default());
    text_of(owned_html! {
        : Raw(&subject);
        label(for = &id, class = "unseen") : "Reason";
        textarea(id = &id, name = "reason", rows = "1", dir = "auto", placeholder = "Reason, for the agent (optional)", data-ignore)
            : Typed(&reason);
        div(class = "decide") {
            button(type = "submit", name = "answer", value = "approve") : "Approve";
            button(type = "submit", name = "answer", value = "reject", class = "reject") : "Reject";
        }
    })
}

/// What it is about: the tool with its arguments, and the proposal.
pub(super) fn subject(parts: &Parts<'_>) -> String {
    let tool = parts.question.tool_name.clone();
    let (arguments, proposal) = (arguments(parts), proposal(parts));
    text_of(owned_html! {
        @ if let Some(tool) = &tool { p(class = "tool", data-ignore) { : "Tool "; code : tool; } }
        : Raw(&arguments);
        : Raw(&proposal);
    })
}

/// True where a text of so many bytes may be changed here.
fn is_editable(parts: &Parts<'_>, bytes: usize) -> bool {
    parts.question.kind() == Kind::Decision && (parts.place == Place::AgentPage || bytes <= EDITABLE_CHARS)
}

fn arguments(parts: &Parts<'_>) -> String {
    let Some(arguments) = parts.question.arguments.as_ref().filter(|arguments| !arguments.is_empty()) else {
        return String::new();
    };
    let json = Value::Object(arguments.clone());
    if !is_editable(parts, json.to_string().len()) {
        return as_it_is(parts, &pretty(&json, card::WHOLE_CHARS).0);
    }
    let fields = fields::controls(parts, &Form::of_values(arguments));
    text_of(owned_html! {
        fieldset(class = "fields subject", data-ignore) {
            legend : "Arguments: what you change here is approved with the change";
            : Raw(&fields);
        }
    })
}

fn proposal(parts: &Parts<'_>) -> String {
    let Some(proposal) = &parts.question.proposal else { return String::new() };
    if !is_editable(parts, proposal.len()) {
        return as_it_is(parts, proposal);
    }
    let id = parts.id("proposal");
    let text = parts.again.and_then(|again| again.post.proposal.as_ref()).unwrap_or(proposal);
    text_of(owned_html! {
        div(class = "field subject") {
            label(for = &id) : "Proposal: what you change here is approved with the change";
            textarea(id = &id, name = "proposal", rows = "3", dir = "auto", data-ignore) : Typed(text);
        }
    })
}

/// To be read only.
fn as_it_is(parts: &Parts<'_>, text: &str) -> String {
    let shown = match parts.place {
        Place::Dashboard => words::brief(text, EDITABLE_CHARS),
        Place::AgentPage => text.into(),
    };
    let url = (shown.len() < text.len()).then(|| words::agent_url(&parts.question.agent_id));
    text_of(owned_html! {
        pre(dir = "auto", data-ignore) : shown.as_ref();
        @ if let Some(url) = &url { p { a(href = url) : "All of it, and to change it: on the agent's page"; } }
    })
}
