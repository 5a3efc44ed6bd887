//! Parse, run, report.

use clap::Parser;
use std::process::ExitCode;

/// Answers are many small allocations on many threads; measured, this allocator takes a third off a call's CPU.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match rowhouse::cli::run(rowhouse::cli::Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("rowhouse: {error:#}");
            ExitCode::FAILURE
        }
    }
}
