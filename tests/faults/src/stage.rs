//! What the faults of a run share: a database with the demo's data, and who asks about it.

use crate::caller::{Line, Question, SEARCH, Said, TOTAL};
use crate::cluster::Cluster;
use crate::host::{self, Host, Plan, USUAL};
use crate::load::Caller;
use crate::place::{Place, scratch};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Customers and orders, as a share of the demo's: 500 and 2,000.
const SCALE: &str = "0.01";

/// Callers at once.
pub(crate) const CALLERS: usize = 8;

/// Who they are: of two stores, and head office, which goes to the database by another role.
const PEOPLE: [&str; CALLERS] =
    ["seattle", "spokane", "head-office", "seattle", "spokane", "head-office", "seattle", "spokane"];

/// How long their tokens are good: longer than any run.
const TOKENS: Duration = Duration::from_secs(12 * 60 * 60);

/// Each of them once, with the store's name where it is of one.
pub(crate) const IDENTITIES: [(&str, Option<&str>); 3] =
    [("seattle", Some("Seattle")), ("spokane", Some("Spokane")), ("head-office", None)];

/// Who asks, and with what proof.
pub(crate) struct Crew {
    /// The host they ask.
    pub(crate) url: String,
    /// The token of each identity.
    pub(crate) tokens: BTreeMap<&'static str, String>,
}

impl Crew {
    /// One of them.
    ///
    /// # Errors
    /// When it has no token.
    pub(crate) fn line(&self, who: &str) -> Result<Line> {
        Line::new(&self.url, self.tokens.get(who).with_context(|| format!("no token for {who}"))?)
    }

    /// All of them.
    ///
    /// # Errors
    /// When one has no token.
    pub(crate) fn callers(&self) -> Result<Vec<Caller>> {
        PEOPLE.into_iter().map(|who| Ok(Caller { who, line: self.line(who)? })).collect()
    }
}

/// The right answers, by identity and question; a search may have one by meaning and one by words.
#[derive(Debug, Default)]
pub(crate) struct Truth(BTreeMap<(&'static str, &'static str, bool), Value>);

impl Truth {
    /// Whether this is the right answer.
    pub(crate) fn holds(&self, who: &'static str, question: &'static str, by_words: bool, answer: &Value) -> bool {
        self.0.get(&(who, question, by_words)) == Some(answer)
    }

    /// Whether a search has an answer by meaning, and one by words.
    pub(crate) fn has_both(&self) -> bool {
        let known =
            |words: bool| self.0.keys().any(|(_, question, by_words)| *question == SEARCH && *by_words == words);
        known(true) && known(false)
    }
}

/// A database with the demo's data, and a directory for what hosts on it keep.
pub(crate) struct Stage {
    /// Its server.
    pub(crate) cluster: Cluster,
    /// Of the hosts.
    own: TempDir,
    rowhouse: PathBuf,
}

impl Stage {
    /// Make one; the database lies below `below`, or in a scratch directory.
    ///
    /// # Errors
    /// What stopped it.
    pub(crate) async fn open(place: &Place, below: Option<&Path>) -> Result<Self> {
        let own = scratch("stage")?;
        let below = below.map_or_else(|| own.path().join("postgres"), Path::to_owned);
        let cluster = Cluster::start(&below, &place.programs).await?;
        let stage = Self { cluster, own, rowhouse: place.rowhouse.clone() };
        let plan = Plan { database: stage.cluster.url(), ..Plan::default() };
        let settings = host::settings(place, stage.dir(), 0, USUAL);
        std::fs::write(stage.dir().join("rowhouse.toml"), settings).context("write the settings")?;
        // Seeding migrates, too.
        let mut seed = host::command(&stage.rowhouse, stage.dir(), &plan);
        let seeded = seed.args(["db", "seed", "--scale", SCALE]).output().await.context("run the host")?;
        if !seeded.status.success() {
            bail!("the demo's data could not be made: {}", String::from_utf8_lossy(&seeded.stderr));
        }
        Ok(stage)
    }

    /// Where hosts keep their state.
    pub(crate) fn dir(&self) -> &Path {
        self.own.path()
    }

    /// A host on this database, by the socket itself, with the usual settings.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) async fn host(&self, place: &Place) -> Result<Host> {
        let plan = Plan { database: self.cluster.url(), settings: USUAL.to_owned(), ..Plan::default() };
        Host::start(place, self.dir(), plan).await
    }

    /// The callers, with tokens of the host's own issuer.
    ///
    /// # Errors
    /// When there is no token to be had.
    pub(crate) async fn crew(&self, host: &Host) -> Result<Crew> {
        let mut tokens = BTreeMap::new();
        for (name, _) in IDENTITIES {
            tokens.insert(name, host.token(name, TOKENS).await?);
        }
        Ok(Crew { url: host.url(), tokens })
    }

    /// Ask each question once, before anything is broken, and keep what is answered: the totals held against what the
    /// administrator sees, the others against being different for different callers.
    ///
    /// # Errors
    /// When something is not answered, or wrongly: nothing could be measured then.
    pub(crate) async fn truth(&self, crew: &Crew, before: Truth) -> Result<Truth> {
        let Truth(mut known) = before;
        for (who, store) in IDENTITIES {
            let line = crew.line(who)?;
            for question in Question::all() {
                let (answer, by_words) = match line.ask(&question).await {
                    Said::Answer(answer, by_words) => (answer, by_words),
                    Said::Failed(code) => bail!("{who} asked for {} before any fault: {code}", question.name),
                };
                if question.name == TOTAL && answer["r"] != self.total(store).await? {
                    bail!("the total {who} is told is not the one in the database: {answer}");
                }
                if known.iter().any(|((other, name, _), it)| *other != who && *name == question.name && *it == answer) {
                    bail!("two callers are told the same {}: a wrong answer could not be told", question.name);
                }
                known.insert((who, question.name, by_words), answer);
            }
        }
        Ok(Truth(known))
    }

    /// The total of a store, or of all, by the administrator's own eyes; as rows of an answer.
    async fn total(&self, store: Option<&str>) -> Result<Value> {
        let statement =
            "SELECT count(*), sum(total_amount)::text FROM retail.orders JOIN retail.stores USING (store_id)
                         WHERE $1::text IS NULL OR store_name = $1";
        let row = self.cluster.admin().await?.query_one(statement, &[&store]).await?;
        Ok(json!([[row.get::<_, i64>(0), row.get::<_, Option<String>>(1)]]))
    }

    /// Stop the database, and remove everything.
    ///
    /// # Errors
    /// When it does not stop.
    pub(crate) async fn close(mut self) -> Result<()> {
        self.cluster.stop().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_right_for_who_asked_and_how_it_was_found() {
        let mut truth = Truth::default();
        truth.0.insert(("seattle", SEARCH, true), json!([1]));
        assert!(truth.holds("seattle", SEARCH, true, &json!([1])));
        assert!(!truth.has_both());
        truth.0.insert(("seattle", SEARCH, false), json!([2]));
        assert!(truth.has_both());
        for (who, by_words, answer) in [
            ("spokane", true, json!([1])),
            ("seattle", false, json!([1])),
            ("seattle", true, json!([2])),
            ("seattle", true, json!([])),
        ] {
            assert!(!truth.holds(who, SEARCH, by_words, &answer), "{who} {by_words} {answer}");
        }
    }
}
