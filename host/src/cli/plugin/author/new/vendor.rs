//! The SDK in Rust, as a directory of the plugin's own: what it takes from its workspace is written out.

use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use toml::{Table, Value};

/// A manifest of the workspace that stands by itself: what it inherits is in it, and lints, which are for us, are not.
///
/// # Errors
/// Where a manifest is not one, or inherits what the workspace does not have.
pub(super) fn manifest(text: &str, workspace: &str) -> Result<String> {
    let mut manifest: Table = text.parse().context("read a manifest of the SDK")?;
    let workspace: Table = workspace.parse().context("read the workspace's manifest")?;
    let shared = |section: &str| {
        let found = workspace.get("workspace").and_then(|it| it.get(section)).and_then(Value::as_table);
        found.with_context(|| format!("the workspace has [workspace.{section}]"))
    };
    let (package, dependencies) = (shared("package")?, shared("dependencies")?);
    manifest.remove("lints");
    if let Some(own) = manifest.get_mut("package").and_then(Value::as_table_mut) {
        for (key, value) in own.iter_mut().filter(|(_, value)| inherits(value)) {
            *value = package.get(key).with_context(|| format!("the workspace has package.{key}"))?.clone();
        }
        // A choice of files for a registry: everything that is here is part of it.
        own.remove("include");
    }
    for section in ["dependencies", "build-dependencies"] {
        if let Some(own) = manifest.get_mut(section).and_then(Value::as_table_mut) {
            write_out(own, dependencies)?;
        }
    }
    let targets = manifest.get_mut("target").and_then(Value::as_table_mut);
    for (_, target) in targets.into_iter().flatten() {
        if let Some(own) = target.get_mut("dependencies").and_then(Value::as_table_mut) {
            write_out(own, dependencies)?;
        }
    }
    Ok(format!("# Of Rowhouse's SDK, by `rowhouse plugin new`.\n{}", toml::to_string(&manifest)?))
}

fn inherits(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

/// Dependencies as the workspace has them, with the features asked for here on top.
fn write_out(own: &mut Table, shared: &Table) -> Result<()> {
    for (name, value) in own.iter_mut().filter(|(_, value)| inherits(value)) {
        let known = shared.get(name).with_context(|| format!("the workspace has the dependency {name}"))?;
        let mut whole = match known {
            Value::Table(table) => table.clone(),
            version => Table::from_iter([("version".to_owned(), version.clone())]),
        };
        for (key, more) in value.as_table().into_iter().flatten().filter(|(key, _)| *key != "workspace") {
            match (whole.get_mut(key), more) {
                (Some(Value::Array(some)), Value::Array(more)) => some.extend(more.iter().cloned()),
                _ => drop(whole.insert(key.clone(), more.clone())),
            }
        }
        *value = Value::Table(whole);
    }
    Ok(())
}

/// Of the workspace's lock file, what a plugin called `name` needs: the versions we build and test with. In cargo's own
/// wording, so that `--locked` finds nothing to change.
///
/// # Errors
/// Where it is no lock file, or lacks what it names.
pub(super) fn lock(text: &str, name: &str) -> Result<String> {
    const DIRECT: [&str; 3] = ["rowhouse-plugin", "schemars", "serde"];
    let lock: Table = text.parse().context("read the workspace's lock file")?;
    let packages: Vec<&Table> =
        lock.get("package").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_table).collect();
    let find = |wanted: &str| {
        let (name, version) = split(wanted);
        let is = |package: &&&Table| {
            word(package, "name") == name && version.is_none_or(|version| word(package, "version") == version)
        };
        packages.iter().find(is).copied().with_context(|| format!("the lock file has {wanted}"))
    };
    let mut kept: BTreeMap<(&str, &str), &Table> = BTreeMap::new();
    let mut open: Vec<&str> = DIRECT.to_vec();
    while let Some(wanted) = open.pop() {
        let package = find(wanted)?;
        if kept.insert((word(package, "name"), word(package, "version")), package).is_none() {
            open.extend(dependencies(package));
        }
    }
    // A version is named where there is more than one of it.
    let several: BTreeSet<&str> =
        kept.keys().zip(kept.keys().skip(1)).filter(|(one, next)| one.0 == next.0).map(|(one, _)| one.0).collect();
    let shorten = |wanted: &str| match split(wanted) {
        (name, _) if !several.contains(name) => name.to_owned(),
        _ => wanted.to_owned(),
    };
    let mut entries: Vec<(String, String)> = Vec::new();
    let mut enter = |name: &str, rest: &str, needs: Vec<String>| {
        let mut entry = format!("[[package]]\nname = \"{name}\"\n{rest}");
        if !needs.is_empty() {
            let needs: String = needs.iter().map(|it| format!(" \"{it}\",\n")).collect();
            entry.push_str(&format!("dependencies = [\n{needs}]\n"));
        }
        entries.push((name.to_owned(), entry));
    };
    enter(name, "version = \"0.1.0\"\n", DIRECT.map(str::to_owned).into());
    for ((name, _), package) in &kept {
        let fields = ["version", "source", "checksum"].into_iter();
        let fields = fields.filter(|field| package.contains_key(*field));
        let rest: String = fields.map(|field| format!("{field} = \"{}\"\n", word(package, field))).collect();
        enter(name, &rest, dependencies(package).map(shorten).collect());
    }
    // Stable: versions of one name stay in their order.
    entries.sort_by(|one, other| one.0.cmp(&other.0));
    let entries: Vec<String> = entries.into_iter().map(|(_, entry)| entry).collect();
    Ok(format!(
        "# This file is automatically @generated by Cargo.\n# It is not intended for manual editing.\nversion = 4\n\n{}",
        entries.join("\n")
    ))
}

