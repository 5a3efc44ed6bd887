//! What a plugin can be asked for: an answer, a prompt, a document, values. Each is asked in the contract's terms, and
//! what comes back is held to what the plugin declared.

use super::bindings::exports::rowhouse::plugin::{dialogue as wit, prompt_dialogue, prompts, resources, tools};
use super::bindings::rowhouse::plugin::types::{SqlError, SqlErrorCode};
use super::dialogue::{self, Ended, Round};
use super::nesting::deeper_than;
use super::offer::{Prompt, Resource, VIEW};
use super::run::{Errand, Fault, Guest};
use super::text;
use super::tool::{Answer, Part, Tool};
use crate::error::{CallError, Code};
use serde_json::Value;
use std::sync::Arc;

/// The longest error text a plugin may send its caller, in bytes.
const MAX_TEXT: usize = 4_000;

/// Values of a completion that are sent on (MCP, `completion/complete`).
pub const MAX_VALUES: usize = 100;

/// An answer to a call, or one round of it.
pub struct Call {
    /// Of which tool.
    pub tool: Arc<Tool>,
    /// JSON that its input schema accepts.
    pub arguments: String,
    /// For tools that ask back.
    pub round: Round,
}

impl Errand for Call {
    type Outcome = Ended<Answer>;

    fn name(&self) -> &str {
        &self.tool.name
    }

    async fn run(&self, guest: &mut Guest<'_>) -> Result<Ended<Answer>, Fault> {
        let whose = format!("the tool `{}` of {}", self.tool.name, guest.plugin.called());
        let Guest { plugin, store, instance, .. } = &mut *guest;
        let outcome = match plugin.exports.dialogue(store, instance)? {
            Some(found) => {
                let round = dialogue::round(&self.round);
                found.call_call(&mut *store, &self.tool.name, &self.arguments, &round).await?
            }
            None => {
                let found = plugin.exports.tools(store, instance)?;
                found.call_call(&mut *store, &self.tool.name, &self.arguments).await?.map(wit::Outcome::Done)
            }
        };
        match outcome.map_err(given_up)? {
            wit::Outcome::Done(said) => Ok(Ended::Done(answer(&self.tool, &whose, said, guest)?)),
            wit::Outcome::Ask(ask) => Ok(Ended::Asks(dialogue::ask(ask).map_err(|what| broke(&whose, what))?)),
        }
    }
}

/// A prompt, filled in, or one round of it.
pub struct Fill {
    /// Which.
    pub prompt: Arc<Prompt>,
    /// Values by the arguments' names, which it declared.
    pub arguments: Vec<(String, String)>,
    /// For prompts that ask back.
    pub round: Round,
}

/// A prompt, filled in.
#[derive(Debug, Default)]
pub struct Filled {
    /// What it is about, this time.
    pub description: Option<String>,
    /// The conversation it begins.
    pub messages: Vec<(Speaker, Part)>,
}

/// Who says a message of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the two roles of MCP")]
pub enum Speaker {
    User,
    Assistant,
}

impl Errand for Fill {
    type Outcome = Ended<Filled>;

    fn name(&self) -> &str {
        &self.prompt.name
    }

    async fn run(&self, guest: &mut Guest<'_>) -> Result<Ended<Filled>, Fault> {
        let Guest { plugin, store, instance, .. } = &mut *guest;
        let name = &self.prompt.name;
        let whose = format!("the prompt `{name}` of {}", plugin.called());
        let lie = |what: &str| broke(&whose, what);
        let outcome = if let Some(found) = plugin.exports.prompt_dialogue(store, instance)? {
            let round = dialogue::round(&self.round);
            found.call_get(&mut *store, name, &self.arguments, &round).await?
        } else if let Some(found) = plugin.exports.prompts(store, instance)? {
            found.call_get(&mut *store, name, &self.arguments).await?.map(prompt_dialogue::Outcome::Done)
        } else {
            return Err(lie("is not exported").into());
        };
        match outcome.map_err(given_up)? {
            prompt_dialogue::Outcome::Done(filled) => {
                let messages: Vec<_> = filled.messages.into_iter().map(message).collect();
                bounded(&whose, messages.iter().map(|(_, part)| part), 0, guest)?;
                Ok(Ended::Done(Filled { description: filled.description, messages }))
            }
            prompt_dialogue::Outcome::Ask(ask) => Ok(Ended::Asks(dialogue::ask(ask).map_err(lie)?)),
        }
    }
}

