//! Plugins: who may change them, which are refused, and which were granted more than they use.

use super::{Finding, Level};
use crate::config::{Grant, Plugins as Settings};
use crate::plugin;
use anyhow::Result;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

pub(super) async fn look(settings: &Settings, signed: bool, state: &Path, compiler: PathBuf) -> Result<Vec<Finding>> {
    let dir = &settings.directory;
    if !dir.is_dir() {
        let mend = "name one with --plugins DIR or plugins.directory";
        return Ok(vec![note("there is no plugin directory", dir.display().to_string(), mend)]);
    }
    let mut found = Vec::new();
    let files = std::fs::read_dir(dir)?.flatten().map(|entry| entry.path());
    for path in files.filter(|path| path.extension().is_some_and(|ending| ending == "wasm")).chain([dir.clone()]) {
        // A file that is gone by now is nobody's to change.
        let Ok(metadata) = std::fs::metadata(&path) else { continue };
        let mode = metadata.permissions().mode() & 0o7777;
        if mode & 0o022 != 0 {
            let what = format!("others may change what runs ({mode:o})");
            let mend = format!("chmod go-w {}", path.display());
            found.push(Finding::new(Level::Weak, "plugins", what, path.display().to_string(), mend));
        }
    }
    let registry = plugin::view(settings, signed, compiler, state).await;
    let published = registry.map_err(|error| anyhow::anyhow!(error))?.published();
    for loaded in published.plugins.values() {
        found.extend(wider(&loaded.name, &loaded.imports, settings.grant(&loaded.name)));
        if loaded.publisher.is_none() {
            found.push(Finding::new(
                Level::Note,
                "plugins",
                "nobody signed what runs".to_owned(),
                loaded.name.to_string(),
                "rowhouse plugin sign, and its publisher under plugins.publishers".to_owned(),
            ));
        }
    }
    for (name, parked) in &published.parked {
        let mend = format!("rowhouse plugin approve {name}");
        found.push(note("a version of a plugin waits for approval", parked.to_string(), &mend));
    }
    for (name, hold) in published.decided.iter().filter_map(|(name, entry)| Some((name, entry.hold.as_ref()?))) {
        let mend = format!("rowhouse plugin release {name}");
        found.push(note("a plugin is held at a version", format!("{name}: by {}: {}", hold.by, hold.why), &mend));
    }
    for why in published.refused.values() {
        found.push(note("a plugin is refused", why.plugin.clone(), &format!("{}: {}", why.step, why.reason)));
    }
    Ok(found)
}

fn note(what: &str, object: String, mend: &str) -> Finding {
    Finding::new(Level::Note, "plugins", what, object, mend)
}

/// What a plugin was granted and does not import. An interface it imports for a type alone counts as used.
fn wider(name: &str, imports: &[String], grant: &Grant) -> Option<Finding> {
    let uses = |interface: &str| {
        let named = imports.iter().filter_map(|import| import.strip_prefix("rowhouse:plugin/"));
        named.map(|rest| rest.split('@').next().unwrap_or(rest)).any(|used| used == interface)
    };
    let (used, unused): (Vec<_>, Vec<_>) = grant.interfaces.iter().map(String::as_str).partition(|it| uses(it));
    let needs_wasi = imports.iter().any(|import| import.starts_with("wasi:"));
    let idle_wasi = grant.wasi && !needs_wasi;
    if unused.is_empty() && !idle_wasi {
        return None;
    }
    let bare = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let key = if bare { name.to_owned() } else { format!("{name:?}") };
    let wasi = if needs_wasi { "\nwasi = true" } else { "" };
    let idle: Vec<&str> = unused.into_iter().chain(idle_wasi.then_some("wasi")).collect();
    Some(note(
        "a plugin was granted more than it uses",
        format!("{name}: {}", idle.join(", ")),
        &format!("[plugins.grants.{key}]\ninterfaces = {used:?}{wasi}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::{Grant, wider};
    use crate::config::Settings;
    use figment::Figment;
    use figment::providers::{Format, Serialized, Toml};

    /// What is told to write is read back and grants exactly what is used.
    #[track_caller]
    fn check(name: &str, imports: &[&str], granted: &[&str], wasi: bool, idle: Option<&str>) {
        let imports: Vec<String> = imports.iter().map(ToString::to_string).collect();
        let interfaces = granted.iter().map(ToString::to_string).collect();
        let grant = Grant { interfaces, wasi, ..Grant::default() };
        let found = wider(name, &imports, &grant);
        assert_eq!(found.as_ref().map(|f| f.object.clone()), idle.map(|idle| format!("{name}: {idle}")));
        let Some(found) = found else { return };
        let figment = Figment::from(Serialized::defaults(Settings::default())).merge(Toml::string(&found.mend));
        let mended: Settings = figment.extract().unwrap_or_else(|e| panic!("{}: {e}", found.mend));
        assert!(mended.plugins.grants.contains_key(name), "{}", found.mend);
        assert_eq!(wider(name, &imports, mended.plugins.grant(name)), None, "{}", found.mend);
    }

    #[test]
    fn a_grant_wider_than_its_use_is_told_with_the_lines_that_narrow_it() {
        let both = ["rowhouse:plugin/sql@0.1.0", "rowhouse:plugin/types@0.1.0", "wasi:clocks/wall-clock@0.2.3"];
        check("sales", &both[..2], &["sql"], false, None);
        check("sales", &both[..2], &["sql", "log", "progress"], false, Some("log, progress"));
        check("py-sales", &both, &["sql", "log"], true, Some("log"));
        check("sales", &both[..2], &["sql"], true, Some("wasi"));
        check("my sales.v2", &[], &["sql"], false, Some("sql"));
        check("sales", &both, &["sql"], true, None);
    }
}
