//! The service manager, systemd: the socket it hands over, and what it is told. Where there is none, nothing happens.

use std::{io, net::TcpListener, time::Duration};

use listenfd::ListenFd;
use remora_actors::{Handle, system::Role};
use sd_notify::NotifyState;

/// How often the status is told where no watchdog wants to hear sooner.
const STATUS_EVERY: Duration = Duration::from_secs(10);
/// Of the time after which the watchdog bites: two signs of life may be late.
const WATCHDOG_PART: u32 = 3;

/// The socket that was handed over, if one was: connections made while no daemon runs wait in it.
///
/// # Errors
/// There are several, or it is none that HTTP can be served on.
pub fn listener() -> io::Result<Option<TcpListener>> {
    let mut handed_over = ListenFd::from_env();
    if handed_over.len() > 1 {
        return Err(io::Error::other("several sockets were handed over; leave one `ListenStream=` in the socket unit"));
    }
    handed_over.take_tcp_listener(0)
}

/// The daemon serves.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The daemon is about to end.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// Tells again and again how the daemon does. The watchdog hears of it only while every actor answers.
pub(crate) async fn report(handle: Handle) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let every = sd_notify::watchdog_enabled().map_or(STATUS_EVERY, |limit| (limit / WATCHDOG_PART).min(STATUS_EVERY));
    loop {
        let silent = silent(&handle).await;
        let status = status(&handle, silent);
        tell(&states(silent, &status));
        tokio::time::sleep(every).await;
    }
}

/// An actor that does not answer.
async fn silent(handle: &Handle) -> Option<Role> {
    for role in Role::ALL {
        if handle.ping(role).await.is_err() {
            return Some(role);
        }
    }
    None
}

fn status(handle: &Handle, silent: Option<Role>) -> String {
    if let Some(role) = silent {
        return format!("{} does not answer", role.as_str());
    }
    let m = handle.metrics();
    let (agents, waiting, browsers) = (m.agents.get(), m.questions_open.get(), m.sessions.get());
    format!("{agents} agents, {waiting} questions waiting, {browsers} browsers, {} events", m.journal_last_seq.get())
}

fn states(silent: Option<Role>, status: &str) -> Vec<NotifyState<'_>> {
    let alive = silent.is_none().then_some(NotifyState::Watchdog);
    std::iter::once(NotifyState::Status(status)).chain(alive).collect()
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_hears_nothing_while_an_actor_is_silent() {
        assert!(matches!(states(None, "fine")[..], [NotifyState::Status("fine"), NotifyState::Watchdog]));
        assert!(matches!(states(Some(Role::EventBus), "bad")[..], [NotifyState::Status("bad")]));
    }
}
