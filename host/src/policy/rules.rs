//! A text becomes rules: parsed, named, checked against the schema.

mod reach; // Which policies may speak for tenants nobody has listed.

use super::fault::{Fault, Faults, from_cedar, place};
use cedar_policy::ffi::DetailedError;
use cedar_policy::{
    ActionConstraint, Entities, EntityUid, Policy, PolicyId, PolicySet, PolicySetError, Schema, ValidationMode,
    ValidationWarning, Validator,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// What a policy may speak about.
const SCHEMA: &str = include_str!("../../policy/rowhouse.cedarschema");

/// How far a policy may reach into entities: attributes and ancestors of principal and resource, no further. A
/// decision is then the same whether Cedar is shown the whole directory or only the two, and it is shown the two.
const DEPTH: u32 = 1;

/// The action that says whose rows.
const ASSUME: &str = "assume";

static PARSED: LazyLock<Schema> =
    LazyLock::new(|| Schema::from_cedarschema_str(SCHEMA).expect("a test reads the schema that is built in").0);

/// What a policy may speak about, parsed.
pub(super) fn schema() -> &'static Schema {
    &PARSED
}

/// The actions, with the groups they may come to be in.
pub(super) fn actions() -> Entities {
    schema().action_entities().expect("a test reads the actions of the schema that is built in")
}

/// Policies that hold together: each has a name of its own, and says only what the schema knows.
#[derive(Debug)]
pub(super) struct Rules {
    /// The policies, by their `@id`.
    pub(super) set: PolicySet,
    /// By action, those that can speak about it. Cedar goes through a whole set for each decision, and it is asked once
    /// for each tenant of the directory.
    by_action: BTreeMap<String, PolicySet>,
    /// Those that decide whether somebody sees every tenant there is or will be. `None`: nobody does.
    pub(super) everything: Option<PolicySet>,
    /// What looks odd and is served all the same, such as a text of letters that look like others.
    pub(super) warnings: Vec<Fault>,
    /// The text they were read from.
    pub(super) text: String,
}

impl Rules {
    /// Read and prove.
    pub(super) fn read(text: &str) -> Result<Self, Faults> {
        let parsed: PolicySet = text
            .parse()
            .map_err(|error: cedar_policy::ParseErrors| Faults::new(from_cedar(text, &DetailedError::from(&error))))?;
        let set = named(text, &parsed)?;
        let result = Validator::new(schema().clone()).validate_with_level(&set, ValidationMode::Strict, DEPTH);
        let whole = |error: Box<PolicySetError>| Faults::whole(error.to_string());
        let by_action = by_action(&set).map_err(whole)?;
        let everything = by_action.get(ASSUME).map_or(Ok(None), reach::everything).map_err(whole)?;
        let rules = Self { set, by_action, everything, warnings: Vec::new(), text: text.to_owned() };
        let errors: Vec<Fault> = result
            .validation_errors()
            .flat_map(|error| rules.faults(&DetailedError::from(error), error.policy_id()))
            .collect();
        if !result.validation_passed() {
            return Err(Faults::new(errors));
        }
        // A policy that can never apply may be the `forbid` somebody relies on.
        let (impossible, odd): (Vec<_>, Vec<_>) =
            result.validation_warnings().partition(|it| matches!(it, ValidationWarning::ImpossiblePolicy(_)));
        let faults = |list: Vec<&ValidationWarning>| -> Vec<Fault> {
            list.into_iter().flat_map(|it| rules.faults(&DetailedError::from(it), it.policy_id())).collect()
        };
        if !impossible.is_empty() {
            return Err(Faults::new(faults(impossible)));
        }
        Ok(Self { warnings: faults(odd), ..rules })
    }

    /// The policies that decide an action.
    pub(super) fn about(&self, action: &str) -> &PolicySet {
        self.by_action.get(action).unwrap_or(&self.set)
    }

    /// What Cedar found in a policy; where it does not say where, the policy's own place.
    fn faults(&self, error: &DetailedError, policy: &PolicyId) -> Vec<Fault> {
        let faults = from_cedar(&self.text, error).into_iter();
        faults.map(|fault| Fault { at: fault.at.or_else(|| self.place_of(policy)), ..fault }).collect()
    }

    /// Line and column a policy begins at.
    pub(super) fn place_of(&self, id: &PolicyId) -> Option<(usize, usize)> {
        // The printed form of a policy is its very text, so this finds it.
        self.text.find(&self.set.policy(id)?.to_string()).map(|at| place(&self.text, at))
    }
}

/// For each action of the schema, the policies whose scope does not rule it out.
fn by_action(set: &PolicySet) -> Result<BTreeMap<String, PolicySet>, Box<PolicySetError>> {
    let actions: Vec<&EntityUid> = schema().actions().collect();
    let about = |action: &EntityUid| {
        let speaks = |policy: &&Policy| match policy.action_constraint() {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(one) => one == *action,
            // What is no action is a group of them, and may hold this one.
            ActionConstraint::In(some) => some.iter().any(|it| it == action || !actions.contains(&it)),
        };
        PolicySet::from_policies(set.policies().filter(speaks).cloned()).map_err(Box::new)
    };
    actions.iter().map(|action| Ok((action.id().unescaped().to_owned(), about(action)?))).collect()
}

/// The same policies under their own names. Cedar numbers them, and a number says nothing in a log and changes when a
/// policy is put before it.
fn named(text: &str, parsed: &PolicySet) -> Result<PolicySet, Faults> {
    // The printed form of a policy is its very text, so this finds it.
    let whole = |at: Option<usize>, message| Fault { at: at.map(|at| place(text, at)), message };
    let mut faults: Vec<Fault> = parsed
        .templates()
        .map(|template| {
            let message = "a template (`?principal`, `?resource`) applies to nobody: write out whom it is for";
            whole(text.find(&template.to_string()), message.to_owned())
        })
        .collect();
    let (mut names, mut set) = (BTreeSet::new(), PolicySet::new());
    for policy in parsed.policies() {
        let at = || text.find(&policy.to_string());
        let Some(name) = policy.annotation("id").filter(|name| !name.trim().is_empty()) else {
            faults.push(whole(at(), "this policy has no name: write @id(\"some-name\") before it".to_owned()));
            continue;
        };
        if !names.insert(name) {
            faults.push(whole(at(), format!("another policy is called {name:?}, too: choose another @id")));
            continue;
        }
        if let Err(error) = set.add(policy.new_id(PolicyId::new(name))) {
            faults.push(whole(at(), error.to_string()));
        }
    }
    if faults.is_empty() { Ok(set) } else { Err(Faults::new(faults)) }
}
