//! What is served: one immutable snapshot behind one pointer.

use super::loader::{COMPILE, Loaded, Loader, Refused, SIGNATURE};
use super::offer::{Prompt, Resource};
use super::tool::Tool;
use super::usage::Accounts;
use crate::error::BoxError;
use arc_swap::ArcSwap;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{Mutex, watch};

/// The step at which a tool name turns out to be taken.
const NAMES: &str = "names";

/// The published set. A call holds on to the snapshot's parts it began with.
#[derive(Clone, Default)]
pub struct Published {
    /// By plugin name.
    pub plugins: BTreeMap<Arc<str>, Arc<Loaded>>,
    /// By tool name.
    tools: BTreeMap<String, (Arc<Loaded>, Arc<Tool>)>,
    /// Whose each name is, of tools, prompts and documents alike: by [`Loaded::items`].
    owners: BTreeMap<String, Arc<Loaded>>,
    /// What was refused at the last look, by plugin name. The version before may still be serving.
    pub refused: BTreeMap<String, Arc<Refused>>,
}

impl Published {
    /// The plugin and tool of this name.
    pub fn find(&self, tool: &str) -> Option<&(Arc<Loaded>, Arc<Tool>)> {
        self.tools.get(tool)
    }

    /// The plugin and prompt of this name.
    pub fn prompt(&self, name: &str) -> Option<(&Arc<Loaded>, &Arc<Prompt>)> {
        self.prompts().find(|(_, prompt)| prompt.name == name)
    }

    /// Every prompt with its plugin.
    pub fn prompts(&self) -> impl Iterator<Item = (&Arc<Loaded>, &Arc<Prompt>)> {
        self.plugins.values().flat_map(|plugin| plugin.prompts.iter().map(move |prompt| (plugin, prompt)))
    }

    /// The plugin and document this URI names: one declared by itself before one of a family.
    pub fn resource(&self, uri: &str) -> Option<(&Arc<Loaded>, &Arc<Resource>)> {
        let alone = self.resources().find(|(_, resource)| !resource.is_template() && resource.holds(uri));
        alone.or_else(|| self.resources().find(|(_, resource)| resource.is_template() && resource.holds(uri)))
    }

    /// Every document and family of documents with its plugin.
    pub fn resources(&self) -> impl Iterator<Item = (&Arc<Loaded>, &Arc<Resource>)> {
        self.plugins.values().flat_map(|plugin| plugin.resources.iter().map(move |resource| (plugin, resource)))
    }

    /// What the calls of each plugin came to.
    pub fn accounts(&self) -> Accounts {
        Accounts::new(self.plugins.values().map(|plugin| plugin.account()).collect())
    }

    /// Every tool with its plugin, by name.
    pub fn tools(&self) -> impl Iterator<Item = &(Arc<Loaded>, Arc<Tool>)> {
        self.tools.values()
    }
}

/// Publishes plugins from a directory.
pub struct Registry {
    loader: Loader,
    directory: PathBuf,
    published: ArcSwap<Published>,
    changed: watch::Sender<u64>,
    looked: watch::Sender<u64>,
    one_at_a_time: Mutex<()>,
}

impl Registry {
    pub(super) fn new(loader: Loader, directory: PathBuf) -> Self {
        Self {
            loader,
            directory,
            published: ArcSwap::default(),
            changed: watch::Sender::new(0),
            looked: watch::Sender::new(0),
            one_at_a_time: Mutex::new(()),
        }
    }

    /// What is served now.
    pub fn published(&self) -> Arc<Published> {
        self.published.load_full()
    }

    /// Ticks each time a caller would see another set of tools, prompts or documents.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Ticks after each look at the directory, whether it found something or not.
    pub fn looks(&self) -> watch::Receiver<u64> {
        self.looked.subscribe()
    }

    /// Tell callers to look again: what they may see changed for another reason than a plugin.
    pub fn announce(&self) {
        self.changed.send_modify(|generation| *generation += 1);
    }

    /// Where plugins come from.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Look at the directory: prove what is new or changed, forget what is gone, publish the rest in one step. A
    /// file that is refused leaves its last good version serving.
    ///
    /// # Errors
    /// Only where the directory cannot be read; a refused plugin is in [`Published::refused`], not here.
    pub async fn look(&self) -> Result<Arc<Published>, BoxError> {
        let _turn = self.one_at_a_time.lock().await;
        let files = self.files()?;
        let before = self.published();
        let (mut plugins, mut refused) = (BTreeMap::new(), BTreeMap::new());
        for (name, path) in &files {
            match self.fresh(name, path, &before).await {
                Ok(loaded) => {
                    plugins.insert(Arc::clone(&loaded.name), loaded);
                }
                Err(why) => {
                    refused.insert(name.clone(), why);
                    if let Some(serving) = before.plugins.get(name.as_str()) {
                        plugins.insert(Arc::clone(&serving.name), Arc::clone(serving));
                    }
                }
            }
        }
        let next = Arc::new(arrange(plugins, refused, &before));
        let differs = !same_offers(&before, &next);
        self.published.store(Arc::clone(&next));
        self.looked.send_modify(|looks| *looks += 1);
        if differs {
            self.announce();
        }
        Ok(next)
    }

