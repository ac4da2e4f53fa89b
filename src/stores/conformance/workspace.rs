//! The contract of a [`Workspace`].

use std::{collections::BTreeMap, time::Duration};

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use remora_actors::ports::{Listed, Workspace};
use serde_json::{Value, json};

/// Longer than any store needs: a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(30);
/// Sequences of operations that are compared with the model.
const SEQUENCES: u32 = 30;

/// Runs every test of the contract.
pub(crate) async fn keeps_the_contract<W: Workspace, K>(new: impl AsyncFn() -> (W, K)) {
    keeps_values(&new().await.0).await;
    compares_as_json(&new().await.0).await;
    lists_prefixes_literally(&new().await.0).await;
    pages_go_on_behind_a_key(&new().await.0).await;
    the_first_claim_wins(&new().await.0).await;
    writes_once(&new().await.0).await;
    tells_of_changes(&new().await.0).await;
    behaves_like_a_map(&new).await;
}

async fn keeps_values(workspace: &impl Workspace) {
    assert_eq!(workspace.get("k").await, Ok(None));
    assert_eq!(workspace.list("").await, Ok(vec![]));
    assert_eq!(workspace.delete("k").await, Ok(false));
    let text = "quote ' \" \\ \u{0} \u{1f41f} <script>";
    for value in
        [json!(null), json!(false), json!(-1.5), json!(text), json!([1, [2]]), json!({"b": 1, "a": {"": null}})]
    {
        workspace.set(text, &value).await.expect("set");
        assert_eq!(workspace.get(text).await, Ok(Some(value)));
    }
    assert_eq!(workspace.delete(text).await, Ok(true));
    assert_eq!(workspace.get(text).await, Ok(None));
}

