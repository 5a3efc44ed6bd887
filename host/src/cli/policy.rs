//! Policies: check a text, explain a decision, try cases.

use crate::config;
use crate::policy::{Cases, Fault, Policy, Question, SHIPPED, SHIPPED_CASES, Subject, Tenant, tenant_named};
use anyhow::{Context, Result, bail};
use clap::Subcommand;
use rowhouse_migrations::retail::STORES;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Subcommand)]
pub(crate) enum PolicyCommand {
    /// Read a policy and check it against the schema. Exit code 1 when something must be mended.
    #[command(after_help = "Example:  rowhouse policy check my.cedar")]
    Check {
        /// The file. Unset: `policy.file` of the settings, or the policy Rowhouse ships with.
        file: Option<PathBuf>,
    },
    /// Say what one identity may do, and which policies decide. Exit code 1 when the call would be refused.
    #[command(
        after_help = "Example:  rowhouse policy explain --as seattle --call sales/get_top_products --tenant Spokane"
    )]
    Explain {
        /// Who is asking; `rowhouse token` lists the names.
        #[arg(long = "as", value_name = "NAME")]
        identity: String,
        /// The tool.
        #[arg(long, value_name = "PLUGIN/TOOL")]
        call: String,
        /// One tenant. Unset: each of the directory.
        #[arg(long, value_name = "ID|NAME")]
        tenant: Option<String>,
        /// A table the tool reads.
        #[arg(long, value_name = "SCHEMA.TABLE")]
        table: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Try cases: who, action, resource, allow or deny. Exit code 1 when one is decided otherwise.
    #[command(after_help = "\
Example:  rowhouse policy test my.cases.toml

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
    },
}

/// Do it, over these tenants. `who` finds an identity by its name.
pub(super) fn run(
    command: PolicyCommand,
    settings: &config::Policy,
    directory: Vec<Tenant>,
    who: &dyn Fn(&str) -> Result<Subject>,
) -> Result<ExitCode> {
    match command {
        PolicyCommand::Check { file } => check(file.as_deref().or(settings.file.as_deref())),
        PolicyCommand::Explain { identity, call, tenant, table, json } => {
            let policy = load(settings, directory)?;
            let subject = who(&identity)?;
            let asked = Asked::new(&policy, &call, tenant.as_deref(), table.as_deref())?;
            explain(&policy, &identity, &subject, &asked, json)
        }
        PolicyCommand::Test { cases } => test(settings, cases.or_else(|| settings.cases.clone()).as_deref(), directory),
    }
}

/// The directory of the demo, for where there is no database to ask.
pub(super) fn demo_directory() -> Vec<Tenant> {
    STORES.iter().map(|s| Tenant { id: s.id(), name: s.name.to_owned(), region: s.region.to_owned() }).collect()
}

fn text(file: Option<&Path>) -> Result<String> {
    match file {
        None => Ok(SHIPPED.to_owned()),
        Some(path) => std::fs::read_to_string(path).with_context(|| format!("read {}", path.display())),
    }
}

fn name(file: Option<&Path>) -> String {
    file.map_or_else(|| "the policy Rowhouse ships with".to_owned(), |path| path.display().to_string())
}

fn load(settings: &config::Policy, directory: Vec<Tenant>) -> Result<Policy> {
    let file = settings.file.as_deref();
    Policy::new(&text(file)?, directory).with_context(|| format!("{} cannot be used", name(file)))
}

