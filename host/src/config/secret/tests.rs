use super::{LONGEST, Secret, SecretError, command, guarded, owned};
use figment::Figment;
use figment::providers::{Format, Toml};
use secrecy::ExposeSecret;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

#[derive(serde::Deserialize)]
struct Holder {
    secret: Secret,
}

fn parse(toml: &str) -> Result<Secret, String> {
    let read: Result<Holder, _> = Figment::from(Toml::string(toml)).extract();
    read.map(|holder| holder.secret).map_err(|error| error.to_string())
}

/// What a line of the settings comes to: the secret, or a part of the error's text.
#[track_caller]
fn check(toml: &str, want: Result<&str, &str>) {
    let secret = parse(toml).and_then(|secret| {
        assert!(!format!("{secret:?}").contains("swordfish"), "{toml}: {secret:?}");
        secret.resolve().map_err(|error| format!("{:#}", anyhow::Error::from(error)))
    });
    match (secret, want) {
        (Ok(secret), Ok(want)) => assert_eq!(secret.expose_secret(), want, "{toml}"),
        (Err(text), Err(part)) => {
            assert!(text.contains(part) && !text.contains("swordfish"), "{toml}: {text:?}, not {part:?}");
        }
        (Ok(_), Err(part)) => panic!("{toml}: accepted, not {part:?}"),
        (Err(text), Ok(_)) => panic!("{toml}: {text}"),
    }
}

#[test]
fn a_secret_comes_from_where_the_settings_say() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8], mode: u32| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    };
    let file = |path: &str| format!("secret = {{ file = {path:?} }}");
    check("secret = 'swordfish'", Ok("swordfish"));
    check("secret = ''", Err("not empty"));
    check("secret = 7", Err("{ env ="));
    check("secret = {}", Err("one of env, file and command"));
    check("secret = { env = 'A', file = 'B' }", Err("only one"));
    check("secret = { vault = 'swordfish-not' }", Err("unknown field"));
    check("secret = { command = [] }", Err("no program"));
    check("secret = { env = 'PATH' }", Ok(&std::env::var("PATH").unwrap()));
    check("secret = { env = 'ROWHOUSE_NO_SUCH_VARIABLE' }", Err("is not set"));

    check(&file(&write("plain", b"swordfish\n", 0o600)), Ok("swordfish"));
    check(&file(&write("dos", b"swordfish\r\n", 0o400)), Ok("swordfish"));
    check(&file(&write("lines", b"sword\nfish\n\n", 0o600)), Ok("sword\nfish\n"));
    check(&file(&write("world", b"swordfish", 0o604)), Err("open to others (mode 604)"));
    check(&file(&write("written", b"swordfish", 0o620)), Err("open to others (mode 620)"));
    check(&file(&write("empty", b"\n", 0o600)), Err("is empty"));
    check(&file(&write("bytes", b"\xff\xfe", 0o600)), Err("UTF-8"));
    check(&file(&write("long", &vec![b'x'; LONGEST + 1], 0o600)), Err("64 KiB"));
    check(&file(&dir.path().display().to_string()), Err("not a plain file"));
    check(&file("/no/such/file"), Err("/no/such/file: No such file"));
}

#[test]
fn a_program_tells_a_secret_and_nothing_else() {
    check("secret = { command = ['echo', 'swordfish'] }", Ok("swordfish"));
    check("secret = { command = ['sh', '-c', 'printf swordfish; sleep 0.1'] }", Ok("swordfish"));
    check("secret = { command = ['echo', '$HOME'] }", Ok("$HOME"));
    check("secret = { command = ['cat'] }", Err("is empty"));
    check("secret = { command = ['sh', '-c', 'echo swordfish; echo swordfish >&2; exit 3'] }", Err("exit status: 3"));
    check("secret = { command = ['sh', '-c', 'head -c 70000 /dev/zero | tr x y'] }", Err("64 KiB"));
    check("secret = { command = ['yes', 'swordfish'] }", Err("64 KiB"));
    check("secret = { command = ['no-such-program-here'] }", Err("start no-such-program-here"));
}

/// What waits for ever is ended, with everything it started.
#[test]
fn a_program_that_waits_is_ended() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let script = format!("sleep 600 & echo $! > {}; wait", pid.display());
    let words = ["sh", "-c", &script].map(str::to_owned);
    let outcome = command::run(&words, Duration::from_secs(1));
    assert!(matches!(outcome, Err(SecretError::Slow(_))), "{outcome:?}");
    let stat = format!("/proc/{}/stat", std::fs::read_to_string(pid).unwrap().trim());
    // Gone, or dead and not yet collected.
    let lives = || std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
    for _ in 0..600 {
        if !lives() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("the child of the program lives on");
}

#[test]
fn who_may_read_a_file_decides() {
    let group = rustix::process::getegid().as_raw();
    let check = |place: &str, mode, owner, group, want| {
        assert_eq!(guarded(Path::new(place), mode, owner, group), want, "{place} {mode:o} {owner}:{group}");
    };
    check("/etc/rowhouse/url", 0o600, 7, 7, true);
    check("/etc/rowhouse/url", 0o400, 0, 0, true);
    check("/etc/rowhouse/url", 0o640, 0, group, true);
    check("/etc/rowhouse/url", 0o640, 7, group, false);
    check("/etc/rowhouse/url", 0o640, 0, group + 1, false);
    check("/etc/rowhouse/url", 0o660, 0, group, false);
    check("/etc/rowhouse/url", 0o644, 0, 0, false);
    check("/run/secrets/url", 0o444, 0, 0, true);
    check("/run/credentials/rowhouse.service/url", 0o440, 0, 0, true);
    check("/run/secrets/url", 0o446, 0, 0, false);
    check("/run/secretsx/url", 0o444, 0, 0, false);
    let me = rustix::process::geteuid().as_raw();
    for (place, owner, want) in [
        ("/etc/rowhouse/url", 0, true),
        ("/etc/rowhouse/url", me, true),
        ("/etc/rowhouse/url", me + 1, false),
        ("/run/secrets/url", me + 1, true),
        ("/run/secretsx/url", me + 1, false),
    ] {
        assert_eq!(owned(Path::new(place), owner), want, "{place} of {owner}");
    }
}

#[test]
fn variables_of_examples_name_a_database() {
    #[track_caller]
    fn check(given: &[(&str, &str)], want: Option<(&str, &str, &str)>) {
        let part = |name: &str| given.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let found = Secret::of_parts(part).map(|secret| secret.resolve().unwrap());
        let config = found.map(|text| text.expose_secret().parse::<tokio_postgres::Config>().unwrap());
        let read = config.as_ref().map(|config| {
            let password = config.get_password().map(|bytes| std::str::from_utf8(bytes).unwrap());
            (
                config.get_user().unwrap_or_default(),
                config.get_dbname().unwrap_or_default(),
                password.unwrap_or_default(),
            )
        });
        assert_eq!(read, want, "{given:?}");
    }
    check(&[], None);
    check(&[("PASSWORD", "somebody else's")], None);
    check(&[("HOST", "db")], Some(("", "", "")));
    let all = [("HOST", "db"), ("PORT", "5433"), ("DB", "zava"), ("USER", "store"), ("PASSWORD", r"it's \ 'x' port=1")];
    check(&all, Some(("store", "zava", r"it's \ 'x' port=1")));
}
