//! Policies: check a text, explain a decision, try cases.
//!
//! Exit codes are the same for all three. 0: good. 1: looked at, and not good. 2: could not be looked at.

mod explain; // What one caller may do, and why.
mod who; // Which caller.

use super::run::on_ground;
use crate::config::{self, Settings};
use crate::house;
use crate::policy::{Cases, Fault, Faults, Policy, SHIPPED_CASES, Tenant, Unread, read_text};
use anyhow::{Context, Result};
use clap::Subcommand;
use explain::Explain;
use rowhouse_migrations as shape;
use rowhouse_migrations::retail::STORES;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Subcommand)]
pub(crate) enum PolicyCommand {
    /// Read a policy as a host would and check it against the schema. Needs neither database nor keys.
    ///
    /// Exit code 0: it would be served. 1: something must be mended. 2: it could not be read.
    #[command(after_help = "\
Examples:
  rowhouse policy check my.cedar
  rowhouse policy check --json my.cedar")]
    Check {
        /// The file. Unset: `policy.file` of the settings, or the policy Rowhouse ships with.
        file: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say what one caller may do, and which policies decide.
    ///
    /// Exit code 0: the call would be let in. 1: it would be refused. 2: it could not be found out.
    #[command(after_help = "\
Examples:
  rowhouse policy explain --as seattle --call sales/get_top_products --tenant Spokane
  rowhouse policy explain --role store_manager --own-tenant Seattle --scope mcp:tools --call sales/get_top_products
  rowhouse policy explain --token - --call sales/get_top_products --json < token.txt
  rowhouse policy explain --as seattle --call sales/get_top_products --policy my.cedar")]
    Explain(Box<Explain>),
    /// Try cases: who, action, resource, allow or deny.
    ///
    /// Exit code 0: all are decided as they say. 1: one is decided otherwise. 2: they could not be tried.
    #[command(after_help = "\
Examples:
  rowhouse policy test my.cases.toml
  rowhouse policy test my.cases.toml --policy my.cedar

A case, as TOML:
  [people.manager]
  roles = [\"store_manager\"]
  tenants = [\"Seattle\"]            # names of the directory, or ids

  [[case]]
  who = \"manager\"                  # or { roles = [..], tenants = [..], regions = [..], scopes = [..] }
  action = \"assume\"                # list, call, record, read, assume
  resource = \"Spokane\"             # plugin/tool, schema.table, a tenant, or \"all\" for every tenant
  expect = \"deny\"
  because = \"some-policy\"          # optional: the @id of a policy that decides

[[directory]] with id, name and region replaces the directory the cases are tried on.")]
    Test {
        /// The file of cases. Unset: `policy.cases` of the settings, or the cases of the policy Rowhouse ships with.
        cases: Option<PathBuf>,
        /// Try this policy file in place of the settings'.
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Do it.
pub(super) async fn run(command: PolicyCommand, settings: &Settings) -> ExitCode {
    let good = match command {
        PolicyCommand::Check { file, json } => check(&settings.policy, file.as_deref(), json),
        PolicyCommand::Explain(asked) => explain::run(*asked, settings).await,
        PolicyCommand::Test { cases, policy, json } => test(settings, cases.as_deref(), policy.as_deref(), json).await,
    };
    match good {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => could_not_look(&error),
    }
}

/// Say why, with an exit code that is not that of a bad policy.
pub(super) fn could_not_look(error: &anyhow::Error) -> ExitCode {
    eprintln!("rowhouse: {error:#}");
    ExitCode::from(2)
}

/// The tenants policies speak about: those of the database where one is set, of the demo otherwise. Writing a policy
/// must not need a database that runs.
async fn directory(settings: &Settings) -> Result<Vec<Tenant>> {
    match &settings.database.url {
        None => Ok(demo_directory()),
        Some(_) => {
            on_ground(settings, async |ground| Ok(house::tenants(shape::tenants(&ground.admin().await?).await?))).await
        }
    }
}

fn demo_directory() -> Vec<Tenant> {
    STORES.iter().map(|s| Tenant { id: s.id(), name: s.name.to_owned(), region: s.region.to_owned() }).collect()
}

fn name(file: Option<&Path>) -> String {
    file.map_or_else(|| "the policy Rowhouse ships with".to_owned(), |path| path.display().to_string())
}

/// The policy of this file, over these tenants.
fn load(file: Option<&Path>, directory: Vec<Tenant>) -> Result<Policy> {
    let cannot = || format!("{} cannot be used", name(file));
    Policy::new(&read_text(file).with_context(cannot)?, directory).with_context(cannot)
}

fn check(settings: &config::Policy, file: Option<&Path>, as_json: bool) -> Result<bool> {
    let file = file.or(settings.file.as_deref());
    let shown = name(file);
    let read = match read_text(file) {
        Ok(text) => Policy::new(&text, Vec::new()),
        Err(Unread::Refused(faults)) => Err(faults),
        Err(error) => return Err(error.into()),
    };
    let warnings = read.as_ref().map(Policy::warnings).unwrap_or_default();
    if as_json {
        let list = |faults: &mut dyn Iterator<Item = &Fault>| faults.map(as_value).collect::<Vec<_>>();
        let faults = read.as_ref().err().map(|faults| list(&mut faults.iter())).unwrap_or_default();
        let answer = json!({
            "policy": shown, "good": read.is_ok(), "policies": read.as_ref().map(Policy::len).unwrap_or_default(),
            "faults": faults, "warnings": list(&mut warnings.iter()),
        });
        println!("{answer:#}");
        return Ok(read.is_ok());
    }
    warnings.iter().for_each(|warning| println!("warning  {shown}: {warning}"));
    match &read {
        Ok(policy) => println!("{shown}: {} policies, good to serve", policy.len()),
        Err(faults) => Faults::iter(faults).for_each(|fault| println!("ERROR    {shown}: {fault}")),
    }
    if let (Ok(_), Some(cases)) = (&read, &settings.cases) {
        println!("a host tries {} before it serves; `rowhouse policy test` tries them now", cases.display());
    }
    Ok(read.is_ok())
}

fn as_value(fault: &Fault) -> Value {
    let (line, column) = fault.at.unzip();
    json!({ "line": line, "column": column, "message": fault.message })
}

async fn test(settings: &Settings, file: Option<&Path>, policy: Option<&Path>, as_json: bool) -> Result<bool> {
    let file = file.or(settings.policy.cases.as_deref());
    let text = match file {
        None => SHIPPED_CASES.to_owned(),
        Some(path) => std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?,
    };
    let shown = || file.map_or_else(|| "the cases Rowhouse ships with".to_owned(), |path| path.display().to_string());
    let cases = Cases::read(&text).with_context(|| format!("{} cannot be used", shown()))?;
    // The shipped cases name the demo's stores, wherever they are tried.
    let directory = match cases.directory() {
        Some(own) => own,
        None if file.is_none() => demo_directory(),
        None => directory(settings).await?,
    };
    let policy = load(policy.or(settings.policy.file.as_deref()), directory)?;
    let outcome = cases.run(&policy).with_context(|| format!("{} cannot be used", shown()))?;
    if as_json {
        println!("{:#}", outcome.to_json());
    } else {
        print!("{}", outcome.table());
        println!("\n{} cases, {} decided otherwise", outcome.tried(), outcome.missed());
    }
    Ok(outcome.missed() == 0)
}

#[cfg(test)]
mod tests;
