//! What is served, and who gets which version of it: one immutable snapshot.

use super::loader::{Loaded, Refused};
use super::lock::{Canary, Entry};
use super::tool::Tool;
use crate::identity::Principal;
use crate::policy::Policy;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The step at which a tool name turns out to be taken.
pub(super) const NAMES: &str = "names";

/// A tool with the version of the plugin that answers it.
type Owned = (Arc<Loaded>, Arc<Tool>);

/// The published set. A call holds on to the snapshot's parts it began with.
#[derive(Clone, Default)]
pub struct Published {
    /// By plugin name: what serves all but the callers of a canary.
    pub plugins: BTreeMap<Arc<str>, Arc<Loaded>>,
    /// By tool name.
    tools: BTreeMap<String, Owned>,
    /// Versions on trial, by plugin name.
    pub canaries: BTreeMap<Arc<str>, Arc<Tried>>,
    /// Their tools.
    tried: BTreeMap<String, Owned>,
    /// Versions that hold and wait for an operator, by plugin name. The version before may be serving.
    pub parked: BTreeMap<String, Arc<Parked>>,
    /// What was refused at the last look, by plugin name. The version before may still be serving.
    pub refused: BTreeMap<String, Arc<Refused>>,
    /// What the lock file says of the plugins that are there.
    pub decided: BTreeMap<String, Entry>,
}

/// A version that some of the calls go to.
pub struct Tried {
    /// The version.
    pub loaded: Arc<Loaded>,
    /// Whose calls.
    pub terms: Canary,
}

/// A version that was proved and is not served.
#[derive(Clone)]
pub struct Parked {
    /// The version.
    pub loaded: Arc<Loaded>,
    /// Why it waits, a reason each.
    pub why: Vec<String>,
}

impl std::fmt::Display for Parked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Loaded { name, version, digest, .. } = &*self.loaded;
        write!(f, "{name} {version} sha256:{} waits: {}", &digest[..16], self.why.join("; "))
    }
}

impl Published {
    /// The plugin and tool of this name, as those get it who are in no canary.
    pub fn find(&self, tool: &str) -> Option<&(Arc<Loaded>, Arc<Tool>)> {
        self.tools.get(tool)
    }

    /// Every tool with its plugin, by name, as those get it who are in no canary.
    pub fn tools(&self) -> impl Iterator<Item = &(Arc<Loaded>, Arc<Tool>)> {
        self.tools.values()
    }

    /// The plugin and tool of this name, as this caller gets it.
    pub fn find_for(&self, tool: &str, who: &Arc<Principal>, policy: &Policy) -> Option<&(Arc<Loaded>, Arc<Tool>)> {
        let stable = self.tools.get(tool);
        if self.canaries.is_empty() {
            return stable;
        }
        let plugin = match (stable, self.tried.get(tool)) {
            (Some((plugin, _)), _) => &plugin.name,
            (None, Some((tried, _))) => &tried.name,
            (None, None) => return None,
        };
        match self.canaries.get(plugin) {
            Some(canary) if canary.terms.takes(plugin, tool, who, policy) => self.tried.get(tool),
            _ => stable,
        }
    }

    /// Every tool with its plugin, by name, as this caller gets it.
    pub fn tools_for<'a>(
        &'a self,
        who: &'a Arc<Principal>,
        policy: &'a Policy,
    ) -> impl Iterator<Item = &'a (Arc<Loaded>, Arc<Tool>)> {
        let names: BTreeSet<&String> = self.tools.keys().chain(self.tried.keys()).collect();
        names.into_iter().filter_map(|name| self.find_for(name, who, policy))
    }

    /// The name of the plugin a tool belongs to, on trial or not.
    fn owner(&self, tool: &str) -> Option<&Arc<str>> {
        let stable = self.tools.get(tool).map(|(plugin, _)| &plugin.name);
        stable.or_else(|| self.tried.get(tool).map(|(plugin, _)| &plugin.name))
    }

    /// A version that is known by its digest, served or not: nothing is proved twice.
    pub(super) fn known(&self, name: &str, digest: &str) -> Option<Arc<Loaded>> {
        let parked = self.parked.get(name).map(|parked| &parked.loaded);
        let tried = self.canaries.get(name).map(|tried| &tried.loaded);
        [self.plugins.get(name), tried, parked].into_iter().flatten().find(|it| it.digest == digest).cloned()
    }

    /// Whether callers would see the same tools: by digest and name, without comparing texts.
    pub(super) fn alike(&self, other: &Self) -> bool {
        let tools = |set: &Self| -> Vec<(String, String)> {
            set.tools.iter().map(|(name, (owner, _))| (name.clone(), owner.digest.clone())).collect()
        };
        let trials = |set: &Self| -> Vec<Canary> { set.canaries.values().map(|tried| tried.terms.clone()).collect() };
        tools(self) == tools(other) && trials(self) == trials(other)
    }
}

