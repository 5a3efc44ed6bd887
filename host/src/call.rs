//! The street: what happens between a request and its answer, in order.

mod record;
mod rights;
mod seal;
mod standing;
mod turn;
mod watched;

pub use record::now;
pub use seal::Seal;

use crate::audit::Audit;
use crate::backup::Standing;
use crate::config::Limits;
use crate::embedding::Embeddings;
use crate::error::{CallError, Code};
use crate::health::Board;
use crate::identity::{Identity, Principal};
use crate::plugin::{
    Answer, Call, CallFacts, Complete, Completed, Content, Ended, Errand, Fill, Filled, Listener, Loaded, Prompt, Read,
    Registry, Resource, Stop, Tool, Values, Vectors,
};
use crate::policy::{Keeper, PROMPT, RESOURCE};
use crate::query::catalog::Catalog;
use crate::query::{Bounds, Database};
use crate::telemetry::{Phase, Telemetry};
use crate::traffic::Traffic;
use arc_swap::ArcSwap;
use record::{Held, Record, Weighed, cached};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use turn::Turn;
use uuid::Uuid;
use watched::Watch;

/// Everything a call needs. One for the whole process.
pub struct Host {
    /// Who is asking.
    pub identity: Identity,
    /// What they may call.
    pub policy: Arc<Keeper>,
    /// How much, how often, how many at once.
    pub traffic: Traffic,
    /// The tools.
    pub plugins: Arc<Registry>,
    /// The door to the rows.
    pub database: Database,
    /// What there is to ask about.
    pub catalog: ArcSwap<Catalog>,
    /// Texts to vectors.
    pub embeddings: Embeddings,
    /// Who did what.
    pub audit: Audit,
    /// What lasts from one round of a call to the next.
    pub seal: Seal,
    /// Copies of the database.
    pub backups: Arc<Standing>,
    /// How it is doing.
    pub board: Arc<Board>,
    /// What is told of calls.
    pub telemetry: Telemetry,
}

/// One call, as the transport understood it.
#[derive(Clone)]
pub struct Request {
    /// Names the call in logs and in errors.
    pub id: String,
    /// The tool's name, as the caller wrote it; or the prompt's, or the document's URI.
    pub tool: String,
    /// The arguments, as the caller wrote them.
    pub arguments: Map<String, Value>,
    /// The tenants the call is about, where the caller said so. Narrows what it sees and never widens it.
    pub tenants: Option<Vec<Uuid>>,
    /// The caller's ear, where it asked for word.
    pub listener: Option<Arc<dyn Listener>>,
    /// Fires when the caller leaves.
    pub cancelled: CancellationToken,
}

/// What a caller sent, small and flat enough to be looked at.
struct Given<'a> {
    /// An object.
    arguments: Value,
    /// The same, as JSON.
    text: String,
    /// What the call may use.
    limits: &'a Limits,
}

/// What a client sends back to a call that asked: in the first round, nothing.
#[derive(Clone, Debug, Default)]
pub struct Resumed {
    /// The state of the round before, as the client had it.
    pub state: Option<String>,
    /// The replies by the question's id, as JSON.
    pub replies: Vec<(String, String)>,
}

impl Host {
    /// Answer one call of someone whose identity was proved. A tool that asks back is told that nobody can be asked.
    ///
    /// # Errors
    /// See [`Code`]; who may not call a tool is told what one is told whose tool does not exist.
    pub async fn call(&self, who: &Arc<Principal>, request: Request) -> Result<Answer, CallError> {
        match self.round(who, request, Resumed::default()).await? {
            Ended::Done(answer) => Ok(answer),
            Ended::Asks(_) => Err(CallError::new(Code::ToolFailed, "the tool asks back, and there is nobody to ask")),
        }
    }

