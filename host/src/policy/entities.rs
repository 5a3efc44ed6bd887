//! People, tools, tables and tenants, as Cedar sees them.

use super::Tenant;
use super::rules::{actions, schema};
use crate::error::BoxError;
use crate::identity::Principal;
use cedar_policy::{Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;
use uuid::Uuid;

/// How a prompt is named among a plugin's items.
pub const PROMPT: &str = "prompt:";

/// How a document, or a family of them, is named among a plugin's items.
pub const RESOURCE: &str = "resource:";

/// How the item of a plugin is named before its own name: [`PROMPT`], [`RESOURCE`], or nothing for a tool.
pub fn kind(item: &str) -> &'static str {
    [PROMPT, RESOURCE].into_iter().find(|kind| item.starts_with(kind)).unwrap_or_default()
}

/// The one [`Question::AssumeAll`] is about.
const EVERYTHING: &str = "all";

/// Somebody a decision is asked for. Says what a [`Principal`] says, and proves nothing: it is good for questions,
/// never for a permit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Subject {
    /// Who vouches for it (`iss`).
    pub issuer: String,
    /// The stable name there (`sub`).
    pub subject: String,
    /// Role names.
    pub roles: Vec<String>,
    /// Its own tenants.
    pub tenants: Vec<Uuid>,
    /// Its own regions.
    pub regions: Vec<String>,
    /// What its token is good for.
    pub scopes: Vec<String>,
}

impl From<&Principal> for Subject {
    fn from(principal: &Principal) -> Self {
        Self {
            issuer: principal.issuer().to_owned(),
            subject: principal.subject().to_owned(),
            roles: principal.roles().to_vec(),
            tenants: principal.tenants().to_vec(),
            regions: principal.regions().to_vec(),
            scopes: principal.scopes().to_vec(),
        }
    }
}

/// One thing that can be decided: an action and what it is done to.
///
/// An item is what a plugin offers: a tool by its name, `prompt:NAME`, `resource:URI` or `resource:TEMPLATE`. No tool's
/// name has a colon.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question {
    /// See this item (of this plugin) in lists.
    List(String, String),
    /// Call this tool, get this prompt, read this document (of this plugin).
    Call(String, String),
    /// Have the arguments of this item (of this plugin) kept in the audit as they are.
    Record(String, String),
    /// Read this table (schema, name).
    Read(String, String),
    /// See the rows of this tenant.
    Assume(Uuid),
    /// See the rows of every tenant there is or will be.
    AssumeAll,
}

impl Question {
    /// The action's name in policies.
    pub fn action(&self) -> &'static str {
        match self {
            Self::List(..) => "list",
            Self::Call(_, item) => match kind(item) {
                PROMPT => "get",
                RESOURCE => "read",
                _ => "call",
            },
            Self::Record(..) => "record",
            Self::Read(..) => "read",
            Self::Assume(_) | Self::AssumeAll => "assume",
        }
    }

    /// The resource, as people write it: its id in policies, with the kind of an item before its name.
    pub fn resource(&self) -> String {
        match self {
            Self::List(plugin, tool) | Self::Call(plugin, tool) | Self::Record(plugin, tool) => {
                format!("{plugin}/{tool}")
            }
            Self::Read(schema, table) => format!("{schema}.{table}"),
            Self::Assume(id) => id.to_string(),
            Self::AssumeAll => EVERYTHING.to_owned(),
        }
    }

    fn uid(&self) -> EntityUid {
        let kind = match self {
            Self::List(plugin, item) | Self::Call(plugin, item) | Self::Record(plugin, item) => {
                return item_uid(plugin, item);
            }
            Self::Read(..) => &TYPES.table,
            Self::Assume(_) => &TYPES.tenant,
            Self::AssumeAll => &TYPES.directory,
        };
        uid(kind, self.resource())
    }

    /// The resource itself, where the directory does not hold it already.
    fn entity(&self) -> Option<Entity> {
        let parent = match self {
            Self::List(plugin, _) | Self::Call(plugin, _) | Self::Record(plugin, _) => uid(&TYPES.plugin, plugin),
            Self::Read(schema, _) => uid(&TYPES.schema, schema),
            Self::Assume(_) | Self::AssumeAll => return None,
        };
        Some(Entity::new_no_attrs(self.uid(), HashSet::from([parent])))
    }

    /// The request to put before Cedar.
    pub(super) fn request(&self, user: &EntityUid) -> Result<Request, BoxError> {
        let action = uid(&TYPES.action, self.action());
        Ok(Request::new(user.clone(), action, self.uid(), Context::empty(), Some(schema()))?)
    }

    /// What Cedar must see to answer, where that is more than is there already: the resource.
    pub(super) fn among(&self, entities: &Entities) -> Result<Option<Entities>, BoxError> {
        // Of our own making, so checking it against the schema each time would find nothing; a test does it once.
        self.entity().map(|entity| Ok(entities.clone().add_entities([entity], None)?)).transpose()
    }
}

