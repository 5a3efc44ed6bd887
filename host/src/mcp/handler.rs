#![expect(deprecated, reason = "MCP deprecates logging but keeps it for a year, and clients of every revision use it")]
//! One principal's view of the host, as rmcp asks for it.

use super::news::News;
use super::{Listing, VERSIONS, answer, listener};
use crate::call::{Host, Request};
use crate::error::{Blame, CallError, Code};
use crate::identity::Principal;
use crate::plugin::Listener;
use http::HeaderValue;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestMethod, CompleteRequestParams,
    CompleteResult, ConstString, CustomRequest, CustomResult, DiscoverResult, ErrorCode, ErrorData, Extensions,
    Implementation, ListPromptsRequestMethod, ListPromptsResult, ListResourceTemplatesRequestMethod,
    ListResourceTemplatesResult, ListResourcesRequestMethod, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams, ProtocolVersion, ServerCapabilities, ServerConfig, SetLevelRequestMethod,
    SetLevelRequestParams, SubscriptionFilter, Tool,
};
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{RoleServer, ServerHandler};
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

/// What the server tells a model about itself.
const INSTRUCTIONS: &str = "Tools answer from one PostgreSQL database and show only the rows the caller may see. \
    A failed call says who can act: mend the arguments when the code blames the caller, report it otherwise.";

/// Methods rmcp has types for, from 2026-07-28 on and before. One of these that arrives untyped had parameters that do
/// not fit; the rest is not served.
const MODERN: &[&str] = &["server/discover", "subscriptions/listen", "tools/call", "tools/list"];
const LEGACY: &[&str] = &["initialize", "logging/setLevel", "tools/call", "tools/list"];

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
}

impl Handler {
    /// A new handler; as cheap as the reference count it takes.
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), threshold: Default::default(), watching: OnceLock::new() }
    }
}

/// Who asks: whom the request's own proof named, over HTTP; whom the operator named, on standard input.
fn asking<'a>(extensions: &'a Extensions, shared: &'a Shared) -> &'a Arc<Principal> {
    let parts = extensions.get::<http::request::Parts>();
    parts.and_then(|parts| parts.extensions.get::<Arc<Principal>>()).unwrap_or(&shared.who)
}

impl Handler {
    /// The tenants the request names in its header, if it has one. On standard input there are no headers.
    fn tenants(&self, cx: &RequestContext<RoleServer>) -> Result<Option<Vec<Uuid>>, CallError> {
        let Some(parts) = cx.extensions.get::<http::request::Parts>() else { return Ok(None) };
        let name = &self.shared.tenant_header;
        let mut given = parts.headers.get_all(name).iter().peekable();
        if given.peek().is_none() {
            return Ok(None);
        }
        let parse = |value: &HeaderValue| -> Option<Vec<Uuid>> {
            value.to_str().ok()?.split(',').map(|id| Uuid::try_parse(id.trim()).ok()).collect()
        };
        match given.map(parse).collect::<Option<Vec<_>>>() {
            Some(tenants) => Ok(Some(tenants.concat())),
            None => Err(CallError::new(
                Code::Validation,
                format!("the header {name} must name tenants by their ids, with commas between"),
            )),
        }
    }

    /// A failed call's result; a protocol error where MCP asks for one.
    fn failed(&self, error: CallError, id: &str, tool: &str, modern: bool) -> Result<CallToolResult, ErrorData> {
        report(&error, id, tool);
        if error.code == Code::UnknownTool {
            return Err(ErrorData::invalid_params(error.to_string(), None));
        }
        let mut result = answer::failure(&error, id);
        if modern {
            answer::stamp(&mut result.meta);
        }
        Ok(result)
    }
}

/// Whether the request speaks a revision without sessions.
fn is_modern(cx: &RequestContext<RoleServer>) -> bool {
    // Revisions are dates, so the order of their texts is their age.
    cx.protocol_version().is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str())
}

/// What rmcp would answer with an empty success although it was never offered.
fn not_offered<M: ConstString, T>() -> Result<T, ErrorData> {
    Err(ErrorData::method_not_found::<M>())
}

