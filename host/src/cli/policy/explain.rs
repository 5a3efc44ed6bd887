//! What one caller may do, and why: the policies' decisions, the scopes of its token, and whose rows it sees.

use super::load;
use super::who::{Caller, Who};
use crate::config::{self, Settings};
use crate::policy::{Explanation, Policy, Question, Scope, Subject, Verdict, tenant_named};
use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(super) who: Who,
    /// The tool.
    #[arg(long, value_name = "PLUGIN/TOOL")]
    pub(super) call: String,
    /// One tenant. Unset: each of the directory.
    #[arg(long, value_name = "ID|NAME")]
    pub(super) tenant: Option<String>,
    /// A table the tool reads.
    #[arg(long, value_name = "SCHEMA.TABLE")]
    pub(super) table: Option<String>,
    /// Ask this policy file in place of the settings'.
    #[arg(long, value_name = "FILE")]
    pub(super) policy: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// Explain it; whether the call would be let in.
pub(super) async fn run(asked: Explain, settings: &Settings) -> Result<bool> {
    let caller = match asked.who.find(settings).await? {
        Ok(caller) => caller,
        Err(unproven) => {
            let why = unproven.reason().as_str();
            match asked.json {
                true => println!("{:#}", json!({ "allowed": false, "unproven": why })),
                false => println!("the token proves nothing ({why}): a call with it is refused with 401"),
            }
            return Ok(false);
        }
    };
    let file = asked.policy.as_deref().or(settings.policy.file.as_deref());
    let Caller { name, subject, directory } = caller;
    let policy = load(file, directory)?;
    let answer = Answer::find(&policy, &settings.identity, &subject, &asked)?;
    if asked.json {
        println!("{:#}", answer.to_json(&policy, &name));
    } else {
        print!("{}", answer.shown(&policy, &name));
    }
    Ok(answer.allowed())
}

/// What was found out.
pub(super) struct Answer {
    explained: Explanation,
    /// How many of the decisions a call needs a yes to. They come first.
    needed: usize,
    /// Every scope a call of the tool needs, where the caller lacks one.
    pub(super) lacking: Option<Vec<String>>,
}

impl Answer {
    pub(super) fn find(
        policy: &Policy,
        identity: &config::Identity,
        subject: &Subject,
        asked: &Explain,
    ) -> Result<Self> {
        let Some((plugin, tool)) = parts(&asked.call, '/') else {
            bail!("--call {:?}: write plugin/tool, such as sales/get_top_products", asked.call);
        };
        let mut questions = vec![Question::Call(plugin.clone(), tool.clone())];
        if let Some(table) = &asked.table {
            let Some((schema, table)) = parts(table, '.') else {
                bail!("--table {table:?}: write schema.table, such as retail.orders");
            };
            questions.push(Question::Read(schema, table));
        }
        if let Some(name) = &asked.tenant {
            questions.push(Question::Assume(tenant_named(policy.directory(), name)?));
        }
        let needed = questions.len();
        questions.extend([Question::List(plugin.clone(), tool.clone()), Question::Record(plugin, tool)]);
        if asked.tenant.is_none() {
            questions.extend(policy.assumptions());
        }
        let lacking = identity.lacking(&subject.scopes, Some(&asked.call));
        Ok(Self { explained: policy.explain(subject, questions), needed, lacking })
    }

    /// Whether the policies let the call in.
    fn permitted(&self) -> bool {
        self.explained.scope.is_some() && self.explained.decisions[..self.needed].iter().all(|(_, said)| said.allowed)
    }

    /// Whether the host does.
    pub(super) fn allowed(&self) -> bool {
        self.permitted() && self.lacking.is_none()
    }

    /// Whether the directory is permitted as a whole and its tenants are given one by one all the same.
    fn named(&self) -> bool {
        let all = |(asked, said): &(Question, Verdict)| *asked == Question::AssumeAll && said.allowed;
        self.explained.scope != Some(Scope::All) && self.explained.decisions.iter().any(all)
    }

    pub(super) fn shown(&self, policy: &Policy, who: &str) -> String {
        let mut out = String::new();
        for (question, verdict) in &self.explained.decisions {
            out += &format!("{:<8} {:<36} {verdict}\n", question.action(), policy.shown(question));
        }
        if let Some(needed) = &self.lacking {
            out += &format!("{:<8} {:<36} deny   the caller lacks one of them\n", "scopes", needed.join(" "));
        }
        out += &format!("\na call of {who} sees {}", policy.scope_shown(self.explained.scope.as_ref()));
        if self.named() {
            out += ", by name: the policies may tell tenants apart that are not listed";
        }
        out += match (self.permitted(), &self.lacking) {
            (true, None) => "\nit is allowed\n",
            (true, Some(_)) => "\nit is refused with 403: the policies permit it, and its token lacks a scope\n",
            (false, _) => "\nit is refused\n",
        };
        out
    }

    fn to_json(&self, policy: &Policy, who: &str) -> Value {
        let mut answer = policy.to_json(&self.explained);
        answer["who"] = json!(who);
        answer["allowed"] = json!(self.allowed());
        answer["permitted"] = json!(self.permitted());
        answer["lacking_scopes"] = json!(self.lacking);
        answer
    }
}

fn parts(name: &str, separator: char) -> Option<(String, String)> {
    let (first, second) = name.split_once(separator)?;
    (!first.is_empty() && !second.is_empty()).then(|| (first.to_owned(), second.to_owned()))
}