async fn compares_as_json(workspace: &impl Workspace) {
    let written: Value = serde_json::from_str(r#"{"b": [1, 2],   "a": "\u0041"}"#).expect("json");
    let same: Value = serde_json::from_str(r#"{"a":"A","b":[1,2]}"#).expect("json");
    let claim = async |expected: Option<&Value>, value: &Value| workspace.compare_and_set("k", expected, value).await;
    assert_eq!(claim(Some(&written), &same).await, Ok(false), "there is nothing yet");
    assert_eq!(claim(None, &written).await, Ok(true));
    assert_eq!(claim(None, &json!(1)).await, Ok(false), "there is something");
    assert_eq!(claim(Some(&json!({"a": "A"})), &json!(1)).await, Ok(false));
    assert_eq!(workspace.get("k").await, Ok(Some(written)), "left alone");
    assert_eq!(claim(Some(&same), &json!(null)).await, Ok(true), "the order of fields is no difference");
    assert_eq!(claim(None, &json!(1)).await, Ok(false), "null is something");
    assert_eq!(claim(Some(&json!(null)), &json!(1)).await, Ok(true));
}

async fn writes_once(workspace: &impl Workspace) {
    assert_eq!(workspace.set_once("k", &json!(1), "receipt").await, Ok(true));
    assert_eq!(workspace.set_once("k", &json!(2), "receipt").await, Ok(false));
    assert_eq!(workspace.get("k").await, Ok(Some(json!(1))), "left alone");
    assert_eq!(workspace.delete("k").await, Ok(true));
    assert_eq!(workspace.set_once("k", &json!(3), "receipt").await, Ok(false), "it was taken, not lost");
    assert_eq!(workspace.delete("receipt").await, Ok(true));
    assert_eq!(workspace.set_once("k", &json!(4), "receipt").await, Ok(true));
    assert_eq!(workspace.get("k").await, Ok(Some(json!(4))));
}

async fn lists_prefixes_literally(workspace: &impl Workspace) {
    for key in ["a_b:2", "a_b:1", "axb:3", "a%b", "A_b:4", "a_b", "a_c", "b", "é1", "a_b:\u{10ffff}"] {
        workspace.set(key, &json!(key)).await.expect("set");
    }
    for (prefix, expected) in [
        ("a_b:", vec!["a_b:1", "a_b:2", "a_b:\u{10ffff}"]),
        ("a%", vec!["a%b"]),
        ("é", vec!["é1"]),
        ("c", vec![]),
        ("", vec!["A_b:4", "a%b", "a_b", "a_b:1", "a_b:2", "a_b:\u{10ffff}", "a_c", "axb:3", "b", "é1"]),
    ] {
        let listed = workspace.list(prefix).await.expect("list");
        assert!(listed.iter().all(|(key, value)| value == key), "{listed:?}");
        assert_eq!(listed.into_iter().map(|(key, _)| key).collect::<Vec<_>>(), expected, "{prefix}");
    }
}

async fn pages_go_on_behind_a_key(workspace: &impl Workspace) {
    let keys = ["p:1", "p:10", "p:2", "q"];
    for key in keys {
        workspace.set(key, &json!(key)).await.expect("set");
    }
    for (prefix, after, expected) in [
        ("p:", None, &keys[..3]),
        ("p:", Some("p:1"), &keys[1..3]),
        ("p:", Some("a"), &keys[..3]),
        ("p:", Some("p:2"), &[]),
        ("", Some("p:10"), &keys[2..]),
    ] {
        let Listed { entries, next } = workspace.page(prefix, after).await.expect("page");
        assert_eq!(entries.into_iter().map(|(key, _)| key).collect::<Vec<_>>(), expected, "{prefix} {after:?}");
        assert_eq!(next, None);
    }
}

async fn the_first_claim_wins(workspace: &impl Workspace) {
    let claim = async |who: &str| {
        let mut won = workspace.compare_and_set("k", None, &json!(who)).await;
        while won.is_err() {
            won = workspace.compare_and_set("k", None, &json!(who)).await;
        }
        won == Ok(true)
    };
    let won = tokio::join!(claim("a"), claim("b"), claim("c"), claim("d"));
    let winners: Vec<&str> = [("a", won.0), ("b", won.1), ("c", won.2), ("d", won.3)]
        .into_iter()
        .filter_map(|(who, won)| won.then_some(who))
        .collect();
    assert_eq!(winners.len(), 1, "{winners:?}");
    assert_eq!(workspace.get("k").await, Ok(Some(json!(winners[0]))));
}

/// Waits until `condition` holds, looking again only when the workspace says that it changed.
pub(crate) async fn changes_until<W: Workspace>(workspace: &W, what: &str, condition: impl AsyncFn(&W) -> bool) {
    let wait = async {
        loop {
            workspace.changed().await;
            if condition(workspace).await {
                return;
            }
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "never saw: {what}");
}

async fn tells_of_changes(workspace: &impl Workspace) {
    tokio::time::timeout(PATIENCE, workspace.changed()).await.expect("the first call returns at once");
    for n in 0..5 {
        let seen = changes_until(workspace, "the value", async |w| w.get("k").await == Ok(Some(json!(n))));
        let write = async { workspace.set("k", &json!(n)).await.expect("set") };
        tokio::join!(seen, write);
    }
    workspace.delete("k").await.expect("delete");
    changes_until(workspace, "the removal", async |w| w.get("k").await == Ok(None)).await;
    let write = async { workspace.set("k", &json!("both")).await.expect("set") };
    let both = async { tokio::join!(workspace.changed(), workspace.changed(), write) };
    assert!(tokio::time::timeout(PATIENCE, both).await.is_ok(), "two waiters of one handle both wake");
}

#[derive(Debug, Clone)]
enum Operation {
    Set(String, Value),
    CompareAndSet(String, Option<Value>, Value),
    Delete(String),
    List(String),
}

fn operation() -> impl Strategy<Value = Operation> {
    let key = || prop::sample::select(vec!["a", "a_", "a%", "ab", "b"]).prop_map(str::to_owned);
    let value = || prop_oneof![Just(json!(null)), Just(json!(1)), Just(json!({"x": [1], "y": 2}))];
    prop_oneof![
        (key(), value()).prop_map(|(key, value)| Operation::Set(key, value)),
        (key(), prop::option::of(value()), value()).prop_map(|(key, old, new)| Operation::CompareAndSet(key, old, new)),
        key().prop_map(Operation::Delete),
        "[ab_%]{0,2}".prop_map(Operation::List),
    ]
}

/// Random operations do to a workspace what they do to a map.
async fn behaves_like_a_map<W: Workspace, K>(new: &impl AsyncFn() -> (W, K)) {
    let mut runner = TestRunner::new(Config::default());
    for _ in 0..SEQUENCES {
        let operations = prop::collection::vec(operation(), 1..30).new_tree(&mut runner).expect("a sequence").current();
        let (workspace, _keep) = new().await;
        let mut model = BTreeMap::new();
        for operation in &operations {
            apply(&workspace, &mut model, operation).await;
        }
        assert_eq!(workspace.list("").await, Ok(model.into_iter().collect()), "{operations:?}");
    }
}

async fn apply(workspace: &impl Workspace, model: &mut BTreeMap<String, Value>, operation: &Operation) {
    match operation {
        Operation::Set(key, value) => {
            workspace.set(key, value).await.expect("set");
            model.insert(key.clone(), value.clone());
        }
        Operation::CompareAndSet(key, expected, value) => {
            let done = model.get(key) == expected.as_ref();
            assert_eq!(workspace.compare_and_set(key, expected.as_ref(), value).await, Ok(done), "{operation:?}");
            if done {
                model.insert(key.clone(), value.clone());
            }
        }
        Operation::Delete(key) => {
            assert_eq!(workspace.delete(key).await, Ok(model.remove(key).is_some()), "{operation:?}");
        }
        Operation::List(prefix) => {
            let expected = model.iter().filter(|(key, _)| key.starts_with(prefix.as_str()));
            let expected = expected.map(|(key, value)| (key.clone(), value.clone())).collect();
            assert_eq!(workspace.list(prefix).await, Ok(expected), "{operation:?}");
        }
    }
}
