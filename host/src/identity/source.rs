//! Where an issuer's keys come from: its metadata (RFC 8414, OpenID Connect Discovery 1.0) and its JWK Set.

use super::Error;
use super::key::{self, Key};
use super::strict;
use crate::config;
use crate::web::{self, is_loopback};
use chrono::{DateTime, Utc};
use jsonwebtoken::Algorithm;
use reqwest::{Client, Url, redirect};
use serde_json::Value;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Bytes of a document an issuer may send. The largest real ones have some 10 KiB.
const MAX_BODY: usize = 256 << 10;

/// How long one document may take, from connecting to its last byte. Callers may be waiting for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Redirects followed, within one origin only.
const MAX_REDIRECTS: usize = 3;

/// The place of one issuer's keys.
pub(super) struct Source {
    client: Client,
    issuer: Url,
    /// The issuer identifier as configured; metadata must repeat it letter for letter (RFC 8414, section 3.3).
    name: String,
    jwks: Option<Url>,
    algorithms: Vec<Algorithm>,
    /// Seconds its clock was ahead of ours at the last answer; [`NEVER`] before there was one with a date.
    ahead: AtomicI64,
}

/// No clock is this far off.
const NEVER: i64 = i64::MIN;

impl Source {
    /// # Errors
    /// A URL that may not be used, or no certificates to check a TLS peer with.
    pub(super) fn new(settings: &config::Issuer, algorithms: Vec<Algorithm>) -> Result<Self, Error> {
        let about = |what: String| Error(format!("identity.issuers: {}: {what}", settings.url));
        let issuer = safe(&settings.url, true).map_err(about)?;
        if issuer.query().is_some() {
            return Err(about("an issuer has no query (RFC 8414, section 2)".to_owned()));
        }
        let jwks = settings.jwks_url.as_deref().map(|url| safe(url, true)).transpose();
        let jwks = jwks.map_err(|what| about(format!("jwks_url: {what}")))?;
        let mut client = web::client().timeout(PATIENCE).redirect(redirect::Policy::custom(within_origin));
        let plain = |url: &Url| url.scheme() == "http";
        if plain(&issuer) && jwks.as_ref().is_none_or(plain) {
            client = web::plain(client);
        }
        let client = client.build().map_err(|error| {
            about(format!("no TLS client; are the system's certificates (ca-certificates) installed? {error:?}"))
        })?;
        Ok(Self { client, issuer, name: settings.url.clone(), jwks, algorithms, ahead: AtomicI64::new(NEVER) })
    }

    /// The issuer as its tokens and its metadata name it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Seconds its clock was ahead of ours when it last answered, as far as its answer said (RFC 9110, section 6.6.1).
    pub(super) fn ahead(&self) -> Option<i64> {
        Some(self.ahead.load(Ordering::Relaxed)).filter(|ahead| *ahead != NEVER)
    }

    /// The keys as they are now. None at all is an answer too: an issuer may withdraw every key.
    ///
    /// # Errors
    /// What stood in the way, for the log.
    pub(super) async fn keys(&self) -> Result<Vec<Key>, String> {
        let place = match &self.jwks {
            Some(place) => place.clone(),
            None => self.discover().await?,
        };
        let body = self.fetch(&place).await.map_err(|trouble| format!("{place}: {trouble}"))?;
        key::usable(&body, &self.algorithms)
    }

    /// Ask for the metadata wherever it may be; the first that is sound counts.
    async fn discover(&self) -> Result<Url, String> {
        let mut troubles = Vec::new();
        for place in well_known(&self.issuer) {
            match self.fetch(&place).await.and_then(|body| self.jwks_uri(&body)) {
                Ok(found) => return Ok(found),
                Err(trouble) => troubles.push(format!("{place}: {trouble}")),
            }
        }
        Err(troubles.join("; "))
    }

    fn jwks_uri(&self, metadata: &[u8]) -> Result<Url, String> {
        let metadata = strict::object(metadata).ok_or("its metadata is not a JSON object")?;
        if metadata.get("issuer").and_then(Value::as_str) != Some(&self.name) {
            return Err("its metadata names another issuer; `url` must be the same to the letter".to_owned());
        }
        let place = metadata.get("jwks_uri").and_then(Value::as_str).ok_or("its metadata names no jwks_uri")?;
        safe(place, is_loopback(&self.issuer)).map_err(|what| format!("its jwks_uri: {what}"))
    }

