//! What a command is about: a directory of sources, which is built first, or a component.

use super::build::Project;
use crate::disk;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// A component, and where the files that go with it lie.
#[derive(Debug)]
pub(super) struct Subject {
    /// The plugin's name.
    pub(super) name: String,
    /// The component.
    pub(super) component: PathBuf,
    /// The directory of cases and snapshots.
    pub(super) directory: PathBuf,
}

impl Subject {
    /// Build a directory, unless its component is newer than its sources, or take a component as it is.
    ///
    /// # Errors
    /// Neither, or a directory that does not build.
    pub(super) async fn find(path: &Path) -> Result<Self> {
        if path.is_dir() {
            let project = Project::find(path)?;
            let component = project.component();
            if !project.is_fresh() {
                eprintln!("  {:<11} {} ({})", "building", project.name, project.language.as_str());
                project.build(&component).await?;
            }
            return Ok(Self { name: project.name, component, directory: project.directory });
        }
        if !path.is_file() {
            bail!("{} is neither a directory of sources nor a component", path.display());
        }
        let name = path.file_stem().and_then(|stem| stem.to_str()).context("the file needs a name that is text")?;
        Ok(Self { name: name.to_owned(), component: path.to_owned(), directory: disk::above(path).to_owned() })
    }
}