/// `name` or `name version`, as a lock file names a package.
fn split(wanted: &str) -> (&str, Option<&str>) {
    let mut words = wanted.split(' ');
    (words.next().unwrap_or_default(), words.next())
}

fn word<'a>(package: &'a Table, field: &str) -> &'a str {
    package.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn dependencies(package: &Table) -> impl Iterator<Item = &str> {
    package.get("dependencies").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKSPACE: &str = r#"
[workspace.package]
version = "1.2.3"
[workspace.dependencies]
plain = "1"
rich = { version = "2", default-features = false, features = ["a"] }
"#;

    #[test]
    fn what_is_inherited_is_written_out() {
        let text = r#"
[package]
name = "x"
version.workspace = true
include = ["/src"]
[dependencies]
own = { path = "own" }
plain.workspace = true
rich = { workspace = true, features = ["b"] }
[target.'cfg(unix)'.dependencies]
plain.workspace = true
[lints]
workspace = true
"#;
        let whole: Table = manifest(text, WORKSPACE).expect("a manifest").parse().expect("TOML");
        let want: Table = r#"
[package]
name = "x"
version = "1.2.3"
[dependencies]
own = { path = "own" }
plain = { version = "1" }
rich = { version = "2", default-features = false, features = ["a", "b"] }
[target.'cfg(unix)'.dependencies]
plain = { version = "1" }
"#
        .parse()
        .expect("TOML");
        assert_eq!(whole, want);
        let lost = manifest("[dependencies]\nnobody.workspace = true", WORKSPACE).expect_err("no such dependency");
        assert!(lost.to_string().contains("nobody"), "{lost}");
    }

    #[test]
    fn of_a_lock_only_what_is_needed_is_kept() {
        let entry = |name: &str, version: &str, needs: &str| {
            format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\ndependencies = [{needs}]\n")
        };
        let text = [
            entry("rowhouse-plugin", "0.1.0", "\"one 1.0.0\", \"two 2.0.0\""),
            entry("schemars", "1.0.0", "\"two 1.0.0\""),
            entry("serde", "1.0.0", ""),
            entry("one", "1.0.0", ""),
            entry("one", "2.0.0", ""),
            entry("two", "1.0.0", ""),
            entry("two", "2.0.0", ""),
            entry("zebra", "1.0.0", ""),
        ];
        let kept = lock(&text.join(""), "stock").expect("a lock file");
        let names: Vec<&str> = kept.lines().filter_map(|line| line.strip_prefix("name = ")).collect();
        let want = ["one", "rowhouse-plugin", "schemars", "serde", "stock", "two", "two"];
        assert_eq!(names, want.map(|name| format!("\"{name}\"")), "{kept}");
        assert!(kept.contains(" \"one\",\n \"two 2.0.0\",\n"), "a version where there are several: {kept}");
        assert!(!kept.contains("name = \"one\"\nversion = \"2.0.0\""), "{kept}");
    }
}
