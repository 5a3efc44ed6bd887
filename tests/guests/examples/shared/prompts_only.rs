//! A plugin of one prompt and no tool, named by the guest that takes this in.

/// What `wit-bindgen` makes of `wit/`, every export of it.
mod bindings {
    #![allow(missing_docs, unsafe_code, unreachable_pub, dead_code, clippy::all, reason = "generated")]

    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package suite:prompts;
            world prompts-only {
                include rowhouse:plugin/imports@0.1.0;
                export rowhouse:plugin/tools@0.1.0;
                export rowhouse:plugin/prompts@0.1.0;
            }
        ",
        world: "suite:prompts/prompts-only",
        generate_all,
    });
}

use bindings::exports::rowhouse::plugin::prompts::{Filled, Guest, Message, Prompt, Role};
use bindings::exports::rowhouse::plugin::tools::{self, Answer, Part, PluginInfo, ToolError};

/// The guest.
struct Served;

impl tools::Guest for Served {
    fn describe() -> PluginInfo {
        PluginInfo { name: crate::PLUGIN.to_owned(), version: "0.1.0".to_owned(), tools: Vec::new() }
    }

    fn call(name: String, _arguments: String) -> Result<Answer, ToolError> {
        Err(ToolError::NotFound(format!("no tool `{name}`")))
    }
}

impl Guest for Served {
    fn describe_prompts() -> Vec<Prompt> {
        vec![Prompt {
            name: crate::PROMPT.to_owned(),
            title: "One more".to_owned(),
            description: "A prompt that was not there before.".to_owned(),
            arguments: Vec::new(),
        }]
    }

    fn get(_name: String, _arguments: Vec<(String, String)>) -> Result<Filled, ToolError> {
        let messages = vec![Message { role: Role::User, content: Part::Text("One more.".to_owned()) }];
        Ok(Filled { description: None, messages })
    }

    fn complete(
        _name: String,
        _argument: String,
        _value: String,
        _given: Vec<(String, String)>,
    ) -> Result<Vec<String>, ToolError> {
        Ok(Vec::new())
    }
}

// On the host the examples are compiled, and checked, and never run.
#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code, reason = "generated")]
const _: () = {
    bindings::export!(Served with_types_in bindings);
};
