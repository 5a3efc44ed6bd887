//! Prove, then publish: everything that can be wrong with a component is found here, before anyone can call it.

use super::bindings::PluginWithEverything;
use super::compile::{self, Compiler};
use super::describe::describe;
use super::exports::Exports;
use super::offer::{Prompt, Resource};
use super::place::Background;
use super::probation::Conduct;
use super::state::CallState;
use super::surface::unversioned;
use super::tool::Tool;
use super::trial::Tally;
use super::trust::{self, Trust};
use super::usage::{Account, Usage};
use super::{text, wasi};
use crate::config::{Grant, Limits, Plugins};
use crate::error::BoxError;
use crate::policy::Permit;
use crate::telemetry::Offers;
use arc_swap::ArcSwap;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Notify;
use wasmparser::component_types::ComponentEntityType;
use wasmparser::{Parser, Payload, Validator};
use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};

/// The package whose interfaces make up the contract, and the line of versions that links here.
pub(super) const PACKAGE: &str = "rowhouse:plugin/";
const LINE: &str = "0.1";

/// The step at which the compiler gives up.
pub(super) const COMPILE: &str = "compile";

/// The step at which nobody vouches for the bytes. What lies beside them may change without them.
pub(super) const SIGNATURE: &str = "signature";

/// A component that was proved: compiled, linked and described. Immutable; a call keeps the one it began with.
pub struct Loaded {
    /// The plugin's name, which is its file's.
    pub name: Arc<str>,
    /// The version it says it is.
    pub version: String,
    /// SHA-256 of its bytes.
    pub digest: String,
    /// The publisher who signed it, where one did whom the settings name.
    pub publisher: Option<String>,
    /// What it imports, in order.
    pub imports: Vec<String>,
    /// Interfaces it can call, without their version.
    pub(super) reach: BTreeSet<String>,
    /// What became of its calls while it is new.
    pub(super) tally: Tally,
    /// Its tools, in its own order.
    pub tools: Vec<Arc<Tool>>,
    /// Its prompts, in its own order.
    pub prompts: Vec<Arc<Prompt>>,
    /// Its documents and families of them, in its own order.
    pub resources: Vec<Arc<Resource>>,
    pub(super) exports: Exports,
    pub(super) wasi: bool,
    /// Whether answers of its statements may come out of the cache.
    pub cached: bool,
    /// What its calls may use: all plugins' bounds, as they are now.
    terms: Arc<ArcSwap<Plugins>>,
    pub(super) usage: Usage,
    /// Who breaks its bounds.
    pub(super) conduct: Conduct,
}

impl Loaded {
    /// What a call under this permit may use: this plugin's bounds and, of one tenant's rows, no more than that tenant's.
    pub fn limits_for(&self, permit: &Permit) -> Limits {
        let terms = self.terms.load();
        let limits = terms.limits(&self.name);
        let Some(tenant) = permit.tenant() else { return limits };
        let its = terms.tenant_limits.iter().filter(|(name, _)| tenant.is_called(name));
        its.fold(limits, |limits, (_, part)| limits.narrowed(part))
    }

    /// Whether its tools or prompts may ask back.
    pub fn asks_back(&self) -> bool {
        self.exports.asks_back()
    }

    /// What its calls came to since it is served.
    pub fn account(&self) -> Account {
        self.usage.account(&self.name, &self.version, &self.digest, &self.terms.load().limits(&self.name))
    }
}

impl Loaded {
    /// The names of all it offers, which are its own in a host: see [`crate::policy::Question`].
    pub fn items(&self) -> impl Iterator<Item = String> {
        let tools = self.tools.iter().map(|tool| tool.name.clone());
        let prompts = self.prompts.iter().map(|prompt| prompt.item());
        tools.chain(prompts).chain(self.resources.iter().map(|resource| resource.item()))
    }
}

/// What callers may be told apart by in metrics.
impl Offers for Loaded {
    fn plugin(&self) -> &str {
        &self.name
    }

    fn offers(&self, item: &str) -> bool {
        // Tools first: they are nearly all there is, and need no text made of them.
        self.tools.iter().any(|tool| tool.name == item) || self.items().any(|it| it == item)
    }
}

