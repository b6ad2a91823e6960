//! One good request for each route of the server, and ways to corrupt it.

use std::fmt;

use candid::Principal;
use ic_transport_types::{Envelope, EnvelopeContent};
use pocket_ic::common::rest::{BlobId, RawCanisterId, RawPrincipalId, RawSubnetId};
use serde::Serialize;
use serde_json::{Value, json};

use super::draws::Draws;

/// The canister, subnet and blob in instance 0 that the requests name.
pub(crate) struct Scene {
    pub(crate) canister: Principal,
    pub(crate) subnet: Principal,
    /// The hash of a blob.
    pub(crate) blob: [u8; 32],
    /// The instance's time, in nanoseconds since 1970.
    pub(crate) time: u64,
}

/// The listener that a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Server,
    Gateway,
}

/// A request in valid HTTP.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) target: Target,
    pub(crate) method: String,
    pub(crate) path: String,
    /// Lines, each with its line break.
    pub(crate) headers: String,
    pub(crate) body: Vec<u8>,
    /// The status of the response if the request is not corrupted.
    pub(crate) status: u16,
}

impl Request {
    fn new(status: u16, method: &str, path: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self {
            target: Target::Server,
            method: method.into(),
            path: path.into(),
            headers: "host: localhost\r\n".to_owned(),
            body: body.into(),
            status,
        }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(200, "GET", path, "")
    }

    pub(crate) fn post(path: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self::new(200, "POST", path, body)
    }

    /// The same request to the gateway, which answers with this status.
    fn through_gateway(mut self, status: u16, host: &str) -> Self {
        self.target = Target::Gateway;
        self.headers = format!("host: {host}\r\n");
        self.status = status;
        self
    }

    /// The request as it is sent.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let Self {
            method,
            path,
            headers,
            body,
            ..
        } = self;
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\n\
             {headers}connection: close\r\ncontent-length: {length}\r\n\r\n"
        );
        [head.as_bytes(), body].concat()
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.bytes();
        let shown = &bytes[..bytes.len().min(1_000)];
        write!(
            f,
            "{:?}, {} bytes: {}",
            self.target,
            bytes.len(),
            shown.escape_ascii()
        )
    }
}

