use super::*;
use crate::config::Person;
use crate::identity::{Identity, Seeds};
use rowhouse_migrations::retail::STORES;

mod reach; // Who sees every tenant there is or will be.
mod refused; // Texts that are not served.

/// The demo's stores, less those named.
fn stores_without(gone: &[&str]) -> Vec<Tenant> {
    let stores = STORES.iter().filter(|store| !gone.contains(&store.name));
    stores.map(|s| Tenant { id: s.id(), name: s.name.to_owned(), region: s.region.to_owned() }).collect()
}

fn store(name: &str) -> Uuid {
    tenant_named(&stores_without(&[]), name).expect("a store")
}

fn may_read(permit: &Permit, schema: &str, table: &str) -> bool {
    let tables = Tables::from([(schema.to_owned(), BTreeSet::from([table.to_owned()]))]);
    permit.readable(&Arc::new(tables)).contains(schema, table)
}

/// Proved, as far as a test can: the host vouches for somebody of this role, with these tenants and regions.
fn principal(roles: &[&str], tenants: &[Uuid], regions: &[&str]) -> Arc<Principal> {
    let owned = |list: &[&str]| list.iter().map(ToString::to_string).collect();
    let ann = Person {
        name: "ann".to_owned(),
        display_name: "Ann".to_owned(),
        roles: owned(roles),
        tenants: tenants.to_vec(),
        regions: owned(regions),
        scopes: owned(&["mcp:tools"]),
    };
    let settings = config::Identity::default();
    let seed = secrecy::SecretBox::new(Box::new([7; 32]));
    let seeds = Seeds { current: &seed, previous: None };
    let identity = Identity::open(&settings, "https://rowhouse.example", seeds, vec![ann], None).expect("identity");
    Arc::new(identity.local("ann").expect("ann"))
}

fn manager(store_name: &str) -> Arc<Principal> {
    principal(&["store_manager"], &[store(store_name)], &[])
}

fn head_office() -> Arc<Principal> {
    principal(&["super_admin"], &[], &[])
}

fn policy(more: &str) -> Policy {
    Policy::new(&format!("{SHIPPED}\n{more}"), stores_without(&[])).unwrap_or_else(|faults| panic!("{faults}"))
}

/// Whose rows a call sees, in words; the reason where there is no permit.
#[track_caller]
fn check(policy: &Policy, who: &Arc<Principal>, wanted: Option<&[Uuid]>, sees: &str) {
    let said = match policy.permit(who, "sales", "top", wanted) {
        Ok(permit) => policy.scope_shown(Some(permit.scope())),
        Err(denied) => format!("{denied:?}"),
    };
    assert_eq!(said, sees, "{who:?} wants {wanted:?}");
}

#[test]
fn everyone_reaches_their_own() {
    let policy = policy("");
    let (seattle, spokane, nowhere) = (store("Seattle"), store("Spokane"), Uuid::from_u128(1));
    for (roles, tenants, regions, sees) in [
        (&["store_manager"][..], &[seattle][..], &[][..], "rows of Seattle"),
        (&["store_manager"], &[spokane, seattle, spokane], &[], "rows of Seattle, Spokane"),
        (&["store_manager"], &[seattle, nowhere], &[], "rows of Seattle"),
        (&["store_manager"], &[nowhere], &[], "Tool"),
        (&["store_manager"], &[], &["Puget Sound"], "Tool"),
        (&["regional_manager"], &[], &["Puget Sound"], "rows of Everett, Seattle, Tacoma"),
        (&["regional_manager"], &[], &["Online", "Eastern Washington"], "rows of Online, Spokane"),
        (&["regional_manager"], &[], &["puget sound"], "Tool"),
        (&["regional_manager"], &[seattle], &[], "Tool"),
        (&["store_manager", "regional_manager"], &[spokane], &["Online"], "rows of Online, Spokane"),
        (&["super_admin"], &[], &[], "everybody's rows"),
        (&["super_admin", "store_manager"], &[seattle], &[], "everybody's rows"),
        (&[], &[seattle], &["Puget Sound"], "Tool"),
        (&["customer"], &[seattle], &["Puget Sound"], "Tool"),
        (&["Super_Admin", "super_admin\"", "*"], &[seattle], &[], "Tool"),
    ] {
        check(&policy, &principal(roles, tenants, regions), None, sees);
    }
}