/// Say once, where it is handled, that a call failed. Never arguments, never rows.
fn report(error: &CallError, request: &str, tool: &str) {
    let code = error.code.as_str();
    // The name comes from the caller: what is not one does not reach the log.
    let tool = if answer::is_tool_name(tool) { tool } else { "?" };
    match error.code.blame() {
        Blame::Caller => {
            tracing::debug!(request.id = request, tool.name = tool, error.code = code, "the caller's call failed")
        }
        Blame::Plugin => {
            let cause = answer::chain(error);
            tracing::warn!(
                request.id = request,
                tool.name = tool,
                error.code = code,
                error = cause,
                "the plugin failed"
            );
        }
        Blame::Host => {
            let cause = answer::chain(error);
            tracing::error!(
                request.id = request,
                tool.name = tool,
                error.code = code,
                error = cause,
                "the host failed"
            );
        }
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let offered = ServerCapabilities::builder().enable_tools().enable_tool_list_changed().enable_logging().build();
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
        Ok(found.with_ttl_ms(millis(self.shared.listing.ttl)).with_cache_scope(CacheScope::Private))
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
        // A cursor is the last name of the page before. It holds across a swap of the tools: the list goes on after
        // that name, whether it is still there or not.
        let start = match request.and_then(|request| request.cursor) {
            None => 0,
            Some(cursor) if answer::is_tool_name(&cursor) => tools.partition_point(|tool| tool.name <= cursor),
            Some(_) => {
                return Err(ErrorData::invalid_params(
                    "invalid cursor: send one that tools/list answered, or none",
                    None,
                ));
            }
        };
        let page: Vec<Tool> =
            tools.iter().skip(start).take(self.shared.listing.page).map(|tool| answer::tool(tool)).collect();
        let mut result = ListToolsResult::default()
            .with_ttl_ms(millis(self.shared.listing.ttl))
            .with_cache_scope(CacheScope::Private);
        if start + page.len() < tools.len() {
            result.next_cursor = page.last().map(|tool| tool.name.to_string());
        }
        result.tools = page;
        if is_modern(&cx) {
            answer::stamp(&mut result.meta);
        }
        Ok(result)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let modern = is_modern(&cx);
        let id = Uuid::new_v4().to_string();
        let tool = request.name.into_owned();
        let tenants = match self.tenants(&cx) {
            Ok(tenants) => tenants,
            Err(error) => return Ok(self.failed(error, &id, &tool, modern)?.into()),
        };
        let (ear, mouth) = listener::pair(&cx, modern, &self.threshold).unzip();
        let call = Request {
            id: id.clone(),
            tool: tool.clone(),
            arguments: request.arguments.unwrap_or_default(),
            tenants,
            listener: ear.map(|ear| ear as Arc<dyn Listener>),
            cancelled: cx.ct.clone(),
        };
        let who = Arc::clone(asking(&cx.extensions, &self.shared));
        let call = self.shared.host.call(&who, call);
        let outcome = match mouth {
            Some(mouth) => mouth.during(call).await,
            None => call.await,
        };
        let mut result = match outcome {
            Ok(found) => answer::answer(found),
            Err(error) => return Ok(self.failed(error, &id, &tool, modern)?.into()),
        };
        if modern {
            answer::stamp(&mut result.meta);
        }
        Ok(result.into())
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
        let wanted = cx.accepted().tools_list_changed == Some(true);
        loop {
            tokio::select! {
                () = cx.cancelled() => return Ok(()),
                () = self.shared.drain.cancelled() => return Ok(()),
                more = news.next() => {
                    if !more || (wanted && cx.sink().notify_tool_list_changed().await.is_err()) {
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
        tokio::spawn(gone.run_until_cancelled_owned(async move {
            while news.next().await {
                if cx.peer.notify_tool_list_changed().await.is_err() {
                    return;
                }
            }
        }));
    }

    async fn complete(
        &self,
        _: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        not_offered::<CompleteRequestMethod, _>()
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        not_offered::<ListPromptsRequestMethod, _>()
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        not_offered::<ListResourcesRequestMethod, _>()
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        not_offered::<ListResourceTemplatesRequestMethod, _>()
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        cx: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let known = if is_modern(&cx) { MODERN } else { LEGACY };
        if known.contains(&request.method.as_str()) {
            let text = format!("the params of {} do not fit its schema: see the MCP specification", request.method);
            return Err(ErrorData::invalid_params(text, None));
        }
        // The name comes from the caller: it goes back bounded.
        let method: String = request.method.chars().take(64).collect();
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, method, None))
    }
}

fn millis(time: std::time::Duration) -> u64 {
    time.as_millis().try_into().unwrap_or(u64::MAX)
}
