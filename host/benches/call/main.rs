//! What a call costs the host, beside what the same statement costs a bare driver.
//!
//! `cargo xtask bench` (`-- --json` for scripts). Everything runs in this process but PostgreSQL: a house as the test
//! suite opens it, over the same embedded server, sockets and data. Each round measures every subject in turn, so that
//! a busy minute of the machine falls on all of them; a figure is the median of the rounds.
//!
//! CPU is what the process used (`CLOCK_PROCESS_CPUTIME_ID`) less what the load generator's own threads used
//! (`CLOCK_THREAD_CPUTIME_ID`), over the calls of the lap. Unlike wall time it hardly minds other load on the machine.
//! PostgreSQL's own share is not in it: that is another process, and the same for every way to it.

mod bare;
#[path = "../../../tests/harness.rs"]
#[expect(dead_code, unreachable_pub, reason = "shared with the suite, which uses the rest of it")]
mod harness;
mod keeping;
mod load;
mod neighbour;
mod report;
mod subject;

use clap::Parser;
use report::{Measured, Report};
use std::collections::BTreeMap;
use subject::{Bench, Subject};

/// The allocator the server runs with: without it the figures would be another program's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measure a whole call and its parts against the bare driver.
#[derive(Parser)]
#[command(name = "cargo xtask bench --")]
struct Options {
    /// Rounds; each measures every subject once alone and once under load.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// Calls of one lap. A lap of rows by the thousand takes a tenth of it.
    #[arg(long, default_value_t = 800, value_parser = clap::value_parser!(u32).range(80..=1_000_000))]
    calls: u32,
    /// Callers at once in the laps under load.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=32))]
    callers: u32,
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// What a well-behaved plugin's callers notice of hostile ones, instead, in at most six rounds: of those whose name has
    /// this in it, or of all.
    #[arg(long, value_name = "DEED", num_args = 0..=1, default_missing_value = "")]
    neighbour: Option<String>,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let options = Options::parse();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime =
        runtime.enable_all().thread_stack_size(rowhouse::query::gate::STACK_BYTES).build().expect("a runtime");
    if let Some(only) = &options.neighbour {
        runtime.block_on(neighbour::run(options.rounds, only));
        return;
    }
    let report = runtime.block_on(measure(&options));
    if options.json {
        println!("{:#}", report.json());
    } else {
        print!("{}", report.table());
    }
}

async fn measure(options: &Options) -> Report {
    let bench = Bench::open(options.callers as usize).await;
    let mut found: BTreeMap<Subject, Vec<Measured>> = BTreeMap::new();
    // The first round only warms caches, pools and branch predictors.
    for round in 0..=options.rounds {
        for subject in Subject::ALL {
            let calls = options.calls as usize / subject.weight();
            let alone = bench.lap(subject, 1, calls).await;
            let loaded = bench.lap(subject, options.callers as usize, calls).await;
            if round > 0 {
                found.entry(subject).or_default().push(Measured { alone, loaded });
            }
        }
    }
    bench.close().await;
    Report::new(found, options.rounds, options.callers)
}
