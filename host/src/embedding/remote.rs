//! Models behind an interface: OpenAI's `POST /embeddings`, which many servers speak, and Azure's two forms of it.
//!
//! <https://platform.openai.com/docs/api-reference/embeddings/create> and
//! <https://learn.microsoft.com/azure/ai-services/openai/reference>. An answer's order is not relied on, its lengths
//! are checked, and what it holds is bounded before it is read.

use super::provider::{Failure, Provider, Purpose, Space, Vectors, floor, normalised};
use crate::config::{self, Secret};
use crate::web::{self, is_loopback};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::future::BoxFuture;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, StatusCode, Url, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long reaching it may take.
const REACH: Duration = Duration::from_secs(3);

/// How long a token from a command is used: Entra's hold for an hour at least, and are given out again until shortly
/// before their end.
const TOKEN_LIFE: Duration = Duration::from_secs(300);

/// Bytes of an answer, for each number in it, and for all around them: a number has some twelve digits.
const NUMBER_BYTES: usize = 32;
const FRAME_BYTES: usize = 64 << 10;

/// Longer is no word about when to ask again: the breaker is asked then.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// Why a model cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address that cannot be used.
    #[error("{0}")]
    Address(String),
    /// The key cannot be had.
    #[error("its key cannot be had")]
    Key(#[source] config::SecretError),
}

/// A model that is asked over HTTP.
pub(super) struct Remote {
    space: Space,
    client: Client,
    place: Url,
    access: Access,
    model: Option<String>,
    send_dimensions: bool,
    batches: (usize, usize),
}

/// What opens the door.
enum Access {
    /// Nothing: a server on this machine or behind a gateway.
    Open,
    /// A header with a key.
    Key(HeaderMap),
    /// A token that is fetched anew.
    Token { secret: Secret, held: Mutex<Option<(HeaderMap, Instant)>> },
}

impl Remote {
    /// Prepare. Nothing is asked yet.
    ///
    /// # Errors
    /// See [`Error`].
    pub(super) fn open(settings: &config::Model) -> Result<Self, Error> {
        let azure = settings.provider == config::Provider::Azure;
        let base = settings.url.as_deref().unwrap_or_default().trim_end_matches('/');
        let model = settings.model.clone().unwrap_or_default();
        let place = match (azure, &settings.api_version) {
            (false, _) => format!("{base}/embeddings"),
            (true, None) => format!("{base}/openai/v1/embeddings"),
            (true, Some(version)) => {
                format!("{base}/openai/deployments/{model}/embeddings?api-version={version}")
            }
        };
        let place: Url = place.parse().map_err(|_| Error::Address(format!("{base:?} is not an address")))?;
        let local = is_loopback(&place);
        if !(place.scheme() == "https" || place.scheme() == "http" && local) {
            return Err(Error::Address(
                "texts and keys go there: it must be https, or http to this machine alone".to_owned(),
            ));
        }
        let mut client = web::client()
            .connect_timeout(REACH)
            .timeout(Duration::from_millis(settings.timeout_ms))
            // A key is for whom it was given to.
            .redirect(redirect::Policy::none());
        if local && place.scheme() == "http" {
            client = web::plain(client);
        }
        let client = client.build().map_err(|_| {
            Error::Address("there is no TLS client; are the system's certificates (ca-certificates) installed?".into())
        })?;
        let access = match (&settings.key, &settings.token) {
            (Some(key), _) => Access::Key(header(azure, &key.resolve().map_err(Error::Key)?)),
            (None, Some(secret)) => Access::Token { secret: secret.clone(), held: Mutex::new(None) },
            (None, None) => Access::Open,
        };
        let space = Space {
            provider: settings.provider.as_str(),
            model: model.clone(),
            revision: String::new(),
            dimensions: settings.dimensions.unwrap_or_default(),
            query_prefix: settings.query_prefix.clone(),
            document_prefix: settings.document_prefix.clone(),
            max_tokens: 0,
            floor: floor(settings),
        };
        Ok(Self {
            space,
            client,
            place,
            access,
            // The older form has the deployment in its path.
            model: settings.api_version.is_none().then_some(model),
            send_dimensions: settings.send_dimensions,
            batches: (settings.batch, settings.concurrent),
        })
    }

    async fn ask(&self, purpose: Purpose, texts: &[String]) -> Result<Vectors, Failure> {
        let texts: Vec<String> = texts.iter().map(|text| self.worded(purpose, text)).collect();
        let mut body = json!({ "input": texts, "encoding_format": "float" });
        if let Some(model) = &self.model {
            body["model"] = json!(model);
        }
        if self.send_dimensions {
            body["dimensions"] = json!(self.space.dimensions);
        }
        let headers = self.headers().await?;
        let sent = self.client.post(self.place.clone()).headers(headers).json(&body).send().await;
        let mut response = sent.map_err(down)?;
        match response.status() {
            StatusCode::OK => {}
            status => return Err(self.refused(status, response.headers(), texts.len())),
        }
        let most = FRAME_BYTES + texts.len() * usize::from(self.space.dimensions) * NUMBER_BYTES;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(down)? {
            if bytes.len() + chunk.len() > most {
                return Err(Failure::Malformed("sent more than such an answer has".to_owned()));
            }
            bytes.extend_from_slice(&chunk);
        }
        understand(&bytes, texts.len(), usize::from(self.space.dimensions))
    }

