//! The workspaces' values: those of the agents, and what Remora keeps beside them, such as who has answered what.

use std::{cmp::Ordering, collections::VecDeque};

use indicatif::ProgressBar;
use remora_actors::ports::JournalError;
use serde_json::Value;

use super::{MigrateError, side::Side};
use crate::stores::sqlite::{CopiedValue, ValueKey};

/// Values read, and moved, at once.
const PAGE: usize = 500;

/// Makes the values of the second side those of the first one. Tells how many had to be changed.
pub(super) async fn copy(from: &Side, to: &Side, bar: &ProgressBar) -> Result<u64, MigrateError> {
    let mut pairs = Pairs::of(from, to);
    let mut changes = Vec::new();
    let mut changed = 0;
    loop {
        let pair = pairs.next().await?;
        if changes.len() == PAGE || pair.is_none() {
            changed += changes.len() as u64;
            to.write_values(std::mem::take(&mut changes)).await?;
        }
        let Some(Pair { key: ValueKey { workspace, key }, wanted, found }) = pair else { return Ok(changed) };
        if !same(wanted.as_deref(), found.as_deref()) {
            changes.push(CopiedValue { workspace, key, json: wanted });
        }
        bar.inc(1);
    }
}

/// How many values there are at both sides, which are the same.
pub(super) async fn compare(from: &Side, to: &Side, bar: &ProgressBar) -> Result<u64, MigrateError> {
    let mut pairs = Pairs::of(from, to);
    let mut count = 0;
    while let Some(Pair { key: ValueKey { workspace, key }, wanted, found }) = pairs.next().await? {
        if !same(wanted.as_deref(), found.as_deref()) {
            return Err(MigrateError::Differs { workspace, key });
        }
        count += 1;
        bar.inc(1);
    }
    Ok(count)
}

/// Compared as JSON: a store may write it otherwise than another.
fn same(one: Option<&str>, other: Option<&str>) -> bool {
    let read = |text: &str| serde_json::from_str::<Value>(text).ok();
    one == other || one.zip(other).is_some_and(|(one, other)| read(one).is_some() && read(one) == read(other))
}

/// What stands under a key at the one side and at the other.
struct Pair {
    key: ValueKey,
    wanted: Option<String>,
    found: Option<String>,
}

/// The values of two sides, by key.
struct Pairs<'a> {
    from: Pages<'a>,
    to: Pages<'a>,
}

impl<'a> Pairs<'a> {
    fn of(from: &'a Side, to: &'a Side) -> Self {
        Self { from: Pages::of(from), to: Pages::of(to) }
    }

    async fn next(&mut self) -> Result<Option<Pair>, JournalError> {
        let order = match (self.from.peek().await?, self.to.peek().await?) {
            (None, None) => return Ok(None),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(here), Some(there)) => here.cmp(there),
        };
        let wanted = if order.is_le() { self.from.page.pop_front() } else { None };
        let found = if order.is_ge() { self.to.page.pop_front() } else { None };
        let key = wanted.as_ref().or(found.as_ref()).map(|(key, _)| key.clone());
        Ok(key.map(|key| Pair { key, wanted: wanted.map(|(_, json)| json), found: found.map(|(_, json)| json) }))
    }
}

/// A side's values, page by page.
struct Pages<'a> {
    side: &'a Side,
    page: VecDeque<(ValueKey, String)>,
    after: ValueKey,
}

impl<'a> Pages<'a> {
    fn of(side: &'a Side) -> Self {
        Self { side, page: VecDeque::new(), after: ValueKey::default() }
    }

    async fn peek(&mut self) -> Result<Option<&ValueKey>, JournalError> {
        if self.page.is_empty() {
            self.page = self.side.values(self.after.clone(), PAGE).await?.into();
            if let Some((last, _)) = self.page.back() {
                self.after = last.clone();
            }
        }
        Ok(self.page.front().map(|(key, _)| key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared_as_json() {
        assert!(same(Some(r#"{"a": 1, "b":2}"#), Some(r#"{"b":2,"a":1}"#)));
        assert!(same(Some("no json"), Some("no json")) && same(None, None));
        assert!(!same(Some("1"), None) && !same(Some("1"), Some("2")) && !same(Some("no json"), Some("nor this")));
    }
}
