//! The ports: what the actors need from the world, implemented by the daemon's stores and its courier.

mod courier;
mod duties;
mod journal;
mod workspace;

pub use self::{
    courier::{Courier, DeliveryError, Retry},
    duties::{Alone, Duties, Duty, RETAKEN_AFTER},
    journal::{
        Appended, Commits, Entry, Extent, Filter, Found, Journal, JournalError, PAGE_BYTES, Prune, Pruned, Snapshot,
        Standing, Storing, last_of,
    },
    workspace::{Listed, OpenWorkspace, Workspace, WorkspaceError, keys},
};