fn message(message: prompts::Message) -> (Speaker, Part) {
    let speaker = match message.role {
        prompts::Role::User => Speaker::User,
        prompts::Role::Assistant => Speaker::Assistant,
    };
    (speaker, part(message.content))
}

/// A document, read.
pub struct Read {
    /// Which, or of which family.
    pub resource: Arc<Resource>,
    /// Its URI.
    pub uri: String,
}

/// What a document holds.
#[derive(Debug)]
pub struct Content {
    /// What it is.
    pub mime_type: String,
    /// The document.
    pub body: Body,
}

/// Text, or anything else.
#[derive(Debug)]
#[expect(missing_docs, reason = "the two kinds of content of MCP")]
pub enum Body {
    Text(String),
    Bytes(Vec<u8>),
}

impl Errand for Read {
    type Outcome = Content;

    fn name(&self) -> &str {
        &self.resource.name
    }

    async fn run(&self, guest: &mut Guest<'_>) -> Result<Content, Fault> {
        let Guest { plugin, store, instance, .. } = &mut *guest;
        let whose = format!("the resource `{}` of {}", self.resource.uri, plugin.called());
        let lie = |what: &str| broke(&whose, what);
        let found = plugin.exports.resources(store, instance)?.ok_or_else(|| lie("is not exported"))?;
        let content = found.call_read(&mut *store, &self.uri).await?.map_err(given_up)?;
        // What a client shows in a frame was declared as a view.
        if (content.mime_type == VIEW) != (self.resource.mime_type == VIEW) {
            return Err(lie("has another MIME type than it declared").into());
        }
        let (bytes, body) = match content.body {
            resources::Body::Text(text) => (text.len(), Body::Text(text)),
            resources::Body::Bytes(bytes) => (bytes.len(), Body::Bytes(bytes)),
        };
        bounded(&whose, [].into_iter(), bytes, guest)?;
        Ok(Content { mime_type: content.mime_type, body })
    }
}

/// Values that an argument of a prompt, or a variable of a template, could have.
pub struct Complete {
    /// Of what.
    pub of: Completed,
    /// The argument or variable.
    pub argument: String,
    /// What was typed so far.
    pub value: String,
    /// The others that are filled in already.
    pub given: Vec<(String, String)>,
}

/// What is being filled in.
pub enum Completed {
    /// A prompt.
    Prompt(Arc<Prompt>),
    /// A family of documents.
    Template(Arc<Resource>),
}

/// The first values, and how many there were.
#[derive(Debug, Default)]
pub struct Values {
    /// Best first; at most [`MAX_VALUES`].
    pub values: Vec<String>,
    /// Of how many.
    pub total: usize,
}

impl Errand for Complete {
    type Outcome = Values;

    fn name(&self) -> &str {
        match &self.of {
            Completed::Prompt(prompt) => &prompt.name,
            Completed::Template(resource) => &resource.name,
        }
    }

    async fn run(&self, guest: &mut Guest<'_>) -> Result<Values, Fault> {
        let Guest { plugin, store, instance, .. } = &mut *guest;
        let whose = format!("what completes `{}` of {}", self.name(), plugin.called());
        let lie = || broke(&whose, "is not exported");
        let said = match &self.of {
            Completed::Prompt(prompt) => {
                let found = plugin.exports.prompts(store, instance)?.ok_or_else(lie)?;
                found.call_complete(&mut *store, &prompt.name, &self.argument, &self.value, &self.given).await?
            }
            Completed::Template(resource) => {
                let found = plugin.exports.resources(store, instance)?.ok_or_else(lie)?;
                found.call_complete(&mut *store, &resource.uri, &self.argument, &self.value, &self.given).await?
            }
        };
        let mut values = said.map_err(given_up)?;
        let total = values.len();
        values.truncate(MAX_VALUES);
        Ok(Values { values, total })
    }
}

fn broke(who: &str, what: &str) -> CallError {
    CallError::new(Code::PluginContract, format!("{who} {what}"))
}

/// Hold what leaves to the bounds of an answer: so many parts, so many bytes (`aside` are those of no part), and of a kind
/// that a client takes.
fn bounded<'a>(
    whose: &str,
    parts: impl Iterator<Item = &'a Part>,
    aside: usize,
    guest: &mut Guest<'_>,
) -> Result<(), CallError> {
    let too_much = |what: String| Err(CallError::new(Code::PluginAnswer, format!("{whose} answered with {what}")));
    let (mut bytes, mut count) = (aside, 0);
    for part in parts {
        if let Some(fault) = part.fault() {
            return Err(broke(whose, &format!("answered with a part whose {fault}")));
        }
        bytes += part.size();
        count += 1;
    }
    guest.store.data_mut().answer_bytes = bytes;
    let (parts, most) = (guest.limits.answer_parts as usize, guest.limits.answer_bytes);
    if count > parts {
        return too_much(format!("{count} parts; an answer may have {parts}"));
    }
    if bytes > most {
        return too_much(format!("{bytes} bytes; an answer may have {most}"));
    }
    Ok(())
}

