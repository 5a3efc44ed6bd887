//! From a command to its work.

use super::embed::{self, EmbedCommand};
use super::progress::Progress;
use super::reload::Reload;
use super::serve::serve;
use super::signals::on_signal;
use super::{
    Cli, Command, Common, DbCommand, api_key, audit, backup, banner, config, doctor, health, keys, log, manager,
    policy, slow, token, top, usage,
};
use crate::config::{Profile, Secret, Settings, Sources};
use crate::house::{self, Ground, House, Watcher};
use crate::keys::Keys;
use crate::query::gate::STACK_BYTES;
use crate::telemetry::trace;
use crate::{distribution, mcp, plugin};
use anyhow::{Context, Result, bail};
use rowhouse_migrations as shape;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

impl Watcher for Progress {
    fn step(&mut self, name: &str, detail: &str) {
        tracing::info!(component = name, "ready: {detail}");
        manager::starting(name);
        Progress::step(self, name, detail);
    }
    fn count(&mut self, name: &str, what: &str, done: u64, total: u64) {
        Progress::count(self, name, what, done, total);
    }
}

/// Do what the command line says.
///
/// # Errors
/// What stopped it; the chain is for the person at the terminal.
pub fn run(cli: Cli) -> Result<ExitCode> {
    // Before there is a runtime: the compiler process bounds its memory, threads' stacks included.
    if let Command::Compile { cpu_seconds, memory, fuel } = cli.command {
        plugin::work(cpu_seconds, memory, fuel).map_err(|e| anyhow::anyhow!(e))?;
        return Ok(ExitCode::SUCCESS);
    }
    // So does the fetching process.
    if let Command::Fetch = cli.command {
        distribution::work().map_err(|e| anyhow::anyhow!(e))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().thread_stack_size(STACK_BYTES).build().context("start the runtime")?;
    runtime.block_on(obey(cli))
}

async fn obey(cli: Cli) -> Result<ExitCode> {
    let read = settings(&cli.common);
    let serves = matches!(cli.command, Command::Demo { .. } | Command::Serve { .. } | Command::Stdio { .. });
    // What is wrong with the settings is told below.
    let tracing = match read.as_ref().ok().filter(|_| serves) {
        Some(settings) => trace::start(&settings.telemetry.otlp).context("[telemetry]")?,
        None => None,
    };
    let more = if let Command::Plugin(command) = &cli.command { command.log() } else { None };
    log::start(&cli.common, more, tracing.as_ref())?;
    let done = work(cli, read).await;
    if let Some(tracing) = tracing {
        tracing.close().await;
    }
    done
}

async fn work(cli: Cli, read: Result<Settings>) -> Result<ExitCode> {
    let mut settings = match read {
        Err(error) if matches!(cli.command, Command::Policy(_)) => return Ok(policy::could_not_look(&error)),
        // What is wrong is what it is asked for.
        Err(_) if matches!(cli.command, Command::Config(_)) => Settings::default(),
        read => read?,
    };
    log::follow(&cli.common, settings.log.as_deref())?;
    match cli.command {
        Command::Demo { scale, listen, no_serve } => demo(settings, scale, listen, no_serve).await,
        Command::Serve { listen } => {
            // Before anything of them changes, and while a signal would still end us.
            let mut reload = Reload::listen(&cli.common, &settings)?;
            settings.http.listen = listen.unwrap_or(settings.http.listen);
            refuse_unfit(&settings)?;
            house::refuse_own_issuer(&settings)?;
            let shutdown = CancellationToken::new();
            on_signal(shutdown.clone());
            let listener = bind(&mut settings).await?;
            let mut watch = Progress::new(false);
            let Some(house) = unless(&shutdown, open(&settings, false, None, &mut watch)).await? else {
                return Ok(ExitCode::SUCCESS);
            };
            drop(watch);
            eprintln!("  {:<11} http://{}{}", "serving", listener.local_addr()?, settings.http.path);
            serve(house, &settings, listener, shutdown, Some(&mut reload)).await
        }
        Command::Stdio { identity } => stdio(settings, &identity).await,
        Command::Token { command: None, print } => token::print(&settings, print),
        Command::Token { command: Some(command), .. } => {
            on_ground(&settings, async |ground| token::run(command, &settings, ground).await).await
        }
        Command::ApiKey(command) => {
            on_ground(&settings, async |ground| {
                let admin = ground.admin().await?;
                let directory = house::tenants(shape::tenants(&admin).await?);
                api_key::run(command, &settings, ground, &admin, &directory).await
            })
            .await
        }
        Command::Policy(command) => Ok(policy::run(command, &settings).await),
        Command::Audit(command) => {
            on_ground(&settings, async |ground| {
                let keys = Keys::with(&settings.state_dir(), &settings.keys)?;
                let spool = settings.audit.directory(&settings.state_dir());
                audit::run(command, &ground.admin().await?, &keys.audit, &spool).await
            })
            .await
        }
        Command::Plugin(command) => super::plugin::run(&settings, compiler()?, command).await,
        // Needs no database, and is run where there is none yet.
        Command::Embed(EmbedCommand::Fetch { from }) => embed::fetch(&settings, from).await,
        Command::Embed(command) => {
            on_ground(&settings, async |ground| embed::run(command, &settings, ground).await).await
        }
        Command::Db(DbCommand::Kept(command)) => backup::run(command, &settings).await,
        // Asks the host that runs, not its database.
        Command::Db(DbCommand::Slow { plan: None, json }) => slow::run(&settings, json).await,
        Command::Db(DbCommand::Slow { plan: Some(fingerprint), json }) => {
            let statement = slow::statement(&settings, &fingerprint).await?;
            on_ground(&settings, async |ground| {
                slow::plan(&ground.admin().await?, &settings.database.schemas, &statement, json).await
            })
            .await
        }
        Command::Db(command) => db(&settings, command).await,
        Command::Top(how) => top::run(&settings, how).await,
        Command::Config(command) => {
            let read = self::settings(&cli.common).ok();
            config::run(command, &sources(&cli.common), read.as_ref())
        }
        Command::Health { whole, json, command } => health::run(&settings, command, whole, json).await,
        Command::Usage(command) => {
            on_ground(&settings, async |ground| usage::run(command, &settings, ground).await).await
        }
        Command::Keys(command) => keys::run(&settings, command).await,
        Command::Doctor { json, strict } => doctor::run(&settings, compiler()?, json, strict).await,
        Command::Compile { .. } | Command::Fetch => Ok(ExitCode::SUCCESS),
    }
}

/// The settings, with what the command line says on top.
pub(super) fn settings(common: &Common) -> Result<Settings> {
    let sources = sources(common);
    let mut settings = match sources.settings() {
        Ok(settings) => settings,
        // All of it at once: whoever mends one finds the next otherwise.
        Err(_) => bail!("the settings cannot be used:\n  {}", config::lines(&sources.problems(), &[]).join("\n  ")),
    };
    if let Some(state) = &common.state {
        settings.state = Some(state.clone());
    }
    match common.database.as_deref() {
        None => settings.database.url = settings.database.url.take().or_else(Secret::of_postgres_variables),
        Some("embedded") => settings.database.url = None,
        Some(url) => {
            // From the environment it may have one; what was typed is there for all to read.
            let typed = std::env::args_os().any(|word| word.to_string_lossy().contains(url));
            if typed && holds_password(url) {
                bail!(
                    "--database has a password in it, and every account of this machine can read a command line: set \
                     DATABASE_URL instead, or write database.url = {{ file = \"/path\" }} into rowhouse.toml; and \
                     change that password"
                );
            }
            settings.database.url = Some(Secret::from(url.to_owned()));
        }
    }
    if let Some(archive) = &common.postgres_archive {
        settings.database.postgres_archive = Some(archive.clone());
    }
    if let Some(plugins) = &common.plugins {
        settings.plugins.directory.clone_from(plugins);
    }
    let faults = settings.faults();
    if !faults.is_empty() {
        bail!("the settings cannot work:\n  {}", faults.join("\n  "));
    }
    log::check(settings.log.as_deref())?;
    Ok(settings)
}

fn sources(common: &Common) -> Sources {
    Sources { file: common.config.clone(), set: common.set.clone() }
}

/// Stop at what production asks for and these settings have not.
pub(super) fn refuse_unfit(settings: &Settings) -> Result<()> {
    let gaps = match settings.profile {
        Profile::Production => settings.gaps(),
        Profile::Development => Vec::new(),
    };
    if !gaps.is_empty() {
        bail!("not fit for production (profile = \"production\"):\n  {}", config::lines(&[], &gaps).join("\n  "));
    }
    Ok(())
}

/// Whether a database URL carries a password; one that cannot be read is refused elsewhere.
fn holds_password(url: &str) -> bool {
    url.parse::<tokio_postgres::Config>().is_ok_and(|config| config.get_password().is_some())
}

/// Take the port, and put the one that was given in place of a 0 in the settings.
async fn bind(settings: &mut Settings) -> Result<TcpListener> {
    let address = settings.http.listen;
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!(
            "listen on {address}: is another server there? choose another address with --listen, such as 127.0.0.1:0"
        )
    })?;
    settings.http.listen = listener.local_addr()?;
    Ok(listener)
}