/// A good request for each route.
pub(crate) fn requests(scene: &Scene) -> Vec<Request> {
    let get = |path: &str| Request::get(path);
    let post = |path: &str, body: Value| Request::post(path, body.to_string());
    let gives = |status: u16, request: Request| Request { status, ..request };

    let Scene {
        canister, subnet, ..
    } = *scene;
    // An id of the subnet that no canister has.
    let absent = Principal::from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xef, 0xff, 0xff, 1, 1]);
    let canister_id = rest(RawCanisterId::from(canister));
    let subnet_id = rest(RawSubnetId::from(subnet));
    let anonymous = rest(RawPrincipalId::from(Principal::anonymous()));
    let blob = hex::encode(scene.blob);
    let call = |method: &str| {
        json!({
            "sender": anonymous["principal_id"], "canister_id": canister_id["canister_id"],
            "effective_principal": { "CanisterId": canister_id["canister_id"] },
            "method": method, "payload": "RElETAAA", "sender_info": null,
        })
    };
    let message = json!({
        "effective_principal": { "SubnetId": subnet_id["subnet_id"] },
        "message_id": rest(BlobId(scene.blob.to_vec())),
    });
    let spec =
        json!({ "state_config": "New", "instruction_config": "Production", "subnet_admins": null });
    let instance = json!({
        "subnet_config_set": {
            "nns": null, "sns": null, "ii": null, "fiduciary": null, "bitcoin": null,
            "system": [], "application": [spec], "verified_application": [],
        },
        "http_gateway_config": null, "state_dir": null, "icp_config": null, "log_level": null,
        "bitcoind_addr": null, "dogecoind_addr": null, "icp_features": null,
        "incomplete_state": null, "mainnet_nns_subnet_id": null,
        "initial_time": { "Timestamp": { "nanos_since_epoch": scene.time } },
    });
    let reply = json!({
        "CanisterHttpReply": {
            "status": 200, "headers": [{ "name": "a", "value": "b" }], "body": "",
        },
    });
    let reject = json!({ "CanisterHttpReject": { "reject_code": 2, "message": "no" } });
    let fault = json!({
        "direction": "answer", "method": "inc", "skip": 1, "times": 2,
        "effect": { "delay": { "rounds": 2 } },
    });
    // No directory can be created at this path.
    let snapshot = |key: &str| {
        json!({
            "sender": anonymous, "canister_id": canister_id, key: "AAEC",
            "snapshot_dir": "/dev/null/snapshot",
        })
    };

    let i = "/instances/0";
    let own = "/canic/instances/0";
    let agent = format!("{i}/api/v2/canister/{canister}");
    let expiry = scene.time + 100_000_000_000;
    let (sender, method_name, arg) = (
        Principal::anonymous(),
        "get".to_owned(),
        b"DIDL\0\0".to_vec(),
    );
    let query = EnvelopeContent::Query {
        ingress_expiry: expiry,
        sender,
        canister_id: canister,
        method_name: method_name.clone(),
        arg: arg.clone(),
        nonce: Some(vec![1, 2]),
        sender_info: None,
    };
    // To a canister that does not exist: an accepted call would wait for rounds.
    let update = EnvelopeContent::Call {
        nonce: None,
        ingress_expiry: expiry,
        sender,
        canister_id: absent,
        method_name,
        arg,
        sender_info: None,
    };
    let state = EnvelopeContent::ReadState {
        ingress_expiry: expiry,
        sender,
        paths: vec![
            vec!["time".into()],
            vec![
                "canister".into(),
                canister.as_slice().into(),
                "module_hash".into(),
            ],
        ],
    };
    let cbor = |path: String, content: EnvelopeContent| {
        let mut request = Request::post(path, envelope(content));
        request.headers += "content-type: application/cbor\r\n";
        request
    };

    vec![
        get("/status"),
        Request::post("/blobstore", "some data"),
        get(&format!("/blobstore/{blob}")),
        get("/instances"),
        gives(201, post("/instances", instance)),
        Request::new(200, "DELETE", i, ""),
        get(&format!("{i}/_/topology")),
        get(&format!("{i}/read/topology")),
        get(&format!("{i}/read/get_time")),
        get(&format!("{i}/read/get_canister_http")),
        post(&format!("{i}/read/get_cycles"), canister_id.clone()),
        post(&format!("{i}/read/get_controllers"), canister_id.clone()),
        post(&format!("{i}/read/get_stable_memory"), canister_id.clone()),
        post(&format!("{i}/read/get_subnet"), canister_id.clone()),
        post(&format!("{i}/read/pub_key"), subnet_id.clone()),
        post(
            &format!("{i}/read/ingress_status"),
            json!({ "raw_message_id": message, "raw_caller": anonymous }),
        ),
        post(&format!("{i}/read/query"), call("get")),
        post(&format!("{i}/update/submit_ingress_message"), call("inc")),
        gives(
            400,
            post(&format!("{i}/update/await_ingress_message"), message),
        ),
        post(&format!("{i}/update/tick"), json!({ "blockmakers": [] })),
        post(
            &format!("{i}/update/set_time"),
            json!({ "nanos_since_epoch": scene.time + 1 }),
        ),
        post(
            &format!("{i}/update/set_certified_time"),
            json!({ "nanos_since_epoch": scene.time + 2 }),
        ),
        post(
            &format!("{i}/update/add_cycles"),
            json!({ "canister_id": canister_id["canister_id"], "amount": 5 }),
        ),
        post(
            &format!("{i}/update/set_stable_memory"),
            json!({
                "canister_id": canister_id["canister_id"],
                "blob_id": rest(BlobId(scene.blob.to_vec())),
            }),
        ),
        get(&format!("{i}/auto_progress")),
        post(
            &format!("{i}/auto_progress"),
            json!({ "artificial_delay_ms": 3 }),
        ),
        post(&format!("{i}/stop_progress"), json!({})),
        gives(
            400,
            post(
                &format!("{i}/update/mock_canister_http"),
                json!({
                    "subnet_id": subnet_id, "request_id": 1,
                    "response": reply, "additional_responses": [reject],
                }),
            ),
        ),
        gives(
            400,
            post(
                &format!("{i}/update/mock_flexible_canister_http"),
                json!({ "subnet_id": subnet_id, "request_id": 1, "responses": [reply, reject] }),
            ),
        ),
        gives(400, post(&format!("{i}/update/delete_subnet"), subnet_id)),
        gives(
            400,
            post(
                &format!("{i}/update/canister_snapshot_download"),
                snapshot("snapshot_id"),
            ),
        ),
        gives(
            400,
            post(
                &format!("{i}/update/canister_snapshot_upload"),
                snapshot("replace_snapshot"),
            ),
        ),
        post(
            "/verify_signature",
            json!({ "msg": "AAEC", "sig": "AAEC", "pubkey": "AAEC", "root_pubkey": "AAEC" }),
        ),
        get("/http_gateway"),
        gives(
            201,
            post(
                "/http_gateway",
                json!({
                    "ip_addr": "127.0.0.1", "port": null, "forward_to": { "PocketIcInstance": 0 },
                    "domains": ["localhost"], "https_config": null,
                    "domain_custom_provider_local_file": null,
                }),
            ),
        ),
        post("/http_gateway/0/stop", json!({})),
        get(&format!("{own}/trace?from=3")),
        get(&format!("{own}/accounts")),
        get(&format!("{own}/canisters")),
        get(&format!("{own}/faults")),
        post(&format!("{own}/faults"), fault),
        Request::new(200, "DELETE", &*format!("{own}/faults"), ""),
        post(
            &format!("{own}/chaos"),
            json!({ "seed": 7, "per_mille": 100, "caller": null, "callee": null }),
        ),
        get(&format!("{own}/fired_faults")),
        gives(201, post(&format!("{own}/fork"), json!({}))),
        get(&format!("{i}/api/v2/status")),
        cbor(format!("{agent}/query"), query),
        cbor(format!("{agent}/read_state"), state),
        cbor(format!("{i}/api/v3/canister/{absent}/call"), update),
        get("/_/topology").through_gateway(200, "localhost"),
        get("/api/v2/status").through_gateway(200, "localhost"),
        // The canister's answer is empty, which is no HTTP response.
        get("/page?a=b").through_gateway(503, &format!("{canister}.localhost")),
        get(&format!("/?canisterId={canister}")).through_gateway(503, "localhost"),
    ]
}

