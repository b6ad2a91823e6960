//! Instances, a counter canister and plain requests, which all client tests share.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    sync::LazyLock,
};

use candid::Principal;
use canic_replica::client::Control;
use pocket_ic::{PocketIc, PocketIcBuilder, common::rest::ExtendedSubnetConfigSet};

/// The server that `POCKET_IC_BIN` names, or our own.
pub(crate) fn server() -> PathBuf {
    let own = PathBuf::from(env!("CARGO_BIN_EXE_canic-replica"));
    std::env::var_os("POCKET_IC_BIN").map_or(own, PathBuf::from)
}

/// Whether the server is our own.
pub(crate) fn is_ours() -> bool {
    static OURS: LazyLock<bool> = LazyLock::new(|| {
        let ours = Control::of(&instance()).is_some();
        assert!(ours || std::env::var_os("POCKET_IC_BIN").is_some());
        ours
    });
    *OURS
}

/// Whether the server is our own. If not, the caller skips the rest of its test, and a line with
/// the reason is printed.
pub(crate) fn only_ours(why: &str) -> bool {
    if !is_ours() {
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("a test");
        // Not by `eprintln`: its output is hidden if a test passes.
        drop(writeln!(std::io::stderr(), "skipped in {test}: {why}"));
    }
    is_ours()
}

/// The description of an instance without subnets.
pub(crate) fn builder() -> PocketIcBuilder {
    builder_of(ExtendedSubnetConfigSet::default())
}

/// The description of an instance with these subnets.
pub(crate) fn builder_of(subnets: ExtendedSubnetConfigSet) -> PocketIcBuilder {
    PocketIcBuilder::new_with_config(subnets).with_server_binary(server())
}

/// An instance with one application subnet.
pub(crate) fn instance() -> PocketIc {
    builder().with_application_subnet().build()
}

/// A canister that counts, with a method for each way to fail. All replies are the counter in eight
/// bytes, little endian.
pub(crate) const COUNTER: &str = r#"
(module
  (import "ic0" "msg_reply" (func $msg_reply))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (import "ic0" "msg_reject" (func $msg_reject (param i32 i32)))
  (import "ic0" "trap" (func $trap (param i32 i32)))
  (import "ic0" "time" (func $time (result i64)))
  (import "ic0" "global_timer_set" (func $set_timer (param i64) (result i64)))
  (import "ic0" "stable64_grow" (func $stable_grow (param i64) (result i64)))
  (import "ic0" "stable64_write" (func $stable_write (param i64 i64 i64)))
  (memory 1)
  (data (i32.const 0) "no more of this")
  (global $count (mut i64) (i64.const 0))

  (func $answer
    (i64.store (i32.const 64) (global.get $count))
    (call $append (i32.const 64) (i32.const 8))
    (call $msg_reply))
  (func $add (param i64)
    (global.set $count (i64.add (global.get $count) (local.get 0))))

  (func (export "canister_query get") (call $answer))
  (func (export "canister_update inc") (call $add (i64.const 1)) (call $answer))
  (func (export "canister_update rejecting")
    (call $add (i64.const 10))
    (call $msg_reject (i32.const 0) (i32.const 15)))
  (func (export "canister_update trapping")
    (call $add (i64.const 100))
    (call $trap (i32.const 0) (i32.const 15)))
  (func (export "canister_query trapping_query") (call $trap (i32.const 0) (i32.const 15)))
  (func (export "canister_update silent"))
  ;; Wakes up in one second.
  (func (export "canister_update alarm")
    (drop (call $set_timer (i64.add (call $time) (i64.const 1000000000))))
    (call $answer))
  (func (export "canister_global_timer") (call $add (i64.const 1000)))
  ;; Writes the counter to stable memory.
  (func (export "canister_update keep")
    (drop (call $stable_grow (i64.const 1)))
    (i64.store (i32.const 64) (global.get $count))
    (call $stable_write (i64.const 0) (i64.const 64) (i64.const 8))
    (call $answer)))
"#;

/// The module of [`COUNTER`].
pub(crate) fn counter_wasm() -> Vec<u8> {
    wat::parse_str(COUNTER).unwrap()
}

/// A canister with [`COUNTER`] on it.
pub(crate) fn counter(pic: &PocketIc) -> Principal {
    let canister = pic.create_canister();
    pic.install_canister(canister, counter_wasm(), vec![], None);
    canister
}

/// Calls an update method as the anonymous principal.
pub(crate) fn update(
    pic: &PocketIc,
    canister: Principal,
    method: &str,
) -> Result<u64, pocket_ic::RejectResponse> {
    pic.update_call(canister, Principal::anonymous(), method, vec![])
        .map(number)
}

/// Calls a query method as the anonymous principal.
pub(crate) fn query(
    pic: &PocketIc,
    canister: Principal,
    method: &str,
) -> Result<u64, pocket_ic::RejectResponse> {
    pic.query_call(canister, Principal::anonymous(), method, vec![])
        .map(number)
}

/// Reads an answer of [`COUNTER`].
pub(crate) fn number(reply: Vec<u8>) -> u64 {
    u64::from_le_bytes(reply.try_into().unwrap())
}

/// Sends one request over a plain socket; returns the status and the body, a text. Each of the
/// `headers` ends in a line break.
pub(crate) fn raw(
    port: u16,
    method: &str,
    path: &str,
    headers: &str,
    body: impl AsRef<[u8]>,
) -> (u16, String) {
    let (status, body) = raw_bytes(port, method, path, headers, body);
    (status, String::from_utf8(body).unwrap())
}

/// Like [`raw`], with any body.
pub(crate) fn raw_bytes(
    port: u16,
    method: &str,
    path: &str,
    headers: &str,
    body: impl AsRef<[u8]>,
) -> (u16, Vec<u8>) {
    let body = body.as_ref();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n");
    let body = answer.split_off(end.unwrap() + 4);
    let head = String::from_utf8(answer).unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body)
}