/// What a look found of the plugins in the directory, before every tool has one owner.
#[derive(Clone, Default)]
pub(super) struct Found {
    pub(super) plugins: BTreeMap<Arc<str>, Arc<Loaded>>,
    pub(super) canaries: BTreeMap<Arc<str>, Arc<Tried>>,
    pub(super) parked: BTreeMap<String, Arc<Parked>>,
    pub(super) refused: BTreeMap<String, Arc<Refused>>,
    pub(super) decided: BTreeMap<String, Entry>,
}

impl Found {
    /// Give every tool name one owner. Who serves a name keeps it as long as it declares it; among newcomers the first by
    /// name wins. The other plugin is refused whole, because half a plugin is not what its author tested, and its last
    /// good version serves on. A canary's names are its plugin's.
    pub(super) fn arrange(mut self, before: &Published) -> Published {
        let mut tools: BTreeMap<String, Owned> = BTreeMap::new();
        for plugin in self.plugins.values().cloned().collect::<Vec<_>>() {
            let mut serving = Arc::clone(&plugin);
            if let Some((tool, owner)) = self.taken(&plugin, &tools, before) {
                self.refuse(&plugin, &tool, &owner, before);
                let Some(last_good) = before.plugins.get(&plugin.name) else {
                    self.plugins.remove(&plugin.name);
                    continue;
                };
                serving = Arc::clone(last_good);
                self.plugins.insert(Arc::clone(&serving.name), Arc::clone(&serving));
            }
            for tool in &serving.tools {
                tools.insert(tool.name.clone(), (Arc::clone(&serving), Arc::clone(tool)));
            }
        }
        let mut tried = BTreeMap::new();
        for canary in self.canaries.values().cloned().collect::<Vec<_>>() {
            if let Some((tool, owner)) = self.taken(&canary.loaded, &tools, before) {
                self.refuse(&canary.loaded, &tool, &owner, before);
                self.canaries.remove(&canary.loaded.name);
                continue;
            }
            for tool in &canary.loaded.tools {
                tried.insert(tool.name.clone(), (Arc::clone(&canary.loaded), Arc::clone(tool)));
            }
        }
        let Self { plugins, canaries, parked, refused, decided } = self;
        Published { plugins, tools, canaries, tried, parked, refused, decided }
    }

    /// The first tool of a plugin that is another one's, and whose.
    fn taken(
        &self,
        plugin: &Loaded,
        tools: &BTreeMap<String, Owned>,
        before: &Published,
    ) -> Option<(String, Arc<str>)> {
        let owner = |tool: &Arc<Tool>| {
            let other = |name: &&Arc<str>| **name != plugin.name;
            let incumbent = before.owner(&tool.name).filter(other).filter(|owner| self.declares(owner, &tool.name));
            incumbent.or_else(|| tools.get(&tool.name).map(|(owner, _)| &owner.name).filter(other)).cloned()
        };
        plugin.tools.iter().find_map(|tool| Some((tool.name.clone(), owner(tool)?)))
    }

    fn declares(&self, plugin: &Arc<str>, tool: &str) -> bool {
        let versions = [self.plugins.get(plugin), self.canaries.get(plugin).map(|tried| &tried.loaded)];
        versions.into_iter().flatten().any(|version| version.tools.iter().any(|it| it.name == tool))
    }

    fn refuse(&mut self, plugin: &Loaded, tool: &str, owner: &str, before: &Published) {
        let reason = format!("its tool `{tool}` is already served by the plugin `{owner}`");
        let digest = plugin.digest.clone();
        let why = Refused { plugin: plugin.name.to_string(), step: NAMES, reason, digest };
        if before.refused.get(&*plugin.name).is_none_or(|known| known.digest != why.digest) {
            tracing::warn!(plugin.name = %plugin.name, "{why}");
        }
        self.refused.insert(plugin.name.to_string(), Arc::new(why));
    }
}
