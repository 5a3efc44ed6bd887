//! How a host is doing, component by component. For operators only: it names models, versions and roles.

use crate::call::Host;
use crate::embedding::{Standing, State};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// How long an answer about readiness holds, and how long finding one may take. Anybody may ask: once a second is what a
/// database notices nothing of, and two seconds are less than any prober waits.
const HOLDS: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether calls can be answered, looked at once a second at most however many ask.
#[derive(Default)]
pub(super) struct Readiness(Mutex<Option<(Instant, bool)>>);

impl Readiness {
    /// Ask, or tell what was found a moment ago.
    pub(super) async fn of(&self, host: &Host) -> bool {
        let mut known = self.0.lock().await;
        if let Some((_, ready)) = known.filter(|(at, _)| at.elapsed() < HOLDS) {
            return ready;
        }
        let ready = !host.database.is_refused() && matches!(timeout(PATIENCE, host.database.ready()).await, Ok(Ok(_)));
        *known = Some((Instant::now(), ready));
        ready
    }
}

/// How a component is doing: `ok`, `degraded` (callers notice, and are answered) or `down`.
fn worst(parts: &[&Value]) -> &'static str {
    let any = |word: &str| parts.iter().any(|part| part["status"] == word);
    if any("down") {
        "down"
    } else if any("degraded") {
        "degraded"
    } else {
        "ok"
    }
}

/// Everything that can be looked at, now.
pub(super) async fn look(host: &Host) -> Value {
    let (database, embedding, plugins, trail) = (database(host).await, embedding(host), plugins(host), trail(host));
    json!({
        "status": worst(&[&database, &embedding, &plugins, &trail]),
        "version": env!("CARGO_PKG_VERSION"),
        "database": database, "embedding": embedding, "plugins": plugins, "audit": trail,
    })
}

async fn database(host: &Host) -> Value {
    let began = Instant::now();
    let ready = host.database.ready().await;
    let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let pool = host.database.status();
    let lanes = pool.lanes.iter().map(|lane| {
        json!({ "role": lane.role, "open": lane.open, "idle": lane.idle, "made": lane.made, "broken": lane.broken })
    });
    json!({
        "status": if ready.is_ok() && !host.database.is_refused() { "ok" } else { "down" },
        "unsafe": host.database.is_refused(),
        "ms": took,
        "server": ready.as_ref().ok().map(|ready| &ready.server_version),
        "schema": ready.as_ref().ok().map(|ready| ready.schema_version),
        "statements": { "running": pool.in_use, "most": pool.max },
        "connections": lanes.collect::<Vec<_>>(),
        "waiting": pool.waiting,
        "slow_statements": host.telemetry.slows(),
    })
}

fn embedding(host: &Host) -> Value {
    let (hits, misses) = host.embeddings.cache_counts();
    let cache = json!({ "hits": hits, "misses": misses });
    match host.embeddings.state() {
        State::Off => json!({ "status": "ok", "in_use": false, "cache": cache }),
        State::Waits(why) => json!({ "status": "degraded", "in_use": false, "why": why, "cache": cache }),
        State::Serves(model) => {
            let (status, breaker) = match model.standing() {
                Standing::Closed => ("ok", "closed"),
                Standing::Open => ("degraded", "open"),
                Standing::HalfOpen => ("degraded", "half open"),
            };
            json!({ "status": status, "in_use": true, "model": model.name(), "breaker": breaker, "cache": cache })
        }
    }
}

fn plugins(host: &Host) -> Value {
    let published = host.plugins.published();
    let status = if published.refused.is_empty() { "ok" } else { "degraded" };
    let refused: Vec<&String> = published.refused.keys().collect();
    json!({
        "status": status,
        "served": published.plugins.len(),
        "tools": published.tools().count(),
        "waiting": published.parked.len(),
        "on_trial": published.canaries.len(),
        "refused": refused,
    })
}

fn trail(host: &Host) -> Value {
    let Some(found) = host.audit.status() else { return json!({ "status": "ok", "kept": false }) };
    let status = if found.stuck || found.lost > 0 || found.conflicts > 0 { "degraded" } else { "ok" };
    json!({ "status": status, "spooled": found.spooled, "lost": found.lost, "conflicts": found.conflicts, "stuck": found.stuck })
}
