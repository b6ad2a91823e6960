//! Modules: staged in chunks or embedded, approved by hash, and installed only if approved.

use std::time::Duration;

use canic::api::{
    Denied, MAX_CHUNK, MembersFilter, ModuleError, ModuleInfo, ModulesPage, PageRequest,
    ProvisionError, RolledBack, Source,
};
use canic_fleet_tests::{
    Fleet, artifacts,
    fleet::{CHUNK, notebook, sha256},
    user,
};

fn modules(fleet: &Fleet) -> Vec<ModuleInfo> {
    let page: Result<ModulesPage, Denied> = fleet.ask(
        "canic_modules",
        (PageRequest {
            after: None,
            limit: 100,
        },),
    );
    page.expect("a controller may list modules").modules
}

#[test]
fn without_an_approved_module_there_is_no_member() {
    let fleet = Fleet::start("example-root");
    fleet.quiet();
    let before = fleet.pic.cycle_balance(fleet.root);
    let answer = fleet.provision(&notebook(user(1)));
    assert_eq!(
        answer,
        Err(ProvisionError::NoModule {
            role: "worker".to_string()
        })
    );
    let paid = before - fleet.pic.cycle_balance(fleet.root);
    assert!(
        paid < 100_000_000,
        "only the message is paid, not {paid} cycles"
    );
    fleet.audit().passes();
}

#[test]
fn an_approved_module_is_listed_and_uploaded() {
    let fleet = Fleet::start("example-root");
    let module = artifacts::module("example-worker");
    let info = fleet.approve("worker", &module);
    assert_eq!(info.hash, sha256(&module));
    assert_eq!(info.size, module.len() as u64);
    assert_eq!(info.chunks as usize, module.len().div_ceil(CHUNK));
    fleet.until("the module is uploaded", |fleet| {
        modules(fleet).iter().all(|m| m.uploaded)
    });
    assert_eq!(
        modules(&fleet)
            .iter()
            .map(|m| m.role.as_str())
            .collect::<Vec<_>>(),
        ["worker"]
    );
    let made = fleet.provision(&notebook(user(1))).expect("a member");
    let status = fleet
        .pic
        .canister_status(made.canister, Some(fleet.root))
        .expect("root controls it");
    assert_eq!(status.module_hash, Some(sha256(&module)));
    fleet.audit().passes();
}

#[test]
fn a_truncated_module_is_refused() {
    let fleet = Fleet::start("example-root");
    let module = artifacts::module("example-worker");
    let chunks: Vec<&[u8]> = module.chunks(CHUNK).collect();
    for chunk in &chunks {
        fleet.stage(chunk).expect("staged");
    }
    let short = &chunks[..chunks.len() - 1];
    let answer = fleet.approve_chunks("worker", &sha256(&module), short);
    let actual = sha256(&short.concat());
    assert_eq!(
        answer,
        Err(ModuleError::HashMismatch {
            expected: sha256(&module),
            actual
        })
    );
    assert!(modules(&fleet).is_empty());
    fleet.audit().passes();
}

#[test]
fn chunks_in_another_order_are_refused() {
    let fleet = Fleet::start("example-root");
    let module = artifacts::module("example-worker");
    let mut chunks: Vec<&[u8]> = module.chunks(CHUNK).collect();
    for chunk in &chunks {
        fleet.stage(chunk).expect("staged");
    }
    chunks.swap(0, 1);
    let answer = fleet.approve_chunks("worker", &sha256(&module), &chunks);
    assert!(
        matches!(answer, Err(ModuleError::HashMismatch { .. })),
        "{answer:?}"
    );
    fleet.audit().passes();
}

#[test]
fn a_chunk_that_was_not_staged_is_named() {
    let fleet = Fleet::start("example-root");
    let module = artifacts::module("example-worker");
    let chunks: Vec<&[u8]> = module.chunks(CHUNK).collect();
    for chunk in &chunks[1..] {
        fleet.stage(chunk).expect("staged");
    }
    let answer = fleet.approve_chunks("worker", &sha256(&module), &chunks);
    assert_eq!(
        answer,
        Err(ModuleError::MissingChunk {
            hash: sha256(chunks[0])
        })
    );
    fleet.audit().passes();
}

