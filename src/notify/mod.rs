//! Notices on their way out of the daemon: who is told (`settings`), how (`courier`), and in which words (`templates`).

mod courier;
mod settings;
mod target;
mod templates;

pub use courier::Webhooks;
pub use settings::{Kind, NearSetting, QuietSetting, TargetSettings};
pub use target::{Target, TargetError};
