//! A round's place in its call.

use super::seal::{Kept, Seal, binding};
use super::{Given, Resumed};
use crate::audit::canonical;
use crate::error::{CallError, Code};
use crate::identity::Principal;
use crate::plugin::{Ended, Loaded, Round};
use std::sync::Arc;
use uuid::Uuid;

/// One round: whose, of what, and how many came before.
pub(super) struct Turn {
    who: Arc<Principal>,
    plugin: Arc<Loaded>,
    item: String,
    tenants: Option<Vec<Uuid>>,
    /// What a state of it is bound to. None where there is no state, before or after: few plugins ask.
    binding: Option<[u8; 32]>,
    rounds: u32,
}

impl Turn {
    /// A round of a call of this item.
    pub(super) fn of(who: &Arc<Principal>, plugin: &Arc<Loaded>, item: String, tenants: Option<Vec<Uuid>>) -> Self {
        Self { who: Arc::clone(who), plugin: Arc::clone(plugin), item, tenants, binding: None, rounds: 0 }
    }

    /// What the guest begins with.
    ///
    /// # Errors
    /// [`Code::RequestState`] for a state that is not this call's; [`Code::PluginContract`] where it would be one round
    /// too many.
    pub(super) fn begin(&mut self, seal: &Seal, resumed: Resumed, given: &Given<'_>) -> Result<Round, CallError> {
        if resumed.state.is_some() || self.plugin.asks_back() {
            // A client sends back what it sent, in whatever order.
            let (arguments, digest) = (canonical(&given.arguments), &self.plugin.digest);
            self.binding = Some(binding(&self.who, digest, &self.item, &arguments, self.tenants.as_deref()));
        }
        let kept = match (&resumed.state, &self.binding) {
            (Some(sealed), Some(binding)) => seal.open(sealed, binding)?,
            _ => Kept::default(),
        };
        self.rounds = kept.rounds + 1;
        let most = given.limits.rounds;
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
        let binding = self.binding.ok_or_else(|| CallError::internal("a plugin that does not ask has asked"))?;
        let kept = Kept { rounds: self.rounds, state: ask.state.take() };
        ask.state = Some(seal.seal(&kept, &binding)?);
        Ok(Ended::Asks(ask))
    }
}
