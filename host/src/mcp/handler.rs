#![expect(deprecated, reason = "MCP deprecates logging but keeps it for a year, and clients of every revision use it")]
//! One principal's view of the host, as rmcp asks for it.

mod requests; // A request's own: who, which tenants, its round, its end.
mod subscribed; // What a session of the older revisions wants to hear of.

use super::news::{Changed, News};
use super::{Listing, VERSIONS, answer, listener, offers, tracing_context};
use crate::call::Host;
use crate::error::CallError;
use crate::identity::Principal;
use requests::{asking, is_modern};
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult, ConstString,
    CustomRequest, CustomResult, DiscoverResult, ErrorCode, ErrorData, GetPromptRequestParams, GetPromptResponse,
    Implementation, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, Reference,
    ServerCapabilities, ServerConfig, SetLevelRequestMethod, SetLevelRequestParams, SubscribeRequestParams,
    SubscriptionFilter, Tool, UnsubscribeRequestParams,
};
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{RoleServer, ServerHandler};
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use subscribed::Subscribed;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Instrument;
use uuid::Uuid;

/// What the server tells a model about itself.
const INSTRUCTIONS: &str = "Tools answer from one PostgreSQL database and show only the rows the caller may see. \
    A failed call says who can act: mend the arguments when the code blames the caller, report it otherwise.";

/// Methods rmcp has types for, from 2026-07-28 on and before. One of these that arrives untyped had parameters that do
/// not fit; the rest is not served.
const MODERN: &[&str] = &["server/discover", "subscriptions/listen"];
const LEGACY: &[&str] = &["initialize", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"];
const EVER: &[&str] = &[
    "completion/complete",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/templates/list",
    "tools/call",
    "tools/list",
];

/// The extension of MCP that shows an answer in a view of the tool's own (MCP Apps, 2026-01-26).
const APPS: &str = "io.modelcontextprotocol/ui";

/// What every handler of one principal shares.
pub(super) struct Shared {
    /// Where calls go.
    pub(super) host: Arc<Host>,
    /// Who speaks.
    pub(super) who: Arc<Principal>,
    /// How tools are listed.
    pub(super) listing: Listing,
    /// The request header that may name tenants.
    pub(super) tenant_header: String,
    /// Ends subscriptions with their proper last word; calls under way go on.
    pub(super) drain: CancellationToken,
}

/// A handler for one session, or for one request that needs none.
pub(super) struct Handler {
    shared: Arc<Shared>,
    threshold: listener::Threshold,
    /// Set by the handshake; dropped with the session, and ends the task that watches for it.
    watching: OnceLock<DropGuard>,
    subscribed: Arc<Subscribed>,
}

impl Handler {
    /// A new handler; as cheap as the reference count it takes.
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            threshold: Default::default(),
            watching: OnceLock::new(),
            subscribed: Arc::default(),
        }
    }
}

