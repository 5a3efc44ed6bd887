//! A collector of traces that keeps what it is sent: OTLP over HTTP, read by hand, so that what leaves is looked at and not
//! what the library that wrote it makes of it again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A span, as it was sent.
#[derive(Clone, Debug)]
pub struct Span {
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub state: String,
    pub name: String,
    pub attributes: BTreeMap<String, String>,
    /// 2: an error.
    pub status: u64,
    pub begin: u64,
    pub end: u64,
}

/// What came.
#[derive(Default)]
struct Came {
    bodies: Vec<Vec<u8>>,
    heads: Vec<String>,
}

/// A collector, until dropped.
pub struct Collector {
    pub url: String,
    came: Arc<Mutex<Came>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Collector {
    /// One that answers every batch with this status.
    pub async fn answering(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let came: Arc<Mutex<Came>> = Arc::default();
        let kept = Arc::clone(&came);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                drop(tokio::spawn(serve(stream, Arc::clone(&kept), status)));
            }
        });
        Self { url, came, task }
    }

    /// Every byte that came, as text.
    pub fn everything(&self) -> String {
        let came = self.came.lock().expect("a lock");
        came.bodies.iter().map(|body| String::from_utf8_lossy(body).into_owned()).collect()
    }

    /// The heads of the requests that came.
    pub fn heads(&self) -> Vec<String> {
        self.came.lock().expect("a lock").heads.clone()
    }

    /// Every span that came.
    pub fn spans(&self) -> Vec<Span> {
        let came = self.came.lock().expect("a lock");
        came.bodies.iter().flat_map(|body| spans(body)).collect()
    }
}

async fn serve(mut stream: TcpStream, came: Arc<Mutex<Came>>, status: u16) {
    let mut bytes = Vec::new();
    loop {
        let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            let mut chunk = [0; 8_192];
            match stream.read(&mut chunk).await {
                Ok(n) if n > 0 => bytes.extend_from_slice(&chunk[..n]),
                _ => return,
            }
            continue;
        };
        let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let mut body = bytes.split_off(at + 4);
        let length: usize = length.unwrap_or(0);
        while body.len() < length {
            let mut chunk = [0; 8_192];
            match stream.read(&mut chunk).await {
                Ok(n) if n > 0 => body.extend_from_slice(&chunk[..n]),
                _ => return,
            }
        }
        bytes = body.split_off(length);
        {
            let mut came = came.lock().expect("a lock");
            came.bodies.push(body);
            came.heads.push(head);
        }
        let answer = format!("HTTP/1.1 {status} Status\r\ncontent-length: 0\r\n\r\n");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// A field of a message in protobuf's wire format.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    fn number(&self) -> u64 {
        match self {
            Field::Number(n) => *n,
            Field::Bytes(_) => panic!("bytes where a number should be"),
        }
    }

    fn bytes(&self) -> &'a [u8] {
        match self {
            Field::Bytes(bytes) => bytes,
            Field::Number(_) => panic!("a number where bytes should be"),
        }
    }

    fn text(&self) -> String {
        String::from_utf8(self.bytes().to_vec()).expect("UTF-8")
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().expect("a byte");
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return value;
        }
    }
    panic!("a number longer than any");
}

/// The fields of a message, in order.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let fixed = |bytes: &mut &[u8], n: usize| {
            let (these, rest) = bytes.split_at(n);
            *bytes = rest;
            these.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
        };
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => Field::Number(fixed(&mut bytes, 8)),
            5 => Field::Number(fixed(&mut bytes, 4)),
            2 => {
                let length = usize::try_from(varint(&mut bytes)).expect("a length");
                let (these, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(these)
            }
            kind => panic!("a field of kind {kind}"),
        };
        found.push((key >> 3, field));
    }
    found
}

/// The messages in a field of a message.
fn inside(bytes: &[u8], number: u64) -> Vec<&[u8]> {
    fields(bytes).into_iter().filter(|(n, _)| *n == number).map(|(_, field)| field.bytes()).collect()
}

/// The spans of an `ExportTraceServiceRequest`: `resource_spans` (1), `scope_spans` (2), `spans` (2).
fn spans(request: &[u8]) -> Vec<Span> {
    let of = inside(request, 1).into_iter().flat_map(|it| inside(it, 2)).flat_map(|it| inside(it, 2));
    of.map(span).collect()
}

fn span(message: &[u8]) -> Span {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut span = Span {
        trace: String::new(),
        id: String::new(),
        parent: String::new(),
        state: String::new(),
        name: String::new(),
        attributes: BTreeMap::new(),
        status: 0,
        begin: 0,
        end: 0,
    };
    for (number, field) in fields(message) {
        match number {
            1 => span.trace = hex(field.bytes()),
            2 => span.id = hex(field.bytes()),
            3 => span.state = field.text(),
            4 => span.parent = hex(field.bytes()),
            5 => span.name = field.text(),
            7 => span.begin = field.number(),
            8 => span.end = field.number(),
            9 => {
                let (name, value) = attribute(field.bytes());
                span.attributes.insert(name, value);
            }
            15 => {
                span.status = fields(field.bytes()).iter().find(|(n, _)| *n == 3).map_or(0, |(_, code)| code.number())
            }
            _ => {}
        }
    }
    span
}

/// A `KeyValue`: `key` (1), `value` (2), which is a text (1) or a number (2, 3).
fn attribute(message: &[u8]) -> (String, String) {
    let pair = fields(message);
    let name = pair.iter().find(|(n, _)| *n == 1).map(|(_, it)| it.text()).expect("a name");
    let value = pair.iter().find(|(n, _)| *n == 2).map(|(_, it)| fields(it.bytes())).expect("a value");
    let value = match value.first().expect("a value") {
        (1, text) => text.text(),
        (_, number) => number.number().to_string(),
    };
    (name, value)
}
