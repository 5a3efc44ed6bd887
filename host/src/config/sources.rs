//! Where settings come from, what each came to, and all that is wrong with them at once.
//!
//! Later wins: built-in defaults, the settings file, the environment, `--set` of the command line.

use super::{Error, Settings};
use figment::error::{Actual, Kind};
use figment::providers::{Env, Format, Serialized, Toml};
use figment::value::{Dict, Tag, Value};
use figment::{Figment, Metadata, Source};
use std::path::PathBuf;

/// Variables that begin like settings and are none: what the command line and set-up read, and what Kubernetes puts into
/// every container beside a service called `rowhouse`.
fn is_setting(name: &str) -> bool {
    let read_elsewhere = ["config", "log", "log_json", "pg_bin_dir", "signing_key"].contains(&name);
    let of_a_service = name == "port" || name == "service_host" || name == "service_port";
    !(read_elsewhere || of_a_service || name.starts_with("port_") || name.starts_with("service_port_"))
}

/// Faults told of one set of settings: whoever has more starts over from the example.
const MOST: usize = 100;

/// What settings are read from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The settings file, which must be there. Unset: `rowhouse.toml` of the working directory, if there is one.
    pub file: Option<PathBuf>,
    /// `KEY=VALUE` of the command line.
    pub set: Vec<String>,
}

/// Something that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The setting, as `http.listen`.
    pub key: String,
    /// What is wrong, without the value where that may be a secret.
    pub what: String,
    /// Where it was set.
    pub origin: String,
}

/// One setting as it will be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// As `http.listen`.
    pub key: String,
    /// As TOML. `None`: a secret.
    pub value: Option<String>,
    /// Where it was set.
    pub origin: String,
}

impl Sources {
    fn figment(&self) -> Figment {
        let toml = match &self.file {
            Some(path) => Toml::file_exact(path),
            None => Toml::file("rowhouse.toml"),
        };
        // Two underscores part the levels, so that names with one underscore keep it.
        let environment = Env::prefixed("ROWHOUSE_").filter(|key| is_setting(&key.as_str().to_lowercase())).split("__");
        let mut figment = Figment::from(Serialized::defaults(Settings::default())).merge(toml).merge(environment);
        for set in &self.set {
            let (key, value) = set.split_once('=').unwrap_or((set, "true"));
            let (key, value) = (key.trim(), value.trim());
            // What is no TOML value is a text: nobody quotes twice for a shell.
            let text = match toml::from_str::<toml::Table>(&format!("it = {value}")) {
                Ok(_) => format!("{key} = {value}"),
                Err(_) => format!("{key} = {}", toml::Value::from(value)),
            };
            figment = figment.merge(Named(Toml::string(&text)));
        }
        figment
    }

    /// The settings.
    ///
    /// # Errors
    /// The first thing that is wrong; [`Sources::problems`] has them all.
    pub fn settings(&self) -> Result<Settings, Error> {
        self.figment().extract().map_err(|error| Error(Box::new(error)))
    }

    /// Everything that is wrong: settings that do not exist or have another type first, and where there are none, values
    /// that cannot work.
    pub fn problems(&self) -> Vec<Problem> {
        let figment = self.figment();
        let mut tree: Dict = match figment.extract() {
            Ok(tree) => tree,
            Err(error) => {
                // A file that is no TOML: its parser shows the line, which may hold a secret.
                let file = self.file.clone().unwrap_or_else(|| PathBuf::from("rowhouse.toml"));
                let told = |error: figment::Error| {
                    let mut found = problem(&figment, None, &error);
                    let lines = found.what.lines().filter(|line| !line.contains('|')).map(str::trim);
                    found.what = lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(": ");
                    let origin = if found.origin.is_empty() { file.display().to_string() } else { found.origin };
                    Problem { key: origin.clone(), origin: String::new(), ..found }
                };
                return error.into_iter().map(told).collect();
            }
        };
        let mut found = Vec::new();
        while found.len() < MOST {
            let error = match Figment::from(Serialized::defaults(&tree)).extract::<Settings>() {
                Err(error) => error,
                Ok(settings) if found.is_empty() => {
                    let fault = |what: String| Problem { key: String::new(), what, origin: String::new() };
                    return settings.faults().into_iter().map(fault).collect();
                }
                Ok(_) => break,
            };
            let mut path = error.path.clone();
            if let Kind::UnknownField(name, _) = &error.kind
                && path.last() != Some(name)
            {
                path.push(name.clone());
            }
            let tag = tag_at_opt(&tree, &path);
            found.push(Problem { key: path.join("."), ..problem(&figment, tag, &error) });
            // Without it there is the next one to see. A place that cannot be found would be found again for ever.
            if !remove(&mut tree, &path) {
                break;
            }
        }
        found
    }