    async fn fresh(&self, name: &str, path: &Path, before: &Published) -> Result<Arc<Loaded>, Arc<Refused>> {
        let candidate = self.loader.read(name, path).await?;
        let digest = super::compile::digest(&candidate.bytes);
        if let Some(serving) = before.plugins.get(name).filter(|serving| serving.digest == digest) {
            return Ok(Arc::clone(serving));
        }
        // A name that was taken may have become free, a compiler that ran out of time may have more of it, and a signature
        // may have come to lie beside; everything else a component is refused for is in its bytes.
        if let Some(why) = before
            .refused
            .get(name)
            .filter(|why| why.digest == digest && ![NAMES, COMPILE, SIGNATURE].contains(&why.step))
        {
            return Err(Arc::clone(why));
        }
        let loaded = self.loader.load(name, &candidate).await.inspect_err(|why| {
            tracing::warn!(plugin.name = %name, still_serving = before.plugins.contains_key(name), "{why}");
        })?;
        tracing::info!(
            plugin.name = %name,
            plugin.version = %loaded.version,
            plugin.digest = %&loaded.digest[..12],
            plugin.publisher = loaded.publisher.as_deref().unwrap_or("-"),
            tools = loaded.tools.len(),
            "plugin proved"
        );
        Ok(Arc::new(loaded))
    }

    fn files(&self) -> Result<Vec<(String, PathBuf)>, BoxError> {
        let unreadable = |e| {
            let dir = self.directory.display();
            format!(
                "the plugin directory {dir}: {e}; name one with --plugins DIR (`cargo xtask plugins` builds the demo's into target/plugins)"
            )
        };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.directory).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let name = path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned);
            if path.extension().is_some_and(|ending| ending == "wasm")
                && let Some(name) = name
            {
                files.push((name, path));
            }
        }
        files.sort();
        Ok(files)
    }
}

/// Give every name of a tool, prompt or document one owner. Who serves a name keeps it as long as it declares it; among newcomers the first by
/// name wins. The other plugin is refused whole, because half a plugin is not what its author tested, and its last
/// good version serves on.
fn arrange(
    mut plugins: BTreeMap<Arc<str>, Arc<Loaded>>,
    mut refused: BTreeMap<String, Arc<Refused>>,
    before: &Published,
) -> Published {
    let mut tools: BTreeMap<String, (Arc<Loaded>, Arc<Tool>)> = BTreeMap::new();
    let mut owners: BTreeMap<String, Arc<Loaded>> = BTreeMap::new();
    for plugin in plugins.values().cloned().collect::<Vec<_>>() {
        let owner = |item: &String| {
            let incumbent = before.owners.get(item).filter(|owner| {
                owner.name != plugin.name
                    && plugins.get(&owner.name).is_some_and(|now| now.items().any(|it| it == *item))
            });
            incumbent.or_else(|| owners.get(item)).cloned()
        };
        let mut serving = Arc::clone(&plugin);
        if let Some((item, owner)) = plugin.items().find_map(|item| owner(&item).map(|owner| (item, owner))) {
            let what = if item.contains(':') { "" } else { "tool " };
            let reason = format!("its {what}`{item}` is already served by the plugin `{}`", owner.name);
            let digest = plugin.digest.clone();
            let why = Refused { plugin: plugin.name.to_string(), step: NAMES, reason, digest };
            if before.refused.get(&*plugin.name).is_none_or(|known| known.digest != why.digest) {
                tracing::warn!(plugin.name = %plugin.name, "{why}");
            }
            refused.insert(plugin.name.to_string(), Arc::new(why));
            let Some(last_good) = before.plugins.get(&plugin.name) else {
                plugins.remove(&plugin.name);
                continue;
            };
            serving = Arc::clone(last_good);
            plugins.insert(Arc::clone(&serving.name), Arc::clone(&serving));
        }
        for tool in &serving.tools {
            tools.insert(tool.name.clone(), (Arc::clone(&serving), Arc::clone(tool)));
        }
        owners.extend(serving.items().map(|item| (item, Arc::clone(&serving))));
    }
    Published { plugins, tools, owners, refused }
}

/// Whether callers would see the same offers: by owner's digest and name, without comparing texts.
fn same_offers(a: &Published, b: &Published) -> bool {
    let seen = |set: &Published| -> BTreeSet<(String, String)> {
        set.owners.iter().map(|(item, owner)| (item.clone(), owner.digest.clone())).collect()
    };
    seen(a) == seen(b)
}
