//! Subnets of the mainnet that an instance gets with the first canister under one of their ids.
//!
//! The rules are those of `dfinity/ic rs/pocket_ic_server/src/pocket_ic.rs` (`route`,
//! `create_subnet`), and the ids those of `mainnet_routing_table.json` beside it.

use candid::{Nat, Principal, decode_args};
use canic_replica::{EffectivePrincipal, Ingress, Reject, RejectCode, SubnetKind};
use ic_management_canister_types as types;
use ic_management_canister_types::CanisterInstallMode::Install;

use crate::{
    certification::{certified_data, read},
    common::{Net, T, canister, encode},
};

/// Ids of the mainnet, the kinds of their subnets, and the first range of each subnet.
const IDS: [(&str, SubnetKind, &str, &str); 7] = [
    // The cycles ledger; Internet Identity is on its subnet, and nearly alone in its block.
    (
        "um5iw-rqaaa-aaaaq-qaaba-cai",
        SubnetKind::II,
        "rdmx6-jaaaa-aaaaa-aaadq-cai",
        "rdmx6-jaaaa-aaaaa-aaadq-cai",
    ),
    // The ledger of ckBTC.
    (
        "mxzaz-hqaaa-aaaar-qaada-cai",
        SubnetKind::Fiduciary,
        "mf7xa-laaaa-aaaar-qaaaa-cai",
        "qoznl-yiaaa-aaaar-7777q-cai",
    ),
    // Canisters of applications. The second one has left the block of its neighbours.
    (
        "5v3p4-iyaaa-aaaaa-qaaaa-cai",
        SubnetKind::Application,
        "5v3p4-iyaaa-aaaaa-qaaaa-cai",
        "b65vx-3qaaa-aaaaa-7777q-cai",
    ),
    (
        "xixcb-byaaa-aaaap-qqgaa-cai",
        SubnetKind::Application,
        "lsie5-miaaa-aaaae-qaaaa-cai",
        "xzo6w-7aaaa-aaaae-7777q-cai",
    ),
    // The Bitcoin canister for test networks.
    (
        "g4xu7-jiaaa-aaaan-aaaaq-cai",
        SubnetKind::Bitcoin,
        "g3wsl-eqaaa-aaaan-aaaaa-cai",
        "2qqia-xyaaa-aaaan-p777q-cai",
    ),
    (
        "ybpmr-kqaaa-aaaaq-aaaaa-cai",
        SubnetKind::SNS,
        "ybpmr-kqaaa-aaaaq-aaaaa-cai",
        "ekjw2-zyaaa-aaaaq-p777q-cai",
    ),
    (
        "z474k-xiaaa-aaaao-qaaaa-cai",
        SubnetKind::TestThresholdKeys,
        "z474k-xiaaa-aaaao-qaaaa-cai",
        "fxzgb-eaaaa-aaaao-7777q-cai",
    ),
];

fn id(text: &str) -> Principal {
    Principal::from_text(text).unwrap()
}

/// The message that creates a canister.
fn creation(
    net: &Net,
    effective: Option<EffectivePrincipal>,
    specified_id: Option<Principal>,
) -> Ingress {
    let args = types::ProvisionalCreateCanisterWithCyclesArgs {
        amount: Some(Nat::from(100 * T)),
        settings: None,
        specified_id,
        sender_canister_version: None,
    };
    let method = "provisional_create_canister_with_cycles";
    Ingress {
        effective,
        ..net.ingress(Principal::management_canister(), method, &encode(args))
    }
}

fn create(
    net: &mut Net,
    effective: Option<EffectivePrincipal>,
    specified_id: Option<Principal>,
) -> Result<Principal, Reject> {
    let message = creation(net, effective, specified_id);
    let reply = net.send(message)?;
    let (created,) = decode_args::<(types::CanisterIdRecord,)>(&reply).unwrap();
    Ok(created.canister_id)
}

fn create_with_id(net: &mut Net, id: Principal) -> Result<Principal, Reject> {
    create(net, Some(EffectivePrincipal::Canister(id)), Some(id))
}

#[test]
fn a_canister_with_a_mainnet_id_brings_its_subnet() {
    for (text, kind, first, last) in IDS {
        let mut net = Net::new();
        assert_eq!(net.replica.subnet_of(id(text)), None);
        assert_eq!(create_with_id(&mut net, id(text)), Ok(id(text)));
        assert_eq!(net.replica.subnets().len(), 2);
        let subnet = net.replica.subnets()[1].clone();
        assert_eq!(subnet.kind, kind, "{text}");
        assert!(
            subnet.canister_ranges.contains(&(id(first), id(last))),
            "{text}"
        );
        assert_eq!(net.replica.subnet_of(id(text)), Some(subnet.id));
        assert!(net.replica.public_key(subnet.id).is_some());
        let other = net.create(T);
        assert_ne!(net.replica.subnet_of(other), Some(subnet.id));
        // The subnet is there now.
        let again = create_with_id(&mut net, id(text)).unwrap_err();
        assert_eq!(again.error_code, "IC0538");
        create_with_id(&mut net, id(last)).unwrap();
        assert_eq!(net.replica.subnets().len(), 2);
        // It gives ids of its own to other canisters, away from those of the mainnet.
        let effective = EffectivePrincipal::Subnet(subnet.id);
        let fresh = create(&mut net, Some(effective), None).unwrap();
        assert_eq!(net.replica.subnet_of(fresh), Some(subnet.id));
        assert!(fresh > id("aaaaa-aa") && fresh.as_slice()[0] == 0xff);
    }
}

