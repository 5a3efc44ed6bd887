//! What was decided and by which policies, for people.

use super::{Policy, Question, Scope, Subject, Tenant};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt;

/// One decision, and the policies that made it. The default is no, for want of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is a yes.
    pub allowed: bool,
    /// The policies that decided, by their `@id`: the permits of a yes, the forbids of a no, none where no policy
    /// permits.
    pub because: Vec<String>,
    /// The policies that could not be evaluated, by their `@id`. One is enough for a no.
    pub failed: Vec<String>,
}

impl Verdict {
    /// For a table: `-` is a no for want of a policy.
    fn word(&self) -> &'static str {
        match (self.allowed, self.because.is_empty() && self.failed.is_empty()) {
            (true, _) => "allow",
            (false, true) => "-",
            (false, false) => "deny",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.allowed { "allow" } else { "deny" };
        let because = self.because.join(", ");
        if !self.failed.is_empty() {
            write!(f, "{word:<6} could not be evaluated: {}", self.failed.join(", "))
        } else if because.is_empty() {
            write!(f, "{word:<6} no policy permits it")
        } else {
            write!(f, "{word:<6} {because}")
        }
    }
}

/// Answers to several questions about one subject, and whose rows its calls see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Each question with its decision, in the order asked.
    pub decisions: Vec<(Question, Verdict)>,
    /// Whose rows a call sees. `None`: nobody's, so no tool can be called.
    pub scope: Option<Scope>,
}

impl Policy {
    /// Decide each of these for somebody of whom nothing was proved, and the scope of its calls.
    pub fn explain(&self, subject: &Subject, questions: impl IntoIterator<Item = Question>) -> Explanation {
        let snapshot = &self.0.snapshot;
        let guest = snapshot.guest(subject);
        let decisions = questions.into_iter().map(|question| {
            let verdict = snapshot.verdict(&guest, &question);
            (question, verdict)
        });
        Explanation { decisions: decisions.collect(), scope: snapshot.seat(subject).scope(None).ok() }
    }

    /// Everybody here against every tool (plugin, name), every table (schema, name) and every tenant of the directory:
    /// a line for each question, a column for each person, and the policies that decided. Then whose rows each of them
    /// sees. For a snapshot a reviewer can read.
    pub fn matrix(&self, people: &[(&str, Subject)], tools: &[(&str, &str)], tables: &[(&str, &str)]) -> String {
        let pair = |(a, b): &(&str, &str)| (a.to_string(), b.to_string());
        let mut questions: Vec<Question> = Vec::new();
        for kind in [Question::List, Question::Call, Question::Record] {
            questions.extend(tools.iter().map(pair).map(|(plugin, tool)| kind(plugin, tool)));
        }
        questions.extend(tables.iter().map(pair).map(|(schema, table)| Question::Read(schema, table)));
        questions.extend(self.assumptions());
        let told: Vec<Explanation> =
            people.iter().map(|(_, subject)| self.explain(subject, questions.iter().cloned())).collect();
        let names = people.iter().map(|(who, _)| (*who).to_owned());
        let heads = ["action".to_owned(), "resource".to_owned()].into_iter().chain(names).chain(["by".to_owned()]);
        let mut lines: Vec<Vec<String>> = vec![heads.collect()];
        for (at, question) in questions.iter().enumerate() {
            let verdicts: Vec<&Verdict> = told.iter().map(|told| &told.decisions[at].1).collect();
            let by: BTreeSet<&str> =
                verdicts.iter().flat_map(|it| it.because.iter().chain(&it.failed)).map(String::as_str).collect();
            let asked = [question.action().to_owned(), self.shown(question)].into_iter();
            let by = by.into_iter().collect::<Vec<_>>().join(", ");
            lines.push(asked.chain(verdicts.iter().map(|it| it.word().to_owned())).chain([by]).collect());
        }
        let seen = people
            .iter()
            .zip(&told)
            .map(|((who, _), told)| vec![(*who).to_owned(), "sees".to_owned(), self.scope_shown(told.scope.as_ref())]);
        format!("{}\n{}", columns(&lines), columns(&seen.collect::<Vec<_>>()))
    }

    /// The questions whose answers make the scope: all tenants, and each, by name.
    pub fn assumptions(&self) -> impl Iterator<Item = Question> + '_ {
        let mut tenants: Vec<&Tenant> = self.directory().iter().collect();
        tenants.sort_by(|a, b| a.name.cmp(&b.name));
        [Question::AssumeAll].into_iter().chain(tenants.into_iter().map(|tenant| Question::Assume(tenant.id)))
    }

    /// The resource as people know it: a tenant by its name.
    pub fn shown(&self, question: &Question) -> String {
        let Question::Assume(id) = question else {
            return question.resource();
        };
        let tenant = self.directory().iter().find(|tenant| tenant.id == *id);
        tenant.map_or_else(|| id.to_string(), |tenant| tenant.name.clone())
    }

    /// A scope as people know it.
    pub fn scope_shown(&self, scope: Option<&Scope>) -> String {
        let name = |id: &uuid::Uuid| self.shown(&Question::Assume(*id));
        match scope {
            None => "nobody's rows".to_owned(),
            Some(Scope::All) => "everybody's rows".to_owned(),
            Some(Scope::One(id)) => format!("rows of {}", name(id)),
            Some(Scope::Some(ids)) => {
                let mut names: Vec<String> = ids.iter().map(name).collect();
                names.sort_unstable();
                format!("rows of {}", names.join(", "))
            }
        }
    }

    /// For scripts.
    pub fn to_json(&self, explained: &Explanation) -> Value {
        let decisions: Vec<Value> = explained
            .decisions
            .iter()
            .map(|(asked, said)| {
                json!({
                    "action": asked.action(), "resource": asked.resource(), "name": self.shown(asked),
                    "allowed": said.allowed, "because": said.because, "failed": said.failed,
                })
            })
            .collect();
        let scope = match &explained.scope {
            None => json!([]),
            Some(Scope::All) => json!("all"),
            Some(Scope::One(id)) => json!([id]),
            Some(Scope::Some(ids)) => json!(ids),
        };
        json!({ "decisions": decisions, "scope": scope })
    }
}

/// Lines whose cells stand below each other.
pub(super) fn columns<L: AsRef<[String]>>(lines: &[L]) -> String {
    let most = lines.iter().map(|line| line.as_ref().len()).max().unwrap_or_default();
    let width =
        |at: usize| lines.iter().filter_map(|line| line.as_ref().get(at)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..most).map(|at| width(at).unwrap_or_default()).collect();
    let mut out = String::new();
    for line in lines {
        let cells: Vec<String> =
            line.as_ref().iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    out
}
