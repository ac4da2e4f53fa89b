//! What is sent and received, for the document: the model knows no HTTP, so that its types are described here. Replies
//! are described to the last field (`deny_unknown_fields`), so that a field that was forgotten here is found.

#![allow(dead_code, reason = "these are descriptions; what is described lives in the model")]

mod agents;
mod events;
mod graphs;
mod questions;

pub(crate) use self::{agents::*, events::*, graphs::*, questions::*};
