//! People the demo makes tokens for.

use uuid::Uuid;

use super::stores::STORES;

/// Somebody who asks, with the rights the host's policies look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoIdentity {
    /// Short name for the command line: `seattle`, `puget-sound`, `head-office`.
    pub key: &'static str,
    /// For people: `Seattle store manager`.
    pub display_name: String,
    /// `store_manager`, `regional_manager` or `super_admin`.
    pub roles: &'static [&'static str],
    /// Regions whose stores a regional manager may see; empty for the others.
    pub regions: &'static [&'static str],
    /// Stores a store manager may see; empty for the others.
    pub tenants: Vec<Uuid>,
}

const REGIONAL: [(&str, &str, &[&str]); 3] = [
    ("puget-sound", "Puget Sound regional manager", &["Puget Sound"]),
    ("eastside", "Eastside regional manager", &["Eastside"]),
    ("east-and-online", "Eastern Washington and Online manager", &["Eastern Washington", "Online"]),
];

/// A manager for each store, three for regions, one at head office who may see everything.
pub fn demo_identities() -> Vec<DemoIdentity> {
    let managers = STORES.iter().map(|store| DemoIdentity {
        key: store.key,
        display_name: format!("{} store manager", store.name),
        roles: &["store_manager"],
        regions: &[],
        tenants: vec![store.id()],
    });
    let regional = REGIONAL.into_iter().map(|(key, name, regions)| DemoIdentity {
        key,
        display_name: name.to_owned(),
        roles: &["regional_manager"],
        regions,
        tenants: Vec::new(),
    });
    let head_office = DemoIdentity {
        key: "head-office",
        display_name: "Head office".to_owned(),
        roles: &["super_admin"],
        regions: &[],
        tenants: Vec::new(),
    };
    managers.chain(regional).chain([head_office]).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{STORES, demo_identities};

    #[test]
    fn identities_name_existing_stores_and_regions_once() {
        let people = demo_identities();
        assert_eq!(people.iter().map(|who| who.key).collect::<HashSet<_>>().len(), people.len());
        for who in &people {
            assert!(who.regions.iter().all(|region| STORES.iter().any(|store| store.region == *region)), "{who:?}");
            assert!(who.tenants.iter().all(|id| STORES.iter().any(|store| store.id() == *id)), "{who:?}");
        }
        let ids: HashSet<_> = STORES.iter().map(super::super::stores::Store::id).collect();
        assert_eq!(ids.len(), STORES.len());
    }
}
