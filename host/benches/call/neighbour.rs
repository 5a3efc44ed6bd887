//! What a well-behaved plugin's callers notice of hostile ones: `cargo xtask bench -- --neighbour`.
//!
//! A lap is the neighbour's calls, over and over: with nobody else, and right after that beside callers of hostile guests
//! who ask as often as one principal may by default. Each round's hostile callers are of another tenant, so that each has
//! their first calls in it, before anybody knows them.

use crate::harness::App;
use crate::report::median;
use rowhouse::call::Request;
use rowhouse::identity::Principal;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Callers of hostile guests at once: as many as the neighbour's.
const HOSTILE: usize = 4;
/// The neighbour's callers at once.
const CALLERS: usize = 4;
/// The neighbour's calls in a lap: some ten seconds, as what hostile callers do at first is over in one.
const CALLS: usize = 2_000;
/// Between two calls of one caller. A model thinks for longer; a caller that never waits measures its own queue.
const PAUSE: Duration = Duration::from_millis(5);
/// Between two calls of one hostile caller: together they ask twenty times a second, the default of `traffic.principal`.
const RATE: Duration = Duration::from_millis(50 * HOSTILE as u64);

/// Whose the hostile callers of a round are: there are no more rounds than these.
const TENANTS: [&str; 6] = ["seattle", "bellevue", "tacoma", "everett", "redmond", "kirkland"];

/// Who is hostile, and what it is told.
fn deeds() -> Vec<(&'static str, &'static str, Value)> {
    let unruly = |deed: &str, times: u64| json!({ "deed": deed, "times": times });
    vec![
        ("traps", "trap", json!({})),
        ("takes memory", "memory_bomb", json!({})),
        ("recurses", "recursion", json!({})),
        ("calls the host", "hostcall_storm", json!({})),
        ("runs statements", "query_storm", json!({})),
        ("hoards rows", "handle_hoard", json!({})),
        ("answers too much", "huge_answer", json!({})),
        ("nests JSON", "unruly", unruly("nested", 400_000)),
        ("floods the log", "unruly", unruly("log", 10_000)),
        ("keeps the database busy", "unruly", unruly("busy", 4)),
        ("computes without end", "endless_loop", json!({})),
    ]
}

async fn ask(app: &App, who: &Arc<Principal>, tool: &str, arguments: &Value, left: &CancellationToken) -> bool {
    let request = Request {
        id: "neighbour".to_owned(),
        tool: tool.to_owned(),
        arguments: arguments.as_object().cloned().unwrap_or_default(),
        tenants: None,
        listener: None,
        cancelled: left.clone(),
    };
    app.host.call(who, request).await.is_ok()
}

/// What a neighbour noticed in one lap, in microseconds.
struct Noticed {
    p50: f64,
    p99: f64,
}

/// One lap, beside hostile callers of this tenant, who have a guest do this.
async fn lap(app: &Arc<App>, hostile: Option<(&'static str, &'static str, Value)>) -> Noticed {
    let stop = CancellationToken::new();
    let bad: Vec<_> = hostile
        .into_iter()
        .flat_map(|one| std::iter::repeat_n(one, HOSTILE))
        .map(|(tenant, tool, arguments)| {
            let (app, stop, who) = (Arc::clone(app), stop.clone(), app.principal(tenant));
            tokio::spawn(async move {
                while !stop.is_cancelled() {
                    let _ = ask(&app, &who, tool, &arguments, &stop).await;
                    let _ = tokio::time::timeout(RATE, stop.cancelled()).await;
                }
            })
        })
        .collect();
    let good: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (app, who) = (Arc::clone(app), app.principal("spokane"));
            tokio::spawn(async move {
                let (mut times, never) = (Vec::with_capacity(CALLS / CALLERS), CancellationToken::new());
                let arguments = json!({ "statement": "SELECT store_name FROM retail.stores", "how": "batch" });
                for _ in 0..CALLS / CALLERS {
                    tokio::time::sleep(PAUSE).await;
                    let began = Instant::now();
                    assert!(ask(&app, &who, "echo_rows", &arguments, &never).await, "the neighbour is answered");
                    times.push(began.elapsed());
                }
                times
            })
        })
        .collect();
    let mut times = Vec::with_capacity(CALLS);
    for one in good {
        times.extend(one.await.expect("no caller panics"));
    }
    stop.cancel();
    for one in bad {
        one.await.expect("no caller panics");
    }
    times.sort_unstable();
    let at = |share: usize| times[times.len() * share / 100].as_secs_f64() * 1e6;
    Noticed { p50: at(50), p99: at(99) }
}

/// One round: without hostile callers, and with them.
struct Pair {
    alone: Noticed,
    beside: Noticed,
}

/// Measure, and print a line for each deed whose name has `only` in it.
pub(crate) async fn run(rounds: u32, only: &str) {
    let app = App::plan(|plan| {
        plan.guests = deeds().iter().map(|deed| deed.1).chain(["echo"]).collect();
        plan.guests.sort_unstable();
        plan.guests.dedup();
        plan.settings.plugins.concurrent_calls = 64;
        // As a host has it by default: the suite asks for more.
        plan.settings.database.pool.max = None;
    })
    .await;
    let app = Arc::new(app);
    // Warms what has to be, and is not counted.
    lap(&app, None).await;
    let tenants = &TENANTS[..TENANTS.len().min(rounds as usize)];
    let rounds = tenants.len();
    println!("A neighbour's calls beside {HOSTILE} hostile callers, against alone; medians of {rounds} rounds.");
    println!(
        "{:<26} {:>9} {:>9} {:>9} {:>9} {:>7} {:>7}",
        "", "p50 us", "beside", "p99 us", "beside", "p50 x", "p99 x"
    );
    for (what, tool, arguments) in deeds().into_iter().filter(|deed| deed.0.contains(only)) {
        let mut pairs = Vec::new();
        for tenant in tenants {
            let alone = lap(&app, None).await;
            pairs.push(Pair { alone, beside: lap(&app, Some((tenant, tool, arguments.clone()))).await });
        }
        let of = |figure: fn(&Pair) -> f64| median(pairs.iter().map(figure));
        println!(
            "{what:<26} {:>9.0} {:>9.0} {:>9.0} {:>9.0} {:>7.2} {:>7.2}",
            of(|it| it.alone.p50),
            of(|it| it.beside.p50),
            of(|it| it.alone.p99),
            of(|it| it.beside.p99),
            of(|it| it.beside.p50 / it.alone.p50),
            of(|it| it.beside.p99 / it.alone.p99),
        );
    }
}