    /// Every setting, its value and its origin; secrets without a value.
    ///
    /// # Errors
    /// As [`Sources::settings`].
    pub fn shown(&self) -> Result<Vec<Shown>, Error> {
        let figment = self.figment();
        let settings: Settings = figment.extract().map_err(|error| Error(Box::new(error)))?;
        let given: Dict = figment.extract().map_err(|error| Error(Box::new(error)))?;
        // What is a secret by its type is never written, and so is not in here.
        let plain = Figment::from(Serialized::defaults(&settings)).extract::<Dict>();
        let plain = plain.map_err(|error| Error(Box::new(error)))?;
        let mut shown = Vec::new();
        walk(&plain, &mut Vec::new(), &mut |path, value| {
            let origin = origin(&figment, tag_at(&given, path));
            shown.push(Shown { key: path.join("."), value: Some(written(value)), origin });
        });
        walk(&given, &mut Vec::new(), &mut |path, value| {
            if tag_at_opt(&plain, path).is_none() && !matches!(value, Value::Empty(..)) {
                let origin = origin(&figment, value.tag());
                // Where a secret is to be fetched from is told; the words of a command may hold one.
                let place = path.last().is_some_and(|word| ["env", "file"].contains(&word.as_str()));
                let value = (place && tag_at_opt(&plain, &path[..path.len() - 1]).is_none()).then(|| written(value));
                shown.push(Shown { key: path.join("."), value, origin });
            }
        });
        shown.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(shown)
    }
}

/// What `--set` gave, called so.
struct Named<P>(P);

impl<P: figment::Provider> figment::Provider for Named<P> {
    fn metadata(&self) -> Metadata {
        Metadata::named("--set")
    }

    fn data(&self) -> Result<figment::value::Map<figment::Profile, Dict>, figment::Error> {
        self.0.data()
    }
}

fn walk(dict: &Dict, path: &mut Vec<String>, on: &mut dyn FnMut(&[String], &Value)) {
    for (key, value) in dict {
        path.push(key.clone());
        match value {
            Value::Dict(_, inner) if !inner.is_empty() => walk(inner, path, on),
            leaf => on(path, leaf),
        }
        path.pop();
    }
}

fn tag_at_opt(dict: &Dict, path: &[String]) -> Option<Tag> {
    let (first, rest) = path.split_first()?;
    let value = dict.get(first)?;
    match (rest, value) {
        ([], value) => Some(value.tag()),
        (rest, Value::Dict(_, inner)) => tag_at_opt(inner, rest),
        // Inside a list: the list was set as a whole.
        (_, other) => Some(other.tag()),
    }
}

fn tag_at(dict: &Dict, path: &[String]) -> Tag {
    tag_at_opt(dict, path).unwrap_or(Tag::Default)
}

/// Take out what is at `path`, or the nearest thing above it. Whether there was anything.
fn remove(dict: &mut Dict, path: &[String]) -> bool {
    let Some((first, rest)) = path.split_first() else { return false };
    match dict.get_mut(first) {
        Some(Value::Dict(_, inner)) if !rest.is_empty() => remove(inner, rest) || dict.remove(first).is_some(),
        Some(_) => dict.remove(first).is_some(),
        None => false,
    }
}

fn origin(figment: &Figment, tag: Tag) -> String {
    let Some(metadata) = figment.get_metadata(tag) else { return "default".to_owned() };
    match &metadata.source {
        Some(Source::File(path)) => path.display().to_string(),
        _ if metadata.name.contains("environment") => "environment".to_owned(),
        _ if metadata.name == "--set" => "--set".to_owned(),
        _ => "default".to_owned(),
    }
}

/// As TOML has it.
fn written(value: &Value) -> String {
    toml::Value::try_from(value).map_or_else(|_| String::new(), |value| value.to_string())
}

/// `tag`: of what was set there, where it is known.
fn problem(figment: &Figment, tag: Option<Tag>, error: &figment::Error) -> Problem {
    let origin = match (tag, error.metadata.as_ref().and_then(|metadata| metadata.source.as_ref())) {
        (Some(tag), _) => origin(figment, tag),
        // A file that could not be read at all.
        (None, Some(Source::File(path))) => path.display().to_string(),
        (None, _) => String::new(),
    };
    // A value is not repeated: it may be a secret in the wrong place.
    let kind = |actual: &Actual| match actual {
        Actual::Bool(_) => "a yes or no",
        Actual::Unsigned(_) | Actual::Signed(_) => "a whole number",
        Actual::Float(_) => "a number",
        Actual::Str(_) | Actual::Char(_) => "a text",
        Actual::Seq => "a list",
        Actual::Map => "a table",
        _ => "something else",
    };
    let list = |words: &[&str]| words.join(", ");
    let what = match &error.kind {
        Kind::UnknownField(_, known) => format!("there is no such setting here; there are {}", list(known)),
        Kind::UnknownVariant(_, known) => format!("must be one of {}", list(known)),
        Kind::InvalidType(actual, expected) => format!("is {}, and must be {}", kind(actual), plain(expected)),
        Kind::InvalidValue(actual, expected) => format!("is {} that cannot be used; must be {expected}", kind(actual)),
        Kind::MissingField(name) => format!("`{name}` is missing"),
        other => other.to_string(),
    };
    Problem { key: error.path.join("."), what, origin }
}

