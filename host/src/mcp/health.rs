//! How a host is doing, component by component. For operators only: it names models, versions and roles.

use crate::call::Host;
use crate::embedding::State;
use crate::error::Code;
use crate::health::{Component, Severity, moment, worst};
use crate::plugin::HOST;
use crate::telemetry::Breaker;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
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

/// Everything that can be looked at, now, each with what is wrong with it and since when.
pub(crate) async fn look(host: &Host) -> Vec<Component> {
    let mut components = vec![
        database(host).await,
        calls(host),
        embedding(host),
        plugins(host),
        usage(host),
        trail(host),
        backup(host),
        cache(host),
    ];
    components.extend(machine(host).await);
    host.board.note(SystemTime::now(), &mut components);
    components
}

/// The same, as whoever asks gets it.
pub(super) async fn told(host: &Host) -> Value {
    let components = look(host).await;
    let mut told = Map::new();
    told.insert("status".to_owned(), json!(worst(&components)));
    told.insert("version".to_owned(), json!(env!("CARGO_PKG_VERSION")));
    told.insert("at".to_owned(), json!(moment(SystemTime::now())));
    told.extend(components.iter().map(|component| (component.name.to_owned(), component.to_json())));
    Value::Object(told)
}

async fn database(host: &Host) -> Component {
    let began = Instant::now();
    let ready = timeout(PATIENCE, host.database.ready()).await;
    let took = began.elapsed();
    let (pool, (standing, away)) = (host.database.status(), host.database.standing());
    let lanes = pool.lanes.iter().map(|lane| {
        json!({ "role": lane.role, "open": lane.open, "idle": lane.idle, "made": lane.made, "broken": lane.broken })
    });
    let answered = ready.as_ref().ok().and_then(|ready| ready.as_ref().ok());
    let facts = json!({
        "unsafe": host.database.is_refused(),
        "breaker": words(standing),
        "away_ms": away.map(|away| u64::try_from(away.as_millis()).unwrap_or(u64::MAX)),
        "host": answered.map(|ready| &ready.host),
        "server": answered.map(|ready| &ready.server_version),
        "schema": answered.map(|ready| ready.schema_version),
        "statements": { "running": pool.in_use, "waiting": pool.waiting, "most": pool.max },
        "connections": lanes.collect::<Vec<_>>(),
        "slow_statements": host.telemetry.slows(),
    });
    let walls = "its walls have a hole: no call is served; `rowhouse db check` names it";
    let mut component = Component::new("database", facts).with(
        host.database.is_refused(),
        Severity::Critical,
        "database.unsafe",
        walls,
    );
    component.took = Some(took);
    match ready {
        Ok(Ok(_)) => component,
        // The code alone: what PostgreSQL says is for the log.
        Ok(Err(error)) => {
            let what = format!("it does not answer ({})", Code::from(error.code));
            component.with(true, Severity::Critical, "database.away", what)
        }
        Err(_) => {
            let what = format!("it does not answer within {} s", PATIENCE.as_secs());
            component.with(true, Severity::Critical, "database.away", what)
        }
    }
}

/// How a breaker stands, for people.
fn words(breaker: Breaker) -> String {
    breaker.as_str().replace('_', " ")
}

fn calls(host: &Host) -> Component {
    let found = host.traffic.status();
    let facts = json!({
        "running": found.running, "waiting": found.waiting, "most": found.places,
        "saturation": host.standing().saturation(),
        "limits_shared": host.traffic.is_shared(),
        // Of the whole host: what a call left behind would stay among them.
        "tasks": tokio::runtime::Handle::current().metrics().num_alive_tasks(),
    });
    host.board.calls(Instant::now(), &host.plugins.published().accounts(), facts)
}

fn embedding(host: &Host) -> Component {
    let (hits, misses) = host.embeddings.cache_counts();
    let cache = json!({ "hits": hits, "misses": misses });
    match host.embeddings.state() {
        State::Off => Component::new("embedding", json!({ "in_use": false, "cache": cache })),
        State::Waits(why) => {
            let facts = json!({ "in_use": false, "why": why, "cache": cache });
            Component::new("embedding", facts).with(true, Severity::Warning, "embedding.waits", why)
        }
        State::Serves(model) => {
            let standing = model.standing();
            let facts = json!({ "in_use": true, "model": model.name(), "breaker": words(standing), "cache": cache });
            let what = format!("the model `{}` failed and is left alone for a while: words answer", model.name());
            let away = standing != Breaker::Closed;
            Component::new("embedding", facts).with(away, Severity::Warning, "embedding.away", what)
        }
    }
}

