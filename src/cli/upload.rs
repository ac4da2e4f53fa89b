//! Sends a log to the daemon batch by batch and keeps the count.

use std::{io::Read, process::ExitCode, thread};

use indicatif::ProgressBar;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::{
    batches::{Batches, Line},
    client::{Client, PATIENCE},
    error::{Error, Problem},
    terminal::{self, Output},
};

/// Refused lines that a report lists; it counts them all.
const LISTED: usize = 1_000;

/// What became of the lines.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    accepted: u64,
    duplicates: u64,
    refused: u64,
    last_seq: u64,
    /// The first of the refused lines.
    pub(crate) errors: Vec<Refusal>,
}

/// A line that was not taken, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    line: u64,
    pub(crate) detail: String,
}

/// The daemon's reply to a batch; of a batch with bad lines it stands in the problem document.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Reply {
    accepted: u64,
    duplicates: u64,
    last_seq: u64,
    refused: u64,
    /// The first of the refused lines.
    errors: Vec<Refusal>,
}

/// Reads a log to its end, has each line prepared (see [`Batches::new`]), and sends it. Lines that are refused are
/// told at once, except where the report is for a program.
pub(crate) async fn send_log(
    client: &Client,
    log: impl Read + Send + 'static,
    prepare: impl FnMut(&str, &[u8]) -> Vec<u8> + Send + 'static,
    bar: &ProgressBar,
    json: bool,
) -> Result<ExitCode, Error> {
    let mut report = Report::default();
    let outcome = send_batches(client, log, prepare, bar, json, &mut report).await;
    bar.finish_and_clear();
    let Report { accepted, duplicates, refused, .. } = report;
    let out = Output::new();
    if json {
        out.json(&serde_json::json!(report).to_string())?;
    } else {
        out.line(&format!("{accepted} accepted, {duplicates} duplicates, {refused} refused"))?;
    }
    outcome.map(|()| if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn send_batches(
    client: &Client,
    log: impl Read + Send + 'static,
    prepare: impl FnMut(&str, &[u8]) -> Vec<u8> + Send + 'static,
    bar: &ProgressBar,
    json: bool,
    report: &mut Report,
) -> Result<(), Error> {
    let (sender, mut batches) = mpsc::channel(1);
    // A thread of its own: a read from a terminal or a pipe may never return, and must not keep the program alive.
    thread::spawn(move || {
        for batch in Batches::new(log, prepare) {
            if sender.blocking_send(batch).is_err() {
                return;
            }
        }
    });
    while let Some(batch) = batches.recv().await {
        let batch = batch.map_err(|source| Error::io("the input cannot be read", source))?;
        let known = (report.errors.len(), report.refused);
        for number in batch.too_long {
            report.refuse(number, "the line is too long to be sent".to_owned());
        }
        send(client, &batch.lines, report).await?;
        if !json {
            bar.suspend(|| tell_refused(report, known));
        }
        bar.inc(batch.bytes);
        bar.set_message(format!("{} events", report.accepted + report.duplicates));
    }
    Ok(())
}

/// Names the lines refused since there were so many listed and so many in all.
fn tell_refused(report: &Report, (listed, refused): (usize, u64)) {
    let new = &report.errors[listed..];
    new.iter().for_each(|refusal| terminal::note(&format!("line {}: {}", refusal.line, refusal.detail)));
    let unnamed = report.refused - refused - new.len() as u64;
    if unnamed > 0 {
        terminal::note(&format!("{unnamed} more lines were refused"));
    }
}

/// Sends lines that carry an id each, so that a batch may arrive twice. A batch that is refused as a whole is
/// halved until it fits or a single line is to blame.
pub(crate) async fn send(client: &Client, lines: &[Line], report: &mut Report) -> Result<(), Error> {
    let mut pending = vec![lines];
    while let Some(lines) = pending.pop() {
        let Some(first) = lines.first() else { continue };
        let body = lines.iter().flat_map(|line| [line.text.as_slice(), b"\n"]).flatten().copied().collect();
        let call = client.call(Method::POST, &["events"])?.lines(body);
        let problem = match client.json_patiently::<Reply>(&call, Some(PATIENCE)).await {
            Ok(reply) => {
                report.add(reply, lines);
                continue;
            }
            Err(Error::Refused(problem)) if matches!(problem.status, 400 | 413 | 422) => problem,
            Err(error) => return Err(error),
        };
        match bad_lines(&problem) {
            Some(reply) => report.add(reply, lines),
            None if lines.len() == 1 => report.refuse(first.number, problem.detail.clone()),
            None => {
                let (left, right) = lines.split_at(lines.len() / 2);
                pending.extend([right, left]);
            }
        }
    }
    Ok(())
}

fn bad_lines(problem: &Problem) -> Option<Reply> {
    problem.extra.get("errors")?;
    serde_json::from_value(problem.extra.clone().into()).ok()
}

impl Report {
    fn add(&mut self, reply: Reply, lines: &[Line]) {
        self.accepted += reply.accepted;
        self.duplicates += reply.duplicates;
        self.last_seq = self.last_seq.max(reply.last_seq);
        self.refused += reply.refused.saturating_sub(reply.errors.len() as u64);
        for Refusal { line, detail } in reply.errors {
            // The daemon counts the lines of the request.
            let index = usize::try_from(line).unwrap_or(0).checked_sub(1);
            let number = index.and_then(|index| lines.get(index)).map_or(line, |line| line.number);
            self.refuse(number, detail);
        }
    }

    fn refuse(&mut self, line: u64, detail: String) {
        self.refused += 1;
        if self.errors.len() < LISTED {
            self.errors.push(Refusal { line, detail });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(numbers: &[u64]) -> Vec<Line> {
        numbers.iter().map(|number| Line { number: *number, text: Vec::new() }).collect()
    }

    #[test]
    fn bad_lines_are_told_by_their_numbers_in_the_log() {
        let problem = r#"{"status":422,"title":"bad lines","accepted":2,"duplicates":1,"last_seq":9,
            "refused":5,"errors":[{"line":2,"detail":"not json"},{"line":4,"detail":"no category"}]}"#;
        let reply = bad_lines(&Problem::read(problem.as_bytes()).expect("valid")).expect("valid");
        let mut report = Report::default();
        report.add(reply, &lines(&[11, 13, 17, 19]));
        let told: Vec<_> = report.errors.iter().map(|refusal| (refusal.line, refusal.detail.as_str())).collect();
        assert_eq!(told, [(13, "not json"), (19, "no category")]);
        assert_eq!((report.accepted, report.duplicates, report.refused, report.last_seq), (2, 1, 5, 9));
    }

    #[test]
    fn a_refusal_of_the_whole_batch_blames_no_line() {
        assert!(bad_lines(&Problem::read(br#"{"status":413,"title":"too large"}"#).expect("valid")).is_none());
    }

    #[test]
    fn a_report_stays_small() {
        let mut report = Report::default();
        (0..5_000).for_each(|line| report.refuse(line, String::new()));
        assert_eq!((report.refused, report.errors.len()), (5_000, LISTED));
    }
}
