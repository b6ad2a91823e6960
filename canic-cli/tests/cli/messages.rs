//! Failures: each says what is wrong and what to do about it.

use candid::{CandidType, Principal, encode_one};
use canic::api::{
    Denied, LiveState, MemberInfo, MemberLive, MemberState, MembersPage, OperationKind,
    OperationState, PoolEntry, PoolPage,
};
use expect_test::expect;

use crate::common::{Folder, Live, canic};

#[test]
fn without_a_network_or_a_project_the_message_says_what_to_do() {
    let folder = Folder::new();
    let run = |words: &[&str]| canic(&folder.0, words);
    let nobody = "--root=aaaaa-aa";
    expect![[r#"
        canic: the network at http://127.0.0.1:9 does not answer: An error happened during
            communication with the replica: error sending request for url
            (http://127.0.0.1:9/api/v2/status)
        Start one with `canic local` or `icp network start`, or name another with `--network`.
    "#]]
    .assert_eq(&run(&["status", nobody, "--network=http://127.0.0.1:9"]).fails(4));
    expect![[r#"
        canic: `moon` is no network
        Write `local`, `ic`, or a URL such as http://localhost:PORT.
    "#]]
    .assert_eq(&run(&["status", nobody, "--network=moon"]).fails(2));
    expect![[r#"
        canic: `root` is no principal, and there is no `icp.yaml` in this folder or above it
        Give the root's id with `--root PRINCIPAL`, or go to the project.
    "#]]
    .assert_eq(&run(&["status", "--network=ic"]).fails(5));
    expect![[r#"
        canic: `icp` has no identity `bob`
        `icp identity list` lists them, `icp identity new` makes one; `--pem FILE` takes a key.
    "#]]
    .assert_eq(&run(&["status", nobody, "--identity=bob"]).fails(5));
    folder.write("wrong.pem", "no key");
    expect![[r#"
        canic: wrong.pem has no private key that this program reads
        It reads Ed25519, secp256k1 and P-256 in PEM, unencrypted.
    "#]]
    .assert_eq(&run(&["status", nobody, "--pem=wrong.pem"]).fails(5));
    expect![[r#"
        {"error":{"advice":null,"code":"setup","message":"the key file missing.pem: No such
            file or directory (os error 2)"}}
    "#]]
    .assert_eq(&run(&["status", nobody, "--pem=missing.pem", "--json"]).fails(5));
    assert_eq!(run(&["stats"]).code, 2);
}

#[test]
fn a_canister_that_is_no_root_or_an_older_one_is_named() {
    let live = Live::start("fixture-bare-root", |_| {});
    let stranger = live.fleet.pic.create_canister();
    live.fleet.pic.add_cycles(stranger, 2_000_000_000_000);
    let member = MemberInfo {
        canister: stranger,
        role: "worker".to_string(),
        parent: stranger,
        key: None,
        state: MemberState::Active,
        release: 1,
        module: Vec::new(),
        since: 0,
        operation: 1,
    };
    let page: Result<MembersPage, Denied> = Ok(MembersPage {
        members: vec![member],
        next: None,
        total: 1,
    });
    let page = encode_one(page).expect("a page");
    // It answers `canic_pool` in a form of its own.
    let module = answering([
        ("query canic_members", page),
        ("query canic_pool", b"DIDL\0\0".to_vec()),
    ]);
    live.fleet
        .pic
        .install_canister(stranger, module, vec![], None);
    let empty = live.fleet.pic.create_canister();
    let run = |root: &str, words: &[&str]| {
        let options = [
            "--network",
            &live.url,
            "--root",
            root,
            "--identity",
            "anonymous",
        ];
        canic(&live.folder.0, &[&options, words].concat())
    };
    expect![[r#"
        canic: there is no canister rwlgt-iiaaa-aaaaa-aaaaa-cai on http://localhost:PORT/
        Name the fleet's root with `--root`, and its network with `--network`.
    "#]]
    .assert_eq(&run("rwlgt-iiaaa-aaaaa-aaaaa-cai", &["status"]).fails(7));
    expect![[r#"
        canic: the canister lz3um-vp777-77777-aaaba-cai has no code
        Name the fleet's root with `--root`, and its network with `--network`.
    "#]]
    .assert_eq(&run(&empty.to_text(), &["status"]).fails(7));
    expect![[r#"
        canic: lqy7q-dh777-77777-aaaaq-cai has no endpoint `canic_rollouts`
        Either it is not the root of a fleet (`--root`), or its canic is older than this
            program: upgrade root, or use the `canic` of root's version.
    "#]]
    .assert_eq(&run(&stranger.to_text(), &["rollout", "history"]).fails(7));
    // What an older root tells is shown, and the rest is named.
    expect![[r#"
        root lqy7q-dh777-77777-aaaaq-cai
        members 1
        not shown: lqy7q-dh777-77777-aaaaq-cai has no endpoint `canic_metrics`
        not shown: lqy7q-dh777-77777-aaaaq-cai has no endpoint `canic_modules`
        not shown: lqy7q-dh777-77777-aaaaq-cai has no endpoint `canic_rollouts`
        not shown: lqy7q-dh777-77777-aaaaq-cai has no endpoint `canic_status`
        not shown: lqy7q-dh777-77777-aaaaq-cai has no endpoint `canic_funding`
    "#]]
    .assert_eq(&run(&stranger.to_text(), &["status"]).text());
    expect![[r#"
        canic: lqy7q-dh777-77777-aaaaq-cai has no endpoint `canic_funding`
        Either it is not the root of a fleet (`--root`), or its canic is older than this
            program: upgrade root, or use the `canic` of root's version.
    "#]]
    .assert_eq(&run(&stranger.to_text(), &["costs"]).fails(7));
    // A newer root answers what this program can't read.
    expect![[r#"
        canic: lqy7q-dh777-77777-aaaaq-cai answers `canic_pool` in a form that this program
            does not know
        Root's canic is newer or older: use the `canic` of the same version.
    "#]]
    .assert_eq(&run(&stranger.to_text(), &["pool"]).fails(7));
    expect![[r#"
        CANISTER ROLE RELEASE STATE KEY AGE
        lqy7q-dh777-77777-aaaaq-cai worker 1 active - AGE
        not shown: lqy7q-dh777-77777-aaaaq-cai has no endpoint `canic_status`
    "#]]
    .assert_eq(&run(&stranger.to_text(), &["members"]).text());
    expect![[r#"
        canic: lqy7q-dh777-77777-aaaaq-cai has no endpoint `canic_status`
        Sort by what root has on record.
    "#]]
    .assert_eq(&run(&stranger.to_text(), &["members", "--sort", "days"]).fails(7));
    // Somebody who is no controller may neither look nor change.
    let root = live.fleet.root.to_text();
    expect![[r#"
        canic: 2vxsx-fae may not call `canic_members`: it is for controllers of root, members
        Use a controller's identity (`--identity`, `--pem`), or let a controller add yours:
            `icp canister settings update lxzze-o7777-77777-aaaaa-cai --add-controller
            2vxsx-fae`.
    "#]]
    .assert_eq(&run(&root, &["status"]).fails(6));
    expect![[r#"
        plan:
          forget the records of ended operations below 9
        canic: 2vxsx-fae may not call `canic_prune`: it is for controllers of root
        Use a controller's identity (`--identity`, `--pem`), or let a controller add yours:
            `icp canister settings update lxzze-o7777-77777-aaaaa-cai --add-controller
            2vxsx-fae`.
    "#]]
    .assert_eq(&run(&root, &["prune", "--before", "9", "--yes"]).fails(6));
    expect![[r#"
        plan:
          forget the records of ended operations below 9
        canic: nothing was changed
        Add `--yes` to carry out this plan.
    "#]]
    .assert_eq(&live.canic("prune --before 9").fails(9));
}

/// A root of an earlier canic: it answers the pool, and its own live state, but not that of
/// canisters that are named; and operations without their parents.
#[test]
fn what_an_older_root_does_not_tell_of_its_pool_and_operations_is_named() {
    #[derive(CandidType)]
    struct OlderStatusPage {
        root: Result<LiveState, String>,
        members: Vec<MemberLive>,
        next: Option<Principal>,
        total: u64,
    }
    #[derive(CandidType)]
    struct OlderOperation {
        id: u64,
        kind: OperationKind,
        state: OperationState,
        role: Option<String>,
        attempts: u32,
        calls: u32,
        paid: u128,
        accepted: u64,
        updated: u64,
    }
    #[derive(CandidType)]
    struct OlderOperations {
        operations: Vec<OlderOperation>,
        next: Option<u64>,
    }
    let live = Live::start("fixture-bare-root", |_| {});
    let entry = PoolEntry {
        canister: live.fleet.root,
        cycles: 2_500_000_000_000,
        claimed_by: None,
        since: 0,
        refusals: 0,
        refused: None,
    };
    let pool: Result<PoolPage, Denied> = Ok(PoolPage {
        entries: vec![entry],
        next: None,
        ready: 1,
        claimed: 0,
    });
    let status: Result<OlderStatusPage, Denied> = Ok(OlderStatusPage {
        root: Err("unseen".to_string()),
        members: Vec::new(),
        next: None,
        total: 0,
    });
    let operations: Result<OlderOperations, Denied> = Ok(OlderOperations {
        operations: vec![OlderOperation {
            id: 7,
            kind: OperationKind::Provision,
            state: OperationState::Open("Install".to_string()),
            role: Some("worker".to_string()),
            attempts: 0,
            calls: 1,
            paid: 0,
            accepted: 0,
            updated: 0,
        }],
        next: None,
    });
    let answers = [
        ("query canic_pool", encode_one(pool)),
        ("composite_query canic_status", encode_one(status)),
        ("query canic_operations", encode_one(operations)),
    ];
    let module = answering(answers.map(|(name, answer)| (name, answer.expect("Candid"))));
    let older = live.fleet.pic.create_canister();
    live.fleet.pic.add_cycles(older, 2_000_000_000_000);
    live.fleet.pic.install_canister(older, module, vec![], None);
    let run = |words: &str| {
        let root = older.to_text();
        let options = [
            "--network",
            &live.url,
            "--root",
            &root,
            "--identity=anonymous",
        ];
        let words: Vec<&str> = words.split(' ').collect();
        canic(&live.folder.0, &[&options[..], &words].concat()).text()
    };
    expect![[r#"
        CANISTER CYCLES AT FIRST STATE AGE REFUSALS REASON
        lxzze-o7777-77777-aaaaa-cai - CYCLES ready AGE 0 -
        not shown: the cycles of the pool now: root's canic is older
    "#]]
    .assert_eq(&run("pool"));
    expect![[r#"
        ID KIND STATE CANISTER ROLE TRIES CALLS AGE DETAIL
         7 provision open - worker 0 1 AGE Install
    "#]]
    .assert_eq(&run("ops"));
    expect![[r#"
        no operations
        not shown: the parents of operations: root's canic is older
        not shown: the releases of operations: root's canic is older
    "#]]
    .assert_eq(&run("ops --parent root --release 1"));
}

/// A module whose methods answer these bytes, whatever they are asked.
fn answering<const N: usize>(methods: [(&str, Vec<u8>); N]) -> Vec<u8> {
    let (mut code, mut start) = (String::new(), 0);
    for (name, answer) in methods {
        let text: String = answer.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let length = answer.len();
        code += &format!(
            r#"(data (i32.const {start}) "{text}")
            (func (export "canister_{name}")
              (call $append (i32.const {start}) (i32.const {length}))
              (call $reply))"#
        );
        start += length;
    }
    let module = format!(
        r#"(module
          (import "ic0" "msg_reply" (func $reply))
          (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
          (memory 1)
          {code})"#
    );
    wat::parse_str(module).expect("a module")
}
