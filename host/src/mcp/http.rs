//! MCP over streamable HTTP, behind a door that rmcp does not have.
//!
//! In order: who is it (401, or 503 where that cannot be told), room for one more (429, 503), a body of a size and shape worth reading (413, 400), what
//! its token is for (403), the caller's own sessions (404), then rmcp. Whatever comes back is JSON, also where rmcp says
//! plain text.

mod callers;
mod challenge;
mod envelope;
mod refusal;
mod remote;

use self::callers::{Caller, Callers};
use self::challenge::{Challenge, WELL_KNOWN, metadata_path};
use self::envelope::Envelope;
use self::refusal::Refusal;
use super::answer;
use super::health::Readiness;
use crate::audit::{Event, List, Short, Who};
use crate::call::Host;
use crate::config::Http;
use crate::identity::{Proof, Reason};
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::serve::{ListenerExt, TapIo};
use axum::{Json, Router};
use futures_util::StreamExt;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, StatusCode};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// Requests under way in the whole host, open answer streams included. A subscription costs about 50 KiB, so this is
/// at most 400 MB.
const IN_FLIGHT: u32 = 8192;

/// How long connections that will not close may hold up the end, after every answer was sent.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Serve MCP on `listener` until `shutdown` is cancelled: then no connection is taken any more, open subscriptions get
/// their last word, calls under way may finish within `settings.drain_seconds`, and everything else is cut.
///
/// # Errors
/// When the listener breaks.
pub async fn run(
    listener: TcpListener,
    host: Arc<Host>,
    settings: Http,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let grace = Duration::from_secs(settings.drain_seconds);
    let cut = CancellationToken::new();
    let door = Arc::new(Door {
        in_flight: Arc::new(Semaphore::new(IN_FLIGHT as usize)),
        callers: Callers::new(Arc::clone(&host), settings.clone(), shutdown.clone(), cut.clone()),
        challenge: Challenge::new(
            &settings.resource(),
            &host.identity.authorization_servers(),
            host.identity.needed_scopes(),
            &host.identity.all_scopes(),
        ),
        host,
        settings,
        readiness: Readiness::default(),
    });
    let in_flight = Arc::clone(&door.in_flight);
    let drain = async {
        shutdown.cancelled().await;
        // Every permit is back when the last answer is out. Cut what is left, or streams would stay open for ever.
        let _ = tokio::time::timeout(grace, in_flight.acquire_many(IN_FLIGHT)).await;
        cut.cancel();
        tokio::time::sleep(LAST_WORD).await;
        Ok(())
    };
    let serve = axum::serve(prompt(listener), router(door).into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(shutdown.clone().cancelled_owned());
    tokio::select! {
        ended = serve.into_future() => ended,
        ended = drain => ended,
    }
}

/// Answers leave at once. With Nagle's algorithm every streamed answer waits some 40 ms for the client's delayed
/// acknowledgement.
pub(super) fn prompt(listener: TcpListener) -> TapIo<TcpListener, impl FnMut(&mut TcpStream) + Send + use<>> {
    listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection stays slow");
        }
    })
}

/// What every request meets.
struct Door {
    host: Arc<Host>,
    settings: Http,
    callers: Callers,
    challenge: Challenge,
    in_flight: Arc<Semaphore>,
    readiness: Readiness,
}

fn router(door: Arc<Door>) -> Router {
    let greeting = format!("Rowhouse speaks MCP at {}\n", door.settings.path);
    let mut router = Router::new().without_v07_checks();
    // Where a client looks that was refused, where one looks that knows only the host, and where one does that came past
    // the proxy in front (RFC 9728, section 3.1).
    let own = format!("{WELL_KNOWN}{}", door.settings.path.trim_end_matches('/'));
    let public = metadata_path(&door.settings.resource());
    for path in BTreeSet::from([WELL_KNOWN.to_owned(), own, public]) {
        // As it is: nothing in an address is a pattern here.
        router = router.route(&path.replace('{', "{{").replace('}', "}}"), get(about));
    }
    router
        .route("/", get(move || std::future::ready(greeting.clone())))
        .route("/health/live", get(|| std::future::ready("live\n")))
        .route("/health/ready", get(ready))
        .route(&door.settings.path, any(endpoint))
        .fallback(|State(door): State<Arc<Door>>| std::future::ready(Refusal::no_such_path(&door.settings.path)))
        .with_state(door)
}

/// The protected resource metadata (RFC 9728): which authorization servers' tokens open this endpoint. Any page may read
/// it: it is what a client without a token starts from.
async fn about(State(door): State<Arc<Door>>) -> Response {
    match door.challenge.document() {
        Some(document) => ([(ACCESS_CONTROL_ALLOW_ORIGIN, "*")], Json(document)).into_response(),
        None => Refusal::no_such_path(&door.settings.path).into_response(),
    }
}

/// Whether calls can be answered now: for whoever sends callers here. Anybody may ask, so it says no more.
async fn ready(State(door): State<Arc<Door>>) -> Response {
    match door.readiness.of(&door.host).await {
        true => "ready\n".into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response(),
    }
}

async fn endpoint(State(door): State<Arc<Door>>, request: Request) -> Response {
    match door.pass(request).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    }
}

