//! One answer as a row of a table (RFC 4180), safe to be opened by a spreadsheet.

use jiff::Timestamp;
use remora_actors::model::QuestionRecord;
use serde_json::Value;

const COLUMNS: [&str; 14] = [
    "answered_at",
    "agent_id",
    "workspace_id",
    "msg_id",
    "question",
    "answer",
    "answered_by",
    "door",
    "asked_at",
    "waited_s",
    "written_at",
    "delivered_at",
    "status",
    "closed_reason",
];

/// The first row.
pub(crate) fn heading() -> Vec<u8> {
    written(&COLUMNS.map(str::to_owned))
}

/// The row of an answer.
pub(crate) fn row(record: &QuestionRecord) -> Vec<u8> {
    let Some(answer) = &record.answer else { return Vec::new() };
    let question = &record.question;
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    let text = match &answer.answer {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let waited = answer.responded_at.duration_since(question.created_at);
    written(&[
        answer.responded_at.to_string(),
        harmless(&question.agent_id),
        harmless(&question.workspace_id),
        harmless(&question.msg_id),
        harmless(&question.question),
        harmless(&text),
        harmless(&answer.answered_by.who),
        answer.answered_by.door.as_str().to_owned(),
        question.created_at.to_string(),
        format!("{:.3}", waited.as_secs_f64().max(0.0)),
        time(record.written_at),
        time(record.delivered_at),
        record.status.as_str().to_owned(),
        harmless(record.closed_reason.as_deref().unwrap_or_default()),
    ])
}

/// A spreadsheet takes a cell that begins with one of these for a formula: an apostrophe makes it a text.
fn harmless(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{text}") } else { text.to_owned() }
}

fn written(cells: &[String; COLUMNS.len()]) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(cells).and_then(|()| writer.flush().map_err(Into::into)).expect("memory takes any text");
    writer.into_inner().expect("flushed")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn record(text: &str) -> QuestionRecord {
        let record = json!({"msg_id": "m", "agent_id": text, "workspace_id": "w", "question": text, "status": "delivered",
            "created_at": "2026-01-01T00:00:00Z", "answer": text, "responded_at": "2026-01-01T00:01:30.5Z",
            "answered_by": {"who": text, "door": "browser"}});
        serde_json::from_value(record).expect("a record")
    }

    fn cells(row: &[u8]) -> Vec<Vec<String>> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(row);
        reader.records().map(|row| row.expect("a row").iter().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn a_formula_is_a_text() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx"] {
            assert_eq!(cells(&row(&record(text)))[0][4], format!("'{text}"));
        }
        let row = &cells(&row(&record("yes")))[0];
        assert_eq!((row[5].as_str(), row[7].as_str(), row[9].as_str()), ("yes", "browser", "90.500"));
    }

    proptest! {
        #[test]
        fn any_text_stays_in_its_cell(text in "(?s).{1,40}") {
            let rows = cells(&[heading(), row(&record(&text))].concat());
            prop_assert_eq!(rows.len(), 2);
            prop_assert_eq!(rows[1].len(), COLUMNS.len());
            prop_assert_eq!(&rows[1][4], &harmless(&text));
        }
    }
}
