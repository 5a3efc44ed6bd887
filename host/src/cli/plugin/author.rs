//! A plugin's author at work: from nothing to a tool that answers, and word of what is not good yet.

mod new; // Files to begin with.
mod build; // From a directory of sources to a component.
mod subject; // What a command is about: a directory or a component.
mod workshop; // A host of the author's own.
mod cases; // What the tools must answer.
mod test; // Whether they do.
mod dev; // Build, serve and swap, as often as something is saved.
mod check; // What a reviewer would say.
mod bench; // What a call costs.

use crate::config::Settings;
use anyhow::Result;
use clap::Subcommand;
use std::path::PathBuf;
use std::process::ExitCode;

/// Commands of an author.
#[derive(Subcommand)]
pub(crate) enum AuthorCommand {
    /// Begin a plugin: sources of one tool, its tests, and all it takes to build it.
    #[command(after_help = "Example:  rowhouse plugin new --lang python stock")]
    New(new::Args),
    /// Make a component of a plugin's sources: NAME.wasm, beside them.
    ///
    /// What it is written in is seen from the directory: Cargo.toml, app.py or app.js.
    #[command(after_help = "Example:  rowhouse plugin build stock")]
    Build(build::Args),
    /// Build, serve on the demo's data, and swap in what is saved, until Ctrl-C.
    ///
    /// The host is one of its own, with a database of its own (in `author` below the state directory). Sources that do not
    /// build leave the last good version serving. What the plugin logs goes to standard error.
    #[command(after_help = "Example:  rowhouse plugin dev stock --as spokane")]
    Dev(dev::Args),
    /// Ask the tools what `rowhouse.test.toml` has, on the demo's data, and compare.
    ///
    /// Exit code 0: every case passed. 1: one did not.
    #[command(after_help = "Example:  rowhouse plugin test stock --update")]
    Test(test::Args),
    /// Measure a call: instance, guest, the whole way, memory; beside a plugin that does nothing.
    #[command(after_help = "Example:  rowhouse plugin bench stock --tool low_stock --arguments '{\"at_most\": 3}'")]
    Bench(bench::Args),
    /// Say what a reviewer would: descriptions, schemas, statements, names, size. Needs no database.
    ///
    /// Exit code 0: nothing to mend. 1: an error, or with --strict a warning.
    #[command(after_help = "Example:  rowhouse plugin check stock --strict --json")]
    Check(check::Args),
}

impl AuthorCommand {
    /// What goes to the log beside what the command line asks for: `dev` shows what the plugin says.
    pub(crate) const fn log(&self) -> Option<&'static str> {
        match self {
            Self::Dev(_) => Some("rowhouse::plugin=info,rowhouse::plugin::imports=debug"),
            _ => None,
        }
    }
}

/// Do it.
///
/// # Errors
/// What stopped it.
pub(crate) async fn run(settings: &Settings, compiler: PathBuf, command: AuthorCommand) -> Result<ExitCode> {
    match command {
        AuthorCommand::New(args) => new::run(&args),
        AuthorCommand::Build(args) => build::run(&args).await,
        AuthorCommand::Dev(args) => dev::run(settings, compiler, args).await,
        AuthorCommand::Test(args) => test::run(settings, compiler, &args).await,
        AuthorCommand::Bench(args) => bench::run(settings, compiler, args).await,
        AuthorCommand::Check(args) => check::run(settings, compiler, &args).await,
    }
}
