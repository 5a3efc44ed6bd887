//! The files of `deploy/`: the image's layout serves, and all of them mean the same host.

mod image; // What the Dockerfile's last stage makes.

use self::image::{Image, Stage, below};
use crate::harness::{Shared, binary, root, shared};
use crate::patience::soon;
use rowhouse::config::Settings;
use rowhouse::embedded;
use rowhouse::keys::{Key, Keys};
use secrecy::ExposeSecret;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::{TcpListener, UnixStream};

/// Where settings, and the files they name, say that secrets are.
const SECRETS: &str = "/run/secrets/rowhouse";

/// Seconds the end of a host may take beside those the settings give: connections that will not close, books, trail.
const LAST_THINGS: u64 = 1 + 5 + 10;

fn file(path: &str) -> String {
    fs::read_to_string(root().join("deploy").join(path)).unwrap_or_else(|e| panic!("deploy/{path}: {e}"))
}

/// Every value of a key, in the order of the text: `key: value` of YAML and Bicep, `key=value` of a unit.
fn values(text: &str, key: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.trim().trim_start_matches("- "));
    let of_key = lines.filter_map(|line| line.strip_prefix(key)?.strip_prefix([':', '=']).map(str::trim));
    let bare = |value: &str| value.split(" #").next().unwrap_or_default().trim().trim_matches(['"', '\'']).to_owned();
    of_key.map(bare).filter(|value| !value.is_empty()).collect()
}

fn numbers(text: &str, key: &str) -> Vec<u64> {
    values(text, key).iter().map(|value| value.trim_end_matches('s').parse().expect("a number")).collect()
}

/// The host's settings, as a deployment's file puts them into the environment; what it computes, as it might come out.
fn variables(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let lines: Vec<&str> = text.lines().map(|line| line.trim().trim_start_matches("- ")).collect();
    for (at, line) in lines.iter().enumerate() {
        let bare = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
        let pair = if let Some(rest) = line.strip_prefix("Environment=") {
            rest.trim_matches('\'').split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
        } else if let Some(name) = line.strip_prefix("name:") {
            let value = lines.get(at + 1).and_then(|next| next.strip_prefix("value:"));
            value.map(|value| (bare(name), value.trim().trim_matches('\'').to_owned()))
        } else {
            line.split_once(": ").map(|(name, value)| (name.to_owned(), value.trim().trim_matches('\'').to_owned()))
        };
        found.extend(pair.filter(|(name, _)| name.starts_with("ROWHOUSE_")).map(|(name, value)| {
            let value = value.replace("${publicName}", "tools.example").replace("${appsNetwork}", "10.40.0.0/23");
            (name, value.replace("%d", "/run/credentials/rowhouse.service").trim_matches('"').to_owned())
        }));
    }
    found
}

/// The settings files below `deploy/`.
fn settings_files() -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![root().join("deploy")]);
    while let Some(dir) = open.pop() {
        for path in fs::read_dir(dir).expect("a directory").flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                open.push(path);
            } else if path.file_name().is_some_and(|name| name == "rowhouse.toml") {
                found.push(path);
            }
        }
    }
    found
}

fn production() -> Settings {
    Settings::read(Some(&root().join("deploy/rowhouse.toml"))).unwrap_or_else(|e| panic!("deploy/rowhouse.toml: {e:?}"))
}

#[test]
fn every_settings_file_can_be_used() {
    let files = settings_files();
    assert!(files.len() >= 2, "{files:?}");
    for path in files {
        let read = Settings::read(Some(&path)).unwrap_or_else(|e| panic!("{}: {e:?}", path.display()));
        let faults = [read.plugins.faults(), read.embedding.faults()].concat();
        assert_eq!((faults, read.audit.fault(), read.database.fault()), (Vec::new(), None, None), "{}", path.display());
        assert!(!read.identity.issuers.is_empty() && !read.identity.trusts_own_issuer(), "{}", path.display());
        assert!(read.requires_signatures() && !read.plugins.publishers.is_empty(), "{}", path.display());
        assert!(read.http.public_url.is_some() && !read.http.allowed_hosts.is_empty(), "{}", path.display());
        // kustomize reads nothing outside its directory, so there are copies. They stay copies.
        assert_eq!(fs::read_to_string(&path).expect("text"), file("rowhouse.toml"), "{}", path.display());
    }
}

