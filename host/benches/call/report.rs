//! Figures for people and for programs.

use crate::load::Lap;
use crate::subject::{Size, Subject};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Microseconds of host CPU a whole call of ten rows may take.
const AIM_WHOLE: f64 = 150.0;
/// Microseconds of it that may go into the sandbox and into passing rows.
const AIM_SANDBOX: f64 = 20.0;

/// What one round found of one subject.
pub(crate) struct Measured {
    /// One caller.
    pub(crate) alone: Lap,
    /// Several at once.
    pub(crate) loaded: Lap,
}

/// Medians of the rounds, in microseconds.
#[derive(Clone, Copy)]
struct Figures {
    wall: f64,
    cpu_alone: f64,
    cpu: f64,
}

/// Everything found.
pub(crate) struct Report {
    figures: BTreeMap<Subject, Figures>,
    rounds: u32,
    callers: u32,
}

/// A figure held against what it should be. Printed, never enforced: machines differ.
struct Aim {
    key: &'static str,
    name: &'static str,
    is: f64,
    most: f64,
}

impl Report {
    pub(crate) fn new(found: BTreeMap<Subject, Vec<Measured>>, rounds: u32, callers: u32) -> Self {
        let of = |measured: &[Measured]| Figures {
            wall: median(measured.iter().map(|m| m.alone.wall_us)),
            cpu_alone: median(measured.iter().map(|m| m.alone.cpu_us)),
            cpu: median(measured.iter().map(|m| m.loaded.cpu_us)),
        };
        Self { figures: found.iter().map(|(subject, measured)| (*subject, of(measured))).collect(), rounds, callers }
    }

    fn aims(&self) -> [Aim; 2] {
        let cpu = |subject| self.figures[&subject].cpu;
        let sandbox = cpu(Subject::Call(Size::Ten)) - cpu(Subject::Path(Size::Ten));
        [
            Aim { key: "whole_call_us", name: "whole call", is: cpu(Subject::Whole(Size::Ten)), most: AIM_WHOLE },
            Aim { key: "sandbox_and_rows_us", name: "sandbox and row passing", is: sandbox, most: AIM_SANDBOX },
        ]
    }

    /// A table, the aims below it, and how to read both.
    pub(crate) fn table(&self) -> String {
        let mut out = String::new();
        let Self { figures, rounds, callers } = self;
        let _ = writeln!(
            out,
            "{:<38} {:>9} {:>9} {:>9} {:>8} {:>8}\n{:<38} {:>9} {:>9} {:>9} {:>8} {:>8}",
            "microseconds a call",
            "p50 wall",
            "host CPU",
            "host CPU",
            "CPU to",
            "wall to",
            "",
            "1 caller",
            "1 caller",
            format!("{callers} callers"),
            "driver",
            "driver",
        );
        for subject in Subject::ALL {
            let Figures { wall, cpu_alone, cpu } = figures[&subject];
            let ratio = |of: f64, to: Option<f64>| to.map_or(String::new(), |to| format!("{:.2}x", of / to));
            let baseline = subject.baseline().map(|baseline| figures[&baseline]);
            let _ = writeln!(
                out,
                "{:<38} {wall:>9.1} {cpu_alone:>9.1} {cpu:>9.1} {:>8} {:>8}",
                subject.name(),
                ratio(cpu, baseline.map(|b| b.cpu)),
                ratio(wall, baseline.map(|b| b.wall)),
            );
        }
        let _ = writeln!(out);
        for size in [Size::Ten, Size::Thousand] {
            let (asked, again) = (figures[&Subject::Call(size)], figures[&Subject::Again(size)]);
            let rows = if size == Size::Ten { "10" } else { "1,000" };
            let _ = writeln!(
                out,
                "{rows} rows again: {:.2} of the wall time of the call that asks, {:.2} of its host CPU",
                again.wall / asked.wall,
                again.cpu / asked.cpu
            );
        }
        for Aim { name, is, most, .. } in self.aims() {
            let verdict = if is < most { "met" } else { "missed" };
            let _ = writeln!(out, "aim: {name} under {most} us of host CPU: {is:.1}, {verdict}");
        }
        let _ = writeln!(
            out,
            "\nMedians of {rounds} interleaved rounds. Host CPU: this process without the load generator's threads; \
             PostgreSQL is another\nprocess and not in it. Sandbox and row passing: the call without HTTP less the \
             query path, {callers} callers."
        );
        out
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> Value {
        let figures: Map<String, Value> = self
            .figures
            .iter()
            .map(|(subject, Figures { wall, cpu_alone, cpu })| {
                let figures = json!({
                    "wall_p50_us": round(*wall), "cpu_us_alone": round(*cpu_alone), "cpu_us_loaded": round(*cpu),
                });
                (subject.key().to_owned(), figures)
            })
            .collect();
        let aims: Map<String, Value> = self
            .aims()
            .map(|Aim { key, is, most, .. }| {
                (key.to_owned(), json!({ "is": round(is), "aim": most, "met": is < most }))
            })
            .into_iter()
            .collect();
        json!({ "rounds": self.rounds, "callers": self.callers, "figures": figures, "aims": aims })
    }
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// To a tenth: more digits would say more than was measured.
fn round(us: f64) -> f64 {
    (us * 10.0).round() / 10.0
}
