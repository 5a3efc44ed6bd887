//! What they may call, and whose rows they may see while they do.
//!
//! A [`Permit`] is proof that the policy said yes. Only [`Policy::permit`] makes one, and nothing opens a transaction
//! without one. Deny is the default: no rule for a role means no.

pub use crate::config::{Reach, Rule};
use crate::identity::Principal;
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

/// Which tenants' rows a call may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One tenant.
    One(Uuid),
    /// These tenants, two or more, in order.
    Some(Vec<Uuid>),
    /// Every tenant there is.
    All,
}

/// Proof that the policy allowed one principal to call one tool over one scope.
#[derive(Clone, Debug)]
pub struct Permit {
    principal: Arc<Principal>,
    tool: String,
    scope: Scope,
}

impl Permit {
    /// Who was allowed.
    pub fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// Which tool.
    pub fn tool(&self) -> &str {
        &self.tool
    }

    /// Over whose rows.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }
}

/// A tenant as the directory lists it.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// The tenant key of its rows.
    pub id: Uuid,
    /// For people to read.
    pub name: String,
    /// The region it belongs to.
    pub region: String,
}

/// The rules and the directory they speak about: one immutable snapshot.
#[derive(Debug)]
pub struct Policy {
    rules: Vec<Rule>,
    directory: Vec<Tenant>,
}

impl Policy {
    /// These rules over these tenants.
    pub fn new(rules: Vec<Rule>, directory: Vec<Tenant>) -> Self {
        Self { rules, directory }
    }

    /// The rules Rowhouse ships with: a store manager sees its own tenants, a regional manager the tenants of its
    /// regions, a super admin all; each may call every published tool.
    pub fn default_rules() -> Vec<Rule> {
        [("store_manager", Reach::Own), ("regional_manager", Reach::Region), ("super_admin", Reach::All)]
            .into_iter()
            .map(|(role, reach)| Rule { role: role.to_owned(), reach, tools: BTreeSet::from(["*".to_owned()]) })
            .collect()
    }

    /// Whether this principal may call this tool, and over whose rows. `None` is no.
    pub fn permit(&self, principal: &Arc<Principal>, tool: &str) -> Option<Permit> {
        let reaches: Vec<Reach> = self
            .rules
            .iter()
            .filter(|rule| principal.roles().contains(&rule.role))
            .filter(|rule| rule.tools.contains("*") || rule.tools.contains(tool))
            .map(|rule| rule.reach)
            .collect();
        let scope = self.scope(principal, &reaches)?;
        Some(Permit { principal: Arc::clone(principal), tool: tool.to_owned(), scope })
    }

    /// The tenants the granted reaches add up to. A tenant the directory does not list does not count, whatever the
    /// token says; no tenant at all is no permit.
    fn scope(&self, principal: &Principal, reaches: &[Reach]) -> Option<Scope> {
        if reaches.contains(&Reach::All) {
            return Some(Scope::All);
        }
        let (own, region) = (reaches.contains(&Reach::Own), reaches.contains(&Reach::Region));
        let tenants: BTreeSet<Uuid> = self
            .directory
            .iter()
            .filter(|t| {
                (own && principal.tenants().contains(&t.id)) || (region && principal.regions().contains(&t.region))
            })
            .map(|t| t.id)
            .collect();
        let tenants: Vec<Uuid> = tenants.into_iter().collect();
        match tenants.as_slice() {
            [] => None,
            [one] => Some(Scope::One(*one)),
            _ => Some(Scope::Some(tenants)),
        }
    }
}