/// The guest's answer in the host's own terms, held to the tool's output schema.
fn answer(tool: &Tool, whose: &str, answer: tools::Answer, guest: &mut Guest<'_>) -> Result<Answer, CallError> {
    let lie = |what: &str| broke(whose, what);
    let mut aside = 0;
    let answer = match answer {
        tools::Answer::Rows(handle) => {
            let rows = guest.store.data_mut().take_rows(handle);
            let json = rows.map_err(|_| lie("answered with rows it does not hold"))?.to_json();
            let structured = serde_json::from_str(&json).map_err(CallError::internal)?;
            Answer { parts: vec![Part::Text(json)], structured: Some(structured), age: None }
        }
        tools::Answer::Structured(answer) => {
            let most = guest.limits.json_depth;
            if deeper_than(&answer.json, most) {
                let text = format!("{whose} answered with JSON that nests deeper than {most} levels");
                return Err(CallError::new(Code::PluginNesting, text));
            }
            let structured: Value = serde_json::from_str(&answer.json)
                .map_err(|e| lie("answered with text that is not JSON").because(e))?;
            if !structured.is_object() {
                return Err(lie("answered with JSON that is not an object"));
            }
            // With words of its own for models, the JSON comes beside them.
            aside = answer.text.as_ref().map_or(0, |_| answer.json.len());
            Answer {
                parts: vec![Part::Text(answer.text.unwrap_or(answer.json))],
                structured: Some(structured),
                age: None,
            }
        }
        tools::Answer::Text(text) => Answer { parts: vec![Part::Text(text)], ..Answer::default() },
        tools::Answer::Parts(parts) => Answer { parts: parts.into_iter().map(part).collect(), ..Answer::default() },
    };
    bounded(whose, answer.parts.iter(), aside, guest)?;
    match &answer.structured {
        Some(structured) => tool.check_answer(structured, &guest.plugin.called())?,
        None if tool.output_schema.is_some() => {
            return Err(lie("has an output schema and answered without structure"));
        }
        None => {}
    }
    Ok(answer)
}

fn part(part: tools::Part) -> Part {
    match part {
        tools::Part::Text(text) => Part::Text(text),
        tools::Part::Image(media) => Part::Image { data: media.data, mime_type: media.mime_type },
        tools::Part::Audio(media) => Part::Audio { data: media.data, mime_type: media.mime_type },
        tools::Part::Resource(it) => Part::Resource { uri: it.uri, mime_type: it.mime_type, text: it.text },
    }
}

/// The plugin gave up, and said why.
fn given_up(error: tools::ToolError) -> CallError {
    let (code, said) = match error {
        tools::ToolError::InvalidArguments(text) => (Code::Validation, text),
        tools::ToolError::NotFound(text) => (Code::NotFound, text),
        tools::ToolError::Failed(text) => (Code::ToolFailed, text),
        tools::ToolError::Sql(error) => (sql_code(&error), sql_text(&error)),
    };
    // In lines, as its author wrote it; what would move a terminal's cursor is written out.
    let lines: Vec<String> =
        said[..said.floor_char_boundary(MAX_TEXT)].lines().map(|it| text::line(it, MAX_TEXT)).collect();
    CallError::new(code, lines.join("\n"))
}

fn sql_code(error: &SqlError) -> Code {
    match error.code {
        SqlErrorCode::Rejected => Code::QueryRejected,
        SqlErrorCode::Invalid => Code::QueryInvalid,
        SqlErrorCode::Timeout => Code::QueryTimeout,
        SqlErrorCode::Limit => Code::QueryLimit,
        SqlErrorCode::Cancelled => Code::Cancelled,
        SqlErrorCode::Unavailable => Code::Database,
    }
}

fn sql_text(error: &SqlError) -> String {
    let mut text = error.message.clone();
    if let Some(position) = error.position {
        text.push_str(&format!(" (at character {position})"));
    }
    if let Some(state) = &error.sqlstate {
        text.push_str(&format!(" [{state}]"));
    }
    text
}