    /// The text as it is sent. Interfaces refuse an empty one; a space means as little.
    fn worded(&self, purpose: Purpose, text: &str) -> String {
        let text = self.space.prefixed(purpose, text);
        if text.is_empty() { " ".to_owned() } else { text }
    }

    async fn headers(&self) -> Result<HeaderMap, Failure> {
        let (secret, held) = match &self.access {
            Access::Open => return Ok(HeaderMap::new()),
            Access::Key(headers) => return Ok(headers.clone()),
            Access::Token { secret, held } => (secret.clone(), held),
        };
        let lock = || held.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((headers, since)) = &*lock()
            && since.elapsed() < TOKEN_LIFE
        {
            return Ok(headers.clone());
        }
        // A program may run for ten seconds.
        let fetched = tokio::task::spawn_blocking(move || secret.resolve()).await;
        let token = fetched.ok().and_then(Result::ok).ok_or_else(|| {
            Failure::Refused("needs a token that cannot be had; look at the setting `token`".to_owned())
        })?;
        let headers = header(false, &token);
        *lock() = Some((headers.clone(), Instant::now()));
        Ok(headers)
    }

    /// What an answer that is none says.
    fn refused(&self, status: StatusCode, headers: &HeaderMap, texts: usize) -> Failure {
        let says = |hint: &str| format!("answered {}{hint}", status.as_u16());
        match status {
            StatusCode::TOO_MANY_REQUESTS => Failure::Busy { after: retry_after(headers) },
            StatusCode::PAYLOAD_TOO_LARGE => Failure::TooMuch,
            // Also what a lot that is too large is told; alone, a text shows which it was.
            StatusCode::BAD_REQUEST if texts > 1 => Failure::TooMuch,
            StatusCode::REQUEST_TIMEOUT => Failure::Down(says("")),
            status if status.is_server_error() => match retry_after(headers) {
                Some(after) => Failure::Busy { after: Some(after) },
                None => Failure::Down(says("")),
            },
            StatusCode::UNAUTHORIZED => {
                if let Access::Token { held, .. } = &self.access {
                    *held.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
                }
                Failure::Refused(says(": its key or token is not accepted"))
            }
            StatusCode::FORBIDDEN => Failure::Refused(says(": the key may not use this model")),
            StatusCode::NOT_FOUND => Failure::Refused(says(": `url`, `model` or `api_version` is another one there")),
            _ => Failure::Refused(says("")),
        }
    }
}

impl Provider for Remote {
    fn space(&self) -> &Space {
        &self.space
    }

    fn embed<'a>(&'a self, purpose: Purpose, texts: &'a [String]) -> BoxFuture<'a, Result<Vectors, Failure>> {
        Box::pin(self.ask(purpose, texts))
    }

    fn batches(&self) -> (usize, usize) {
        self.batches
    }
}

/// `api-key` for Azure's keys, a bearer token for everything else. A key with a line break in it opens nothing.
fn header(azure: bool, secret: &SecretString) -> HeaderMap {
    let secret = secret.expose_secret();
    let (name, text) = match azure {
        true => (reqwest::header::HeaderName::from_static("api-key"), secret.to_owned()),
        false => (AUTHORIZATION, format!("Bearer {secret}")),
    };
    let mut headers = HeaderMap::new();
    if let Ok(mut value) = HeaderValue::try_from(text) {
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    headers
}

/// A transport that failed. The address is left out: it may be nobody's business.
fn down(error: reqwest::Error) -> Failure {
    let what = if error.is_timeout() {
        "did not answer in time"
    } else if error.is_connect() {
        "cannot be reached"
    } else {
        "broke off"
    };
    Failure::Down(what.to_owned())
}

/// How long to wait: `retry-after-ms` of OpenAI and Azure, then `Retry-After` (RFC 9110, section 10.2.3) in seconds or as
/// a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let millis = text("retry-after-ms").and_then(|ms| ms.parse::<u64>().ok()).map(Duration::from_millis);
    let seconds = || text("retry-after").and_then(|s| s.parse::<u64>().ok()).map(Duration::from_secs);
    let date = || {
        let at = chrono::DateTime::parse_from_rfc2822(text("retry-after")?).ok()?;
        (at.with_timezone(&chrono::Utc) - chrono::Utc::now()).to_std().ok()
    };
    millis.or_else(seconds).or_else(date).map(|after| after.min(LONGEST_WAIT))
}

/// The answer's form. What else is in it is not looked at.
#[derive(Deserialize)]
struct Answer {
    data: Vec<One>,
    #[serde(default)]
    usage: Option<Used>,
}

#[derive(Deserialize)]
struct One {
    index: usize,
    embedding: Numbers,
}

/// A list, or little-endian single precision in base64: servers send the second unasked.
#[derive(Deserialize)]
#[serde(untagged)]
enum Numbers {
    List(Vec<f32>),
    Packed(String),
}

