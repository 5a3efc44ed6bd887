use super::*;
use std::collections::{BTreeMap, BTreeSet};

struct Plugin;

impl Offers for Plugin {
    fn plugin(&self) -> &str {
        "sales"
    }

    fn offers(&self, item: &str) -> bool {
        item == "get_top_products"
    }
}

/// What no metric may hold.
const CANARIES: [&str; 4] = ["canary", "3f2c0d0e", "SELECT", "acme"];

/// A host that has seen everything there is to tell of.
fn told() -> (Telemetry, State) {
    let telemetry = Telemetry::open(&config::Telemetry { slow_ms: 0, ..config::Telemetry::default() });
    let item = telemetry.item(&Plugin, "get_top_products");
    let _ = telemetry.item(&Plugin, "canary'; SELECT 3f2c0d0e");
    let second = Duration::from_secs(1);
    telemetry.call(&item, Outcome(None), second);
    telemetry.call(&item, Outcome(Some(Code::PluginCpu)), second);
    telemetry.refused(Code::UnknownTool);
    Phase::ALL.iter().for_each(|phase| telemetry.phase(*phase, second));
    assert!(telemetry.statement(Outcome(None), second, second, 3));
    assert!(!telemetry.statement(Outcome(Some(Code::QueryRejected)), second, second, 0));
    let request = "canary";
    let text = Some("SELECT canary");
    telemetry.slow(&Statement { request, of: &item, fingerprint: "acme", text, rows: 3, took: second, waited: second });
    telemetry.guest(
        &item,
        &Guest { memory: 1 << 21, cpu: Duration::from_millis(20), fuel: 7, host_calls: 5, lines_dropped: 1 },
    );
    Swap::ALL.iter().for_each(|swap| telemetry.swap(&Plugin, *swap));
    telemetry.embedded(3, false);
    telemetry.embedded(1, true);
    let state = State {
        calls: Queue { running: 16, most: 64, waiting: 512, most_waiting: 1_024 },
        statements: Queue { running: 10, most: 10, waiting: 3, most_waiting: 10 },
        connections: vec![Connections { role: "rowhouse_one", open: 4, idle: 1, made: 9, broken: 2 }],
        refused: false,
        embedding: Some(Meeting { breaker: Some(Breaker::Open), hits: 4, misses: 5 }),
        trail: Some(Trail { spooled: 6, spool_bytes: 7, shipped: 8, lost: 0, conflicts: 0, stuck: true }),
        plugins: vec![Version { of: item, version: "0.1.0".to_owned(), digest: "ab".to_owned() }],
        parked: 1,
        unfit: 2,
    };
    (telemetry, state)
}

/// Kind and labels of every metric of a page, by the name one asks for it by.
fn described(page: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let mut found = BTreeMap::new();
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    for (name, kind) in types {
        let suffix = match kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let begins = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['_', '{', ' ']));
        let sample = page.lines().find(begins).unwrap_or_else(|| panic!("{name} has no sample"));
        let labels =
            sample.split_once('{').map_or("", |(_, rest)| rest.split_once('}').map_or("", |(inside, _)| inside));
        let labels = labels.split(',').filter_map(|pair| pair.split_once('=')).map(|(label, _)| label.to_owned());
        let labels = labels.filter(|label| label != "le").collect();
        found.insert(format!("{name}{suffix}"), (kind.to_owned(), labels));
    }
    found
}

