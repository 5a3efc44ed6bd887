//! What a plugin's grant leaves of what the policy allows: tables it may read, tenants it is for. It only ever takes away.

use super::seat::shape;
use super::{Denied, Scope, Tenant};
use crate::config::{Grant, Plugins};
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// How far each plugin reaches, over the tenants of one directory.
#[derive(Debug, Default)]
pub(super) struct Reaches {
    by_plugin: BTreeMap<String, Arc<Reach>>,
    /// Of plugins without a grant of their own.
    other: Arc<Reach>,
}

/// How far one plugin reaches. `None`: as far as the policy.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// By schema and name; no name stands for all of the schema.
    tables: Option<Vec<(String, Option<String>)>>,
    /// In order. Who the directory does not list is nobody's.
    tenants: Option<Vec<Uuid>>,
}

impl Reaches {
    pub(super) fn new(plugins: &Plugins, directory: &[Tenant]) -> Self {
        let reach = |grant: &Grant| Arc::new(Reach::new(grant, directory));
        Self {
            by_plugin: plugins.grants.iter().map(|(name, grant)| (name.clone(), reach(grant))).collect(),
            other: reach(&plugins.default_grant),
        }
    }

    pub(super) fn of(&self, plugin: &str) -> &Arc<Reach> {
        self.by_plugin.get(plugin).unwrap_or(&self.other)
    }
}

impl Reach {
    fn new(grant: &Grant, directory: &[Tenant]) -> Self {
        let table = |text: &String| match text.split_once('.') {
            Some((schema, "*")) => (schema.to_owned(), None),
            Some((schema, name)) => (schema.to_owned(), Some(name.to_owned())),
            // Refused at start; here it is no table at all.
            None => (String::new(), Some(String::new())),
        };
        let tenants = grant.tenants.as_ref().map(|wanted| {
            let listed = directory.iter().filter(|tenant| wanted.iter().any(|name| tenant.is_called(name)));
            let mut ids: Vec<Uuid> = listed.map(|tenant| tenant.id).collect();
            ids.sort_unstable();
            ids
        });
        Self { tables: grant.tables.as_ref().map(|tables| tables.iter().map(table).collect()), tenants }
    }

    /// Whether statements may read this table, as far as the grant goes.
    pub(super) fn reads(&self, schema: &str, table: &str) -> bool {
        self.tables.as_ref().is_none_or(|granted| {
            granted.iter().any(|(of, name)| of == schema && name.as_ref().is_none_or(|name| name == table))
        })
    }

    /// What is left of a scope. One that the caller `named` is not made smaller behind its back: it is left whole, or
    /// refused.
    pub(super) fn narrow(&self, scope: Scope, named: bool) -> Result<Scope, Denied> {
        let Some(tenants) = &self.tenants else { return Ok(scope) };
        let is_for = |id: &Uuid| tenants.binary_search(id).is_ok();
        let nothing = if named { Denied::Tenant } else { Denied::Tool };
        match scope {
            Scope::One(id) => is_for(&id).then_some(Scope::One(id)).ok_or(nothing),
            Scope::Some(ids) if named => ids.iter().all(is_for).then_some(Scope::Some(ids)).ok_or(nothing),
            Scope::Some(ids) => shape(ids.into_iter().filter(is_for).collect()).ok_or(nothing),
            Scope::All => shape(tenants.clone()).ok_or(nothing),
        }
    }
}
