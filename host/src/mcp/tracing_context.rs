//! The span of a request: part of its caller's trace, where it brought one along.

use crate::identity::Principal;
use crate::telemetry::{log, trace};
use crate::traffic::Account;
use http::HeaderMap;
use rmcp::RoleServer;
use rmcp::service::RequestContext;
use tracing::Span;

/// The names of both, in `_meta` (SEP-414) and as HTTP headers (W3C Trace Context).
const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";

/// A span for one request of this method, by this principal. What stands in `_meta` is nearer to the caller than a header,
/// which may be a proxy's.
pub(super) fn span(method: &'static str, cx: &RequestContext<RoleServer>, who: &Principal) -> Span {
    let tenant = match (who.tenants(), who.regions()) {
        ([tenant], []) => Some(Account::tenant_digits(*tenant)),
        _ => None,
    };
    let caller = log::caller(&Account::digits(who.issuer(), who.subject()), tenant.as_deref());
    let span = caller.in_scope(trace::call);
    span.record("otel.name", method);
    span.record("mcp.method", method);
    let meta = |name: &str| cx.meta.get(name).and_then(|value| value.as_str());
    match meta(PARENT) {
        Some(parent) => trace::continues(&span, Some(parent), meta(STATE)),
        None => {
            let headers = cx.extensions.get::<http::request::Parts>().map(|parts| &parts.headers);
            let header = |name: &str| headers.and_then(|headers| only(headers, name));
            trace::continues(&span, header(PARENT), header(STATE));
        }
    }
    span
}

/// A header that is there once: two would leave it to chance whose trace this is.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut given = headers.get_all(name).iter();
    let first = given.next()?.to_str().ok()?;
    given.next().is_none().then_some(first)
}
