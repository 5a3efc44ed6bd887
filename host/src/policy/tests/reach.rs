use super::*;

const EVERYBODY: &str = "everybody's rows";

/// Whose rows head office sees under this text, where the directory lists all stores but these.
#[track_caller]
fn check(text: &str, gone: &[&str], sees: &str) {
    let policy = Policy::new(text, stores_without(gone)).unwrap_or_else(|faults| panic!("{faults}"));
    super::check(&policy, &head_office(), None, sees);
}

/// All stores by name, but these.
fn by_name(gone: &[&str]) -> String {
    let mut names: Vec<String> = stores_without(gone).into_iter().map(|store| store.name).collect();
    names.sort_unstable();
    format!("rows of {}", names.join(", "))
}

#[test]
fn a_forbidden_tenant_stays_forbidden_when_nobody_lists_it() {
    let spokane = format!("Rowhouse::Tenant::\"{}\"", store("Spokane"));
    let region = "Rowhouse::Region::\"Eastern Washington\"";
    for (rule, hides) in [
        (format!("forbid (principal, action, resource == {spokane});"), true),
        (format!("forbid (principal, action == Rowhouse::Action::\"assume\", resource in {spokane});"), true),
        (format!("forbid (principal, action, resource in {region});"), true),
        (format!("forbid (principal, action, resource is Rowhouse::Tenant in {region});"), true),
        (
            "forbid (principal, action, resource is Rowhouse::Tenant) when { resource.name == \"Spokane\" };".into(),
            true,
        ),
        (format!("forbid (principal, action, resource) when {{ resource == {spokane} }};"), true),
        // Of nobody who is listed now.
        ("forbid (principal, action, resource in Rowhouse::Region::\"Secret\");".into(), false),
    ] {
        let text = format!("{SHIPPED}\n@id(\"not-here\") {rule}");
        let hidden: &[&str] = if hides { &["Spokane"] } else { &[] };
        check(&text, &[], &by_name(hidden));
        check(&text, &["Spokane"], &by_name(&["Spokane"]));
    }
}

#[test]
fn everybody_is_seen_where_no_policy_tells_tenants_apart() {
    for rule in [
        "forbid (principal, action, resource == Rowhouse::Tool::\"sales/raw\");",
        "forbid (principal, action, resource in Rowhouse::Plugin::\"hidden\");",
        "forbid (principal, action, resource == Rowhouse::Table::\"retail.prices\");",
        "forbid (principal, action, resource in Rowhouse::Schema::\"pay\");",
        "forbid (principal, action == Rowhouse::Action::\"read\", resource) when { resource in Rowhouse::Schema::\"pay\" };",
        "forbid (principal in Rowhouse::Role::\"suspended\", action, resource);",
        // The word alone is no look.
        "forbid (principal, action, resource) when { principal.subject == \"resource\" };",
        "forbid (principal, action == Rowhouse::Action::\"assume\", resource in Rowhouse::Directory::\"all\")
           unless { principal.scopes.contains(\"mcp:tools\") };",
    ] {
        check(&format!("{SHIPPED}\n@id(\"else\") {rule}"), &[], EVERYBODY);
    }
    // Nor is a later store hidden by there being none yet.
    check(SHIPPED, &["Spokane"], EVERYBODY);
}

#[test]
fn a_permit_that_leaves_a_tenant_out_is_none_for_everybody() {
    let assume = "principal in Rowhouse::Role::\"super_admin\", action == Rowhouse::Action::\"assume\", resource";
    let spokane = format!("Rowhouse::Tenant::\"{}\"", store("Spokane"));
    // Without the shipped permit of head office.
    let set = policy("").0.snapshot.rules().set.clone();
    let others = set.policies().filter(|it| it.id().to_string() != "super-admin-everything");
    let others: String = others.map(ToString::to_string).collect();
    for (rules, listed, not_listed) in [
        (format!("@id(\"a\") permit ({assume});"), EVERYBODY.to_owned(), EVERYBODY.to_owned()),
        (
            format!("@id(\"a\") permit ({assume}) unless {{ resource == {spokane} }};"),
            by_name(&["Spokane"]),
            by_name(&["Spokane"]),
        ),
        (
            format!("@id(\"a\") permit ({assume}) unless {{ resource in Rowhouse::Region::\"Secret\" }};"),
            by_name(&[]),
            by_name(&["Spokane"]),
        ),
        // The directory by one rule, the tenants by another: the second may leave some out.
        (
            format!(
                "@id(\"a\") permit ({assume} == Rowhouse::Directory::\"all\");
                 @id(\"b\") permit ({assume} is Rowhouse::Tenant) when {{ resource != {spokane} }};"
            ),
            by_name(&["Spokane"]),
            by_name(&["Spokane"]),
        ),
        // Forbidden as a whole, permitted one by one.
        (
            format!(
                "@id(\"a\") permit ({assume});
                 @id(\"b\") forbid (principal, action, resource == Rowhouse::Directory::\"all\");"
            ),
            by_name(&[]),
            by_name(&["Spokane"]),
        ),
    ] {
        let text = format!("{others}\n{rules}");
        check(&text, &[], &listed);
        check(&text, &["Spokane"], &not_listed);
    }
}
