//! The network launcher of `icp`, by its arguments and its status file.

use std::{
    fs,
    process::{Child, Command},
    thread::sleep,
    time::{Duration, Instant},
};

use candid::Principal;
use pocket_ic::PocketIc;
use serde_json::{Value, json};

use crate::{
    common::{COUNTER, only_ours, raw_bytes, server},
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
        let status = folder.0.join("status/status.json");
        // There is none before the first start.
        let _ = fs::remove_file(&status);
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
            let text = fs::read_to_string(&status);
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

    /// Ends it cleanly.
    fn interrupt(&mut self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status().unwrap();
        assert!(sent.success());
        assert!(self.child.wait().unwrap().success());
    }

    /// A client of its instance.
    fn client(&self) -> PocketIc {
        let url = format!("http://127.0.0.1:{}/", self.port("config_port"));
        PocketIc::new_from_existing_instance(url.parse().unwrap(), 0, None)
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

    launched.interrupt();
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

#[test]
fn a_state_folder_keeps_the_network_over_restarts() {
    if !only_ours("another server is no launcher") {
        return;
    }
    let folder = Folder::new("launcher-state");
    let nobody = Principal::anonymous();
    let count = |pic: &PocketIc, canister, method: &str| match method {
        "get" => pic.query_call(canister, nobody, method, vec![]).unwrap(),
        _ => pic.update_call(canister, nobody, method, vec![]).unwrap(),
    };
    let mut launched = Launched::start(&folder, &["--subnet=fiduciary"]);
    let status = launched.status.clone();
    let pic = launched.client();
    let canister = pic.create_canister();
    pic.add_cycles(canister, 10_000_000_000_000);
    pic.install_canister(canister, wat::parse_str(COUNTER).unwrap(), vec![], None);
    let counted = count(&pic, canister, "inc");
    let cycles = pic.cycle_balance(canister);
    drop(pic);

    let used = arguments(&folder, "other");
    let output = run(&used.each_ref().map(String::as_str));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("is used by another network"), "{text}");
    launched.interrupt();

    // The subnets are those of the state.
    let mut launched = Launched::start(&folder, &[]);
    for kept in ["root_key", "default_effective_canister_id"] {
        assert_eq!(launched.status[kept], status[kept]);
    }
    let pic = launched.client();
    assert_eq!(count(&pic, canister, "get"), counted);
    assert!(pic.cycle_balance(canister) <= cycles);
    assert_ne!(count(&pic, canister, "inc"), counted);
    assert_ne!(pic.create_canister(), canister);
    drop(pic);
    launched.interrupt();

    // What is no state is refused, and stays.
    let file = folder.0.join("state/state");
    let state = fs::read(&file).unwrap();
    let (mut corrupt, mut newer) = (state.clone(), state.clone());
    *corrupt.last_mut().unwrap() ^= 1;
    newer[19] += 1;
    for (bytes, why) in [
        (&corrupt, "is corrupt"),
        (&newer, "has version 2; this canic-replica reads version 1"),
        (&b"text".to_vec(), "is no state of a canic-replica"),
        (&state[..100].to_vec(), "is corrupt"),
    ] {
        fs::write(&file, bytes).unwrap();
        let output = run(&used.each_ref().map(String::as_str));
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.contains(why), "{text}");
        assert_eq!(&fs::read(&file).unwrap(), bytes);
    }
    fs::write(folder.0.join("state/letter"), "").unwrap();
    let output = run(&used.each_ref().map(String::as_str));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("holds letter, which is no part of a state"),
        "{text}"
    );
    assert!(!folder.0.join("other").exists());
}

/// The arguments of a network in the state folder of another.
fn arguments(folder: &Folder, status: &str) -> [String; 6] {
    let path = |name: &str| folder.0.join(name).to_str().unwrap().to_owned();
    [
        "--interface-version".into(),
        "1.1.0".into(),
        "--state-dir".into(),
        path("state"),
        "--status-dir".into(),
        path(status),
    ]
}