#[test]
fn what_is_wanted_narrows_and_never_widens() {
    let policy = policy(&format!(
        "@id(\"not-spokane\") forbid (principal, action, resource == Rowhouse::Tenant::\"{}\");",
        store("Spokane")
    ));
    let (seattle, tacoma, spokane, nowhere) = (store("Seattle"), store("Tacoma"), store("Spokane"), Uuid::from_u128(1));
    let puget_sound = principal(&["regional_manager"], &[], &["Puget Sound"]);
    for (who, wanted, sees) in [
        (&puget_sound, &[seattle][..], "rows of Seattle"),
        (&puget_sound, &[tacoma, seattle, tacoma], "rows of Seattle, Tacoma"),
        // Another's, one that is forbidden, one that does not exist, none at all: one answer.
        (&puget_sound, &[store("Online")], "Tenant"),
        (&puget_sound, &[spokane], "Tenant"),
        (&puget_sound, &[nowhere], "Tenant"),
        (&puget_sound, &[seattle, nowhere], "Tenant"),
        (&puget_sound, &[], "Tenant"),
        (&head_office(), &[seattle], "rows of Seattle"),
        (&head_office(), &[spokane], "Tenant"),
        (&head_office(), &[nowhere], "Tenant"),
        (&manager("Spokane"), &[spokane], "Tool"),
        (&principal(&[], &[], &[]), &[seattle], "Tool"),
    ] {
        check(&policy, who, Some(wanted), sees);
    }
    // One forbidden tenant, and "all" is no more.
    check(&policy, &head_office(), None, "rows of Bellevue, Everett, Kirkland, Online, Redmond, Seattle, Tacoma");
    let open = self::policy("");
    check(&open, &head_office(), Some(&[nowhere]), "Tenant");
    check(&open, &head_office(), Some(&[spokane, seattle]), "rows of Seattle, Spokane");
}

#[test]
fn a_call_that_is_narrowed_is_still_the_callers() {
    let policy = policy("");
    let (seattle, tacoma) = (store("Seattle"), store("Tacoma"));
    let puget_sound = principal(&["regional_manager"], &[], &["Puget Sound"]);
    for (who, wanted, sole) in [
        (&manager("Seattle"), None, Some(seattle)),
        (&manager("Seattle"), Some(&[seattle][..]), Some(seattle)),
        (&principal(&["store_manager"], &[seattle, tacoma], &[]), Some(&[seattle]), None),
        (&puget_sound, None, None),
        (&puget_sound, Some(&[seattle]), None),
        (&head_office(), None, None),
        (&head_office(), Some(&[seattle]), None),
    ] {
        let permit = policy.permit(who, "sales", "top", wanted).unwrap();
        assert_eq!(permit.sole_tenant(), sole, "{who:?} wants {wanted:?}");
    }
    // Every tenant there is or will be is more than the one there is today.
    let alone = Policy::new(SHIPPED, vec![Tenant { id: seattle, name: "Seattle".into(), region: "r".into() }]).unwrap();
    assert_eq!(alone.permit(&head_office(), "sales", "top", None).unwrap().sole_tenant(), None);
    assert_eq!(alone.permit(&manager("Seattle"), "sales", "top", None).unwrap().sole_tenant(), Some(seattle));
}

#[test]
fn directories_of_every_size() {
    let tenants = |count: u128| -> Vec<Tenant> {
        let tenant = |n: u128| Tenant { id: Uuid::from_u128(n), name: format!("t{n}"), region: format!("r{}", n % 10) };
        (0..count).map(tenant).collect()
    };
    for (count, admin, regional) in [
        (0, Ok(Scope::All), Err(Denied::Tool)),
        (1, Ok(Scope::All), Err(Denied::Tool)),
        (4, Ok(Scope::All), Ok(Scope::One(Uuid::from_u128(3)))),
        (1000, Ok(Scope::All), Ok(Scope::Some((0..100).map(|n| Uuid::from_u128(n * 10 + 3)).collect()))),
    ] {
        let policy = Policy::new(SHIPPED, tenants(count)).expect("a policy");
        let scope =
            |who: &Arc<Principal>| policy.permit(who, "sales", "top", None).map(|permit| permit.scope().clone());
        assert_eq!(scope(&head_office()), admin, "{count}");
        assert_eq!(scope(&principal(&["regional_manager"], &[], &["r3"])), regional, "{count}");
        let ids: Vec<Uuid> = policy.directory().iter().map(|tenant| tenant.id).collect();
        let own = policy.permit(&principal(&["store_manager"], &ids, &[]), "sales", "top", None);
        assert_eq!(own.map(|permit| permit.scope().clone()).ok(), seat_shape(ids), "{count}");
    }
}

