//! Sends spans to the collector: in batches, from a thread of its own, out of a queue with an end. A collector that is away
//! costs calls nothing: spans are dropped, and the log says so once.

use super::TARGET;
use crate::config::{Otlp, SecretError};
use crate::web;
use futures_util::future::BoxFuture;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider};
use reqwest::{Client, Url, redirect};
use secrecy::{ExposeSecret, SecretString};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

/// The variable that says what this service is called.
const NAME_VARIABLE: &str = "OTEL_SERVICE_NAME";

/// How long reaching the collector may take.
const REACH: Duration = Duration::from_secs(3);

/// Bytes of an answer that are read: it says whether spans were taken, in some words.
const ANSWER: usize = 64 << 10;

/// Spans in one batch. Each has some 500 bytes, so a batch is a quarter of a megabyte.
const BATCH: usize = 512;

/// Why no traces can be sent. No text holds a header's value.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant's text says what it is")]
pub enum Error {
    #[error("telemetry.otlp.endpoint (or OTEL_EXPORTER_OTLP_ENDPOINT): write http://host:4318 or https://host")]
    Address,
    #[error("telemetry.otlp.headers cannot be had")]
    Secret(#[source] SecretError),
    #[error("telemetry.otlp.headers: write `name=value`, with commas between")]
    Headers,
    #[error("telemetry.otlp: headers go by https, or by http to this machine alone")]
    Plain,
    #[error("there is no TLS client for telemetry.otlp; are the system's certificates (ca-certificates) installed?")]
    Client,
    #[error("telemetry.otlp cannot be used")]
    Exporter(#[source] Box<opentelemetry_otlp::ExporterBuildError>),
}

/// Spans on their way to a collector.
pub struct Tracing {
    provider: SdkTracerProvider,
    flush: Duration,
}

/// Send spans as the settings say; none where they name no collector. Must be called inside a tokio runtime.
///
/// # Errors
/// See [`enum@Error`]. A collector that is away is none.
pub fn start(settings: &Otlp) -> Result<Option<Tracing>, Error> {
    let Some(base) = settings.collector() else { return Ok(None) };
    let place: Url = format!("{base}/v1/traces").parse().map_err(|_| Error::Address)?;
    let (plain, local) = (place.scheme() == "http", web::is_loopback(&place));
    // The address itself as well: one without a host would have the path's beginning for it.
    if !["http://", "https://"].iter().any(|scheme| base.starts_with(scheme)) {
        return Err(Error::Address);
    }
    if settings.credentials().is_some() && plain && !local {
        return Err(Error::Plain);
    }
    let headers = settings.headers.as_ref().map(|headers| headers.resolve().map_err(Error::Secret)).transpose()?;
    let headers = headers.as_ref().map(read).transpose()?.unwrap_or_default();
    let timeout = Duration::from_millis(settings.timeout_ms);
    // A key is for whom it was given to.
    let mut client = web::client().connect_timeout(REACH).timeout(timeout).redirect(redirect::Policy::none());
    if local && plain {
        client = web::plain(client);
    }
    let client = client.build().map_err(|_| Error::Client)?;
    let wire = Wire { client, runtime: Handle::current(), away: Arc::default() };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(wire)
        .with_endpoint(place)
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(timeout)
        .with_headers(headers)
        .build()
        .map_err(|error| Error::Exporter(Box::new(error)))?;
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(settings.queue)
        .with_max_export_batch_size(BATCH.min(settings.queue))
        .with_scheduled_delay(Duration::from_millis(settings.interval_ms))
        .build();
    let mut resource = Resource::builder();
    if std::env::var_os(NAME_VARIABLE).is_none() {
        resource = resource.with_service_name("rowhouse");
    }
    let resource = resource.with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))).build();
    let provider = SdkTracerProvider::builder()
        .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batches).build())
        // Who traces decides for its calls, so that a trace is whole or not at all.
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(settings.ratio))))
        .with_resource(resource)
        .build();
    Ok(Some(Tracing { provider, flush: Duration::from_millis(settings.flush_ms) }))
}