/// Why a component was refused.
#[derive(Clone, Debug, thiserror::Error)]
#[error("plugin `{plugin}` refused at {step}: {reason}")]
pub struct Refused {
    /// Whose.
    pub plugin: String,
    /// The step that failed.
    pub step: &'static str,
    /// What was wrong and what to do.
    pub reason: String,
    /// SHA-256 of its bytes, empty where they were not read: the same bytes are not proved twice.
    pub digest: String,
}

/// It serves nothing, but its file has a name.
impl Offers for Refused {
    fn plugin(&self) -> &str {
        &self.plugin
    }

    fn offers(&self, _item: &str) -> bool {
        false
    }
}

/// Turns files into [`Loaded`] plugins.
pub(super) struct Loader {
    pub(super) engine: Engine,
    linker: Linker<CallState>,
    compiler: Compiler,
    trust: Trust,
    settings: Plugins,
    /// Bounds of calls, which may be others while plugins are served. Of the rest `settings` is what counts.
    terms: Arc<ArcSwap<Plugins>>,
    /// Told when a version on trial fails too often.
    pub(super) alarm: Arc<Notify>,
    background: Arc<Background>,
}

/// A component as it was read, not yet proved.
pub(super) struct Candidate {
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
    /// The signature that lay beside it.
    pub(super) beside: Option<Vec<u8>>,
    /// SHA-256 of its bytes: what everything goes by from here on.
    pub(super) digest: String,
}

impl Candidate {
    pub(super) fn new(bytes: Vec<u8>, beside: Option<Vec<u8>>) -> Self {
        Self { digest: compile::digest(&bytes), bytes, beside }
    }
}

impl Loader {
    pub(super) fn new(engine: Engine, compiler: Compiler, trust: Trust, settings: Plugins) -> Result<Self, BoxError> {
        let mut linker = Linker::new(&engine);
        PluginWithEverything::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
        let terms = Arc::new(ArcSwap::from_pointee(settings.clone()));
        let (alarm, background) = (Arc::default(), Arc::default());
        Ok(Self { engine, linker, compiler, trust, settings, terms, alarm, background })
    }

    /// Calls that begin from now on have the bounds of these settings.
    pub(super) fn set_limits(&self, settings: &Plugins) {
        self.terms.store(Arc::new(settings.clone()));
    }

    /// One file and the signature beside it, if they are not too large to look at.
    ///
    /// # Errors
    /// Where one of them cannot be read, or is too large.
    pub(super) async fn read(&self, name: &str, path: &Path) -> Result<Candidate, Refused> {
        let refuse = |reason| Refused { plugin: name.to_owned(), step: "read", reason, digest: String::new() };
        let size = tokio::fs::metadata(path).await.map_err(|e| refuse(e.to_string()))?.len();
        let most = self.settings.max_bytes;
        if size > most {
            return Err(refuse(format!("{size} bytes; at most {most} are accepted (plugins.max_bytes)")));
        }
        let bytes = tokio::fs::read(path).await.map_err(|e| refuse(e.to_string()))?;
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}", trust::BESIDE));
        let beside = match tokio::fs::metadata(&beside).await {
            Ok(found) if found.len() > trust::MAX_BESIDE => {
                let most = trust::MAX_BESIDE;
                return Err(refuse(format!(
                    "the signature beside it has {} bytes; at most {most} are read",
                    found.len()
                )));
            }
            Ok(_) => Some(tokio::fs::read(&beside).await.map_err(|e| refuse(format!("the signature beside it: {e}")))?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(refuse(format!("the signature beside it: {error}"))),
        };
        Ok(Candidate::new(bytes, beside))
    }

