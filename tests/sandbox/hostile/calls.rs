//! What a guest does in a call: each deed with the code it ends with.

use super::super::raw::{Raw, give, text_answer};
use super::Neighbour;
use crate::harness::{App, Plan};
use crate::patience::soon;
use rowhouse::config::Grant;
use rowhouse::plugin::{Listener, LogLevel};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio_util::sync::CancellationToken;

/// One deed: in words, the guest and what it is told, the code, and a part of the text.
pub struct Deed(pub &'static str, pub &'static str, pub Value, pub &'static str, pub &'static str);

/// The code of what is contained without ending the call.
const ANSWERED: &str = "answered";

/// Bounds that a misbehaving guest meets soon; a well-behaved one stays far below.
pub fn tight(plan: &mut Plan) {
    let limits = &mut plan.settings.plugins.limits;
    limits.cpu_ms = 3_000;
    limits.host_calls = 20_000;
    limits.statements = 20;
    limits.database_ms = 2_000;
    limits.handles = 8;
    limits.argument_bytes = 8 << 10;
    limits.transfer_bytes = 1 << 20;
    limits.answer_bytes = 256 << 10;
    limits.answer_parts = 50;
    limits.json_depth = 20;
}

/// What a guest does with the contract alone.
fn with_the_contract() -> Vec<Deed> {
    let unruly = |deed: &str, times: u64| json!({ "deed": deed, "times": times });
    vec![
        Deed("computes without end", "endless_loop", json!({}), "PLUGIN_CPU", "computed for more than 3000 ms"),
        Deed("takes memory without end", "memory_bomb", json!({}), "PLUGIN_MEMORY", "a call may use 64"),
        Deed("recurses on the stack its compiler made", "recursion", json!({}), "PLUGIN_TRAPPED", "too deep"),
        Deed("panics", "trap", json!({}), "PLUGIN_TRAPPED", "panicked"),
        Deed("answers with 16 MiB", "huge_answer", json!({}), "PLUGIN_ANSWER", "moved more data"),
        Deed("answers a little over", "huge_answer", json!({ "bytes": 300_000 }), "PLUGIN_ANSWER", "300000 bytes"),
        Deed("answers with 10,000 parts", "unruly", unruly("parts", 10_000), "PLUGIN_ANSWER", "10000 parts"),
        Deed("answers with 1,000 large parts", "unruly", unruly("large_parts", 1_000), "PLUGIN_ANSWER", ""),
        Deed("hides 300 KB behind a word", "unruly", unruly("wordy", 300_000), "PLUGIN_ANSWER", "300013 bytes"),
        Deed("answers with nested JSON", "unruly", unruly("nested", 400_000), "PLUGIN_NESTING", "deeper than 20"),
        Deed("opens and never closes", "unruly", unruly("unbalanced", 100_000), "PLUGIN_NESTING", "deeper than 20"),
        Deed("makes up a MIME type", "unruly", unruly("mime", 100_000), "PLUGIN_CONTRACT", "MIME type is none"),
        Deed("forges a header by it", "unruly", unruly("mime_header", 1), "PLUGIN_CONTRACT", "MIME type is none"),
        Deed("makes up a URI", "unruly", unruly("uri", 5_000), "PLUGIN_CONTRACT", "URI is none"),
        Deed("breaks its own schema", "bad_output", json!({}), "PLUGIN_CONTRACT", "outside its own output schema"),
        Deed("answers with no JSON", "bad_output", json!({ "answer": "{" }), "PLUGIN_CONTRACT", "not JSON"),
        Deed("answers with a list", "bad_output", json!({ "answer": "[1]" }), "PLUGIN_CONTRACT", "not an object"),
        Deed("fails with a huge text", "unruly", unruly("error", 500_000), "TOOL_FAILED", "xxx"),
        Deed("fails with a terminal's codes", "unruly", unruly("error_escapes", 1), "NOT_FOUND", "\\u{1b}[31m\\u{0}"),
        Deed("asks the host for the time", "hostcall_storm", json!({}), "PLUGIN_HOST_CALLS", "more than 20000 times"),
        Deed("floods the embedder", "unruly", unruly("embed", 100_000), "PLUGIN_HOST_CALLS", "more than 20000 times"),
        Deed("sends it too much at once", "unruly", unruly("embed_much", 5_000), "PLUGIN_ANSWER", "moved more data"),
        Deed("floods the log", "unruly", unruly("log", 10_000), ANSWERED, "logged"),
        Deed("forges the log", "unruly", unruly("log_escapes", 1), ANSWERED, "logged"),
        Deed("floods progress, with NaN", "unruly", unruly("progress", 10_000), ANSWERED, "reported"),
        Deed("runs statements without end", "query_storm", json!({}), "PLUGIN_STATEMENTS", "more than 20 statements"),
        Deed("keeps every row set", "handle_hoard", json!({}), "PLUGIN_HANDLES", "more than 8 row sets"),
        Deed("hoards statements under way", "unruly", unruly("hoard", 20), "PLUGIN_HANDLES", "more than 8 row sets"),
        Deed("lets go of each at once", "unruly", unruly("let_go", 21), "PLUGIN_STATEMENTS", "more than 20 statements"),
        Deed("waits twice for one", "unruly", unruly("wait_twice", 1), "QUERY_INVALID", "waited for already"),
        Deed("keeps the database busy", "unruly", unruly("busy", 4), "PLUGIN_DATABASE_TIME", "more than 2000 ms"),
        Deed("binds a huge parameter", "unruly", unruly("parameters", 2_000_000), "PLUGIN_ANSWER", "moved more data"),
        Deed("asks from the bottom of its stack", "unruly", unruly("dive", 1_000), "QUERY_REJECTED", ""),
        Deed("dives deeper than its stack", "unruly", unruly("dive", 1_000_000), "PLUGIN_STACK", "recursed too deep"),
        Deed("looks for files", "wasi_probe", json!({ "what": "files" }), ANSWERED, ""),
        Deed("looks for a network", "wasi_probe", json!({ "what": "network" }), "PLUGIN_DENIED", "denied capability"),
        Deed("exits", "wasi_probe", json!({ "what": "exit" }), "PLUGIN_TRAPPED", ""),
    ]
}

