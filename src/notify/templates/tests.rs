//! What goes over the wire, byte for byte.

use figment::{
    Figment,
    providers::{Format, Toml},
};
use proptest::prelude::*;
use remora_actors::model::{Limits, QuestionKey, QuestionRecord, Status, notice::Item};
use serde_json::json;

use super::*;

const LIFETIME: SignedDuration = SignedDuration::from_hours(24);

fn at() -> Timestamp {
    "2026-02-24T09:00:00Z".parse().expect("a time")
}

fn target(kind: &str, more: &str) -> Target {
    let toml = format!("name = 'phone'\nkind = '{kind}'\nurl = 'https://push.example/base/topic'\n{more}");
    Target::new(&Figment::from(Toml::string(&toml)).extract().expect("settings")).expect("a target")
}

fn record(msg_id: &str, fields: Value) -> QuestionRecord {
    let Value::Object(fields) = fields else { panic!("fields are an object") };
    let key = QuestionKey { msg_id: msg_id.to_owned(), workspace_id: "w".to_owned() };
    QuestionRecord::new(Question::from_fields(key, "lint-7", at(), &fields, &Limits::default()).expect("a question"))
}

fn notice(items: Vec<Item>) -> Notice {
    let mut notice = Notice::trial("phone", items[0].record.clone(), at());
    notice.agent_name = "Linter".to_owned();
    notice.items = items;
    notice
}

fn opened(fields: Value) -> Notice {
    notice(vec![Item { kind: NoticeKind::Opened, record: record("m1", fields) }])
}

fn sent(kind: &str, notice: &Notice) -> Value {
    let links = Links::new("https://remora.example", &[7; 32]);
    render(&target(kind, "links = true"), notice, Some(&links), LIFETIME).body
}

fn shown(kind: &str, notice: &Notice) -> String {
    // Which answer a link gives is tested where links are made; its text depends on the key alone.
    let mut body = sent(kind, notice);
    shorten(&mut body);
    serde_json::to_string_pretty(&body).expect("json")
}

