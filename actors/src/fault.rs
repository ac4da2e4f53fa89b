//! Faults on purpose, for tests of the supervision. Without the feature `fault-injection` a point does nothing.
//!
//! Every actor has one point, at the top of its `handle`; the kinds of its messages are read off the messages
//! themselves, so that a new actor or message needs nothing here.

#[cfg(feature = "fault-injection")]
pub(crate) use injected::Faults;

#[cfg(not(feature = "fault-injection"))]
pub(crate) use absent::Faults;

#[cfg(not(feature = "fault-injection"))]
mod absent {
    use std::fmt::Debug;

    use crate::model::Record;

    /// No faults.
    #[derive(Debug, Default)]
    pub(crate) struct Faults;

    impl Faults {
        /// Nothing happens here.
        pub(crate) fn point(&self, _actor: &'static str, _message: &impl Debug) {}

        /// Nothing happens here.
        pub(crate) fn fold(&self, _actor: &'static str, _record: &Record) {}
    }
}

#[cfg(feature = "fault-injection")]
mod injected {
    use std::{
        collections::BTreeMap,
        fmt::{self, Debug, Write},
        sync::{Mutex, MutexGuard, PoisonError},
    };

    use crate::model::Record;

    /// The action of an event that kills whoever its payload names as `actor` at each fold.
    const POISON: &str = "poison";

    /// What has passed one kind of point.
    #[derive(Debug, Clone, Copy, Default)]
    struct Point {
        passed: u64,
        armed: u64,
        died: u64,
    }

    /// The points that were passed, and those where somebody shall die.
    #[derive(Debug, Default)]
    pub struct Faults(Mutex<BTreeMap<(String, String), Point>>);

    impl Faults {
        fn points(&self) -> MutexGuard<'_, BTreeMap<(String, String), Point>> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        /// Lets an actor die over its next `times` messages of a kind.
        pub fn arm(&self, actor: &str, kind: &str, times: u64) {
            self.points().entry((actor.to_owned(), kind.to_owned())).or_default().armed = times;
        }

        /// Actor, kind, how many messages it has had of it, over how many it has died.
        pub fn list(&self) -> Vec<(String, String, u64, u64)> {
            let points = self.points();
            points.iter().map(|((actor, kind), p)| (actor.clone(), kind.clone(), p.passed, p.died)).collect()
        }

        /// Dies here if that was wished.
        pub(crate) fn point(&self, actor: &'static str, message: &impl Debug) {
            let kind = variant(message);
            let mut points = self.points();
            let point = points.entry((actor.to_owned(), kind.clone())).or_default();
            point.passed += 1;
            if point.armed > 0 {
                point.armed -= 1;
                point.died += 1;
                drop(points);
                panic!("told to die over {kind}");
            }
        }

        /// Dies over an event that is poison for this actor.
        pub(crate) fn fold(&self, actor: &'static str, record: &Record) {
            let poison = record.event.action == POISON && record.event.text("actor") == Some(actor);
            assert!(!poison, "event {} is poison", record.seq);
        }
    }

    /// The name of an enum's variant, out of what `derive(Debug)` writes first.
    fn variant(message: &impl Debug) -> String {
        struct Name(String);
        impl Write for Name {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                let end = text.find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len());
                self.0.push_str(&text[..end]);
                // Enough is known: the rest of a large message is not written at all.
                if end < text.len() { Err(fmt::Error) } else { Ok(()) }
            }
        }
        let mut name = Name(String::new());
        let _ = write!(name, "{message:?}");
        name.0
    }
}