/// Guests that no compiler makes.
fn by_hand() -> Vec<(&'static str, Raw, &'static str, &'static str)> {
    let drops = r#"(import "rowhouse:plugin/sql@0.1.0" "[resource-drop]rows" (func $drop (param i32)))"#;
    let counts = r#"(import "rowhouse:plugin/sql@0.1.0" "[method]rows.count" (func $count (param i32) (result i32)))"#;
    let logs = r#"(import "rowhouse:plugin/log@0.1.0" "write" (func $write (param i32 i32 i32)))"#;
    let query = r#"(import "rowhouse:plugin/sql@0.1.0" "query" (func $query (param i32 i32 i32 i32 i32)))"#;
    let deeper = r"(func $deep (param i64) (result i64)
        (i64.add (call $deep (i64.add (local.get 0) (i64.const 1))) (i64.const 1)))";
    let after = r#"(func (export "cabi_post_rowhouse:plugin/tools@0.1.0#call") (param i32) (loop (br 0)))"#;
    let ask = |rest: &str| {
        format!("(call $query (i32.const 1024) (i32.const 3) {rest} (i32.const 256)) {}", text_answer(0, 0))
    };
    let rude = |name: &str, realloc: &str| Raw { realloc: realloc.to_owned(), ..Raw::new(name) };
    vec![
        (
            "recurses on WebAssembly's own stack",
            Raw::new("stack").fields(deeper).call("(drop (call $deep (i64.const 0))) (i32.const 16)"),
            "PLUGIN_STACK",
            "recursed too deep",
        ),
        (
            "grows a table without end",
            Raw::new("table")
                .fields("(table $t 1 funcref)")
                .call("(loop (drop (table.grow $t (ref.null func) (i32.const 5000))) (br 0)) (i32.const 16)"),
            "PLUGIN_TABLES",
            "a call may use 20000",
        ),
        (
            "answers with rows it never had",
            Raw::new("forged").call(&give(&[(0, 0), (4, 0), (8, 7)])),
            "PLUGIN_TRAPPED",
            "",
        ),
        (
            "counts another's rows",
            Raw::new("count").fields(counts).call("(call $count (i32.const 1))"),
            "PLUGIN_TRAPPED",
            "",
        ),
        (
            "drops what it does not hold",
            Raw::new("dropper").fields(drops).call("(call $drop (i32.const 1)) (i32.const 16)"),
            "PLUGIN_TRAPPED",
            "",
        ),
        (
            "answers with a lone surrogate",
            Raw::new("surrogate")
                .call(&format!("(i32.store (i32.const 512) (i32.const 0x80a0ed)) {}", text_answer(512, 3))),
            "PLUGIN_CONTRACT",
            "not UTF-8",
        ),
        (
            "answers from outside its memory",
            Raw::new("outside").call(&text_answer(0xffff_0000, 100)),
            "PLUGIN_TRAPPED",
            "",
        ),
        ("answers with a length of 4 GiB", Raw::new("longer").call(&text_answer(0, u32::MAX)), "PLUGIN_TRAPPED", ""),
        ("answers with no case there is", Raw::new("caseless").call(&give(&[(0, 0), (4, 9)])), "PLUGIN_TRAPPED", ""),
        ("answers from an odd place", Raw::new("odd").call("(i32.const 17)"), "PLUGIN_TRAPPED", ""),
        (
            // Parts that all lie in the same place: zeros, which are texts of no length.
            "answers with 4,000 parts in 128 KB",
            Raw::new("alias").call(&give(&[(0, 0), (4, 3), (8, 65_536 * 8), (12, 4_000)])),
            "PLUGIN_ANSWER",
            "4000 parts",
        ),
        ("computes after it answered", Raw::new("after").fields(after), "PLUGIN_CPU", "computed for more than"),
        ("computes where it makes room", rude("makes_room", "(loop (br 0)) (i32.const 0)"), "PLUGIN_CPU", ""),
        ("makes room outside its memory", rude("no_room", "(i32.const -8)"), "PLUGIN_TRAPPED", ""),
        (
            "calls out where it makes room",
            rude("calls_out", "(call $write (i32.const 1) (i32.const 0) (i32.const 0)) (i32.const 64)").fields(logs),
            "PLUGIN_TRAPPED",
            "",
        ),
        (
            "sends a log line from outside its memory",
            Raw::new("log_outside")
                .fields(logs)
                .call("(call $write (i32.const 1) (i32.const 0x7fff0000) (i32.const 64)) (i32.const 16)"),
            "PLUGIN_TRAPPED",
            "",
        ),
        (
            "sends a level there is none of",
            Raw::new("level")
                .fields(logs)
                .call("(call $write (i32.const 99) (i32.const 0) (i32.const 0)) (i32.const 16)"),
            "PLUGIN_TRAPPED",
            "",
        ),
        (
            "asks with 100 million parameters",
            Raw::new("parameters").fields(query).call(&ask("(i32.const 2048) (i32.const 100000000)")),
            "PLUGIN_TRAPPED",
            "",
        ),
        (
            "asks for itself: a component cannot",
            Raw::new("again")
                .fields(r#"(func $again (param i32 i32 i32 i32) (result i32) (unreachable))"#)
                .call("(call $again (local.get 0) (local.get 1) (local.get 2) (local.get 3))"),
            "PLUGIN_TRAPPED",
            "panicked",
        ),
    ]
}

