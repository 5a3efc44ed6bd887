//! The buckets of this host, and which of them a call has to pass.

use super::account::{Account, Charge};
use super::bucket::{Buckets, Empty};
use super::clock::Time;
use super::refusal::{self, Refusal};
use super::{Error, Which};
use crate::config::{self, Rate};
use std::collections::{BTreeMap, HashMap};

/// The buckets of this host. Without one for a kind, that kind is not limited.
pub(super) struct Rates {
    principal: Option<Buckets>,
    tenant: Option<Buckets>,
    /// Of tools the settings do not name.
    tool: Option<Buckets>,
    /// Of those they do, by `plugin/tool`.
    tools: HashMap<String, Option<Buckets>>,
}

impl Rates {
    /// The buckets of these settings.
    ///
    /// # Errors
    /// [`Error::Rate`] for a rate no bucket can have, [`Error::Tool`] for a name no tool can have.
    pub(super) fn open(settings: &config::Traffic, time: &Time) -> Result<Self, Error> {
        let open = |name: &str, rate: Option<Rate>| {
            let opened = rate.map(|rate| Buckets::new(rate, time.clone())).transpose();
            opened.map_err(|why| Error::Rate { name: name.to_owned(), why })
        };
        let named = |(name, rate): (&String, &Option<Rate>)| match name.split_once('/') {
            Some((plugin, tool)) if !plugin.is_empty() && !tool.is_empty() && !tool.contains('/') => {
                Ok((name.clone(), open(&format!("tools.\"{name}\""), *rate)?))
            }
            _ => Err(Error::Tool(name.clone())),
        };
        Ok(Self {
            principal: open("principal", settings.principal)?,
            tenant: open("tenant", settings.tenant)?,
            tool: open("tool", settings.tool)?,
            tools: settings.tools.iter().map(named).collect::<Result<_, _>>()?,
        })
    }

    /// How fast they fill and how much they hold: those of two that are alike need not be changed for each other.
    pub(super) fn terms(&self) -> ([Option<Rate>; 3], BTreeMap<&str, Option<Rate>>) {
        let rate = |buckets: &Option<Buckets>| buckets.as_ref().map(|buckets| buckets.rate);
        let kinds = [&self.principal, &self.tenant, &self.tool].map(rate);
        (kinds, self.tools.iter().map(|(name, buckets)| (name.as_str(), rate(buckets))).collect())
    }

    /// Whether there is any.
    pub(super) fn are_some(&self) -> bool {
        self.all().next().is_some()
    }

    /// Those this call has to pass.
    pub(super) fn of(&self, charge: &Charge) -> Vec<(Which, &Buckets)> {
        let tool = self.tools.get(&charge.name).unwrap_or(&self.tool);
        let kinds = [(Which::Principal, &self.principal), (Which::Tenant, &self.tenant), (Which::Tool, tool)];
        kinds.into_iter().filter_map(|(which, buckets)| Some((which, buckets.as_ref()?))).collect()
    }

    /// All of them hold a call.
    pub(super) fn look(&self, charge: &Charge) -> Result<(), Refusal> {
        self.of(charge).into_iter().try_for_each(|(which, buckets)| {
            buckets.look(which.key(charge)).map_err(|empty| refuse(which, buckets, charge.account, &empty))
        })
    }

    /// Take a call from each. Looked at again first, since a neighbour may have been quicker; one who comes between look
    /// and take costs the buckets before it a call.
    pub(super) fn take(&self, charge: &Charge) -> Result<(), Refusal> {
        self.look(charge)?;
        self.of(charge).into_iter().try_for_each(|(which, buckets)| {
            buckets.take(which.key(charge)).map_err(|empty| refuse(which, buckets, charge.account, &empty))
        })
    }

    /// What is said where Redis found this one empty.
    pub(super) fn refuse(&self, which: Which, charge: &Charge, empty: &Empty) -> Refusal {
        let found = self.of(charge).into_iter().find(|(other, _)| *other == which);
        let rate = found.map_or(Rate { per_second: 0.0, burst: 0 }, |(_, buckets)| buckets.rate);
        refusal::bucket(which, rate, charge.account, empty)
    }

    /// Forget callers whose buckets are full again.
    pub(super) fn sweep(&self) {
        self.all().for_each(Buckets::sweep);
    }

    fn all(&self) -> impl Iterator<Item = &Buckets> {
        let kinds = [&self.principal, &self.tenant, &self.tool];
        kinds.into_iter().chain(self.tools.values()).flatten()
    }
}

fn refuse(which: Which, buckets: &Buckets, account: Account, empty: &Empty) -> Refusal {
    refusal::bucket(which, buckets.rate, account, empty)
}
