//! Fifty tenants at once: ten thousand calls, honest and hostile, by people of one tenant, of several and of all, with
//! sixty-four in flight. Every row answered must be the caller's, and every figure the one its own rows give.
//!
//! What is asked is drawn from a seeded generator: a failure names the call's number, and that number makes the same
//! call again.

mod shapes; // What is asked, and what must come of it.
mod world; // Tenants, people and rows, all of them known.

use crate::harness::{App, Silent, settings, shared};
use crate::patience::soon;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rowhouse::call::Request;
use rowhouse::house::Ground;
use rowhouse::identity::Principal;
use rowhouse::keys::Keys;
use rowhouse::query::demolition::Wall;
use serde_json::Value;
use shapes::{Ask, Expect};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use world::{Person, World};

const CALLS: usize = 10_000;

/// More than the host runs at once, so that calls meet in every queue there is.
const IN_FLIGHT: usize = 64;

/// One in so many goes over HTTP, with a token of its own.
const OVER_HTTP: usize = 10;

/// Calls that went wrong, of which a failure shows so many.
const SHOWN: usize = 10;

/// What came of a call: the structured answer or the code of the failure, and every word of it.
struct Reply {
    outcome: Result<Value, String>,
    said: String,
}

/// Calls with a wall down: enough for a statement of every shape by most of the people.
const FEWER: usize = 2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_tenants_see_their_own_and_nothing_else() {
    check("crowd", CALLS, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_do_so_without_the_gate() {
    check("crowd_without_gate", FEWER, Some(Wall::Gate)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_do_so_without_the_read_only_transaction() {
    check("crowd_without_transaction", FEWER, Some(Wall::Transaction)).await;
}

/// The crowd on a database of its own, with one wall of the host down or none.
async fn check(database: &str, calls: usize, down: Option<Wall>) {
    let world = Arc::new(World::new());
    let app = Arc::new(soon(open(&world, database, down)).await);
    let people: BTreeMap<String, Arc<Principal>> =
        world.people.iter().map(|person| (person.name.clone(), app.principal(&person.name))).collect();
    let people = Arc::new(people);
    let next = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..IN_FLIGHT)
        .map(|_| {
            let (world, app, people, next) =
                (Arc::clone(&world), Arc::clone(&app), Arc::clone(&people), Arc::clone(&next));
            tokio::spawn(async move {
                let (mut tally, mut wrong) = ([0_usize; 3], Vec::new());
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= calls {
                        return (tally, wrong);
                    }
                    match one(&world, &app, &people, number, down).await {
                        Ok(end) => tally[end as usize] += 1,
                        Err(told) => wrong.push(told),
                    }
                }
            })
        })
        .collect();
    let (mut tally, mut wrong) = ([0; 3], Vec::new());
    for worker in workers {
        let (worked, told) = soon(worker).await.expect("a worker that ended well");
        tally.iter_mut().zip(worked).for_each(|(sum, one)| *sum += one);
        wrong.extend(told);
    }
    assert!(wrong.is_empty(), "{} of {calls} calls: {:#?}", wrong.len(), &wrong[..wrong.len().min(SHOWN)]);
    // The generator still makes some of each kind, or the test says less than it did.
    let [answered, nothing, refused] = tally;
    assert_eq!(answered + nothing + refused, calls);
    assert!(answered > calls / 4 && nothing > calls / 20 && refused > calls / 20, "{tally:?}");
    let Some(app) = Arc::into_inner(app) else { panic!("nobody else holds the house") };
    soon(app.stop()).await;
}

/// Which kind of end a call had.
#[derive(Clone, Copy)]
enum End {
    Answered,
    Nothing,
    Refused,
}

/// One call, whole: who, what, and whether it came as it must. An error says what came instead.
async fn one(
    world: &World,
    app: &App,
    people: &BTreeMap<String, Arc<Principal>>,
    number: usize,
    down: Option<Wall>,
) -> Result<End, String> {
    let mut chance = StdRng::seed_from_u64(number as u64);
    let who = world.person(&mut chance);
    let over_http = number.is_multiple_of(OVER_HTTP);
    let wanted = if over_http { None } else { wanted(&mut chance, world, who) };
    // Whoever names tenants is shown theirs alone, and nothing when one of them is not its own.
    let sees = wanted.as_ref().map_or_else(|| who.sees.clone(), |wanted| wanted.iter().copied().collect());
    let beyond = !sees.is_subset(&who.sees);
    let mut ask = shapes::draw(&mut chance, world, &sees);
    // PostgreSQL refuses these in words of its own, or answers some with what it says of itself.
    if down == Some(Wall::Gate) && matches!(ask.expect, Expect::Refused(codes) if codes != shapes::MISTAKEN) {
        ask.expect = Expect::Own;
    }
    if beyond {
        ask.expect = Expect::Refused(&["AUTHORIZATION_ERROR"]);
    }
    let reply = match over_http {
        true => soon(post(app, &who.name, &ask)).await,
        false => soon(call(app, &people[&who.name], number, &ask, wanted.clone())).await,
    };
    let sees = if beyond { &who.sees } else { &sees };
    let told = |what: &str| {
        let said: String = reply.said.chars().take(500).collect();
        format!("call {number}, {} as {wanted:?}: {what}: {} {}: {said}", who.name, ask.tool, ask.arguments)
    };
    if let Some(stranger) = world.stranger(sees, &reply.said, &ask.arguments.to_string()) {
        return Err(told(&format!("{stranger} is somebody else's")));
    }
    match (&ask.expect, &reply.outcome) {
        (Expect::Rows(rows), Ok(answer)) => {
            let got = answer.get("r").or_else(|| answer.get("rows")).and_then(Value::as_array);
            let got: Option<Vec<Value>> = got.map(|rows| rows.iter().map(plain).collect());
            match (got.as_ref() == Some(rows), rows.is_empty()) {
                (true, true) => Ok(End::Nothing),
                (true, false) => Ok(End::Answered),
                (false, _) => Err(told(&format!("the caller's rows give {rows:?}"))),
            }
        }
        (Expect::Each(count, first), Ok(answer)) => {
            let waited = answer["waited"].as_array().map(Vec::as_slice).unwrap_or_default();
            let right = waited.len() == *count && waited.iter().all(|one| plain(&one["first"]) == *first);
            if right { Ok(End::Answered) } else { Err(told(&format!("the caller's rows give {first}"))) }
        }
        (Expect::Refused(codes), Err(code)) if codes.contains(&code.as_str()) => Ok(End::Refused),
        // Without the gate, calls of the context's own functions are answered so.
        (Expect::Own, Err(code)) if down == Some(Wall::Gate) && code == "DATABASE_ERROR" => Ok(End::Refused),
        // Neither the host nor its database may have come to harm.
        (Expect::Own, Err(code)) if !matches!(code.as_str(), "DATABASE_ERROR" | "INTERNAL_ERROR") => Ok(End::Refused),
        (Expect::Own, Ok(_)) => Ok(End::Answered),
        _ => Err(told("not what must come")),
    }
}

/// A row as an answer has it: a guest that reads row by row puts each cell under the name of its case.
fn plain(row: &Value) -> Value {
    let cell = |cell: &Value| match cell.as_object() {
        Some(case) => case.values().next().cloned().unwrap_or(Value::Null),
        None => cell.clone(),
    };
    row.as_array().map_or_else(|| row.clone(), |cells| cells.iter().map(cell).collect())
}

/// The tenants a call is said to be about: none said for the most part, some of the caller's own, and now and then one
/// that is not.
fn wanted(chance: &mut StdRng, world: &World, who: &Person) -> Option<Vec<Uuid>> {
    let own: Vec<Uuid> = who.sees.iter().copied().collect();
    let many = chance.random_range(1..=own.len());
    let mut wanted: Vec<Uuid> = own.choose_multiple(chance, many).copied().collect();
    match chance.random_range(0..20) {
        0..14 => return None,
        19 => wanted.push(world.foreign(chance, &who.sees)),
        _ => {}
    }
    Some(wanted)
}

async fn call(app: &App, who: &Arc<Principal>, number: usize, ask: &Ask, tenants: Option<Vec<Uuid>>) -> Reply {
    let arguments = ask.arguments.as_object().cloned().unwrap_or_default();
    let request = Request {
        id: number.to_string(),
        tool: ask.tool.to_owned(),
        arguments,
        tenants,
        listener: None,
        cancelled: CancellationToken::new(),
    };
    match app.host.call(who, request).await {
        Ok(answer) => {
            let said = format!("{answer:?}");
            Reply { outcome: Ok(answer.structured.unwrap_or(Value::Null)), said }
        }
        Err(error) => Reply { outcome: Err(error.code.to_string()), said: format!("{} {error}", error.code) },
    }
}

async fn post(app: &App, who: &str, ask: &Ask) -> Reply {
    let mut reply = app.post(who, ask.tool, ask.arguments.clone()).await;
    let error = &reply["result"]["_meta"]["rowhouse/error"];
    let code = error["code"].as_str().map(str::to_owned);
    // The request's own id is a UUID, and nobody's.
    let said = match error["requestId"].as_str() {
        Some(id) => reply.to_string().replace(id, "ID"),
        None => reply.to_string(),
    };
    match code {
        Some(code) => Reply { outcome: Err(code), said },
        None => Reply { outcome: Ok(reply["result"]["structuredContent"].take()), said },
    }
}

/// A house on a database of its own, with the crowd's tables in it.
async fn open(world: &World, database: &str, down: Option<Wall>) -> App {
    let shared = shared().await;
    let create = format!("CREATE DATABASE {database}");
    shared.admin("postgres").await.batch_execute(&create).await.expect("a new database");
    let mut mine = settings(shared);
    mine.identity.people = world.people.iter().map(world::Person::known).collect();
    mine.database.url = Some(shared.url_of(database).into());
    mine.database.schemas = vec!["crowd".to_owned()];
    mine.plugins.concurrent_calls = 16;
    let keys = Keys::open(&shared.state).expect("keys");
    let ground = Ground::find(&mine, false, &mut Silent).await.expect("a database");
    ground.prepare(&mine, &keys, &mut Silent).await.expect("the core");
    let admin = shared.admin(database).await;
    admin.batch_execute(&world.script()).await.expect("the crowd's tables");
    ground.prepare(&mine, &keys, &mut Silent).await.expect("safe to serve");
    let app = App::plan(|plan| {
        plan.settings = mine;
        plan.guests = vec!["sales", "echo"];
    })
    .await;
    if let Some(wall) = down {
        if wall == Wall::Transaction {
            // `enter` is replaced on purpose.
            app.host.database.lower(Wall::Watch);
            lower_the_demand(&admin).await;
        }
        app.host.database.lower(wall);
    }
    app
}

/// Let `enter` take a transaction that may write.
async fn lower_the_demand(admin: &Client) {
    let source = "SELECT pg_get_functiondef('rowhouse.enter(text)'::regprocedure)";
    let source: String = admin.query_one(source, &[]).await.expect("its source").get(0);
    let lowered = source.replace("current_setting('transaction_read_only') <> 'on'", "false");
    assert_ne!(lowered, source, "it demands a read-only transaction in other words");
    admin.batch_execute(&lowered).await.expect("it is replaced");
}
