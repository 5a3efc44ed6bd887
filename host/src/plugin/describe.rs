//! What a plugin says of itself, once, when it is loaded: with no data, under a small envelope. It becomes the host's own
//! terms here, or the plugin is refused.

use super::bindings::exports::rowhouse::plugin::{prompts, resources, tools, views};
use super::blame::blame;
use super::clock;
use super::engine;
use super::exports::Exports;
use super::meter::Stop;
use super::offer::{Prompt, PromptArgument, Resource, few};
use super::state::CallState;
use super::template::Pattern;
use super::text;
use super::tool::{Annotations, Tool};
use crate::config::Limits;
use crate::error::BoxError;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Tools one plugin may declare. Everything a model reads is paid for by every caller; nobody has use for more.
const MAX_TOOLS: usize = 100;

/// Bytes of a version: `1.2.3-rc.1+build` and room.
const MAX_VERSION: usize = 64;

/// All a plugin says.
pub(super) struct Said {
    pub(super) version: String,
    pub(super) tools: Vec<Arc<Tool>>,
    pub(super) prompts: Vec<Arc<Prompt>>,
    pub(super) resources: Vec<Arc<Resource>>,
}

/// The same, in the contract's terms.
struct Raw {
    info: tools::PluginInfo,
    prompts: Vec<prompts::Prompt>,
    resources: Option<resources::Described>,
    views: Vec<views::View>,
}

/// Ask a fresh instance for all it offers.
///
/// # Errors
/// What it did instead of answering, or what is wrong with its answer.
pub(super) async fn describe(name: &str, exports: &Exports, limits: &Limits, wasi: bool) -> Result<Said, BoxError> {
    understand(name, ask(name, exports, limits, wasi).await?)
}

async fn ask(name: &str, exports: &Exports, limits: &Limits, wasi: bool) -> Result<Raw, BoxError> {
    let limits = limits.for_describe();
    let stop = Arc::new(Stop::default());
    let state = CallState::new(name.into(), &limits, Arc::clone(&stop), None, wasi);
    let mut store = engine::store(exports.pre(), state, &limits, &stop);
    let work = async {
        let instance = exports.pre().instantiate_async(&mut store).await?;
        // Loading checks the types, also of what is only called later.
        exports.dialogue(&mut store, &instance)?;
        exports.prompt_dialogue(&mut store, &instance)?;
        let info = exports.tools(&mut store, &instance)?.call_describe(&mut store).await?;
        let prompts = match exports.prompts(&mut store, &instance)? {
            Some(guest) => guest.call_describe_prompts(&mut store).await?,
            None => Vec::new(),
        };
        let resources = match exports.resources(&mut store, &instance)? {
            Some(guest) => Some(guest.call_describe_resources(&mut store).await?),
            None => None,
        };
        let views = match exports.views(&mut store, &instance)? {
            Some(guest) => guest.call_describe_views(&mut store).await?,
            None => Vec::new(),
        };
        wasmtime::Result::Ok(Raw { info, prompts, resources, views })
    };
    let work = async { clock::timed(work).await.0 };
    match tokio::time::timeout(Duration::from_millis(limits.wall_ms), work).await {
        Ok(Ok(said)) => Ok(said),
        Ok(Err(error)) => Err(blame(name, None, &error).to_string().into()),
        Err(_) => Err(format!("took longer than {} ms", limits.wall_ms).into()),
    }
}

fn understand(file: &str, raw: Raw) -> Result<Said, BoxError> {
    let info = raw.info;
    if info.name.replace('_', "-") != file.replace('_', "-") {
        let name = text::line(&info.name, 64);
        return Err(format!("it calls itself {name:?}; grants go by the file's name, so the two must agree").into());
    }
    let versions = |c: char| c.is_ascii_alphanumeric() || ".-+".contains(c);
    if info.version.is_empty() || info.version.len() > MAX_VERSION || !info.version.chars().all(versions) {
        let version = text::line(&info.version, MAX_VERSION);
        return Err(format!("it calls its version {version:?}; write a semantic version, like 1.2.3").into());
    }
    if info.tools.len() > MAX_TOOLS {
        return Err(format!("it declares {} tools; at most {MAX_TOOLS} are accepted", info.tools.len()).into());
    }
    let prompts = raw.prompts;
    few("prompts", &prompts)?;
    let prompts = prompts.into_iter().map(prompt).collect::<Result<Vec<_>, _>>()?;
    let resources = match raw.resources {
        Some(said) => documents(said)?,
        None => Vec::new(),
    };
    let mut tools = info.tools.into_iter().map(tool).collect::<Result<Vec<_>, _>>()?;
    once("tool", tools.iter().map(|tool| tool.name.as_str()))?;
    once("prompt", prompts.iter().map(|prompt| prompt.name.as_str()))?;
    once("resource", resources.iter().map(|resource| resource.uri.as_str()))?;
    for views::View { tool: name, uri } in raw.views {
        let Some(tool) = tools.iter_mut().find(|tool| tool.name == name) else {
            return Err(format!("it declares a view of the tool `{name}`, which it does not declare").into());
        };
        if !uri.starts_with("ui://") || !resources.iter().any(|it| !it.is_template() && it.uri == uri) {
            return Err(format!("it declares the view {uri:?}, which is no `ui://` resource of its own").into());
        }
        if tool.view.replace(uri).is_some() {
            return Err(format!("it declares two views of the tool `{name}`").into());
        }
    }
    Ok(Said {
        version: info.version,
        tools: tools.into_iter().map(Arc::new).collect(),
        prompts: prompts.into_iter().map(Arc::new).collect(),
        resources: resources.into_iter().map(Arc::new).collect(),
    })
}

fn tool(tool: tools::Tool) -> Result<Tool, BoxError> {
    let annotations = Annotations {
        read_only: tool.annotations.read_only,
        destructive: tool.annotations.destructive,
        idempotent: tool.annotations.idempotent,
        open_world: tool.annotations.open_world,
    };
    let output = tool.output_schema.as_deref();
    Tool::new(tool.name, tool.title, tool.description, &tool.input_schema, output, annotations)
}

fn prompt(prompt: prompts::Prompt) -> Result<Prompt, BoxError> {
    let argument = |it: prompts::Argument| PromptArgument {
        name: it.name,
        title: it.title,
        description: it.description,
        required: it.required,
        completes: it.completes,
    };
    Prompt {
        name: prompt.name,
        title: prompt.title,
        description: prompt.description,
        arguments: prompt.arguments.into_iter().map(argument).collect(),
    }
    .check()
}

fn documents(said: resources::Described) -> Result<Vec<Resource>, BoxError> {
    few("resources", &said.resources)?;
    few("resource templates", &said.templates)?;
    let documents = said.resources.into_iter().map(|it| {
        Resource {
            uri: it.uri,
            name: it.name,
            title: it.title,
            description: it.description,
            mime_type: it.mime_type,
            pattern: None,
            completes: BTreeSet::new(),
        }
        .check()
    });
    let families = said.templates.into_iter().map(|it| {
        let pattern = Some(Pattern::new(&it.uri_template)?);
        Resource {
            uri: it.uri_template,
            name: it.name,
            title: it.title,
            description: it.description,
            mime_type: it.mime_type,
            pattern,
            completes: it.completes.into_iter().collect(),
        }
        .check()
    });
    documents.chain(families).collect()
}

/// Hold a kind of names to being there once each.
fn once<'a>(kind: &str, names: impl Iterator<Item = &'a str>) -> Result<(), BoxError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(format!("it declares the {kind} `{}` twice", text::line(name, 64)).into());
        }
    }
    Ok(())
}
