//! What they may call, and whose rows they may see while they do.
//!
//! A [`Permit`] is proof that the policy said yes. Only [`Policy::permit`] makes one, and nothing opens a transaction
//! without one. Decisions are Cedar's, over the schema in `host/policy/rowhouse.cedarschema`: what no policy permits is
//! denied, `forbid` wins, and a decision in which any policy could not be evaluated is a denial.

mod cases; // Decisions a policy must give.
mod entities; // People, tools, tables and tenants, as Cedar sees them.
mod explain; // What was decided and by which policies, for people.
mod fault; // What is wrong with a policy, where.
mod keeper; // The snapshot in force, and how another takes its place.
mod reach; // What a plugin's grant leaves of it.
mod rules; // A text becomes rules.
mod seat; // What is worked out once for each principal.

pub use cases::{Cases, Outcome, Unusable, tenant_named};
pub use entities::{PROMPT, Question, RESOURCE, Subject, kind};
pub use explain::{Explanation, Verdict};
pub use fault::{Fault, Faults};
pub use keeper::{Keeper, Refused, Unread, read_text};

use crate::config;
use crate::identity::Principal;
use moka::sync::Cache;
use reach::{Reach, Reaches};
use rules::Rules;
use seat::{Seat, Snapshot};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use uuid::Uuid;

/// The policy Rowhouse ships with: three roles of a retailer.
pub const SHIPPED: &str = include_str!("../policy/retail.cedar");

/// What it must decide, over the demo's stores: cases in the form [`Cases`] reads.
pub const SHIPPED_CASES: &str = include_str!("../policy/retail.cases.toml");

/// What the decisions one snapshot remembers may weigh, in bytes: some 100,000 with names of usual length.
const REMEMBERED_BYTES: u64 = 16 << 20;

/// Bytes a remembered decision weighs besides its names: key, value and what the cache keeps about it.
const DECISION_BYTES: usize = 100;

/// Principals whose tables one snapshot remembers. A dozen tables take a kilobyte.
const READERS: u64 = 2_000;

/// What the principals one snapshot remembers may weigh: 10,000 with a role and a tenant, fewer with longer lists. A
/// unit is some 300 bytes, the space of an entity's name in a set.
const REMEMBERED_SEATS: u64 = 10_000 * (seat::WEIGHT as u64 + 2);

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

/// A tenant as the directory lists it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tenant {
    /// The tenant key of its rows.
    pub id: Uuid,
    /// For people to read.
    pub name: String,
    /// The region it belongs to.
    pub region: String,
}

impl Tenant {
    /// Whether settings and commands mean this one: by its name, or by its id.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || Uuid::try_parse(name).is_ok_and(|id| id == self.id)
    }
}

/// Why there is no permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No policy permits the tool, or no tenant may be assumed. From outside it looks like a tool that does not exist.
    #[error("no such tool")]
    Tool,
    /// A tenant that was asked for does not exist or may not be assumed: the two are the same from outside.
    #[error("a tenant that was asked for does not exist or is not yours to see; name one of your own, or none")]
    Tenant,
}

/// Proof that the policy allowed one principal to use one item of a plugin ([`Question`]) over one scope. Keeps the
/// snapshot that said so: what is decided later in the call is decided by the same rules.
#[derive(Clone, Debug)]
pub struct Permit {
    policy: Policy,
    seat: Arc<Seat>,
    principal: Arc<Principal>,
    plugin: String,
    tool: String,
    scope: Scope,
    reach: Arc<Reach>,
}

impl Permit {
    /// Who was allowed.
    pub fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// Of which plugin.
    pub fn plugin(&self) -> &str {
        &self.plugin
    }

    /// Which tool, prompt (`prompt:NAME`) or document (`resource:URI`).
    pub fn tool(&self) -> &str {
        &self.tool
    }

    /// Over whose rows.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The tenant, where the caller may see no other one: not where the call was narrowed to it.
    pub fn sole_tenant(&self) -> Option<Uuid> {
        self.seat.sole_tenant()
    }

    /// The tenant as the directory lists it, where the call is over one tenant's rows.
    pub fn tenant(&self) -> Option<&Tenant> {
        let Scope::One(id) = &self.scope else { return None };
        let directory = self.policy.directory();
        directory.binary_search_by_key(id, |tenant| tenant.id).ok().map(|at| &directory[at])
    }

    /// Which of these tables statements of this call may read: what the policy allows, as far as the plugin's grant
    /// reaches. Decided once for a principal, a list of tables and a grant, and all at once: a decision needs the room of
    /// an ordinary stack, and a guest asks on its own small one.
    pub fn readable(&self, tables: &Arc<Tables>) -> Arc<Readable> {
        // The list is kept with the answer and the grant with the policy, so their addresses stay their own.
        let key = (self.seat.number(), Arc::as_ptr(tables) as usize, Arc::as_ptr(&self.reach) as usize);
        self.policy.0.readable.get_with(key, || {
            let may = |schema: &str, table: &str| {
                self.reach.reads(schema, table)
                    && self.policy.decided(&self.seat, Question::Read(schema.to_owned(), table.to_owned()))
            };
            let mut allowed = Tables::clone(tables);
            for (schema, names) in &mut allowed {
                names.retain(|name| may(schema, name));
            }
            Arc::new(Readable { allowed, _of: Arc::clone(tables) })
        })
    }

    /// Whether the values of this call's arguments may be kept in the audit as they are.
    pub fn may_record(&self) -> bool {
        self.policy.decided(&self.seat, Question::Record(self.plugin.clone(), self.tool.clone()))
    }
}

