//! Tools.

use schemars::{JsonSchema, Schema};
use serde::Deserialize;

use crate::{answer::Answer, bindings::exports::rowhouse::plugin::tools, dialogue::Dialogue, error::Result};

/// The arguments of a tool that takes none.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
pub struct NoArguments {}

/// What callers are told of a tool. Made by [`#[tool]`](macro@crate::tool).
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields of the contract's `tool`, under their names there")]
pub struct Description {
    pub name: &'static str,
    pub title: &'static str,
    pub description: &'static str,
    pub input_schema: fn() -> Schema,
    pub output_schema: fn() -> Option<Schema>,
    pub read_only: bool,
    pub destructive: bool,
    pub idempotent: bool,
    pub open_world: bool,
}

/// A function with [`#[tool]`](macro@crate::tool).
#[diagnostic::on_unimplemented(message = "`{Self}` is no tool: its function needs #[tool]")]
pub trait Described {
    /// What callers are told.
    fn tool() -> Description;
}

/// A tool that answers at once.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no plain tool",
    note = "its function needs #[tool]; one that takes `&mut Dialogue` belongs under `dialogues: [...]`"
)]
pub trait PlainTool: Described {
    /// Answer one call.
    ///
    /// # Errors
    /// The tool's.
    fn call(arguments: &str) -> Result<Answer>;
}

/// A tool that may ask the user back: one that takes [`&mut Dialogue`](Dialogue).
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not ask",
    note = "its function needs #[tool] and a parameter `&mut Dialogue`; others belong under `tools: [...]`"
)]
pub trait AskingTool: Described {
    /// Answer one call, as far as the dialogue has come.
    ///
    /// # Errors
    /// The tool's.
    fn call(arguments: &str, dialogue: &mut Dialogue) -> Result<Answer>;
}

/// A tool of a plugin, as [`plugin!`](crate::plugin!) lists it.
#[derive(Clone, Debug)]
pub struct Tool {
    /// What callers are told.
    pub description: Description,
    call: Call,
}

#[derive(Clone, Copy, Debug)]
enum Call {
    Plain(fn(&str) -> Result<Answer>),
    Asking(fn(&str, &mut Dialogue) -> Result<Answer>),
}

impl Tool {
    /// One that answers at once.
    #[must_use]
    pub fn plain<T: PlainTool>() -> Tool {
        Tool { description: T::tool(), call: Call::Plain(T::call) }
    }

    /// One that may ask.
    #[must_use]
    pub fn asking<T: AskingTool>() -> Tool {
        Tool { description: T::tool(), call: Call::Asking(T::call) }
    }

    pub(crate) fn call(&self, arguments: &str, dialogue: &mut Dialogue) -> Result<Answer> {
        match self.call {
            Call::Plain(call) => call(arguments),
            Call::Asking(call) => call(arguments, dialogue),
        }
    }

    pub(crate) fn describe(&self) -> tools::Tool {
        let Description { name, title, description, input_schema, output_schema, .. } = self.description;
        tools::Tool {
            name: name.to_owned(),
            title: title.to_owned(),
            description: description.to_owned(),
            input_schema: input_schema().as_value().to_string(),
            output_schema: output_schema().map(|schema| schema.as_value().to_string()),
            annotations: tools::Annotations {
                read_only: self.description.read_only,
                destructive: self.description.destructive,
                idempotent: self.description.idempotent,
                open_world: self.description.open_world,
            },
        }
    }
}