/// A type of Rust, as people say it.
fn plain(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(toml: &str, set: &[&str]) -> (tempfile::TempDir, Sources) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("rowhouse.toml");
        std::fs::write(&file, toml).unwrap();
        (dir, Sources { file: Some(file), set: set.iter().map(ToString::to_string).collect() })
    }

    #[track_caller]
    fn check(toml: &str, set: &[&str], want: &[(&str, &str)]) {
        let (_dir, sources) = sources(toml, set);
        let found = sources.problems();
        let told: Vec<(&str, &str)> = found.iter().map(|it| (it.key.as_str(), it.what.as_str())).collect();
        assert_eq!(told.len(), want.len(), "{told:?}");
        for ((key, what), (wanted, words)) in told.iter().zip(want) {
            assert!(key == wanted && what.contains(words), "{key}: {what}; wanted {wanted}: {words}");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        check("", &[], &[]);
        check(
            "nonsense = 1\n[http]\nlisten = 'everywhere'\npathh = '/x'\n[plugins]\nconcurrent_calls = 'many'\n[database]\nharden = 3",
            &[],
            &[
                ("database.harden", "must be a boolean"),
                ("http.listen", "socket address"),
                ("http.pathh", "there is no such setting here; there are listen"),
                ("nonsense", "there is no such setting here"),
                ("plugins.concurrent_calls", "is a text, and must be a whole number from 0"),
            ],
        );
        // Where all can be read, what cannot work.
        check(
            "[embedding]\nmodel = 'x'\n[plugins.limits]\ncpu_ms = 0",
            &[],
            &[("", "cpu_ms = 0"), ("", "no model `x`")],
        );
        check("", &["http.listen=nowhere"], &[("http.listen", "socket address")]);
    }

    #[test]
    fn a_secret_is_repeated_nowhere() {
        let toml = "[database]\nurl = 'postgres://u:swordfish@h/d'\n[traffic]\nredis = { file = '/run/secrets/redis' }\n\
                    [keys]\naudit = { command = ['vault', 'swordfish'] }";
        let (_dir, sources) = sources(toml, &["http.path=/tools"]);
        let shown = sources.shown().unwrap();
        let find = |key: &str| shown.iter().find(|it| it.key == key).unwrap_or_else(|| panic!("{key}: {shown:?}"));
        assert_eq!(find("database.url").value, None);
        assert!(find("database.url").origin.ends_with("rowhouse.toml"));
        assert_eq!(find("traffic.redis.file").value.as_deref(), Some("\"/run/secrets/redis\""));
        assert_eq!(find("keys.audit.command").value, None);
        assert_eq!(
            (find("http.path").value.as_deref(), find("http.path").origin.as_str()),
            (Some("\"/tools\""), "--set")
        );
        assert_eq!(find("http.max_body").origin, "default");
        assert!(!format!("{shown:?}").contains("swordfish"));
        let wrong = "[database]\nurl = 5\nharden = 'swordfish'\n[embedding.models.x]\nprovider = 'swordfish'";
        let (_dir, sources) = self::sources(wrong, &[]);
        assert!(!format!("{:?}", sources.problems()).contains("swordfish"), "{:?}", sources.problems());
        let (_dir, sources) = self::sources("[database]\nurl = postgres://u:swordfish@h/d", &[]);
        let [found] = &sources.problems()[..] else { panic!("{:?}", sources.problems()) };
        assert!(
            found.key.ends_with("rowhouse.toml") && found.what.starts_with("TOML parse error at line 2"),
            "{found:?}"
        );
        assert!(!found.what.contains("swordfish"), "{found:?}");
    }

    #[test]
    fn variables_that_are_no_settings_are_none() {
        for (name, is) in [
            ("http__listen", true),
            ("port", false),
            ("port_8000_tcp", false),
            ("port_8000_tcp_addr", false),
            ("service_host", false),
            ("service_port_mcp", false),
            ("signing_key", false),
            ("state", true),
        ] {
            assert_eq!(is_setting(name), is, "{name}");
        }
    }
}
