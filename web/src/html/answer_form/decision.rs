//! Approving or rejecting: what is proposed or called, ready to be changed, why, and one button each.

use horrorshow::{Raw, Render, owned_html};
use remora_actors::model::{Form, Kind, Spread};

use super::{Parts, arguments::Arguments, control::Typed, fields};
use crate::html::{
    card::{self, Place},
    text_of, words,
};

/// Bytes of arguments or of a proposal that are ready to be changed on the dashboard, where every patch of the panel
/// carries them again.
const EDITABLE_BYTES: usize = 4_000;
/// The same on an agent's own page, which may hold a hundred of them: more than anybody changes in a browser.
const EDITABLE_BYTES_ALONE: usize = 64 << 10;

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
    let most = match parts.place {
        Place::Dashboard => EDITABLE_BYTES,
        Place::AgentPage => EDITABLE_BYTES_ALONE,
    };
    parts.question.kind() == Kind::Decision && bytes <= most
}

fn arguments(parts: &Parts<'_>) -> String {
    let Some(arguments) = parts.question.arguments.as_ref().filter(|arguments| !arguments.is_empty()) else {
        return String::new();
    };
    if !is_editable(parts, serde_json::to_string(arguments).map_or(usize::MAX, |json| json.len())) {
        let arguments = Arguments::new(arguments, readable_chars(parts));
        return text_of(owned_html! {
            : arguments.render();
            @ if arguments.is_cut { : all_of_it(parts); }
        });
    }
    let fields = fields::controls(parts, &Form::of_values(arguments));
    let readable = Spread::comes_apart(arguments).then(|| Arguments::new(arguments, usize::MAX));
    text_of(owned_html! {
        @ if let Some(readable) = &readable {
            : readable.render();
            details(open ?= parts.again.is_some()) {
                summary : "Change the arguments";
                fieldset(class = "fields subject", data-ignore) { : Raw(&fields); }
            }
        } else {
            fieldset(class = "fields subject", data-ignore) {
                legend : "Arguments: what you change here is approved with the change";
                : Raw(&fields);
            }
        }
    })
}

fn proposal(parts: &Parts<'_>) -> String {
    let Some(proposal) = &parts.question.proposal else { return String::new() };
    if !is_editable(parts, proposal.len()) {
        return proposal_to_read(parts, proposal);
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

fn proposal_to_read(parts: &Parts<'_>, proposal: &str) -> String {
    let shown = words::brief(proposal, readable_chars(parts));
    let is_cut = shown.len() < proposal.len();
    text_of(owned_html! {
        pre(class = "subject", dir = "auto", data-ignore) : shown.as_ref();
        @ if is_cut { : all_of_it(parts); }
    })
}

/// Characters that are to be read only.
fn readable_chars(parts: &Parts<'_>) -> usize {
    match parts.place {
        Place::Dashboard => EDITABLE_BYTES,
        Place::AgentPage => card::WHOLE_CHARS,
    }
}

/// The way to what is cut here.
fn all_of_it(parts: &Parts<'_>) -> impl Render + use<> {
    let question = parts.question;
    let (url, words) = match parts.place {
        Place::Dashboard => (words::agent_url(&question.agent_id), "More of it, on the agent's page"),
        Place::AgentPage => (words::question_url(question), "All of it, with the question as JSON"),
    };
    owned_html! { p { a(href = &url) : words; } }
}
