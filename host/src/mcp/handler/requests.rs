//! What every request has of its own: who asks, for which tenants, in which round, and how it ends.

use super::super::dialogue::{self, Lost};
use super::super::{answer, listener, offers};
use super::{Changed, Handler, Shared};
use crate::call::{Request, Resumed};
use crate::error::{Blame, CallError, Code};
use crate::identity::Principal;
use crate::plugin::{Ended, Listener, Resource, is_name};
use http::HeaderValue;
use rmcp::RoleServer;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ErrorData, Extensions, GetPromptRequestParams,
    GetPromptResponse, PaginatedRequestParams, ProtocolVersion,
};
use rmcp::service::{RequestContext, SubscriptionContext, SubscriptionSendError};
use serde_json::{Map, Value};
use std::sync::Arc;
use uuid::Uuid;

/// Who asks: whom the request's own proof named, over HTTP; whom the operator named, on standard input.
pub(super) fn asking<'a>(extensions: &'a Extensions, shared: &'a Shared) -> &'a Arc<Principal> {
    let parts = extensions.get::<http::request::Parts>();
    parts.and_then(|parts| parts.extensions.get::<Arc<Principal>>()).unwrap_or(&shared.who)
}

/// Whether the request speaks a revision without sessions.
pub(super) fn is_modern(cx: &RequestContext<RoleServer>) -> bool {
    // Revisions are dates, so the order of their texts is their age.
    cx.protocol_version().is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str())
}

/// Say what changed, as far as the subscription asked for it.
pub(super) async fn tell(cx: &SubscriptionContext, changed: Changed) -> Result<(), SubscriptionSendError> {
    let (sink, wanted) = (cx.sink(), cx.accepted());
    if changed.tools && wanted.tools_list_changed == Some(true) {
        sink.notify_tool_list_changed().await?;
    }
    if changed.prompts && wanted.prompts_list_changed == Some(true) {
        sink.notify_prompt_list_changed().await?;
    }
    if changed.resources && wanted.resources_list_changed == Some(true) {
        sink.notify_resource_list_changed().await?;
    }
    let uris = wanted.resource_subscriptions.iter().flatten();
    for uri in uris.filter(|uri| changed.updated.iter().any(|it| it.holds(uri))) {
        sink.notify_resource_updated(uri.clone()).await?;
    }
    Ok(())
}

impl Handler {
    /// How long a client may take a list for fresh, in milliseconds.
    pub(super) fn ttl(&self) -> u64 {
        self.shared.listing.ttl.as_millis().try_into().unwrap_or(u64::MAX)
    }

