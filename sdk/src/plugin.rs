//! A plugin as a whole, and the way from a name to the function it means.

use crate::{
    answer::Answer,
    bindings::exports::rowhouse::plugin::{dialogue::Question, prompts, resources as wit, tools, views},
    dialogue::Dialogue,
    error::{Error, Result},
    prompt, resource,
    tool::{Described, Tool},
};

/// A plugin, as [`plugin!`](crate::plugin!) puts it together.
pub trait Plugin {
    /// The operator grants and pins by this name; the file has it, too.
    const NAME: &'static str;
    /// Semantic version.
    const VERSION: &'static str;

    /// The tools.
    fn tools() -> Vec<Tool>;

    /// The prompts.
    fn prompts() -> Vec<prompt::Entry>;

    /// The resources.
    fn resources() -> Vec<resource::Entry>;

    /// Which resource shows which tool's answers.
    fn views() -> Vec<View>;
}

/// A tool and the `ui://` resource that shows its answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    tool: &'static str,
    uri: &'static str,
}

impl View {
    /// The view of a tool.
    #[must_use]
    pub fn of<T: Described, R: resource::Resource>() -> View {
        View { tool: T::tool().name, uri: R::describe().uri }
    }
}

/// What is already filled in where a value is completed.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a>(pub(crate) &'a [(String, String)]);

impl Given<'_> {
    /// The value under `name`, if it is filled in.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// `store_name` for people: `Store name`.
pub(crate) fn title(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// How a round ends: of a call, or of filling in a prompt.
#[derive(Debug)]
pub(crate) enum Ended<T> {
    Done(T),
    Asks(Question, Dialogue),
}

impl<T> Ended<T> {
    fn of(outcome: Result<T>, dialogue: Dialogue) -> Result<Self> {
        match outcome {
            Ok(done) => Ok(Ended::Done(done)),
            Err(Error::Asking(question)) => Ok(Ended::Asks(question, dialogue)),
            Err(error) => Err(error),
        }
    }
}

pub(crate) fn describe<P: Plugin>() -> tools::PluginInfo {
    tools::PluginInfo {
        name: P::NAME.to_owned(),
        version: P::VERSION.to_owned(),
        tools: P::tools().iter().map(Tool::describe).collect(),
    }
}

pub(crate) fn call<P: Plugin>(name: &str, arguments: &str, mut dialogue: Dialogue) -> Result<Ended<Answer>> {
    let tools = P::tools();
    let tool = tools.iter().find(|tool| tool.description.name == name);
    let tool = tool.ok_or_else(|| Error::not_found(format!("there is no tool `{name}`")))?;
    let outcome = tool.call(arguments, &mut dialogue);
    Ended::of(outcome, dialogue)
}

pub(crate) fn describe_prompts<P: Plugin>() -> Vec<prompts::Prompt> {
    P::prompts().iter().map(prompt::Entry::describe).collect()
}

fn prompt<P: Plugin>(name: &str) -> Result<prompt::Entry> {
    let found = P::prompts().into_iter().find(|one| one.description.name == name);
    found.ok_or_else(|| Error::not_found(format!("there is no prompt `{name}`")))
}

pub(crate) fn get<P: Plugin>(
    name: &str,
    arguments: &[(String, String)],
    mut dialogue: Dialogue,
) -> Result<Ended<prompt::Filled>> {
    let outcome = prompt::<P>(name)?.get(arguments, &mut dialogue);
    Ended::of(outcome, dialogue)
}

pub(crate) fn complete_argument<P: Plugin>(
    name: &str,
    argument: &str,
    value: &str,
    given: &[(String, String)],
) -> Result<Vec<String>> {
    (prompt::<P>(name)?.complete)(argument, value, &Given(given)).map(|found| beginning(found, value))
}

pub(crate) fn describe_resources<P: Plugin>() -> wit::Described {
    resource::describe(&P::resources())
}

pub(crate) fn read<P: Plugin>(uri: &str) -> Result<wit::Content> {
    let found = P::resources().iter().find_map(|one| one.read(uri));
    found.unwrap_or_else(|| Err(Error::not_found(format!("there is no document `{uri}`"))))
}

pub(crate) fn complete_variable<P: Plugin>(
    template: &str,
    variable: &str,
    value: &str,
    given: &[(String, String)],
) -> Result<Vec<String>> {
    let found = P::resources().into_iter().find(|one| one.description.uri == template);
    let found = found.ok_or_else(|| Error::not_found(format!("there is no template `{template}`")))?;
    (found.complete)(variable, value, &Given(given)).map(|found| beginning(found, value))
}

/// A completing function may give all there is: those that do not begin as the value does are left out here.
fn beginning(found: Vec<String>, value: &str) -> Vec<String> {
    let value = value.to_lowercase();
    found.into_iter().filter(|one| one.to_lowercase().starts_with(&value)).collect()
}

pub(crate) fn describe_views<P: Plugin>() -> Vec<views::View> {
    let view = |view: &View| views::View { tool: view.tool.to_owned(), uri: view.uri.to_owned() };
    P::views().iter().map(view).collect()
}
