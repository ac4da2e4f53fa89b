//! Ids that grow with time, as a UUIDv7 does: one that is greater than all in the copy need not be looked for there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use remora_actors::ports::{Entry, JournalError};

use crate::stores::sqlite::{CopiedEvent, Database};

/// None that the copy holds is greater than this. Clones are the same one.
#[derive(Clone)]
pub(super) struct Growing(Arc<Mutex<String>>);

impl Growing {
    /// That of a copy.
    pub(super) async fn of(copy: &Database) -> Result<Self, JournalError> {
        let greatest = copy.greatest_id(grows).await?.unwrap_or_default();
        Ok(Self(Arc::new(Mutex::new(greatest))))
    }

    /// Notes what the copy is about to hold.
    pub(super) fn note(&self, events: &[CopiedEvent]) {
        let mut greatest = self.greatest();
        for event in events {
            if grows(&event.id) && event.id > *greatest {
                greatest.clone_from(&event.id);
            }
        }
    }

    /// Whether the copy can hold any of these.
    pub(super) fn may_hold(&self, entries: &[Entry]) -> bool {
        let greatest = self.greatest();
        entries.iter().any(|entry| !grows(&entry.event.id) || entry.event.id <= *greatest)
    }

    fn greatest(&self) -> MutexGuard<'_, String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an id looks like a UUIDv7. Should it be none, it is as right to compare it with those that look so as well.
fn grows(id: &str) -> bool {
    id.len() == 36 && id.as_bytes()[14] == b'7'
}

#[cfg(test)]
mod tests {
    use remora_actors::model::{Draft, Limits};
    use uuid::Uuid;

    use super::*;
    use crate::stores::sqlite::Durability;

    fn copied(seq: u64, id: &str) -> CopiedEvent {
        let (category, action) = ("tool".to_owned(), "called".to_owned());
        CopiedEvent { seq, received_at: 0, id: id.to_owned(), category, action, agent_id: None, json: "{}".into() }
    }

    fn entry(id: &str) -> Entry {
        let draft = Draft::parse(br#"{"category":"tool","action":"called"}"#, &Limits::default()).expect("valid");
        draft.complete(jiff::Timestamp::UNIX_EPOCH, || id.to_owned()).into()
    }

    #[tokio::test]
    async fn only_what_is_greater_need_not_be_looked_for() {
        let folder = tempfile::tempdir().expect("tempdir");
        let copy = Database::open(&folder.path().join("copy.db"), Durability::Normal).expect("open");
        let [first, second, third] = [(); 3].map(|()| Uuid::now_v7().to_string());
        assert!(!Growing::of(&copy).await.expect("of none").may_hold(&[entry(&first)]));
        let events = vec![copied(1, &second), copied(2, "zebra"), copied(3, "ffffffff-ffff-4fff-bfff-ffffffffffff")];
        copy.copy_events(events).await.expect("copied");
        let growing = Growing::of(&copy).await.expect("of three");
        assert!(!growing.may_hold(&[entry(&third)]));
        for id in [&first, &second, "zebra", "aardvark", "zoo"] {
            assert!(growing.may_hold(&[entry(&third), entry(id)]), "{id}");
        }
        let greater = (4..1_100).map(|seq| copied(seq, &format!("zzz{seq}"))).collect();
        copy.copy_events(greater).await.expect("copied");
        let far_away = Growing::of(&copy).await.expect("of many");
        assert!(far_away.may_hold(&[entry(&second)]), "it is there, behind more than are looked at");
        growing.note(&[copied(5, &third), copied(4, &first)]);
        assert!(growing.may_hold(&[entry(&third)]));
        assert!(!growing.may_hold(&[entry(&Uuid::now_v7().to_string())]));
    }
}
