//! The protocol over a plain socket: refusals of bad requests, and the start and end of the server.

use std::process::Command;

use serde_json::{Value, json};

use crate::{
    common::is_ours,
    server::{Server, one_subnet, run},
};

/// The base64 of 30 bytes; a principal has 29 at most.
const LONG: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// No canister and no subnet has this id.
pub(crate) const NOBODY: &str = "///////v//8BAQ==";

#[test]
fn unknown_paths_and_methods_are_refused() {
    let server = Server::start("paths", &[]);
    for (method, path, refusal) in [
        ("GET", "/nowhere", (404, "there is no path /nowhere")),
        ("PUT", "/instances", (405, "/instances does not take PUT")),
        (
            "GET",
            "/instances/0/read/get_time",
            (404, "there is no instance 0"),
        ),
        (
            "GET",
            "/instances/first/read/get_time",
            (400, "`first` is not the number of an instance"),
        ),
        ("GET", "/instances/%ff/read/get_time", (400, "UTF-8")),
    ] {
        server.assert_refuses(method, path, "", refusal);
    }
    assert_eq!(server.send("GET", "/status", ""), (200, String::new()));
}

#[test]
fn instances_are_created_and_deleted() {
    let server = Server::start("instances", &[]);
    assert_eq!(server.send("GET", "/instances", ""), (200, "[]".to_owned()));
    let first = server.instance();
    let second = server.instance();
    assert_ne!(first, second);
    assert_eq!(server.send("DELETE", &format!("{first}/"), "").0, 200);
    assert_eq!(
        server.send("GET", "/instances", ""),
        (200, r#"["Deleted","Available"]"#.to_owned())
    );
    let time = format!("{first}/read/get_time");
    server.assert_refuses("GET", &time, "", (404, "instance 0 has been deleted"));
    let (status, _) = server.send("GET", &format!("{second}/read/topology"), "");
    assert_eq!(status, 200);
    let tick = "/instances/99/update/tick";
    server.assert_refuses("POST", tick, "{}", (404, "there is no instance 99"));
}

#[test]
fn invalid_descriptions_of_instances_are_refused() {
    let server = Server::start("refused", &[]);
    let refuses = |config: Value, refusal| {
        server.assert_refuses("POST", "/instances", config.to_string(), refusal);
    };
    refuses(json!({}), (400, "InstanceConfig"));
    refuses(json!({}), (400, "subnet_config_set"));
    let none = json!({ "system": [], "application": [], "verified_application": [] });
    let none = json!({ "subnet_config_set": none });
    refuses(none, (400, "at least one subnet"));
    let mut early = one_subnet();
    early["initial_time"] = json!({ "Timestamp": { "nanos_since_epoch": 1 } });
    refuses(
        early,
        (
            400,
            "must be no earlier than 1620328630000000000 (provided 1)",
        ),
    );
    // None of these requests created an instance.
    assert_eq!(server.send("GET", "/instances", "").1, "[]");
}

#[test]
fn malformed_bodies_are_refused() {
    let server = Server::start("bodies", &[]);
    let instance = server.instance();
    let refuses = |operation: &str, body: &[u8], refusal| {
        server.assert_refuses("POST", &format!("{instance}/{operation}"), body, refusal);
    };
    let post = |operation: &str, body: Value, refusal| {
        refuses(operation, body.to_string().as_bytes(), refusal);
    };

    refuses("update/tick", b"{", (400, "RawTickConfigs"));
    refuses("update/tick", &[0xff, 0xfe], (400, "RawTickConfigs"));
    let no_base64 = json!({ "canister_id": "not base64!" });
    post("read/get_cycles", no_base64, (400, "RawCanisterId"));
    for operation in [
        "read/get_cycles",
        "read/get_controllers",
        "read/get_stable_memory",
        "read/get_subnet",
    ] {
        let long = json!({ "canister_id": LONG });
        post(operation, long, (400, "is not a principal"));
    }
    let call = json!({
        "sender": LONG, "canister_id": "", "effective_principal": "None", "method": "m",
        "payload": "",
    });
    for operation in ["read/query", "update/submit_ingress_message"] {
        post(operation, call.clone(), (400, "is not a principal"));
    }
    let negative = json!({ "canister_id": NOBODY, "amount": -1 });
    post("update/add_cycles", negative, (400, "RawAddCycles"));
    let subnet = json!({ "subnet_id": NOBODY });
    post("read/pub_key", subnet, (404, "there is no subnet"));

    let id = |bytes: &str| json!({ "effective_principal": "None", "message_id": bytes });
    let await_message = "update/await_ingress_message";
    post(await_message, id("AAAA"), (400, "32 bytes"));
    let unknown = id("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    post(await_message, unknown.clone(), (400, ""));
    let question = json!({ "raw_message_id": unknown, "raw_caller": null }).to_string();
    let status = server.send("POST", &format!("{instance}/read/ingress_status"), question);
    assert_eq!(status, (200, "null".to_owned()));
    let past = json!({ "nanos_since_epoch": 1 });
    post("update/set_time", past, (400, ""));
    server.assert_refuses("POST", "/http_gateway", "{}", (400, "HttpGatewayConfig"));
    let time = server.send("GET", &format!("{instance}/read/get_time"), "");
    assert_eq!(time.0, 200);
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
    let unknown = (404, "there is no blob abcd");
    server.assert_refuses("GET", "/blobstore/abcd", "", unknown);
    server.assert_refuses("GET", "/blobstore/xyz", "", (400, ""));
    let encoded = |encoding: &str, blob: &str| {
        let header = format!("content-encoding: {encoding}\r\n");
        server.send_with("POST", "/blobstore", &header, blob)
    };
    assert_eq!(encoded("br", "abc").0, 400);

    // A blob that is wrongly declared as gzip is refused when it is used.
    let (status, gzip) = encoded("gzip", "no gzip");
    assert_eq!(status, 200);
    let instance = server.instance();
    let body = json!({ "canister_id": NOBODY, "blob_id": base64(&gzip) }).to_string();
    let set = format!("{instance}/update/set_stable_memory");
    server.assert_refuses("POST", &set, body, (400, "not valid gzip"));
}

/// Converts hexadecimal into the base64 of the protocol.
fn base64(hexadecimal: &str) -> Value {
    let bytes = hex::decode(hexadecimal).unwrap();
    serde_json::to_value(pocket_ic::common::rest::BlobId(bytes)).unwrap()
}

#[test]
fn a_large_body_is_read() {
    let server = Server::start("large", &[]);
    let (status, id) = server.send("POST", "/blobstore", vec![7; 120 << 20]);
    assert_eq!((status, id.len()), (200, 64));
    // Operations accept bodies of this size, too: a base64 payload of 120 MB, for a missing
    // canister.
    let instance = server.instance();
    let call = json!({
        "sender": "BA==", "canister_id": NOBODY, "effective_principal": "None", "method": "m",
        "payload": "AAAA".repeat(30 << 20),
    });
    let submit = format!("{instance}/update/submit_ingress_message");
    let (status, body) = server.send("POST", &submit, call.to_string());
    // Another server may refuse the request instead of the message.
    assert!(
        status == 200 && body.starts_with(r#"{"Err":"#) || !is_ours() && status == 400,
        "{status} {body}"
    );
}

#[test]
fn the_version_is_one_that_the_client_accepts() {
    let output = run(&["--version"]);
    assert!(output.status.success());
    let version = String::from_utf8(output.stdout).unwrap();
    assert!(version.starts_with("pocket-ic-server 16."), "{version}");
}

#[test]
fn wrong_arguments_are_errors() {
    for arguments in [
        &["--nonsense"][..],
        &["port"],
        &["--port"],
        &["--port", "70000"],
        &["--ttl=soon"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let message = String::from_utf8(output.stderr).unwrap();
        let named = arguments[0].split('=').next().unwrap();
        assert!(
            message.starts_with("error: ") && message.contains(named),
            "{message}"
        );
    }
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
fn the_server_ends_after_a_time_without_requests() {
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
fn the_server_ends_on_a_signal() {
    let mut server = Server::start("signal", &[]);
    let killed = Command::new("kill")
        .arg(server.child.id().to_string())
        .status()
        .unwrap();
    assert!(killed.success());
    assert!(server.child.wait().unwrap().success());
    assert!(!server.port_file.exists());
}
