//! What a person types after `remora answer`: words, whose meaning depends on what was asked.

use jiff::tz::TimeZone;
use remora_actors::model::{Field, FieldError, Form, Input, Kind, Question};
use serde_json::{Map, Value, json};

use super::error::Error;

/// The answer that the words stand for.
///
/// # Errors
/// [`Error::Usage`] says how this question is answered.
pub(super) fn read(words: &[String], question: &Question) -> Result<Value, Error> {
    match question.kind() {
        Kind::Choice if question.multiple => Ok(json!(words)),
        Kind::Text | Kind::Choice => only(words).map(Value::from),
        Kind::Decision => decision(words, question),
        Kind::Form(form) if form.is_bare => fields(&form, &[(String::new(), only(words)?)]),
        Kind::Form(form) if !words.iter().any(|word| word.starts_with('{')) => fields(&form, &pairs(words, &form)?),
        Kind::Form(_) | Kind::Json => {
            let text = only(words)?;
            serde_json::from_str(&text).map_err(|error| usage(format!("this question is answered with json: {error}")))
        }
    }
}

fn usage(text: impl Into<String>) -> Error {
    Error::Usage(text.into())
}

fn only(words: &[String]) -> Result<String, Error> {
    match words {
        [word] => Ok(word.clone()),
        _ => Err(usage("this question takes one answer; put a text with spaces in quotes")),
    }
}

/// `approve`, `reject "too early"`, `approve path=src`, `approve proposal="Dear Al"`, or JSON.
fn decision(words: &[String], question: &Question) -> Result<Value, Error> {
    let Some((verdict, rest)) = words.split_first() else { return Err(usage("approve or reject")) };
    if verdict.trim_start().starts_with('{') && rest.is_empty() {
        return serde_json::from_str(verdict).map_err(|error| usage(format!("not valid json: {error}")));
    }
    let mut answer = json!({ "decision": verdict });
    let arguments = question.arguments.clone().unwrap_or_default();
    let form = Form::of_values(&arguments);
    let is_edit = |word: &&String| pair(word).is_some_and(|(name, _)| arguments.contains_key(name));
    let (edits, rest): (Vec<_>, Vec<_>) = rest.iter().partition(is_edit);
    let proposes =
        |word: &&String| question.proposal.is_some() && pair(word).is_some_and(|(name, _)| name == "proposal");
    let (proposals, reasons): (Vec<_>, Vec<_>) = rest.into_iter().partition(proposes);
    if let Some((_, proposal)) = proposals.last().and_then(|word| pair(word)) {
        answer["proposal"] = proposal.into();
    }
    match reasons.as_slice() {
        [] => {}
        // Whoever mistypes a name must not approve what was to be changed.
        [word] if answer["decision"] != "reject" && names(word) => {
            let known: Vec<_> = arguments.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(usage(format!(
                "{word:?} changes nothing: the arguments are {known}; a reason has spaces or no `=`"
            )));
        }
        [reason] => answer["reason"] = Value::from(reason.as_str()),
        _ => return Err(usage("put the reason in quotes; arguments are changed with NAME=VALUE")),
    }
    if !edits.is_empty() {
        let edits: Vec<_> =
            edits.iter().filter_map(|word| pair(word)).map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        let changed = Form {
            fields: form.fields.into_iter().filter(|f| edits.iter().any(|(n, _)| *n == f.name)).collect(),
            ..form
        };
        let Value::Object(changed) = fields(&changed, &edits)? else { unreachable!("a form of several values") };
        let whole: Map<_, _> = arguments.into_iter().chain(changed).collect();
        answer["arguments"] = whole.into();
    }
    Ok(answer)
}

fn pair(word: &str) -> Option<(&str, &str)> {
    word.split_once('=')
}

/// Whether a word looks as if it were to change something.
fn names(word: &str) -> bool {
    pair(word).is_some_and(|(name, _)| !name.contains(char::is_whitespace))
}

fn pairs(words: &[String], form: &Form) -> Result<Vec<(String, String)>, Error> {
    let names = || form.fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ");
    words
        .iter()
        .map(|word| {
            let known = pair(word).filter(|(name, _)| form.fields.iter().any(|field| field.name == *name));
            let (name, value) =
                known.ok_or_else(|| usage(format!("{word:?} is not NAME=VALUE of one of {}", names())))?;
            Ok((name.to_owned(), value.to_owned()))
        })
        .collect()
}

