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
fn without_a_collector_nothing_is_continued_and_nothing_breaks() {
    let span = call();
    continues(&span, Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), None);
    continues(&span, Some(&"x".repeat(100_000)), None);
    failed(&span, "DATABASE_ERROR");
    assert!(span.in_scope(current_call).is_disabled());
}