/// Tables by schema, as PostgreSQL stores their names.
pub type Tables = BTreeMap<String, BTreeSet<String>>;

/// The tables a call may read.
#[derive(Debug)]
pub struct Readable {
    allowed: Tables,
    _of: Arc<Tables>,
}

impl Readable {
    /// Whether this one is among them.
    pub fn contains(&self, schema: &str, table: &str) -> bool {
        self.allowed.get(schema).is_some_and(|names| names.contains(table))
    }

    /// All of them.
    pub fn tables(&self) -> &Tables {
        &self.allowed
    }

    #[cfg(test)]
    pub(crate) fn of(allowed: Tables) -> Self {
        Self { allowed, _of: Arc::default() }
    }
}

/// The rules and the directory they speak about: one immutable snapshot. Cheap to clone.
#[derive(Clone)]
pub struct Policy(Arc<Inner>);

struct Inner {
    snapshot: Snapshot,
    /// By everything that was proved: who gains or loses a role is somebody else here.
    seats: Cache<Arc<Principal>, Arc<Seat>>,
    /// By the seat's number and what was asked.
    decisions: Cache<(u64, Question), bool>,
    /// By the seat's number, the list's address and the grant's.
    readable: Cache<(u64, usize, usize), Arc<Readable>>,
    /// How far each plugin reaches.
    reaches: Reaches,
}

impl Policy {
    /// The policies of this text (Cedar) over these tenants.
    ///
    /// # Errors
    /// What is wrong, by line and column: a text that does not parse, a policy without an `@id` or with another's, one
    /// that says what the schema does not know, two tenants with one id.
    pub fn new(text: &str, directory: Vec<Tenant>) -> Result<Self, Faults> {
        Self::of(Arc::new(Rules::read(text)?), directory, &config::Plugins::default())
    }

    /// Rules over a directory, as far as the grants of these plugins reach.
    fn of(rules: Arc<Rules>, directory: Vec<Tenant>, plugins: &config::Plugins) -> Result<Self, Faults> {
        let seats =
            Cache::builder().max_capacity(REMEMBERED_SEATS).weigher(|_, seat: &Arc<Seat>| seat.weight()).build();
        let decisions = Cache::builder()
            .max_capacity(REMEMBERED_BYTES)
            .weigher(|(_, question): &(u64, Question), _| {
                u32::try_from(DECISION_BYTES + question.resource().len()).unwrap_or(u32::MAX)
            })
            .build();
        let snapshot = Snapshot::new(rules, directory)?;
        let reaches = Reaches::new(plugins, snapshot.directory());
        Ok(Self(Arc::new(Inner { snapshot, reaches, seats, decisions, readable: Cache::new(READERS) })))
    }

    /// Whether this principal may use this item (see [`Question`]), and over whose rows. `wanted` narrows the scope to some
    /// of the tenants the principal may assume.
    ///
    /// # Errors
    /// [`Denied`], which says no more than the caller may know.
    pub fn permit(
        &self,
        principal: &Arc<Principal>,
        plugin: &str,
        tool: &str,
        wanted: Option<&[Uuid]>,
    ) -> Result<Permit, Denied> {
        let seat = self.seat(principal);
        let (plugin, tool) = (plugin.to_owned(), tool.to_owned());
        if !self.decided(&seat, Question::Call(plugin.clone(), tool.clone())) {
            return Err(Denied::Tool);
        }
        let reach = Arc::clone(self.0.reaches.of(&plugin));
        let scope = reach.narrow(seat.scope(wanted)?, wanted.is_some())?;
        Ok(Permit { policy: self.clone(), seat, principal: Arc::clone(principal), plugin, tool, scope, reach })
    }

    /// Whether this item (see [`Question`]) is in the lists this principal sees: a policy permits `list`, and there is a
    /// tenant to see that the plugin is for.
    pub fn lists(&self, principal: &Arc<Principal>, plugin: &str, tool: &str) -> bool {
        let seat = self.seat(principal);
        let left = seat.scope(None).and_then(|scope| self.0.reaches.of(plugin).narrow(scope, false));
        left.is_ok() && self.decided(&seat, Question::List(plugin.to_owned(), tool.to_owned()))
    }

    /// What one decision would be for somebody of whom nothing was proved, and which policies made it.
    pub fn decide(&self, subject: &Subject, question: &Question) -> Verdict {
        self.0.snapshot.verdict(&self.0.snapshot.guest(subject), question)
    }

    /// The tenants the policies speak about, in order of their ids.
    pub fn directory(&self) -> &[Tenant] {
        self.0.snapshot.directory()
    }

    /// How many policies there are.
    pub fn len(&self) -> usize {
        self.0.snapshot.rules().set.num_of_policies()
    }

    /// Whether there are none, so that everything is denied.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What looks odd in the text and is served all the same.
    pub fn warnings(&self) -> &[Fault] {
        &self.0.snapshot.rules().warnings
    }

    /// What was worked out for this principal; worked out now, if it never was.
    fn seat(&self, principal: &Arc<Principal>) -> Arc<Seat> {
        self.0.seats.get_with(Arc::clone(principal), || Arc::new(self.0.snapshot.seat(&Subject::from(&**principal))))
    }

    fn decided(&self, seat: &Seat, question: Question) -> bool {
        let key = (seat.number(), question);
        if let Some(allowed) = self.0.decisions.get(&key) {
            return allowed;
        }
        let allowed = self.0.snapshot.allows(seat, &key.1);
        self.0.decisions.insert(key, allowed);
        allowed
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy").field("tenants", &self.directory().len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