/// What an answer holds until its last byte is out or its reader is gone.
struct Held {
    _in_flight: Option<OwnedSemaphorePermit>,
    _stream: Option<OwnedSemaphorePermit>,
    _caller: Arc<Caller>,
}

impl Door {
    async fn pass(&self, request: Request) -> Result<Response, Refusal> {
        let proof = self.who(request.headers(), self.remote(&request)).await?;
        let who = Arc::new(proof.principal.clone());
        let in_flight = Arc::clone(&self.in_flight).try_acquire_owned().map_err(|_| Refusal::busy())?;
        let caller = self.callers.find(Arc::clone(&who))?;
        let (mut parts, body) = request.into_parts();
        // The session is the caller's, the proof is the request's: it may carry other scopes than the first one did.
        parts.extensions.insert(Arc::clone(&who));
        let method = parts.method.clone();
        caller.check_session(&method, &parts.headers).await?;
        let (envelope, bytes) = match method {
            // A body that does not say it is JSON is rmcp's to refuse, unread.
            Method::POST if is_json(&parts.headers) => {
                let bytes = envelope::read(body, self.settings.max_body).await?;
                (Envelope::open(&bytes)?, bytes)
            }
            _ => (Envelope::default(), Bytes::new()),
        };
        let item = envelope.item();
        let lacking = item.as_deref().and_then(|item| self.host.lacking(&who, item));
        if let Some(scopes) = lacking.or_else(|| self.host.identity.lacking(&who, None)) {
            let (who, tool, needs) = (Who::from(&*who), item.as_deref().map(Short::new), List::texts(&scopes));
            self.host.audit.event(Event::ScopeLacking { request: None, who, tool, needs });
            return Err(Refusal::insufficient(&self.challenge, envelope.id(), &scopes));
        }
        // These last until somebody ends them; a call has its deadline, and its answer is not cut.
        let lasts = method == Method::GET || envelope.is("subscriptions/listen");
        let stream = match lasts {
            true => Some(caller.open_stream()?),
            false => None,
        };
        // Held through the handshake, so that two at once cannot both take the last place.
        let place = match envelope.is("initialize") {
            true => Some(caller.place_for_session().await?),
            false => None,
        };
        let response = caller.service.handle(http::Request::from_parts(parts, Body::from(bytes))).await.map(Body::new);
        drop(place);
        let response = refusal::tidy(response, &envelope, &method).await;
        if !is_event_stream(&response) {
            return Ok(response);
        }
        let in_flight = match method {
            // A session's own stream never ends by itself: nothing to wait for at the end, so it counts for nothing.
            Method::GET => None,
            _ => Some(in_flight),
        };
        let response = hold(response, Held { _in_flight: in_flight, _stream: stream, _caller: caller });
        Ok(if lasts { end_with(response, proof.until, self.host.identity().gone(&proof)) } else { response })
    }

    /// Where a request came from.
    fn remote(&self, request: &Request) -> Option<IpAddr> {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
        Some(remote::of(peer.0, request.headers(), &self.settings.trusted_proxies))
    }

    /// What a bearer token proves.
    async fn who(&self, headers: &HeaderMap, remote: Option<IpAddr>) -> Result<Proof, Refusal> {
        let rejected = |reason: Reason| {
            self.host.audit.event(Event::TokenRejected { reason: reason.as_str(), remote });
        };
        let refuse = |given| Refusal::unproven(&self.challenge, given);
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let Some(first) = given.next() else {
            return Err(refuse(false));
        };
        let token = match first.to_str().ok().and_then(|value| value.split_once(' ')) {
            // Two proofs of two callers would leave it to chance who is asking.
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && given.next().is_none() => token.trim(),
            _ => {
                rejected(Reason::Malformed);
                return Err(refuse(true));
            }
        };
        self.host.identity().from_bearer(token).await.map_err(|error| {
            tracing::info!(error = answer::chain(&error), "refused a token");
            rejected(error.reason());
            if error.is_passing() { Refusal::undecided() } else { refuse(true) }
        })
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    essence(headers).is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
}

fn is_event_stream(response: &Response) -> bool {
    essence(response.headers()).is_some_and(|essence| essence.eq_ignore_ascii_case("text/event-stream"))
}

/// The content type without its parameters.
fn essence(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE)?.to_str().ok()?.split(';').next().map(str::trim)
}

/// Tie what an answer holds to its body.
fn hold(response: Response, held: Held) -> Response {
    response.map(|body| {
        Body::from_stream(body.into_data_stream().inspect(move |_| {
            let _ = &held;
        }))
    })
}

/// End a stream with the proof it was opened by: when its time is over, or when it is `gone`.
fn end_with(response: Response, until: SystemTime, gone: impl Future<Output = ()> + Send + 'static) -> Response {
    let left = until.duration_since(SystemTime::now()).unwrap_or_default();
    let over = async move {
        tokio::select! {
            () = tokio::time::sleep(left) => {}
            () = gone => {}
        }
    };
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(Box::pin(over))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::serve::Listener;

    #[tokio::test]
    async fn accepted_connections_have_no_delay() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let mut prompt = prompt(listener);
        let _client = tokio::net::TcpStream::connect(address).await.expect("our own listener");
        let (accepted, _) = prompt.accept().await;
        assert!(accepted.nodelay().expect("an open socket"));
    }
}
