//! The policy's text, and the tenants it speaks about.

use super::{Finding, Level};
use crate::config::Settings;
use crate::policy::{Keeper, Tenant};
use anyhow::Result;

pub(super) fn look(settings: &Settings, directory: Vec<Tenant>) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    let file = settings.policy.file.as_ref().map_or("the shipped policy".to_owned(), |file| file.display().to_string());
    if directory.is_empty() {
        let mend = "INSERT INTO rowhouse.tenants_directory (id, name, region) VALUES (...)";
        let what = "the directory lists no tenant: nobody sees a tool";
        found.push(Finding::new(Level::Note, "policy", what, "rowhouse.tenants_directory", mend));
    }
    match Keeper::open(&settings.policy, directory) {
        Err(faults) => {
            let mend =
                format!("{faults}; `rowhouse policy check` shows where, and a host that runs keeps the last good one");
            found.push(Finding::new(Level::Unsafe, "policy", "the policy cannot be served", file, mend));
        }
        Ok(keeper) => {
            found.extend(
                keeper.current().warnings().iter().map(|warning| {
                    Finding::new(Level::Note, "policy", "a policy looks odd", &file, warning.to_string())
                }),
            )
        }
    }
    Ok(found)
}
