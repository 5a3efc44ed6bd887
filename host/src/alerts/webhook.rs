//! One receiver of messages, over HTTP.

use super::Error;
use super::judge::Notice;
use super::outbox::Outbox;
use crate::config::{self, Least};
use crate::health::Severity;
use crate::web::{self, is_loopback};
use backon::{BackoffBuilder, ExponentialBuilder};
use http::{HeaderName, HeaderValue, StatusCode};
use reqwest::{Client, Url, redirect};
use secrecy::ExposeSecret;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long reaching it may take, and the whole of one try.
const REACH: Duration = Duration::from_secs(3);
const ANSWER: Duration = Duration::from_secs(10);

/// Between two tries: the first wait, and the longest. Jittered up to twice as long. It is tried until it takes the
/// message or a newer one of the same problem: a minute is what a receiver that came back waits at the most.
const WAIT_FIRST: Duration = Duration::from_millis(500);
const WAIT_MOST: Duration = Duration::from_secs(60);

/// Why a message was not taken. No address is in it: that may be a secret.
#[derive(Debug)]
pub(super) enum Failure {
    /// It will not take this message, whenever it is asked.
    Refused(StatusCode),
    /// It may take it later.
    Busy(StatusCode),
    /// It cannot be reached.
    Away(&'static str),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(status) => write!(f, "it refused the message: {status}"),
            Self::Busy(status) => write!(f, "it answered {status}"),
            Self::Away(why) => f.write_str(why),
        }
    }
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        Self::Away(if error.is_timeout() { "it did not answer in time" } else { "it cannot be reached" })
    }
}

/// One receiver.
pub(super) struct Webhook {
    /// For the log: its place in the settings.
    at: usize,
    least: Severity,
    client: Client,
    url: Url,
    proof: Option<(HeaderName, HeaderValue)>,
    outbox: Outbox,
    /// Whether the last message was taken, so that an outage is said once.
    down: AtomicBool,
}

impl Webhook {
    /// Prepare. Nothing is posted yet.
    ///
    /// # Errors
    /// A secret that cannot be had, an address or a header that cannot be used.
    pub(super) fn open(at: usize, settings: &config::Webhook) -> Result<Self, Error> {
        let secret =
            |key, secret: &config::Secret| secret.resolve().map_err(|source| Error::Secret { at, key, source });
        let unusable = |why| Error::Unusable { at, why };
        let url = secret("url", &settings.url)?;
        let url: Url = url.expose_secret().parse().map_err(|_| unusable("url is not an address"))?;
        let plain = url.scheme() == "http" && (settings.plaintext || is_loopback(&url));
        if url.scheme() != "https" && !plain {
            return Err(unusable(
                "url must be https, or http to this machine; plaintext = true posts over http inside your own network",
            ));
        }
        let proof = match &settings.secret {
            None => None,
            Some(value) => {
                let value = secret("secret", value)?;
                let value = HeaderValue::from_str(value.expose_secret());
                let mut value = value.map_err(|_| unusable("secret cannot be the value of a header"))?;
                value.set_sensitive(true);
                let name = settings
                    .header
                    .parse::<HeaderName>()
                    .map_err(|_| unusable("header is not the name of a header"))?;
                Some((name, value))
            }
        };
        // A secret is for whom it was given to.
        let client = web::client().connect_timeout(REACH).timeout(ANSWER).redirect(redirect::Policy::none());
        let client = if plain { web::plain(client) } else { client };
        let client = client.build().map_err(|_| {
            unusable("url: there is no TLS client; are the system's certificates (ca-certificates) installed?")
        })?;
        let least = match settings.severity {
            Least::Info => Severity::Info,
            Least::Warning => Severity::Warning,
            Least::Critical => Severity::Critical,
        };
        Ok(Self { at, least, client, url, proof, outbox: Outbox::default(), down: AtomicBool::new(false) })
    }

    /// One more to post, if it is bad enough for this receiver.
    pub(super) fn put(&self, notice: &Arc<Notice>) {
        if notice.worst >= self.least && !self.outbox.put(Arc::clone(notice)) {
            tracing::warn!(webhook = self.at, "too many alerts wait for this webhook; the oldest is forgotten");
        }
    }

    /// Post what is put, one after the other, until the caller ends it.
    pub(super) async fn serve(self: Arc<Self>) {
        loop {
            let notice = self.outbox.next().await;
            self.deliver(notice).await;
        }
    }

    /// Post one, again and again, or what took its place meanwhile.
    async fn deliver(&self, mut notice: Arc<Notice>) {
        let waits = ExponentialBuilder::default().with_min_delay(WAIT_FIRST).with_max_delay(WAIT_MOST).with_jitter();
        let mut waits = waits.without_max_times().build();
        loop {
            let failure = match self.post(&notice).await {
                Ok(()) => {
                    if self.down.swap(false, Ordering::Relaxed) {
                        tracing::warn!(webhook = self.at, "this webhook takes alerts again");
                    }
                    return;
                }
                Err(failure) => failure,
            };
            if !self.down.swap(true, Ordering::Relaxed) {
                tracing::warn!(webhook = self.at, "this webhook does not take alerts: {failure}");
            }
            if matches!(failure, Failure::Refused(_)) {
                return;
            }
            tokio::time::sleep(waits.next().unwrap_or(WAIT_MOST)).await;
            notice = self.outbox.newer(&notice).unwrap_or(notice);
        }
    }

    /// Post one, once.
    ///
    /// # Errors
    /// It was not taken.
    pub(super) async fn post(&self, notice: &Notice) -> Result<(), Failure> {
        let mut request = self.client.post(self.url.clone()).json(&notice.to_json());
        if let Some((name, value)) = &self.proof {
            request = request.header(name.clone(), value.clone());
        }
        let status = request.send().await?.status();
        match status {
            status if status.is_success() => Ok(()),
            // What passes by itself.
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
                Err(Failure::Busy(status))
            }
            status if status.is_server_error() => Err(Failure::Busy(status)),
            status => Err(Failure::Refused(status)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    #[test]
    fn secrets_and_messages_go_to_no_plain_address() {
        let check = |url: &str, plaintext: bool, secret: &str, why: Option<&str>| {
            let settings = config::Webhook {
                url: Secret::from(url.to_owned()),
                header: "x-token".to_owned(),
                secret: Some(Secret::from(secret.to_owned())),
                severity: Least::Warning,
                plaintext,
            };
            let opened = Webhook::open(1, &settings);
            let said = opened.err().map(|error| error.to_string());
            assert_eq!(said.is_some(), why.is_some(), "{url}: {said:?}");
            let said = said.unwrap_or_default();
            assert!(said.contains(why.unwrap_or_default()) && !said.contains("hunter2"), "{said}");
        };
        check("https://hooks.example/hunter2", false, "Bearer hunter2", None);
        check("http://127.0.0.1:9/hunter2", false, "hunter2", None);
        check("http://hooks.example/hunter2", false, "hunter2", Some("webhook[1].url must be https"));
        check("http://hooks.example/hunter2", true, "hunter2", None);
        check("ftp://hooks.example/hunter2", true, "hunter2", Some("must be https"));
        check("hunter2", false, "hunter2", Some("is not an address"));
        check("https://hooks.example", false, "hunter2\n", Some("secret cannot be the value of a header"));
    }
}