#[test]
fn chunks_of_another_module_are_refused() {
    let fleet = Fleet::start("example-root");
    let (module, other) = (
        artifacts::module("example-worker"),
        artifacts::module("fixture-hooks"),
    );
    let chunks: Vec<&[u8]> = other.chunks(CHUNK).collect();
    for chunk in &chunks {
        fleet.stage(chunk).expect("staged");
    }
    let answer = fleet.approve_chunks("worker", &sha256(&module), &chunks);
    assert_eq!(
        answer,
        Err(ModuleError::HashMismatch {
            expected: sha256(&module),
            actual: sha256(&other)
        })
    );
    fleet.audit().passes();
}

#[test]
fn a_module_that_is_not_wasm_is_refused() {
    let fleet = Fleet::start("example-root");
    let text = b"the complete works of nobody in particular";
    fleet.stage(text).expect("staged");
    let answer = fleet.approve_chunks("worker", &sha256(text), &[text]);
    assert_eq!(answer, Err(ModuleError::NotWasm));
    fleet.audit().passes();
}

#[test]
fn a_provision_with_an_invalid_module_is_rolled_back() {
    let fleet = Fleet::start("example-root");
    let broken = b"\0asm\x01\0\0\0 and then the type section went missing";
    fleet.approve("worker", broken);
    let answer = fleet.provision(&notebook(user(1)));
    assert!(
        matches!(
            answer,
            Err(ProvisionError::InstallFailed {
                rolled_back: RolledBack::Recycled,
                ..
            })
        ),
        "{answer:?}"
    );
    fleet.quiet();
    fleet.audit().passes();
}

#[test]
fn sizes_hashes_and_roles_are_checked() {
    let fleet = Fleet::start("example-root");
    let max = MAX_CHUNK as u64;
    assert_eq!(
        fleet.stage(&[]),
        Err(ModuleError::ChunkSize { length: 0, max })
    );
    let large = vec![0; MAX_CHUNK + 1];
    assert_eq!(
        fleet.stage(&large),
        Err(ModuleError::ChunkSize {
            length: max + 1,
            max
        })
    );
    assert!(
        fleet.stage(&large[1..]).is_ok(),
        "the limit itself is allowed"
    );

    let chunk = b"\0asm\x01\0\0\0";
    fleet.stage(chunk).expect("staged");
    let answer = fleet.approve_chunks("worker", &[7; 31], &[chunk]);
    assert_eq!(answer, Err(ModuleError::InvalidHash { length: 31 }));
    let answer = fleet.approve_chunks("gardener", &sha256(chunk), &[chunk]);
    assert_eq!(
        answer,
        Err(ModuleError::UnknownRole {
            role: "gardener".into(),
            known: ["worker", "club", "page"].map(String::from).to_vec()
        })
    );
    fleet.audit().passes();
}

#[test]
fn a_gzipped_module_is_accepted_and_replaces_the_earlier_one() {
    let fleet = Fleet::of_notebooks();
    let gzipped = artifacts::gzipped(&artifacts::module("example-worker"));
    // At once, because there is no member yet.
    fleet.approve("worker", &gzipped);
    let made = fleet.provision(&notebook(user(1))).expect("a member");
    let listed = fleet.members(&MembersFilter::All);
    assert_eq!(listed[0].module, sha256(&gzipped));
    let status = fleet
        .pic
        .canister_status(made.canister, Some(fleet.root))
        .expect("root controls it");
    assert_eq!(status.module_hash, Some(sha256(&gzipped)));
    fleet.quiet();
    fleet.audit().passes();
}

#[test]
fn an_embedded_module_can_be_provisioned_right_after_install() {
    let fleet = Fleet::start("fixture-embedded-root");
    let made = fleet.provision(&notebook(user(1))).expect("a member");
    assert_eq!(made.source, Source::Fresh);
    let listed = modules(&fleet);
    assert!(
        listed
            .iter()
            .all(|m| m.embedded && m.hash == sha256(&artifacts::module("example-worker")))
    );
    assert_eq!(listed.len(), 1);
    fleet.audit().passes();
}