    /// Prove one component.
    ///
    /// # Errors
    /// The first step that failed, and why.
    pub(super) async fn load(&self, name: &str, candidate: &Candidate) -> Result<Loaded, Refused> {
        let bytes = candidate.bytes.as_slice();
        let digest = candidate.digest.clone();
        let refuse = |step, reason: BoxError| Refused {
            plugin: name.to_owned(),
            step,
            // It may quote what the component says of itself.
            reason: text::line(&reason.to_string(), text::MAX_LINE),
            digest: digest.clone(),
        };
        let grant = self.settings.grant(name);
        let publisher = self.trust.check(bytes, candidate.beside.as_deref(), &grant.publishers);
        let publisher = publisher.map_err(|e| refuse(SIGNATURE, e))?;
        let imports = imports(bytes).map_err(|e| refuse("parse", e))?;
        within(name, &imports, grant).map_err(|e| refuse("grant", e))?;
        let component = self.compiler.component(&self.engine, bytes, &digest).await.map_err(|e| refuse(COMPILE, e))?;
        let exports = || -> wasmtime::Result<Exports> {
            let mut linker = self.linker.clone();
            if grant.wasi {
                wasi::add(&mut linker, &self.engine, &component)?;
            }
            Exports::new(linker.instantiate_pre(&component)?)
        };
        let exports = exports().map_err(|e| {
            let hint = format!("it was built for another version of the contract; rebuild it for {PACKAGE}*@{LINE}");
            refuse("link", format!("{e:#}; {hint}").into())
        })?;
        let limits = self.terms.load().limits(name);
        let said = describe(name, &exports, &limits, grant.wasi).await.map_err(|e| refuse("describe", e))?;
        Ok(Loaded {
            name: name.into(),
            version: said.version,
            digest,
            publisher,
            reach: imports.iter().filter(|import| import.callable).map(|import| unversioned(&import.name)).collect(),
            imports: imports.into_iter().map(|import| import.name).collect(),
            tally: Tally::new(self.settings.rollback, Arc::clone(&self.alarm)),
            tools: said.tools,
            prompts: said.prompts,
            resources: said.resources,
            exports,
            wasi: grant.wasi,
            cached: grant.cache,
            terms: Arc::clone(&self.terms),
            usage: Usage::default(),
            conduct: Conduct::new(self.settings.probation, Arc::clone(&self.background)),
        })
    }
}

/// One import of a component.
pub(super) struct Import {
    pub(super) name: String,
    /// Whether it brings a function to call. `types` has none; `sql` has none for a plugin that runs no statement, and
    /// is there for the type of a tool's answer all the same.
    pub(super) callable: bool,
}

/// What a component imports, read from its bytes alone: nothing is compiled for a component that may not be.
pub(super) fn imports(bytes: &[u8]) -> Result<Vec<Import>, BoxError> {
    if !Parser::is_component(bytes) {
        let hint = if Parser::is_core_wasm(bytes) {
            "this is a core module; make it a component (`wasm-tools component new`)"
        } else {
            "this is not WebAssembly"
        };
        return Err(hint.into());
    }
    let types = Validator::new().validate_all(bytes).map_err(|e| format!("this is not a valid component: {e}"))?;
    let types = types.as_ref();
    let (mut found, mut depth) = (Vec::new(), 0usize);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::ComponentSection { .. } | Payload::ModuleSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let name = import?.name.name.to_owned();
                    let callable = match types.component_item_for_import(&name).map(|item| item.ty) {
                        // A resource's own methods (`[method]rows.next`) need a resource that only a function gives.
                        Some(ComponentEntityType::Instance(id)) => types[id].exports.iter().any(|(name, item)| {
                            matches!(item.ty, ComponentEntityType::Func(_)) && !name.starts_with('[')
                        }),
                        _ => true,
                    };
                    found.push(Import { name, callable });
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Hold imports to the grant. Everything missing is named at once.
fn within(plugin: &str, imports: &[Import], grant: &Grant) -> Result<(), BoxError> {
    let mut missing = Vec::new();
    for Import { name: import, callable } in imports {
        if let Some(rest) = import.strip_prefix(PACKAGE) {
            let (interface, version) = rest.split_once('@').unwrap_or((rest, ""));
            if version != LINE && !version.starts_with(&format!("{LINE}.")) {
                return Err(
                    format!("it imports {import}; this host speaks {PACKAGE}{interface}@{LINE}: rebuild it").into()
                );
            }
            if *callable && !grant.interfaces.contains(interface) {
                missing.push(format!("{import} (add \"{interface}\" to plugins.grants.{plugin}.interfaces)"));
            }
        } else if import.starts_with("wasi:") {
            if !grant.wasi {
                missing.push(format!("{import} (set plugins.grants.{plugin}.wasi = true, or build without WASI)"));
            }
        } else {
            missing.push(format!("{import} (no such interface here)"));
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    // A guest with WASI imports some two dozen interfaces; the first few tell the story.
    let more = missing.len().saturating_sub(4);
    missing.truncate(4);
    let tail = if more > 0 { format!(", and {more} more") } else { String::new() };
    Err(format!("it imports what it was not granted: {}{tail}", missing.join(", ")).into())
}
