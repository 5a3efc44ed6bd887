//! The run: honest questions first, then every attack, and after each a look at what it left.

mod attack;

use crate::Cli;
use crate::adapter::Adapter;
use crate::admin::{Admin, State, difference};
use crate::canary::Canaries;
use crate::case::{Case, Corpus, Goal};
use crate::judge::{End, Proof};
use crate::server::Server;
use crate::target::{Attacker, Target};
use crate::truth::Truth;
use crate::walls::Wall;
use crate::words::Words;
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::time::Duration;

/// What the attacker, and whoever sees everything, is asked after each attack: the same as before, or state was left.
const PROBE: &str =
    "SELECT store_id, count(*), sum(total_amount) FROM retail.orders GROUP BY store_id ORDER BY store_id";

/// A connection that an attack broke is replaced; the next call may meet that moment.
const TRIES: u32 = 6;
const BETWEEN_TRIES: Duration = Duration::from_millis(500);

/// What came of one case.
#[derive(Debug)]
pub(crate) struct Fate {
    /// The case.
    pub(crate) case: Case,
    /// How it ended.
    pub(crate) end: End,
    /// The server's code, where it gave one.
    pub(crate) code: String,
    /// The server's words, where it refused.
    pub(crate) error: String,
    /// How long it took.
    pub(crate) took: Duration,
    /// What shows that it succeeded.
    pub(crate) proofs: Vec<Proof>,
    /// Oracles that could not look.
    pub(crate) unchecked: BTreeSet<&'static str>,
}

/// What came of all of them.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The endpoint.
    pub(crate) url: String,
    /// Who attacked.
    pub(crate) attacker: String,
    /// The wall that was down.
    pub(crate) without: Option<Wall>,
    /// Attacks.
    pub(crate) attacks: Vec<Fate>,
    /// Honest questions.
    pub(crate) benign: Vec<Fate>,
    /// Changes of the database seen after a category, not after one attack.
    pub(crate) changes: Vec<(String, Proof)>,
    /// Oracles that could never look, and why.
    pub(crate) blind: BTreeMap<&'static str, &'static str>,
    /// Values held against every answer.
    pub(crate) canaries: usize,
    /// Why the run ended before the corpus did.
    pub(crate) stopped: Option<String>,
}

/// Everything a run holds.
struct Suite {
    adapter: Adapter,
    attacker: Server,
    oracle: Option<Server>,
    admin: Option<Admin>,
    words: Words,
    canaries: Canaries,
    tools: Vec<String>,
    /// What the attacker and whoever sees everything are answered when nothing is wrong.
    usual: [Option<Vec<Vec<String>>>; 2],
    /// Statements that did not stop and whose backends a server has yet to end.
    stragglers: u32,
}

/// Run the corpus against a server, as one attacker.
///
/// # Errors
/// When the server, the database or a token does not work: then nothing was proved.
pub(crate) async fn run(
    cli: &Cli,
    corpus: &Corpus,
    target: &Target,
    attacker: &Attacker,
    without: Option<Wall>,
) -> Result<Outcome> {
    let bar = bar((corpus.attacks.len() + corpus.benign.len()) as u64);
    bar.set_message("preparing");
    let mut suite = Suite::open(cli, target, attacker).await?;
    let mut outcome = Outcome {
        url: target.url.clone(),
        attacker: attacker.name.clone(),
        without,
        attacks: Vec::new(),
        benign: Vec::new(),
        changes: Vec::new(),
        blind: suite.blind(),
        canaries: suite.canaries.len(),
        stopped: None,
    };
    for case in &corpus.benign {
        tick(&bar, case);
        outcome.benign.push(suite.ask(case).await);
    }
    if let Err(error) = suite.attacks(corpus, &bar, &mut outcome).await {
        // What was proved until then stays proved.
        outcome.stopped = Some(format!("{error:#}"));
    }
    bar.finish_and_clear();
    Ok(outcome)
}

fn bar(total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    let style = ProgressStyle::with_template("  [{bar:30}] {pos} / {len}  {msg}  {eta}");
    bar.set_style(style.expect("the template is a constant").progress_chars("=> "));
    bar
}