#[test]
fn neighbours_on_the_mainnet_share_a_subnet_unless_one_has_moved() {
    let mut net = Net::new();
    for text in [
        "5v3p4-iyaaa-aaaaa-qaaaa-cai",
        "y2aaj-miaaa-aaaad-aacxq-cai", // moved to the subnet of the first
        "y5bg5-bqaaa-aaaad-aacxa-cai",
        "2h5ob-7aaaa-aaaad-aacya-cai",
    ] {
        create_with_id(&mut net, id(text)).unwrap();
    }
    let subnet = |text| net.replica.subnet_of(id(text));
    assert_eq!(net.replica.subnets().len(), 3);
    assert_eq!(
        subnet("5v3p4-iyaaa-aaaaa-qaaaa-cai"),
        subnet("y2aaj-miaaa-aaaad-aacxq-cai")
    );
    assert_eq!(
        subnet("y5bg5-bqaaa-aaaad-aacxa-cai"),
        subnet("2h5ob-7aaaa-aaaad-aacya-cai")
    );
}

#[test]
fn the_specified_id_or_the_effective_id_alone_brings_the_subnet() {
    let ledger = id("mxzaz-hqaaa-aaaar-qaada-cai");
    let mut net = Net::new();
    assert_eq!(create(&mut net, None, Some(ledger)), Ok(ledger));
    let mut net = Net::new();
    let effective = EffectivePrincipal::Canister(ledger);
    let fresh = create(&mut net, Some(effective), None).unwrap();
    assert_ne!(fresh, ledger);
    assert_eq!(net.replica.subnet_of(fresh), net.replica.subnet_of(ledger));
    assert_eq!(net.replica.subnets()[1].kind, SubnetKind::Fiduciary);
}

#[test]
fn the_root_subnet_and_ids_of_nobody_are_refused() {
    let mut net = Net::new();
    let governance = id("rrkah-fqaaa-aaaaa-aaaaq-cai");
    let reject = create_with_id(&mut net, governance).unwrap_err();
    assert!(
        reject
            .message
            .contains("belongs to the NNS subnet on the IC mainnet"),
        "{reject:?}"
    );
    // Beyond the last block of the mainnet, and no canister id at all.
    for nobody in [
        Principal::from_slice(&[0, 0, 0, 0, 3, 0, 0, 0, 1, 1]),
        Principal::self_authenticating("nobody"),
    ] {
        let reject = create_with_id(&mut net, nobody).unwrap_err();
        assert_eq!(reject.code, RejectCode::DestinationInvalid);
        assert!(
            reject.message.contains("it is not a mainnet canister ID"),
            "{reject:?}"
        );
    }
    assert_eq!(net.replica.subnets().len(), 1);
    // With the root subnet its ids can be had.
    let mut net = Net::with(vec![SubnetKind::NNS]);
    assert_eq!(create_with_id(&mut net, governance), Ok(governance));
    assert_eq!(net.replica.subnets().len(), 1);
}

#[test]
fn other_messages_bring_no_subnet() {
    let mut net = Net::new();
    let ledger = id("um5iw-rqaaa-aaaaq-qaaba-cai");
    assert_eq!(
        net.update(ledger, "get", &[]).unwrap_err().code,
        RejectCode::DestinationInvalid
    );
    assert!(net.query(ledger, "get", &[]).is_err());
    let mut status = creation(&net, Some(EffectivePrincipal::Canister(ledger)), None);
    status.method = "canister_status".into();
    let reject = net.replica.submit(status).unwrap_err();
    assert_eq!(
        reject.message,
        format!("Canister {ledger} does not belong to any subnet.")
    );
    assert_eq!(net.replica.subnets().len(), 1);
}

/// Calls the query `ask` of the canister in the argument, and passes its reply on.
const CALLER: &str = r#"
    (table 2 funcref)
    (elem (i32.const 0) $on_reply $on_reject)
    (data (i32.const 0) "ask")
    (func $on_reply (param i32) (local $size i32)
        (local.set $size (call $msg_arg_data_size))
        (call $msg_arg_data_copy (i32.const 100) (i32.const 0) (local.get $size))
        (call $answer (i32.const 100) (local.get $size)))
    (func $on_reject (param i32) (unreachable))
    (func (export "canister_update pass")
        (drop (call $argument))
        (call $new_call (i32.const 0) (i32.const 3) (i32.const 0) (i32.const 1))
        (if (call $call_perform) (then (unreachable))))
    (func (export "canister_query ask") (call $reply (i32.const 42)))
    (func (export "canister_update set")
        (call $certified_data_set (i32.const 1000) (call $argument)) (call $reply (i32.const 0)))
    (func (export "canister_query certificate") (local $size i32)
        (local.set $size (call $data_certificate_size))
        (call $data_certificate_copy (i32.const 2000) (i32.const 0) (local.get $size))
        (call $answer (i32.const 2000) (local.get $size)))