/// Root compares the types when it is installed or upgraded, before it provisions anything.
#[test]
fn root_refuses_an_embedded_module_that_takes_other_arguments() {
    let fleet = Fleet::start("fixture-bare-root");
    let module = artifacts::module("fixture-misfit-root");
    let nothing = candid::encode_args(()).expect("encoded");
    let by = Some(fleet.controller);
    // The platform limits how much code is installed in a canister within some time.
    fleet.pic.advance_time(Duration::from_secs(3_600));
    fleet.quiet();
    let upgraded = fleet
        .pic
        .upgrade_canister(fleet.root, module.clone(), nothing.clone(), by);
    let empty = fleet.pic.create_canister_with_settings(by, None);
    fleet.pic.add_cycles(empty, 10_000_000_000_000);
    let installed = fleet.pic.reinstall_canister(empty, module, nothing, by);
    for refused in [upgraded, installed] {
        let reason = refused.expect_err("a page takes text").reject_message;
        let expected = "root's `args` for the role `page` are not what the embedded module takes";
        assert!(reason.contains(expected), "{reason}");
        assert!(reason.contains("number"), "{reason}");
    }
    assert_eq!(modules(&fleet).len(), 0, "the root before serves on");
}

/// The module of the example's worker, with another custom section at its end: the same code under
/// another hash.
fn worker_with(section: u8) -> Vec<u8> {
    let mut module = artifacts::module("example-worker");
    module.extend([0, 5, 4, b'n', b'e', b'w', section]);
    module
}

/// Upgrades root to a module given as bytes.
fn upgrade_root_to(fleet: &Fleet, module: Vec<u8>) {
    let (pic, sender) = (&fleet.pic, Some(fleet.controller));
    let nothing = candid::encode_args(()).expect("no argument");
    pic.stop_canister(fleet.root, sender).expect("stopped");
    pic.upgrade_canister(fleet.root, module, nothing, sender)
        .expect("upgraded");
    pic.start_canister(fleet.root, sender).expect("started");
    fleet.quiet();
}

/// The build of root with an embedded worker, with one byte of a custom section of that worker
/// changed.
fn root_with_another_worker() -> (Vec<u8>, Vec<u8>) {
    let mut root = artifacts::module("fixture-embedded-root");
    let mut worker = artifacts::module("example-worker");
    let at = root.windows(worker.len()).position(|part| part == worker);
    let at = at.expect("the worker's module is in root's data");
    let last = worker.len() - 1;
    worker[last] ^= 1;
    root[at + last] ^= 1;
    (root, worker)
}

fn newest_line(fleet: &Fleet) -> String {
    let logs = fleet.pic.fetch_canister_logs(fleet.root, fleet.controller);
    let lines = logs.expect("the controller reads the log").into_iter();
    let mut lines = lines.map(|line| String::from_utf8_lossy(&line.content).into_owned());
    let newest = lines.rfind(|line| line.contains("role worker"));
    newest.expect("a line about the worker")
}

#[test]
fn an_approved_module_survives_upgrades_of_root_that_embed_the_same_module() {
    let fleet = Fleet::start("fixture-embedded-root");
    let newer = worker_with(b'!');
    let approved = fleet.approve("worker", &newer);
    assert!(!approved.embedded, "it was staged");
    // The build in the middle embeds none.
    for package in [
        "fixture-embedded-root",
        "example-root",
        "fixture-embedded-root",
    ] {
        upgrade_root_to(&fleet, artifacts::module(package));
        let listed = &modules(&fleet)[0];
        assert_eq!((&listed.hash, listed.embedded), (&sha256(&newer), false));
        let line = newest_line(&fleet);
        assert!(line.contains("stays current, which was staged"), "{line}");
    }
    let made = fleet.provision(&notebook(user(1))).expect("a member");
    let status = fleet.pic.canister_status(made.canister, Some(fleet.root));
    let hash = status.expect("root controls it").module_hash;
    assert_eq!(hash, Some(sha256(&newer)));
    fleet.quiet();
    fleet.audit().passes();
}

#[test]
fn another_embedded_module_replaces_an_approved_one_and_so_does_the_one_before() {
    let fleet = Fleet::start("fixture-embedded-root");
    fleet.approve("worker", &worker_with(b'!'));
    let (root, worker) = root_with_another_worker();
    let builds = [
        (root, worker),
        (
            artifacts::module("fixture-embedded-root"),
            artifacts::module("example-worker"),
        ),
    ];
    for ((build, module), origin) in builds.into_iter().zip(["staged", "embedded"]) {
        upgrade_root_to(&fleet, build);
        let listed = &modules(&fleet)[0];
        assert_eq!((&listed.hash, listed.embedded), (&sha256(&module), true));
        let line = newest_line(&fleet);
        assert!(line.contains("it is to replace"), "{line}");
        assert!(line.contains(&format!("which was {origin}")), "{line}");
    }
    fleet.provision(&notebook(user(1))).expect("a member");
    fleet.quiet();
    fleet.audit().passes();
}