fn check(file: Option<&Path>) -> Result<ExitCode> {
    let shown = name(file);
    let print = |word: &str, fault: &Fault| println!("{word}  {shown}: {fault}");
    match Policy::new(&text(file)?, Vec::new()) {
        Ok(policy) => {
            policy.warnings().iter().for_each(|warning| print("warning", warning));
            println!("{shown}: {} policies, good to serve", policy.len());
            Ok(ExitCode::SUCCESS)
        }
        Err(faults) => {
            faults.iter().for_each(|fault| print("ERROR  ", fault));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// What `explain` was asked.
struct Asked {
    /// What a call needs a yes to, besides a scope.
    needed: Vec<Question>,
    /// What is shown besides.
    shown: Vec<Question>,
}

impl Asked {
    fn new(policy: &Policy, call: &str, tenant: Option<&str>, table: Option<&str>) -> Result<Self> {
        let Some((plugin, tool)) = parts(call, '/') else {
            bail!("--call {call:?}: write plugin/tool, such as sales/get_top_products");
        };
        let mut needed = vec![Question::Call(plugin.clone(), tool.clone())];
        if let Some(table) = table {
            let Some((schema, table)) = parts(table, '.') else {
                bail!("--table {table:?}: write schema.table, such as retail.orders");
            };
            needed.push(Question::Read(schema, table));
        }
        let mut shown = vec![Question::List(plugin.clone(), tool.clone()), Question::Record(plugin, tool)];
        match tenant {
            Some(name) => needed.push(Question::Assume(tenant_named(policy.directory(), name)?)),
            None => shown.extend(policy.assumptions()),
        }
        Ok(Self { needed, shown })
    }
}

fn parts(name: &str, separator: char) -> Option<(String, String)> {
    let (first, second) = name.split_once(separator)?;
    (!first.is_empty() && !second.is_empty()).then(|| (first.to_owned(), second.to_owned()))
}

fn explain(policy: &Policy, who: &str, subject: &Subject, asked: &Asked, as_json: bool) -> Result<ExitCode> {
    let explained = policy.explain(subject, asked.needed.iter().chain(&asked.shown).cloned());
    let needed = &explained.decisions[..asked.needed.len()];
    let allowed = explained.scope.is_some() && needed.iter().all(|(_, verdict)| verdict.allowed);
    if as_json {
        let mut answer = policy.to_json(&explained);
        answer["who"] = json!(who);
        answer["allowed"] = json!(allowed);
        println!("{answer:#}");
    } else {
        for (question, verdict) in &explained.decisions {
            println!("{:<8} {:<36} {verdict}", question.action(), policy.shown(question));
        }
        println!("\na call of {who} sees {}", policy.scope_shown(explained.scope.as_ref()));
        println!("it is {}", if allowed { "allowed" } else { "refused" });
    }
    Ok(if allowed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn test(settings: &config::Policy, file: Option<&Path>, directory: Vec<Tenant>) -> Result<ExitCode> {
    let text = match file {
        None => SHIPPED_CASES.to_owned(),
        Some(path) => std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?,
    };
    let shown = || file.map_or_else(|| "the cases Rowhouse ships with".to_owned(), |path| path.display().to_string());
    let cases = Cases::read(&text).with_context(|| format!("{} cannot be used", shown()))?;
    // The shipped cases name the demo's stores, wherever they are tried.
    let directory = cases.directory().unwrap_or(if file.is_none() { demo_directory() } else { directory });
    let outcome = cases.run(&load(settings, directory)?).with_context(|| format!("{} cannot be used", shown()))?;
    print!("{}", outcome.table());
    println!("\n{} cases, {} decided otherwise", outcome.tried(), outcome.missed());
    Ok(if outcome.missed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rowhouse_migrations::retail::demo_identities;

    fn demo(name: &str) -> Result<Subject> {
        let person = demo_identities().into_iter().find(|person| person.key == name).context("no such identity")?;
        let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        Ok(Subject {
            subject: name.to_owned(),
            roles: texts(person.roles),
            tenants: person.tenants,
            regions: texts(person.regions),
            ..Subject::default()
        })
    }

    #[track_caller]
    fn check_code(settings: &config::Policy, command: PolicyCommand, expected: ExitCode) {
        let code = run(command, settings, demo_directory(), &demo).expect("an answer");
        assert_eq!(code, expected);
    }

    fn explain(who: &str, call: &str, tenant: Option<&str>, table: Option<&str>) -> PolicyCommand {
        let owned = |text: Option<&str>| text.map(ToOwned::to_owned);
        let (identity, call) = (who.to_owned(), call.to_owned());
        PolicyCommand::Explain { identity, call, tenant: owned(tenant), table: owned(table), json: table.is_some() }
    }

    #[test]
    fn exit_codes_say_what_was_found() {
        let shipped = config::Policy::default();
        let dir = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).expect("a file");
            path
        };
        let (yes, no) = (ExitCode::SUCCESS, ExitCode::FAILURE);
        let broken = write("broken.cedar", "permit (principal, action, resource)");
        let nobody = write("nobody.cedar", "@id(\"nobody\") forbid (principal, action, resource);");
        let none = config::Policy { file: Some(nobody.clone()), ..config::Policy::default() };
        let tool = "sales/get_top_products";
        check_code(&shipped, PolicyCommand::Check { file: None }, yes);
        check_code(&shipped, PolicyCommand::Check { file: Some(nobody) }, yes);
        check_code(&shipped, PolicyCommand::Check { file: Some(broken) }, no);
        check_code(&shipped, explain("seattle", tool, None, None), yes);
        check_code(&shipped, explain("seattle", tool, Some("Seattle"), Some("retail.orders")), yes);
        check_code(&shipped, explain("seattle", tool, Some("Spokane"), None), no);
        check_code(&none, explain("head-office", tool, None, None), no);
        check_code(&shipped, PolicyCommand::Test { cases: None }, yes);
        check_code(&none, PolicyCommand::Test { cases: None }, no);
        for command in [
            explain("nobody", tool, None, None),
            explain("seattle", "get_top_products", None, None),
            explain("seattle", tool, Some("Atlantis"), None),
            explain("seattle", tool, None, Some("orders")),
            PolicyCommand::Test { cases: Some(write("empty.toml", "case = []")) },
            PolicyCommand::Test { cases: Some(dir.path().join("absent")) },
        ] {
            assert!(run(command, &shipped, demo_directory(), &demo).is_err());
        }
    }
}
