//! An embedding service of a test's own: it speaks the documented interface over real HTTP, and fails as it is told.
//!
//! Its vectors are made of words: each word points along one of the dimensions, so that texts with words in common lie
//! close to each other.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How it answers.
#[derive(Clone, Debug)]
pub enum Mood {
    /// As documented.
    Well,
    /// As documented, the last text first.
    Backwards,
    /// As documented, in base64.
    Packed,
    /// 429, with these headers.
    Busy(&'static str, &'static str),
    /// This status, with a body nobody should repeat.
    Status(u16),
    /// Well, this much later.
    Slow(Duration),
    /// 200 and this body.
    Says(&'static str),
    /// Vectors of another length.
    Dimensions(usize),
    /// 413 to more texts than this, else well.
    AtMost(usize),
}

/// A request as it arrived.
pub struct Asked {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Value,
}

#[derive(Default)]
struct Inner {
    /// Answers to come; the last one stays.
    moods: Mutex<VecDeque<Mood>>,
    asked: Mutex<Vec<Asked>>,
}

/// What it says in every error body: an address and a key, as real services have been seen to.
pub const PRIVATE: &str = "sk-secret-0123 at https://inside.example";

/// A running service.
pub struct Endpoint {
    inner: Arc<Inner>,
    dimensions: usize,
    port: u16,
    served: Option<JoinHandle<()>>,
}

impl Endpoint {
    /// Start one with vectors of this length.
    pub async fn start(dimensions: usize) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let mut endpoint = Self { inner: Arc::default(), dimensions, port, served: None };
        endpoint.serve(listener);
        endpoint
    }

    fn serve(&mut self, listener: TcpListener) {
        let router = Router::new().fallback(answer).with_state((Arc::clone(&self.inner), self.dimensions));
        self.served = Some(tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") }));
    }

    /// The address before `/embeddings`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// The address of the machine alone.
    pub fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Answer like this, one after the other, the last for ever.
    pub fn answers(&self, moods: &[Mood]) {
        *self.inner.moods.lock().expect("no panic") = moods.iter().cloned().collect();
    }

    /// What was asked since the last look.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.inner.asked.lock().expect("no panic"))
    }

    /// Go away: nobody listens.
    pub async fn leave(&mut self) {
        if let Some(served) = self.served.take() {
            served.abort();
            drop(served.await);
        }
    }

    /// Come back at the same address.
    pub async fn come_back(&mut self) {
        let listener = loop {
            match TcpListener::bind(("127.0.0.1", self.port)).await {
                Ok(listener) => break listener,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        self.serve(listener);
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        if let Some(served) = &self.served {
            served.abort();
        }
    }
}

async fn answer(State((inner, dimensions)): State<(Arc<Inner>, usize)>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 8 << 20).await.expect("a body");
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    let path = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let texts: Vec<String> =
        body["input"].as_array().into_iter().flatten().map(|t| t.as_str().unwrap_or_default().to_owned()).collect();
    inner.asked.lock().expect("no panic").push(Asked { path, headers: parts.headers, body });
    let mood = {
        let mut moods = inner.moods.lock().expect("no panic");
        if moods.len() > 1 { moods.pop_front() } else { moods.front().cloned() }
    };
    let failed = |status: u16| {
        let body = json!({ "error": { "message": PRIVATE } }).to_string();
        (StatusCode::from_u16(status).expect("a status"), body).into_response()
    };
    match mood.unwrap_or(Mood::Well) {
        Mood::Well => well(&texts, dimensions, false, false),
        Mood::Backwards => well(&texts, dimensions, true, false),
        Mood::Packed => well(&texts, dimensions, false, true),
        Mood::Busy(name, value) => (StatusCode::TOO_MANY_REQUESTS, [(name, value)], PRIVATE).into_response(),
        Mood::Status(status) => failed(status),
        Mood::Slow(time) => {
            tokio::time::sleep(time).await;
            well(&texts, dimensions, false, false)
        }
        Mood::Says(body) => body.into_response(),
        Mood::Dimensions(dimensions) => well(&texts, dimensions, false, false),
        Mood::AtMost(most) if texts.len() > most => failed(413),
        Mood::AtMost(_) => well(&texts, dimensions, false, false),
    }
}

fn well(texts: &[String], dimensions: usize, backwards: bool, packed: bool) -> Response {
    let one = |(index, text): (usize, &String)| {
        let vector = vector(text, dimensions);
        let embedding = match packed {
            false => json!(vector),
            true => {
                let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
                json!(base64::prelude::BASE64_STANDARD.encode(bytes))
            }
        };
        json!({ "object": "embedding", "index": index, "embedding": embedding })
    };
    let mut data: Vec<Value> = texts.iter().enumerate().map(one).collect();
    if backwards {
        data.reverse();
    }
    let tokens: usize = texts.iter().map(|text| text.split_whitespace().count()).sum();
    let usage = json!({ "prompt_tokens": tokens, "total_tokens": tokens });
    axum::Json(json!({ "object": "list", "data": data, "model": "words", "usage": usage })).into_response()
}

/// Of length one, but not exactly: services differ in that.
pub fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let mut vector = vec![0.01_f32; dimensions];
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 2) {
        let hash = Sha256::digest(word.to_lowercase());
        let at = usize::from(u16::from_le_bytes([hash[0], hash[1]])) % dimensions;
        vector[at] += 1.0;
    }
    vector
}
