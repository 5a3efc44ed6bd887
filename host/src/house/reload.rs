//! An open house with other settings: what can change while calls run does, and what cannot is named.

use super::House;
use crate::config::Settings;
use anyhow::{Context, Result};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What came of reading the settings again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Settings that are others than before, and in force.
    pub changed: Vec<String>,
    /// Settings that are others than at the start, and wait for a restart.
    pub waiting: Vec<String>,
}

/// Settings that change while calls run, with all below them: what each call looks up anew.
const LIVE: [&[&str]; 8] = [
    &["log"],
    &["traffic", "principal"],
    &["traffic", "tenant"],
    &["traffic", "tool"],
    &["traffic", "tools"],
    &["traffic", "quota"],
    &["plugins", "limits"],
    &["plugins", "tenant_limits"],
];

/// The same of a plugin's grant. Its interfaces and publishers are asked about when a component is loaded.
const LIVE_OF_A_GRANT: [&str; 3] = ["tables", "tenants", "limits"];

impl House {
    /// Use these settings as far as that is possible without a restart: rates and quotas, bounds of calls, tables and
    /// tenants of plugins' grants. Policy and plugins are looked at, too, as they are whenever their files change.
    /// `started`: the settings the house was opened with, `now`: those that were read last.
    ///
    /// # Errors
    /// What cannot be used; then nothing changed.
    pub async fn reload(&self, started: &Settings, now: &Settings, fresh: &Settings) -> Result<Reloaded> {
        // What can fail comes first, and the second of it changes all or nothing.
        let tuned = self.host.traffic.tune(&fresh.traffic).context("[traffic]")?;
        self.host.policy.set_grants(&fresh.plugins).context("the policy cannot be used with these grants")?;
        self.host.traffic.retune(tuned);
        self.host.plugins.set_limits(&fresh.plugins);
        let host = Arc::clone(&self.host);
        // A text that cannot be served is said in the log by whoever keeps the policy, and leaves the last good one.
        let _ = tokio::task::spawn_blocking(move || host.policy.reload()).await;
        if let Err(error) = self.host.plugins.look().await {
            tracing::warn!(%error, "the plugins could not be looked at; those that are served stay");
        }
        let of = |keys: Vec<Vec<String>>, live: bool| {
            keys.into_iter().filter(|key| is_live(key) == live).map(|key| key.join(".")).collect()
        };
        Ok(Reloaded { changed: of(differing(now, fresh), true), waiting: of(differing(started, fresh), false) })
    }
}

fn is_live(key: &[String]) -> bool {
    let below = |parts: &&[&str]| key.len() >= parts.len() && key.iter().zip(parts.iter()).all(|(a, b)| a == b);
    let of_a_grant = match key.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["plugins", "grants", _, part, ..] | ["plugins", "default_grant", part, ..] => LIVE_OF_A_GRANT.contains(&part),
        _ => false,
    };
    of_a_grant || LIVE.iter().any(below)
}

/// The settings that differ, by their path. Secrets are in neither: they are read once.
fn differing(before: &Settings, after: &Settings) -> Vec<Vec<String>> {
    let (mut old, mut new) = (BTreeMap::new(), BTreeMap::new());
    let names: Vec<&String> = before.plugins.grants.keys().chain(after.plugins.grants.keys()).collect();
    for (settings, leaves) in [(before, &mut old), (after, &mut new)] {
        let mut settings = settings.clone();
        // What a plugin has without a grant of its own is the default one: that is what a new one differs from.
        for name in &names {
            let grant = settings.plugins.grant(name).clone();
            settings.plugins.grants.insert((*name).clone(), grant);
        }
        if let Ok(Value::Object(tree)) = serde_json::to_value(&settings) {
            flatten(tree, &mut Vec::new(), leaves);
        }
    }
    let mut keys: Vec<Vec<String>> =
        old.keys().chain(new.keys()).filter(|key| old.get(*key) != new.get(*key)).cloned().collect();
    keys.sort();
    keys.dedup();
    keys
}

fn flatten(tree: Map<String, Value>, path: &mut Vec<String>, leaves: &mut BTreeMap<Vec<String>, Value>) {
    for (key, value) in tree {
        path.push(key);
        match value {
            Value::Object(inner) => flatten(inner, path, leaves),
            Value::Null => {}
            leaf => drop(leaves.insert(path.clone(), leaf)),
        }
        path.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    fn settings(set: &[&str]) -> Settings {
        let set = set.iter().map(|it| (*it).to_owned()).collect();
        Sources { file: None, set }.settings().unwrap()
    }

    /// What differs between the two, with a star where it waits for a restart.
    #[track_caller]
    fn check(before: &[&str], after: &[&str], want: &[&str]) {
        let told: Vec<String> = differing(&settings(before), &settings(after))
            .into_iter()
            .map(|key| format!("{}{}", key.join("."), if is_live(&key) { "" } else { "*" }))
            .collect();
        assert_eq!(told, want, "{before:?} {after:?}");
    }

    #[test]
    fn what_changes_at_once_is_told_from_what_waits() {
        check(&[], &[], &[]);
        check(&[], &["log=debug"], &["log"]);
        check(&["log=debug"], &[], &["log"]);
        check(&[], &["http.listen=127.0.0.1:9"], &["http.listen*"]);
        check(&[], &["database.pool.max=7", "database.pool.hosts=3"], &["database.pool.hosts*", "database.pool.max*"]);
        check(&[], &["traffic.quota.calls=7", "traffic.waiting=5"], &["traffic.quota.calls", "traffic.waiting*"]);
        check(
            &[],
            &["traffic.tenant=unlimited"],
            &["traffic.tenant", "traffic.tenant.burst", "traffic.tenant.per_second"],
        );
        check(
            &[],
            &["traffic.tools={ 'a/b' = { per_second = 1, burst = 2 } }"],
            &["traffic.tools.a/b.burst", "traffic.tools.a/b.per_second"],
        );
        check(&[], &["plugins.limits.cpu_ms=7", "plugins.fuel=true"], &["plugins.fuel*", "plugins.limits.cpu_ms"]);
        check(&[], &["plugins.tenant_limits.Seattle.rows=7"], &["plugins.tenant_limits.Seattle.rows"]);
        // A grant that is new differs from what the plugin had before, which was the default one.
        check(
            &[],
            &["plugins.grants.sales={ tables = ['retail.stores'], wasi = true }"],
            &["plugins.grants.sales.tables", "plugins.grants.sales.wasi*"],
        );
        check(
            &["plugins.grants.sales={ limits = { rows = 7 } }"],
            &["plugins.grants.sales={ limits = { rows = 8 }, interfaces = ['sql'] }"],
            &["plugins.grants.sales.interfaces*", "plugins.grants.sales.limits.rows"],
        );
    }
}
