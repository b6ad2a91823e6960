//! The server itself, over a plain socket: bad requests, our own paths, and how it starts and ends.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::Duration;

use pocket_ic::PocketIcBuilder;
use serde_json::{Value, json};

use crate::common::{counter, raw, update};

const BINARY: &str = env!("CARGO_BIN_EXE_canic-replica");

/// A server of our own, ended with the test.
struct Server {
    child: Child,
    port: u16,
    port_file: PathBuf,
}

impl Server {
    fn start(name: &str, arguments: &[&str]) -> Self {
        let port_file = port_file(name);
        let child = Command::new(BINARY)
            .arg("--port-file")
            .arg(&port_file)
            .args(arguments)
            .spawn()
            .unwrap();
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

    /// Sends one request; answers the status and the body.
    fn send(&self, method: &str, path: &str, body: impl AsRef<[u8]>) -> (u16, String) {
        self.send_with(method, path, "", body)
    }

    fn send_with(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: impl AsRef<[u8]>,
    ) -> (u16, String) {
        raw(
            self.port,
            method,
            path,
            &format!("host: localhost\r\n{headers}"),
            body,
        )
    }

    /// Sends a request that fails; answers the status and the message.
    fn fail(&self, method: &str, path: &str, body: impl AsRef<[u8]>) -> (u16, String) {
        let (status, body) = self.send(method, path, body);
        let Ok(Value::Object(mut error)) = serde_json::from_str(&body) else {
            panic!("{status} {body}")
        };
        match error.remove("message") {
            Some(Value::String(message)) => (status, message),
            other => panic!("{status} {other:?}"),
        }
    }

    /// Creates an instance; answers its path.
    fn instance(&self) -> String {
        let (status, body) = self.send("POST", "/instances", one_subnet().to_string());
        assert_eq!(status, 201, "{body}");
        let created: Value = serde_json::from_str(&body).unwrap();
        format!("/instances/{}", created["Created"]["instance_id"])
    }

    fn client(&self) -> PocketIcBuilder {
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

fn port_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.port", std::process::id()))
}

fn one_subnet() -> Value {
    let spec =
        json!({ "state_config": "New", "instruction_config": "Production", "subnet_admins": null });
    json!({ "subnet_config_set": { "system": [], "application": [spec], "verified_application": [] } })
}

fn run(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).output().unwrap()
}

#[test]
fn paths_and_methods_that_are_not_there() {
    let server = Server::start("paths", &[]);
    let (status, message) = server.fail("GET", "/nowhere", "");
    assert_eq!(
        (status, message.as_str()),
        (404, "there is no path /nowhere")
    );
    let (status, message) = server.fail("PUT", "/instances", "");
    assert_eq!(
        (status, message.as_str()),
        (405, "/instances does not take PUT")
    );
    let (status, message) = server.fail("GET", "/instances/0/read/get_time", "");
    assert_eq!((status, message.as_str()), (404, "there is no instance 0"));
    let (status, message) = server.fail("GET", "/instances/first/read/get_time", "");
    assert_eq!(
        (status, message.as_str()),
        (400, "`first` is not the number of an instance")
    );
    let (status, message) = server.fail("GET", "/instances/%ff/read/get_time", "");
    assert!(
        status == 400 && message.contains("UTF-8"),
        "{status} {message}"
    );
    assert_eq!(server.send("GET", "/status", ""), (200, String::new()));
    // The port of a gateway answers in the same way.
    let mut config = one_subnet();
    config["http_gateway_config"] = json!({});
    let (_, created) = server.send("POST", "/instances", config.to_string());
    let created: Value = serde_json::from_str(&created).unwrap();
    let gateway = created["Created"]["http_gateway_info"]["port"].as_u64();
    let refused = json!({ "message": "/_/topology does not take PUT" });
    assert_eq!(
        raw(
            gateway.unwrap() as u16,
            "PUT",
            "/_/topology",
            "host: localhost\r\n",
            ""
        ),
        (405, refused.to_string())
    );
}

#[test]
fn instances_come_and_go() {
    let server = Server::start("instances", &[]);
    assert_eq!(
        server.send("GET", "/instances/", ""),
        (200, "[]".to_owned())
    );
    let first = server.instance();
    let second = server.instance();
    assert_ne!(first, second);
    assert_eq!(server.send("DELETE", &format!("{first}/"), "").0, 200);
    assert_eq!(
        server.send("GET", "/instances", ""),
        (200, r#"["Deleted","Available"]"#.to_owned())
    );
    let (status, message) = server.fail("DELETE", &first, "");
    assert_eq!(
        (status, message.as_str()),
        (404, "instance 0 has been deleted")
    );
    let (status, _) = server.send("GET", &format!("{second}/read/topology"), "");
    assert_eq!(status, 200);
    let (status, message) = server.fail("POST", "/instances/99/update/tick", "{}");
    assert_eq!((status, message.as_str()), (404, "there is no instance 99"));
}

#[test]
fn instances_that_are_refused() {
    let server = Server::start("refused", &[]);
    let create = |config: Value| {
        let (status, body) = server.send("POST", "/instances", config.to_string());
        let answer: Value = serde_json::from_str(&body).unwrap();
        (
            status,
            answer["Error"]["message"]
                .as_str()
                .unwrap_or(&body)
                .to_owned(),
        )
    };
    let (status, message) = create(json!({}));
    assert!(
        status == 400
            && message.contains("InstanceConfig")
            && message.contains("subnet_config_set"),
        "{message}"
    );
    let none = json!({ "subnet_config_set": { "system": [], "application": [], "verified_application": [] } });
    let (status, message) = create(none);
    assert!(
        status == 400 && message.contains("at least one subnet"),
        "{status} {message}"
    );

    let with = |key: &str, value: Value| {
        let mut config = one_subnet();
        config[key] = value;
        create(config)
    };
    for (key, value, what) in [
        ("state_dir", json!("/tmp/state"), "a state directory"),
        ("incomplete_state", json!("Enabled"), "incomplete states"),
        (
            "bitcoind_addr",
            json!(["127.0.0.1:1"]),
            "a connection to bitcoind",
        ),
        (
            "dogecoind_addr",
            json!(["127.0.0.1:1"]),
            "a connection to dogecoind",
        ),
        (
            "icp_features",
            json!({ "registry": "DefaultConfig" }),
            "system canisters (icp_features)",
        ),
        (
            "mainnet_nns_subnet_id",
            json!(true),
            "the NNS subnet under its mainnet id",
        ),
        (
            "icp_config",
            json!({ "function_name_length_limits": "Disabled" }),
            "function names of any length",
        ),
    ] {
        assert_eq!(
            with(key, value),
            (501, format!("canic-replica does not serve {what}"))
        );
    }
    let (status, message) = with(
        "initial_time",
        json!({ "Timestamp": { "nanos_since_epoch": 1 } }),
    );
    assert!(
        status == 400 && message.contains("2021-05-06"),
        "{status} {message}"
    );
    let mut config = one_subnet();
    config["subnet_config_set"]["application"][0]["instruction_config"] = json!("Benchmarking");
    assert_eq!(create(config).0, 501);
    // None of these left an instance behind.
    assert_eq!(server.send("GET", "/instances", "").1, "[]");
}

#[test]
fn bodies_that_are_not_what_they_should_be() {
    let server = Server::start("bodies", &[]);
    let instance = server.instance();
    let post = |operation: &str, body: Value| {
        server.fail("POST", &format!("{instance}/{operation}"), body.to_string())
    };

    let (status, message) = server.fail("POST", &format!("{instance}/update/tick"), "{");
    assert!(
        status == 400 && message.contains("RawTickConfigs"),
        "{status} {message}"
    );
    let (status, message) = server.fail("POST", &format!("{instance}/update/tick"), [0xff, 0xfe]);
    assert!(
        status == 400 && message.contains("RawTickConfigs"),
        "{status} {message}"
    );
    let (status, message) = post("read/get_cycles", json!({ "canister_id": "not base64!" }));
    assert!(
        status == 400 && message.contains("RawCanisterId"),
        "{status} {message}"
    );
    // 30 bytes; a principal has 29 at most.
    let long = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for operation in [
        "read/get_cycles",
        "read/get_controllers",
        "read/get_stable_memory",
        "read/get_subnet",
    ] {
        let (status, message) = post(operation, json!({ "canister_id": long }));
        assert!(
            status == 400 && message.contains("is not a principal"),
            "{status} {message}"
        );
    }
    let call = json!({
        "sender": long, "canister_id": "", "effective_principal": "None", "method": "m", "payload": "",
    });
    for operation in ["read/query", "update/submit_ingress_message"] {
        let (status, message) = post(operation, call.clone());
        assert!(
            status == 400 && message.contains("is not a principal"),
            "{status} {message}"
        );
    }
    // No canister has this id.
    let nobody = "AAAAAAAAAAcBAQ==";
    for operation in [
        "read/get_cycles",
        "read/get_controllers",
        "read/get_stable_memory",
    ] {
        let (status, message) = post(operation, json!({ "canister_id": nobody }));
        assert!(
            status == 404 && message.starts_with("there is no canister"),
            "{status} {message}"
        );
    }
    let (status, message) = post(
        "update/add_cycles",
        json!({ "canister_id": nobody, "amount": 1 }),
    );
    assert!(
        status == 404 && message.starts_with("there is no canister"),
        "{status} {message}"
    );
    let (status, message) = post(
        "update/add_cycles",
        json!({ "canister_id": nobody, "amount": -1 }),
    );
    assert!(
        status == 400 && message.contains("RawAddCycles"),
        "{status} {message}"
    );
    let (status, message) = post("read/pub_key", json!({ "subnet_id": nobody }));
    assert!(
        status == 404 && message.starts_with("there is no subnet"),
        "{status} {message}"
    );

    let id = |bytes: &str| json!({ "effective_principal": "None", "message_id": bytes });
    let (status, message) = post("update/await_ingress_message", id("AAAA"));
    assert!(
        status == 400 && message.contains("32 bytes"),
        "{status} {message}"
    );
    let unknown = id("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    let (status, message) = post("update/await_ingress_message", unknown.clone());
    assert_eq!(status, 400, "{message}");
    let asked = json!({ "raw_message_id": unknown, "raw_caller": null }).to_string();
    let status = server.send("POST", &format!("{instance}/read/ingress_status"), asked);
    assert_eq!(status, (200, "null".to_owned()));
    let (status, message) = post("update/set_time", json!({ "nanos_since_epoch": 1 }));
    assert_eq!(status, 400, "{message}");
    assert_eq!(
        server
            .send("GET", &format!("{instance}/read/get_time"), "")
            .0,
        200
    );
}

#[test]
fn what_is_not_served_says_so() {
    let server = Server::start("unserved", &[]);
    let instance = server.instance();
    let id: usize = instance.rsplit('/').next().unwrap().parse().unwrap();
    for (key, value, what) in [
        (
            "https_config",
            json!({ "cert_path": "cert", "key_path": "key" }),
            "HTTPS gateways",
        ),
        (
            "domain_custom_provider_local_file",
            json!("domains"),
            "custom domains from a file",
        ),
        (
            "forward_to",
            json!({ "Replica": "http://localhost:1" }),
            "HTTP gateways in front of another replica",
        ),
    ] {
        let mut gateway = json!({ "forward_to": { "PocketIcInstance": id } });
        gateway[key] = value;
        let (status, body) = server.send("POST", "/http_gateway", gateway.to_string());
        let refused =
            json!({ "Error": { "message": format!("canic-replica does not serve {what}") } });
        assert_eq!((status, body), (501, refused.to_string()));
    }
}

#[test]
fn gateways_that_can_not_be_opened() {
    let server = Server::start("gateways", &[]);
    let id: usize = server
        .instance()
        .rsplit('/')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let open = |gateway: Value| {
        let (status, body) = server.send("POST", "/http_gateway", gateway.to_string());
        let answer: Value = serde_json::from_str(&body).unwrap();
        (
            status,
            answer["Error"]["message"]
                .as_str()
                .unwrap_or(&body)
                .to_owned(),
        )
    };
    let (status, message) = open(json!({ "forward_to": { "PocketIcInstance": id + 7 } }));
    assert_eq!(
        (status, message),
        (404, format!("there is no instance {}", id + 7))
    );
    let (status, message) =
        open(json!({ "forward_to": { "PocketIcInstance": id }, "port": server.port }));
    assert!(
        status == 400 && message.contains("can't listen"),
        "{status} {message}"
    );
    let (status, message) =
        open(json!({ "forward_to": { "PocketIcInstance": id }, "ip_addr": "nowhere" }));
    assert!(
        status == 400 && message.contains("nowhere"),
        "{status} {message}"
    );
    assert_eq!(open(json!({})).0, 400);
    assert_eq!(
        server.send("GET", "/http_gateway", ""),
        (200, "[]".to_owned())
    );
    assert_eq!(server.fail("POST", "/http_gateway/0/stop", "").0, 404);
    // An instance whose gateway can't be opened is not left behind.
    let mut config = one_subnet();
    config["http_gateway_config"] = json!({ "port": server.port });
    assert_eq!(server.send("POST", "/instances", config.to_string()).0, 400);
    assert_eq!(
        server.send("GET", "/instances", "").1,
        r#"["Available","Deleted"]"#
    );
}

#[test]
fn blobs_are_kept_by_their_hash() {
    let server = Server::start("blobs", &[]);
    // SHA-256 of `abc`.
    let id = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(
        server.send("POST", "/blobstore/", "abc"),
        (200, id.to_owned())
    );
    assert_eq!(
        server.send("GET", &format!("/blobstore/{id}"), ""),
        (200, "abc".to_owned())
    );
    let (status, message) = server.fail("GET", "/blobstore/abcd", "");
    assert_eq!((status, message.as_str()), (404, "there is no blob abcd"));
    assert_eq!(server.fail("GET", "/blobstore/xyz", "").0, 400);
    assert_eq!(
        server
            .send_with("POST", "/blobstore", "content-encoding: br\r\n", "abc")
            .0,
        400
    );

    // What claims to be gzip and isn't is found when it is used.
    let (status, gzip) = server.send_with(
        "POST",
        "/blobstore",
        "content-encoding: gzip\r\n",
        "no gzip",
    );
    assert_eq!(status, 200);
    let blob: String = base64(&gzip);
    let instance = server.instance();
    let body = json!({ "canister_id": "AAAAAAAAAAcBAQ==", "blob_id": blob }).to_string();
    let (status, message) = server.fail(
        "POST",
        &format!("{instance}/update/set_stable_memory"),
        body,
    );
    assert!(
        status == 400 && message.contains("not valid gzip"),
        "{status} {message}"
    );
}

/// Base64 of bytes given in hexadecimal, through the type that travels.
fn base64(hexadecimal: &str) -> String {
    let bytes = hex::decode(hexadecimal).unwrap();
    serde_json::from_value(serde_json::to_value(pocket_ic::common::rest::BlobId(bytes)).unwrap())
        .unwrap()
}

#[test]
fn a_large_body_is_read() {
    let server = Server::start("large", &[]);
    let (status, id) = server.send("POST", "/blobstore", vec![7; 120 << 20]);
    assert_eq!((status, id.len()), (200, 64));
    // The operations take as much; this one has a base64 payload of 120 MB, for a canister that isn't there.
    let instance = server.instance();
    let call = json!({
        "sender": "BA==", "canister_id": "AAAAAAAAAAcBAQ==", "effective_principal": "None", "method": "m",
        "payload": "AAAA".repeat(30 << 20),
    });
    let (status, body) = server.send(
        "POST",
        &format!("{instance}/update/submit_ingress_message"),
        call.to_string(),
    );
    assert!(
        status == 200 && body.starts_with(r#"{"Err":"#),
        "{status} {body}"
    );
}

#[test]
fn an_instance_tells_about_itself() {
    let server = Server::start("canic", &[]);
    let pic = server.client().with_application_subnet().build();
    let own = format!("/canic/instances/{}", pic.instance_id());
    let get = |path: &str| -> Value {
        let (status, body) = server.send("GET", &format!("{own}/{path}"), "");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    };
    assert_eq!(get("canisters"), json!([]));
    assert_eq!(get("trace"), json!({ "next": 0, "events": [] }));
    assert_eq!(get("accounts")["minted"], json!("0"));

    let canister = counter(&pic);
    assert_eq!(get("canisters"), json!([canister.to_text()]));
    assert_eq!(get("accounts")["minted"], json!("100000000000000"));
    let next = get("trace")["next"].as_u64().unwrap();
    assert!(next > 0);

    assert_eq!(update(&pic, canister, "inc"), Ok(1));
    update(&pic, canister, "trapping").unwrap_err();
    let trace = get(&format!("trace?from={next}"));
    let methods: Vec<_> = trace["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["method"])
        .collect();
    assert_eq!(methods, [&json!("inc"), &json!("trapping")], "{trace}");
    assert_eq!(trace["events"][0]["seq"], json!(next));
    assert_eq!(trace["events"][0]["outcome"], json!("reply"));
    assert!(
        trace["events"][1]["outcome"]["trap"]["message"].is_string(),
        "{trace}"
    );
    let last = trace["next"].as_u64().unwrap();
    assert_eq!(last, next + 2);
    assert_eq!(
        get(&format!("trace?from={last}")),
        json!({ "next": last, "events": [] })
    );

    let (status, message) = server.fail("GET", &format!("{own}/trace?from=x"), "");
    assert_eq!(
        (status, message.as_str()),
        (400, "from=x is not the number of an event")
    );
    assert_eq!(server.fail("GET", &format!("{own}/trace?to=1"), "").0, 400);
    assert_eq!(
        server.fail("GET", "/canic/instances/77/accounts", "").0,
        404
    );
}

#[test]
fn the_version_is_one_that_the_client_takes() {
    let output = run(&["--version"]);
    assert!(output.status.success());
    assert_eq!(output.stdout, b"pocket-ic-server 16.1.0\n");
    assert!(run(&["--help"]).stdout.starts_with(b"canic-replica: "));
}

#[test]
fn wrong_arguments_are_errors() {
    let named =
        |argument: &'static str| argument.split_once('=').map_or(argument, |(name, _)| name);
    for arguments in [
        &["--nonsense"][..],
        &["port"],
        &["--port"],
        &["--port", "70000"],
        &["--ttl=soon"],
        &["--ip-addr", "localhost"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(
            message.starts_with("error: ") && message.contains(named(arguments[0])),
            "{message}"
        );
    }
    let output = run(&["--port-file", "/nowhere/at/all"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("/nowhere/at/all")
    );
}

#[test]
fn a_second_server_leaves_the_port_file_to_the_first() {
    let server = Server::start("second", &[]);
    let before = std::fs::read_to_string(&server.port_file).unwrap();
    let output = run(&["--port-file", server.port_file.to_str().unwrap()]);
    assert!(
        output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(),
        "{output:?}"
    );
    assert_eq!(std::fs::read_to_string(&server.port_file).unwrap(), before);
    assert_eq!(server.send("GET", "/status", "").0, 200);
}

#[test]
fn the_server_ends_when_nobody_asks_any_more() {
    let mut server = Server::start("ttl", &["--ttl", "1"]);
    assert_eq!(server.send("GET", "/status", "").0, 200);
    assert!(server.child.wait().unwrap().success());
    assert!(!server.port_file.exists());
}

#[test]
fn the_server_ends_at_its_hard_limit() {
    let mut server = Server::start("hard-ttl", &["--hard-ttl=1", "--ttl", "1000"]);
    assert!(server.child.wait().unwrap().success());
    assert!(!server.port_file.exists());
}

#[test]
#[cfg(unix)]
fn the_server_ends_when_it_is_told_to() {
    let mut server = Server::start("signal", &[]);
    let told = Command::new("kill")
        .arg(server.child.id().to_string())
        .status()
        .unwrap();
    assert!(told.success());
    assert!(server.child.wait().unwrap().success());
    assert!(!server.port_file.exists());
}