fn rest(value: impl Serialize) -> Value {
    serde_json::to_value(value).expect("JSON")
}

fn envelope(content: EnvelopeContent) -> Vec<u8> {
    let envelope = Envelope {
        content: std::borrow::Cow::Owned(content),
        sender_pubkey: None,
        sender_sig: None,
        sender_delegation: None,
    };
    envelope.encode_bytes()
}

/// Corrupts one or two parts of a request, so that it is still HTTP.
pub(crate) fn corrupt(draws: &mut Draws<'_>, request: &mut Request, others: &[Request]) {
    for _ in 0..1 + draws.below(2) {
        match draws.below(8) {
            0 => {
                let methods = [
                    "GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "BREW",
                ];
                request.method = (*draws.pick(&methods)).to_owned();
            }
            1 | 2 => corrupt_path(draws, &mut request.path),
            3 => {
                let headers = [
                    "content-type: text/plain\r\n",
                    "content-type: application/cbor\r\n",
                    "content-encoding: gzip\r\n",
                    "content-encoding: br\r\n",
                    "accept: image/png\r\n",
                    "x-odd: \u{e9}\t\r\n",
                    "host: elsewhere\r\n",
                    "range: bytes=5-1\r\n",
                ];
                request.headers += *draws.pick(&headers);
            }
            4 => request.body = draws.pick(others).body.clone(),
            5 => request.body = oversized_body(draws),
            _ => match serde_json::from_slice::<Value>(&request.body) {
                Ok(mut value) if draws.below(4) != 0 => {
                    corrupt_json(draws, &mut value);
                    request.body = value.to_string().into_bytes();
                }
                _ => draws.mutate(&mut request.body),
            },
        }
    }
}

