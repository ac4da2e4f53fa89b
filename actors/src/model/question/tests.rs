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
        (json!({"question": "q", "options": [{"label": "x"}]}), "options"),
        (json!({"question": "q", "options": [{"value": "x", "effect": 5}]}), "options"),
        (json!({"question": "q", "options": [{"value": "x", "effects": "y"}]}), "options"),
        (json!({"question": "q", "options": ["x"], "effects": {"y": "z"}}), "effects"),
        (json!({"question": "q", "options": ["x"], "labels": ["y"]}), "labels"),
        (json!({"question": "q", "options": ["x"], "allow_other": "no"}), "allow_other"),
        (json!({"question": "q", "arguments": [1]}), "arguments"),
        (json!({"question": "q", "tool_name": 5}), "tool_name"),
        (json!({"question": "q", "tool_name": "x".repeat(257)}), "id_bytes"),
        (json!({"question": "q", "proposal": {}}), "proposal"),
        (json!({"question": "q", "reason": "confirmation", "on_deadline": "default", "default": "perhaps"}), "default"),
    ] {
        let error = question(fields).expect_err(name).to_string();
        assert!(error.contains(name), "{error} should name {name}");
    }
}

/// Each part refers to the next one, twice.
fn doubling(parts: usize) -> Value {
    let name = |part: usize| format!("part{part}");
    let twice = |part: usize| json!({"allOf": [{"$ref": format!("#/$defs/{}", name(part))}, {"$ref": format!("#/$defs/{}", name(part))}]});
    let mut defs: Map<_, _> = (0..parts).map(|part| (name(part), twice(part + 1))).collect();
    defs.insert(name(parts), json!({"type": "string"}));
    json!({"$defs": defs, "$ref": "#/$defs/part0"})
}

#[test]
fn a_schema_is_as_large_as_what_it_refers_to() {
    let ask = |schema: Value| {
        question(json!({"question": "q", "response_schema": schema, "on_deadline": "default", "default": "x"}))
    };
    ask(doubling(4)).expect("a small one");
    let named = json!({"properties": {"id": {"const": {"$id": "a", "$ref": "b"}}, "default": {"type": "string"}}});
    ask(named).expect("names and values are no references");
    let hidden = json!({"properties": {"default": {"$ref": "#/$defs/part0"}}, "$defs": doubling(40)["$defs"]});
    let moved = json!({"$defs": {"a": {"$id": "http://a.example/", "$defs": {}}}});
    let elsewhere = json!({"$ref": "http://127.0.0.1:1/schema.json"});
    for schema in
        [doubling(40), hidden, moved, elsewhere, json!({"$ref": "#"}), json!({"allOf": [{"$ref": "#anchor"}]})]
    {
        let error = ask(schema.clone()).expect_err("refused").to_string();
        assert!(error.contains("response_schema"), "{schema}: {error}");
    }
}

#[test]
fn a_question_is_an_event_and_no_larger() {
    let error = question(json!({"question": "q", "context": "x".repeat(256 << 10)})).expect_err("refused").to_string();
    assert!(error.contains("event_bytes"), "{error}");
    // A number takes more room as it is written again.
    question(json!({"question": "q", "context": vec![1e9; 100_000]})).expect_err("refused");
}

#[test]
fn only_what_was_asked_for_is_an_answer() {
    let limits = Limits::default();
    let text = question(json!({"question": "q"})).expect("valid");
    let one = question(json!({"question": "q", "options": ["yes", "no"], "allow_other": false})).expect("valid");
    let many = json!({"question": "q", "options": ["a", "b"], "multiple": true, "allow_other": false});
    let many = question(many).expect("valid");
    let open = question(json!({"question": "q", "options": ["yes", "no"]})).expect("valid");
    let open_many = question(json!({"question": "q", "options": ["a", "b"], "multiple": true})).expect("valid");
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
        (&open, json!("maybe"), true),
        (&open, json!(" "), false),
        (&open, json!(["yes"]), false),
        (&open_many, json!(["a", "something else"]), true),
        (&open_many, json!(["something else"]), true),
        (&open_many, json!(["a", " "]), false),
        (&open_many, json!(["a", 1]), false),
        (&open_many, json!("a"), false),
        (&form, json!({"n": 3}), true),
        (&form, json!({"n": "three"}), false),
    ] {
        assert_eq!(question.accept(answer.clone(), &limits).is_ok(), good, "{answer}");
    }
    let told = |answer: Value| form.accept(answer, &limits).expect_err("no answer").to_string();
    assert!(told(json!({"n": "three"})).ends_with("`n` is not of type \"integer\""), "{}", told(json!({"n": "three"})));
    assert!(told(json!("three")).ends_with(": is not of type \"object\""), "{}", told(json!("three")));
}

