//! The network launcher of `icp`, by its arguments and its status file.

use std::{
    fs,
    process::{Child, Command},
    thread::sleep,
    time::{Duration, Instant},
};

use candid::Principal;
use serde_json::{Value, json};

use crate::{
    common::{only_ours, raw_bytes, server},
    fetched::Folder,
    server::run,
};

/// A network that ends with its test, and its status.
struct Launched {
    child: Child,
    status: Value,
}

impl Launched {
    fn start(folder: &Folder, arguments: &[&str]) -> Self {
        let child = Command::new(server())
            .args(["--interface-version", "1.1.0", "--bind", "127.0.0.1"])
            .arg("--state-dir")
            .arg(folder.0.join("state"))
            .arg("--status-dir")
            .arg(folder.0.join("status"))
            .args(arguments)
            .spawn()
            .unwrap();
        let mut launched = Self {
            child,
            status: Value::Null,
        };
        let begun = Instant::now();
        while launched.status.is_null() {
            assert!(launched.child.try_wait().unwrap().is_none());
            assert!(begun.elapsed() < Duration::from_secs(60));
            let text = fs::read_to_string(folder.0.join("status/status.json"));
            match text.unwrap_or_default().strip_suffix('\n') {
                Some(line) => launched.status = serde_json::from_str(line).unwrap(),
                None => sleep(Duration::from_millis(5)),
            }
        }
        launched
    }

    /// A port that the status names.
    fn port(&self, name: &str) -> u16 {
        self.status[name].as_u64().unwrap().try_into().unwrap()
    }

    fn get(&self, port: &str, path: &str, host: &str) -> (u16, Vec<u8>) {
        let host = format!("host: {host}\r\n");
        raw_bytes(self.port(port), "GET", path, &host, b"")
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }
}

#[test]
fn a_launcher_says_when_its_network_is_ready_and_ends_when_it_is_interrupted() {
    if !only_ours("another server is no launcher") {
        return;
    }
    let folder = Folder::new("launcher");
    let arguments = [
        "--gateway-port=0",
        "--verbose",
        "--artificial-delay-ms=5",
        "--subnet=application",
        "--subnet=fiduciary",
        "--domain=example.org",
    ];
    let mut launched = Launched::start(&folder, &arguments);
    let status = &launched.status;
    assert_eq!(
        (&status["v"], &status["instance_id"]),
        (&json!("1"), &json!(0))
    );
    assert_eq!(status["supported_features"], json!([]));
    let key = hex::decode(status["root_key"].as_str().unwrap()).unwrap();
    assert_eq!(key.len(), 133);
    let id = status["default_effective_canister_id"].as_str().unwrap();
    let topology = "/instances/0/read/topology";
    let (found, topology) = launched.get("config_port", topology, "localhost");
    assert_eq!(found, 200);
    let topology: Value = serde_json::from_slice(&topology).unwrap();
    let subnets = topology["subnet_configs"].as_object().unwrap();
    let kinds = subnets
        .values()
        .map(|subnet| subnet["subnet_kind"].as_str());
    let mut kinds: Vec<_> = kinds.map(Option::unwrap).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["Application", "Fiduciary", "II", "NNS"]);
    assert!(Principal::from_text(id).is_ok());

    for (host, expected) in [
        ("localhost", 200),
        ("example.org", 200),
        ("example.com", 400),
    ] {
        let (found, _) = launched.get("gateway_port", "/api/v2/status", host);
        assert_eq!(found, expected, "{host}");
    }

    let pid = launched.child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(sent.success());
    assert!(launched.child.wait().unwrap().success());
}

#[test]
fn a_launcher_refuses_by_name_what_it_cannot_do() {
    if !only_ours("another server is no launcher") {
        return;
    }
    let folder = Folder::new("launcher-refusals");
    let launched = Launched::start(&folder, &[]);
    let status = folder.0.join("other");
    let status = status.to_str().unwrap();
    let file = folder.0.join("file");
    fs::write(&file, "").unwrap();
    let taken = launched.port("gateway_port").to_string();
    for (version, argument, value, why) in [
        (
            "2.0.0",
            "--verbose",
            None,
            "invalid value '2.0.0' for '--interface-version",
        ),
        ("1.1.0", "--moon", None, "unexpected argument '--moon'"),
        (
            "1.1.0",
            "--bitcoind-addr",
            Some("127.0.0.1:1"),
            "'--bitcoind-addr'",
        ),
        ("1.1.0", "start", None, "unexpected argument 'start'"),
        (
            "1.1.0",
            "--subnet",
            Some("moon"),
            "invalid value 'moon' for '--subnet",
        ),
        (
            "1.1.0",
            "--ii",
            None,
            "--ii: there is no Internet Identity canister",
        ),
        ("1.0.0", "--nns", None, "--nns: there are no governance"),
        (
            "1.1.0",
            "--gateway-port",
            Some(taken.as_str()),
            "can't listen on 127.0.0.1:",
        ),
        (
            "1.1.0",
            "--config-port",
            Some(taken.as_str()),
            "can't listen on 127.0.0.1:",
        ),
    ] {
        let version = ["--interface-version", version, "--status-dir", status];
        let arguments = version.into_iter().chain([argument]).chain(value);
        let output = run(&arguments.collect::<Vec<_>>());
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.contains(why), "{text}");
    }
    assert!(!folder.0.join("other").exists());

    let version = ["--interface-version", "1.1.0", "--status-dir"];
    let unwritable = [&version[..], &[file.to_str().unwrap()]].concat();
    let output = run(&unwritable);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && text.contains("status.json"),
        "{text}"
    );
    assert_eq!(
        launched
            .get("gateway_port", "/api/v2/status", "localhost")
            .0,
        200
    );
}