    /// One page of a list.
    pub(super) fn page<'a, T>(
        &self,
        all: &'a [T],
        key: impl Fn(&T) -> &str,
        request: Option<PaginatedRequestParams>,
    ) -> Result<(&'a [T], Option<String>), ErrorData> {
        let cursor = request.and_then(|request| request.cursor);
        offers::page(all, key, cursor.as_deref(), self.shared.listing.page)
    }

    /// The documents, or the families of them, this caller sees.
    pub(super) fn resources(&self, cx: &RequestContext<RoleServer>, templates: bool) -> Vec<Arc<Resource>> {
        let all = self.shared.host.resources(asking(&cx.extensions, &self.shared));
        all.into_iter().map(|(resource, _)| resource).filter(|it| it.is_template() == templates).collect()
    }

    /// A request for something of a plugin, and its name.
    ///
    /// # Errors
    /// Its name, and why it cannot be one.
    pub(super) fn request(
        &self,
        name: String,
        arguments: Map<String, Value>,
        cx: &RequestContext<RoleServer>,
    ) -> Result<(String, Request), (String, CallError)> {
        let id = Uuid::new_v4().to_string();
        // What is wrong with a request before it is a call is told by its name, too.
        tracing::Span::current().record("request.id", id.as_str());
        match self.tenants(cx) {
            Ok(tenants) => {
                let cancelled = cx.ct.clone();
                Ok((id.clone(), Request { id, tool: name, arguments, tenants, listener: None, cancelled }))
            }
            Err(error) => Err((id, error)),
        }
    }

    /// One call of a tool: one round of it from 2026-07-28 on, all of them before.
    pub(super) async fn call(
        &self,
        request: CallToolRequestParams,
        cx: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let modern = is_modern(cx);
        let tool = request.name.into_owned();
        let asked = self.request(tool.clone(), request.arguments.unwrap_or_default(), cx);
        let (id, asked) = match asked {
            Ok(asked) => asked,
            Err((id, error)) => return Ok(self.failed(error, &id, &tool, modern)?.into()),
        };
        let who = Arc::clone(asking(&cx.extensions, &self.shared));
        let round = |asked: Request, resumed: Resumed| self.round(&who, asked, resumed, cx, modern);
        let ended = if modern {
            let resumed = dialogue::resumed(request.input_responses, request.request_state);
            round(asked, resumed).await.map_err(Lost::Call)
        } else {
            dialogue::converse(cx, |resumed| round(asked.clone(), resumed)).await.map(Ended::Done)
        };
        let ended = ended.and_then(|ended| match ended {
            Ended::Done(found) => Ok(CallToolResponse::from(answer::answer(found))),
            Ended::Asks(ask) => Ok(dialogue::required(ask, cx.client_capabilities().as_ref())?.into()),
        });
        match ended {
            Ok(mut response) => {
                match &mut response {
                    CallToolResponse::Complete(result) if modern => answer::stamp(&mut result.meta),
                    CallToolResponse::InputRequired(result) => answer::stamp(&mut result.meta),
                    _ => {}
                }
                Ok(response)
            }
            Err(Lost::Call(error)) => Ok(self.failed(error, &id, &tool, modern)?.into()),
            Err(Lost::Protocol(error)) => Err(error),
        }
    }

    async fn round(
        &self,
        who: &Arc<Principal>,
        mut asked: Request,
        resumed: Resumed,
        cx: &RequestContext<RoleServer>,
        modern: bool,
    ) -> Result<Ended<crate::plugin::Answer>, CallError> {
        let (ear, mouth) = listener::pair(cx, modern, &self.threshold).unzip();
        asked.listener = ear.map(|ear| ear as Arc<dyn Listener>);
        let call = self.shared.host.round(who, asked, resumed);
        match mouth {
            Some(mouth) => mouth.during(call).await,
            None => call.await,
        }
    }

    /// A prompt: one round of it from 2026-07-28 on, all of them before.
    pub(super) async fn fill(
        &self,
        request: GetPromptRequestParams,
        cx: &RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let (modern, name) = (is_modern(cx), request.name);
        let asked = self.request(name.clone(), request.arguments.unwrap_or_default(), cx);
        let (id, asked) = asked.map_err(|(id, error)| self.refused(&error, &id, &name))?;
        let who = asking(&cx.extensions, &self.shared);
        let ended = if modern {
            let resumed = dialogue::resumed(request.input_responses, request.request_state);
            self.shared.host.fill(who, asked, resumed).await.map_err(Lost::Call)
        } else {
            let round = |resumed| self.shared.host.fill(who, asked.clone(), resumed);
            dialogue::converse(cx, round).await.map(Ended::Done)
        };
        let ended = ended.and_then(|ended| match ended {
            Ended::Done(filled) => {
                let mut result = offers::filled(filled);
                if modern {
                    answer::stamp(&mut result.meta);
                }
                Ok(GetPromptResponse::from(result))
            }
            Ended::Asks(ask) => {
                let mut result = dialogue::required(ask, cx.client_capabilities().as_ref())?;
                answer::stamp(&mut result.meta);
                Ok(result.into())
            }
        });
        ended.map_err(|lost| match lost {
            Lost::Call(error) => self.refused(&error, &id, &name),
            Lost::Protocol(error) => error,
        })
    }

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
        match error.code {
            Code::UnknownTool => return Err(ErrorData::invalid_params(error.to_string(), None)),
            Code::RequestState => return Err(offers::refusal(&error, id)),
            _ => {}
        }
        let mut result = answer::failure(&error, id);
        if modern {
            answer::stamp(&mut result.meta);
        }
        Ok(result)
    }

    /// A failed request for something else: a protocol error.
    pub(super) fn refused(&self, error: &CallError, id: &str, name: &str) -> ErrorData {
        report(error, id, name);
        offers::refusal(error, id)
    }
}

/// Say once, where it is handled, that a call failed. Never arguments, never rows.
pub(super) fn report(error: &CallError, request: &str, tool: &str) {
    let code = error.code.as_str();
    // The name comes from the caller: what is not one does not reach the log.
    let tool = if is_name(tool) { tool } else { "?" };
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
