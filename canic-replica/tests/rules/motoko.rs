//! A Motoko actor, built by the compiler in the npm package `motoko`. Its modules have 64-bit
//! memories and enhanced orthogonal persistence.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use candid::{Nat, Principal, decode_one, encode_args};
use canic_replica::Reject;
use ic_management_canister_types::{
    CanisterInstallMode::{self, Install, Reinstall, Upgrade},
    UpgradeFlags, WasmMemoryPersistence,
};

use crate::{
    common::{NO_ARGS, Net, T},
    snapshots,
};

/// The version of the npm package that these actors were written for.
const PACKAGE: &str = "motoko@4.10.0";

/// Counts, keeps a list on its heap, and awaits its own answers.
const FIRST: &str = r#"
    persistent actor Counter {
        var count : Nat = 0;
        var texts : [Text] = [];
        transient var since_start : Nat = 0;
        public func increment() : async Nat { count += 1; since_start += 1; count };
        public func note(text : Text) : async () { texts := [text, texts[0]] };
        public func begin(text : Text) : async () { texts := [text] };
        public func twice() : async Nat { ignore await increment(); await increment() };
        public func fail() : async () { count += 100; assert false };
        public query func get() : async Nat { count };
        public query func transients() : async Nat { since_start };
        public query func newest() : async Text { texts[0] };
    }
"#;

/// The same actor with another variable.
const SECOND: &str = r#"
    persistent actor Counter {
        var count : Nat = 0;
        var texts : [Text] = [];
        var steps : Nat = 10;
        transient var since_start : Nat = 0;
        public func increment() : async Nat { count += steps; since_start += 1; count };
        public query func get() : async Nat { count };
        public query func transients() : async Nat { since_start };
        public query func newest() : async Text { texts[texts.size() - 1] };
    }
"#;

/// Writes `<actor>.wasm` for each `<actor>.mo` in the folder.
const BUILD: &str = r#"
    const { default: motoko } = require("motoko");
    const fs = require("fs");
    for (const name of ["first", "second"]) {
        motoko.write(name + ".mo", fs.readFileSync(name + ".mo", "utf8"));
        fs.writeFileSync(name + ".wasm", motoko.wasm(name + ".mo", "ic").wasm);
    }
"#;

fn run(folder: &Path, program: &str, arguments: &[&str]) {
    let ran = Command::new(program)
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("this test needs {program}: {error}"));
    let stderr = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{program} {arguments:?}: {stderr}");
}

/// A folder outside of the repository, with the compiler in it.
fn folder() -> PathBuf {
    let folder = std::env::temp_dir().join("canic-replica-motoko");
    fs::create_dir_all(&folder).unwrap();
    run(
        &folder,
        "npm",
        &["install", "--no-save", "--no-audit", PACKAGE],
    );
    folder
}

fn actors() -> [Vec<u8>; 2] {
    let folder = folder();
    fs::write(folder.join("first.mo"), FIRST).unwrap();
    fs::write(folder.join("second.mo"), SECOND).unwrap();
    run(&folder, "node", &["-e", BUILD]);
    ["first", "second"].map(|name| fs::read(folder.join(name).with_extension("wasm")).unwrap())
}

/// A Motoko actor under test.
struct Actor {
    net: Net,
    id: Principal,
}

impl Actor {
    fn install(&mut self, mode: CanisterInstallMode, module: &[u8]) -> Result<(), Reject> {
        self.net.install_as(mode, self.id, module.to_vec(), NO_ARGS)
    }

    fn increment(&mut self, method: &str) -> Nat {
        decode_one(&self.net.update(self.id, method, NO_ARGS).unwrap()).unwrap()
    }

    fn note(&mut self, method: &str, text: &str) {
        let argument = encode_args((text,)).unwrap();
        self.net.update(self.id, method, &argument).unwrap();
    }

    fn number(&mut self, method: &str) -> Nat {
        decode_one(&self.net.query(self.id, method, NO_ARGS).unwrap()).unwrap()
    }

    fn newest(&mut self) -> String {
        decode_one(&self.net.query(self.id, "newest", NO_ARGS).unwrap()).unwrap()
    }
}

fn upgrade(persistence: WasmMemoryPersistence) -> CanisterInstallMode {
    Upgrade(Some(UpgradeFlags {
        skip_pre_upgrade: None,
        wasm_memory_persistence: Some(persistence),
    }))
}

#[test]
#[ignore = "needs node, npm and the npm registry; run it with \
            `cargo test -p canic-replica --test rules motoko -- --ignored`"]
fn a_motoko_actor_installs_counts_and_keeps_its_heap_at_an_upgrade() {
    let [first, second] = actors();
    let mut net = Net::new();
    let id = net.create(100 * T);
    let mut actor = Actor { net, id };
    actor.install(Install, &first).unwrap();
    assert_eq!(actor.increment("increment"), 1_u8);
    assert_eq!(actor.increment("twice"), 3_u8);
    actor.note("begin", "one");
    actor.note("note", "two");
    // A message that traps is rolled back.
    let reject = actor.net.update(id, "fail", NO_ARGS).unwrap_err();
    assert!(reject.message.contains("assertion failed"), "{reject:?}");
    assert_eq!(actor.number("get"), 3_u8);
    assert_eq!(actor.number("transients"), 3_u8);

    // Without saying what becomes of the heap, there is no upgrade.
    let reject = actor.install(Upgrade(None), &second).unwrap_err();
    assert!(
        reject.message.starts_with("Missing upgrade option"),
        "{reject:?}"
    );
    actor
        .install(upgrade(WasmMemoryPersistence::Keep), &second)
        .unwrap();
    assert_eq!(actor.number("get"), 3_u8);
    assert_eq!(actor.newest(), "one");
    assert_eq!(actor.number("transients"), 0_u8);
    assert_eq!(actor.increment("increment"), 13_u8);

    // A snapshot has the heap and the globals.
    let snapshot = snapshots::take(&mut actor.net, id);
    assert_eq!(actor.increment("increment"), 23_u8);
    snapshots::load(&mut actor.net, id, &snapshot).unwrap();
    assert_eq!(actor.number("get"), 13_u8);
    assert_eq!(actor.newest(), "one");

    // The first actor would lose a variable: its own check refuses it, and nothing changes.
    let reject = actor
        .install(upgrade(WasmMemoryPersistence::Keep), &first)
        .unwrap_err();
    assert_eq!(reject.error_code, "IC0503", "{reject:?}");
    assert_eq!(actor.number("get"), 13_u8);
    actor.install(Reinstall, &first).unwrap();
    assert_eq!(actor.number("get"), 0_u8);
}
