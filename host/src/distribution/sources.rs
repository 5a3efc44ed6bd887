//! Plugins that the settings name by where they come from.

use super::digest::Digest;
use super::failure::Failure;
use super::fetch::Fetcher;
use super::place::{self, Place};
use super::put::put;
use crate::config::Plugins;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One of them.
#[derive(Clone, Debug)]
pub struct Source {
    /// The plugin's name, and its file's.
    pub name: String,
    /// Where it comes from.
    pub place: Place,
}

/// What a look at a source came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It lies in the plugin directory now, and differs from what lay there.
    Fetched {
        /// Its digest.
        digest: Digest,
        /// What its author calls it.
        version: Option<String>,
    },
    /// What lay there was the newest.
    Unchanged,
    /// It was not had; what lay in the directory, or was had before, serves on.
    Kept {
        /// Why.
        why: Failure,
    },
    /// It was not had, and there is none.
    Missing {
        /// Why.
        why: Failure,
    },
}

/// All of them.
pub struct Sources {
    all: Vec<Source>,
    directory: PathBuf,
}

impl Sources {
    /// Those of the settings.
    ///
    /// # Errors
    /// A name or a place that is none.
    pub fn new(settings: &Plugins) -> Result<Self, String> {
        let mut all = Vec::new();
        for (name, text) in &settings.sources {
            let about = |why: String| format!("plugins.sources.{name}: {why}");
            place::named(name).map_err(about)?;
            all.push(Source { name: name.clone(), place: Place::read(text).map_err(about)? });
        }
        Ok(Self { all, directory: settings.directory.clone() })
    }

    /// Those that have no file in the plugin directory.
    pub fn missing(&self) -> impl Iterator<Item = &Source> {
        self.all.iter().filter(|source| !file(&self.directory, &source.name).is_file())
    }

    /// All of them.
    pub fn all(&self) -> &[Source] {
        &self.all
    }

    /// Look at one source, and put what is new into the plugin directory. Whatever goes wrong, nothing that lies there is
    /// taken away; where nothing does, what was had before is put there.
    pub async fn look(
        &self,
        source: &Source,
        fetcher: &Fetcher,
        patience: Duration,
        progress: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Outcome {
        let why = match fetcher.fetch(&source.place, patience, progress).await {
            Ok(had) => match put(&had, &source.name, &self.directory) {
                Ok(put) if put.changed => return Outcome::Fetched { digest: had.digest, version: had.version },
                Ok(_) => return Outcome::Unchanged,
                Err(why) => why,
            },
            Err(why) => why,
        };
        let there = file(&self.directory, &source.name).is_file();
        let kept = match &source.place {
            Place::Registry(at) if !there => fetcher.kept(at),
            _ => None,
        };
        match there || kept.is_some_and(|had| put(&had, &source.name, &self.directory).is_ok()) {
            true => Outcome::Kept { why },
            false => Outcome::Missing { why },
        }
    }
}

fn file(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}.wasm"))
}