/// Open the house; `demo` fills the demo's tables to this scale first.
async fn open(settings: &Settings, share: bool, demo: Option<f64>, watch: &mut dyn Watcher) -> Result<House> {
    let keys = Keys::with(&settings.state_dir(), &settings.keys).map_err(|e| anyhow::anyhow!(e))?;
    let ground = Ground::find(settings, share, watch).await?;
    if let Err(refused) = make_ready(&ground, settings, &keys, demo, watch).await {
        // The cause is what is wanted; that a server of ours did not stop either is for the log.
        if let Err(error) = ground.leave().await {
            tracing::error!(error = %format!("{error:#}"), "the database was left as it is");
        }
        return Err(refused);
    }
    House::open(settings, &keys, ground, compiler()?, watch).await
}

/// Bring the database into shape, and fill it for a demo.
async fn make_ready(
    ground: &Ground,
    settings: &Settings,
    keys: &Keys,
    demo: Option<f64>,
    watch: &mut dyn Watcher,
) -> Result<()> {
    if let Err(refused) = ground.prepare(settings, keys, watch).await {
        if let Err(error) = house::note_refusal(&refused, settings, keys).await {
            tracing::error!(error = %format!("{error:#}"), "the refusal is not in the audit trail");
        }
        return Err(refused);
    }
    if let Some(scale) = demo {
        ground.seed(scale, watch).await?;
        ground.embed(settings, true, watch).await?;
    }
    Ok(())
}

