//! What is refused before anyone can call it: at which step, and in which words.

use super::neighbour_answers;
use crate::harness::{App, Plan, guest};
use crate::patience::soon;
use rowhouse::config::Grant;
use std::collections::BTreeSet;

/// Larger than any guest of the suite, and quickly written.
const MOST: u64 = 1 << 20;

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("a component in WAT")
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(guest(name)).expect("a guest")
}

/// A component whose one function is long: its compiler needs many times the memory and time of its bytes.
fn laborious() -> Vec<u8> {
    let step = "local.get 0 local.get 1 i32.mul local.get 2 i32.xor local.tee 0 i32.load local.tee 1 local.set 2 ";
    let function = format!("(func (param i32 i32 i32) {})", step.repeat(60_000));
    // One of them takes the better part of a second on a fast machine; the bound is met for certain.
    wat(&format!("(component (core module (memory 1) {}))", function.repeat(6)))
}

async fn app(change: impl FnOnce(&mut Plan)) -> App {
    let plan = |plan: &mut Plan| {
        plan.guests = vec!["sales", "echo"];
        change(plan);
    };
    soon(App::plan(plan)).await
}

/// Publish these bytes under a name; the step and the reason they are refused with.
pub async fn refused(app: &App, name: &str, bytes: &[u8]) -> (&'static str, String) {
    let file = app.plugins.path().join(format!("{name}.wasm"));
    std::fs::write(&file, bytes).expect("written");
    soon(app.look()).await;
    let published = app.host.plugins.published();
    let why = published.refused.get(name).unwrap_or_else(|| panic!("{name} was not refused"));
    assert!(!published.plugins.contains_key(name), "{name} was refused and is served");
    std::fs::remove_file(&file).expect("removed");
    (why.step, why.reason.clone())
}

#[tokio::test]
async fn each_refusal_names_its_step_and_its_reason() {
    let app = app(|plan| {
        plan.settings.plugins.max_bytes = MOST;
        let bare = Grant { interfaces: BTreeSet::new(), ..Grant::default() };
        plan.settings.plugins.grants.insert("slow_query".to_owned(), bare);
    })
    .await;
    let tools = app.host.tools(&app.principal("seattle")).len();
    let import = |name: &str| wat(&format!("(component (import \"{name}\" (instance)))"));
    let echo = read("echo");
    let nested = r#"(component (component (import "wasi:cli/environment@0.2.0" (instance))))"#;
    let cases: Vec<(&str, Vec<u8>, &str, &str)> = vec![
        ("text", b"hello".to_vec(), "parse", "this is not WebAssembly"),
        ("nothing", Vec::new(), "parse", "this is not WebAssembly"),
        ("core", wat("(module)"), "parse", "this is a core module; make it a component"),
        ("half", echo[..echo.len() / 2].to_vec(), "parse", "not a valid component"),
        ("large", vec![0; MOST as usize + 1], "read", "at most 1048576 are accepted (plugins.max_bytes)"),
        ("wasi_probe", read("wasi_probe"), "grant", "set plugins.grants.wasi_probe.wasi = true"),
        (
            "slow_query",
            read("slow_query"),
            "grant",
            "rowhouse:plugin/sql@0.1.0 (add \"sql\" to plugins.grants.slow_query",
        ),
        ("stranger", import("acme:tools/shell@1.0.0"), "grant", "acme:tools/shell@1.0.0 (no such interface here)"),
        (
            "later",
            import("rowhouse:plugin/sql@0.2.0"),
            "grant",
            "it imports rowhouse:plugin/sql@0.2.0; this host speaks rowhouse:plugin/sql@0.1: rebuild it",
        ),
        (
            "tenth",
            import("rowhouse:plugin/sql@0.10.0"),
            "grant",
            "this host speaks rowhouse:plugin/sql@0.1: rebuild it",
        ),
        ("empty", wat("(component)"), "link", "rebuild it for rowhouse:plugin/*@0.1"),
        ("nested", wat(nested), "link", "rebuild it for rowhouse:plugin/*@0.1"),
        ("loop_in_describe", read("loop_in_describe"), "describe", "computed for more than"),
        ("lies_in_describe", read("lies_in_describe"), "describe", "not a JSON Schema"),
        ("parrot", echo.clone(), "describe", "calls itself \"echo\""),
        (
            "name_squatter",
            read("name_squatter"),
            "names",
            "its tool `execute_sales_query` is already served by the plugin `sales`",
        ),
    ];
    for (name, bytes, step, part) in cases {
        let (at, why) = refused(&app, name, &bytes).await;
        assert_eq!(at, step, "{name}: {why}");
        assert!(why.contains(part), "{name}: {why:?} does not say {part:?}");
        assert!(why.len() < 1_000, "{name}: {why}");
    }
    soon(app.look()).await;
    assert_eq!(app.host.plugins.published().refused.len(), 0, "what is gone is not held against anyone");
    assert_eq!(app.host.tools(&app.principal("seattle")).len(), tools);
    neighbour_answers(&app).await;
}

#[tokio::test]
async fn a_compilation_has_its_bounds() {
    // One house for each bound: both hold for every compilation.
    type Change = fn(&mut Plan);
    let bounds: [(Change, &str); 2] = [
        (|plan| plan.settings.plugins.compile_seconds = 1, "more than 1 s of CPU (plugins.compile_seconds)"),
        (
            |plan| plan.settings.plugins.compile_memory = 32 << 20,
            "33554432 bytes of memory are allowed (plugins.compile_memory)",
        ),
    ];
    for (change, part) in bounds {
        // Of its own: what was ever compiled is not compiled again.
        let cache = tempfile::tempdir().expect("a directory");
        let app = app(|plan| {
            plan.settings.plugins.cache = Some(cache.path().join("code"));
            plan.guests = Vec::new();
            change(plan);
        })
        .await;
        let (step, why) = refused(&app, "laborious", &laborious()).await;
        assert_eq!(step, "compile", "{why}");
        assert!(why.contains(part), "{why}");
    }
}
