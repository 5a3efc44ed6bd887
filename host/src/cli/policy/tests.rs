use super::who::Who;
use super::*;

const TOOL: &str = "sales/get_top_products";

fn settings() -> (Settings, tempfile::TempDir) {
    let state = tempfile::tempdir().expect("a directory");
    let settings = Settings { state: Some(state.path().join("state")), ..Settings::default() };
    (settings, state)
}

async fn check_code(settings: &Settings, command: PolicyCommand, expected: u8) {
    assert_eq!(run(command, settings).await, ExitCode::from(expected));
}

fn owned(list: &[&str]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

fn known(name: &str) -> Who {
    Who { identity: Some(name.to_owned()), ..Who::default() }
}

fn described(role: &str, own_tenant: &str) -> Who {
    Who { roles: owned(&[role]), own_tenants: owned(&[own_tenant]), ..Who::default() }
}

fn explain(who: Who, tenant: Option<&str>) -> Explain {
    Explain { who, call: TOOL.to_owned(), tenant: tenant.map(str::to_owned), ..Explain::default() }
}

#[tokio::test]
async fn exit_codes_say_what_was_found() {
    let (shipped, dir) = settings();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("a file");
        Some(path)
    };
    let nobody = write("nobody.cedar", "@id(\"nobody\") forbid (principal, action, resource);");
    let mut none = shipped.clone();
    none.policy.file.clone_from(&nobody);
    let checked = |file: Option<PathBuf>| PolicyCommand::Check { file, json: false };
    for (file, code) in [
        (None, 0),
        (nobody.clone(), 0),
        (write("broken.cedar", "permit (principal, action, resource)"), 1),
        // What the keeper refuses, this refuses.
        (write("empty.cedar", " \n"), 1),
        (write("long.cedar", &"/".repeat((1 << 20) + 1)), 1),
        (Some(dir.path().join("absent.cedar")), 2),
    ] {
        check_code(&shipped, checked(file.clone()), code).await;
        check_code(&shipped, PolicyCommand::Check { file, json: true }, code).await;
    }
    let tests = |cases: Option<PathBuf>, policy: Option<PathBuf>| PolicyCommand::Test { cases, policy, json: false };
    check_code(&shipped, tests(None, None), 0).await;
    check_code(&none, tests(None, None), 1).await;
    check_code(&shipped, tests(None, nobody.clone()), 1).await;
    check_code(&shipped, tests(write("empty.toml", "case = []"), None), 2).await;
    check_code(&shipped, tests(Some(dir.path().join("absent")), None), 2).await;
    let with_table = Explain { table: Some("retail.orders".to_owned()), json: true, ..explain(known("seattle"), None) };
    let candidate = Explain { policy: nobody, ..explain(known("seattle"), None) };
    for (settings, asked, code) in [
        (&shipped, explain(known("seattle"), None), 0),
        (&shipped, explain(known("seattle"), Some("Seattle")), 0),
        (&shipped, with_table, 0),
        (&shipped, explain(known("seattle"), Some("Spokane")), 1),
        (&none, explain(known("head-office"), None), 1),
        (&shipped, candidate, 1),
        (&shipped, explain(described("store_manager", "Spokane"), Some("Spokane")), 0),
        (&shipped, explain(described("customer", "Spokane"), Some("Spokane")), 1),
        (&shipped, explain(known("nobody"), None), 2),
        (&shipped, explain(described("store_manager", "Atlantis"), None), 2),
        (&shipped, explain(known("seattle"), Some("Atlantis")), 2),
        (&shipped, Explain { call: "get_top_products".to_owned(), ..explain(known("seattle"), None) }, 2),
        (&shipped, Explain { table: Some("orders".to_owned()), ..explain(known("seattle"), None) }, 2),
    ] {
        check_code(settings, PolicyCommand::Explain(Box::new(asked)), code).await;
    }
}

#[tokio::test]
async fn a_check_needs_neither_database_nor_keys() {
    let (mut settings, _dir) = settings();
    settings.database.url = Some("postgres://nobody@127.0.0.1:1/nowhere".to_owned().into());
    settings.keys.ticket = Some(config::Secret::Command(owned(&["false"])));
    check_code(&settings, PolicyCommand::Check { file: None, json: false }, 0).await;
    assert!(!settings.state_dir().exists(), "nothing was made");
    // The others say that they could not look, not that something is bad.
    check_code(&settings, PolicyCommand::Explain(Box::new(explain(described("super_admin", "Seattle"), None))), 2)
        .await;
    // A description needs no keys.
    settings.database.url = None;
    check_code(&settings, PolicyCommand::Explain(Box::new(explain(described("super_admin", "Seattle"), None))), 0)
        .await;
    assert!(!settings.state_dir().exists(), "nothing was made");
}

#[tokio::test]
async fn scopes_count_as_they_do_at_the_door() {
    let (mut settings, _dir) = settings();
    settings.identity.tool_scopes.insert(TOOL.to_owned(), owned(&["sales:read"]));
    let scoped = |scopes: &[&str]| Who { scopes: owned(scopes), ..described("store_manager", "Seattle") };
    for (scopes, code) in [
        (&["mcp:tools", "sales:read"][..], 0),
        (&["sales:read"], 1),
        (&["mcp:tools"], 1),
        // What every call needs, where nothing is said.
        (&[], 1),
    ] {
        check_code(&settings, PolicyCommand::Explain(Box::new(explain(scoped(scopes), None))), code).await;
    }
    let policy = load(None, demo_directory()).expect("a policy");
    let (asked, who) = (explain(scoped(&["mcp:tools"]), None), scoped(&["mcp:tools"]));
    let Ok(caller) = who.find(&settings).await.expect("somebody") else { panic!("nothing to prove") };
    let answer = explain::Answer::find(&policy, &settings.identity, &caller.subject, &asked).expect("an answer");
    assert_eq!(answer.lacking, Some(owned(&["mcp:tools", "sales:read"])));
    let shown = answer.shown(&policy, "ann");
    assert!(shown.contains("a call of ann sees rows of Seattle\nit is refused with 403"), "{shown}");
}

#[test]
fn one_caller_is_asked_about() {
    use clap::Parser;
    let parse = |args: &str| {
        let line = format!("rowhouse policy explain --call a/b {args}");
        crate::cli::Cli::try_parse_from(line.split_whitespace()).map(drop).map_err(|e| e.kind())
    };
    use clap::error::ErrorKind::{ArgumentConflict, InvalidValue, MissingRequiredArgument};
    for (args, expected) in [
        ("--as ann", Ok(())),
        ("--token -", Ok(())),
        ("--role a --role b --own-tenant c --region d --scope e --issuer f --subject g", Ok(())),
        ("", Err(MissingRequiredArgument)),
        ("--as ann --role a", Err(ArgumentConflict)),
        ("--token - --scope e", Err(ArgumentConflict)),
        ("--as ann --token -", Err(ArgumentConflict)),
        // A token on a command line is everybody's to read.
        ("--token eyJhbGciOi", Err(InvalidValue)),
    ] {
        assert_eq!(parse(args), expected, "{args}");
    }
}
