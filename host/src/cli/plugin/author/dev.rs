//! Build, serve and swap, as often as something is saved.

mod watch; // What was saved.

use super::build::Project;
use super::cases::{self, Case};
use super::workshop::Workshop;
use crate::cli::progress::Progress;
use crate::cli::signals::on_signal;
use crate::config::Settings;
use crate::identity::Principal;
use crate::mcp;
use crate::plugin::{Answer, Loaded};
use anyhow::{Context, Result};
use serde_json::{Map, json};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use watch::Saves;

/// What `plugin dev` is told.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The directory of the sources.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Whose token is printed, and who asks each tool after a swap.
    #[arg(long = "as", value_name = "NAME", default_value = "seattle")]
    identity: String,
    /// Address of the endpoint.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

pub(super) async fn run(settings: &Settings, compiler: PathBuf, args: Args) -> Result<ExitCode> {
    let project = Project::find(&args.dir)?;
    let address = args.listen.unwrap_or(settings.http.listen);
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("listen on {address}: another host is there; choose another address with --listen, such as 127.0.0.1:0")
    })?;
    let address = listener.local_addr()?;
    let stop = CancellationToken::new();
    on_signal(stop.clone());
    let mut watch = Progress::new(false);
    let workshop = Workshop::open(settings, compiler, &[], Some(address), &mut watch).await?;
    drop(watch);
    let bench = Bench { project, workshop, scratch: tempfile::tempdir()?, who: args.identity };
    let host = Arc::clone(&bench.workshop.house.host);
    let serve = mcp::http::run(listener, host, bench.workshop.settings.http.clone(), stop.clone());
    let ended = tokio::select! {
        served = serve => served.context("serve"),
        worked = bench.work(address, &stop) => worked,
        gone = bench.workshop.house.ground().ended() => Err(gone),
    };
    bench.workshop.close().await?;
    ended?;
    Ok(ExitCode::SUCCESS)
}

/// Sources, and the host they are served by.
struct Bench {
    project: Project,
    workshop: Workshop,
    /// Components are built here: one that is refused leaves the plugin's own directory as it was.
    scratch: TempDir,
    who: String,
}

impl Bench {
    /// Until told to stop.
    async fn work(&self, address: SocketAddr, stop: &CancellationToken) -> Result<()> {
        // Before the first build: what is saved while it runs is built next.
        let mut saves = Saves::watch(&self.project)?;
        let who = self.workshop.principal(&self.who)?;
        self.introduce(address)?;
        loop {
            // A build under way ends with the host; what it was about to say is of no use to anybody.
            let built = stop.run_until_cancelled(self.build(&who)).await;
            match built {
                None => return Ok(()),
                Some(Ok(())) => {}
                Some(Err(error)) => println!("FAILED   {error:#}\n         {}", self.serving()),
            }
            println!("watching {}", self.project.directory.display());
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                saved = saves.next() => println!("\nsaved    {}", saved?.display()),
            }
        }
    }

    /// Build, swap, and ask each tool once.
    async fn build(&self, who: &Arc<Principal>) -> Result<()> {
        let began = Instant::now();
        let beside = self.project.component();
        let fresh = self.project.is_fresh();
        let output =
            if fresh { beside.clone() } else { self.scratch.path().join(format!("{}.wasm", self.project.name)) };
        if !fresh {
            self.project.build(&output).await?;
        }
        let (bytes, built) = (fs::read(&output)?, began.elapsed());
        let began = Instant::now();
        let plugin = self.workshop.swap(&self.project.name, &bytes).await?;
        if !fresh {
            keep(&output, &beside).context("put the component beside its sources")?;
        }
        println!(
            "swapped  {} {}: built in {:.1} s, proved in {:.1} s, {:.2} MB",
            plugin.name,
            plugin.version,
            built.as_secs_f32(),
            began.elapsed().as_secs_f32(),
            bytes.len() as f64 / 1e6
        );
        self.ask(&plugin, who).await
    }

    /// Each tool's answer, and how long it took. The question is the first case of the tool, or none in particular.
    async fn ask(&self, plugin: &Loaded, who: &Arc<Principal>) -> Result<()> {
        let known = cases::read(&self.project.directory)?.unwrap_or_default();
        for tool in &plugin.tools {
            let case = known.iter().find(|case| case.tool == tool.name && !case.fails());
            let (who, arguments) = match case {
                Some(case) => (self.workshop.principal(&case.who)?, case.arguments.clone()),
                None => (Arc::clone(who), Map::new()),
            };
            let began = Instant::now();
            let came = self.workshop.call(&who, &tool.name, arguments).await;
            let took = began.elapsed();
            let said = came.map_or_else(|error| format!("{}: {error}", error.code), |answer| size(&answer));
            println!("  {:<32} {:>8}  {said}", tool.name, milliseconds(took));
        }
        Ok(())
    }

    /// What callers get while the sources do not build.
    fn serving(&self) -> String {
        let published = self.workshop.house.host.plugins.published();
        match published.plugins.get(self.project.name.as_str()) {
            Some(last) => format!("the last good one ({} {}) serves on", last.name, last.version),
            None => "nothing is served yet".to_owned(),
        }
    }

    /// Endpoint, token, and what a client takes.
    fn introduce(&self, address: SocketAddr) -> Result<()> {
        let settings = &self.workshop.settings;
        let url = format!("http://{address}{}", settings.http.path);
        let lifetime = Duration::from_secs(settings.identity.token_seconds);
        let token = self.workshop.house.host.identity().issue(&self.who, lifetime)?;
        let header = json!({ "Authorization": format!("Bearer {token}") });
        let client =
            json!({ "mcpServers": { self.project.name.as_str(): { "type": "http", "url": url, "headers": header } } });
        println!(
            "\
serving  {url}
token    {token}
         ({who}; Ctrl-C ends it)

  npx @modelcontextprotocol/inspector --cli {url} --method tools/list \\
    --header \"Authorization: Bearer {token}\"

  claude mcp add --transport http {name} {url} --header \"Authorization: Bearer {token}\"

  {client}
",
            who = self.who,
            name = self.project.name,
        );
        Ok(())
    }
}

/// Copy a component with its time, which says what it was made of.
fn keep(from: &Path, to: &Path) -> std::io::Result<()> {
    let part = to.with_extension("part");
    fs::copy(from, &part)?;
    fs::File::options().write(true).open(&part)?.set_modified(fs::metadata(from)?.modified()?)?;
    fs::rename(part, to)
}

impl Case {
    /// Whether it wants an error: no example of what a tool does.
    fn fails(&self) -> bool {
        matches!(self.wanted, cases::Wanted::Error(_))
    }
}

/// How much came, without what.
fn size(answer: &Answer) -> String {
    let shown = cases::shown(answer);
    match shown.get("n").and_then(serde_json::Value::as_u64).filter(|_| cases::is_rows(&shown)) {
        Some(rows) => format!("{rows} rows"),
        None => format!("{} bytes", shown.to_string().len()),
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}
