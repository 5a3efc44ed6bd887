//! What a person sees while something takes long: one line a step, and a bar for what can be counted. On a pipe,
//! plain lines.

use indicatif::{BinaryBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// How often a counted step says where it is when nobody can see a bar.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Draws on standard error, so that standard output stays for what was asked.
pub(crate) struct Progress {
    bar: Option<(String, ProgressBar)>,
    terminal: bool,
    said: Instant,
    quiet: bool,
}

impl Progress {
    /// `quiet` says nothing at all: a stdio server's client would show every line as an error.
    pub(crate) fn new(quiet: bool) -> Self {
        Self { bar: None, terminal: std::io::stderr().is_terminal(), said: Instant::now(), quiet }
    }

    /// A step is done.
    pub(crate) fn step(&mut self, name: &str, detail: &str) {
        self.clear();
        if !self.quiet {
            eprintln!("  {name:<11} {detail}");
        }
    }

    /// A step has come this far.
    pub(crate) fn count(&mut self, name: &str, what: &str, done: u64, total: u64) {
        if self.quiet {
            return;
        }
        if !self.terminal {
            if self.said.elapsed() >= PLAIN_EVERY {
                self.said = Instant::now();
                eprintln!("  {name:<11} {what} {done} / {total}");
            }
            return;
        }
        if self.bar.as_ref().is_none_or(|(current, _)| current != name) {
            self.clear();
            let style = ProgressStyle::with_template(
                "  {prefix:<11} [{bar:24}] {msg} {human_pos} / {human_len}  {per_sec}  {eta}",
            );
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            bar.set_style(style.expect("the template is a constant").progress_chars("=> "));
            bar.set_prefix(name.to_owned());
            self.bar = Some((name.to_owned(), bar));
        }
        if let Some((_, bar)) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(what.to_owned());
        }
    }

    /// So many bytes came through, of `total`; 0: nobody knows of how many.
    pub(crate) fn bytes(&mut self, name: &str, done: u64, total: u64) {
        if self.quiet {
            return;
        }
        if !self.terminal {
            if self.said.elapsed() >= PLAIN_EVERY {
                self.said = Instant::now();
                let of = if total > 0 { format!(" / {}", BinaryBytes(total)) } else { String::new() };
                eprintln!("  {name:<11} {}{of}", BinaryBytes(done));
            }
            return;
        }
        if self.bar.as_ref().is_none_or(|(current, _)| current != name) {
            self.clear();
            let known =
                "  {prefix:<11} [{bar:24}] {binary_bytes} / {binary_total_bytes}  {binary_bytes_per_sec}  {eta}";
            let unknown = "  {prefix:<11} {binary_bytes}  {binary_bytes_per_sec}";
            let style = ProgressStyle::with_template(if total > 0 { known } else { unknown });
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            bar.set_style(style.expect("the template is a constant").progress_chars("=> "));
            bar.set_prefix(name.to_owned());
            self.bar = Some((name.to_owned(), bar));
        }
        if let Some((_, bar)) = &self.bar {
            // An estimate may be too low.
            bar.set_length(total.max(done));
            bar.set_position(done);
        }
    }

    fn clear(&mut self) {
        if let Some((_, bar)) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