struct Types {
    user: EntityTypeName,
    role: EntityTypeName,
    tool: EntityTypeName,
    prompt: EntityTypeName,
    resource: EntityTypeName,
    plugin: EntityTypeName,
    table: EntityTypeName,
    schema: EntityTypeName,
    tenant: EntityTypeName,
    region: EntityTypeName,
    directory: EntityTypeName,
    action: EntityTypeName,
}

static TYPES: LazyLock<Types> = LazyLock::new(|| {
    let name = |name: &str| format!("Rowhouse::{name}").parse().expect("the names of the types are constants");
    Types {
        user: name("User"),
        role: name("Role"),
        tool: name("Tool"),
        prompt: name("Prompt"),
        resource: name("Resource"),
        plugin: name("Plugin"),
        table: name("Table"),
        schema: name("Schema"),
        tenant: name("Tenant"),
        region: name("Region"),
        directory: name("Directory"),
        action: name("Action"),
    }
});

/// Never parsed, so a name from a token cannot become another entity.
fn uid(kind: &EntityTypeName, id: impl AsRef<str>) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

/// What a plugin offers, as policies name it: `Tool::"sales/x"`, `Prompt::"sales/x"`, `Resource::"sales/x://y"`.
fn item_uid(plugin: &str, item: &str) -> EntityUid {
    let prefix = kind(item);
    let entity = match prefix {
        PROMPT => &TYPES.prompt,
        RESOURCE => &TYPES.resource,
        _ => &TYPES.tool,
    };
    uid(entity, format!("{plugin}/{}", &item[prefix.len()..]))
}

/// What a subject is called in policies. An issuer is a URL or a plain name and has no `|`, so no two share one.
pub(super) fn user_uid(subject: &Subject) -> EntityUid {
    uid(&TYPES.user, format!("{}|{}", subject.issuer, subject.subject))
}

/// The subject in its roles.
pub(super) fn user(subject: &Subject) -> Result<Entity, BoxError> {
    let text = |text: &String| RestrictedExpression::new_string(text.clone());
    let entity = |kind: &EntityTypeName, id: &str| RestrictedExpression::new_entity_uid(uid(kind, id));
    let set = |values: Vec<RestrictedExpression>| RestrictedExpression::new_set(values);
    let attributes = HashMap::from([
        ("issuer".to_owned(), text(&subject.issuer)),
        ("subject".to_owned(), text(&subject.subject)),
        ("tenants".to_owned(), set(subject.tenants.iter().map(|id| entity(&TYPES.tenant, &id.to_string())).collect())),
        ("regions".to_owned(), set(subject.regions.iter().map(|name| entity(&TYPES.region, name)).collect())),
        ("scopes".to_owned(), set(subject.scopes.iter().map(text).collect())),
    ]);
    let roles = subject.roles.iter().map(|role| uid(&TYPES.role, role)).collect();
    Ok(Entity::new(user_uid(subject), attributes, roles)?)
}

/// Actions and the directory: what every snapshot knows before anybody asks.
pub(super) fn ground(directory: &[Tenant]) -> Result<Entities, BoxError> {
    let everything = uid(&TYPES.directory, EVERYTHING);
    let regions: BTreeSet<&str> = directory.iter().map(|tenant| tenant.region.as_str()).collect();
    let regions = regions
        .into_iter()
        .map(|name| Entity::new_no_attrs(uid(&TYPES.region, name), HashSet::from([everything.clone()])));
    let tenants = directory.iter().map(|tenant| {
        let name = RestrictedExpression::new_string(tenant.name.clone());
        let region = HashSet::from([uid(&TYPES.region, &tenant.region)]);
        let id = uid(&TYPES.tenant, tenant.id.to_string());
        Entity::new(id, HashMap::from([("name".to_owned(), name)]), region).map_err(Box::new)
    });
    let tenants = tenants.collect::<Result<Vec<_>, _>>()?;
    Ok(actions().add_entities(regions.chain(tenants), Some(schema()))?)
}
