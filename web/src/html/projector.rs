//! The page for a wall: who waits, and how far everything is, in letters that are read across a room. Nothing on it is
//! pressed.

use horrorshow::{Render, owned_html};
use remora_actors::{
    model::{Dashboard, QuestionRecord, Standing, Urgency},
    view::{Part, Subject},
};

use super::{
    clock::Clock,
    graph, live, markdown,
    shell::{self, Live},
    text_of, words,
};
use crate::frame::Frame;

/// Questions shown: what fits on a wall.
const QUESTIONS: usize = 6;
/// Graphs shown, those that still run first.
const GRAPHS: usize = 8;
/// Characters of a question.
const QUESTION_CHARS: usize = 140;

/// The page, as a document or as a frame.
pub(super) fn render(dashboard: &Dashboard, part: Part, clock: &Clock) -> bytes::Bytes {
    let main = text_of(main(dashboard, clock));
    if part != Part::Document {
        return Frame::of(main, &live::signals(dashboard), dashboard.last_seq());
    }
    let live = Live { title: "Remora on the wall", tab: None, subject: Some(&Subject::Projector) };
    text_of(shell::live(&live, dashboard, &main)).into()
}

fn main(dashboard: &Dashboard, clock: &Clock) -> impl Render {
    let open = dashboard.inbox().open();
    let (tally, standing) = (dashboard.tally(), dashboard.counts());
    let counts = [
        (open.len(), "blocked", "waiting for you"),
        (standing.of(Standing::Stalled), "stalled", "stalled"),
        (standing.of(Standing::Running), "running", "running"),
        (tally.failed, "failed", "failed"),
        (tally.completed, "completed", "completed"),
    ];
    let hidden = open.len().saturating_sub(QUESTIONS);
    let questions: String = open.iter().take(QUESTIONS).map(|record| text_of(row(dashboard, record, clock))).collect();
    owned_html! {
        main(id = "projector") {
            h1(class = "unseen") : "Remora on the wall";
            ul(class = "figures") {
                @ for (count, look, word) in counts {
                    li(class = format!("figure {look}"), data-none ?= (count == 0).then_some("")) {
                        strong : count.to_string(); : " "; span : word;
                    }
                }
            }
            @ if open.is_empty() {
                p(class = "calm") : if tally.total == 0 { "No agent yet." } else { "No agent waits for anybody." };
            }
            ol(class = "waiting") { : horrorshow::Raw(&questions); }
            @ if hidden > 0 { p(class = "more") : format!("and {hidden} more"); }
            : graphs(dashboard);
        }
    }
}

fn row<'a>(dashboard: &'a Dashboard, record: &'a QuestionRecord, clock: &'a Clock) -> impl Render + use<'a> {
    let question = &record.question;
    let name = dashboard.agent(&question.agent_id).map_or(question.agent_id.as_str(), |agent| &*agent.name);
    let (name, text) = (words::brief(name, 40).into_owned(), markdown::line(&question.question, QUESTION_CHARS));
    let pressing = question.urgency >= Urgency::High;
    owned_html! {
        li(class = if pressing { "pressing" } else { "" }) {
            p(class = "asker", data-ignore) : &name;
            p(class = "asked") {
                : clock.ago(question.created_at);
                @ if let Some(at) = question.expires_at { : ", ends "; : clock.relative(at); }
            }
            p(class = "question", data-ignore) : &text;
        }
    }
}

fn graphs(dashboard: &Dashboard) -> impl Render {
    let mut graphs: Vec<_> = dashboard.graphs().iter().filter(|graph| graph.tally().total > 0).collect();
    graphs.sort_by_key(|graph| graph::order(graph));
    graphs.truncate(GRAPHS);
    owned_html! {
        ul(class = "graphs") {
            @ for graph in &graphs {
                li {
                    span(data-ignore) : words::brief(graph.name(), 60).as_ref();
                    span(class = "count") : format!("{}/{}", graph.tally().completed, graph.nodes().len());
                    : graph::look::bar(&graph::look::Seen::of(dashboard, graph));
                }
            }
        }
    }
}
