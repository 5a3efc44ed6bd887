//! What is served, and who gets which version of it: one immutable snapshot.

use super::loader::{Loaded, Refused};
use super::lock::{Canary, Entry};
use super::offer::{Prompt, Resource};
use super::tool::Tool;
use super::usage::Accounts;
use crate::identity::Principal;
use crate::policy::{PROMPT, Policy, RESOURCE};
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
    /// The plugin each name belongs to, on trial or not, of tools, prompts and documents alike: by [`Loaded::items`].
    owners: BTreeMap<String, Arc<str>>,
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

    /// The version of a plugin that serves this item to this caller.
    fn version_for(&self, plugin: &str, item: &str, who: &Arc<Principal>, policy: &Policy) -> Option<&Arc<Loaded>> {
        match self.canaries.get(plugin) {
            Some(canary) if canary.terms.takes(plugin, item, who, policy) => Some(&canary.loaded),
            _ => self.plugins.get(plugin),
        }
    }

    /// The plugin and prompt of this name, as this caller gets it.
    pub fn prompt_for(
        &self,
        name: &str,
        who: &Arc<Principal>,
        policy: &Policy,
    ) -> Option<(&Arc<Loaded>, &Arc<Prompt>)> {
        let item = format!("{PROMPT}{name}");
        let version = self.version_for(self.owners.get(&item)?, &item, who, policy)?;
        Some((version, version.prompts.iter().find(|prompt| prompt.name == name)?))
    }

    /// Every prompt with its plugin, by name, as this caller gets it.
    pub fn prompts_for<'a>(
        &'a self,
        who: &'a Arc<Principal>,
        policy: &'a Policy,
    ) -> impl Iterator<Item = (&'a Arc<Loaded>, &'a Arc<Prompt>)> {
        let names = self.owners.keys().filter_map(|item| item.strip_prefix(PROMPT));
        names.filter_map(|name| self.prompt_for(name, who, policy))
    }

    /// The plugin and document this URI names, as this caller gets it: one declared by itself before one of a family.
    pub fn resource_for<'a>(
        &'a self,
        uri: &str,
        who: &'a Arc<Principal>,
        policy: &'a Policy,
    ) -> Option<(&'a Arc<Loaded>, &'a Arc<Resource>)> {
        let fits = |template: bool| {
            self.resources_for(who, policy).find(|(_, it)| it.is_template() == template && it.holds(uri))
        };
        fits(false).or_else(|| fits(true))
    }

    /// Every document and family of documents with its plugin, by URI, as this caller gets it.
    pub fn resources_for<'a>(
        &'a self,
        who: &'a Arc<Principal>,
        policy: &'a Policy,
    ) -> impl Iterator<Item = (&'a Arc<Loaded>, &'a Arc<Resource>)> {
        let named = |(item, plugin): (&'a String, &'a Arc<str>)| {
            let uri = item.strip_prefix(RESOURCE)?;
            let version = self.version_for(plugin, item, who, policy)?;
            Some((version, version.resources.iter().find(|resource| resource.uri == uri)?))
        };
        self.owners.iter().filter_map(named)
    }

    /// What the calls of each plugin came to.
    pub fn accounts(&self) -> Accounts {
        Accounts::new(self.plugins.values().map(|plugin| plugin.account()).collect())
    }

    /// A version that is known by its digest, served or not: nothing is proved twice.
    pub(super) fn known(&self, name: &str, digest: &str) -> Option<Arc<Loaded>> {
        let parked = self.parked.get(name).map(|parked| &parked.loaded);
        let tried = self.canaries.get(name).map(|tried| &tried.loaded);
        [self.plugins.get(name), tried, parked].into_iter().flatten().find(|it| it.digest == digest).cloned()
    }

    /// Whether callers would see the same offers: by digest and name, without comparing texts.
    pub(super) fn alike(&self, other: &Self) -> bool {
        let tools = |set: &Self| -> Vec<(String, String)> {
            let digest = |owner: &Arc<str>| set.plugins.get(owner).map(|it| it.digest.clone()).unwrap_or_default();
            set.owners.iter().map(|(item, owner)| (item.clone(), digest(owner))).collect()
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
    /// Give every name of a tool, prompt or document one owner. Who serves a name keeps it as long as it declares it; among
    /// newcomers the first by name wins. The other plugin is refused whole, because half a plugin is not what its author
    /// tested, and its last good version serves on. A canary's names are its plugin's.
    pub(super) fn arrange(mut self, before: &Published) -> Published {
        let mut tools: BTreeMap<String, Owned> = BTreeMap::new();
        let mut owners: BTreeMap<String, Arc<str>> = BTreeMap::new();
        for plugin in self.plugins.values().cloned().collect::<Vec<_>>() {
            let mut serving = Arc::clone(&plugin);
            if let Some((item, owner)) = self.taken(&plugin, &owners, before) {
                self.refuse(&plugin, &item, &owner, before);
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
            owners.extend(serving.items().map(|item| (item, Arc::clone(&serving.name))));
        }
        let mut tried = BTreeMap::new();
        for canary in self.canaries.values().cloned().collect::<Vec<_>>() {
            if let Some((item, owner)) = self.taken(&canary.loaded, &owners, before) {
                self.refuse(&canary.loaded, &item, &owner, before);
                self.canaries.remove(&canary.loaded.name);
                continue;
            }
            for tool in &canary.loaded.tools {
                tried.insert(tool.name.clone(), (Arc::clone(&canary.loaded), Arc::clone(tool)));
            }
            owners.extend(canary.loaded.items().map(|item| (item, Arc::clone(&canary.loaded.name))));
        }
        let Self { plugins, canaries, parked, refused, decided } = self;
        Published { plugins, tools, canaries, tried, owners, parked, refused, decided }
    }

    /// The first name of a plugin that is another one's, and whose.
    fn taken(
        &self,
        plugin: &Loaded,
        owners: &BTreeMap<String, Arc<str>>,
        before: &Published,
    ) -> Option<(String, Arc<str>)> {
        let owner = |item: &str| {
            let other = |name: &&Arc<str>| **name != plugin.name;
            let incumbent = before.owners.get(item).filter(other).filter(|owner| self.declares(owner, item));
            incumbent.or_else(|| owners.get(item).filter(other)).cloned()
        };
        plugin.items().find_map(|item| owner(&item).map(|owner| (item, owner)))
    }

    fn declares(&self, plugin: &Arc<str>, item: &str) -> bool {
        let versions = [self.plugins.get(plugin), self.canaries.get(plugin).map(|tried| &tried.loaded)];
        versions.into_iter().flatten().any(|version| version.items().any(|it| it == item))
    }

    fn refuse(&mut self, plugin: &Loaded, item: &str, owner: &str, before: &Published) {
        let kind = if item.contains(':') { "" } else { "tool " };
        let reason = format!("its {kind}`{item}` is already served by the plugin `{owner}`");
        let digest = plugin.digest.clone();
        let why = Refused { plugin: plugin.name.to_string(), step: NAMES, reason, digest };
        if before.refused.get(&*plugin.name).is_none_or(|known| known.digest != why.digest) {
            tracing::warn!(plugin.name = %plugin.name, "{why}");
        }
        self.refused.insert(plugin.name.to_string(), Arc::new(why));
    }
}