/// Typed fields; what was not typed is as it would stand in the form.
fn fields(form: &Form, typed: &[(String, String)]) -> Result<Value, Error> {
    let is_truth = |name: &str| form.fields.iter().any(|field| field.name == name && field.input.is_truth());
    if let Some((name, value)) = typed.iter().find(|(n, v)| is_truth(n) && !["true", "false"].contains(&v.as_str())) {
        return Err(usage(format!("{name} must be true or false, not {value:?}")));
    }
    let zone = TimeZone::system();
    let initial: Vec<_> = form
        .fields
        .iter()
        .map(|field| field.initial.as_ref().map(|initial| field.write(initial, &zone)).unwrap_or_default())
        .collect();
    let texts = |place: usize| {
        let Field { name, input, .. } = &form.fields[place];
        // A form that is not ticked sends nothing.
        let is_no = |value: &str| *input == Input::Truth && value == "false";
        let given = typed.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str());
        let given: Vec<_> = given.map(|value| if is_no(value) { "" } else { value }).collect();
        if given.is_empty() { initial[place].iter().map(String::as_str).collect() } else { given }
    };
    let (value, errors) = form.read(texts, &zone);
    if errors.is_empty() { Ok(value) } else { Err(usage(told(&errors))) }
}

fn told(errors: &[FieldError]) -> String {
    let one = |error: &FieldError| format!("{} {}", error.field.as_deref().unwrap_or("the answer"), error.problem);
    errors.iter().map(one).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use remora_actors::model::{Limits, QuestionKey};

    use super::*;

    #[test]
    fn words_have_the_shape_the_question_wants() {
        let ask = |mut fields: Value| {
            fields["question"] = "?".into();
            let key = QuestionKey { msg_id: "m".to_owned(), workspace_id: "w".to_owned() };
            let fields = fields.as_object().expect("an object");
            Question::from_fields(key, "a", Timestamp::UNIX_EPOCH, fields, &Limits::default()).expect("valid")
        };
        let text = ask(json!({}));
        let many = ask(json!({"options": ["a", "b"], "multiple": true}));
        let call = ask(json!({"tool_name": "rm", "arguments": {"path": "x", "depth": 1}}));
        let mail = ask(json!({"reason": "confirmation", "proposal": "Dear All"}));
        let form = ask(json!({"response_schema": {"type": "object", "properties": {"n": {"type": "integer"},
            "days": {"type": "array", "items": {"enum": ["mo", "tu"]}}, "on": {"type": "boolean", "default": true}}}}));
        let bare = ask(json!({"response_schema": {"type": "integer"}}));
        let json = ask(json!({"response_schema": {"type": "object"}}));
        for (question, words, answer) in [
            (&text, &["yes"][..], Some(json!("yes"))),
            (&text, &["not", "quoted"], None),
            (&many, &["a"], Some(json!(["a"]))),
            (&many, &["a", "c"], Some(json!(["a", "c"]))),
            (&call, &["approve"], Some(json!({"decision": "approve"}))),
            (&call, &["reject", "a=b"], Some(json!({"decision": "reject", "reason": "a=b"}))),
            (&call, &["reject", "not", "quoted"], None),
            (
                &call,
                &["approve", "depth=2"],
                Some(json!({"decision": "approve", "arguments": {"path": "x", "depth": 2}})),
            ),
            (&call, &["approve", "depth=deep"], None),
            (&call, &["approve", "pth=x"], None),
            (&call, &["approve", "depth=2", "pth=x"], None),
            (&call, &["approve", "as long as x=y"], Some(json!({"decision": "approve", "reason": "as long as x=y"}))),
            (&mail, &["approve", "proposal=Dear Al"], Some(json!({"decision": "approve", "proposal": "Dear Al"}))),
            (&mail, &["approve", "propsal=Dear Al"], None),
            (&call, &[r#"{"decision":"reject"}"#], Some(json!({"decision": "reject"}))),
            (&form, &["n=3", "days=mo", "days=tu"], Some(json!({"n": 3, "days": ["mo", "tu"], "on": true}))),
            (&form, &["n=3", "on=false"], Some(json!({"n": 3, "on": false}))),
            (&form, &["n=3", "on=no"], None),
            (&form, &["n=3.5"], None),
            (&form, &["x=3"], None),
            (&form, &[r#"{"n":3}"#], Some(json!({"n": 3}))),
            (&bare, &["3"], Some(json!(3))),
            (&json, &[r#"{"k":[]}"#], Some(json!({"k": []}))),
            (&json, &["{"], None),
        ] {
            let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(read(&words, question).ok(), answer, "{words:?}");
        }
    }
}
