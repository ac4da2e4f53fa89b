//! What the daemon has promised so far, kept outside of it, and the check that it keeps its word.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value, json};

use super::drivers::FILER;
use crate::support::{Api, http::rows, wait_until};

/// A question with its two rival answers.
#[derive(Debug)]
pub(super) struct Asked {
    /// Where the answer goes.
    pub(super) workspace: String,
    /// The answers that were tried; more than one process tried each.
    pub(super) tried: Vec<String>,
    /// The one whose process was told that it was taken.
    pub(super) acknowledged: Option<String>,
    /// What the asker was given in the end.
    pub(super) given: Option<String>,
}

/// Everything that was promised.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Acknowledged events by sender, in the order in which they were acknowledged.
    pub(super) events: BTreeMap<String, Vec<String>>,
    pub(super) refused: BTreeSet<String>,
    pub(super) questions: BTreeMap<String, Asked>,
    /// Texts sent to an agent, and whether the sender was told that they were taken.
    pub(super) messages: BTreeMap<String, bool>,
    /// Texts that the agent has taken out of its inbox, in order.
    pub(super) received: Vec<String>,
    /// The journal as it was read so far: it may only grow.
    journal: Vec<Value>,
}

impl Ledger {
    /// Checks all promises against a daemon that has just started. The workspaces must have been brought up to date.
    pub(super) async fn check(&mut self, api: &Api) {
        self.read_on(api).await;
        self.check_events();
        self.check_questions(api).await;
        self.check_messages();
    }

    pub(super) fn events_known(&self) -> usize {
        self.journal.len()
    }

    async fn read_on(&mut self, api: &Api) {
        loop {
            let after = self.journal.len();
            let page =
                rows(api.get(&format!("/api/v1/events?after={after}&limit=1000")).await.expect(200).json(), "events");
            if page.is_empty() {
                return;
            }
            for (event, seq) in page.into_iter().zip(after + 1..) {
                assert_eq!(event["seq"], seq, "a gap or a repeat in the journal");
                self.journal.push(event);
            }
        }
    }

    /// Reads the whole journal once more: what was read before has not changed since.
    pub(super) async fn check_past(&self, api: &Api) {
        assert!(api.journal("*").await == self.journal, "the journal's past has changed");
    }

    fn check_events(&self) {
        let mut positions = HashMap::new();
        for event in &self.journal {
            let id = event["id"].as_str().unwrap();
            assert_eq!(positions.insert(id, event["seq"].as_u64()), None, "{id} stands twice");
        }
        for (sender, ids) in &self.events {
            let found: Vec<_> = ids.iter().map(|id| positions.get(id.as_str()).copied().flatten()).collect();
            let missing: Vec<_> = ids.iter().zip(&found).filter(|(_, seq)| seq.is_none()).collect();
            assert!(missing.is_empty(), "acknowledged and lost: {missing:?}");
            assert!(found.is_sorted(), "the events of {sender} are out of order: {found:?}");
        }
        let kept: Vec<_> = self.refused.iter().filter(|id| positions.contains_key(id.as_str())).collect();
        assert!(kept.is_empty(), "refused and journaled: {kept:?}");
    }

    fn of_kind(&self, action: &str) -> HashMap<&str, Vec<&Value>> {
        let mut by_msg_id: HashMap<&str, Vec<&Value>> = HashMap::new();
        for event in self.journal.iter().filter(|event| event["action"] == action) {
            by_msg_id.entry(event["payload"]["msg_id"].as_str().unwrap_or_default()).or_default().push(event);
        }
        by_msg_id
    }

    async fn check_questions(&self, api: &Api) {
        let (asked, resumed, written) =
            (self.of_kind("blocked"), self.of_kind("resumed"), self.of_kind("answer_written"));
        let open = rows(api.get("/api/v1/questions?status=open").await.expect(200).json(), "questions");
        let times = |events: &HashMap<&str, Vec<&Value>>, msg_id: &str| events.get(msg_id).map_or(0, Vec::len);
        for (msg_id, question) in &self.questions {
            assert_eq!(times(&asked, msg_id), 1, "{msg_id} stands in the journal");
            assert_eq!(times(&resumed, msg_id), 1, "{msg_id} was resumed");
            assert_eq!(times(&written, msg_id), 1, "the answer to {msg_id} was written");
            assert!(open.iter().all(|record| record["msg_id"] != json!(msg_id)), "{msg_id} is answered and open");
            let answer = &resumed[msg_id.as_str()][0]["payload"]["answer"];
            assert!(question.tried.iter().any(|tried| *answer == json!(tried)), "{msg_id}: nobody answered {answer}");
            for promised in question.acknowledged.iter().chain(&question.given) {
                assert_eq!(*answer, json!(promised), "{msg_id}: another answer than was promised: {question:?}");
            }
            let key = format!("inbox:response:{msg_id}");
            assert_eq!(api.value_of(&question.workspace, &key).await["answer"], *answer, "{msg_id}");
        }
    }

    fn check_messages(&self) {
        let sent =
            self.journal.iter().filter(|event| event["action"] == "messaged").map(|event| &event["payload"]["content"]);
        let mut sent_times: HashMap<&str, usize> = HashMap::new();
        for content in sent {
            *sent_times.entry(content.as_str().unwrap()).or_default() += 1;
        }
        let mut received_times: HashMap<&str, usize> = HashMap::new();
        for content in &self.received {
            *received_times.entry(content).or_default() += 1;
        }
        for (content, acknowledged) in &self.messages {
            let (sent, received) = (
                sent_times.get(content.as_str()).copied().unwrap_or(0),
                received_times.get(content.as_str()).copied().unwrap_or(0),
            );
            assert!(sent <= 1 && sent >= usize::from(*acknowledged), "{content:?} was sent {sent} times");
            assert!(received <= sent, "{content:?} was received {received} times and sent {sent} times");
        }
        assert_eq!(self.received.len(), sent_times.values().sum::<usize>(), "every message arrives once");
    }
}

/// Waits until everything that was answered has also been written: a restart may still be at it.
pub(super) async fn settled(api: &Api) {
    wait_until("every answer is in its workspace", async || {
        let all = rows(api.get("/api/v1/questions").await.expect(200).json(), "questions");
        let answered = all.iter().all(|record| record["status"] != "open" && record["written_at"].is_string());
        let messages = rows(api.get(&format!("/api/v1/agents/{FILER}/messages")).await.expect(200).json(), "messages");
        (answered && messages.iter().all(|message| message["written_at"].is_string())).then_some(())
    })
    .await;
}
