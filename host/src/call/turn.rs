//! A round's place in its call.

use super::seal::{Kept, Seal, binding};
use super::{Request, Resumed};
use crate::audit::canonical;
use crate::error::{CallError, Code};
use crate::identity::Principal;
use crate::plugin::{Ended, Loaded, Round};
use serde_json::Value;

/// One round: what it is bound to, and how many came before.
pub(super) struct Turn {
    binding: [u8; 32],
    item: String,
    rounds: u32,
}

impl Turn {
    /// A round of this call.
    pub(super) fn of(who: &Principal, plugin: &Loaded, item: String, request: &Request) -> Self {
        // A client sends back what it sent, in whatever order.
        let arguments = canonical(&Value::Object(request.arguments.clone()));
        let binding = binding(who, &plugin.digest, &item, &arguments, request.tenants.as_deref());
        Self { binding, item, rounds: 0 }
    }

    /// What the guest begins with.
    ///
    /// # Errors
    /// [`Code::RequestState`] for a state that is not this call's; [`Code::PluginContract`] where it would be one round
    /// too many.
    pub(super) fn begin(&mut self, seal: &Seal, resumed: Resumed, most: u32) -> Result<Round, CallError> {
        let kept = match &resumed.state {
            Some(sealed) => seal.open(sealed, &self.binding)?,
            None => Kept::default(),
        };
        self.rounds = kept.rounds + 1;
        if self.rounds > most {
            let text = format!("`{}` asked back more than {} times", self.item, most.saturating_sub(1));
            return Err(CallError::new(Code::PluginContract, text));
        }
        Ok(Round { state: kept.state, replies: resumed.replies })
    }

    /// What leaves: questions with their state sealed.
    ///
    /// # Errors
    /// Where it cannot be sealed.
    pub(super) fn end<T>(self, seal: &Seal, ended: Ended<T>) -> Result<Ended<T>, CallError> {
        let Ended::Asks(mut ask) = ended else { return Ok(ended) };
        let kept = Kept { rounds: self.rounds, state: ask.state.take() };
        ask.state = Some(seal.seal(&kept, &self.binding)?);
        Ok(Ended::Asks(ask))
    }
}
