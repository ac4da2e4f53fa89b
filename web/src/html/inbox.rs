//! The questions that wait for a person, the answers on their way, and the questions closed last: as a whole, and step
//! by step.

use horrorshow::{Raw, Render, owned_html};
use remora_actors::model::{
    Board, Category, Dashboard, InboxQuery, QuestionKey, QuestionRecord, Seq, Step, Steps, actions,
};
use serde_json::{Value, json};

use super::{
    card::{self, Place},
    clock::Clock,
    inbox_page, live, markdown, settled, text_of, words,
};
use crate::frame::Frame;

/// Characters of a question that is announced, listed or closed.
const LINE_CHARS: usize = 160;

/// The panel `blocked-agents`.
pub(super) fn panel(dashboard: &Dashboard, clock: &Clock) -> impl Render {
    let waiting = dashboard.inbox().waiting_count();
    let hidden = dashboard.inbox().hidden_count();
    owned_html! {
        section(id = "blocked-agents", class = "panel", aria-labelledby = "blocked-agents-title") {
            h2(id = "blocked-agents-title") {
                : "Inbox "; span(class = "badge", data-text = "$waiting") : waiting.to_string();
            }
            details(id = "inbox-search", data-preserve-attr = "open") {
                summary : "Filter";
                : inbox_page::filter(&InboxQuery::default());
            }
            p(id = "no-questions", class = "empty", hidden ?= waiting > 0, data-attr:hidden = "$waiting > 0") {
                : "No question waits. When an agent asks, you can answer it here.";
            }
            div(id = "questions", class = "cards") {
                @ for record in dashboard.inbox().cards() { : Raw(card_of(dashboard, record, clock)); }
            }
            p(id = "more-questions", class = "more", hidden ?= hidden == 0, data-attr:hidden = "!($more > 0)") {
                a(href = "/?page=2") {
                    : "and "; span(data-text = "$more") : hidden.to_string(); : " less pressing";
                }
            }
            div(id = "sent-answers") {
                h3 : "Answers on their way";
                ul(id = "sent-list", class = "rows") {
                    @ for record in Board::sent(dashboard) { : Raw(sent_row(dashboard, record, clock)); }
                }
            }
            details(id = "closed-questions", data-preserve-attr = "open") {
                summary : "Recently closed";
                ul(id = "closed-list", class = "rows") {
                    @ for record in Board::closed(dashboard) { : Raw(closed_row(dashboard, record, clock)); }
                }
            }
        }
    }
}

/// The signals that go with the whole panel.
pub(super) fn signals(dashboard: &Dashboard) -> Value {
    signals_with(dashboard, json!(Board::of(dashboard).alike()))
}

fn signals_with(dashboard: &Dashboard, alike: Value) -> Value {
    let mut signals = live::signals(dashboard);
    signals["more"] = dashboard.inbox().hidden_count().into();
    if alike.as_object().is_some_and(|alike| !alike.is_empty()) {
        signals["_alike"] = alike;
    }
    signals
}

/// Puts what has changed since the last frame into this one.
pub(super) fn append(frame: &mut Frame, dashboard: &Dashboard, after: Seq, steps: Option<&Steps>, clock: &Clock) {
    announce(frame, dashboard, after);
    let Some(steps) = steps else {
        frame.patch(text_of(panel(dashboard, clock)));
        frame.signals(&signals(dashboard));
        return;
    };
    let lists: [(&str, &str, &[Step], Draw); 3] = [
        ("questions", "q", &steps.cards, card_of),
        ("sent-list", "w", &steps.sent, sent_row),
        ("closed-list", "c", &steps.closed, closed_row),
    ];
    for (list, prefix, steps, draw) in lists {
        for step in steps {
            walk(frame, dashboard, list, prefix, step, |record| draw(dashboard, record, clock));
        }
    }
    let alike = steps.alike.iter().map(|(likeness, count)| (likeness.clone(), json!(count))).collect();
    frame.signals(&signals_with(dashboard, Value::Object(alike)));
}

/// How an entry of a list is drawn.
type Draw = fn(&Dashboard, &QuestionRecord, &Clock) -> String;

