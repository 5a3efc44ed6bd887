use super::*;
use std::os::unix::fs::MetadataExt;

fn temporary() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

#[track_caller]
fn check_name(name: &str, good: bool) {
    assert_eq!(cluster_name(name).is_ok(), good, "{name:?}");
}

#[test]
fn cluster_name_is_one_path_component() {
    check_name("cluster", true);
    check_name("test-1_a", true);
    check_name("", false);
    check_name("..", false);
    check_name("a/b", false);
    check_name("a b", false);
    check_name(&"x".repeat(41), false);
}

#[test]
fn second_taker_is_refused_until_the_first_lets_go() {
    let dir = temporary();
    let first = take(dir.path()).expect("free");
    assert!(matches!(take(dir.path()), Err(Error::Locked(path)) if path == dir.path()));
    // As a child has it between its birth and its program.
    let copy = first.0.try_clone().expect("a copy");
    drop(first);
    take(dir.path()).expect("free again");
    drop(copy);
}

#[track_caller]
fn check_major(content: Option<&str>, want: Result<Option<u32>, ()>) {
    let dir = temporary();
    let data = dir.path().join("data");
    if let Some(content) = content {
        fs::create_dir(&data).expect("a directory");
        fs::write(data.join("PG_VERSION"), content).expect("a file");
    }
    assert_eq!(major_of(&data).map_err(|_| ()), want, "{content:?}");
}

#[test]
fn major_version_is_read_from_the_data() {
    check_major(None, Ok(None));
    check_major(Some("18\n"), Ok(Some(18)));
    check_major(Some("9.6\n"), Err(()));
    check_major(Some(""), Err(()));
    let dir = temporary();
    assert!(major_of(dir.path()).is_err(), "a directory that is not a cluster must not be overwritten");
}

#[test]
fn key_is_private_random_and_read_back() {
    let dir = temporary();
    let path = dir.path().join("superuser.key");
    assert!(matches!(read_key(&path), Err(Error::Key(_))));
    let first = write_key(&path).expect("a key");
    assert_eq!(read_key(&path).expect("a key").expose_secret(), first.expose_secret());
    assert_eq!(fs::metadata(&path).expect("a file").mode() & 0o777, 0o600);
    assert_eq!(first.expose_secret().len(), 64);
    let second = write_key(&path).expect("a key");
    assert_ne!(first.expose_secret(), second.expose_secret());
    fs::write(&path, "\n").expect("a file");
    assert!(matches!(read_key(&path), Err(Error::Key(_))));
}

#[test]
fn long_paths_get_a_short_private_socket_directory() {
    let dir = temporary();
    let near = dir.path().join("c");
    assert_eq!(socket_dir(&near).expect("fits").0, near.join("run"));
    let far = dir.path().join("d".repeat(100));
    let (short, guard) = socket_dir(&far).expect("a short one");
    assert!(guard.is_some() && !short.starts_with(&far));
    assert_eq!(fs::metadata(&short).expect("a directory").mode() & 0o777, 0o700);
}

#[test]
fn stranger_with_a_reused_number_is_not_the_server() {
    let dir = temporary();
    let own = rustix::process::getpid();
    assert!(!serves(own, dir.path(), dir.path()));
    if cfg!(target_os = "linux") {
        let cwd = std::env::current_dir().expect("a directory");
        assert!(serves(own, &cwd, dir.path()));
    }
}

#[test]
fn every_supported_major_has_a_utf8_or_c_locale() {
    assert!(locale(18).contains(&"--builtin-locale=C.UTF-8"));
    assert!(locale(17).contains(&"--locale-provider=builtin"));
    assert!(locale(16).iter().all(|flag| flag.starts_with("--locale=C")));
}