    async fn fetch(&self, place: &Url) -> Result<Vec<u8>, String> {
        let about = |error: reqwest::Error| {
            let error = error.without_url();
            std::iter::successors(std::error::Error::source(&error), |error| error.source())
                .fold(error.to_string(), |all, error| format!("{all}: {error}"))
        };
        let mut response = self.client.get(place.clone()).send().await.map_err(about)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(format!("answered {}", response.status().as_u16()));
        }
        let date = response.headers().get(reqwest::header::DATE).and_then(|date| date.to_str().ok());
        if let Some(date) = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok()) {
            self.ahead.store(date.timestamp() - Utc::now().timestamp(), Ordering::Relaxed);
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(about)? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(format!("sent more than {MAX_BODY} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// Where an issuer's metadata may be, in the order the MCP authorization specification gives: RFC 8414 and OpenID
/// Connect with the well-known part before the issuer's path, then OpenID Connect with it behind.
fn well_known(issuer: &Url) -> Vec<Url> {
    let at = |path: String| {
        let mut url = issuer.clone();
        url.set_path(&path);
        url
    };
    let path = issuer.path().trim_end_matches('/');
    let mut places = vec![
        at(format!("/.well-known/oauth-authorization-server{path}")),
        at(format!("/.well-known/openid-configuration{path}")),
    ];
    if !path.is_empty() {
        places.push(at(format!("{path}/.well-known/openid-configuration")));
    }
    places
}

/// A URL keys may be fetched from: `https`, or plain `http` to this machine where that is allowed.
fn safe(text: &str, loopback: bool) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|_| format!("{text:?} is not a URL"))?;
    let secure = match url.scheme() {
        "https" => url.has_host(),
        "http" => loopback && is_loopback(&url),
        _ => false,
    };
    if !secure {
        return Err("must be an https URL (plain http only to this machine)".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err("must carry neither a user nor a fragment".to_owned());
    }
    Ok(url)
}

/// Who answers for another origin is not the issuer.
fn within_origin(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let same = attempt.previous().iter().all(|seen| seen.origin() == attempt.url().origin());
    match same && attempt.previous().len() <= MAX_REDIRECTS {
        true => attempt.follow(),
        false => attempt.error("redirects to another origin, or too often"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_looked_for_where_the_standards_put_it() {
        let check = |issuer: &str, expected: &[&str]| {
            let places: Vec<_> = well_known(&issuer.parse().unwrap()).iter().map(ToString::to_string).collect();
            assert_eq!(places, expected);
        };
        for issuer in ["https://as.example", "https://as.example/"] {
            check(
                issuer,
                &[
                    "https://as.example/.well-known/oauth-authorization-server",
                    "https://as.example/.well-known/openid-configuration",
                ],
            );
        }
        check(
            "https://as.example/realms/zava",
            &[
                "https://as.example/.well-known/oauth-authorization-server/realms/zava",
                "https://as.example/.well-known/openid-configuration/realms/zava",
                "https://as.example/realms/zava/.well-known/openid-configuration",
            ],
        );
    }

    #[test]
    fn keys_come_over_tls_or_from_this_machine() {
        let cases = [
            ("https://as.example/jwks", true, true),
            ("http://127.0.0.1:9000/jwks", true, true),
            ("http://localhost:9000/jwks", true, true),
            ("http://[::1]:9000/jwks", true, true),
            ("http://127.0.0.1:9000/jwks", false, false),
            ("http://as.example/jwks", true, false),
            ("http://127.0.0.1.example/jwks", true, false),
            ("http://localhost.example/jwks", true, false),
            ("https://user:secret@as.example/", true, false),
            ("https://as.example/#part", true, false),
            ("file:///etc/passwd", true, false),
            ("as.example", true, false),
        ];
        for (url, loopback, fine) in cases {
            assert_eq!(safe(url, loopback).is_ok(), fine, "{url} {loopback}");
        }
    }
}
