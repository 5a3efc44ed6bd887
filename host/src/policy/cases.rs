//! Decisions a policy must give: who, action, resource, yes or no.
//!
//! ```toml
//! [people.manager]
//! roles = ["store_manager"]
//! tenants = ["Seattle"]          # names of the directory, or ids
//!
//! [[case]]
//! who = "manager"                # or { roles = [..], tenants = [..], regions = [..], scopes = [..] }
//! action = "assume"              # list, call, get, read, record, assume
//! resource = "Spokane"           # "plugin/tool", "plugin/prompt:NAME", "plugin/resource:URI", "schema.table", a tenant, or
//!                                # "all" for every tenant
//! expect = "deny"
//! because = "some-policy"        # optional: the @id of a policy that decides
//! ```
//!
//! `[[directory]]` (id, name, region) replaces the directory the cases are tried on.

use super::explain::columns;
use super::{Policy, Question, Subject, Tenant};
use figment::Figment;
use figment::providers::{Format, Toml};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

/// The word for a case that was decided as it says.
const HELD: &str = "ok";

/// A file of cases.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    #[serde(default)]
    directory: Vec<Row>,
    #[serde(default)]
    people: BTreeMap<String, Person>,
    case: Vec<Case>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: Uuid,
    name: String,
    region: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Person {
    issuer: String,
    subject: String,
    roles: Vec<String>,
    tenants: Vec<String>,
    regions: Vec<String>,
    scopes: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    who: Who,
    action: Action,
    resource: String,
    expect: Expect,
    because: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "a name of [people], or { roles, tenants, regions, scopes, issuer, subject }")]
enum Who {
    Known(String),
    Here(Person),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    List,
    Call,
    Get,
    Record,
    Read,
    Assume,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Expect {
    Allow,
    Deny,
}

/// Why cases cannot be tried.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(String);

/// How the cases went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    lines: Vec<[String; 6]>,
    missed: usize,
}

impl Outcome {
    /// How many were tried.
    pub fn tried(&self) -> usize {
        self.lines.len()
    }

    /// How many were decided otherwise than they say.
    pub fn missed(&self) -> usize {
        self.missed
    }

    /// For scripts.
    pub fn to_json(&self) -> Value {
        let line = |[word, number, who, action, resource, decision]: &[String; 6]| {
            json!({
                "case": number, "held": word == HELD, "who": who, "action": action, "resource": resource,
                "decision": decision,
            })
        };
        json!({ "tried": self.tried(), "missed": self.missed, "cases": self.lines.iter().map(line).collect::<Vec<_>>() })
    }

    /// One line for each: what happened, number, who, action, resource, decision.
    pub fn table(&self) -> String {
        columns(&self.lines)
    }

    /// The lines of those that were decided otherwise.
    pub fn misses(&self) -> String {
        columns(&self.lines.iter().filter(|line| line[0] != HELD).cloned().collect::<Vec<_>>())
    }
}

impl Cases {
    /// Read cases from TOML.
    ///
    /// # Errors
    /// [`Unusable`]: what is wrong, and in which setting.
    pub fn read(text: &str) -> Result<Self, Unusable> {
        let cases: Self = Figment::from(Toml::string(text)).extract().map_err(|e| Unusable(e.to_string()))?;
        if cases.case.is_empty() {
            return Err(Unusable("there is no [[case]] to try".to_owned()));
        }
        Ok(cases)
    }

    /// The tenants the cases are about, where they name their own.
    pub fn directory(&self) -> Option<Vec<Tenant>> {
        let tenant = |row: &Row| Tenant { id: row.id, name: row.name.clone(), region: row.region.clone() };
        (!self.directory.is_empty()).then(|| self.directory.iter().map(tenant).collect())
    }

