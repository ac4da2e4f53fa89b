//! What each kind of target is sent. Agents' texts are escaped for where they stand; no template trusts them.

mod discord;
mod json;
mod ntfy;
mod slack;
#[cfg(test)]
mod tests;
mod words;

use jiff::{SignedDuration, Timestamp};
use remora_actors::model::{
    OnDeadline, Question,
    notice::{Notice, NoticeKind},
};
use remora_web::{Grant, Links, html::agent_url, http::Uri};
use serde_json::Value;

use super::{settings::Kind, target::Target};

/// Answers offered as buttons: as many as ntfy shows.
const BUTTONS: usize = 3;
/// Bytes of an answer on a button; longer ones do not fit on one, nor into a link that is passed on whole.
const BUTTON_BYTES: usize = 100;

/// What is posted, and where.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) uri: Uri,
    pub(super) body: Value,
}

/// What the templates make of a notice.
pub(super) fn render(target: &Target, notice: &Notice, links: Option<&Links>, lifetime: SignedDuration) -> Post {
    let letter = Letter { notice, links, answers: target.links, lifetime };
    let uri = target.uri.0.clone();
    match target.kind {
        Kind::Ntfy => ntfy::post(&uri, &letter),
        Kind::Slack => Post { uri, body: slack::body(&letter) },
        Kind::Discord => Post { uri, body: discord::body(&letter) },
        Kind::Json => Post { uri, body: json::body(&letter) },
    }
}

/// A notice, and what a template may say beside it.
struct Letter<'a> {
    notice: &'a Notice,
    links: Option<&'a Links>,
    /// Whether it carries links that answer.
    answers: bool,
    /// How long such a link works, at most.
    lifetime: SignedDuration,
}

/// A link that gives an answer.
struct Button {
    answer: String,
    url: String,
}

impl Letter<'_> {
    /// Where a person reads more.
    fn page(&self) -> Option<String> {
        let path = match self.notice.items.as_slice() {
            [_] => agent_url(&self.notice.agent_id),
            _ => "/".to_owned(),
        };
        Some(self.links?.page(&path))
    }

    /// The links that answer the question, where there is one and it can be answered with a tap.
    fn buttons(&self) -> Vec<Button> {
        let (Some(links), [item]) = (self.links, self.notice.items.as_slice()) else { return Vec::new() };
        if !self.answers || item.kind == NoticeKind::Expired {
            return Vec::new();
        }
        let question = &item.record.question;
        let expires_at = expiry(question, self.notice.at, self.lifetime);
        let button = |answer: String| {
            let grant = Grant {
                key: question.key(),
                answer: answer.clone(),
                expires_at,
                target: self.notice.target.clone(),
                notice: self.notice.id.clone(),
            };
            Button { answer, url: links.link(&grant) }
        };
        choices(question).into_iter().map(button).collect()
    }
}

/// A link is good for as long as an answer is taken, but not for ever.
fn expiry(question: &Question, at: Timestamp, lifetime: SignedDuration) -> Timestamp {
    let latest = at.checked_add(lifetime).unwrap_or(Timestamp::MAX);
    match question.expires_at.filter(|_| question.on_deadline != OnDeadline::Wait) {
        Some(deadline) => deadline.min(latest),
        None => latest,
    }
}

/// The answers that a tap can give; none where the question takes more than that.
fn choices(question: &Question) -> Vec<String> {
    if question.asks_for_decision() {
        return vec!["approve".to_owned(), "reject".to_owned()];
    }
    let choices = question.options.clone();
    let fits = choices.len() <= BUTTONS && choices.iter().all(|choice| choice.len() <= BUTTON_BYTES);
    if fits && !question.multiple { choices } else { Vec::new() }
}
