//! A headless Chromium, driven over the WebDriver protocol.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use lineshaft_test_fixture::eventually;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::Request;
use crate::site::SOON;

/// Keys as WebDriver writes them.
pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const ENTER: &str = "\u{e007}";

/// Under which name an element is handed about.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Attempts to start a driver.
const DRIVERS_MAX: usize = 5;

/// What is set when a browser starts.
#[derive(Clone, Copy, Default)]
pub(crate) struct Look {
    pub(crate) phone: bool,
    pub(crate) dark: bool,
    pub(crate) without_script: bool,
}

/// A browser with one window.
pub(crate) struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    /// Removed with the browser.
    _profile: TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A driver that is told to end leaves its browser behind: first the browser.
        let _ = std::net::TcpStream::connect(self.address).and_then(|mut stream| {
            write!(
                stream,
                "DELETE /session/{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                self.session
            )?;
            BufReader::new(stream).read_line(&mut String::new())
        });
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// A driver that listens, and its port.
fn driver() -> Option<(Child, u16)> {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("chromedriver is installed: scripts/setup test installs it");
    let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let mut lines = lines.map_while(Result::ok);
    let port = lines.find_map(|line| {
        line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok()
    });
    let Some(port) = port else {
        // It has said its last word.
        let _ = driver.wait();
        return None;
    };
    // It goes on talking, and would stop if nobody listened.
    std::thread::spawn(move || lines.for_each(drop));
    Some((driver, port))
}