    /// Decide each case by this policy, over the policy's own directory.
    ///
    /// # Errors
    /// [`Unusable`]: a case that names somebody or something there is not.
    pub fn run(&self, policy: &Policy) -> Result<Outcome, Unusable> {
        let (mut lines, mut missed) = (Vec::new(), 0);
        for (number, case) in (1..).zip(&self.case) {
            let unusable = |what: Unusable| Unusable(format!("case {number}: {what}"));
            let (name, person) = self.person(&case.who).map_err(unusable)?;
            let subject = person.subject(policy.directory()).map_err(unusable)?;
            let question = case.question(policy.directory()).map_err(unusable)?;
            let verdict = policy.decide(&subject, &question);
            let named = case.because.as_ref().is_none_or(|id| verdict.because.contains(id));
            let held = verdict.allowed == (case.expect == Expect::Allow) && named;
            missed += usize::from(!held);
            let decision = match &case.because {
                Some(id) if !named => format!("{verdict} (expected {id})"),
                _ => verdict.to_string(),
            };
            let word = if held { HELD } else { "MISSED" };
            let (action, resource) = (question.action().to_owned(), policy.shown(&question));
            lines.push([word.to_owned(), number.to_string(), name, action, resource, decision]);
        }
        Ok(Outcome { lines, missed })
    }

    fn person<'a>(&'a self, who: &'a Who) -> Result<(String, &'a Person), Unusable> {
        match who {
            Who::Known(name) => match self.people.get(name) {
                Some(person) => Ok((name.clone(), person)),
                None => Err(Unusable(format!("nobody of [people] is called {name:?}"))),
            },
            Who::Here(person) => Ok((format!("[{}]", person.roles.join(", ")), person)),
        }
    }
}

impl Person {
    fn subject(&self, directory: &[Tenant]) -> Result<Subject, Unusable> {
        Ok(Subject {
            issuer: self.issuer.clone(),
            subject: self.subject.clone(),
            roles: self.roles.clone(),
            tenants: self.tenants.iter().map(|name| tenant_named(directory, name)).collect::<Result<_, _>>()?,
            regions: self.regions.clone(),
            scopes: self.scopes.clone(),
        })
    }
}

impl Case {
    fn question(&self, directory: &[Tenant]) -> Result<Question, Unusable> {
        let parts = |separator: char, form: &str| {
            let parts = self.resource.split_once(separator).filter(|(a, b)| !a.is_empty() && !b.is_empty());
            let unfit = || Unusable(format!("the resource {:?} is not of the form {form}", self.resource));
            parts.map(|(a, b)| (a.to_owned(), b.to_owned())).ok_or_else(unfit)
        };
        let tool = || parts('/', "plugin/tool");
        // What is done to a tool is another action than what is done to a prompt.
        let used = |action: &str| {
            let question = tool().map(|(plugin, item)| Question::Call(plugin, item))?;
            match question.action() {
                fits if fits == action => Ok(question),
                other => Err(Unusable(format!("the action for {:?} is {other}", self.resource))),
            }
        };
        Ok(match self.action {
            Action::List => tool().map(|(plugin, tool)| Question::List(plugin, tool))?,
            Action::Call => used("call")?,
            Action::Get => used("get")?,
            Action::Record => tool().map(|(plugin, tool)| Question::Record(plugin, tool))?,
            Action::Read if self.resource.contains("/resource:") => used("read")?,
            Action::Read => parts('.', "schema.table").map(|(schema, table)| Question::Read(schema, table))?,
            Action::Assume if self.resource == "all" => Question::AssumeAll,
            Action::Assume => Question::Assume(tenant_named(directory, &self.resource)?),
        })
    }
}

/// A tenant by its id, which need not be in the directory, or by its name, which must be, once.
///
/// # Errors
/// [`Unusable`]: no tenant has the name, or several.
pub fn tenant_named(directory: &[Tenant], name: &str) -> Result<Uuid, Unusable> {
    if let Ok(id) = name.parse() {
        return Ok(id);
    }
    let mut named = directory.iter().filter(|tenant| tenant.name == name);
    match (named.next(), named.next()) {
        (Some(tenant), None) => Ok(tenant.id),
        (Some(_), Some(_)) => Err(Unusable(format!("several tenants are called {name:?}: use the id"))),
        (None, _) => Err(Unusable(format!("no tenant is called {name:?}"))),
    }
}
