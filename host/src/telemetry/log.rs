//! Log lines: as text for people or as JSON for programs, each with what its call is, and without what is secret.
//!
//! What is secret is masked twice. Types that hold a secret show none of it in `Debug` or `Display`; and a field whose name
//! says that it may hold one is masked whatever its type.

use super::trace::Tracing;
use crate::error::BoxError;
use serde_json::{Map, Value};
use std::fmt::{self, Write as _};
use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, MakeWriter};
use tracing_subscriber::layer::{Filter, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

/// What stands where a secret would.
pub const MASK: &str = "***";

/// Words in the name of a field that may hold a secret, between dots, underscores and hyphens.
const SECRET: [&str; 14] = [
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "token",
    "secret",
    "authorization",
    "cookie",
    "credential",
    "credentials",
    "bearer",
    "key",
    "apikey",
    "jwt",
];

/// The target of spans that are in log lines and leave the host by no other way.
pub const TARGET: &str = "rowhouse::caller";

/// Where a line's call came from: the digest of who asks, as `rowhouse.usage` names it, and of the tenant
/// of who has one alone. Not for collectors.
#[must_use]
pub fn caller(principal: &str, tenant: Option<&str>) -> tracing::Span {
    tracing::error_span!(target: TARGET, parent: None, "caller", principal, tenant)
}

/// What is shown, which may be more or less while lines are written.
#[derive(Clone, Debug)]
pub struct Shown(reload::Handle<EnvFilter, Registry>);

impl Shown {
    /// Show this from now on.
    ///
    /// # Errors
    /// `words` are no filter; then all stays as it was.
    pub fn show(&self, words: &str) -> Result<(), BoxError> {
        Ok(self.0.reload(filter(words)?)?)
    }
}

/// Log to standard error from now on, the whole process: standard output belongs to the protocol, or to an answer.
/// `words` are what is shown, as `rowhouse=debug,warn`.
///
/// # Errors
/// `words` are no filter.
pub fn start(words: &str, json: bool, tracing: Option<&Tracing>) -> Result<Shown, BoxError> {
    let (filter, shown) = reload::Layer::new(filter(words)?);
    let lines = lines(filter, json, std::io::stderr);
    Registry::default().with(lines).with(tracing.map(Tracing::layer)).init();
    Ok(Shown(shown))
}

/// Whether `words` can be shown.
///
/// # Errors
/// They are no filter.
pub fn check(words: &str) -> Result<(), BoxError> {
    filter(words).map(drop)
}

fn filter(words: &str) -> Result<EnvFilter, BoxError> {
    Ok(EnvFilter::try_new(words)?)
}

/// The part of a subscriber that writes lines.
pub fn lines<S, W, F>(filter: F, json: bool, to: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    F: Filter<S> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(to);
    match json {
        true => layer.fmt_fields(Json).event_format(Json).with_filter(filter).boxed(),
        false => layer.fmt_fields(Text).with_filter(filter).boxed(),
    }
}

/// Whether a field of this name may hold a secret.
fn is_secret(name: &str) -> bool {
    name.split(['.', '_', '-']).any(|word| SECRET.iter().any(|secret| word.eq_ignore_ascii_case(secret)))
}

/// Whether a field is for a collector only.
fn is_aside(name: &str) -> bool {
    name.starts_with("otel.") || name.starts_with("log.")
}

/// An error with what is behind it.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}

/// Fields as words.
struct Text;

impl<'w> FormatFields<'w> for Text {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut words = Words { writer, first: true, done: Ok(()) };
        fields.record(&mut words);
        words.done
    }
}

struct Words<'w> {
    writer: Writer<'w>,
    first: bool,
    done: fmt::Result,
}

impl Words<'_> {
    fn put(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let name = field.name();
        if self.done.is_err() || is_aside(name) {
            return;
        }
        let gap = if std::mem::take(&mut self.first) { "" } else { " " };
        self.done = match name {
            "message" => write!(self.writer, "{gap}{value}"),
            name if is_secret(name) => write!(self.writer, "{gap}{name}={MASK}"),
            name => write!(self.writer, "{gap}{name}={value}"),
        };
    }
}

impl Visit for Words<'_> {
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, format_args!("{}", chain(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format_args!("{value:?}"));
    }
}

/// Fields, and lines, as JSON.
struct Json;

impl<'w> FormatFields<'w> for Json {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut object = Object::default();
        fields.record(&mut object);
        write!(writer, "{}", Value::Object(object.0))
    }

    fn add_fields(&self, current: &'w mut FormattedFields<Self>, fields: &Record<'_>) -> fmt::Result {
        let mut object = Object(known(&current.fields));
        fields.record(&mut object);
        current.fields = Value::Object(object.0).to_string();
        Ok(())
    }
}

fn known(fields: &str) -> Map<String, Value> {
    serde_json::from_str(fields).unwrap_or_default()
}

#[derive(Default)]
struct Object(Map<String, Value>);

impl Object {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        let name = field.name();
        if !is_aside(name) {
            let value = if is_secret(name) { MASK.into() } else { value.into() };
            self.0.insert(name.to_owned(), value);
        }
    }
}

impl Visit for Object {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, chain(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

impl<S> FormatEvent<S, Json> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(&self, cx: &FmtContext<'_, S, Json>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Object::default();
        event.record(&mut fields);
        let mut fields = fields.0;
        let mut line = Map::new();
        let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        line.insert("timestamp".to_owned(), now.into());
        line.insert("level".to_owned(), event.metadata().level().as_str().into());
        line.insert("target".to_owned(), event.metadata().target().into());
        line.insert("message".to_owned(), fields.remove("message").unwrap_or_default());
        // From the outermost to the innermost: the nearer one knows better.
        let mut call = Map::new();
        for span in cx.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(of) = span.extensions().get::<FormattedFields<Json>>() {
                call.extend(known(&of.fields));
            }
        }
        if !fields.is_empty() {
            line.insert("fields".to_owned(), fields.into());
        }
        if !call.is_empty() {
            line.insert("call".to_owned(), call.into());
        }
        writeln!(writer, "{}", Value::Object(line))
    }
}

#[cfg(test)]
mod tests;
