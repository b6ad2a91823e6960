//! Failures: each says what is wrong and what to do about it.

use candid::encode_one;
use canic::api::{Denied, MemberInfo, MemberState, MembersPage};
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
    let text: String = page.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let older = OLDER
        .replace("PAGE", &text)
        .replace("LENGTH", &page.len().to_string());
    let module = wat::parse_str(older).expect("a module");
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

/// A canister that has only `canic_members`, and answers it a page, and `canic_pool`, to which it
/// answers in a form of its own.
const OLDER: &str = r#"
(module
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (memory 1)
  (data (i32.const 0) "PAGE")
  (func (export "canister_query canic_members")
    (call $append (i32.const 0) (i32.const LENGTH))
    (call $reply))
  (func (export "canister_query canic_pool")
    (call $append (i32.const 0) (i32.const 6))
    (call $reply)))
"#;