/// What rmcp would answer with an empty success although it was never offered.
fn not_offered<M: ConstString, T>() -> Result<T, ErrorData> {
    Err(ErrorData::method_not_found::<M>())
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let apps = [(APPS.to_owned(), Default::default())];
        let offered = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_list_changed()
            .enable_resources_subscribe()
            .enable_completions()
            .enable_logging()
            .enable_extensions_with(apps.into_iter().collect())
            .build();
        ServerConfig::new(offered)
            .with_server_info(Implementation::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(VERSIONS)
    }

    async fn discover(&self, _cx: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let found = DiscoverResult::from_server_info(VERSIONS.to_vec(), self.get_info());
        // Private like the lists: discovery asks for a token, so a shared cache must not answer in our place.
        Ok(found.with_ttl_ms(self.ttl()).with_cache_scope(CacheScope::Private))
    }

    /// For the transport, which checks `Mcp-Param-*` headers against the schema. One handler serves one principal, so
    /// this tells nobody of tools they may not call.
    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.shared.host.tool(&self.shared.who, name).map(|tool| answer::tool(&tool))
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        cx: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = self.shared.host.tools(asking(&cx.extensions, &self.shared));
        let (page, next) = self.page(&tools, |tool| &tool.name, request)?;
        let mut result = ListToolsResult::with_all_items(page.iter().map(|tool| answer::tool(tool)).collect());
        result.next_cursor = next;
        if is_modern(&cx) {
            answer::stamp(&mut result.meta);
        }
        Ok(result.with_ttl_ms(self.ttl()).with_cache_scope(CacheScope::Private))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let span = tracing_context::span("tools/call", &cx, asking(&cx.extensions, &self.shared));
        self.call(request, &cx).instrument(span).await
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        cx: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let prompts = self.shared.host.prompts(asking(&cx.extensions, &self.shared));
        let (page, next) = self.page(&prompts, |prompt| &prompt.name, request)?;
        let mut result = ListPromptsResult::with_all_items(page.iter().map(|prompt| offers::prompt(prompt)).collect());
        result.next_cursor = next;
        if is_modern(&cx) {
            answer::stamp(&mut result.meta);
        }
        Ok(result.with_ttl_ms(self.ttl()).with_cache_scope(CacheScope::Private))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let span = tracing_context::span("prompts/get", &cx, asking(&cx.extensions, &self.shared));
        self.fill(request, &cx).instrument(span).await
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        cx: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let resources = self.resources(&cx, false);
        let (page, next) = self.page(&resources, |resource| &resource.uri, request)?;
        let mut result = ListResourcesResult::with_all_items(page.iter().map(|it| offers::resource(it)).collect());
        result.next_cursor = next;
        if is_modern(&cx) {
            answer::stamp(&mut result.meta);
        }
        Ok(result.with_ttl_ms(self.ttl()).with_cache_scope(CacheScope::Private))
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        cx: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let templates = self.resources(&cx, true);
        let (page, next) = self.page(&templates, |template| &template.uri, request)?;
        let shown = page.iter().map(|it| offers::template(it)).collect();
        let mut result = ListResourceTemplatesResult::with_all_items(shown);
        result.next_cursor = next;
        if is_modern(&cx) {
            answer::stamp(&mut result.meta);
        }
        Ok(result.with_ttl_ms(self.ttl()).with_cache_scope(CacheScope::Private))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let (who, uri) = (asking(&cx.extensions, &self.shared), request.uri);
        let asked = self.request(uri.clone(), Default::default(), &cx);
        let (id, asked) = asked.map_err(|(id, error)| self.refused(&error, &id, &uri))?;
        let span = tracing_context::span("resources/read", &cx, who);
        let content = self.shared.host.read(who, asked).instrument(span).await;
        let content = content.map_err(|error| {
            requests::report(&error, &id, &uri);
            offers::unread(&error, &id, &uri)
        })?;
        let mut result = offers::document(&uri, content);
        if is_modern(&cx) {
            answer::stamp(&mut result.meta);
        }
        // A document may say something else with the next call: nobody keeps it for others, or for long.
        Ok(result.with_ttl_ms(0).with_cache_scope(CacheScope::Private).into())
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let who = asking(&cx.extensions, &self.shared);
        if !self.shared.host.resources(who).iter().any(|(resource, _)| resource.holds(&request.uri)) {
            let error = CallError::unknown("resource", &request.uri);
            return Err(offers::unread(&error, &Uuid::new_v4().to_string(), &request.uri));
        }
        self.subscribed.add(request.uri)
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _cx: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.subscribed.remove(&request.uri);
        Ok(())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let (of_prompt, name) = match request.r#ref {
            Reference::Prompt(prompt) => (true, prompt.name),
            Reference::Resource(template) => (false, template.uri),
            _ => return Err(ErrorData::invalid_params("ref must be ref/prompt or ref/resource", None)),
        };
        let given = request.context.and_then(|context| context.arguments).unwrap_or_default();
        let given = given.into_iter().map(|(name, value)| (name, value.into())).collect();
        let (id, asked) =
            self.request(name.clone(), given, &cx).map_err(|(id, error)| self.refused(&error, &id, &name))?;
        let who = asking(&cx.extensions, &self.shared);
        let argument = request.argument;
        let span = tracing_context::span("completion/complete", &cx, who);
        let values = self.shared.host.complete(who, asked, of_prompt, argument.name, argument.value);
        let values = values.instrument(span).await;
        let mut result = offers::completion(values.map_err(|error| self.refused(&error, &id, &name))?)?;
        if is_modern(&cx) {
            answer::stamp(&mut result.meta);
        }
        Ok(result)
    }

    async fn set_level(&self, request: SetLevelRequestParams, cx: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        // From 2026-07-28 each request names its own level and this method is gone.
        if is_modern(&cx) {
            return not_offered::<SetLevelRequestMethod, _>();
        }
        self.threshold.set(request.level);
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.supported_by(&self.get_info().capabilities))
    }

    async fn listen(&self, cx: SubscriptionContext) -> Result<(), ErrorData> {
        let mut news = News::new(&self.shared.host, asking(&cx.request_context().extensions, &self.shared));
        loop {
            tokio::select! {
                () = cx.cancelled() => return Ok(()),
                () = self.shared.drain.cancelled() => return Ok(()),
                changed = news.next() => {
                    let Some(changed) = changed else { return Ok(()) };
                    if requests::tell(&cx, changed).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }

    async fn on_initialized(&self, cx: NotificationContext<RoleServer>) {
        let gone = CancellationToken::new();
        if self.watching.set(gone.clone().drop_guard()).is_err() {
            // A second handshake on one session: the first watcher still serves it.
            return;
        }
        let mut news = News::new(&self.shared.host, asking(&cx.extensions, &self.shared));
        let subscribed = Arc::clone(&self.subscribed);
        tokio::spawn(gone.run_until_cancelled_owned(async move {
            while let Some(changed) = news.next().await {
                if subscribed.tell(&cx.peer, changed).await.is_err() {
                    return;
                }
            }
        }));
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        cx: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let known = if is_modern(&cx) { MODERN } else { LEGACY };
        if known.iter().chain(EVER).any(|known| *known == request.method) {
            let text = format!("the params of {} do not fit its schema: see the MCP specification", request.method);
            return Err(ErrorData::invalid_params(text, None));
        }
        // The name comes from the caller: it goes back bounded.
        let method: String = request.method.chars().take(64).collect();
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, method, None))
    }
}