"#;

/// An instance with the program on its first subnet, and on two subnets of the mainnet.
fn three_subnets(first: SubnetKind) -> (Net, [Principal; 3]) {
    let mut net = Net::with(vec![first]);
    let home = net.create(100 * T);
    let ids = [
        home,
        id("um5iw-rqaaa-aaaaq-qaaba-cai"),
        id("5v3p4-iyaaa-aaaaa-qaaaa-cai"),
    ];
    for new in &ids[1..] {
        create_with_id(&mut net, *new).unwrap();
    }
    for id in ids {
        net.install_as(Install, id, canister(CALLER), &[]).unwrap();
    }
    (net, ids)
}

#[test]
fn canisters_of_old_and_new_subnets_call_each_other() {
    let (mut net, ids) = three_subnets(SubnetKind::Application);
    for caller in ids {
        for callee in ids {
            let reply = net.update(caller, "pass", callee.as_slice()).unwrap();
            assert_eq!(reply, 42_u32.to_le_bytes());
        }
    }
}

#[test]
fn the_root_subnet_vouches_for_a_new_subnet_and_its_ranges() {
    for root in [SubnetKind::NNS, SubnetKind::Application] {
        let (mut net, ids) = three_subnets(root);
        for id in ids {
            net.update(id, "set", id.as_slice()).unwrap();
            // Checks the signatures, and that the delegation holds the canister's id.
            assert_eq!(certified_data(&mut net, id), id.as_slice());
            let subnet = net.replica.subnet_of(id).unwrap();
            let effective = EffectivePrincipal::Canister(id);
            let path = [
                b"subnet".to_vec(),
                subnet.as_slice().to_vec(),
                b"public_key".to_vec(),
            ];
            let certificate = net
                .replica
                .read_state(net.admin, effective, &[path.to_vec()]);
            let path: Vec<&[u8]> = path.iter().map(Vec::as_slice).collect();
            let key = read(&net.replica, id, &certificate.unwrap(), &path);
            assert_eq!(Some(key), net.replica.public_key(subnet));
        }
    }
}

#[test]
fn a_subnet_that_was_created_later_is_state() {
    let ledger = id("um5iw-rqaaa-aaaaq-qaaba-cai");
    let mut net = Net::new();
    let mut twin = net.clone();
    let default = net.replica.default_effective_canister();
    create_with_id(&mut net, ledger).unwrap();
    assert_ne!(net.replica.state_hash(), twin.replica.state_hash());
    create_with_id(&mut twin, ledger).unwrap();
    assert_eq!(net.replica.state_hash(), twin.replica.state_hash());
    // The default subnet is one of the configuration.
    assert_eq!(net.replica.default_effective_canister(), default);
    let mut net = Net::with(vec![SubnetKind::System]);
    let default = net.replica.default_effective_canister();
    create_with_id(&mut net, id("5v3p4-iyaaa-aaaaa-qaaaa-cai")).unwrap();
    assert_eq!(net.replica.default_effective_canister(), default);
    let created = net.create(T);
    assert_eq!(
        net.replica.subnet_of(created),
        net.replica.subnet_of(default)
    );
}

#[test]
fn a_deleted_subnet_of_the_mainnet_can_come_back() {
    let mut net = Net::new();
    let app = id("5v3p4-iyaaa-aaaaa-qaaaa-cai");
    create_with_id(&mut net, app).unwrap();
    let first = net.replica.subnet_of(app).unwrap();
    net.replica.delete_subnet(first).unwrap();
    assert_eq!(net.replica.subnet_of(app), None);
    create_with_id(&mut net, app).unwrap();
    assert_ne!(net.replica.subnet_of(app), Some(first));
    net.check_accounts();
}

/// The order is that of `try_new` in `dfinity/ic rs/pocket_ic_server/src/pocket_ic.rs`.
#[test]
fn the_default_subnet_is_an_application_a_verified_application_or_a_system_subnet() {
    use SubnetKind::{Application, NNS, System, VerifiedApplication};
    for (kinds, default) in [
        (vec![NNS, System, VerifiedApplication, Application], 3),
        (vec![NNS, System, VerifiedApplication], 2),
        (vec![NNS, System], 1),
        (vec![NNS], 0),
    ] {
        let mut net = Net::with(kinds);
        let created = net.create(T);
        let subnet = net.replica.subnets()[default].id;
        assert_eq!(net.replica.subnet_of(created), Some(subnet));
        let default = net.replica.default_effective_canister();
        assert_eq!(net.replica.subnet_of(default), Some(subnet));
    }
}
