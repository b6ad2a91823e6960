//! Fuzzed requests to a running server, over a socket.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    time::Duration,
};

use candid::Principal;
use canic_replica::http::Server;
use ic_management_canister_types as types;
use pocket_ic::{
    RejectResponse,
    common::rest::{
        HttpGatewayDetails, RawCanisterCall, RawCanisterResult, RawEffectivePrincipal,
        RawMessageId, RawTime, Topology,
    },
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::runtime::{Builder, Runtime};

use super::{
    draws::Draws,
    requests::{Request, Scene, Target, corrupt, requests},
};
use crate::common::{T, canister, encode};

/// A server of one instance with one canister, a blob, and a gateway.
pub(crate) struct Site {
    port: u16,
    gateway: u16,
    pub(crate) scene: Scene,
    runtime: Option<Runtime>,
}

/// The response to a request.
pub(crate) struct Answer {
    pub(crate) status: u16,
    body: Vec<u8>,
}

impl Answer {
    /// `None` if the server closed the connection without a response.
    fn read(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).expect("a head in UTF-8");
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        Some(Self {
            status: status.unwrap_or_else(|| panic!("no status: {head}")),
            body: bytes[end + 4..].to_vec(),
        })
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The message of an error in JSON, or a gateway's description of it.
    fn message(&self) -> Option<String> {
        let answer: Value = serde_json::from_slice(&self.body).ok()?;
        let places = [
            &answer["message"],
            &answer["Error"]["message"],
            &answer["description"],
        ];
        let message = places.iter().find_map(|place| place.as_str())?;
        (!message.is_empty()).then(|| message.to_owned())
    }
}

impl Site {
    pub(crate) fn start() -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let server = runtime
            .block_on(Server::bind(([127, 0, 0, 1], 0).into()))
            .expect("a port");
        let port = server.port();
        runtime.spawn(server.run(None));
        let nobody = Principal::management_canister();
        let mut site = Self {
            port,
            gateway: 0,
            scene: Scene {
                canister: nobody,
                subnet: nobody,
                blob: Sha256::digest("blob").into(),
                time: 0,
            },
            runtime: Some(runtime),
        };
        site.set_up();
        site
    }

    fn set_up(&mut self) {
        let spec = json!({
            "state_config": "New", "instruction_config": "Production", "subnet_admins": null,
        });
        let subnets = json!({ "system": [], "application": [spec], "verified_application": [] });
        self.fetch::<Value>("/instances", json!({ "subnet_config_set": subnets }));
        let topology: Topology = self.fetch("/instances/0/read/topology", Value::Null);
        self.scene.subnet = *topology.subnet_configs.keys().next().expect("one subnet");
        let create = types::ProvisionalCreateCanisterWithCyclesArgs {
            amount: Some((100 * T).into()),
            settings: None,
            specified_id: None,
            sender_canister_version: None,
        };
        let created = self.manage("provisional_create_canister_with_cycles", encode(create));
        let (created,) =
            candid::decode_args::<(types::CanisterIdRecord,)>(&created).expect("an id");
        self.scene.canister = created.canister_id;
        let install = types::InstallCodeArgs {
            mode: types::CanisterInstallMode::Install,
            canister_id: created.canister_id,
            wasm_module: canister(
                r#"(func (export "canister_update inc") (call $reply (i32.const 7)))
                (func (export "canister_query get") (call $reply (i32.const 7)))
                (func (export "canister_query http_request")
                    (call $answer (i32.const 0) (i32.const 0)))"#,
            ),
            arg: vec![],
            sender_canister_version: None,
        };
        self.manage("install_code", encode(install));
        let blob = Request::post("/blobstore", "blob");
        assert_eq!(self.send(&blob).text(), hex::encode(self.scene.blob));
        let backend = json!({ "forward_to": { "PocketIcInstance": 0 } });
        let gateway: Value = self.fetch("/http_gateway", backend);
        self.gateway = gateway["Created"]["port"].as_u64().expect("a port") as u16;
        let time: RawTime = self.fetch("/instances/0/read/get_time", Value::Null);
        self.scene.time = time.nanos_since_epoch;
    }

    /// Sends a POST, or a GET if the body is null; decodes the body of the response.
    fn fetch<R: DeserializeOwned>(&self, path: &str, body: Value) -> R {
        let request = match body {
            Value::Null => Request::get(path),
            body => Request::post(path, body.to_string()),
        };
        let answer = self.send(&request);
        let read = serde_json::from_slice(&answer.body);
        read.unwrap_or_else(|e| panic!("{path}: {} {} {e}", answer.status, answer.text()))
    }

    fn manage(&self, method: &str, payload: Vec<u8>) -> Vec<u8> {
        let call = RawCanisterCall {
            sender: Principal::anonymous().as_slice().to_vec(),
            canister_id: Principal::management_canister().as_slice().to_vec(),
            effective_principal: RawEffectivePrincipal::None,
            method: method.into(),
            payload,
            sender_info: None,
        };
        let submitted: Result<RawMessageId, RejectResponse> =
            self.fetch("/instances/0/update/submit_ingress_message", json!(call));
        let id = submitted.expect("an id");
        match self.fetch("/instances/0/update/await_ingress_message", json!(id)) {
            RawCanisterResult::Ok(reply) => reply,
            RawCanisterResult::Err(reject) => panic!("{method}: {reject:?}"),
        }
    }

    /// Whether the gateway is still open.
    fn has_gateway(&self) -> bool {
        let open: Vec<HttpGatewayDetails> = self.fetch("/http_gateway", Value::Null);
        open.iter().any(|gateway| gateway.port == self.gateway)
    }

    pub(crate) fn send(&self, request: &Request) -> Answer {
        self.exchange(request.target, &request.bytes(), false)
            .unwrap_or_else(|| panic!("no answer to {request}"))
    }

    /// Sends bytes, and reads until the server closes the connection; `ended` closes the sending
    /// half first. `None` if nothing listens there, or the server closed without a response.
    fn exchange(&self, target: Target, bytes: &[u8], ended: bool) -> Option<Answer> {
        let port = match target {
            Target::Server => self.port,
            Target::Gateway => self.gateway,
        };
        let mut stream = match TcpStream::connect(("127.0.0.1", port)) {
            Err(e) if e.kind() == ErrorKind::ConnectionRefused => return None,
            stream => stream.expect("a connection"),
        };
        let patience = Some(Duration::from_secs(60));
        stream.set_read_timeout(patience).expect("not zero");
        let mut answer = Vec::new();
        // The server may close as soon as it has read enough to know that this is no request.
        let mut exchange = || {
            stream.write_all(bytes)?;
            if ended {
                stream.shutdown(std::net::Shutdown::Write)?;
            }
            stream.read_to_end(&mut answer)
        };
        match exchange() {
            Ok(_) => {}
            Err(e) if ended && is_closed(&e) => {}
            Err(e) => panic!("{e} after {}", bytes.escape_ascii()),
        }
        Answer::read(&answer)
    }
}

fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::NotConnected
    )
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Does not wait for requests that still execute.
            runtime.shutdown_background();
        }
    }
}

/// Sends a few requests that `data` corrupts. The server serves each or refuses it with the reason;
/// where bytes are no HTTP it may close the connection. A good request afterwards is served.
pub(crate) fn check(data: &[u8]) {
    let draws = &mut Draws::new(data);
    let site = Site::start();
    let good = requests(&site.scene);
    for _ in 0..1 + draws.below(5) {
        let mut request = draws.pick(&good).clone();
        if draws.below(8) == 0 {
            let mut bytes = request.bytes();
            draws.mutate(&mut bytes);
            if let Some(answer) = site.exchange(request.target, &bytes, true) {
                let sent = bytes.escape_ascii();
                assert!(
                    answer.status < 500 || is_allowed(&request, answer.status),
                    "{} {} to {sent}",
                    answer.status,
                    answer.text()
                );
            }
        } else {
            corrupt(draws, &mut request, &good);
            if let Some(answer) = site.exchange(request.target, &request.bytes(), false) {
                check_answer(&request, &answer);
            } else {
                // A gateway closes with its instance.
                assert!(
                    request.target == Target::Gateway && !site.has_gateway(),
                    "no answer to {request}"
                );
            }
        }
    }
    let status = site.send(&Request::get("/status"));
    assert_eq!((status.status, status.body.as_slice()), (200, &b""[..]));
    let first = site.send(&Request::get("/instances/0/read/get_time"));
    let deleted = first
        .message()
        .is_some_and(|m| m == "instance 0 has been deleted");
    assert!(first.status == 200 || deleted, "{}", first.text());
    let create = good
        .iter()
        .find(|r| r.method == "POST" && r.path == "/instances");
    let created = site.send(create.expect("one of them"));
    assert_eq!(created.status, 201, "{}", created.text());
}

fn check_answer(request: &Request, answer: &Answer) {
    let Answer { status, .. } = *answer;
    let is_explained = || {
        let to_agent = request.path.contains("/api/") && !answer.text().is_empty();
        // The response to HEAD has no body.
        to_agent || request.method == "HEAD" || answer.message().is_some()
    };
    let fine = match status {
        200..=299 => true,
        400 | 403 | 404 | 405 => is_explained(),
        _ => is_allowed(request, status) && is_explained(),
    };
    assert!(fine, "{status} {} to {request}", answer.text());
}

/// Whether the server may answer with this status beyond 499: 501 for features that it does not
/// have, and 503 of a gateway whose canister gives no HTTP response.
fn is_allowed(request: &Request, status: u16) -> bool {
    status == 501 || status == 503 && request.target == Target::Gateway
}

#[test]
fn every_route_has_a_request_to_corrupt() {
    let good = requests(&Site::start().scene);
    // As the router writes them.
    let router = include_str!("../../../src/http/mod.rs");
    let routes: Vec<&str> = router
        .split('"')
        .filter(|text| {
            text.len() > 1 && text.starts_with('/') && !text.contains(char::is_whitespace)
        })
        .collect();
    assert!(routes.len() > 40, "{routes:?}");
    for route in routes {
        let serves = |request: &&Request| {
            let mut path = request
                .path
                .split('?')
                .next()
                .unwrap_or_default()
                .split('/');
            route
                .split('/')
                .all(|segment| match (segment, path.next()) {
                    ("{*path}", rest) => rest.is_some() && path.by_ref().count() < 9,
                    ("{id}", Some(id)) => !id.is_empty(),
                    (segment, part) => part == Some(segment),
                })
                && path.next().is_none()
        };
        assert!(good.iter().any(|request| serves(&request)), "{route}");
    }
    for index in 0..good.len() {
        let site = Site::start();
        let request = &requests(&site.scene)[index];
        let answer = site.send(request);
        check_answer(request, &answer);
        assert_eq!(
            answer.status,
            request.status,
            "{} to {request}",
            answer.text()
        );
    }
}
