//! A whole process: the trace it sends of a call, the lines it logs of it, and what it does without a collector.

use super::collector::{Collector, Span};
use crate::piped;
use serde_json::{Value, json};

/// A caller's trace, and its span in it.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

/// Answers of a host on standard input to calls of these tools, and its log as JSON.
async fn host(collector: &str, log: &str, calls: &[(&str, Value)]) -> (Vec<Value>, Vec<Value>, String) {
    let meta = json!({ "traceparent": format!("00-{TRACE}-{SPAN}-01"), "tracestate": "vendor=opaque" });
    let call = |(name, arguments): &(&str, Value)| json!({ "name": name, "arguments": arguments, "_meta": meta });
    let variables = [
        ("ROWHOUSE_EMBEDDING__MODEL", "none"),
        ("ROWHOUSE_TELEMETRY__SLOW_MS", "0"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector),
        ("ROWHOUSE_TELEMETRY__OTLP__HEADERS", "x-api-key=canary-of-a-header"),
    ];
    let words = ["--log-json", "--log", log];
    let (mut replies, log) = piped::called(&words, &variables, calls.iter().map(call).collect()).await;
    // What is said at the start is for people.
    let lines = log.lines().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line).expect("JSON"));
    (replies.split_off(1), lines.collect(), log)
}

fn one<'a>(spans: &'a [Span], name: &str, parent: &str) -> &'a Span {
    let found: Vec<&Span> = spans.iter().filter(|it| it.name == name && it.parent == parent).collect();
    assert_eq!(found.len(), 1, "`{name}` below {parent}: {spans:#?}");
    found[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_one_trace_from_its_caller_to_its_statements() {
    let collector = Collector::answering(200).await;
    let good = json!({ "query": "SELECT 'canary-1' AS a UNION ALL SELECT 'canary-2'" });
    let calls = [("execute_sales_query", good), ("trap", json!({ "text": "canary-3" }))];
    let (replies, lines, log) = host(&collector.url, "debug", &calls).await;
    assert_eq!(replies[0]["result"]["isError"], false, "{}", replies[0]);
    assert_eq!(replies[1]["result"]["isError"], true, "{}", replies[1]);

    // What waited when the host ended was sent.
    let spans = collector.spans();
    assert!(spans.iter().all(|it| it.trace == TRACE && it.begin > 0 && it.end >= it.begin), "{spans:#?}");
    let mut calls: Vec<&Span> = spans.iter().filter(|it| it.parent == SPAN).collect();
    calls.sort_by_key(|it| it.begin);
    let [good, bad] = calls[..] else { panic!("{spans:#?}") };
    assert_eq!(
        (good.name.as_str(), good.state.as_str(), good.status),
        ("call execute_sales_query", "vendor=opaque", 0)
    );
    let attribute = |span: &Span, name: &str| span.attributes.get(name).cloned().unwrap_or_default();
    assert_eq!(attribute(good, "tool.name"), "execute_sales_query");
    assert_eq!((attribute(good, "plugin.name"), attribute(good, "rows")), ("sales".to_owned(), "2".to_owned()));
    assert_eq!((attribute(good, "plugin.digest").len(), attribute(good, "request.id").len()), (64, 36));
    for name in ["policy", "place", "trail"] {
        one(&spans, name, &good.id);
    }
    let plugin = one(&spans, "plugin", &good.id);
    assert_eq!(attribute(plugin, "plugin.digest"), attribute(good, "plugin.digest"));
    let statement = one(&spans, "statement", &plugin.id);
    assert_eq!((attribute(statement, "rows"), attribute(statement, "db.fingerprint").len()), ("2".to_owned(), 16));
    assert!(statement.attributes.contains_key("wait_ms"), "{statement:?}");
    assert!(good.begin <= plugin.begin && plugin.begin <= statement.begin && statement.end <= good.end, "{spans:#?}");
    assert_eq!((bad.status, attribute(bad, "error.code")), (2, "PLUGIN_TRAPPED".to_owned()));

    // Names, numbers, digests and codes, and nothing else.
    let known = [
        "request.id",
        "mcp.method",
        "tool.name",
        "plugin.name",
        "plugin.version",
        "plugin.digest",
        "rows",
        "error.code",
        "db.system.name",
        "db.fingerprint",
        "wait_ms",
    ];
    for span in &spans {
        assert!(span.attributes.keys().all(|name| known.contains(&name.as_str())), "{span:?}");
    }
    let sent = collector.everything();
    assert!(sent.contains("rowhouse"), "the service has a name");
    for private in ["canary", "SELECT", "eattle", "principal"] {
        assert!(!sent.contains(private), "{private}");
    }
    // The key went where it belongs, and nowhere else.
    assert!(collector.heads().iter().all(|head| head.contains("x-api-key: canary-of-a-header")));
    assert!(!log.contains("canary"), "{log}");

    // Every line of a call says which call it is of, who asked, and which build answered.
    let failed = lines.iter().find(|it| it["message"] == "the plugin failed").unwrap_or_else(|| panic!("{log}"));
    let slow = lines.iter().find(|it| it["target"] == "rowhouse::slow").unwrap_or_else(|| panic!("{log}"));
    for (line, span) in [(failed, bad), (slow, good)] {
        let call = &line["call"];
        for name in ["request.id", "tool.name", "plugin.name", "plugin.digest"] {
            assert_eq!(call[name], json!(attribute(span, name)), "{line}");
        }
        // Seattle's manager has one store.
        let lengths = ["principal", "tenant"].map(|name| call[name].as_str().map(str::len));
        assert_eq!(lengths, [Some(32), Some(32)], "{line}");
    }
    assert_eq!(slow["fields"]["db.statement"], "SELECT $1 AS a UNION ALL SELECT $2", "{slow}");
    assert_eq!(slow["fields"]["db.fingerprint"], json!(attribute(statement, "db.fingerprint")), "{slow}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_fails_is_said_once_and_no_call_notices() {
    let nobody = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        format!("http://{}", listener.local_addr().expect("an address"))
    };
    let refuses = Collector::answering(503).await;
    for (url, why) in [(nobody.as_str(), "cannot be reached"), (refuses.url.as_str(), "answered 503")] {
        let calls: Vec<(&str, Value)> =
            (0..20).map(|n| ("execute_sales_query", json!({ "query": format!("SELECT {n}") }))).collect();
        let (replies, lines, log) = host(url, "warn,rowhouse::slow=off", &calls).await;
        assert!(replies.iter().all(|it| it["result"]["isError"] == false), "{replies:?}");
        let said: Vec<&Value> = lines
            .iter()
            .filter(|it| it["message"].as_str().is_some_and(|text| text.contains("the collector of traces takes none")))
            .collect();
        assert_eq!(said.len(), 1, "{log}");
        assert!(said[0]["message"].as_str().is_some_and(|text| text.contains(why)), "{log}");
    }
}
