//! A server for a single test, and requests to it over a plain socket.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output},
    time::Duration,
};

use pocket_ic::PocketIcBuilder;
use serde_json::{Value, json};

use crate::common::{self, is_ours, raw};

/// A server that ends with its test.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) port: u16,
    pub(crate) port_file: PathBuf,
}

impl Server {
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Self {
        Self::launch(name, Command::new(common::server()).args(arguments))
    }

    pub(crate) fn launch(name: &str, command: &mut Command) -> Self {
        let file = format!("{name}-{}.port", std::process::id());
        let port_file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
        let child = command.arg("--port-file").arg(&port_file).spawn().unwrap();
        let port = loop {
            match std::fs::read_to_string(&port_file) {
                Ok(port) if port.ends_with('\n') => break port.trim_end().parse().unwrap(),
                _ => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        Self {
            child,
            port,
            port_file,
        }
    }

    /// Sends one request; returns the status and the body.
    pub(crate) fn send(&self, method: &str, path: &str, body: impl AsRef<[u8]>) -> (u16, String) {
        self.send_with(method, path, "content-type: application/json\r\n", body)
    }

    pub(crate) fn send_with(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: impl AsRef<[u8]>,
    ) -> (u16, String) {
        let headers = format!("host: localhost\r\n{headers}");
        raw(self.port, method, path, &headers, body)
    }

    /// Sends a request, and checks that it is refused with this status and a message that contains
    /// this text. Another server may choose a status from 400 to 499, and any message.
    pub(crate) fn assert_refuses(
        &self,
        method: &str,
        path: &str,
        body: impl AsRef<[u8]>,
        (status, text): (u16, &str),
    ) {
        let (answered, body) = self.send(method, path, body);
        if is_ours() {
            let message = message(&body).unwrap_or_else(|| panic!("no message: {answered} {body}"));
            assert!(
                answered == status && message.contains(text),
                "{answered} {message} to {method} {path}"
            );
        } else {
            assert!(
                (400..500).contains(&answered),
                "{answered} {body} to {method} {path}"
            );
        }
    }

    /// Creates an instance; returns its path.
    pub(crate) fn instance(&self) -> String {
        let (status, body) = self.send("POST", "/instances", one_subnet().to_string());
        assert_eq!(status, 201, "{body}");
        let created: Value = serde_json::from_str(&body).unwrap();
        format!("/instances/{}", created["Created"]["instance_id"])
    }

    pub(crate) fn client(&self) -> PocketIcBuilder {
        PocketIcBuilder::new()
            .with_server_url(format!("http://127.0.0.1:{}/", self.port).parse().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        if let Err(e) = std::fs::remove_file(&self.port_file) {
            assert_eq!(e.kind(), std::io::ErrorKind::NotFound, "{e}");
        }
    }
}

/// The message of an error.
fn message(body: &str) -> Option<String> {
    let error: Value = serde_json::from_str(body).ok()?;
    let message = error.get("message").or(error.pointer("/Error/message"))?;
    Some(message.as_str()?.to_owned())
}

/// Runs the server to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    Command::new(common::server())
        .args(arguments)
        .output()
        .unwrap()
}

/// The description of an instance with one application subnet.
pub(crate) fn one_subnet() -> Value {
    let spec =
        json!({ "state_config": "New", "instruction_config": "Production", "subnet_admins": null });
    json!({
        "subnet_config_set": { "system": [], "application": [spec], "verified_application": [] },
    })
}
