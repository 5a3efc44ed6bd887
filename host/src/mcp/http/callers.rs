//! The callers this process knows, each with sessions of its own.

use super::refusal::Refusal;
use crate::call::Host;
use crate::config::Http;
use crate::identity::Principal;
use crate::mcp::handler::{Handler, Shared};
use crate::mcp::{Listing, VERSIONS};
use http::{HeaderMap, Method};
use rmcp::model::ProtocolVersion;
use rmcp::transport::streamable_http_server::session::SessionManager;
use rmcp::transport::streamable_http_server::session::local::{LocalSessionManager, SessionConfig};
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{MutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Hosts a request may name when the operator lists none: this machine. An empty list would mean "any" to rmcp.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Pages that may call then: those this machine serves, on any port.
const LOOPBACK_PAGES: [&str; 3] = ["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"];

/// Everything that is proved about a caller but its scopes: when its roles change, so does the key, and a session from
/// before cannot go on with the old rights. Scopes belong to a token, not to the caller: who came back with more of them
/// goes on in its session, and each request is held to its own.
struct Key(Arc<Principal>);

impl Key {
    fn parts(&self) -> (&str, &str, &str, &[String], &[Uuid], &[String]) {
        let who = &self.0;
        (who.issuer(), who.subject(), who.display_name(), who.roles(), who.tenants(), who.regions())
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.0.issuer(), self.0.subject()).hash(state);
    }
}

struct Known {
    caller: Arc<Caller>,
    seen: Instant,
}

/// The callers of this process, made as they first appear.
pub(super) struct Callers {
    host: Arc<Host>,
    settings: Http,
    drain: CancellationToken,
    cut: CancellationToken,
    known: Mutex<HashMap<Key, Known>>,
}

impl Callers {
    /// Nobody yet. `drain` ends subscriptions, `cut` everything.
    pub(super) fn new(host: Arc<Host>, settings: Http, drain: CancellationToken, cut: CancellationToken) -> Self {
        Self { host, settings, drain, cut, known: Mutex::default() }
    }

    /// The caller this principal is.
    ///
    /// # Errors
    /// 503 when as many callers as the host may know are all busy.
    pub(super) fn find(&self, who: Arc<Principal>) -> Result<Arc<Caller>, Refusal> {
        let key = Key(who);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get_mut(&key) {
            found.seen = Instant::now();
            return Ok(Arc::clone(&found.caller));
        }
        if known.len() >= self.settings.max_principals {
            forget_idlest(&mut known)?;
        }
        let caller = Arc::new(self.make(Arc::clone(&key.0)));
        known.insert(key, Known { caller: Arc::clone(&caller), seen: Instant::now() });
        Ok(caller)
    }

    fn make(&self, who: Arc<Principal>) -> Caller {
        let settings = &self.settings;
        let listing = Listing { ttl: Duration::from_secs(settings.list_ttl_seconds), page: settings.page };
        let shared = Arc::new(Shared {
            host: Arc::clone(&self.host),
            who,
            listing,
            tenant_header: settings.tenant_header.clone(),
            drain: self.drain.clone(),
        });
        let (hosts, pages) = (settings.allowed_hosts.clone(), settings.allowed_origins.clone());
        let local = |names: [&str; 3]| names.map(str::to_owned).to_vec();
        let (hosts, pages) = match (hosts.is_empty(), pages.is_empty()) {
            (true, true) => (local(LOOPBACK), local(LOOPBACK_PAGES)),
            (true, false) => (local(LOOPBACK), pages),
            // A host with a public name serves no page it was not told of.
            (false, _) => (hosts, pages),
        };
        let config = StreamableHttpServerConfig::default()
            .with_allowed_hosts(hosts)
            .with_allowed_origins(pages)
            // Also with no origin allowed: then every browser page is refused.
            .enforce_origin_validation()
            .with_max_request_body_bytes(settings.max_body)
            .with_sse_keep_alive(Some(Duration::from_secs(settings.sse_keep_alive_seconds)))
            // Plain JSON where one message is the whole answer; a stream only when something comes before it.
            .with_json_response(true)
            .with_legacy_session_mode(true)
            .with_cancellation_token(self.cut.clone());
        let mut session = SessionConfig::default();
        session.keep_alive = Some(Duration::from_secs(settings.session_idle_seconds));
        let mut sessions = LocalSessionManager::default();
        sessions.session_config = session;
        let sessions = Arc::new(sessions);
        Caller {
            service: StreamableHttpService::new(move || Ok(Handler::new(&shared)), Arc::clone(&sessions), config),
            sessions,
            max_sessions: settings.max_sessions,
            opening: tokio::sync::Mutex::new(()),
            streams: Arc::new(Semaphore::new(settings.max_sessions)),
        }
    }
}

/// Make room: forget the caller not seen for longest of those with no request and no session.
fn forget_idlest(known: &mut HashMap<Key, Known>) -> Result<(), Refusal> {
    let idlest = known.iter().filter(|(_, known)| known.caller.is_idle()).min_by_key(|(_, known)| known.seen);
    let Some(key) = idlest.map(|(key, _)| Key(Arc::clone(&key.0))) else {
        return Err(Refusal::busy());
    };
    known.remove(&key);
    Ok(())
}

/// One principal's own service and sessions.
pub(super) struct Caller {
    /// rmcp's end of the wire.
    pub(super) service: StreamableHttpService<Handler, LocalSessionManager>,
    sessions: Arc<LocalSessionManager>,
    max_sessions: usize,
    opening: tokio::sync::Mutex<()>,
    streams: Arc<Semaphore>,
}

impl Caller {
    fn is_idle(self: &Arc<Self>) -> bool {
        // A session table somebody is changing belongs to a caller that is not idle.
        Arc::strong_count(self) == 1 && self.sessions.sessions.try_read().is_ok_and(|sessions| sessions.is_empty())
    }

    /// What rmcp does not check of a request in a session: that the session to end exists, and that a revision rmcp
    /// knows is one that is served here.
    ///
    /// # Errors
    /// 404 and 400.
    pub(super) async fn check_session(&self, method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(session) = headers.get("mcp-session-id").and_then(|id| id.to_str().ok()) else { return Ok(()) };
        let version = headers.get("mcp-protocol-version").and_then(|version| version.to_str().ok());
        // From 2026-07-28 there are no sessions: a stray id means nothing, and rmcp passes over it.
        if version.is_some_and(|version| version >= ProtocolVersion::V_2026_07_28.as_str()) {
            return Ok(());
        }
        if let Some(version) = version.filter(|version| VERSIONS.iter().all(|known| known.as_str() != *version)) {
            return Err(Refusal::version(version));
        }
        // Close and unknown, foreign included, look the same.
        if *method == Method::DELETE && !matches!(self.sessions.has_session(&session.into()).await, Ok(true)) {
            return Err(Refusal::no_such_session());
        }
        Ok(())
    }

    /// A place for one more session, for as long as the guard is held.
    ///
    /// # Errors
    /// 429 when this caller holds as many as it may.
    pub(super) async fn place_for_session(&self) -> Result<MutexGuard<'_, ()>, Refusal> {
        let place = self.opening.lock().await;
        match self.sessions.sessions.read().await.len() < self.max_sessions {
            true => Ok(place),
            false => Err(Refusal::too_many("sessions: end one with DELETE, or let one idle out")),
        }
    }

    /// The right to one more open stream.
    ///
    /// # Errors
    /// 429 when this caller holds as many as it may.
    pub(super) fn open_stream(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.streams).try_acquire_owned().map_err(|_| Refusal::too_many("open streams: close one first"))
    }
}