#[derive(Deserialize)]
struct Used {
    #[serde(default)]
    total_tokens: Option<u64>,
    #[serde(default)]
    prompt_tokens: Option<u64>,
}

impl Numbers {
    fn vector(self) -> Option<Vec<f32>> {
        match self {
            Self::List(numbers) => Some(numbers),
            Self::Packed(text) => {
                let bytes = BASE64_STANDARD.decode(text).ok()?;
                let (numbers, rest) = bytes.as_chunks::<4>();
                rest.is_empty().then(|| numbers.iter().map(|four| f32::from_le_bytes(*four)).collect())
            }
        }
    }
}

/// One vector for each text, in the texts' order.
fn understand(bytes: &[u8], texts: usize, dimensions: usize) -> Result<Vectors, Failure> {
    let wrong = |what: String| Failure::Malformed(what);
    let answer: Answer =
        serde_json::from_slice(bytes).map_err(|_| wrong("sent something that is no list of embeddings".to_owned()))?;
    let mut vectors: Vec<Option<Vec<f32>>> = vec![None; texts];
    let counted = answer.data.len();
    for one in answer.data {
        let vector = one.embedding.vector().ok_or_else(|| wrong("sent numbers that cannot be read".to_owned()))?;
        if vector.len() != dimensions {
            return Err(wrong(format!(
                "sent vectors of {} numbers, and the setting `dimensions` says {dimensions}",
                vector.len()
            )));
        }
        let vector = normalised(vector).ok_or_else(|| wrong("sent a vector without a direction".to_owned()))?;
        if let Some(place) = vectors.get_mut(one.index) {
            *place = Some(vector);
        }
    }
    let vectors: Option<Vec<_>> = vectors.into_iter().collect();
    match vectors {
        Some(vectors) if counted == texts => {
            let tokens = answer.usage.and_then(|used| used.total_tokens.or(used.prompt_tokens)).unwrap_or_default();
            Ok(Vectors { vectors, tokens })
        }
        _ => Err(wrong(format!("sent {counted} embeddings for {texts} texts"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(answer: &str, texts: usize, want: Result<Vec<Vec<f32>>, &str>) {
        let got = understand(answer.as_bytes(), texts, 2).map(|made| made.vectors).map_err(|error| error.to_string());
        assert_eq!(got, want.map_err(|what| format!("the embedding service {what}")), "{answer}");
    }

    #[test]
    fn answers_are_read_by_index_and_held_to_what_was_asked() {
        let (a, b) = (r#"{"index":0,"embedding":[0,2]}"#, r#"{"index":1,"embedding":[3,0]}"#);
        check(&format!(r#"{{"data":[{b},{a}]}}"#), 2, Ok(vec![vec![0.0, 1.0], vec![1.0, 0.0]]));
        // 0.0 and 1.0, little-endian.
        check(r#"{"data":[{"index":0,"embedding":"AAAAAAAAgD8="}],"usage":null}"#, 1, Ok(vec![vec![0.0, 1.0]]));
        check(&format!(r#"{{"data":[{a}]}}"#), 2, Err("sent 1 embeddings for 2 texts"));
        check(&format!(r#"{{"data":[{a},{a}]}}"#), 2, Err("sent 2 embeddings for 2 texts"));
        check(&format!(r#"{{"data":[{a},{b},{b}]}}"#), 2, Err("sent 3 embeddings for 2 texts"));
        check(
            r#"{"data":[{"index":0,"embedding":[1]}]}"#,
            1,
            Err("sent vectors of 1 numbers, and the setting `dimensions` says 2"),
        );
        check(r#"{"data":[{"index":0,"embedding":[0,0]}]}"#, 1, Err("sent a vector without a direction"));
        check(r#"{"data":[{"index":0,"embedding":"AAA="}]}"#, 1, Err("sent numbers that cannot be read"));
        check("<html>", 1, Err("sent something that is no list of embeddings"));
    }

    #[test]
    fn a_word_about_when_to_ask_again_is_believed_within_reason() {
        let check = |name: &'static str, text: &str, want: Option<u64>| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::try_from(text).unwrap());
            assert_eq!(retry_after(&headers), want.map(Duration::from_millis), "{name}: {text}");
        };
        check("retry-after-ms", "250", Some(250));
        check("retry-after", "2", Some(2_000));
        check("retry-after", "86400", Some(120_000));
        check("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT", None);
        check("retry-after", "soon", None);
        check("x-other", "2", None);
    }

    #[test]
    fn keys_and_texts_go_to_no_plain_address() {
        for (url, fine) in [
            ("https://api.example/v1", true),
            ("http://127.0.0.1:9/v1", true),
            ("http://api.example/v1", false),
            ("ftp://api.example", false),
            ("", false),
        ] {
            let settings = config::Model {
                provider: config::Provider::OpenAi,
                url: Some(url.to_owned()),
                ..config::Model::usual()
            };
            assert_eq!(Remote::open(&settings).is_ok(), fine, "{url}");
        }
    }
}
