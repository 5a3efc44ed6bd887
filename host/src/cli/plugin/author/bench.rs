//! What a call costs, beside one that does nothing.

mod empty; // The plugin that does nothing.
mod table; // Medians, and how they are shown.

use super::cases::{self, Wanted};
use super::subject::Subject;
use super::workshop::Workshop;
use crate::call;
use crate::cli::progress::Progress;
use crate::config::Settings;
use crate::house::Watcher;
use crate::identity::Principal;
use crate::plugin::{CallFacts, Loaded, Measured, Stop, Tool, Vectors};
use crate::query::Bounds;
use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Map, Value};
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use table::Row;
use uuid::Uuid;

/// Calls before the first that counts: caches fill, and the database plans.
const WARM: usize = 10;

/// What `plugin bench` is told.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The directory of the sources, which are built first; or a component.
    #[arg(default_value = ".", value_name = "DIR|FILE")]
    subject: PathBuf,
    /// Which tool. Unset: the first.
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// With which arguments, as JSON. Unset: those of its first case in `rowhouse.test.toml`, or none.
    #[arg(long, value_name = "JSON")]
    arguments: Option<String>,
    /// Who asks.
    #[arg(long = "as", value_name = "NAME", default_value = "seattle")]
    identity: String,
    /// How often.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    calls: u32,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(settings: &Settings, compiler: PathBuf, args: Args) -> Result<ExitCode> {
    let subject = Subject::find(&args.subject).await?;
    let given = args.arguments.as_deref().map(serde_json::from_str::<Map<String, Value>>).transpose();
    let given = given.context("--arguments is no JSON object")?;
    let bytes = fs::read(&subject.component).with_context(|| format!("read {}", subject.component.display()))?;
    let empty = empty::component()?;
    let components = [(subject.name.as_str(), bytes.as_slice()), (empty::NAME, empty.as_slice())];
    let mut watch = Progress::new(args.json);
    let workshop = Workshop::open(settings, compiler, &components, None, &mut watch).await?;
    let measured = measure(&workshop, &subject, &args, given, &mut watch).await;
    drop(watch);
    workshop.close().await?;
    let (tool, rows) = measured?;
    if args.json {
        println!("{}", table::json(&subject.name, &tool, args.calls, &rows));
    } else {
        table::print(&tool, args.calls, &rows);
    }
    Ok(ExitCode::SUCCESS)
}

/// The tool's name, and each thing measured.
async fn measure(
    workshop: &Workshop,
    subject: &Subject,
    args: &Args,
    given: Option<Map<String, Value>>,
    watch: &mut dyn Watcher,
) -> Result<(String, Vec<Row>)> {
    let plugin = workshop.plugin(&subject.name)?;
    let tool = match &args.tool {
        Some(name) => plugin.tools.iter().find(|tool| tool.name == *name),
        None => plugin.tools.first(),
    };
    let tool = Arc::clone(tool.with_context(|| {
        let names: Vec<&str> = plugin.tools.iter().map(|tool| tool.name.as_str()).collect();
        format!("there is no such tool; there are {}", names.join(", "))
    })?);
    let arguments = match given {
        Some(arguments) => arguments,
        None => example(subject, &tool)?,
    };
    let who = workshop.principal(&args.identity)?;
    let mut run = Run { workshop, who, calls: args.calls as usize, watch };
    let of_plugin = run.series(&plugin, &tool, &arguments).await?;
    let nothing = workshop.plugin(empty::NAME)?;
    let first = nothing.tools.first().context("the empty plugin has one tool")?;
    let of_nothing = run.series(&nothing, first, &Map::new()).await?;
    Ok((tool.name.clone(), table::rows(&of_plugin, &of_nothing)))
}

/// The arguments of the tool's first case that wants an answer.
fn example(subject: &Subject, tool: &Tool) -> Result<Map<String, Value>> {
    let cases = cases::read(&subject.directory)?.unwrap_or_default();
    let good = |case: &&cases::Case| case.tool == tool.name && !matches!(case.wanted, Wanted::Error(_));
    Ok(cases.iter().find(good).map(|case| case.arguments.clone()).unwrap_or_default())
}

/// One series of calls after the other.
struct Run<'a> {
    workshop: &'a Workshop,
    who: Arc<Principal>,
    calls: usize,
    watch: &'a mut dyn Watcher,
}

/// What a series was measured to need, a value for each call.
#[derive(Default)]
struct Series {
    instance: Vec<Duration>,
    guest: Vec<Duration>,
    call: Vec<Duration>,
    memory: Vec<usize>,
    rows: Vec<u64>,
    host_calls: Vec<u64>,
}

impl Run<'_> {
    /// Call one tool again and again: by the whole street, and taken apart.
    async fn series(&mut self, plugin: &Arc<Loaded>, tool: &Tool, arguments: &Map<String, Value>) -> Result<Series> {
        let mut series = Series::default();
        let all = self.calls + WARM;
        for done in 0..all {
            let began = Instant::now();
            let came = self.workshop.call(&self.who, &tool.name, arguments.clone()).await;
            let took = began.elapsed();
            if let Err(error) = came {
                bail!("`{}` gave no answer, {}: {error}; name others with --arguments", tool.name, error.code);
            }
            let (apart, rows) = self.apart(plugin, tool, arguments).await?;
            if done >= WARM {
                series.call.push(took);
                series.instance.push(apart.instance);
                series.guest.push(apart.guest);
                series.memory.push(apart.memory);
                series.host_calls.push(apart.host_calls);
                series.rows.push(rows);
            }
            self.watch.count("calling", &tool.name, done as u64 + 1, all as u64);
        }
        Ok(series)
    }

    /// One call taken apart, and the rows its statements gave.
    async fn apart(
        &self,
        plugin: &Arc<Loaded>,
        tool: &Tool,
        arguments: &Map<String, Value>,
    ) -> Result<(Measured, u64)> {
        let host = &self.workshop.house.host;
        let permit = host.policy.current().permit(&self.who, &plugin.name, &tool.name, None);
        let permit =
            permit.map_err(|denied| anyhow!("{} may not call `{}`: {denied}", self.who.subject(), tool.name))?;
        let limits = plugin.limits_for(&permit);
        let (stop, time) = (Arc::new(Stop::default()), Duration::from_millis(limits.wall_ms));
        let database = Duration::from_millis(limits.database_ms);
        let bounds = Bounds { rows: limits.rows, bytes: limits.row_bytes, time, database };
        let transaction = Arc::new(host.database.open(&permit, bounds, stop.token().clone())?);
        let vectors = Vectors::new(&host.embeddings, &permit, None);
        let facts = CallFacts {
            request: Uuid::new_v4().to_string(),
            permit,
            transaction: Arc::clone(&transaction),
            catalog: host.catalog.load_full(),
            vectors,
            listener: None,
            deadline: Instant::now() + time,
            limits,
            now: call::now(),
            told: None,
        };
        let text = Value::Object(arguments.clone()).to_string();
        let measured = plugin.measure(&tool.name, &text, facts, stop).await?;
        Ok((measured, transaction.ran().iter().map(|ran| ran.rows).sum()))
    }
}
