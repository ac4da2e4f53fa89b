//! Which of the waiting questions a person wants to see.

use super::{
    super::{Dashboard, QuestionRecord, Reason, Urgency},
    window::Rank,
};

/// Questions on a page: as many as a person answers in one go.
const PAGE: usize = 20;

/// What is looked for, and which page of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct InboxQuery {
    /// Somewhere in the question or its options, whatever the case.
    pub text: String,
    /// Somewhere in the agent's id or name, whatever the case.
    pub agent: String,
    /// Why it is asked.
    pub reason: Option<Reason>,
    /// How urgent it is.
    pub urgency: Option<Urgency>,
    /// The page, from 0.
    pub page: usize,
}

/// A page of the questions that were found: of those that wait and, each in its place, of those just answered.
#[derive(Debug)]
pub struct InboxPage<'a> {
    /// Its questions, the most pressing first.
    pub records: Vec<&'a QuestionRecord>,
    /// Which page it is, from 0: the last one where there are fewer than were asked for.
    pub page: usize,
    /// How many pages there are, one at least.
    pub pages: usize,
    /// How many of the questions on all pages wait.
    pub waiting: usize,
}

impl InboxQuery {
    /// True for the inbox as the dashboard shows it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What it finds.
    pub fn find<'a>(&self, dashboard: &'a Dashboard) -> InboxPage<'a> {
        let (text, agent) = (self.text.to_lowercase(), self.agent.to_lowercase());
        let has = |whole: &str, part: &str| part.is_empty() || whole.to_lowercase().contains(part);
        let fits = |record: &&QuestionRecord| {
            let question = &record.question;
            let name = dashboard.agent(&question.agent_id).map_or("", |agent| &*agent.name);
            self.reason.is_none_or(|reason| reason == question.reason)
                && self.urgency.is_none_or(|urgency| urgency == question.urgency)
                && (has(&question.agent_id, &agent) || has(name, &agent))
                && (has(&question.question, &text) || question.options.iter().any(|option| has(option, &text)))
        };
        let inbox = dashboard.inbox();
        let mut found: Vec<_> = inbox.waiting().filter(fits).collect();
        let waiting = found.len();
        // Whoever has answered one finds it where it was, with the way to take it back, and the next one where that was.
        found.extend(inbox.iter().filter(|record| record.is_just_answered(dashboard.now())).filter(fits));
        found.sort_by_cached_key(|record| Rank::of(&record.question));
        let pages = found.len().div_ceil(PAGE).max(1);
        let page = self.page.min(pages - 1);
        let records = found.into_iter().skip(page * PAGE).take(PAGE).collect();
        InboxPage { records, page, pages, waiting }
    }
}