impl Browser {
    pub(crate) async fn start(look: Look) -> Self {
        let profile = tempfile::tempdir().unwrap();
        // It chooses a port and takes it a moment later: another one may have been faster, and then it ends.
        let (driver, port) = (0..DRIVERS_MAX).find_map(|_| driver()).expect("chromedriver says its port");
        let address = SocketAddr::from(([127, 0, 0, 1], port));

        let mut arguments: Vec<String> = [
            "headless",
            "no-sandbox",
            "disable-gpu",
            "disable-quic",
            "no-first-run",
            "disable-background-networking",
            "disable-component-update",
            "disable-sync",
            "disable-dev-shm-usage",
            "hide-scrollbars",
            "force-device-scale-factor=1",
        ]
        .map(|flag| format!("--{flag}"))
        .into();
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        arguments.push(format!("--window-size={}", if look.phone { "500,900" } else { "1200,800" }));
        if look.dark {
            arguments.push("--force-dark-mode".to_owned());
        }
        let mut options = json!({"args": arguments});
        if look.without_script {
            options["prefs"] = json!({"profile.managed_default_content_settings.javascript": 2});
        }
        let capabilities = json!({"capabilities": {"alwaysMatch": {"browserName": "chrome",
            "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}});
        let answer = Request::json("/session", &capabilities).send(address).await;
        let answer: Value = serde_json::from_str(&answer.body).unwrap();
        let session = answer["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("no browser: {answer}"));
        let browser = Self { driver, address, session: session.to_owned(), _profile: profile };
        if look.phone {
            // A window cannot be so narrow; the page can.
            browser
                .devtools(
                    "Emulation.setDeviceMetricsOverride",
                    json!({"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": true}),
                )
                .await;
        }
        if look.dark {
            browser
                .devtools(
                    "Emulation.setEmulatedMedia",
                    json!({"features": [{"name": "prefers-color-scheme", "value": "dark"}]}),
                )
                .await;
        }
        browser
    }

    async fn try_ask(&self, request: Request) -> Result<Value, String> {
        let answer = request.send(self.address).await;
        let mut value: Value = serde_json::from_str(&answer.body).unwrap();
        if answer.status == 200 {
            Ok(value["value"].take())
        } else {
            Err(value["value"]["message"].to_string())
        }
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let request = Request::json(format!("/session/{}/{path}", self.session), &body);
        self.try_ask(request).await.unwrap_or_else(|why| panic!("{path} {body}: {why}"))
    }

    async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.post("goog/cdp/execute", json!({"cmd": command, "params": parameters})).await
    }

    pub(crate) async fn go(&self, url: &str) {
        self.post("url", json!({"url": url})).await;
    }

    /// Path of the page.
    pub(crate) async fn path(&self) -> String {
        let url = self.try_ask(Request::get(format!("/session/{}/url", self.session))).await.unwrap();
        let url = url.as_str().unwrap();
        url.splitn(4, '/').nth(3).map(|path| format!("/{path}")).unwrap_or_default()
    }

    async fn find(&self, css: &str) -> Option<String> {
        let body = json!({"using": "css selector", "value": css});
        let found =
            self.try_ask(Request::json(format!("/session/{}/element", self.session), &body)).await.ok()?;
        found[ELEMENT].as_str().map(str::to_owned)
    }

    /// The element, once it is there.
    async fn element(&self, css: &str) -> String {
        eventually(SOON, css, async || self.find(css).await).await
    }

    /// What a person reads there, once they read this.
    pub(crate) async fn reads(&self, css: &str, text: &str) {
        eventually(SOON, &format!("{css} reads {text}"), async || {
            let element = self.find(css).await?;
            let path = format!("/session/{}/element/{element}/text", self.session);
            // An element may be replaced between two requests.
            let found = self.try_ask(Request::get(path)).await.ok()?;
            found.as_str()?.contains(text).then_some(())
        })
        .await;
    }

    pub(crate) async fn has(&self, css: &str) -> bool {
        self.find(css).await.is_some()
    }

    pub(crate) async fn click(&self, css: &str) {
        // An element that is replaced just now is found again.
        eventually(SOON, &format!("a click on {css}"), async || {
            let element = self.find(css).await?;
            let path = format!("/session/{}/element/{element}/click", self.session);
            self.try_ask(Request::json(path, &json!({}))).await.ok()
        })
        .await;
    }

    pub(crate) async fn write(&self, css: &str, text: &str) {
        let element = self.element(css).await;
        self.post(&format!("element/{element}/value"), json!({"text": text})).await;
    }

    /// Keys for whatever has the focus.
    pub(crate) async fn keys(&self, keys: &str) {
        let pressed: Vec<Value> = keys
            .chars()
            .flat_map(|key| {
                [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})]
            })
            .collect();
        self.post("actions", json!({"actions": [{"type": "key", "id": "keyboard", "actions": pressed}]}))
            .await;
    }

    pub(crate) async fn script(&self, script: &str) -> Value {
        self.post("execute/sync", json!({"script": script, "args": []})).await
    }

    /// What the page complained about: errors of scripts, what the policy forbade, what could not be loaded.
    pub(crate) async fn complaints(&self) -> Value {
        self.post("se/log", json!({"type": "browser"})).await
    }

    /// The page as a picture; kept for the documentation where `LINESHAFT_PICTURES` asks for it.
    pub(crate) async fn picture(&self, name: &str) {
        let picture =
            self.try_ask(Request::get(format!("/session/{}/screenshot", self.session))).await.unwrap();
        let picture = decoded(picture.as_str().unwrap());
        assert!(picture.starts_with(b"\x89PNG"), "{name} is a picture");
        if std::env::var_os("LINESHAFT_PICTURES").is_some() {
            let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/images"));
            std::fs::write(folder.join(format!("console-{name}.png")), picture).unwrap();
        }
    }
}

/// Base64.
fn decoded(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(u32::from(byte - b'A')),
        b'a'..=b'z' => Some(u32::from(byte - b'a') + 26),
        b'0'..=b'9' => Some(u32::from(byte - b'0') + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits: Vec<u32> = text.bytes().filter_map(digit).collect();
    let bytes = digits.chunks(4).flat_map(|group| {
        let bits = group.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - group.len()));
        bits.to_be_bytes()[1..group.len()].to_vec()
    });
    bytes.collect()
}