/// One step on; on a pipe a line for each hundred.
fn tick(bar: &ProgressBar, case: &Case) {
    bar.set_message(case.category.clone());
    bar.inc(1);
    if !std::io::stderr().is_terminal() && bar.position().is_multiple_of(100) {
        eprintln!("  {} / {}  {}", bar.position(), bar.length().unwrap_or(0), case.category);
    }
}

impl Suite {
    async fn open(cli: &Cli, target: &Target, attacker: &Attacker) -> Result<Self> {
        let adapter = Adapter::read(cli.adapter.as_deref())?;
        let url = target.url.as_str();
        let admin = match &target.admin_url {
            Some(admin) => Some(Admin::connect(admin, target.processes.clone()).await?),
            None => None,
        };
        let wants_oracle = target.oracle.is_some() || !adapter.oracle_headers.is_empty();
        let oracle = match wants_oracle {
            true => Some(Server::new(url, &adapter, target.oracle.clone(), adapter.oracle_headers.clone())?),
            false => None,
        };
        let truth = match (&admin, &oracle) {
            (Some(admin), _) => Truth::Admin(admin.client()),
            (None, Some(oracle)) => Truth::Caller(oracle),
            (None, None) => bail!("give --token-oracle or --admin-url: somebody must know what belongs to others"),
        };
        let mut words = Words::default();
        words.forge(attacker.token.as_deref().unwrap_or(""));
        let mine = own_stores(target, attacker, &adapter).await?;
        words.set("own", mine.first().context("the attacker sees no store")?);
        words.set("stores", mine.len().to_string());
        words.set("mine", mine.iter().map(|store| format!("'{store}'")).collect::<Vec<_>>().join(", "));
        words.set("setting", adapter.setting.clone());
        let headers = adapter.headers.iter().map(|(name, value)| (name.clone(), words.fill(value))).collect();
        let shape = if mine.len() == 1 { "one" } else { "some" };
        let attacker = Server::new(url, &adapter, attacker.token.clone(), headers)?;
        name_others(&truth, &mut words).await?;
        // Of the shape the attacker's own context has: the verifiers refuse every other before they look who signed.
        words.set("scope", format!("{shape}:{}", words.get("other")));
        let forged = words.fill(&adapter.forged);
        words.set("forged", forged);
        let canaries = Canaries::collect(&truth, &words).await?;
        let tools = attacker.tools().await?;
        if let Some(oracle) = &oracle {
            // A server without sessions gives none; the cases that need one are then not sent.
            words.set("oracle_session", oracle.open_session().await.unwrap_or_default());
        }
        let usual = [attacker.sql(PROBE).await.rows, None];
        let mut suite = Self { adapter, attacker, oracle, admin, words, canaries, tools, usual, stragglers: 0 };
        if let Some(oracle) = &suite.oracle {
            suite.usual[1] = oracle.sql(PROBE).await.rows;
        }
        Ok(suite)
    }

    /// Oracles that cannot look in this run.
    fn blind(&self) -> BTreeMap<&'static str, &'static str> {
        let mut blind = BTreeMap::new();
        if self.admin.is_none() {
            for goal in [Goal::Fingerprint, Goal::Victim, Goal::Wal, Goal::Memory] {
                blind.insert(goal.name(), "needs --admin-url");
            }
            blind.insert("state (locks, roles, objects)", "needs --admin-url");
        } else if self.admin.as_ref().is_some_and(|admin| !admin.sees_memory()) {
            blind.insert(Goal::Memory.name(), "the database runs on another machine");
        }
        if self.usual[0].is_none() {
            blind.insert(
                "state (the attacker's own rows)",
                "its rows cannot be read from the answer; see `rows` of the adapter",
            );
        }
        if self.usual[1].is_none() {
            blind.insert("state (everybody's rows)", "needs --token-oracle");
        }
        blind
    }

