//! Each panel and page, empty, with what people would write, and with what attackers would.

use remora_actors::{
    model::{AgentQuery, AgentSort, Category, Dashboard, Event, Panel, Standing},
    view::{GraphFilter, GraphShown, Part, Subject, View},
};
use serde_json::{Value, json};

use super::{
    board::{self, BELIEVABLE, LINTER, Words},
    hostile::{HOSTILE, as_id},
};
use crate::{assets, html};

const ATTACK: Words<'static> = Words { say: &|_| HOSTILE.to_owned(), name: &|id| as_id(id, HOSTILE) };

/// One tag a line, carriage returns visible, and the fingerprints of the assets, which change with every change of the
/// styles, left out.
fn readable(html: &str) -> String {
    let mut html = html.replace("><", ">\n<").replace('\r', "␍");
    for name in ["remora.css", "remora.svg", "remora-waiting.svg", "datastar.js"] {
        html = html.replace(assets::url(name), name);
    }
    html
}

fn snapshot(name: &str, html: &str) {
    insta::assert_snapshot!(name, readable(html));
}

fn panels(kind: &str, dashboard: &Dashboard) {
    for panel in Panel::ALL {
        snapshot(&format!("{panel:?}-{kind}"), &html::panel_html(dashboard, panel, &board::clock()));
    }
}

fn document(dashboard: &Dashboard, view: &View) -> String {
    let html = html::render_at(dashboard, view, &board::clock()).expect("there is such a page");
    String::from_utf8(html.to_vec()).expect("text")
}

fn agent_page(words: &Words<'_>) -> String {
    let (dashboard, records) = board::fold(board::everything(words));
    let agent_id = (words.name)(LINTER);
    let events = records.into_iter().filter(|record| record.event.agent_id.as_ref() == Some(&agent_id)).collect();
    document(&dashboard, &View::Of { subject: Subject::Agent(agent_id), events, part: Part::Document })
}

#[test]
fn panels_without_anything() {
    panels("empty", &board::fold(vec![]).0);
}

#[test]
fn panels_with_everything() {
    panels("believable", &board::troubled(board::fold(board::everything(&BELIEVABLE)), &BELIEVABLE));
}

#[test]
fn panels_under_attack() {
    panels("hostile", &board::troubled(board::fold(board::everything(&ATTACK)), &ATTACK));
}

#[test]
fn the_page() {
    snapshot("page", &document(&board::fold(vec![]).0, &View::Page));
}

#[test]
fn an_agents_page() {
    snapshot("agent-page-believable", &agent_page(&BELIEVABLE));
    snapshot("agent-page-hostile", &agent_page(&ATTACK));
}

/// The undelivered notices, and the pages behind a signed link.
fn notices(kind: &str, words: &Words<'_>) {
    let (name, say) = (words.name, words.say);
    let part = json!({"kind": "opened", "msg_id": name("m"), "workspace_id": name("a")});
    let failed = |id: &str, target: &str, parts: Value| {
        let reason = say("answered 503: busy");
        let payload = json!({"notice": id, "target": say(target), "parts": parts, "tries": 8, "reason": reason});
        Event { category: Category::User, ..board::agent_event(&name("a"), "notice_failed", payload) }
    };
    let question = json!({"msg_id": name("m"), "question": say("Deploy now?"), "options": [say("yes")]});
    let (dashboard, _) = board::fold(vec![
        board::agent_event(&name("a"), "blocked", question),
        failed("5f0c", "team", json!([part, part])),
        failed("77aa", "phone", json!([part])),
    ]);
    let view = View::Of { subject: Subject::Notices, events: vec![], part: Part::Document };
    let page = document(&dashboard, &view);
    let main = page.find("<main").zip(page.find("</main>")).expect("a main part");
    snapshot(&format!("notices-{kind}"), &page[main.0..main.1]);
    let record = dashboard.inbox().iter().next().expect("a question");
    snapshot(&format!("link-{kind}"), &html::link_question(&record.question, &say("yes")));
    snapshot(&format!("link-answered-{kind}"), &html::link_answered(&record.question, &say("yes")));
    snapshot(&format!("link-refused-{kind}"), &html::link_refused(Some(&record.question), &say("ann answered first")));
}

#[test]
fn undelivered_notices_and_links() {
    notices("believable", &BELIEVABLE);
    notices("hostile", &ATTACK);
}

fn agents_page(words: &Words<'_>, query: AgentQuery) -> String {
    let (dashboard, _) = board::fold(board::everything(words));
    document(&dashboard, &View::Of { subject: Subject::Agents(query), events: Vec::new(), part: Part::Document })
}

#[test]
fn the_list_of_agents() {
    snapshot("agents-page-believable", &agents_page(&BELIEVABLE, AgentQuery::default()));
    let query = AgentQuery {
        standing: Some(Standing::Waiting),
        text: "n".to_owned(),
        graph: Some("nightly".to_owned()),
        sort: AgentSort::Waited,
        ..AgentQuery::default()
    };
    snapshot("agents-page-narrowed", &agents_page(&BELIEVABLE, query));
    let hostile = AgentQuery { graph: Some((ATTACK.name)("nightly")), ..AgentQuery::default() };
    snapshot("agents-page-hostile", &agents_page(&ATTACK, hostile));
}

#[test]
fn small_documents() {
    snapshot("login", &html::login("/", None));
    snapshot("login-again", &html::login("/agents/a?x=\"1", Some("This is no operator's token.")));
}

#[test]
fn the_graphs() {
    for (kind, words) in [("believable", &BELIEVABLE), ("hostile", &ATTACK)] {
        let (dashboard, _) = board::fold(board::everything(words));
        let of = |subject| View::Of { subject, events: vec![], part: Part::Document };
        let graph_id = (words.name)("nightly");
        let graph = Subject::Graph(GraphShown { graph_id, ..GraphShown::default() });
        snapshot(&format!("graph-{kind}"), &document(&dashboard, &of(graph)));
        snapshot(&format!("graphs-{kind}"), &document(&dashboard, &of(Subject::Graphs(GraphFilter::default()))));
    }
}
