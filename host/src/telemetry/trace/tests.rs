use super::*;
use opentelemetry::trace::{SpanId, TraceId};

/// The trace and span that a caller's words name, as a call's span takes them up.
fn taken(parent: &str, state: Option<&str>) -> Option<(TraceId, SpanId, String)> {
    let told = Told { parent, state: state.filter(|it| it.len() <= STATE_BYTES) };
    let context = TraceContextPropagator::new().extract(&told);
    let span = context.span().span_context().clone();
    span.is_valid().then(|| (span.trace_id(), span.span_id(), span.trace_state().header()))
}

#[test]
fn what_a_caller_names_is_continued_and_junk_is_not() {
    let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let (trace, span, state) = taken(good, Some("vendor=opaque")).unwrap();
    assert_eq!(trace.to_string(), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!((span.to_string().as_str(), state.as_str()), ("b7ad6b7169203331", "vendor=opaque"));
    assert_eq!(taken(good, Some(&format!("v={}", "x".repeat(STATE_BYTES)))).unwrap().2, "", "too long to pass on");
    for junk in [
        "",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "'; DROP TABLE spans; --",
    ] {
        assert_eq!(taken(junk, None), None, "{junk}");
    }
}

#[test]
fn a_call_has_one_span_and_needs_no_collector_for_it() {
    tracing::subscriber::with_default(tracing_subscriber::Registry::default(), || {
        let span = call();
        continues(&span, Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), None);
        continues(&span, Some(&"x".repeat(100_000)), None);
        failed(&span, "DATABASE_ERROR");
        let inside = || tracing::info_span!(target: TARGET, "policy").in_scope(current_call).id();
        assert!(span.id().is_some());
        assert_eq!(span.in_scope(current_call).id(), span.id());
        assert_ne!(span.in_scope(inside), span.id(), "a part of a call is no call");
    });
}