    /// An honest question, which must be answered.
    async fn ask(&self, case: &Case) -> Fate {
        if !self.offered(case) {
            return attack::not_sent(case);
        }
        let reply = self.attacker.call(&self.call(case, &self.words)).await;
        let end = crate::judge::end(&reply);
        let (code, error, took) = (reply.code, reply.error, reply.took);
        Fate { case: case.clone(), end, code, error, took, proofs: Vec::new(), unchecked: BTreeSet::new() }
    }

    async fn attacks(&mut self, corpus: &Corpus, bar: &ProgressBar, outcome: &mut Outcome) -> Result<()> {
        let mut print = self.fingerprint().await?;
        let mut category = String::new();
        for case in &corpus.attacks {
            if case.category != category {
                self.settle(&category, &mut print, outcome).await?;
                category.clone_from(&case.category);
            }
            tick(bar, case);
            outcome.attacks.push(self.attack(case).await?);
        }
        self.settle(&category, &mut print, outcome).await
    }

    async fn fingerprint(&self) -> Result<Option<State>> {
        match &self.admin {
            Some(admin) => Ok(Some(admin.fingerprint().await?)),
            None => Ok(None),
        }
    }

    /// After a category: is every row what it was? And before the next: whose session could be ended?
    async fn settle(&mut self, category: &str, print: &mut Option<State>, outcome: &mut Outcome) -> Result<()> {
        let now = self.fingerprint().await?;
        if let (Some(before), Some(after)) = (print.as_ref(), now.as_ref())
            && let Some(what) = difference(before, after)
        {
            outcome.changes.push((category.to_owned(), Proof::new(Goal::Fingerprint, what)));
        }
        *print = now;
        if let Some(admin) = &self.admin {
            let sql = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND usename <> current_user \
                       ORDER BY backend_start LIMIT 1";
            let pid = crate::truth::rows(admin.client(), sql).await?.concat().into_iter().next();
            self.words.set("pid", pid.unwrap_or_else(|| "1".to_owned()));
        } else {
            self.words.set("pid", "1");
        }
        Ok(())
    }
}

/// The attacker's tenants: what the adapter says, or the stores it sees.
async fn own_stores(target: &Target, attacker: &Attacker, adapter: &Adapter) -> Result<Vec<String>> {
    if let Some(own) = &adapter.own {
        return Ok(own.split(',').map(|store| store.trim().to_owned()).collect());
    }
    let server = Server::new(&target.url, adapter, attacker.token.clone(), BTreeMap::new())?;
    let reply = server.sql("SELECT store_id FROM retail.stores ORDER BY store_id").await;
    let Some(rows) = reply.rows else {
        bail!("the attacker gets no rows of retail.stores: {}", reply.said.chars().take(300).collect::<String>())
    };
    let stores: Vec<String> = rows.into_iter().filter_map(|row| row.into_iter().next()).collect();
    if stores.len() != attacker.stores {
        let (sees, has) = (stores.len(), attacker.stores);
        bail!("the attacker sees {sees} stores without trying, and has {has}: name its own as `own` in the adapter");
    }
    Ok(stores)
}

/// A store that is not the attacker's, and a few of its keys.
async fn name_others(truth: &Truth<'_>, words: &mut Words) -> Result<()> {
    let name = truth.cell(&words.fill("SELECT store_name FROM retail.stores WHERE store_id = '{own}'")).await?;
    words.set("own_name", name);
    let other =
        "SELECT store_id::text FROM retail.orders WHERE store_id NOT IN ({mine}) GROUP BY 1 ORDER BY count(*) DESC, 1";
    let other = truth.cell(&words.fill(other)).await?;
    words.set("other", other);
    for (name, sql) in [
        ("other_name", "SELECT store_name FROM retail.stores WHERE store_id = '{other}'"),
        (
            "other_customer",
            "SELECT customer_id::text FROM retail.orders WHERE store_id = '{other}' GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1",
        ),
        ("other_order", "SELECT order_id::text FROM retail.orders WHERE store_id = '{other}' ORDER BY 1 LIMIT 1"),
        ("other_email", "SELECT email FROM retail.customers WHERE store_id = '{other}' ORDER BY 1 LIMIT 1"),
    ] {
        let value = truth.cell(&words.fill(sql)).await?;
        words.set(name, value);
    }
    Ok(())
}