/// Naming every tenant is not "every tenant there is or will be".
fn seat_shape(ids: Vec<Uuid>) -> Option<Scope> {
    match ids.len() {
        0 => None,
        1 => Some(Scope::One(ids[0])),
        _ => Some(Scope::Some(ids)),
    }
}

#[test]
fn listing_calling_reading_and_recording_are_decided_apart() {
    let policy = policy(
        r#"
        @id("no-calls") forbid (principal, action == Rowhouse::Action::"call", resource == Rowhouse::Tool::"sales/raw");
        @id("no-lists") forbid (principal, action == Rowhouse::Action::"list", resource in Rowhouse::Plugin::"hidden");
        @id("no-prices") forbid (principal, action == Rowhouse::Action::"read", resource == Rowhouse::Table::"retail.prices");
        @id("no-pay") forbid (principal, action, resource in Rowhouse::Schema::"pay");
        @id("keep") permit (principal, action == Rowhouse::Action::"record", resource == Rowhouse::Tool::"sales/top")
          when { principal.scopes.contains("mcp:tools") };
        "#,
    );
    let who = manager("Seattle");
    for (plugin, tool, listed, called) in
        [("sales", "top", true, true), ("sales", "raw", true, false), ("hidden", "top", false, true)]
    {
        assert_eq!(policy.lists(&who, plugin, tool), listed, "{plugin}/{tool}");
        assert_eq!(policy.permit(&who, plugin, tool, None).is_ok(), called, "{plugin}/{tool}");
    }
    let permit = policy.permit(&who, "sales", "top", None).expect("a permit");
    assert_eq!((permit.plugin(), permit.tool(), permit.principal()), ("sales", "top", &who));
    assert!(permit.may_record());
    assert!(!policy.permit(&who, "hidden", "top", None).expect("a permit").may_record());
    for (schema, table, read) in [
        ("retail", "orders", true),
        ("retail", "prices", false),
        ("pay", "slips", false),
        // Names with a dot: the schema counts, not the text.
        ("pay", "x.y", false),
        ("retail", "pay.slips", true),
    ] {
        // Twice: decided, and remembered.
        assert_eq!([may_read(&permit, schema, table), may_read(&permit, schema, table)], [read; 2], "{schema}.{table}");
    }
    // Who sees no tenant sees no tool.
    assert!(!policy.lists(&principal(&["store_manager"], &[], &[]), "sales", "top"));
}

#[test]
fn what_is_remembered_is_remembered_of_one_principal() {
    let policy = policy("");
    let (seattle, demoted) = (manager("Seattle"), principal(&[], &[store("Seattle")], &[]));
    assert_eq!(seattle.subject(), demoted.subject());
    for _ in 0..2 {
        check(&policy, &seattle, None, "rows of Seattle");
        check(&policy, &demoted, None, "Tool");
        check(&policy, &manager("Spokane"), None, "rows of Spokane");
    }
    policy.0.seats.run_pending_tasks();
    assert_eq!(policy.0.seats.entry_count(), 3);
}

#[test]
fn a_permit_goes_by_the_rules_it_was_given_under() {
    let old = policy("");
    let permit = old.permit(&manager("Seattle"), "sales", "top", None).expect("a permit");
    let new = policy("@id(\"stop\") forbid (principal, action, resource);");
    check(&new, &manager("Seattle"), None, "Tool");
    drop(old);
    assert!(may_read(&permit, "retail", "orders"));
}

#[test]
fn what_cannot_be_evaluated_is_a_denial() {
    // 2^63 - 1, and one more: passes the checks, fails in every decision.
    let fails = "when { 9223372036854775807 + 1 > 0 };";
    let who = manager("Seattle");
    for (what, rule, sees) in [
        ("a permit that is not needed", "permit (principal, action == Rowhouse::Action::\"call\", resource)", "Tool"),
        ("a forbid", "forbid (principal, action == Rowhouse::Action::\"call\", resource)", "Tool"),
        (
            "of one tenant",
            "forbid (principal, action == Rowhouse::Action::\"assume\", resource is Rowhouse::Tenant)",
            "Tool",
        ),
        ("elsewhere", "forbid (principal, action == Rowhouse::Action::\"read\", resource)", "rows of Seattle"),
    ] {
        let policy = policy(&format!("@id(\"fails\") {rule} {fails}"));
        check(&policy, &who, None, sees);
        if let Ok(permit) = policy.permit(&who, "sales", "top", None) {
            assert!(!may_read(&permit, "retail", "orders"), "{what}");
        }
    }
    let policy = policy(&format!("@id(\"fails\") permit (principal, action, resource) {fails}"));
    let verdict = policy.decide(&Subject::from(&*who), &Question::Call("sales".to_owned(), "top".to_owned()));
    assert_eq!((verdict.allowed, verdict.failed), (false, vec!["fails".to_owned()]));
}

