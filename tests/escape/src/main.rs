//! Attacks on the tenant boundary, and the proof whether one gets through.
//!
//! One attacker with the rights of one tenant sends every statement of a corpus to a running server. After each, a
//! number of oracles look for proof that it got what is not its own. No proof, no success: what an oracle cannot see
//! is printed as not checked, never as passed.

mod adapter; // How a server wants to be asked.
mod case; // What is asked.
mod server; // Asking, over MCP.
mod truth; // What is really in the database.
mod words; // Values only a run knows, put into statements.
mod canary; // What must never be seen.
mod admin; // What the database's own administrator sees.
mod memory; // What backends take while they run.
mod judge; // Proof, or none.
mod target; // What is attacked, and as whom.
mod demo; // A Rowhouse of our own.
mod walls; // Its walls, and how each is taken down alone.
mod ruin; // A Rowhouse of our own without one of them.
mod suite; // The run.
mod report; // What a person or a script reads of it.

use anyhow::Result;
use clap::Parser;
use rowhouse::query::gate::STACK_BYTES;
use std::path::PathBuf;
use std::process::ExitCode;

/// Send every attack of the corpus, and every honest question, and say what came of it.
#[derive(Parser)]
#[command(
    name = "cargo xtask escape",
    after_help = "Examples:\n  cargo xtask escape\n  cargo xtask escape --only forge-from --json\n  cargo xtask escape \
                  --as all\n  cargo xtask escape --without each\n  cargo xtask escape --url http://127.0.0.1:8000/mcp --token-attacker T --token-oracle T --admin-url postgres://..."
)]
pub(crate) struct Cli {
    /// The MCP endpoint to attack. Unset: a demo of our own is started, attacked and removed.
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// The attacker's bearer token: one store's.
    #[arg(long, env = "ESCAPE_TOKEN_ATTACKER", hide_env_values = true, value_name = "TOKEN")]
    pub(crate) token_attacker: Option<String>,
    /// A token that sees every store. It tells the suite what belongs to others.
    #[arg(long, env = "ESCAPE_TOKEN_ORACLE", hide_env_values = true, value_name = "TOKEN")]
    pub(crate) token_oracle: Option<String>,
    /// How another server wants to be asked; the README has an example.
    #[arg(long, value_name = "FILE")]
    pub(crate) adapter: Option<PathBuf>,
    /// A superuser's way into the database. Without it some oracles cannot look and say so.
    #[arg(long, env = "ESCAPE_ADMIN_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) admin_url: Option<String>,
    /// Who of our own demo's people attacks.
    #[arg(long = "as", value_enum, default_value_t = target::As::Store, conflicts_with = "url", value_name = "WHO")]
    pub(crate) attacker: target::As,
    /// Run against a Rowhouse of our own with this one wall taken down; the others must hold without it.
    #[arg(long, value_enum, conflicts_with = "url", value_name = "WALL")]
    pub(crate) without: Option<walls::Without>,
    /// Only this category, or these; `benign` is one.
    #[arg(long, value_name = "CATEGORY")]
    pub(crate) only: Vec<String>,
    /// The result as JSON, each case with what became of it.
    #[arg(long)]
    pub(crate) json: bool,
    /// The corpus. Unset: the one beside this program's source.
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus"))]
    pub(crate) corpus: PathBuf,
    /// The host to start when there is no `--url`. Unset: `debug/rowhouse` in cargo's target directory.
    #[arg(long, value_name = "FILE")]
    pub(crate) rowhouse: Option<PathBuf>,
    /// Its plugins. Unset: `target/plugins`.
    #[arg(long, value_name = "DIR")]
    pub(crate) plugins: Option<PathBuf>,
}

fn main() -> ExitCode {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    // A Rowhouse with a wall down runs in this process, and asks its gate here.
    let runtime = runtime.enable_all().thread_stack_size(STACK_BYTES).build();
    let proved = match runtime {
        Ok(runtime) => runtime.block_on(run(Cli::parse())),
        Err(error) => Err(error.into()),
    };
    match proved {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            // Not 1: nothing was proved, for or against.
            ExitCode::from(2)
        }
    }
}

/// True when no attack succeeded and no honest question was refused.
async fn run(cli: Cli) -> Result<bool> {
    let corpus = case::Corpus::read(&cli.corpus, &cli.only)?;
    let mut outcomes = Vec::new();
    match (&cli.url, cli.without) {
        (Some(url), _) => outcomes.extend(attack(&cli, &corpus, &elsewhere(&cli, url), None).await?),
        (None, None) => {
            let (demo, target) = demo::Demo::start(&cli).await?;
            let outcome = attack(&cli, &corpus, &target, None).await;
            demo.stop().await;
            outcomes.extend(outcome?);
        }
        (None, Some(without)) => {
            for wall in without.walls() {
                let (ruin, target) = ruin::Ruin::open(&cli, wall).await?;
                let outcome = attack(&cli, &corpus, &target, Some(wall)).await;
                // Its proofs stand however it ends.
                let end = ruin.stop().await;
                outcomes.extend(outcome?);
                end?;
            }
        }
    }
    let report = report::Report::new(outcomes);
    report.print(cli.json)?;
    Ok(report.clean())
}

/// The corpus, once for each attacker.
async fn attack(
    cli: &Cli,
    corpus: &case::Corpus,
    target: &target::Target,
    without: Option<walls::Wall>,
) -> Result<Vec<suite::Outcome>> {
    let mut outcomes = Vec::new();
    for attacker in &target.attackers {
        outcomes.push(suite::run(cli, corpus, target, attacker, without).await?);
    }
    Ok(outcomes)
}

/// A server that is there already.
fn elsewhere(cli: &Cli, url: &str) -> target::Target {
    let attacker = target::Attacker { name: "the attacker".to_owned(), token: cli.token_attacker.clone(), stores: 1 };
    target::Target {
        url: url.to_owned(),
        oracle: cli.token_oracle.clone(),
        admin_url: cli.admin_url.clone(),
        processes: Vec::new(),
        attackers: vec![attacker],
    }
}
