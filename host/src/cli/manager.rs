//! What a service manager is told (sd_notify(3)). Where there is none, nobody is.

use sd_notify::NotifyState;

/// The host is being opened, and this of it is done.
pub(super) fn starting(step: &str) {
    tell(&[NotifyState::Status(&format!("opening: {step} is ready"))]);
}

/// The settings are read again. [`ready`] ends it.
pub(super) fn reloading() {
    let began = NotifyState::monotonic_usec_now();
    tell(&[Some(NotifyState::Reloading), began.ok()].into_iter().flatten().collect::<Vec<_>>());
}

/// The host serves. With `Type=notify` a unit counts as started from here on.
pub(super) fn ready() {
    tell(&[NotifyState::Ready, NotifyState::Status("serving")]);
}

/// The host lets what is under way end.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("calls under way end")]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager was not told");
    }
}
