#![expect(deprecated, reason = "MCP deprecates sampling and roots but keeps them, and a plugin may ask for either")]
//! Questions on their way to the client: one round is one request from 2026-07-28 on; before, the host sends its own
//! requests in between and goes on by itself.

use crate::call::Resumed;
use crate::error::{CallError, Code};
use crate::plugin::{Ask, Ended, Kind, Question};
use rmcp::RoleServer;
use rmcp::model::{
    ClientCapabilities, CreateMessageRequest, ElicitRequest, ElicitRequestParams, ErrorData, InputRequest,
    InputRequiredResult, InputResponses, ListRootsRequest, ServerRequest,
};
use rmcp::service::RequestContext;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::time::Duration;

/// How long a client of the older revisions may take to answer one question: as long as a sealed state lasts.
const PATIENCE: Duration = Duration::from_secs(600);

/// Why there is no next round.
pub(super) enum Lost {
    /// For the model, as a result.
    Call(CallError),
    /// For the client, as a protocol error.
    Protocol(ErrorData),
}

impl From<CallError> for Lost {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

/// What a client sends back with its request.
pub(super) fn resumed(replies: Option<InputResponses>, state: Option<String>) -> Resumed {
    let replies = replies.unwrap_or_default().into_iter().map(|(id, reply)| (id, reply.to_string())).collect();
    Resumed { state, replies }
}

/// The questions as a result, for a client that comes back by itself.
///
/// # Errors
/// Where the client knows none of them, or the plugin asks what MCP does not know.
pub(super) fn required(ask: Ask, known: Option<&ClientCapabilities>) -> Result<InputRequiredResult, Lost> {
    let (questions, state) = askable(ask, known)?;
    let requests = questions.into_iter().map(|question| Ok((question.id.clone(), request(question)?)));
    let requests = requests.collect::<Result<_, CallError>>()?;
    Ok(InputRequiredResult::new(Some(requests), state))
}

/// All rounds of a request, asking the client in between.
///
/// # Errors
/// The call's own, or what became of a question.
pub(super) async fn converse<T, F>(cx: &RequestContext<RoleServer>, round: impl Fn(Resumed) -> F) -> Result<T, Lost>
where
    F: Future<Output = Result<Ended<T>, CallError>>,
{
    let known = cx.client_capabilities();
    let mut resumed = Resumed::default();
    loop {
        let ask = match round(resumed).await? {
            Ended::Done(done) => return Ok(done),
            Ended::Asks(ask) => ask,
        };
        let (questions, state) = askable(ask, known.as_ref())?;
        let mut replies = Vec::with_capacity(questions.len());
        for question in questions {
            let id = question.id.clone();
            let sent = match request(question)? {
                InputRequest::Elicitation(request) => ServerRequest::ElicitRequest(request),
                InputRequest::CreateMessage(request) => ServerRequest::CreateMessageRequest(request),
                InputRequest::ListRoots(request) => ServerRequest::ListRootsRequest(request),
                _ => return Err(CallError::internal("a question of a kind that is not sent").into()),
            };
            let reply = tokio::select! {
                reply = tokio::time::timeout(PATIENCE, cx.peer.send_request(sent)) => reply,
                () = cx.ct.cancelled() => return Err(CallError::new(Code::Cancelled, "the caller left").into()),
            };
            let unanswered = |why: String| {
                CallError::new(Code::ToolFailed, "the client did not answer a question the tool asked").because(why)
            };
            let reply = reply.map_err(|_| unanswered("it took longer than ten minutes".to_owned()))?;
            let reply = reply.map_err(|error| unanswered(error.to_string()))?;
            replies.push((id, serde_json::to_string(&reply).map_err(CallError::internal)?));
        }
        resumed = Resumed { state, replies };
    }
}

/// The questions this client can be asked.
fn askable(ask: Ask, known: Option<&ClientCapabilities>) -> Result<(Vec<Question>, Option<String>), Lost> {
    let knows = |kind: Kind| {
        known.is_some_and(|known| match kind {
            Kind::Elicitation => known.elicitation.is_some(),
            Kind::Sampling => known.sampling.is_some(),
            Kind::Roots => known.roots.is_some(),
        })
    };
    let (questions, left): (Vec<_>, Vec<_>) = ask.questions.into_iter().partition(|question| knows(question.kind));
    if questions.is_empty() {
        let mut needed = ClientCapabilities::default();
        for question in left {
            match question.kind {
                Kind::Elicitation => needed.elicitation = Some(Default::default()),
                Kind::Sampling => needed.sampling = Some(Default::default()),
                Kind::Roots => needed.roots = Some(Default::default()),
            }
        }
        return Err(Lost::Protocol(ErrorData::missing_required_client_capability(needed)));
    }
    Ok((questions, ask.state))
}

/// A question in MCP's words.
fn request(question: Question) -> Result<InputRequest, CallError> {
    Ok(match question.kind {
        Kind::Elicitation => {
            let params: ElicitRequestParams = params(question.params)?;
            // A form stays between the client and this host. An address would lead the user elsewhere, in our name.
            if !matches!(params, ElicitRequestParams::FormElicitationParams { .. }) {
                return Err(unfit("asks the user to follow an address, which no plugin may"));
            }
            InputRequest::Elicitation(ElicitRequest::new(params))
        }
        Kind::Sampling => InputRequest::CreateMessage(CreateMessageRequest::new(params(question.params)?)),
        Kind::Roots => InputRequest::ListRoots(ListRootsRequest::default()),
    })
}

fn params<T: DeserializeOwned>(params: Map<String, Value>) -> Result<T, CallError> {
    serde_json::from_value(Value::Object(params))
        .map_err(|error| unfit("asks with params that MCP does not know").because(error))
}

fn unfit(what: &str) -> CallError {
    CallError::new(Code::PluginContract, format!("the plugin {what}"))
}
