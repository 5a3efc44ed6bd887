//! What a component exports, looked up once. Every interface but `tools` may be missing, so there is no one world to
//! bind: each is found by itself.

use super::bindings::exports::rowhouse::plugin::{dialogue, prompt_dialogue, prompts, resources, tools, views};
use super::state::CallState;
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

/// A component that is linked, and where its exports are.
pub(super) struct Exports {
    pre: InstancePre<CallState>,
    tools: tools::GuestIndices,
    prompts: Option<prompts::GuestIndices>,
    resources: Option<resources::GuestIndices>,
    dialogue: Option<dialogue::GuestIndices>,
    prompt_dialogue: Option<prompt_dialogue::GuestIndices>,
    views: Option<views::GuestIndices>,
}

/// One of the optional interfaces, in an instance: none where the component does not export it.
macro_rules! optional {
    ($interface:ident) => {
        pub(super) fn $interface(
            &self,
            store: &mut Store<CallState>,
            instance: &Instance,
        ) -> wasmtime::Result<Option<$interface::Guest>> {
            self.$interface.as_ref().map(|found| found.load(store, instance)).transpose()
        }
    };
}

impl Exports {
    /// Look the exports up.
    ///
    /// # Errors
    /// Where `tools` is missing, or one of the others lacks a function.
    pub(super) fn new(pre: InstancePre<CallState>) -> wasmtime::Result<Self> {
        macro_rules! found {
            ($interface:ident) => {{
                let name = concat!("rowhouse:plugin/", stringify!($interface), "@0.1.0").replace('_', "-");
                match pre.component().get_export_index(None, &name) {
                    Some(_) => Some($interface::GuestIndices::new(&pre)?),
                    None => None,
                }
            }};
        }
        Ok(Self {
            tools: tools::GuestIndices::new(&pre)?,
            prompts: found!(prompts),
            resources: found!(resources),
            dialogue: found!(dialogue),
            prompt_dialogue: found!(prompt_dialogue),
            views: found!(views),
            pre,
        })
    }

    /// Whether it can ask back, for a tool or for a prompt.
    pub(super) fn asks_back(&self) -> bool {
        self.dialogue.is_some() || self.prompt_dialogue.is_some()
    }

    pub(super) fn pre(&self) -> &InstancePre<CallState> {
        &self.pre
    }

    pub(super) fn tools(&self, store: &mut Store<CallState>, instance: &Instance) -> wasmtime::Result<tools::Guest> {
        self.tools.load(store, instance)
    }

    optional!(prompts);
    optional!(resources);
    optional!(dialogue);
    optional!(prompt_dialogue);
    optional!(views);
}
