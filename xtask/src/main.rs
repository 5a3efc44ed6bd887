//! `cargo xtask`: everything a fresh machine needs, and the commands of the README.

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use xtask::{guests, machine, setup, wit};

/// Build, try and prove Rowhouse. Every command sets up what the machine lacks first.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Set up, build, seed and serve the demo: one command from a bare machine to answers.
    ///
    /// What follows `--` goes to `rowhouse demo`: `cargo xtask demo -- --scale 0.1 --listen 127.0.0.1:9000`
    Demo {
        /// Arguments of `rowhouse demo`.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Run the whole suite: unit tests, guests, a real PostgreSQL, real MCP clients, the conformance suite.
    ///
    /// What follows `--` goes to the test runner: `cargo xtask test -- isolation`
    Test {
        /// Arguments of the test runner.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Measure, and print the ratios: `call` (the default), a whole call against the same statement by the bare driver;
    /// `search`, how well and how fast the demo's search finds, and nearest vectors under row security.
    ///
    /// `cargo xtask bench search -- --quality --misses`
    Bench {
        /// Which one.
        #[arg(default_value = "call", value_parser = ["call", "search"])]
        which: String,
        /// Arguments of the benchmark.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Attack the tenant boundary with every statement of a corpus, and say which got through.
    ///
    /// What follows goes to the suite: `cargo xtask escape --only forge-from --json`
    Escape {
        /// Arguments of the suite; `--help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Break what a host stands on, one thing after the other, under callers, and say what they noticed.
    ///
    /// What follows goes to the suite: `cargo xtask faults --only killed --json`
    Faults {
        /// Arguments of the suite; `--help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Only set up what the machine lacks: WebAssembly targets, libclang, what makes components of Python and JavaScript.
    Setup {
        /// What the test suite needs, too.
        #[arg(long)]
        tests: bool,
        /// Print what builds need in their environment, as NAME=VALUE lines, for scripts that call cargo themselves.
        #[arg(long)]
        print_environment: bool,
    },
    /// Only build the plugins, into `target/plugins`.
    Plugins {
        /// The guests of the test suite, too, into `target/test-guests`.
        #[arg(long)]
        tests: bool,
    },
    /// Write the contract, `wit/`, as a binary package: what `rowhouse plugin push` takes to a registry.
    Wit {
        /// Into this file. Unset: `target/rowhouse-plugin-VERSION.wasm`.
        #[arg(long)]
        out: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    let root = machine::root();
    match command {
        Command::Setup { tests, print_environment } => {
            let machine = setup::run(&root, tests)?;
            if print_environment {
                for (name, value) in &machine.environment {
                    println!("{name}={value}");
                }
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Plugins { tests } => {
            setup::run(&root, false)?;
            setup::plugins(&root, guests::Which::Plugins)?;
            if tests {
                setup::plugins(&root, guests::Which::Tests)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Wit { out } => {
            let package = wit::package(&root)?;
            let out = out.unwrap_or_else(|| root.join("target").join(package.file()));
            std::fs::write(&out, &package.bytes).with_context(|| format!("write {}", out.display()))?;
            println!("{}@{}  {}", package.name, package.version, out.display());
            Ok(ExitCode::SUCCESS)
        }
        Command::Demo { arguments } => {
            let machine = setup::run(&root, false)?;
            setup::plugins(&root, guests::Which::Plugins)?;
            setup::host(&root, &machine)?;
            let mut demo = machine::host_binary(&root);
            demo.args(["demo", "--plugins"]).arg(root.join("target/plugins")).args(arguments);
            // Built from this checkout a moment ago, by whoever serves them: there is nobody else to ask.
            if std::env::var_os("ROWHOUSE_PLUGINS__APPROVAL").is_none() {
                demo.env("ROWHOUSE_PLUGINS__APPROVAL", "none");
            }
            // In place of this process: Ctrl-C and the exit code are then the demo's own.
            Err(std::os::unix::process::CommandExt::exec(&mut demo)).context("start the demo")
        }
        Command::Test { arguments } => {
            let machine = setup::run(&root, true)?;
            setup::plugins(&root, guests::Which::Plugins)?;
            setup::plugins(&root, guests::Which::Tests)?;
            let mut cargo = machine.cargo(&root);
            // Our own code as quick to build as can be: optimising the host takes five minutes and saves none of the tests
            // as much. Whoever wants it otherwise says so.
            if std::env::var_os("CARGO_PROFILE_DEV_OPT_LEVEL").is_none() {
                cargo.env("CARGO_PROFILE_DEV_OPT_LEVEL", "0");
            }
            cargo.args(["test", "--workspace", "--exclude", "guests"]);
            if !arguments.is_empty() {
                cargo.arg("--").args(arguments);
            }
            Ok(machine::exit_code(cargo.status().context("run the tests")?))
        }
        Command::Escape { arguments } => {
            let machine = setup::run(&root, false)?;
            // Another server is somebody else's to build.
            if !arguments.iter().any(|argument| argument.starts_with("--url")) {
                setup::plugins(&root, guests::Which::Plugins)?;
                setup::host(&root, &machine)?;
            }
            let mut cargo = machine.cargo(&root);
            cargo.args(["run", "--quiet", "--package", "escape", "--"]).args(arguments);
            Ok(machine::exit_code(cargo.status().context("run the escape suite")?))
        }
        Command::Faults { arguments } => {
            let machine = setup::run(&root, false)?;
            setup::plugins(&root, guests::Which::Plugins)?;
            setup::host(&root, &machine)?;
            let mut cargo = machine.cargo(&root);
            cargo.args(["run", "--quiet", "--package", "faults", "--"]).args(arguments);
            Ok(machine::exit_code(cargo.status().context("run the fault suite")?))
        }
        Command::Bench { which, arguments } => {
            let machine = setup::run(&root, false)?;
            setup::plugins(&root, guests::Which::Plugins)?;
            setup::plugins(&root, guests::Which::Tests)?;
            let mut cargo = machine.cargo(&root);
            cargo.args(["bench", "--package", "rowhouse", "--bench", &which, "--"]).args(arguments);
            Ok(machine::exit_code(cargo.status().context("run the benchmark")?))
        }
    }
}