proptest! {
    #[test]
    fn no_fields_make_it_panic(name in "question|options|effects|timeout|expires_at|default|on_deadline|response_schema|created_at|arguments|proposal",
        value in any_json(), answer in any_json()) {
        let mut fields = json!({"question": "q"});
        fields[name] = value;
        if let Ok(question) = question(fields) {
            let _ = question.accept(answer, &Limits::default());
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
    let asked = question(json!({"question": "q", "options": [{"value": "x", "label": "X", "effect": "e"}], "context": {"k": 1}, "timeout": 5,
        "reason": "tool_call", "urgency": "high", "on_deadline": "deny", "allow_other": false, "tool_name": "t",
        "arguments": {"a": [1]}, "proposal": "p"}))
    .expect("valid");
    let event = asked.to_event(Timestamp::UNIX_EPOCH);
    assert_eq!(Question::from_event(&event, &Limits::default()), Ok(asked));
}

#[test]
fn options_are_texts_wherever_they_are_read() {
    let fields = json!({"question": "q", "options": ["a", {"value": "b", "label": "B", "effect": "does b"}],
        "effects": {"a": "does a"}});
    let question = question(fields).expect("valid");
    assert_eq!(question.options, ["a", "b"]);
    let record = serde_json::to_value(&question).expect("json");
    assert_eq!(record["options"], json!(["a", "b"]));
    assert_eq!(record["effects"], json!({"a": "does a", "b": "does b"}));
    assert_eq!(record["labels"], json!({"b": "B"}));
    assert_eq!(record["allow_other"], true);
}

#[test]
fn a_decision_reads_the_same_however_it_was_given() {
    let limits = Limits::default();
    let plain = question(json!({"question": "q", "reason": "confirmation"})).expect("valid");
    let call = json!({"question": "q", "tool_name": "rm", "arguments": {"path": "x", "force": false}});
    let call = question(call).expect("valid");
    assert_eq!(call.reason, Reason::ToolCall, "arguments speak for themselves");
    let text = question(json!({"question": "q", "reason": "confirmation", "proposal": "Dear all"})).expect("valid");
    let edited = json!({"path": "y", "force": false});
    for (question, answer, read) in [
        (&plain, json!("approve"), Some(json!({"decision": "approve"}))),
        (&plain, json!("deny"), Some(json!({"decision": "reject"}))),
        (&plain, json!({"decision": "reject", "reason": "no"}), Some(json!({"decision": "reject", "reason": "no"}))),
        (&plain, json!({"decision": "reject", "reason": " "}), Some(json!({"decision": "reject"}))),
        (&plain, json!({"decision": "edit", "arguments": {}}), None),
        (&plain, json!({"decision": "edit"}), None),
        (&plain, json!("yes"), None),
        (&plain, json!(5), None),
        (&plain, json!({"decision": "approve", "else": 1}), None),
        (
            &call,
            json!({"decision": "edit", "arguments": edited}),
            Some(json!({"decision": "edit", "arguments": edited})),
        ),
        (
            &call,
            json!({"decision": "approve", "arguments": edited}),
            Some(json!({"decision": "edit", "arguments": edited})),
        ),
        (&call, json!({"decision": "edit", "arguments": call.arguments}), Some(json!({"decision": "approve"}))),
        (&call, json!({"decision": "reject", "arguments": edited}), Some(json!({"decision": "reject"}))),
        (&call, json!({"decision": "edit"}), None),
        (&text, json!({"decision": "edit", "proposal": "Dear"}), Some(json!({"decision": "edit", "proposal": "Dear"}))),
        (&text, json!({"decision": "approve", "proposal": "Dear all"}), Some(json!({"decision": "approve"}))),
    ] {
        let accepted = question.accept(answer.clone(), &limits).ok();
        assert_eq!(accepted, read, "{answer}");
        if let Some(accepted) = accepted {
            assert_eq!(question.accept(accepted.clone(), &limits), Ok(accepted), "read once more it is the same");
        }
    }
}

#[test]
fn a_denial_is_a_rejection_where_a_decision_was_asked_for() {
    let denial = |fields: Value| question(fields).expect("valid").denial();
    assert_eq!(denial(json!({"question": "q"})), "deny");
    assert_eq!(denial(json!({"question": "q", "reason": "tool_call", "options": ["yes"]})), "deny");
    assert_eq!(denial(json!({"question": "q", "reason": "tool_call"}))["decision"], "reject");
}