/// A house with every guest of the collection, and the neighbour.
pub async fn app(change: impl FnOnce(&mut Plan)) -> Arc<App> {
    let plan = |plan: &mut Plan| {
        plan.guests = with_the_contract().iter().map(|deed| deed.1).collect();
        plan.guests.dedup();
        plan.guests.push("echo");
        plan.settings.plugins.grants.insert("wasi_probe".to_owned(), Grant { wasi: true, ..Grant::default() });
        tight(plan);
        change(plan);
    };
    let app = soon(App::plan(plan)).await;
    for (_, raw, ..) in by_hand() {
        std::fs::write(app.plugins.path().join(format!("{}.wasm", raw.name)), raw.component()).expect("written");
    }
    soon(app.look()).await;
    let refused = app.host.plugins.published().refused.clone();
    assert!(refused.is_empty(), "{refused:?}");
    Arc::new(app)
}

/// Every deed of the collection.
pub fn deeds() -> Vec<Deed> {
    let mut deeds = with_the_contract();
    deeds.extend(by_hand().into_iter().map(|(what, raw, code, part)| {
        let name: &'static str = raw.name.leak();
        Deed(what, name, json!({}), code, part)
    }));
    deeds
}

/// Call a guest, and hold what comes to what the collection says: the difference, where there is one.
pub async fn check(app: &App, Deed(what, guest, arguments, code, part): &Deed) -> Option<String> {
    let reply = soon(app.post("seattle", guest, arguments.clone())).await;
    let (result, error) = (&reply["result"], &reply["result"]["_meta"]["rowhouse/error"]);
    let text = result["content"][0]["text"].as_str().unwrap_or_default();
    let got = error["code"].as_str().unwrap_or(ANSWERED);
    let blames = got.starts_with("PLUGIN_");
    // By name and version, whichever of its tools it was.
    let named = [format!("the plugin `{guest}` 0.1.0"), format!("the plugin `{guest}` 6.6.6")];
    let holds = got == *code
        && text.contains(part)
        // No error is an amplifier.
        && text.len() < 6_000
        && (error["blame"] == "plugin") == blames
        && (!blames || named.iter().any(|named| text.contains(named)));
    let shown: String = text.chars().take(300).collect();
    (!holds).then(|| format!("{guest} {what}: {got}, not {code} {part:?}: {} bytes: {shown}", text.len()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_deed_has_its_code_and_the_neighbour_answers() {
    let app = app(|_| {}).await;
    let neighbour = Neighbour::beside(&app);
    let deeds = deeds();
    assert!(deeds.len() >= 50, "{}", deeds.len());
    let mut differ = Vec::new();
    for deed in &deeds {
        differ.extend(check(&app, deed).await);
        neighbour.was_answered().await;
    }
    neighbour.leave().await;
    assert!(differ.is_empty(), "{differ:#?}");
    assert_eq!(app.host.traffic.running(), 0, "every place was given back");
    // Each is counted for the version that did it, by its code.
    let accounts = app.host.plugins.published().accounts();
    let of = |name: &str| accounts.plugins.iter().find(|it| it.plugin == name).expect("an account");
    assert_eq!(of("endless_loop").failed["PLUGIN_CPU"], 1);
    assert_eq!(of("stack").failed["PLUGIN_STACK"], 1);
    assert!(of("unruly").log_lines_dropped >= 9_800, "{:?}", of("unruly"));
    assert!(of("echo").failed.is_empty() && of("echo").calls as usize >= deeds.len(), "{:?}", of("echo"));
    assert!(of("memory_bomb").used["memory"].max > 60 << 20, "{:?}", of("memory_bomb"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_breaks_bounds_again_and_again_runs_behind_the_others_and_is_answered() {
    let app = app(|_| {}).await;
    let on_probation = |guest: &str| {
        let accounts = app.host.plugins.published().accounts();
        let account = accounts.plugins.iter().find(|it| it.plugin == guest).expect("an account");
        (account.calls, account.calls_on_probation)
    };
    // A guest that computes, and one that waits for the host: its statements cross from one kind of threads to the other.
    for (guest, breaks, stays, code) in [
        ("memory_bomb", json!({}), json!({ "mebibytes": 8 }), "PLUGIN_MEMORY"),
        ("query_storm", json!({}), json!({ "statements": 20 }), "PLUGIN_STATEMENTS"),
        (
            "unruly",
            json!({ "deed": "busy", "times": 4 }),
            json!({ "deed": "let_go", "times": 20 }),
            "PLUGIN_DATABASE_TIME",
        ),
    ] {
        for call in 0..4 {
            let (got, text) = soon(app.failure("seattle", guest, breaks.clone())).await;
            assert_eq!(got, code, "{guest} {call}: {text}");
            assert_eq!(on_probation(guest), (call + 1, u64::from(call == 3)), "the fourth call is the first aside");
        }
        let reply = soon(app.post("seattle", guest, stays.clone())).await;
        assert_eq!(reply["result"]["isError"], false, "{guest}: what it may is done, only later: {reply}");
        assert_eq!(on_probation(guest), (5, 2), "{guest}");
        let reply = soon(app.post("spokane", guest, stays)).await;
        assert_eq!(reply["result"]["isError"], false, "{guest}: {reply}");
        assert_eq!(on_probation(guest), (6, 2), "{guest}: another account is where it was");
    }
    soon(app.post("seattle", "echo", json!({ "text": "hello" }))).await;
    assert_eq!(on_probation("echo").1, 0, "and so is the account with every other plugin");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_computes_for_long_goes_on_behind_the_others_and_is_answered() {
    let app = app(|_| {}).await;
    let (mut calls, mut long) = (0, 0);
    // Of short ones some may be long by the clock, where the machine does other things meanwhile.
    for (millions, times, expected) in [(0, 5, 0..5), (400, 1, 1..2), (0, 5, 0..5)] {
        for _ in 0..times {
            let reply = soon(app.post("seattle", "unruly", json!({ "deed": "think", "times": millions }))).await;
            assert_eq!(reply["result"]["isError"], false, "{millions}: {reply}");
            let rows = reply["result"]["structuredContent"]["r"].as_array().map(Vec::len);
            assert_eq!(rows, Some(1), "its one store: {reply}");
        }
        let accounts = app.host.plugins.published().accounts();
        let account = accounts.plugins.iter().find(|it| it.plugin == "unruly").expect("an account");
        let more = account.calls_long - long;
        (calls, long) = (calls + times, account.calls_long);
        assert_eq!((account.calls, account.calls_on_probation), (calls, 0), "{millions}");
        assert!(expected.contains(&more), "{more} of {times} were long: {millions}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stays_within_the_bounds_is_answered() {
    let app = app(|_| {}).await;
    for (guest, arguments) in [
        ("memory_bomb", json!({ "mebibytes": 8 })),
        ("huge_answer", json!({ "bytes": 200_000 })),
        ("hostcall_storm", json!({ "calls": 5_000 })),
        ("query_storm", json!({ "statements": 20 })),
        ("handle_hoard", json!({ "handles": 8 })),
        ("bad_output", json!({ "answer": r#"{"n":7}"# })),
        ("unruly", json!({ "deed": "nested", "times": 19 })),
        ("unruly", json!({ "deed": "parts", "times": 50 })),
        ("unruly", json!({ "deed": "wordy", "times": 200_000 })),
        ("unruly", json!({ "deed": "hoard", "times": 8 })),
        ("unruly", json!({ "deed": "let_go", "times": 20 })),
        ("after", json!({})),
    ] {
        let reply = soon(app.post("seattle", guest, arguments.clone())).await;
        let answered = reply["result"]["isError"] == false;
        assert_eq!(answered, guest != "after", "{guest} {arguments}: {reply}");
    }
}

#[tokio::test]
async fn arguments_have_their_bounds_before_a_guest_is_woken() {
    let app = app(|_| {}).await;
    let nested = |depth: usize| serde_json::from_str::<Value>(&format!("{}{}", "[".repeat(depth), "]".repeat(depth)));
    for (what, arguments, part) in [
        ("too long", json!({ "text": "x".repeat(8 << 10) }), "at most 8192 are taken"),
        ("too deep", json!({ "text": nested(20).expect("JSON") }), "deeper than 20"),
    ] {
        let (code, text) = soon(app.failure("seattle", "echo", arguments)).await;
        assert_eq!(code, "ARGUMENTS_LIMIT", "{what}: {text}");
        assert!(text.contains(part), "{what}: {text}");
    }
    let accounts = app.host.plugins.published().accounts();
    let echo = accounts.plugins.iter().find(|it| it.plugin == "echo").expect("an account");
    assert_eq!(echo.calls, 0, "no instance was made");
}

/// What a caller who listens is told.
#[derive(Default)]
struct Ear(Mutex<Vec<String>>);

impl Listener for Ear {
    fn progress(&self, done: f64, _: Option<f64>, message: Option<&str>) {
        assert!(done.is_finite());
        self.0.lock().expect("nobody panicked").push(message.unwrap_or_default().to_owned());
    }
    fn log(&self, _: LogLevel, _: &str, message: &str) {
        self.0.lock().expect("nobody panicked").push(message.to_owned());
    }
}

#[tokio::test]
async fn words_are_bounded_and_hide_nothing() {
    let app = app(|_| {}).await;
    for (deed, most) in [("log", 200), ("log_escapes", 1), ("progress", 1_000)] {
        let ear = Arc::new(Ear::default());
        let arguments = json!({ "deed": deed, "times": 3_000 });
        let request = rowhouse::call::Request {
            id: deed.to_owned(),
            tool: "unruly".to_owned(),
            arguments: arguments.as_object().expect("an object").clone(),
            tenants: None,
            listener: Some(Arc::clone(&ear) as Arc<dyn Listener>),
            cancelled: CancellationToken::new(),
        };
        soon(app.host.call(&app.principal("seattle"), request)).await.expect("an answer");
        let heard = ear.0.lock().expect("nobody panicked");
        assert_eq!(heard.len(), most, "{deed}");
        let hides = |c: char| c.is_control() || c == '\u{202e}';
        assert!(heard.iter().all(|line| !line.contains(hides)), "{deed}: {:?}", heard.first());
    }
}
