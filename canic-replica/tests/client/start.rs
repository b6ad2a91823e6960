//! `canic-replica start`, the live network for a shell.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Instant,
};

use crate::{
    common::{only_ours, raw_bytes},
    server::run,
};

/// A network that ends with its test.
pub(crate) struct Live {
    child: Child,
    pub(crate) port: u16,
    root_key: Vec<u8>,
}

impl Live {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(crate::common::server())
            .args(["start", "--port", "0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut line = || lines.next().unwrap().unwrap();
        let (url, key) = (line(), line());
        let port = url.strip_prefix("URL: http://localhost:").unwrap();
        let key = key.strip_prefix("Root key: ").unwrap();
        Self {
            child,
            port: port.strip_suffix('/').unwrap().parse().unwrap(),
            root_key: hex::decode(key).unwrap(),
        }
    }

    fn get(&self, path: &str) -> (u16, Vec<u8>) {
        raw_bytes(self.port, "GET", path, "host: localhost\r\n", b"")
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_live_network_serves_agents_and_ends_when_it_is_interrupted() {
    if !only_ours("another server has no command `start`") {
        return;
    }
    let begun = Instant::now();
    let mut live = Live::start(&["--subnet", "application", "--subnet", "fiduciary"]);
    assert!(begun.elapsed().as_secs() < 5);
    let (status, body) = live.get("/api/v2/status");
    assert_eq!(status, 200);
    assert!(contains(&body, &live.root_key) && contains(&body, b"healthy"));
    let (status, body) = live.get("/_/topology");
    let topology = String::from_utf8(body).unwrap();
    assert_eq!(status, 200);
    for kind in ["\"NNS\"", "\"II\"", "\"Application\"", "\"Fiduciary\""] {
        assert!(topology.contains(kind), "{topology}");
    }
    let pid = live.child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(sent.success());
    assert!(live.child.wait().unwrap().success());
}

#[test]
fn a_network_that_cannot_start_says_why() {
    if !only_ours("another server has no command `start`") {
        return;
    }
    let live = Live::start(&[]);
    let port = live.port.to_string();
    for (arguments, why) in [
        (
            ["start", "--port", port.as_str()],
            "can't listen on 127.0.0.1:",
        ),
        (
            ["start", "--subnet", "moon"],
            "invalid value 'moon' for '--subnet <KIND>'",
        ),
        (
            ["start", "--port=0", "--state-dir=/dev/null"],
            "the state folder /dev/null: ",
        ),
        (
            ["start", "--subnet=sns", "--subnet=sns"],
            "there can be only one SNS subnet",
        ),
    ] {
        let output = run(&arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.contains(why), "{text}");
        assert!(output.stdout.is_empty());
    }
    assert_eq!(live.get("/api/v2/status").0, 200);
}
