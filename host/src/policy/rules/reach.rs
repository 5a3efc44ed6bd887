//! Which policies may speak for tenants nobody has listed.
//!
//! A scope over everything reaches rows of tenants the directory does not list: of later ones, and of removed ones. No
//! policy can be asked about those, so such a scope is given only where every answer is known beforehand.

use cedar_policy::{Effect, EntityTypeName, Policy, PolicySet, PolicySetError, ResourceConstraint};
use serde_json::Value;

/// Types that no tenant is, below or of: a policy for one of them says nothing about whose rows.
const ELSEWHERE: [&str; 4] = ["Rowhouse::Tool", "Rowhouse::Plugin", "Rowhouse::Table", "Rowhouse::Schema"];

/// The type of all tenants together, which is no tenant itself.
const DIRECTORY: &str = "Rowhouse::Directory";

/// Of the policies about `assume`, those that decide whether somebody sees every tenant there is or will be: every
/// `forbid`, and each `permit` that makes no difference between tenants. `None` where a `forbid` makes one: it may name
/// a tenant that is not listed, today or any more.
pub(super) fn everything(assume: &PolicySet) -> Result<Option<PolicySet>, Box<PolicySetError>> {
    let forbids = |policy: &Policy| policy.effect() == Effect::Forbid;
    if assume.policies().any(|policy| forbids(policy) && concerns_tenants(policy) && !treats_all_alike(policy)) {
        return Ok(None);
    }
    let decides = |policy: &&Policy| forbids(policy) || treats_all_alike(policy);
    Ok(Some(PolicySet::from_policies(assume.policies().filter(decides).cloned())?))
}

/// Whether a policy says of each tenant what it says of the directory: its scope holds all of them, and no condition
/// looks at the resource.
fn treats_all_alike(policy: &Policy) -> bool {
    let all = match policy.resource_constraint() {
        ResourceConstraint::Any => true,
        ResourceConstraint::In(uid) => is(uid.type_name(), DIRECTORY),
        _ => false,
    };
    // What cannot be looked at might look at anything.
    all && policy.to_json().is_ok_and(|json| !looks_at_resource(&json["conditions"]))
}

/// Whether a policy can match a tenant. What is not known to match none can.
fn concerns_tenants(policy: &Policy) -> bool {
    let elsewhere = |kind: &EntityTypeName| ELSEWHERE.iter().any(|name| is(kind, name));
    match policy.resource_constraint() {
        ResourceConstraint::Any => true,
        ResourceConstraint::In(uid) => !elsewhere(uid.type_name()),
        ResourceConstraint::Eq(uid) => !elsewhere(uid.type_name()) && !is(uid.type_name(), DIRECTORY),
        ResourceConstraint::Is(kind) => !elsewhere(&kind) && !is(&kind, DIRECTORY),
        ResourceConstraint::IsIn(kind, uid) => {
            !elsewhere(&kind) && !is(&kind, DIRECTORY) && !elsewhere(uid.type_name())
        }
    }
}

fn is(kind: &EntityTypeName, name: &str) -> bool {
    kind.to_string() == name
}

/// Whether the variable `resource` is anywhere in these conditions, as Cedar's JSON has them.
fn looks_at_resource(conditions: &Value) -> bool {
    match conditions {
        Value::Object(fields) => {
            fields.get("Var").is_some_and(|name| name == "resource") || fields.values().any(looks_at_resource)
        }
        Value::Array(items) => items.iter().any(looks_at_resource),
        _ => false,
    }
}
