//! Prompts: texts that a person picks from a menu.

use schemars::Schema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use crate::bindings::exports::rowhouse::plugin::prompts::Role;
use crate::{
    answer::{self, Part},
    bindings::exports::rowhouse::plugin::prompts as wit,
    dialogue::Dialogue,
    error::Result,
    plugin::Given,
};

/// What callers are told of a prompt. Made by [`#[prompt]`](macro@crate::prompt).
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields of the contract's `prompt`, under their names there")]
pub struct Description {
    pub name: &'static str,
    pub title: &'static str,
    pub description: &'static str,
    /// The schema its arguments are taken from: one argument a property.
    pub arguments: fn() -> Schema,
    /// The arguments that `complete` has something to say about.
    pub completes: &'static [&'static str],
}

/// A function with [`#[prompt]`](macro@crate::prompt).
#[diagnostic::on_unimplemented(message = "`{Self}` is no prompt: its function needs #[prompt]")]
pub trait Prompt {
    /// What callers are told.
    fn describe() -> Description;

    /// Values an argument could have.
    ///
    /// # Errors
    /// The completing function's.
    fn complete(argument: &str, value: &str, given: &Given<'_>) -> Result<Vec<String>>;
}

/// A prompt that is filled in at once.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no plain prompt",
    note = "its function needs #[prompt]; one that takes `&mut Dialogue` belongs under `prompt_dialogues: [...]`"
)]
pub trait PlainPrompt: Prompt {
    /// Fill it in.
    ///
    /// # Errors
    /// The prompt's.
    fn get(arguments: &[(String, String)]) -> Result<Filled>;
}

/// A prompt that may ask the user back: one that takes [`&mut Dialogue`](Dialogue).
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not ask",
    note = "its function needs #[prompt] and a parameter `&mut Dialogue`; others belong under `prompts: [...]`"
)]
pub trait AskingPrompt: Prompt {
    /// Fill it in, as far as the dialogue has come.
    ///
    /// # Errors
    /// The prompt's.
    fn get(arguments: &[(String, String)], dialogue: &mut Dialogue) -> Result<Filled>;
}

/// A prompt, filled in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filled {
    /// What it is for, where that depends on the arguments.
    pub description: Option<String>,
    /// The messages a conversation begins with.
    pub messages: Vec<Message>,
}

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: Part,
}

impl Message {
    /// The user says.
    pub fn user(content: impl Into<Part>) -> Message {
        Message { role: Role::User, content: content.into() }
    }

    /// The model says.
    pub fn assistant(content: impl Into<Part>) -> Message {
        Message { role: Role::Assistant, content: content.into() }
    }
}

/// What a prompt can return: a `String` (one message of the user's), `Vec<Message>` or [`Filled`], or a `Result` of one
/// of these.
#[diagnostic::on_unimplemented(
    message = "a prompt returns String, Vec<Message> or Filled, or a Result of one of these"
)]
pub trait IntoPrompt {
    /// The prompt, filled in.
    ///
    /// # Errors
    /// The prompt's.
    fn into_prompt(self) -> Result<Filled>;
}

impl<T: IntoPrompt> IntoPrompt for Result<T> {
    fn into_prompt(self) -> Result<Filled> {
        self?.into_prompt()
    }
}

impl IntoPrompt for Filled {
    fn into_prompt(self) -> Result<Filled> {
        Ok(self)
    }
}

impl IntoPrompt for Vec<Message> {
    fn into_prompt(self) -> Result<Filled> {
        Ok(Filled { description: None, messages: self })
    }
}

impl IntoPrompt for String {
    fn into_prompt(self) -> Result<Filled> {
        vec![Message::user(self)].into_prompt()
    }
}

/// A prompt of a plugin, as [`plugin!`](crate::plugin!) lists it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What callers are told.
    pub description: Description,
    get: Get,
    pub(crate) complete: fn(&str, &str, &Given<'_>) -> Result<Vec<String>>,
}

/// Arguments, by name.
type Texts = [(String, String)];

#[derive(Clone, Copy, Debug)]
enum Get {
    Plain(fn(&Texts) -> Result<Filled>),
    Asking(fn(&Texts, &mut Dialogue) -> Result<Filled>),
}

impl Entry {
    /// One that is filled in at once.
    #[must_use]
    pub fn plain<P: PlainPrompt>() -> Entry {
        Entry { description: P::describe(), get: Get::Plain(P::get), complete: P::complete }
    }

    /// One that may ask.
    #[must_use]
    pub fn asking<P: AskingPrompt>() -> Entry {
        Entry { description: P::describe(), get: Get::Asking(P::get), complete: P::complete }
    }

    pub(crate) fn get(&self, arguments: &[(String, String)], dialogue: &mut Dialogue) -> Result<Filled> {
        match self.get {
            Get::Plain(get) => get(arguments),
            Get::Asking(get) => get(arguments, dialogue),
        }
    }

    pub(crate) fn describe(&self) -> wit::Prompt {
        let Description { name, title, description, arguments, completes } = &self.description;
        let schema = arguments().to_value();
        let required = |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
        let properties = schema["properties"].as_object().into_iter().flatten();
        let argument = |(name, property): (&String, &Value)| wit::Argument {
            name: name.clone(),
            title: crate::plugin::title(name),
            description: property["description"].as_str().unwrap_or_default().to_owned(),
            required: required(name),
            completes: completes.contains(&name.as_str()),
        };
        let mut arguments: Vec<_> = properties.map(argument).collect();
        // A person fills them in from the top: what is needed comes first.
        arguments.sort_by_key(|argument| !argument.required);
        wit::Prompt {
            name: (*name).to_owned(),
            title: (*title).to_owned(),
            description: (*description).to_owned(),
            arguments,
        }
    }
}

impl From<Filled> for wit::Filled {
    fn from(filled: Filled) -> wit::Filled {
        let message = |one: Message| wit::Message { role: one.role, content: one.content.into() };
        wit::Filled { description: filled.description, messages: filled.messages.into_iter().map(message).collect() }
    }
}

/// Texts into the struct a prompt wants: fields are `String`, an enum of plain words, a date, or an `Option` of one.
#[doc(hidden)]
pub fn texts<T: DeserializeOwned>(arguments: &[(String, String)]) -> Result<T> {
    let map: Map<String, Value> =
        arguments.iter().map(|(name, text)| (name.clone(), Value::String(text.clone()))).collect();
    answer::arguments(&Value::Object(map).to_string())
}
