//! The corpus: attacks and honest questions, one JSON object a line.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The category that must all be answered.
pub(crate) const BENIGN: &str = "benign";

/// One attack, or one honest question.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// Its name, unique in the corpus.
    pub(crate) id: String,
    /// What kind of attack it is; a line of the report.
    pub(crate) category: String,
    /// The statement, for the tool that takes SQL.
    pub(crate) sql: Option<String>,
    /// Another tool, instead.
    pub(crate) tool: Option<String>,
    /// Its arguments.
    #[serde(default)]
    pub(crate) arguments: Value,
    /// Statements sent after it, one by one; what they show counts too.
    #[serde(default)]
    pub(crate) then: Vec<String>,
    /// What is unusual about the request that carries it.
    pub(crate) http: Option<Http>,
    /// What a success would look like.
    #[serde(default)]
    pub(crate) success: BTreeSet<Goal>,
    /// For [`Goal::Shows`]: texts that prove it.
    #[serde(default)]
    pub(crate) shows: Vec<String>,
    /// For [`Goal::Truth`]: the statement that gives the right answer to whoever sees everything.
    pub(crate) truth: Option<String>,
    /// For [`Goal::Differs`] and [`Goal::Slower`]: the word `{probe}` stands for. Unset: a customer of another store.
    pub(crate) probe: Option<String>,
}

/// What is unusual about a request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Http {
    /// Instead of POST.
    pub(crate) method: Option<String>,
    /// Instead of the endpoint's path.
    pub(crate) path: Option<String>,
    /// Added, also where there is one of that name.
    pub(crate) headers: Vec<(String, String)>,
    /// Left out.
    pub(crate) without: Vec<String>,
    /// Merged into the request's `params`.
    pub(crate) params: Value,
    /// Sent instead of the body.
    pub(crate) body: Option<String>,
}

/// What a success would look like. The first nine are looked for after every attack; the others only where an attack
/// names them, because only there they prove anything.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Goal {
    /// A value that belongs to another store is in the answer.
    Canary,
    /// The attacker, or who sees everything, is answered otherwise than before.
    State,
    /// The database is not what it was.
    Fingerprint,
    /// Another session was ended, notified or locked out.
    Victim,
    /// Write-ahead log or transaction ids were used up.
    Wal,
    /// The call took longer than a call may.
    Time,
    /// A backend, or the server, took more memory than it may.
    Memory,
    /// The answer was longer than an answer may be.
    Bytes,
    /// An error told of the server's inside, or of a row's value.
    ErrorText,
    /// There was an answer with rows at all.
    Answered,
    /// The statement asks only for other stores' rows, and there was one, or a count above none.
    Foreign,
    /// The answer is not the one the attacker's own rows give.
    Truth,
    /// A text of `shows` is in the answer.
    Shows,
    /// The answer for a key another store has (`{probe}`) is not the answer for a key nobody has.
    Differs,
    /// The answer for a key another store has (`{probe}`) takes longer than for a key nobody has.
    Slower,
}

impl Goal {
    /// As the corpus writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Goal::Canary => "canary",
            Goal::State => "state",
            Goal::Fingerprint => "fingerprint",
            Goal::Victim => "victim",
            Goal::Wal => "wal",
            Goal::Time => "time",
            Goal::Memory => "memory",
            Goal::Bytes => "bytes",
            Goal::ErrorText => "error-text",
            Goal::Answered => "answered",
            Goal::Foreign => "foreign",
            Goal::Truth => "truth",
            Goal::Shows => "shows",
            Goal::Differs => "differs",
            Goal::Slower => "slower",
        }
    }
}

/// Attacks by category, and the honest questions.
#[derive(Debug)]
pub(crate) struct Corpus {
    /// In the order of the files.
    pub(crate) attacks: Vec<Case>,
    /// None of these may be refused.
    pub(crate) benign: Vec<Case>,
}

