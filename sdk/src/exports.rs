//! What the host calls: the functions of `plugin`, in the contract's types.

use crate::{
    answer::Answer,
    bindings::exports::rowhouse::plugin::{
        dialogue::{Outcome, Round},
        prompt_dialogue, prompts, resources,
        tools::{self, PluginInfo, ToolError},
        views,
    },
    dialogue::Dialogue,
    error::Error,
    plugin::{self, Ended, Plugin},
};

type Result<T> = std::result::Result<T, ToolError>;

/// `tools.describe`
#[must_use]
pub fn describe<P: Plugin>() -> PluginInfo {
    plugin::describe::<P>()
}

/// `tools.call`
///
/// # Errors
/// The tool's; or that it asks, where nobody can be asked.
pub fn call<P: Plugin>(name: &str, arguments: &str) -> Result<tools::Answer> {
    match plugin::call::<P>(name, arguments, Dialogue::default())? {
        Ended::Done(answer) => Ok(answer.into()),
        Ended::Asks(question, _) => Err(Error::Asking(question).into()),
    }
}

/// `dialogue.call`
///
/// # Errors
/// The tool's.
pub fn round<P: Plugin>(name: &str, arguments: &str, round: Round) -> Result<Outcome> {
    match plugin::call::<P>(name, arguments, Dialogue::resume(&round)?)? {
        Ended::Done(answer) => Ok(Outcome::Done(answer.into())),
        Ended::Asks(question, dialogue) => Ok(Outcome::Ask(dialogue.ask_with(question))),
    }
}

/// `prompts.describe-prompts`
#[must_use]
pub fn describe_prompts<P: Plugin>() -> Vec<prompts::Prompt> {
    plugin::describe_prompts::<P>()
}

/// `prompts.get`
///
/// # Errors
/// The prompt's; or that it asks, where nobody can be asked.
pub fn get<P: Plugin>(name: &str, arguments: &[(String, String)]) -> Result<prompts::Filled> {
    match plugin::get::<P>(name, arguments, Dialogue::default())? {
        Ended::Done(filled) => Ok(filled.into()),
        Ended::Asks(question, _) => Err(Error::Asking(question).into()),
    }
}

/// `prompt-dialogue.get`
///
/// # Errors
/// The prompt's.
pub fn prompt_round<P: Plugin>(
    name: &str,
    arguments: &[(String, String)],
    round: Round,
) -> Result<prompt_dialogue::Outcome> {
    match plugin::get::<P>(name, arguments, Dialogue::resume(&round)?)? {
        Ended::Done(filled) => Ok(prompt_dialogue::Outcome::Done(filled.into())),
        Ended::Asks(question, dialogue) => Ok(prompt_dialogue::Outcome::Ask(dialogue.ask_with(question))),
    }
}

/// `prompts.complete`
///
/// # Errors
/// The completing function's.
pub fn complete_argument<P: Plugin>(
    name: &str,
    argument: &str,
    value: &str,
    given: &[(String, String)],
) -> Result<Vec<String>> {
    Ok(plugin::complete_argument::<P>(name, argument, value, given)?)
}

/// `resources.describe-resources`
#[must_use]
pub fn describe_resources<P: Plugin>() -> resources::Described {
    plugin::describe_resources::<P>()
}

/// `resources.read`
///
/// # Errors
/// The resource's.
pub fn read<P: Plugin>(uri: &str) -> Result<resources::Content> {
    Ok(plugin::read::<P>(uri)?)
}

/// `resources.complete`
///
/// # Errors
/// The completing function's.
pub fn complete_variable<P: Plugin>(
    template: &str,
    variable: &str,
    value: &str,
    given: &[(String, String)],
) -> Result<Vec<String>> {
    Ok(plugin::complete_variable::<P>(template, variable, value, given)?)
}

/// `views.describe-views`
#[must_use]
pub fn describe_views<P: Plugin>() -> Vec<views::View> {
    plugin::describe_views::<P>()
}

impl From<Answer> for tools::Answer {
    fn from(answer: Answer) -> tools::Answer {
        match answer {
            Answer::Rows(rows) => tools::Answer::Rows(rows.0),
            Answer::Structured { json, text } => tools::Answer::Structured(tools::Structured { json, text }),
            Answer::Text(text) => tools::Answer::Text(text),
            Answer::Parts(parts) => tools::Answer::Parts(parts.into_iter().map(Into::into).collect()),
        }
    }
}