/// The compiler process is this very program.
fn compiler() -> Result<PathBuf> {
    std::env::current_exe().context("find this program's own file, which is also the compiler process")
}

async fn demo(mut settings: Settings, scale: f64, listen: Option<SocketAddr>, no_serve: bool) -> Result<ExitCode> {
    if !(scale > 0.0 && scale <= 100.0) {
        bail!("--scale {scale}: choose more than 0 and at most 100 (1 is 50,000 customers)");
    }
    if !settings.serves_demo() {
        bail!("the demo needs its own schema: add \"retail\" to database.schemas, or use `rowhouse serve`");
    }
    settings.http.listen = listen.unwrap_or(settings.http.listen);
    // The port first: a minute of seeding for a port that is taken would be a minute lost.
    house::refuse_own_issuer(&settings)?;
    let listener = bind(&mut settings).await?;
    let shutdown = CancellationToken::new();
    on_signal(shutdown.clone());
    let mut watch = Progress::new(false);
    let Some(house) = unless(&shutdown, open(&settings, false, Some(scale), &mut watch)).await? else {
        return Ok(ExitCode::SUCCESS);
    };
    drop(watch);
    banner::print(house.host.identity(), listener.local_addr()?, &settings)?;
    if no_serve {
        house.close().await?;
        return Ok(ExitCode::SUCCESS);
    }
    serve(house, &settings, listener, shutdown, None).await
}

/// What is being opened, unless somebody says stop before it is: the first process of a container would otherwise not
/// hear it. What was opened by then is closed by being dropped.
async fn unless(shutdown: &CancellationToken, opening: impl Future<Output = Result<House>>) -> Result<Option<House>> {
    tokio::select! {
        opened = opening => opened.map(Some),
        () = shutdown.cancelled() => Ok(None),
    }
}

async fn stdio(settings: Settings, name: &str) -> Result<ExitCode> {
    let mut watch = Progress::new(true);
    let house = open(&settings, true, None, &mut watch).await?;
    let who = match house.host.identity().local(name) {
        Ok(who) => who,
        Err(_) => {
            let known = house.host.identity().names().join(", ");
            house.close().await?;
            bail!("no identity named {name:?}; known: {known}");
        }
    };
    let shutdown = CancellationToken::new();
    on_signal(shutdown.clone());
    let served = tokio::select! {
        served = mcp::stdio::run(Arc::clone(&house.host), Arc::new(who), shutdown) => served.context("serve"),
        gone = house.ground().ended() => Err(gone),
    };
    served.and(house.close().await)?;
    Ok(ExitCode::SUCCESS)
}

/// Do something with the database, and leave it as it was found: one of our own that nobody ran is stopped again.
pub(super) async fn on_ground<T>(settings: &Settings, work: impl AsyncFnOnce(&Ground) -> Result<T>) -> Result<T> {
    // Standard output belongs to what the command answers.
    let ground = Ground::find(settings, true, &mut Progress::new(true)).await?;
    let done = work(&ground).await;
    ground.leave().await?;
    done
}

async fn db(settings: &Settings, command: DbCommand) -> Result<ExitCode> {
    let keys = Keys::with(&settings.state_dir(), &settings.keys).map_err(|e| anyhow::anyhow!(e))?;
    let mut watch = Progress::new(false);
    let ground = Ground::find(settings, true, &mut watch).await?;
    let code = match command {
        DbCommand::Migrate { harden, adopt, repair } => {
            let mut settings = settings.clone();
            settings.database.adopt = adopt;
            settings.database.repair = repair;
            if harden {
                settings.database.harden = Some(true);
            }
            ground.prepare(&settings, &keys, &mut watch).await?;
            ExitCode::SUCCESS
        }
        DbCommand::Seed { scale } => {
            ground.prepare(settings, &keys, &mut watch).await?;
            ground.seed(scale, &mut watch).await?;
            ExitCode::SUCCESS
        }
        DbCommand::Check { json } => doctor::database(&ground, settings, json).await?,
        // Have found what they ask by themselves.
        DbCommand::Kept(_) | DbCommand::Slow { .. } => ExitCode::SUCCESS,
    };
    ground.leave().await?;
    Ok(code)
}