#[test]
fn the_shipped_policy_decides_its_cases() {
    let outcome = Cases::read(SHIPPED_CASES).expect("cases").run(&policy("")).expect("decisions");
    assert!(outcome.tried() >= 40, "{}", outcome.tried());
    assert_eq!(outcome.missed(), 0, "{}", outcome.misses());
    // And they would notice: each of the policies is needed by one.
    let set = &policy("").0.snapshot.rules().set.clone();
    for gone in set.policies() {
        let rest: String = set.policies().filter(|it| it.id() != gone.id()).map(ToString::to_string).collect();
        let less = Policy::new(&rest, stores_without(&[])).expect("a policy");
        let outcome = Cases::read(SHIPPED_CASES).expect("cases").run(&less).expect("decisions");
        assert!(outcome.misses().contains(&format!("(expected {})", gone.id())), "{}", outcome.table());
    }
}

#[test]
fn the_matrix_reads_well() {
    let directory = stores_without(&[])[..2].to_vec();
    let not_here = format!(
        "@id(\"not-here\") forbid (principal, action, resource == Rowhouse::Tenant::\"{}\")\n  unless {{ principal in Rowhouse::Role::\"store_manager\" }};",
        store("Bellevue")
    );
    let policy = Policy::new(&format!("{SHIPPED}\n{not_here}"), directory).expect("a policy");
    let manager = ("manager", Subject::from(&*manager("Seattle")));
    let matrix =
        policy.matrix(&[manager, ("nobody", Subject::default())], &[("sales", "top")], &[("retail", "orders")]);
    assert_eq!(
        matrix,
        "\
action  resource       manager  nobody  by
list    sales/top      allow    -       staff-use-tools
call    sales/top      allow    -       staff-use-tools
record  sales/top      -        -
read    retail.orders  allow    -       staff-read-tables
assume  all            -        -
assume  Bellevue       -        deny    not-here
assume  Seattle        allow    -       store-manager-own-tenants

manager  sees  rows of Seattle
nobody   sees  nobody's rows
"
    );
}

#[test]
fn what_cedar_is_shown_fits_the_schema() {
    let who = Subject { issuer: "i|".to_owned(), scopes: vec!["s".to_owned()], ..Subject::from(&*manager("Seattle")) };
    let who = Subject { roles: vec!["a\"b".to_owned()], regions: vec![String::new(), "::".to_owned()], ..who };
    let user = entities::user(&who).expect("a user");
    let ground = entities::ground(&stores_without(&[])).expect("a directory");
    let mut everything = ground.add_entities([user], Some(rules::schema())).expect("a user that fits");
    let kinds = [Question::List, Question::Call, Question::Record];
    let items = ["\"", "prompt:\"", "resource:a://\"{x}"].into_iter().flat_map(|item| kinds.map(|kind| (kind, item)));
    let read: fn(String, String) -> Question = Question::Read;
    for (kind, item) in items.chain([(read, "\"")]) {
        let question = kind("a b".to_owned(), item.to_owned());
        question.request(&entities::user_uid(&who)).expect("a request that fits");
        everything = question.among(&everything).expect("a resource").expect("more than before");
    }
    let all = everything.iter().cloned().collect::<Vec<_>>();
    cedar_policy::Entities::from_entities(all, Some(rules::schema())).expect("entities that fit");
}

#[test]
fn an_action_is_decided_by_every_policy_that_speaks_about_it() {
    let set = |action: &str| {
        let policy = policy(
            r#"
            @id("any") permit (principal, action, resource);
            @id("one") forbid (principal, action == Rowhouse::Action::"record", resource);
            @id("two") forbid (principal, action in [Rowhouse::Action::"record", Rowhouse::Action::"assume"], resource);
            "#,
        );
        let set = policy.0.snapshot.rules().about(action).clone();
        set.policies().map(|policy| policy.id().to_string()).collect::<std::collections::BTreeSet<_>>()
    };
    for (action, ids) in [
        ("list", "any staff-read-resources staff-use-prompts staff-use-tools"),
        ("call", "any staff-use-tools"),
        ("get", "any staff-use-prompts"),
        ("record", "any one two"),
        ("read", "any staff-read-resources staff-read-tables"),
        ("assume", "any regional-manager-own-regions store-manager-own-tenants super-admin-everything two"),
    ] {
        assert_eq!(set(action).into_iter().collect::<Vec<_>>().join(" "), ids);
    }
}
