use super::*;

/// Each fault as `line: words`, in order; no more and no fewer.
#[track_caller]
fn check(text: &str, expected: &[(usize, &str)]) {
    let faults = Policy::new(text, Vec::new()).expect_err(text);
    let found: Vec<&Fault> = faults.iter().collect();
    assert_eq!(found.len(), expected.len(), "{faults}");
    for (fault, (line, words)) in found.into_iter().zip(expected) {
        assert_eq!(fault.at.map(|(line, _)| line), Some(*line), "{fault}");
        assert!(fault.message.contains(words), "{fault}");
        assert!(fault.to_string().starts_with(&format!("line {line}, column ")), "{fault}");
    }
}

#[test]
fn what_does_not_parse() {
    check("permit (principal, action, resource)", &[(1, "unexpected end of input")]);
    check("// a\n\n@id(\"a\") permit (principal, action, resource) when {\n", &[(3, "unexpected end of input")]);
    check("@id(\"a\") permit (principal, actoin, resource);", &[(1, "actoin")]);
    // Cedar says all it knows at once.
    check(
        "@id(\"a\") allow (principal, action, resource);\n@id(\"b\") permit (user, action, resource);",
        &[(1, "allow"), (2, "user")],
    );
}

#[test]
fn what_has_no_name_of_its_own() {
    let any = "(principal, action, resource)";
    check(&format!("permit {any};"), &[(1, "write @id(\"some-name\")")]);
    check(&format!("// é\n@id(\" \") permit {any};"), &[(2, "write @id(\"some-name\")")]);
    check(&format!("@id(\"a\") permit {any};\n@id(\"a\") forbid {any};"), &[(2, "another policy is called \"a\"")]);
    check("@id(\"a\")\npermit (principal == ?principal, action, resource);", &[(1, "a template")]);
}

#[test]
fn what_the_schema_does_not_know() {
    let any = "principal, action, resource";
    let call = "principal, action == Rowhouse::Action::\"call\", resource";
    let call_a_table = &format!("{call} is Rowhouse::Table");
    let assume = "principal, action == Rowhouse::Action::\"assume\", resource";
    let assume_al = &format!("{assume} == Rowhouse::Directory::\"al\"");
    // The scope is in line 2, the condition in line 3.
    for (line, scope, condition, words) in [
        (2, "principal in Rowhouse::Rol::\"x\", action, resource", "true", "did you mean `Rowhouse::Role`?"),
        (2, "principal, action == Rowhouse::Action::\"cal\", resource", "true", "unrecognized action"),
        (2, assume_al, "true", "valid entity eids: \"all\""),
        // What never applies may be the `forbid` somebody relies on.
        (2, call_a_table, "true", "policy is impossible"),
        (2, any, "principal.subject == \"x\" && false", "policy is impossible"),
        (3, call, "principal.role == \"x\"", "attribute `role`"),
        (3, call, "context.address == \"x\"", "attribute `address`"),
        (3, call, "principal.subject == 1", "not compatible"),
        (3, call, "principal.subject > 1", "expected"),
        // A tenant's own name is no attribute of the directory.
        (3, assume, "resource.name == \"x\"", "attribute `name`"),
        // Further than principal and resource: what is decided would depend on what Cedar is shown.
        (3, call, "Rowhouse::Tenant::\"x\" in Rowhouse::Region::\"y\"", "entity literals cannot be dereferenced"),
        (3, call, "Rowhouse::User::\"x\".subject == \"y\"", "entity literals cannot be dereferenced"),
    ] {
        check(&format!("// a\n@id(\"a\") permit ({scope})\n  when {{ {condition} }};"), &[(line, words)]);
    }
}

#[test]
fn what_is_odd_is_served_and_said() {
    // Two of its letters are Cyrillic.
    let odd = "\n@id(\"a\") permit (principal in Rowhouse::Role::\"s\u{443}p\u{435}r\", action, resource);";
    let policy = Policy::new(odd, Vec::new()).expect("a policy");
    assert_eq!(policy.warnings().iter().map(|odd| odd.at.map(|(line, _)| line)).collect::<Vec<_>>(), [Some(2)]);
    assert!(Policy::new(SHIPPED, Vec::new()).expect("a policy").warnings().is_empty());
    assert!(Policy::new("", Vec::new()).expect("a policy that denies everything").is_empty());
}

#[test]
fn a_directory_with_a_tenant_twice() {
    let mut twice = stores_without(&[]);
    twice.push(Tenant { region: "Elsewhere".to_owned(), ..twice[0].clone() });
    let faults = Policy::new(SHIPPED, twice).expect_err("refused");
    assert!(faults.to_string().contains("twice"), "{faults}");
}

#[test]
fn cases_that_make_no_sense() {
    let directory = stores_without(&[]);
    let people = "[people.ann]\nroles = [\"store_manager\"]\n";
    for (case, words) in [
        ("", "missing field `case`"),
        ("case = []\n", "no [[case]]"),
        ("[[case]]\nwho = \"bob\"\naction = \"assume\"\nresource = \"all\"\nexpect = \"deny\"", "case 1: nobody"),
        (
            "[[case]]\nwho = \"ann\"\naction = \"assume\"\nresource = \"Atlantis\"\nexpect = \"deny\"",
            "no tenant is called",
        ),
        ("[[case]]\nwho = \"ann\"\naction = \"call\"\nresource = \"top\"\nexpect = \"deny\"", "plugin/tool"),
        ("[[case]]\nwho = \"ann\"\naction = \"write\"\nresource = \"a/b\"\nexpect = \"deny\"", "unknown variant"),
        ("[[case]]\nwho = \"ann\"\naction = \"call\"\nresource = \"a/b\"\nexpect = \"maybe\"", "unknown variant"),
        (
            "[[case]]\nwho = { role = \"x\" }\naction = \"call\"\nresource = \"a/b\"\nexpect = \"deny\"",
            "a name of [people]",
        ),
        (
            "[[case]]\nwho = \"ann\"\naction = \"call\"\nresource = \"a/b\"\nexpect = \"deny\"\nwhy = \"x\"",
            "unknown field",
        ),
    ] {
        let text = if case.starts_with("case") { case.to_owned() } else { format!("{people}{case}") };
        let policy = Policy::new(SHIPPED, directory.clone()).expect("a policy");
        let said = Cases::read(&text).and_then(|cases| cases.run(&policy)).expect_err(case).to_string();
        assert!(said.contains(words), "{said}");
    }
}
