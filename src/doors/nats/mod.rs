//! Agents that speak nothing but NATS.
//!
//! - [`intake`]: what they publish on `remora.events.<agent_id>.<category>.<action>` becomes events. A stream keeps it
//!   until it is in the journal, also while no daemon runs. [`subject`] reads it.
//! - [`asking`]: a request on `remora.ask` is a question, and the reply its answer.
//! - [`messages`]: a request on `remora.messages.<agent_id>` fetches what people wrote to the agent.
//! - [`requests`]: what requests have in common, whichever daemon takes them.
//!
//! There is no subject for an answer, so that no agent can answer itself. Who may use which subject is for NATS to say:
//! the permissions of its users. An agent's must not reach the journal's subjects, JetStream's or the buckets'.

mod asking;
mod intake;
mod messages;
mod requests;
mod subject;

use std::sync::Arc;

use async_nats::Client;
use remora_actors::{Handle, ports::Duties};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::bus::{BusSettings, Names};

/// What every part of the door needs.
struct NatsDoor {
    client: Client,
    names: Names,
    /// Copies of the stream that keeps what agents publish.
    replicas: usize,
    handle: Handle,
    /// Which of the daemons takes in what agents publish.
    duties: Arc<dyn Duties>,
    /// Room for requests that wait.
    room: Arc<Semaphore>,
}

/// Opens the door, for as long as the tasks run. Whatever is published after its return is kept.
pub(crate) async fn open(
    client: Client,
    bus: &BusSettings,
    handle: Handle,
    duties: Arc<dyn Duties>,
    tasks: &mut JoinSet<()>,
) {
    let room = Arc::new(Semaphore::new(handle.limits().bus_requests.min(Semaphore::MAX_PERMITS)));
    let door = Arc::new(NatsDoor { client, names: bus.names.clone(), replicas: bus.replicas, handle, duties, room });
    intake::keep(&door).await;
    tasks.spawn(intake::run(Arc::clone(&door)));
    tasks.spawn(asking::run(Arc::clone(&door)));
    tasks.spawn(messages::run(door));
}
