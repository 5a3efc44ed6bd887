//! A secret in every place the settings have for one, looked for wherever settings are shown.

use crate::harness::{binary, root};
use crate::patience::soon;
use rowhouse::config::Sources;
use std::fs;
use tokio::process::Command;

/// Every setting that is a secret, each with one that is found again.
const PLANTED: &str = r#"
[database]
url = "postgres://admin:canary-1@db.example/shop"

[traffic]
redis = "redis://:canary-2@redis.example"

[keys]
ticket = "canary-3"
ticket_previous = "canary-4"
issuer = "canary-5"
issuer_previous = "canary-6"
audit = "canary-7"
login = "canary-8"

[embedding]
redis = "redis://:canary-9@redis.example"

[embedding.models.one]
provider = "azure"
url = "https://one.example"
model = "m"
dimensions = 8
key = "canary-10"

[embedding.models.two]
provider = "azure"
url = "https://two.example"
model = "m"
dimensions = 8
token = "canary-11"

[plugins.registries."registry.example"]
username = "u"
password = "canary-12"
token = "canary-13"

[telemetry.otlp]
endpoint = "https://collector.example"
headers = "authorization=canary-14"

[backup]
to = "s3://kept/here"
options.aws_secret_access_key = "canary-15"
identity = "canary-16"
url = "postgres://backup:canary-17@db.example/shop"

[cache]
redis = "redis://:canary-18@redis.example/"

[[alerts.webhook]]
url = "https://hooks.example/canary-19"
secret = "canary-20"
"#;

/// Names of the fields of settings whose type is a secret.
fn fields() -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![root().join("host/src/config")];
    while let Some(dir) = open.pop() {
        for path in fs::read_dir(dir).expect("a directory").flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).expect("a source");
            let of = |line: &str| {
                let (name, kind) = line.trim().strip_prefix("pub ")?.split_once(": ")?;
                (kind.contains("Secret") && !name.contains('(')).then(|| name.to_owned())
            };
            found.extend(text.lines().filter_map(of));
        }
    }
    found
}

#[test]
fn every_secret_of_the_settings_is_planted_here() {
    let mut there = fields();
    let mut planted: Vec<String> = PLANTED
        .lines()
        .filter(|line| line.contains("canary-"))
        .filter_map(|line| Some(line.split_once(" = ")?.0.split('.').next()?.to_owned()))
        .collect();
    there.sort();
    planted.sort();
    assert_eq!(there, planted);
}

#[tokio::test]
async fn no_secret_of_the_settings_is_shown() {
    let desk = tempfile::tempdir().expect("a directory");
    let file = desk.path().join("rowhouse.toml");
    fs::write(&file, PLANTED).expect("written");
    let sources = Sources { file: Some(file.clone()), set: Vec::new() };
    let settings = sources.settings().expect("settings");
    let mut texts = vec![
        ("Debug", format!("{settings:?} {settings:#?}")),
        ("JSON", serde_json::to_string(&settings).expect("JSON")),
        ("shown", format!("{:?}", sources.shown().expect("settings"))),
        ("problems", format!("{:?} {:?} {:?}", sources.problems(), settings.faults(), settings.gaps())),
    ];
    // Each by itself in the wrong form: an error's text does not say what stood there.
    let wrong = PLANTED.replace("= \"", "= [\"").replace("\"\n", "\"]\n");
    let bad = desk.path().join("bad.toml");
    fs::write(&bad, wrong).expect("written");
    let sources = Sources { file: Some(bad.clone()), set: Vec::new() };
    let error = sources.settings().expect_err("secrets are no lists");
    texts.push(("errors", format!("{error} {error:?} {:?}", sources.problems())));
    // Commands that read settings, at their most talkative.
    let words: [&[&str]; 5] = [
        &["config", "show"],
        &["config", "show", "--json"],
        &["config", "check"],
        &["policy", "check"],
        &["top", "--once"],
    ];
    for path in [&file, &bad] {
        for words in words {
            let mut command = Command::new(binary());
            command.args(words).args(["--log", "trace"]).arg("--config").arg(path).current_dir(desk.path());
            let output = soon(command.kill_on_drop(true).output()).await.expect("the command runs");
            let said = [output.stdout, output.stderr].concat();
            texts.push((words[0], String::from_utf8_lossy(&said).into_owned()));
        }
    }
    for (place, text) in texts {
        assert!(!text.contains("canary"), "{place}: {text}");
        assert!(!text.is_empty(), "{place}");
    }
}