impl Tracing {
    /// The part of the process's subscriber that makes spans of it.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let layer = tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("rowhouse"))
            // Of the host's own source nobody outside needs to know.
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false);
        layer.with_filter(filter_fn(|it| it.is_span() && it.target() == TARGET))
    }

    /// Send what waits, within the time the settings give it, and stop.
    pub async fn close(self) {
        let (provider, flush) = (self.provider, self.flush);
        let last = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(flush));
        if !matches!(tokio::time::timeout(flush * 2, last).await, Ok(Ok(Ok(())))) {
            tracing::warn!("the last traces could not be sent in time and are lost");
        }
    }
}

/// Headers as the setting has them.
fn read(headers: &SecretString) -> Result<HashMap<String, String>, Error> {
    let pairs = headers.expose_secret().split(',').map(str::trim).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').ok_or(Error::Headers)?;
            let (name, value) = (name.trim(), value.trim());
            let fits =
                http::HeaderName::from_bytes(name.as_bytes()).is_ok() && http::HeaderValue::from_str(value).is_ok();
            if fits { Ok((name.to_owned(), value.to_owned())) } else { Err(Error::Headers) }
        })
        .collect()
}

/// The way to the collector. The exporter's thread has no runtime; this one's requests run in the host's.
#[derive(Debug)]
struct Wire {
    client: Client,
    runtime: Handle,
    /// Whether it is away, so that it is said once.
    away: Arc<AtomicBool>,
}

impl HttpClient for Wire {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'b, Result<http::Response<Bytes>, HttpError>>
    where
        'a: 'b,
        Self: 'b,
    {
        let (client, away) = (self.client.clone(), Arc::clone(&self.away));
        let sent = self.runtime.spawn(async move {
            let answer = send(&client, request).await;
            let fault = match &answer {
                Ok(response) if response.status().is_success() => None,
                Ok(response) => Some(format!("it answered {}", response.status().as_u16())),
                Err(error) if error.is_timeout() => Some("it did not answer in time".to_owned()),
                // The error's own text has the address, which may hold a password.
                Err(_) => Some("it cannot be reached".to_owned()),
            };
            match (fault, away.load(Ordering::Relaxed)) {
                (Some(fault), false) => {
                    away.store(true, Ordering::Relaxed);
                    tracing::warn!("the collector of traces takes none: {fault}; calls go on, and traces are lost");
                }
                (None, true) => {
                    away.store(false, Ordering::Relaxed);
                    // As loud as what it takes back.
                    tracing::warn!("the collector of traces takes them again");
                }
                _ => {}
            }
            answer.map_err(|error| HttpError::from(error.without_url()))
        });
        Box::pin(async move { sent.await? })
    }
}

async fn send(client: &Client, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, reqwest::Error> {
    let mut response = client.execute(request.try_into()?).await?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk[..chunk.len().min(ANSWER - body.len())]);
    }
    let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
    let mut answer = http::Response::new(Bytes::from(body));
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    #[test]
    fn headers_are_pairs_and_a_fault_does_not_repeat_them() {
        let of = |text: &str| read(&SecretString::from(text));
        assert_eq!(
            of("a=b, c=d=e,").unwrap(),
            HashMap::from([("a", "b"), ("c", "d=e")].map(|(a, b)| (a.into(), b.into())))
        );
        for bad in ["canary", "canary\u{7}=x", "a=can\nary"] {
            let error = of(bad).unwrap_err();
            assert!(!format!("{error:?} {error}").contains("canary"), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn headers_go_to_no_plain_address() {
        let check = |endpoint: &str, headers: bool, fits: bool| {
            let headers = headers.then(|| Secret::from("authorization=x".to_owned()));
            let settings = Otlp { endpoint: Some(endpoint.to_owned()), headers, ..Otlp::default() };
            assert_eq!(
                start(&settings).is_ok_and(|made| made.is_some()),
                fits,
                "{endpoint} {headers:?}",
                headers = settings.headers
            );
        };
        check("http://127.0.0.1:4318", true, true);
        check("http://[::1]:4318", true, true);
        check("http://localhost:4318", true, true);
        check("http://collector:4318", false, true);
        check("http://collector:4318", true, false);
        check("http://127.0.0.1.example:4318", true, false);
        check("ftp://collector", false, false);
        check("http://", false, false);
    }
}
