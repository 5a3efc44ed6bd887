//! How the house stands, for whoever looks: metrics and `rowhouse top`.

use super::Host;
use crate::embedding::State as Model;
use crate::telemetry::{Connections, Meeting, Queue, Snapshot, State, Trail, Version};
use std::fmt;

impl Host {
    /// What is read when somebody looks. Takes locks for moments and asks nobody.
    pub fn standing(&self) -> State {
        let (pool, published) = (self.database.status(), self.plugins.published());
        let most = u64::from(pool.max);
        let (running, waiting) = (u64::from(pool.in_use), u64::from(pool.waiting));
        let connections = pool.lanes.iter().map(|lane| Connections {
            role: lane.role,
            open: lane.open.into(),
            idle: lane.idle.into(),
            made: lane.made,
            broken: lane.broken,
        });
        let plugins = published.plugins.values().map(|plugin| Version {
            of: self.telemetry.item(&**plugin, ""),
            version: plugin.version.clone(),
            digest: plugin.digest.clone(),
        });
        let trail = self.audit.status().map(|it| Trail {
            spooled: it.spooled,
            spool_bytes: it.spool_bytes,
            shipped: it.shipped,
            lost: it.lost,
            conflicts: it.conflicts,
            stuck: it.stuck,
        });
        State {
            calls: self.traffic.standing(),
            // Who waits is bounded by the calls that run; as many as there are connections is a line that counts as full.
            statements: Queue { running, most, waiting, most_waiting: most },
            connections: connections.collect(),
            refused: self.database.is_refused(),
            embedding: Some(self.meeting()),
            trail,
            plugins: plugins.collect(),
            parked: published.parked.len() as u64,
            unfit: published.refused.len() as u64,
        }
    }

    fn meeting(&self) -> Meeting {
        let (hits, misses) = self.embeddings.cache_counts();
        let breaker = match self.embeddings.state() {
            Model::Serves(model) => Some(model.standing()),
            Model::Off | Model::Waits(_) => None,
        };
        Meeting { breaker, hits, misses }
    }

    /// All that is counted and all that stands, as Prometheus reads it.
    ///
    /// # Errors
    /// A number that cannot be written.
    pub fn metrics(&self) -> Result<String, fmt::Error> {
        self.telemetry.render(self.standing())
    }

    /// The same for a person at a terminal.
    pub fn snapshot(&self) -> Snapshot {
        self.telemetry.snapshot(self.standing())
    }
}
