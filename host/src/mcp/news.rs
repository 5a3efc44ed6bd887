//! Word of changes, to those they concern: whoever is told that a list changed although its own did not learns that
//! there is something it may not see.

use super::{answer, offers};
use crate::call::Host;
use crate::identity::Principal;
use crate::plugin::{Prompt, Resource, Tool};
use std::sync::Arc;
use tokio::sync::watch;

/// What one caller was told last, and the way to know of more.
pub(super) struct News {
    host: Arc<Host>,
    who: Arc<Principal>,
    changes: watch::Receiver<u64>,
    listed: Listed,
}

/// What a caller sees.
struct Listed {
    tools: Vec<Arc<Tool>>,
    prompts: Vec<Arc<Prompt>>,
    /// With the digest of the component that holds each.
    resources: Vec<(Arc<Resource>, String)>,
}

/// What is another than it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) tools: bool,
    pub(super) prompts: bool,
    pub(super) resources: bool,
    /// Documents that may say something else now, and families of them: their component is another.
    pub(super) updated: Vec<Arc<Resource>>,
}

impl News {
    /// News from now on.
    pub(super) fn new(host: &Arc<Host>, who: &Arc<Principal>) -> Self {
        // In this order: what changes in between is news, too.
        let changes = host.changes();
        let listed = Listed::now(host, who);
        Self { host: Arc::clone(host), who: Arc::clone(who), changes, listed }
    }

    /// Wait until the caller would see something else than when it was told last. `None`: there will be no more news.
    pub(super) async fn next(&mut self) -> Option<Changed> {
        while self.changes.changed().await.is_ok() {
            let now = Listed::now(&self.host, &self.who);
            let changed = self.listed.against(&now);
            self.listed = now;
            if changed != Changed::default() {
                return Some(changed);
            }
        }
        None
    }
}

impl Listed {
    fn now(host: &Host, who: &Arc<Principal>) -> Self {
        Self { tools: host.tools(who), prompts: host.prompts(who), resources: host.resources(who) }
    }

    fn against(&self, now: &Self) -> Changed {
        // A new version of a plugin may be another inside only.
        let tool = |a: &Arc<Tool>, b: &Arc<Tool>| Arc::ptr_eq(a, b) || answer::tool(a) == answer::tool(b);
        let resource = |a: &Resource, b: &Resource| match a.is_template() {
            true => offers::template(a) == offers::template(b),
            false => offers::resource(a) == offers::resource(b),
        };
        let digest = |uri: &str| self.resources.iter().find(|(it, _)| it.uri == uri).map(|(_, digest)| digest);
        let updated = now.resources.iter().filter(|(it, new)| digest(&it.uri).is_some_and(|old| old != new));
        Changed {
            tools: !same(&self.tools, &now.tools, tool),
            prompts: !same(&self.prompts, &now.prompts, |a, b| a == b),
            resources: !same(&self.resources, &now.resources, |(a, _), (b, _)| resource(a, b)),
            updated: updated.map(|(it, _)| Arc::clone(it)).collect(),
        }
    }
}

fn same<T>(a: &[T], b: &[T], alike: impl Fn(&T, &T) -> bool) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b))
}
