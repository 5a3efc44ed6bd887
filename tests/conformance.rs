//! The protocol's own conformance suite, both revisions, against a server whose tools are a sandboxed plugin.
//!
//! Nothing is excused: `tests/conformance/*.yml`, where a failure could be, have no entry.

use crate::{harness, proxy};
use std::path::PathBuf;
use std::sync::Arc;

/// Pinned: the package's default tag still points at a suite that does not know 2026-07-28.
const SUITE: &str = "@modelcontextprotocol/conformance@0.2.0-alpha.12";

async fn conforms(revision: &'static str) {
    let app = Arc::new(harness::App::start().await);
    let upstream = app.url().trim_start_matches("http://").trim_end_matches("/mcp").parse().expect("a local address");
    // No plugin can change what is served. The suite's fixture is meant to: when its call passes by, the operator (this
    // test) adds a plugin, or takes it away again.
    let operator = Arc::clone(&app);
    let heard = move |body: &[u8]| {
        let text = String::from_utf8_lossy(body);
        if !text.contains("tools/call") {
            return;
        }
        for (word, plugin) in [("test_trigger_tool_change", "widens"), ("test_trigger_prompt_change", "more_prompts")] {
            if text.contains(word) {
                let app = Arc::clone(&operator);
                tokio::spawn(async move {
                    match app.plugins.path().join(format!("{plugin}.wasm")) {
                        there if there.exists() => std::fs::remove_file(there).expect("a file of ours"),
                        _ => app.install(plugin, plugin),
                    }
                    app.look().await;
                });
            }
        }
    };
    let front = proxy::inject(upstream, app.token("seattle"), heard).await;
    let output = tokio::task::spawn_blocking(move || {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned();
        let tools = root.join(".tools/conformance");
        let node = xtask::node::ensure(&root)?;
        // Two tests of this module must not install into one directory at once.
        static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let held = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        node.npm_install(&tools, &[SUITE])?;
        drop(held);
        let mut suite = node.run(&tools.join("node_modules/@modelcontextprotocol/conformance/dist/index.js"))?;
        suite.args(["server", "--url", &format!("http://{front}/mcp"), "--requirements", revision]);
        suite.arg("--expected-failures").arg(root.join(format!("tests/conformance/{revision}.yml")));
        suite.arg("-o").arg(root.join("target/conformance").join(revision));
        anyhow::Ok(suite.output()?)
    })
    .await
    .expect("the suite's thread")
    .expect("node, npm and the suite");
    let words = String::from_utf8_lossy(&output.stdout);
    let summary = words.find("=== SUMMARY").map_or(&*words, |at| &words[at..]);
    assert!(output.status.success(), "{summary}\n{}", String::from_utf8_lossy(&output.stderr));
    // A run that did nothing must not pass.
    assert!(summary.contains("Baseline check passed"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn revision_2025_11_25() {
    conforms("2025-11-25").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revision_2026_07_28() {
    conforms("2026-07-28").await;
}