    /// One round of a call. Where it ends with questions, their state is sealed: only [`Host::round`] can read it, for the
    /// same call.
    ///
    /// # Errors
    /// As [`Host::call`]; [`Code::RequestState`] for a state that is not this call's.
    pub async fn round(
        &self,
        who: &Arc<Principal>,
        request: Request,
        resumed: Resumed,
    ) -> Result<Ended<Answer>, CallError> {
        let (policy, published) = (self.policy.current(), self.plugins.published());
        let found = published.find_for(&request.tool, who, &policy).cloned();
        let (plugin, tool) = found.ok_or_else(|| self.missing(who, &request, ""))?;
        let mut turn = Turn::of(who, &plugin, tool.name.clone(), request.tenants.clone());
        let errand = |given: Given<'_>| {
            tool.check_arguments(&given.arguments)?;
            let round = turn.begin(&self.seal, resumed, &given)?;
            Ok(Call { tool: Arc::clone(&tool), arguments: given.text, round })
        };
        let properties = tool.input_schema.get("properties").and_then(Value::as_object);
        let known = |name: &str| properties.is_some_and(|properties| properties.contains_key(name));
        let ended = self.serve(who, request, &plugin, tool.name.clone(), known, errand).await?;
        turn.end(&self.seal, ended)
    }

    /// One round of filling in a prompt.
    ///
    /// # Errors
    /// As [`Host::call`]; [`Code::NotFound`] for a prompt that does not exist, or is not this caller's to get.
    pub async fn fill(
        &self,
        who: &Arc<Principal>,
        request: Request,
        resumed: Resumed,
    ) -> Result<Ended<Filled>, CallError> {
        let (policy, published) = (self.policy.current(), self.plugins.published());
        let found = published.prompt_for(&request.tool, who, &policy);
        let found = found.map(|(plugin, prompt)| (Arc::clone(plugin), Arc::clone(prompt)));
        let (plugin, prompt) = found.ok_or_else(|| self.missing(who, &request, PROMPT))?;
        let mut turn = Turn::of(who, &plugin, prompt.item(), request.tenants.clone());
        let errand = |given: Given<'_>| {
            let arguments = prompt.take(&given.arguments)?;
            let round = turn.begin(&self.seal, resumed, &given)?;
            Ok(Fill { prompt: Arc::clone(&prompt), arguments, round })
        };
        let known = |name: &str| prompt.arguments.iter().any(|argument| argument.name == name);
        let ended = self.serve(who, request, &plugin, prompt.item(), known, errand).await?;
        turn.end(&self.seal, ended)
    }

    /// A document. The request's `tool` is its URI.
    ///
    /// # Errors
    /// As [`Host::call`]; [`Code::NotFound`] for a document that does not exist, or is not this caller's to read.
    pub async fn read(&self, who: &Arc<Principal>, mut request: Request) -> Result<Content, CallError> {
        let (policy, published) = (self.policy.current(), self.plugins.published());
        let uri = request.tool.clone();
        let found = published.resource_for(&uri, who, &policy);
        let found = found.map(|(plugin, resource)| (Arc::clone(plugin), Arc::clone(resource)));
        let (plugin, resource) = found.ok_or_else(|| self.missing(who, &request, RESOURCE))?;
        request.arguments = Map::from_iter([("uri".to_owned(), Value::from(uri.as_str()))]);
        let errand = |_: Given<'_>| Ok(Read { resource: Arc::clone(&resource), uri });
        self.serve(who, request, &plugin, resource.item(), |_| true, errand).await
    }

    /// Values for an argument of a prompt, or for a variable of a family of documents. The request's `tool` is the
    /// prompt's name or the template, its `arguments` are those filled in already.
    ///
    /// # Errors
    /// As [`Host::fill`] and [`Host::read`]; [`Code::Validation`] for an argument there is not.
    pub async fn complete(
        &self,
        who: &Arc<Principal>,
        request: Request,
        of_prompt: bool,
        argument: String,
        value: String,
    ) -> Result<Values, CallError> {
        let (policy, published) = (self.policy.current(), self.plugins.published());
        let found = match of_prompt {
            true => published.prompt_for(&request.tool, who, &policy).map(|(plugin, prompt)| {
                let known = prompt.arguments.iter().find(|it| it.name == argument).map(|it| it.completes);
                (Arc::clone(plugin), prompt.item(), Completed::Prompt(Arc::clone(prompt)), known)
            }),
            false => published
                .resources_for(who, &policy)
                .find(|(_, it)| it.is_template() && it.uri == request.tool)
                .map(|(plugin, resource)| {
                    let known = resource.has_variable(&argument).then(|| resource.completes.contains(&argument));
                    (Arc::clone(plugin), resource.item(), Completed::Template(Arc::clone(resource)), known)
                }),
        };
        let found = found.ok_or_else(|| self.missing(who, &request, if of_prompt { PROMPT } else { RESOURCE }))?;
        let (plugin, item, of, known) = found;
        // What the plugin has nothing to say about is not asked of it; who may not use the item learns nothing of it.
        let Some(true) = known else {
            self.permit(who, &request, &plugin, &item)?;
            return match known {
                Some(_) => Ok(Values::default()),
                None => Err(CallError::new(Code::Validation, "there is no such argument to complete")),
            };
        };
        let errand = |given: Given<'_>| {
            let texts = given.arguments.as_object().into_iter().flatten();
            let given = texts.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect();
            Ok(Complete { of, argument, value, given })
        };
        self.serve(who, request, &plugin, item, |_| true, errand).await
    }

    /// The street, watched.
    async fn serve<E>(
        &self,
        who: &Arc<Principal>,
        request: Request,
        plugin: &Arc<Loaded>,
        item: String,
        known: impl Fn(&str) -> bool,
        errand: impl FnOnce(Given<'_>) -> Result<E, CallError>,
    ) -> Result<E::Outcome, CallError>
    where
        E: Errand,
        E::Outcome: Weighed,
    {
        let mut watch = Watch::begin(&self.telemetry, &request, plugin, &item);
        let span = watch.span();
        let outcome = self.walk(who, request, plugin, item, known, errand, &mut watch).instrument(span).await;
        watch.end(&outcome);
        outcome
    }

    /// The street itself: permit, place, transaction, record, guest.
    #[expect(clippy::too_many_arguments, reason = "what is asked, of whom, and who watches")]
    async fn walk<E>(
        &self,
        who: &Arc<Principal>,
        request: Request,
        plugin: &Arc<Loaded>,
        item: String,
        known: impl Fn(&str) -> bool,
        errand: impl FnOnce(Given<'_>) -> Result<E, CallError>,
        watch: &mut Watch,
    ) -> Result<E::Outcome, CallError>
    where
        E: Errand,
        E::Outcome: Weighed,
    {
        let began = Instant::now();
        let permit = watch.phase(Phase::Policy, async { self.permit(who, &request, plugin, &item) }).await?;
        let limits = plugin.limits_for(&permit);
        let deadline = began + Duration::from_millis(limits.wall_ms);
        let pass = watch.phase(Phase::Place, self.pass(&permit, &request, deadline)).await?;
        let stop = Arc::new(Stop::default());
        let time = deadline.saturating_duration_since(Instant::now());
        let database = Duration::from_millis(limits.database_ms);
        let bounds = Bounds { rows: limits.rows, bytes: limits.row_bytes, time, database };
        let opened = async {
            let transaction = self.database.open(&permit, bounds, stop.token().clone())?;
            let transaction = cached::<E::Outcome>(transaction, plugin, &permit);
            let record = Record::open(&self.audit, pass.tally(), &permit, plugin, &request.id, began, deadline);
            Ok((Arc::new(transaction), watch.phase(Phase::Trail, record).await?))
        };
        let (transaction, mut record) = match opened.await {
            Ok(opened) => opened,
            Err(refused) => {
                pass.give_back();
                return Err(refused);
            }
        };
        watch.over(&transaction);
        record.keep_arguments(known, &request.arguments);
        let arguments = Value::Object(request.arguments);
        let admitted = plugin.admit(&item, &arguments, &limits);
        let outcome = match admitted.and_then(|text| errand(Given { arguments, text, limits: &limits })) {
            Err(mistake) => Err(mistake),
            Ok(errand) => {
                let vectors = Vectors::new(&self.embeddings, &permit, Some(pass.tally()));
                let facts = CallFacts {
                    request: request.id,
                    permit,
                    transaction: Arc::clone(&transaction),
                    catalog: self.catalog.load_full(),
                    vectors,
                    listener: request.listener,
                    deadline,
                    limits,
                    now: now(),
                    told: Some(watch.told()),
                };
                let held = Held::new(pass, Arc::clone(&transaction));
                let outcome = watch.guest(plugin.run(errand, facts, stop, request.cancelled, held)).await;
                plugin.tried(who, &outcome);
                outcome
            }
        };
        record.close(&transaction.ran(), outcome)
    }

    /// The tools this principal may call, by name.
    pub fn tools(&self, who: &Arc<Principal>) -> Vec<Arc<Tool>> {
        let (policy, published) = (self.policy.current(), self.plugins.published());
        let listed =
            published.tools_for(who, &policy).filter(|(plugin, tool)| policy.lists(who, &plugin.name, &tool.name));
        listed.map(|(_, tool)| Arc::clone(tool)).collect()
    }

    /// The prompts this principal may get, by name.
    pub fn prompts(&self, who: &Arc<Principal>) -> Vec<Arc<Prompt>> {
        let (policy, published) = (self.policy.current(), self.plugins.published());
        let listed = published
            .prompts_for(who, &policy)
            .filter(|(plugin, prompt)| policy.lists(who, &plugin.name, &prompt.item()));
        let mut listed: Vec<_> = listed.map(|(_, prompt)| Arc::clone(prompt)).collect();
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        listed
    }

    /// The documents, and families of documents, this principal may read, by URI, with the digest of the component that
    /// holds each: what a document says may change with it.
    pub fn resources(&self, who: &Arc<Principal>) -> Vec<(Arc<Resource>, String)> {
        let (policy, published) = (self.policy.current(), self.plugins.published());
        let listed =
            published.resources_for(who, &policy).filter(|(plugin, it)| policy.lists(who, &plugin.name, &it.item()));
        let mut listed: Vec<_> = listed.map(|(plugin, it)| (Arc::clone(it), plugin.digest.clone())).collect();
        listed.sort_by(|(a, _), (b, _)| a.uri.cmp(&b.uri));
        listed
    }

    /// One tool, if this principal sees it.
    pub fn tool(&self, who: &Arc<Principal>, name: &str) -> Option<Arc<Tool>> {
        let (policy, published) = (self.policy.current(), self.plugins.published());
        let (plugin, tool) = published.find_for(name, who, &policy)?;
        policy.lists(who, &plugin.name, &tool.name).then(|| Arc::clone(tool))
    }

    /// The scopes a token would need to use this item of a plugin (see [`crate::policy::Question`]), where this
    /// principal's lacks one of them. `None` also for an item the policy does not let it use: whoever has no business
    /// there is not told what it would take.
    pub fn lacking(&self, who: &Arc<Principal>, item: &str) -> Option<Vec<String>> {
        let (policy, published) = (self.policy.current(), self.plugins.published());
        let (plugin, item) = if let Some(name) = item.strip_prefix(PROMPT) {
            published.prompt_for(name, who, &policy).map(|(plugin, prompt)| (plugin, prompt.item()))?
        } else if let Some(uri) = item.strip_prefix(RESOURCE) {
            published.resource_for(uri, who, &policy).map(|(plugin, resource)| (plugin, resource.item()))?
        } else {
            published.find_for(item, who, &policy).map(|(plugin, tool)| (plugin, tool.name.clone()))?
        };
        policy.permit(who, &plugin.name, &item, None).ok()?;
        self.identity.lacking(who, Some(&format!("{}/{item}", plugin.name)))
    }

    /// Ticks when some caller may see other tools, prompts or documents. Not for callers as it is: it tells of what they
    /// may not see.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.plugins.changes()
    }

    /// Who is asking.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }
}