#[test]
fn every_variable_is_a_setting() {
    let image = Image::read();
    let settings = root().join("deploy/rowhouse.toml").display().to_string();
    let places = [
        ("compose.yaml", variables(&file("compose.yaml"))),
        ("kubernetes/deployment.yaml", variables(&file("kubernetes/deployment.yaml"))),
        ("azure/main.bicep", variables(&file("azure/main.bicep"))),
        ("systemd/rowhouse.service", variables(&file("systemd/rowhouse.service"))),
        ("systemd/rowhouse-doctor.service", variables(&file("systemd/rowhouse-doctor.service"))),
        ("Dockerfile", image.environment.clone()),
    ];
    for (place, variables) in places {
        assert!(variables.len() >= 2, "{place}: {variables:?}");
        let mut command = std::process::Command::new(binary());
        command.args(["policy", "check"]).env_clear().envs(variables.iter().cloned());
        let output = command.env("ROWHOUSE_CONFIG", &settings).current_dir(root()).output().expect("the host runs");
        assert!(output.status.success(), "{place}: {variables:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn all_mean_the_same_host() {
    let image = Image::read();
    let (compose, azure) = (file("compose.yaml"), file("azure/main.bicep"));
    let (deployment, unit) = (file("kubernetes/deployment.yaml"), file("systemd/rowhouse.service"));

    // The account: never root, and the one the state belongs to.
    let (user, group) = image.user;
    assert!(user > 0 && group > 0);
    assert_eq!(image.owners(), [image.user]);
    assert_eq!(numbers(&deployment, "runAsUser").first(), Some(&u64::from(user)));
    assert_eq!(numbers(&deployment, "fsGroup"), [u64::from(group)]);
    assert!(numbers(&deployment, "runAsUser").iter().all(|&user| user > 0));
    assert!(values(&compose, "user").iter().all(|user| user != "root" && user != "0"), "{compose}");
    assert_eq!(values(&unit, "User"), ["rowhouse"]);

    // Ports and paths.
    let port = image.port.to_string();
    let listens = |value: &str| value.ends_with(&format!(":{port}"));
    assert!(listens(image.variable("ROWHOUSE_HTTP__LISTEN")));
    assert!(values(&compose, "ports")[0].contains(&format!("127.0.0.1:{port}:{port}")));
    assert_eq!(values(&deployment, "containerPort"), [port.as_str()]);
    assert_eq!(values(&azure, "targetPort"), [port.as_str()]);
    let health = ["/health/live", "/health/live", "/health/ready"];
    for place in [&deployment, &azure] {
        let paths: Vec<_> = values(place, "path").into_iter().filter(|path| path.starts_with("/health")).collect();
        assert_eq!(paths, health);
    }
    let state = image.variable("ROWHOUSE_STATE");
    assert_eq!(image.volumes, [Path::new(state)]);
    let config = Path::new(image.variable("ROWHOUSE_CONFIG"));
    let above = config.parent().expect("a directory").display().to_string();
    assert!(compose.contains(&format!(":{state}\n")) && compose.contains(&format!("target: {}\n", config.display())));
    for place in [&deployment, &azure] {
        let mounted = values(place, "mountPath");
        for path in [state, &above, SECRETS] {
            assert!(mounted.iter().any(|one| one == path), "{path}: {mounted:?}");
        }
    }
    for (name, value) in variables(&unit) {
        let of_image = image.environment.iter().find(|(one, _)| *one == name && value.starts_with('/'));
        assert!(of_image.is_none_or(|(_, theirs)| *theirs == value), "{name}={value}");
    }

    // Links of a Service would be settings nobody knows.
    assert_eq!(values(&deployment, "enableServiceLinks"), ["false"]);
}

#[test]
fn secrets_are_where_the_settings_look() {
    let settings = file("rowhouse.toml");
    let quoted = format!("\"{SECRETS}/");
    let named: BTreeSet<&str> = settings.split(&quoted).skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(named, ["audit-key", "database-url", "login-key", "ticket-key"].into());
    let redis = variables(&file("compose.yaml")).into_iter().find(|(name, _)| name.ends_with("REDIS__FILE"));
    let redis = redis.expect("a Redis").1;
    let redis = redis.strip_prefix(&format!("{SECRETS}/")).expect("beside the others");
    for name in named.iter().copied().chain([redis]) {
        assert!(values(&file("compose.yaml"), "target").contains(&format!("{SECRETS}/{name}")), "{name}");
        assert_eq!(values(&file("kubernetes/secret.example.yaml"), name).len(), 1, "{name}");
        assert!(file("azure/main.bicep").contains(&format!("name: '{name}'")), "{name}");
    }
    for name in named {
        let loaded = format!("LoadCredential={name}:/etc/rowhouse/secrets/{name}\n");
        for unit in ["systemd/rowhouse.service", "systemd/rowhouse-doctor.service"] {
            assert!(file(unit).contains(&loaded), "{unit}: {name}");
        }
    }
}

#[test]
fn whoever_stops_or_starts_it_waits_long_enough() {
    let settings = production();
    let drain = settings.http.drain_seconds;
    assert!(drain * 1_000 >= settings.plugins.limits.wall_ms, "no call is cut short");
    let statements = settings.database.pool.statement_timeout_seconds;
    assert!(statements * 1_000 < settings.plugins.limits.wall_ms, "a slow statement ends as one");
    let deployment = file("kubernetes/deployment.yaml");
    let before = numbers(&deployment, "seconds")[0];
    for (place, patience) in [
        ("kubernetes", numbers(&deployment, "terminationGracePeriodSeconds")),
        ("compose", numbers(&file("compose.yaml"), "stop_grace_period")),
        ("azure", numbers(&file("azure/main.bicep"), "terminationGracePeriodSeconds")),
        ("systemd", numbers(&file("systemd/rowhouse.service"), "TimeoutStopSec")),
    ] {
        assert!(patience[0] >= before + drain + statements + LAST_THINGS, "{place}: {patience:?}");
    }

    let plugins = fs::read_dir(root().join("plugins")).expect("plugins").flatten().filter(|one| one.path().is_dir());
    let plugins: BTreeSet<String> = plugins.map(|one| one.file_name().to_string_lossy().into_owned()).collect();
    let dockerfile = file("Dockerfile");
    let built = dockerfile.split("for plugin in ").nth(1).and_then(|rest| rest.split(';').next()).expect("plugins");
    assert_eq!(built.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>(), plugins);
    let start = plugins.len() as u64 * settings.plugins.compile_seconds + 60;
    let probe = |text: &str| numbers(text, "periodSeconds")[0] * numbers(text, "failureThreshold")[0];
    assert!(probe(&deployment) >= start && probe(&file("azure/main.bicep")) >= start);
    assert!(numbers(&deployment, "progressDeadlineSeconds")[0] > probe(&deployment));
    assert!(Image::read().patience.contains(&format!("--start-period={start}s")), "{start}");
}

#[test]
fn the_builder_is_sent_what_it_builds() {
    let ignored = fs::read_to_string(root().join(".dockerignore")).expect(".dockerignore");
    let sent: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the manifest");
    let manifest: toml::Table = manifest.parse().expect("the manifest");
    let members = manifest["workspace"]["members"].as_array().expect("members").iter().filter_map(|one| one.as_str());
    for path in members.chain(["Cargo.lock", "wit", "plugins/basket", "plugins/report", "tests/main.rs"]) {
        assert!(sent.iter().any(|one| Path::new(path).starts_with(one)), "{path} is not sent");
    }
    for path in ["deploy", "target", ".git", ".tools"] {
        assert!(!sent.contains(&path), "{path} is sent");
    }
}

/// A port of this machine behind which the shared server is: the image's account may not open its socket.
async fn port(shared: &Shared) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let socket = shared.socket.join(".s.PGSQL.5432");
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let socket = socket.clone();
            tokio::spawn(async move {
                let mut far = UnixStream::connect(socket).await?;
                tokio::io::copy_bidirectional(&mut near, &mut far).await
            });
        }
    });
    port
}