/// Replaces a segment of the path, or changes a few bytes.
fn corrupt_path(draws: &mut Draws<'_>, path: &mut String) {
    if draws.below(2) == 0 {
        let mut segments: Vec<&str> = path.split('/').collect();
        let at = 1 + draws.below(segments.len() - 1);
        let odd = [
            "",
            "0",
            "1",
            "7",
            "-1",
            "18446744073709551616",
            "first",
            "..",
            "%2e%2e",
            "%ff",
            "%00",
            "%2F",
            "aaaaa-aa",
            "2vxsx-fae",
            "v9",
            "update",
            "canister",
            "00",
            "zz",
            "trace?from=-1",
            "status?",
            "?from=5",
        ];
        segments[at] = *draws.pick(&odd);
        *path = segments.join("/");
    } else {
        let mut bytes = path.clone().into_bytes();
        draws.mutate(&mut bytes);
        *path = bytes
            .iter()
            .map(|byte| match byte {
                b'a'..=b'z'
                | b'A'..=b'Z'
                | b'0'..=b'9'
                | b'-'
                | b'_'
                | b'/'
                | b'?'
                | b'='
                | b'.' => char::from(*byte).to_string(),
                other => format!("%{other:02x}"),
            })
            .collect();
    }
    if !path.starts_with('/') {
        path.insert(0, '/');
    }
}

/// A body that is deep or long, or claims to be.
fn oversized_body(draws: &mut Draws<'_>) -> Vec<u8> {
    let size = 1 << draws.below(18);
    match draws.below(8) {
        0 => b"[".repeat(size),
        1 => b"{\"a\":".repeat(size),
        2 => format!("\"{}\"", "A".repeat(size)).into_bytes(),
        3 => "9".repeat(size).into_bytes(),
        // CBOR: arrays in arrays, tags of tags, maps in maps; an array, a text and bytes of 2^64 -
        // 1.
        4 => b"\x81".repeat(size),
        5 => b"\xd9\xd9\xf7".repeat(size),
        6 => b"\xa1\x61a".repeat(size),
        _ => {
            let kind: u8 = *draws.pick(&[0x9b, 0xbb, 0x7b, 0x5b, 0x9f, 0xbf]);
            [&[kind], [0xff; 8].as_slice()].concat()
        }
    }
}

/// Changes one value in a JSON text.
fn corrupt_json(draws: &mut Draws<'_>, value: &mut Value) {
    let mut index = draws.below(count(value));
    let value = nth(value, &mut index).expect("a value at each index below the count");
    match value {
        Value::Object(fields) if !fields.is_empty() && draws.below(2) == 0 => {
            let keys: Vec<String> = fields.keys().cloned().collect();
            let removed = fields.remove(draws.pick(&keys));
            if let (Some(removed), true) = (removed, draws.below(2) == 0) {
                fields.insert("other".to_owned(), removed);
            }
        }
        Value::Array(items) if !items.is_empty() && draws.below(2) == 0 => {
            let more = draws.pick(items).clone();
            items.resize(items.len() + draws.below(50), more);
        }
        _ => {
            let odd = [
                json!(null),
                json!(true),
                json!(0),
                json!(-1),
                json!(1.5),
                json!(1e300),
                json!(u64::MAX),
                json!(i64::MIN),
                json!(1_000),
                json!(""),
                json!("AAAA"),
                json!("AAA"),
                json!("\u{0}\u{1f600}"),
                json!("A".repeat(40)),
                json!("A".repeat(4096)),
                json!("AutoProgress"),
                json!([]),
                json!([[]]),
                json!({}),
                json!({ "None": null }),
                json!([{
                    "subnet": { "subnet_id": "AQ==" }, "blockmaker": { "node_id": "AQ==" },
                    "failed_blockmakers": [],
                }]),
            ];
            *value = draws.pick(&odd).clone();
        }
    }
}

/// The number of values in a value, itself included.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}

/// The n-th value in a value, which itself is number 0.
fn nth<'a>(value: &'a mut Value, n: &mut usize) -> Option<&'a mut Value> {
    if *n == 0 {
        return Some(value);
    }
    *n -= 1;
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| nth(item, n)),
        Value::Object(fields) => fields.values_mut().find_map(|item| nth(item, n)),
        _ => None,
    }
}
