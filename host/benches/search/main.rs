//! How well search finds, how fast, and what row security costs a search by meaning.
//!
//! `cargo xtask bench search` (`-- --json` for scripts). Two parts. Quality: the labelled questions of `tests/search`,
//! asked of the demo's own tools by words, by meaning and by both, over the demo's catalogue. Neighbours: the nearest
//! ten of many vectors, by the index against an exact scan, with and without row security, and by the bare driver.

#[path = "../../../tests/harness.rs"]
#[expect(dead_code, unreachable_pub, reason = "shared with the suite, which uses the rest of it")]
mod harness;
mod neighbours;
mod quality;

use clap::Parser;
use serde_json::json;

/// The allocator the server runs with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measure search.
#[derive(Parser)]
#[command(name = "cargo xtask bench search --")]
struct Options {
    /// Vectors of the largest table; smaller ones are a tenth each, down to a thousand. A million takes a quarter of an
    /// hour and 4 GB of disk.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1_000..=1_000_000))]
    rows: u32,
    /// Questions asked of each table.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(10..=10_000))]
    questions: u32,
    /// Only how well the demo's tools find.
    #[arg(long, conflicts_with = "neighbours")]
    quality: bool,
    /// Only the nearest of many vectors.
    #[arg(long)]
    neighbours: bool,
    /// Questions that the demo's tools answered badly, too.
    #[arg(long)]
    misses: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let options = Options::parse();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime =
        runtime.enable_all().thread_stack_size(rowhouse::query::gate::STACK_BYTES).build().expect("a runtime");
    runtime.block_on(async {
        let quality = if options.neighbours { None } else { Some(quality::measure(options.misses).await) };
        let neighbours = if options.quality {
            None
        } else {
            Some(neighbours::measure(options.rows, options.questions as usize).await)
        };
        if options.json {
            let (quality, neighbours) = (quality.map(|q| q.json()), neighbours.map(|n| n.json()));
            println!("{:#}", json!({ "quality": quality, "neighbours": neighbours }));
            return;
        }
        quality.iter().for_each(|found| print!("{}", found.table()));
        neighbours.iter().for_each(|found| print!("{}", found.table()));
    });
}
