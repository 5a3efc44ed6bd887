//! What a plugin may, and how much of it it uses: on the terminal, and as JSON.

use crate::config::{Grant, Plugins};
use crate::plugin::{Account, Accounts, Inspected, Wanted};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// A plugin's envelope, and its account where a host has one.
pub(super) struct Envelope<'a> {
    pub(super) grant: &'a Grant,
    limits: Vec<(&'static str, u64)>,
    /// Whether fuel is counted.
    fuel: bool,
    account: Option<&'a Account>,
    accounts: Option<&'a Accounts>,
}

impl<'a> Envelope<'a> {
    pub(super) fn new(plugins: &'a Plugins, accounts: Option<&'a Accounts>, name: &str, digest: &str) -> Self {
        Self {
            grant: plugins.grant(name),
            limits: plugins.limits(name).each(),
            fuel: plugins.fuel,
            account: accounts.and_then(|all| all.of(name, digest)),
            accounts,
        }
    }

    pub(super) fn print(&self, inspected: &Inspected) {
        for (index, (what, wanted)) in inspected.wants(self.grant).into_iter().enumerate() {
            let (head, said) = (
                if index == 0 { "wants" } else { "" },
                match wanted {
                    Wanted::Granted => "granted",
                    Wanted::Denied => "DENIED",
                    Wanted::Idle => "granted, not wanted",
                },
            );
            println!("  {head:<10} {what:<28} {said}");
        }
        for (head, names, all) in
            [("reads", &self.grant.tables, "every table the policy allows"), ("tenants", &self.grant.tenants, "all")]
        {
            let names = names.as_ref().map(|names| names.iter().cloned().collect::<Vec<_>>().join(", "));
            println!("  {head:<10} {}", names.unwrap_or_else(|| all.to_owned()));
        }
        let used = |name: &str| self.account.and_then(|it| it.used.get(name)).filter(|_| self.counts(name));
        for (index, (name, bound)) in self.limits.iter().filter(|(name, _)| self.counts(name)).enumerate() {
            let use_of =
                used(name).map_or(String::new(), |share| format!("  95 % used {}, most {}", share.p95, share.max));
            println!("  {:<10} {name:<17} {bound:>12}{use_of}", if index == 0 { "envelope" } else { "" });
        }
        match (self.account, self.accounts) {
            (Some(it), Some(all)) => {
                let failed: Vec<String> = it.failed.iter().map(|(code, n)| format!("{code} {n}")).collect();
                let failed = if failed.is_empty() { "none".to_owned() } else { failed.join(", ") };
                println!(
                    "  {:<10} {} since host {} serves it; use is of the last {}",
                    "calls", it.calls, all.host, it.recent_calls
                );
                println!("  {:<10} {failed}", "failed");
                if it.calls_on_probation > 0 {
                    println!("  {:<10} {} calls ran behind all others", "probation", it.calls_on_probation);
                }
                if it.calls_long > 0 {
                    println!("  {:<10} {} calls computed for long, behind short ones", "long", it.calls_long);
                }
                println!("  {:<10} {} ago", "as of", age(all.written));
            }
            _ => println!("  {:<10} no host has served these bytes", "calls"),
        }
    }

    fn counts(&self, name: &str) -> bool {
        name != "fuel" || self.fuel
    }

    pub(super) fn json(&self) -> Value {
        let limits: serde_json::Map<String, Value> = self
            .limits
            .iter()
            .filter(|(name, _)| self.counts(name))
            .map(|(name, bound)| ((*name).to_owned(), json!(bound)))
            .collect();
        json!({
            "tables": self.grant.tables,
            "tenants": self.grant.tenants,
            "limits": limits,
            "usage": self.account,
            "usageWritten": self.account.and(self.accounts).map(|all| all.written),
        })
    }
}

/// How long ago, in the unit that fits.
fn age(written: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    match now.saturating_sub(written) {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7_199 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}