fn shorten(value: &mut Value) {
    match value {
        Value::String(text) => {
            while let Some(start) = text.find("/a/ey") {
                let end = text[start..].find([')', ' ']).map_or(text.len(), |length| start + length);
                text.replace_range(start..end, "/a/LINK");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(shorten),
        Value::Object(fields) => fields.values_mut().for_each(shorten),
        _ => {}
    }
}

fn deploy() -> Notice {
    opened(json!({"question": "Deploy <!channel> *now*, @everyone?", "options": ["yes", "no"], "timeout": 300,
        "on_deadline": "deny", "urgency": "critical", "context": "Staging is green."}))
}

fn summary() -> Notice {
    let item = |n: usize| Item {
        kind: if n == 2 { NoticeKind::Expired } else { NoticeKind::Opened },
        record: record(&format!("m{n}"), json!({"question": format!("Question {n}?"), "urgency": "high"})),
    };
    notice((1..=12).map(item).collect())
}

fn expired() -> Notice {
    let mut record = record("m1", json!({"question": "Deploy?", "timeout": 60}));
    record.status = Status::Expired;
    record.closed_reason = Some("nobody answered before the deadline".to_owned());
    notice(vec![Item { kind: NoticeKind::Expired, record }])
}

#[test]
fn each_kind_of_target_is_sent_what_it_understands() {
    for kind in ["ntfy", "slack", "discord", "json"] {
        insta::assert_snapshot!(format!("{kind}-opened"), shown(kind, &deploy()));
        insta::assert_snapshot!(format!("{kind}-summary"), shown(kind, &summary()));
        insta::assert_snapshot!(format!("{kind}-expired"), shown(kind, &expired()));
    }
}

#[test]
fn ntfy_is_told_the_topic_in_the_body() {
    let post = render(&target("ntfy", ""), &deploy(), None, LIFETIME);
    assert_eq!(post.uri, "https://push.example/base/");
    assert_eq!(post.body["topic"], "topic");
    assert_eq!(post.body.get("actions"), None, "without a public address there are no links");
}

#[test]
fn only_what_a_tap_can_answer_has_buttons() {
    for (fields, answers) in [
        (json!({"question": "?", "options": ["a", "b", "c"]}), vec!["a", "b", "c"]),
        (json!({"question": "?", "options": ["a", "b", "c", "d"]}), vec![]),
        (json!({"question": "?", "options": ["a", "b"], "multiple": true}), vec![]),
        (json!({"question": "?", "options": ["a".repeat(101)]}), vec![]),
        (json!({"question": "?", "reason": "confirmation"}), vec!["approve", "reject"]),
        (json!({"question": "?"}), vec![]),
        (json!({"question": "?", "reason": "confirmation", "response_schema": {"type": "object"}}), vec![]),
    ] {
        let body = sent("json", &opened(fields.clone()));
        let found: Vec<_> = body["data"]["answers"].as_array().into_iter().flatten().collect();
        let found: Vec<_> = found.iter().map(|link| link["answer"].as_str().expect("a text")).collect();
        assert_eq!(found, answers, "{fields}");
    }
    assert_eq!(sent("json", &expired())["data"].get("answers"), None);
    let quiet = render(&target("slack", ""), &deploy(), Some(&Links::new("https://x", &[7; 32])), LIFETIME).body;
    assert!(!quiet.to_string().contains("/a/"), "a channel gets no links that answer, unless its settings say so");
}

#[test]
fn a_link_ends_with_the_question_and_after_a_while() {
    let expiry = |fields: Value| expiry(&record("m", fields).question, at(), LIFETIME);
    let later = |seconds| at() + SignedDuration::from_secs(seconds);
    assert_eq!(expiry(json!({"question": "?"})), at() + LIFETIME);
    assert_eq!(expiry(json!({"question": "?", "timeout": 60})), later(60));
    assert_eq!(expiry(json!({"question": "?", "timeout": 60, "on_deadline": "wait"})), at() + LIFETIME);
    assert_eq!(expiry(json!({"question": "?", "timeout": 900_000})), at() + LIFETIME);
}

#[test]
fn ntfys_limit_is_kept() {
    let long = "\u{1f980}".repeat(4_000);
    let options: Vec<_> = (0..3).map(|n| format!("{n}{}", "\u{e9}".repeat(49))).collect();
    let body = sent("ntfy", &opened(json!({"question": long, "options": options})));
    assert_eq!(body["actions"].as_array().map(Vec::len), Some(3));
    assert!(body["message"].as_str().is_some_and(|text| text.len() <= 4_096));
    assert!(body.to_string().len() <= 8_192, "{} bytes", body.to_string().len());
}

proptest! {
    /// Nothing that an agent writes means anything to the service it is shown by.
    #[test]
    fn no_text_becomes_markup(text in "[ -~\u{e9}\u{1f980}\n]{1,80}") {
        prop_assume!(!text.trim().is_empty());
        let notice = opened(json!({"question": text.clone()}));
        let slack = sent("slack", &notice);
        prop_assert!(slack["blocks"].as_array().expect("blocks").iter().all(|block| block["text"]["type"] != "mrkdwn"));
        prop_assert!(!slack["text"].as_str().expect("a text").contains('<'));
        let discord = sent("discord", &notice);
        prop_assert_eq!(&discord["allowed_mentions"], &json!({"parse": []}));
        let description = discord["embeds"][0]["description"].as_str().expect("a text");
        for (at, c) in description.char_indices().filter(|(_, c)| "*_~`|<[]()@#".contains(*c)) {
            let before = description[..at].bytes().rev().take_while(|b| *b == b'\\').count();
            prop_assert_eq!(before % 2, 1, "{} in {}", c, description);
        }
    }
}
