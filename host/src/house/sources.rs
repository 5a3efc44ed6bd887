//! What the settings name by where it comes from, fetched before the plugin directory is looked at.

use super::Watcher;
use crate::config::Settings;
use crate::distribution::{Fetcher, Outcome, Sources};
use anyhow::{Context, Result};
use std::path::Path;
use std::time::Duration;

/// How long a start waits for one source: the largest component accepted (32 MiB) takes 54 seconds on a line of 5 Mbit/s.
const PATIENCE: Duration = Duration::from_secs(60);

/// Look at every source once. One that cannot be had is said and is no reason not to open: what lies in the directory
/// serves.
///
/// # Errors
/// A source that is written wrongly, a directory that cannot be made.
pub(super) async fn fetch(settings: &Settings, program: &Path, watch: &mut dyn Watcher) -> Result<()> {
    let sources = Sources::new(&settings.plugins).map_err(anyhow::Error::msg)?;
    if sources.all().is_empty() {
        return Ok(());
    }
    let directory = &settings.plugins.directory;
    std::fs::create_dir_all(directory).with_context(|| format!("make the plugin directory {}", directory.display()))?;
    let fetcher = Fetcher::new(program.to_owned(), &settings.plugins, &settings.state_dir())?;
    for source in sources.all() {
        let (name, mut progress) = (&source.name, |done, total| watch.count("fetching", &source.name, done, total));
        match sources.look(source, &fetcher, PATIENCE, &mut progress).await {
            Outcome::Unchanged => watch.step("fetched", &format!("{name}: {} is what lies there", source.place)),
            Outcome::Fetched { digest, .. } => {
                tracing::info!(plugin.name = %name, plugin.digest = %&digest.hex()[..12], from = %source.place, "plugin fetched");
                watch.step("fetched", &format!("{name} from {}", source.place));
            }
            Outcome::Kept { why } => {
                tracing::warn!(plugin.name = %name, from = %source.place, "plugin not fetched, what was there serves: {why}");
                watch.step("kept", &format!("{name}, which could not be fetched: {why}"));
            }
            Outcome::Missing { why } => {
                tracing::warn!(plugin.name = %name, from = %source.place, "plugin missing: {why}");
                watch.step("missing", &format!("{name}: {why}"));
            }
        }
    }
    Ok(())
}
