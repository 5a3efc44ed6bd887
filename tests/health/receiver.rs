//! Somebody who is told: a webhook of a test's own, over real HTTP, that fails as it is asked to.

use crate::patience::soon;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

#[derive(Default)]
struct Inner {
    /// Answers to come; the last one stays.
    answers: Mutex<VecDeque<u16>>,
    /// What it took and nobody looked at.
    taken: Mutex<Vec<Value>>,
    /// Every header that was to prove something.
    headers: Mutex<Vec<String>>,
    tried: Mutex<usize>,
}

/// A running receiver.
pub struct Receiver {
    inner: Arc<Inner>,
    port: u16,
    served: Option<JoinHandle<()>>,
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let mut receiver = Self { inner: Arc::default(), port, served: None };
        receiver.serve(listener);
        receiver
    }

    fn serve(&mut self, listener: TcpListener) {
        let router = Router::new().fallback(answer).with_state(Arc::clone(&self.inner));
        self.served = Some(tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") }));
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    /// Answer like this, one after the other, the last for ever.
    pub fn answers(&self, statuses: &[u16]) {
        *self.inner.answers.lock().expect("no panic") = statuses.iter().copied().collect();
    }

    /// What it took since the last look, once it is so much.
    pub async fn takes(&self, count: usize) -> Vec<Value> {
        soon(async {
            loop {
                {
                    let mut taken = self.inner.taken.lock().expect("no panic");
                    if taken.len() >= count {
                        return std::mem::take(&mut *taken);
                    }
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
    }

    /// The next message about this problem. Others, such as a busy machine makes, are let go.
    pub async fn takes_about(&self, key: &str) -> Value {
        soon(async {
            loop {
                let found = self.takes(1).await.into_iter().find(|message| message["key"] == key);
                if let Some(message) = found {
                    return message;
                }
            }
        })
        .await
    }

    /// How often it was asked, whatever it answered.
    pub fn tried(&self) -> usize {
        *self.inner.tried.lock().expect("no panic")
    }

    /// Until it was asked so often.
    pub async fn tries(&self, count: usize) {
        soon(async {
            while self.tried() < count {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    /// The header of every request.
    pub fn headers(&self) -> Vec<String> {
        self.inner.headers.lock().expect("no panic").clone()
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

async fn answer(State(inner): State<Arc<Inner>>, request: Request) -> StatusCode {
    let token = request.headers().get("x-token").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let posted = request.method() == "POST";
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap_or_default();
    let status = {
        let mut answers = inner.answers.lock().expect("no panic");
        let next = if answers.len() > 1 { answers.pop_front() } else { answers.front().copied() };
        next.unwrap_or(200)
    };
    *inner.tried.lock().expect("no panic") += 1;
    inner.headers.lock().expect("no panic").push(token);
    if status == 200 && posted {
        let message = serde_json::from_slice(&body).expect("a message is JSON");
        inner.taken.lock().expect("no panic").push(message);
    }
    StatusCode::from_u16(status).expect("a status")
}