/// Status and text of a path.
async fn get(url: &str, path: &str) -> (u16, String) {
    let reply = soon(reqwest::get(format!("{url}{path}"))).await.expect("a reply");
    let status = reply.status().as_u16();
    (status, soon(reply.text()).await.expect("a text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_image_serves_read_only_as_its_own_account_and_ends_when_told() {
    let (shared, image) = (soon(shared()).await, Image::read());
    assert_eq!(image.stop_signal, "SIGTERM");
    // Our own HTTP client needs it; whoever comes first installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let desk = tempfile::tempdir().expect("a directory");
    let key = image::publisher(desk.path());

    // The operator's part: production's settings, with the key that signed what is here, and secrets as they are mounted.
    let ours = Keys::open(&shared.state).expect("keys");
    let hex = |key: &Key| hex::encode(key.expose_secret());
    let (ticket, login, audit) = (hex(&ours.ticket), hex(&ours.login), hex(&ours.audit));
    let url =
        format!("postgres://postgres:{}@127.0.0.1:{}/{}", shared.password, port(shared).await, embedded::DATABASE);
    let text = file("rowhouse.toml");
    let stranger = text.lines().find(|line| line.starts_with("zava = ")).expect("a publisher");
    let text = text.replace(stranger, &format!("zava = {key:?}"));
    let config = image.variable("ROWHOUSE_CONFIG").to_owned();
    let secret = |name: &str| format!("{SECRETS}/{name}");
    let names = ["database-url", "ticket-key", "login-key", "audit-key"].map(secret);
    let mut files = vec![(config.as_str(), text.as_str(), 0o444)];
    files.extend(
        names.iter().map(String::as_str).zip([&url, &ticket, &login, &audit]).map(|(at, it)| (at, it.as_str(), 0o400)),
    );
    let stage = Stage::new(&image, desk.path(), &files);
    let started = |words: &[String], listen: &str| {
        let mut command = stage.command(&image, words);
        // Paths that settings name are below the stage as well; the shared server's roles keep the room they have.
        for (name, file) in [("DATABASE__URL", 0), ("KEYS__TICKET", 1), ("KEYS__LOGIN", 2), ("KEYS__AUDIT", 3)] {
            command.env(format!("ROWHOUSE_{name}__FILE"), below(stage.path(), Path::new(&names[file])));
        }
        command.env("ROWHOUSE_DATABASE__POOL__MAX", "60").env("ROWHOUSE_HTTP__LISTEN", listen);
        // Weights are not baked into this one.
        command.env("ROWHOUSE_EMBEDDING__MODEL", "none");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let before = stage.fixed(&image);

    let words = [image.entrypoint.clone(), image.command.clone()].concat();
    let mut host = started(&words, "127.0.0.1:0").spawn().expect("the host starts");
    let mut lines = BufReader::new(host.stderr.take().expect("a pipe")).lines();
    let mut said = String::new();
    let address = loop {
        let line = soon(lines.next_line()).await.expect("a line").unwrap_or_else(|| panic!("it ended: {said}"));
        // Its log may name addresses, too; this line is the only one that names the endpoint's path.
        if let Some(address) = line.split("http://").nth(1).and_then(|rest| rest.strip_suffix("/mcp")) {
            break address.to_owned();
        }
        said.push_str(&line);
        said.push('\n');
    };
    // Read on: a full pipe would stop the host.
    tokio::spawn(async move { lines.into_inner().read_to_end(&mut Vec::new()).await });
    assert!(said.contains("sales 0.") && said.contains("search 0."), "{said}");

    let url = format!("http://{address}");
    assert_eq!(get(&url, "/health/live").await, (200, "live\n".to_owned()));
    soon(async {
        while get(&url, "/health/ready").await.0 != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    // Without a proof it serves nothing more, and says where one is to be had.
    assert_eq!(get(&url, "/mcp").await.0, 401);
    let healthy = soon(started(&image.health, &address).output()).await.expect("the check runs");
    assert!(healthy.status.success(), "{}", String::from_utf8_lossy(&healthy.stderr));

    let pid = host.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.expect("it runs"), rustix::process::Signal::TERM).expect("it runs");
    assert_eq!(soon(host.wait()).await.expect("it ends").code(), Some(0));
    let gone = soon(started(&image.health, &address).output()).await.expect("the check runs");
    assert_eq!(gone.status.code(), Some(1), "{}", String::from_utf8_lossy(&gone.stdout));
    assert_eq!(stage.fixed(&image), before, "nothing is written outside the volumes");
}
