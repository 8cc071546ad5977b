//! As much of an HTTP client as the tests need.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The form token that a page carries.
    pub(crate) fn form(&self) -> String {
        let (_, rest) = self.body.split_once("name=\"form\" value=\"").expect("the page has a form");
        rest.split_once('"').unwrap().0.to_owned()
    }
}

/// A request; each on a connection of its own.
#[derive(Clone)]
pub(crate) struct Request {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Request {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { method: "GET", path: path.into(), headers: Vec::new(), body: String::new() }
    }

    pub(crate) fn json(path: impl Into<String>, body: &serde_json::Value) -> Self {
        let body = body.to_string();
        Self { method: "POST", body, ..Self::get(path) }.with("Content-Type", "application/json")
    }

    /// A form, as a browser sends it from a page of `host`.
    pub(crate) fn form(path: impl Into<String>, host: SocketAddr, fields: &[(&str, &str)]) -> Self {
        let body: Vec<String> =
            fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        Self { method: "POST", body: body.join("&"), ..Self::get(path) }
            .with("Content-Type", "application/x-www-form-urlencoded")
            .with("Origin", format!("http://{host}"))
    }

    /// With a header, in place of an earlier one of that name.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.retain(|(found, _)| *found != name);
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(found, _)| *found != name);
        self
    }

    pub(crate) async fn send(&self, to: SocketAddr) -> Answer {
        let mut stream = self.open(to).await;
        let (status, headers) = head(&mut stream).await;
        let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let length: usize = length.map_or(0, |(_, length)| length.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        Answer { status, headers, body: String::from_utf8(body).unwrap() }
    }

    /// Sends it, and gives the status and the connection after the head of the answer.
    pub(crate) async fn stream(&self, to: SocketAddr) -> (u16, BufReader<TcpStream>) {
        let mut stream = self.open(to).await;
        let (status, _) = head(&mut stream).await;
        (status, stream)
    }

    async fn open(&self, to: SocketAddr) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(to).await.unwrap();
        let mut lines = vec![format!("{} {} HTTP/1.1", self.method, self.path)];
        if !self.headers.iter().any(|(name, _)| *name == "Host") {
            lines.push(format!("Host: {to}"));
        }
        lines.extend(self.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        lines.push(format!("Content-Length: {}\r\n\r\n{}", self.body.len(), self.body));
        let text = lines.join("\r\n");
        stream.write_all(text.as_bytes()).await.unwrap();
        BufReader::new(stream)
    }
}

async fn head(stream: &mut BufReader<TcpStream>) -> (u16, Vec<(String, String)>) {
    let mut first = String::new();
    stream.read_line(&mut first).await.unwrap();
    let status = first.split(' ').nth(1).unwrap_or_else(|| panic!("no answer: {first:?}")).parse().unwrap();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        let Some((name, value)) = line.trim().split_once(':') else { return (status, headers) };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            },
        )
        .collect()
}