fn plugins(host: &Host) -> Component {
    let published = host.plugins.published();
    let refused: Vec<&String> = published.refused.keys().collect();
    let held = || published.decided.iter().filter_map(|(name, entry)| Some((name, entry.hold.as_ref()?)));
    let mut component = Component::new(
        "plugins",
        json!({
            "served": published.plugins.len(),
            "tools": published.tools().count(),
            "waiting": published.parked.len(),
            "on_trial": published.canaries.len(),
            "held": held().map(|(name, _)| name).collect::<Vec<_>>(),
            "refused": refused,
        }),
    );
    for (name, why) in &published.refused {
        // The reason is its author's words in part: the log and `plugin list` have it.
        let what =
            format!("the plugin `{name}` is refused at the step `{}`: `rowhouse plugin list` says why", why.step);
        component = component.of(Some(name), Severity::Warning, "plugins.refused", what);
    }
    for (name, hold) in held() {
        // What an operator held is known to somebody.
        let severity = if hold.by == HOST { Severity::Warning } else { Severity::Info };
        let what = format!("the plugin `{name}` was rolled back at {}: `rowhouse plugin list` says why", hold.since);
        component = component.of(Some(name), severity, "plugins.rolled_back", what);
    }
    // A held plugin's newer version waits because it is held: once is enough.
    for name in published.parked.keys().filter(|name| held().all(|(other, _)| other != *name)) {
        let what = format!("a version of the plugin `{name}` waits: `rowhouse plugin approve {name}`");
        component = component.of(Some(name), Severity::Info, "plugins.waiting", what);
    }
    component
}

/// The books quotas and reports are made of.
fn usage(host: &Host) -> Component {
    let found = host.traffic.status();
    Component::new("usage", json!({ "written": found.written, "uncounted_calls": found.lost }))
        .with(
            !found.written,
            Severity::Warning,
            "usage.unwritten",
            "it cannot be written; it is counted on and written later",
        )
        .with(
            found.lost > 0,
            Severity::Warning,
            "usage.lost",
            "calls were not counted for reports: there was no room for more accounts",
        )
}

fn trail(host: &Host) -> Component {
    host.board.trail(Instant::now(), host.audit.status())
}

/// Backups this host makes by itself. Callers do not notice one that is missing; whoever needs it does.
fn backup(host: &Host) -> Component {
    let Some(known) = host.backups.look(chrono::Utc::now()) else {
        return Component::new("backup", json!({ "made_here": false }));
    };
    let last = known.last.map(|(id, time, bytes)| json!({ "id": id, "time": time.to_rfc3339(), "bytes": bytes }));
    Component::new("backup", json!({ "made_here": true, "last": last }))
        .with(known.late, Severity::Warning, "backup.late", "the last backup is older than two times `backup.every`")
        .with(
            known.trouble.is_some(),
            Severity::Warning,
            "backup.failed",
            "no backup could be made: the host's log says why; it is tried again",
        )
}

/// Answers that are kept. Without them calls are answered all the same, only later.
fn cache(host: &Host) -> Component {
    let Some(answers) = host.database.answers() else { return Component::new("cache", json!({ "enabled": false })) };
    let found = answers.status();
    let counts: Map<String, Value> =
        found.counted.each().into_iter().map(|(name, count)| (name.to_owned(), count.into())).collect();
    let facts = json!({
        "enabled": true, "keeps": found.standing.is_ok(), "answers": found.answers, "bytes": found.bytes, "relations": found.told,
        "changes": found.changes, "redis": found.shared, "counts": counts,
    });
    let mut component = Component::new("cache", facts);
    if let Err(why) = found.standing {
        component = component.with(true, Severity::Warning, "cache.off", format!("it keeps nothing: {why}"));
    }
    let alone = "Redis does not answer: each host keeps its own answers";
    component.with(found.shared == Some(false), Severity::Warning, "cache.alone", alone)
}

/// What is read from files. A disk that hangs holds nobody up.
async fn machine(host: &Host) -> Vec<Component> {
    let board = Arc::clone(&host.board);
    let looked = tokio::task::spawn_blocking(move || board.machine());
    match timeout(PATIENCE, looked).await {
        Ok(Ok(components)) => components,
        _ => {
            let what = format!("the machine cannot be looked at within {} s: its disk may hang", PATIENCE.as_secs());
            vec![Component::new("disk", json!({})).with(true, Severity::Warning, "disk.unknown", what)]
        }
    }
}