impl Corpus {
    /// Read every `.jsonl` file of a directory, and keep what was asked for.
    ///
    /// # Errors
    /// When a file cannot be read, a line is not a case, a name is there twice, or nothing is left.
    pub(crate) fn read(directory: &Path, only: &[String]) -> Result<Self> {
        let mut files: Vec<_> = std::fs::read_dir(directory)
            .with_context(|| format!("read the corpus {}", directory.display()))?
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|end| end == "jsonl"))
            .collect();
        files.sort();
        let mut all: Vec<Case> = Vec::new();
        for file in &files {
            let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
            for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
                let case = parse(line).with_context(|| format!("{}:{}", file.display(), number + 1))?;
                all.push(case);
            }
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = all.iter().find(|case| !seen.insert(case.id.clone())) {
            bail!("two cases are called {:?}: rename one", twice.id);
        }
        let known: BTreeMap<&str, ()> = all.iter().map(|case| (case.category.as_str(), ())).collect();
        if let Some(unknown) = only.iter().find(|name| !known.contains_key(name.as_str())) {
            let known: Vec<_> = known.into_keys().collect();
            bail!("no category {unknown:?}; there are {}", known.join(", "));
        }
        all.retain(|case| only.is_empty() || only.contains(&case.category));
        let (benign, attacks) = all.into_iter().partition(|case| case.category == BENIGN);
        Ok(Self { attacks, benign })
    }
}

fn parse(line: &str) -> Result<Case> {
    let case: Case = serde_json::from_str(line).context("not a case; see the README")?;
    if case.sql.is_some() == case.tool.is_some() && case.http.is_none() {
        bail!("{}: give `sql` or `tool`, not both", case.id);
    }
    let needs = |goal: Goal, there: bool| case.success.contains(&goal) == there;
    if !needs(Goal::Shows, !case.shows.is_empty()) || !needs(Goal::Truth, case.truth.is_some()) {
        bail!("{}: `shows` goes with a list of texts, `truth` with a statement", case.id);
    }
    let probes = case.success.contains(&Goal::Differs) || case.success.contains(&Goal::Slower);
    if probes && !case.sql.as_deref().is_some_and(|sql| sql.contains("{probe}")) {
        bail!("{}: `differs` and `slower` compare two keys: write {{probe}} where the key goes", case.id);
    }
    if case.success.is_empty() && case.category != BENIGN {
        bail!("{}: say in `success` what it would look like", case.id);
    }
    Ok(case)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The corpus promises at least this much.
    #[test]
    fn the_corpus_is_whole() {
        let corpus = Corpus::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus")), &[]).unwrap();
        let categories: BTreeSet<_> = corpus.attacks.iter().map(|case| &case.category).collect();
        assert!(corpus.attacks.len() >= 400, "{} attacks", corpus.attacks.len());
        assert!(categories.len() >= 20, "{categories:?}");
        assert!(corpus.benign.len() >= 150, "{} questions", corpus.benign.len());
        let same: BTreeSet<_> =
            corpus.attacks.iter().map(|c| format!("{:?}{:?}{:?}{:?}", c.sql, c.tool, c.arguments, c.http)).collect();
        assert_eq!(same.len(), corpus.attacks.len(), "an attack is there twice");
    }

    #[test]
    fn what_is_no_case_is_refused() {
        for (line, why) in [
            ("{}", "missing field"),
            (r#"{"id":"a","category":"b","success":["canary"]}"#, "`sql` or `tool`"),
            (r#"{"id":"a","category":"b","sql":"x","tool":"y","success":["canary"]}"#, "not both"),
            (r#"{"id":"a","category":"b","sql":"x"}"#, "`success`"),
            (r#"{"id":"a","category":"b","sql":"x","success":["canray"]}"#, "unknown variant"),
            (r#"{"id":"a","category":"b","sql":"x","success":["shows"]}"#, "list of texts"),
            (r#"{"id":"a","category":"b","sql":"x","success":["differs"]}"#, "{probe}"),
        ] {
            let said = format!("{:#}", parse(line).expect_err(line));
            assert!(said.contains(why), "{line}: {said}");
        }
    }
}
