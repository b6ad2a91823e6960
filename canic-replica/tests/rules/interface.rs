//! The Candid interface of a module, read by the library and by the command `did`.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use candid::decode_args;
use canic_replica::{candid_interface, with_candid_interface};
use flate2::{Compression, write::GzEncoder};
use ic_management_canister_types as types;

use crate::common::{CALLER, Net, T, encode};

const TEXT: &str = "service : { greet : (text) -> (text) query }\n";

/// A module whose `get_candid_pointer` has this body, with an interface at address 16.
fn module(body: &str) -> Vec<u8> {
    text(&format!(
        r#"(import "ic0" "trap" (func $trap (param i32 i32)))
        (import "ic0" "time" (func $time (result i64)))
        (memory (export "memory") 1)
        (data (i32.const 16) "service : {{ greet : (text) -> (text) query }}\00")
        (data (i32.const 100) "\ff\00")
        (data (i32.const 65535) "x")
        (func (export "get_candid_pointer") (result i32) {body})"#
    ))
}

fn text(fields: &str) -> Vec<u8> {
    wat::parse_str(format!("(module {fields})")).unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn the_interface_is_read_from_the_module() {
    let module = module("(i32.const 16)");
    assert_eq!(candid_interface(&module).as_deref(), Ok(TEXT));
    assert_eq!(candid_interface(&gzip(&module)).as_deref(), Ok(TEXT));
}

#[test]
fn the_interface_of_a_64_bit_module_is_read_from_its_memory() {
    let wide = |at: &str| {
        text(&format!(
            r#"(memory i64 65537)
            (data $text "service : {{ greet : (text) -> (text) query }}\00")
            (func (export "get_candid_pointer") (result i64)
                (memory.init $text (i64.const 0x1_0000_0010) (i32.const 0) (i32.const 44))
                {at})"#
        ))
    };
    let module = wide("(i64.const 0x1_0000_0010)");
    assert_eq!(candid_interface(&module).as_deref(), Ok(TEXT));
    let why = candid_interface(&wide("(i64.const -1)")).unwrap_err();
    let beyond = "it answered 18446744073709551615, beyond its memory.";
    assert!(why.ends_with(beyond), "{why}");
}

#[test]
fn the_interface_is_read_from_the_metadata_if_the_code_has_none() {
    for visibility in ["public", "private"] {
        let metadata = format!(r#"(@custom "icp:{visibility} candid:service" "service : {{}}\n")"#);
        assert_eq!(
            candid_interface(&text(&metadata)).as_deref(),
            Ok("service : {}\n")
        );
    }
    // The code takes precedence, because it cannot be out of date.
    let both = with_candid_interface(&module("(i32.const 16)"), "service : {}").unwrap();
    assert_eq!(candid_interface(&both).as_deref(), Ok(TEXT));
}

#[test]
fn a_module_without_interface_is_refused_with_the_reason() {
    let cases = [
        (
            b"no module".to_vec(),
            "This is neither Wasm nor gzipped Wasm.",
        ),
        (vec![], "This is neither Wasm nor gzipped Wasm."),
        (b"\0asm".to_vec(), "Failed to decode wasm module"),
        (
            b"\x1f\x8bnot gzip".to_vec(),
            "Failed to decompress Wasm module",
        ),
        (
            text("(memory 1)"),
            "neither exports 'get_candid_pointer', which `export_candid!()` at the end of the \
             crate makes, nor has metadata 'candid:service'",
        ),
        (
            text(r#"(memory 1) (func (export "get_candid_pointer"))"#),
            "'get_candid_pointer' failed: ",
        ),
        (
            text(r#"(func (export "get_candid_pointer") (result i32) (i32.const 0))"#),
            "'get_candid_pointer' failed: there is no memory.",
        ),
        (
            module("(i32.const -1)"),
            "it answered 4294967295, beyond its memory.",
        ),
        (module("(i32.const 65535)"), "its text has no end."),
        (module("(i32.const 100)"), "is no text: invalid utf-8"),
        (module("unreachable"), "unreachable"),
        (
            module("(call $trap (i32.const 16) (i32.const 7)) (i32.const 16)"),
            "failed: Canister called `ic0.trap` with message: 'service'",
        ),
        (
            module("(drop (call $time)) (i32.const 16)"),
            "\"ic0_time\" cannot be executed in start mode",
        ),
        (
            module("(loop $forever (br $forever)) (i32.const 16)"),
            "limit",
        ),
    ];
    for (module, because) in cases {
        let why = candid_interface(&module).expect_err(because);
        assert!(why.contains(because), "{why}");
    }
}

#[test]
fn an_embedded_interface_is_the_metadata_that_canisters_read() {
    let module = module("(i32.const 16)");
    let old = with_candid_interface(&gzip(&module), "service : {}").unwrap();
    let new = with_candid_interface(&old, TEXT).unwrap();
    let sections = new.windows(14).filter(|bytes| bytes == b"candid:service");
    assert_eq!(sections.count(), 1, "the new interface replaces the old");
    // The rest of the module is unchanged.
    assert!(new.starts_with(&module));

    let mut net = Net::new();
    let caller = net.install(CALLER);
    let canister_id = net.create(T);
    net.install_as(types::CanisterInstallMode::Install, canister_id, new, &[])
        .unwrap();
    let name = "candid:service".into();
    let args = types::CanisterMetadataArgs { canister_id, name };
    let (_, shown) = net.call_through(caller, "canister_metadata", 0, &encode(args));
    let (shown,): (types::CanisterMetadataResult,) = decode_args(&shown.unwrap()).unwrap();
    assert_eq!(shown.value, TEXT.as_bytes());
}

#[test]
fn an_interface_is_embedded_in_valid_modules_only() {
    let module = module("(i32.const 16)");
    let mut refused = 0;
    for end in 0..module.len() {
        match with_candid_interface(&module[..end], TEXT) {
            // The module is cut off between two sections.
            Ok(embedded) => assert_eq!(with_candid_interface(&embedded, TEXT), Ok(embedded)),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > module.len() / 2, "{refused}");
}

/// A folder for one test, with a module in it.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("did-{name}"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("some.wasm"), module("(i32.const 16)")).unwrap();
    folder
}

fn did(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_canic-replica"))
        .current_dir(folder)
        .arg("did")
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn the_command_prints_the_interface() {
    let printed = did(&folder("prints"), &["some.wasm"]);
    assert!(printed.status.success());
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), TEXT);
    assert!(printed.stderr.is_empty());
}

#[test]
fn the_command_writes_files() {
    let folder = folder("writes");
    let arguments = ["--embed", "with.wasm", "some.wasm", "-o", "some.did"];
    let written = did(&folder, &arguments);
    assert!(written.status.success());
    assert!(written.stdout.is_empty());
    let read = |name| std::fs::read(folder.join(name)).unwrap();
    assert_eq!(read("some.did"), TEXT.as_bytes());
    let embedded = with_candid_interface(&read("some.wasm"), TEXT).unwrap();
    assert_eq!(read("with.wasm"), embedded);
}

#[test]
fn the_command_names_the_mistake() {
    let folder = folder("wrong");
    std::fs::write(folder.join("text.wasm"), "no module").unwrap();
    std::fs::write(folder.join("silent.wasm"), text("(memory 1)")).unwrap();
    for (arguments, status, because) in [
        (&[][..], 2, "<MODULE>"),
        (
            &["some.wasm", "other.wasm"],
            2,
            "unexpected argument 'other.wasm'",
        ),
        (
            &["some.wasm", "--colour"],
            2,
            "unexpected argument '--colour'",
        ),
        (&["some.wasm", "--output"], 2, "'--output <FILE>'"),
        (&["nowhere.wasm"], 1, "nowhere.wasm: "),
        (&["text.wasm"], 1, "text.wasm: This is neither Wasm"),
        (
            &["silent.wasm"],
            1,
            "silent.wasm: The module has no Candid interface",
        ),
        (&["some.wasm", "-o", "no/folder.did"], 1, "no/folder.did: "),
    ] {
        let failed = did(&folder, arguments);
        let stderr = String::from_utf8(failed.stderr).unwrap();
        assert_eq!(failed.status.code(), Some(status), "{stderr}");
        assert!(stderr.contains(because), "{arguments:?}: {stderr}");
        assert!(failed.stdout.is_empty());
    }
}
