//! An issuer's web server: the smallest HTTP/1.1 that a client accepts, with pages that change.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What one path answers.
#[derive(Clone)]
pub(super) struct Page {
    pub(super) status: u16,
    pub(super) location: Option<String>,
    pub(super) body: String,
}

#[derive(Default)]
struct Site {
    pages: HashMap<String, Page>,
    /// Requests, in order.
    asked: Vec<String>,
}

/// A server on a port of its own. Gone when dropped.
pub(super) struct Server {
    address: SocketAddr,
    site: Arc<Mutex<Site>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Server {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let site: Arc<Mutex<Site>> = Arc::default();
        let shared = Arc::clone(&site);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that hangs up early (a body too long) is part of the tests.
                let _ = answer(stream, &shared).await;
            }
        });
        Self { address, site, serving }
    }

    /// The URL of a path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn put(&self, path: &str, body: impl Into<String>) {
        self.page(path, Page { status: 200, location: None, body: body.into() });
    }

    pub(super) fn page(&self, path: &str, page: Page) {
        self.site.lock().unwrap().pages.insert(path.to_owned(), page);
    }

    /// How often a path was asked for.
    pub(super) fn asked(&self, path: &str) -> usize {
        self.site.lock().unwrap().asked.iter().filter(|it| *it == path).count()
    }

    /// How often anything was asked for.
    pub(super) fn asked_at_all(&self) -> usize {
        self.site.lock().unwrap().asked.len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(mut stream: TcpStream, site: &Mutex<Site>) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await?);
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let page = {
        let mut site = site.lock().unwrap();
        site.asked.push(path.clone());
        site.pages.get(&path).cloned()
    };
    let page = page.unwrap_or(Page { status: 404, location: None, body: String::new() });
    let location = page.location.map(|to| format!("location: {to}\r\n")).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {} Said\r\ncontent-length: {}\r\n{location}connection: close\r\n\r\n",
        page.status,
        page.body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(page.body.as_bytes()).await?;
    stream.shutdown().await
}