#[test]
fn the_page_is_whole_and_holds_nothing_of_a_call() {
    let (telemetry, state) = told();
    let page = telemetry.render(state).unwrap();
    for canary in CANARIES {
        assert!(!page.contains(canary), "{canary}:\n{page}");
    }
    for line in [
        "rowhouse_calls_total{plugin=\"sales\",tool=\"get_top_products\",code=\"OK\"} 1",
        "rowhouse_calls_total{plugin=\"other\",tool=\"other\",code=\"UNKNOWN_TOOL\"} 1",
        "rowhouse_errors_total{code=\"PLUGIN_CPU\",blame=\"plugin\"} 1",
        "rowhouse_limit_breaches_total{code=\"PLUGIN_CPU\"} 1",
        "rowhouse_slow_statements_total 1",
        "rowhouse_call_phase_seconds_bucket{le=\"1.0\",phase=\"guest\"} 1",
        "rowhouse_guest_memory_bytes_bucket{le=\"2097152.0\",plugin=\"sales\"} 1",
        "rowhouse_swaps_total{plugin=\"sales\",outcome=\"rolled_back\"} 1",
        "rowhouse_saturation 0.5",
        "rowhouse_pool_connections{state=\"in_use\",role=\"rowhouse_one\"} 3",
        "rowhouse_embedding_breaker{state=\"open\"} 1",
        "rowhouse_embedding_cache_total{result=\"hit\"} 4",
        "rowhouse_audit_stuck 1",
        "rowhouse_plugin_info{plugin=\"sales\",version=\"0.1.0\",digest=\"ab\"} 1",
        "# EOF",
    ] {
        assert!(page.lines().any(|it| it == line), "{line}:\n{page}");
    }
    assert!(page.ends_with("# EOF\n"));
}

#[test]
fn every_metric_is_in_the_manual_with_its_kind_and_labels() {
    let (telemetry, state) = told();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    let manual = std::fs::read_to_string(path).unwrap();
    let rows = manual.lines().filter_map(|line| line.strip_prefix("| `rowhouse_"));
    let told: BTreeMap<String, (String, BTreeSet<String>)> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let labels = cells[2].split(',').map(str::trim).filter(|label| !label.is_empty());
            let name = format!("rowhouse_{}", cells[0].trim_end_matches('`'));
            assert!(cells[3].len() > 10, "{name} has no meaning");
            (name, (cells[1].to_owned(), labels.map(|label| label.trim_matches('`').to_owned()).collect()))
        })
        .collect();
    assert_eq!(told, described(&telemetry.render(state).unwrap()));
}

#[test]
fn how_full_a_host_is_is_the_fullest_of_its_parts() {
    let queue = |running, most, waiting, most_waiting| Queue { running, most, waiting, most_waiting };
    let check = |calls, statements, expected: f64| {
        let state = State { calls, statements, ..State::default() };
        assert!((state.saturation() - expected).abs() < 1e-9, "{calls:?} {statements:?}: {}", state.saturation());
    };
    check(queue(0, 64, 0, 1_024), queue(0, 10, 0, 10), 0.0);
    check(queue(32, 64, 0, 1_024), queue(10, 10, 0, 10), 0.5);
    check(queue(64, 64, 0, 1_024), queue(0, 10, 0, 10), 1.0);
    check(queue(1, 64, 768, 1_024), queue(0, 10, 0, 10), 0.75);
    check(queue(1, 64, 0, 1_024), queue(10, 10, 25, 10), 1.0);
    check(Queue::default(), Queue::default(), 0.0);
}

#[test]
fn every_setting_is_in_the_manual_with_its_default() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    let manual = std::fs::read_to_string(path).unwrap();
    let rows = manual.lines().filter_map(|line| line.strip_prefix("| `telemetry."));
    let told: BTreeMap<String, String> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            (cells[0].trim_end_matches('`').to_owned(), cells[1].to_owned())
        })
        .collect();
    let serde_json::Value::Object(mut all) = serde_json::to_value(config::Telemetry::default()).unwrap() else {
        panic!("settings are an object")
    };
    let serde_json::Value::Object(mut otlp) = all.remove("otlp").unwrap() else { panic!("so are these") };
    // A secret is never written.
    otlp.insert("headers".to_owned(), serde_json::Value::Null);
    all.extend(otlp.into_iter().map(|(name, value)| (format!("otlp.{name}"), value)));
    assert_eq!(all.keys().collect::<BTreeSet<_>>(), told.keys().collect());
    for (name, value) in &all {
        if !value.is_null() {
            assert_eq!(&told[name], &value.to_string(), "{name}");
        }
    }
}
