use proptest::prelude::*;
use serde_json::json;

use super::*;

fn question(fields: Value) -> Result<Question, Invalid> {
    let Value::Object(fields) = fields else { panic!("an object") };
    let key = QuestionKey { msg_id: "m".to_owned(), workspace_id: "w".to_owned() };
    Question::from_fields(key, "a", Timestamp::UNIX_EPOCH, &fields, &Limits::default())
}

#[test]
fn the_python_outbox_entry_is_read() {
    let q = question(json!({"question": "Which?", "options": null, "status": "pending",
        "created_at": "2026-02-24T09:37:15.123456", "timeout": 300}))
    .expect("valid");
    assert_eq!(q.created_at, Timestamp::UNIX_EPOCH, "a time without a zone does not count");
    assert_eq!(q.expires_at.map(Timestamp::as_second), Some(300));
}

#[test]
fn wrong_fields_are_named() {
    for (fields, name) in [
        (json!({}), "question"),
        (json!({"question": " "}), "question"),
        (json!({"question": "x".repeat(17 << 10)}), "question_bytes"),
        (json!({"question": "q", "options": "yes"}), "options"),
        (json!({"question": "q", "options": vec!["x"; 101]}), "options"),
        (json!({"question": "q", "multiple": true}), "multiple"),
        (json!({"question": "q", "urgency": "now"}), "urgency"),
        (json!({"question": "q", "timeout": -1}), "timeout"),
        (json!({"question": "q", "timeout": 1e300}), "timeout"),
        (json!({"question": "q", "on_deadline": "default"}), "default"),
        (json!({"question": "q", "response_schema": {"type": 5}}), "response_schema"),
    ] {
        let error = question(fields).expect_err(name).to_string();
        assert!(error.contains(name), "{error} should name {name}");
    }
}

#[test]
fn only_what_was_asked_for_is_an_answer() {
    let limits = Limits::default();
    let text = question(json!({"question": "q"})).expect("valid");
    let one = question(json!({"question": "q", "options": ["yes", "no"]})).expect("valid");
    let many = question(json!({"question": "q", "options": ["a", "b"], "multiple": true})).expect("valid");
    let form = question(json!({"question": "q", "response_schema":
        {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}}))
    .expect("valid");
    let both = question(json!({"question": "q", "options": ["yes"], "response_schema": {"type": "object"}}));
    let both = both.expect("valid");
    for (question, answer, good) in [
        (&both, json!("yes"), true),
        (&both, json!({"n": 3}), true),
        (&both, json!("no"), false),
        (&text, json!("anything"), true),
        (&text, json!(" "), false),
        (&text, json!(5), false),
        (&text, json!("x".repeat(65 << 10)), false),
        (&one, json!("yes"), true),
        (&one, json!("maybe"), false),
        (&one, json!(["yes"]), false),
        (&many, json!(["a", "b"]), true),
        (&many, json!([]), false),
        (&many, json!(["c"]), false),
        (&many, json!("a"), false),
        (&form, json!({"n": 3}), true),
        (&form, json!({"n": "three"}), false),
    ] {
        assert_eq!(question.check(&answer, &limits).is_ok(), good, "{answer}");
    }
}

proptest! {
    #[test]
    fn no_fields_make_it_panic(name in "question|options|timeout|expires_at|default|on_deadline|response_schema|created_at",
        value in any_json(), answer in any_json()) {
        let mut fields = json!({"question": "q"});
        fields[name] = value;
        if let Ok(question) = question(fields) {
            let _ = question.check(&answer, &Limits::default());
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "deny|wait|default|object|string|type|enum|required|\\$ref".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let keys = "type|properties|enum|pattern|required|items|[a-z]{1,4}";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(keys, inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

#[test]
fn an_event_carries_the_whole_question() {
    let asked = question(json!({"question": "q", "options": ["x"], "context": {"k": 1}, "timeout": 5,
        "reason": "tool_call", "urgency": "high", "on_deadline": "deny"}))
    .expect("valid");
    let event = asked.to_event(Timestamp::UNIX_EPOCH);
    assert_eq!(Question::from_event(&event, &Limits::default()), Ok(asked));
}