fn walk(
    frame: &mut Frame,
    dashboard: &Dashboard,
    list: &str,
    prefix: &str,
    step: &Step,
    draw: impl Fn(&QuestionRecord) -> String,
) {
    let selector = |key: &QuestionKey| format!("#{prefix}-{}", words::question_hash(key));
    let draw = |key: &QuestionKey| dashboard.inbox().get(key).map(&draw).unwrap_or_default();
    match step {
        Step::Insert(key, Some(before)) => frame.before(selector(before), draw(key)),
        Step::Insert(key, None) => frame.append(format!("#{list}"), draw(key)),
        Step::Update(key) => frame.patch(draw(key)),
        Step::Replace(key) => frame.replace(selector(key), draw(key)),
        Step::Remove(key) => match dashboard.inbox().get(key).filter(|record| prefix == "q" && !record.waits()) {
            Some(record) => frame.replace(selector(key), text_of(settled::leaving(dashboard, record))),
            None => frame.remove(selector(key)),
        },
    }
}

/// Says once which questions are new, for those who do not see the page.
fn announce(frame: &mut Frame, dashboard: &Dashboard, after: Seq) {
    let new = dashboard.log().rev().take_while(|record| record.seq > after);
    let asked = new.filter(|record| record.event.is(Category::Agent, actions::BLOCKED));
    let asked: Vec<_> = asked.filter_map(|record| record.event.text("question").map(|text| (record, text))).collect();
    let text = match asked.as_slice() {
        [] => return,
        [(record, text)] => {
            let agent_id = record.event.agent_id.as_deref().unwrap_or_default();
            let name = dashboard.agent(agent_id).map_or(agent_id, |agent| &*agent.name);
            format!("{} asks: {}", words::brief(name, 80), words::brief(text, LINE_CHARS))
        }
        several => words::count(several.len(), "new question"),
    };
    // An element of its own, so that the same words are news again.
    let id = format!("n-{}", dashboard.last_seq());
    frame.inner("#announcement".to_owned(), text_of(owned_html! { span(id = &id, data-ignore) : &text; }));
}

fn card_of(dashboard: &Dashboard, record: &QuestionRecord, clock: &Clock) -> String {
    card(dashboard, record, clock, Place::Dashboard)
}

/// The card of a question that waits or was just answered.
pub(super) fn card(dashboard: &Dashboard, record: &QuestionRecord, clock: &Clock, place: Place) -> String {
    if record.waits() {
        text_of(card::open(dashboard, record, clock, place))
    } else {
        text_of(settled::sent(dashboard, record, clock))
    }
}

/// An answer that its agent has not picked up yet, and what holds it up.
fn sent_row(dashboard: &Dashboard, record: &QuestionRecord, clock: &Clock) -> String {
    let id = format!("w-{}", words::question_hash(&record.question.key()));
    let trouble = card::trouble(dashboard, record);
    text_of(owned_html! {
        li(id = &id, class = "sent") {
            : about(dashboard, record, clock);
            p(class = "state", data-ignore) : settled::sent_note(record);
            @ if let Some(trouble) = &trouble { p(class = "trouble", data-ignore) : trouble; }
        }
    })
}

fn closed_row(dashboard: &Dashboard, record: &QuestionRecord, clock: &Clock) -> String {
    let id = format!("c-{}", words::question_hash(&record.question.key()));
    text_of(owned_html! {
        li(id = &id, class = "closed") {
            : about(dashboard, record, clock);
            p(class = "state", data-ignore) : settled::closed_note(record);
        }
    })
}

fn about<'a>(dashboard: &'a Dashboard, record: &'a QuestionRecord, clock: &'a Clock) -> impl Render + use<'a> {
    let at = record.answer.as_ref().map(|answer| answer.responded_at);
    owned_html! {
        : card::asker(dashboard, &record.question);
        @ if let Some(at) = at { : clock.ago(at); }
        p(class = "line", dir = "auto", data-ignore) : markdown::line(&record.question.question, LINE_CHARS);
    }
}
