//! Deletion of subnets with all that is on them.

use candid::Principal;
use canic_replica::{EffectivePrincipal, Ingress, MessageId, RejectCode, SubnetKind};
use ic_certification::{Certificate, LookupResult};
use ic_management_canister_types::CanisterInstallMode::Install;

use crate::common::{Net, T, canister, record};

/// A program whose methods `take` and `wait` call `ask` and `await` of the canister in the argument
/// with 1,000 cycles. They reply with the reject code (0 for a reply) and the refund. `ask` replies
/// at once, `await` after the management canister has replied.
const PROGRAM: &str = r#"
    (table 4 funcref)
    (elem (i32.const 1) $on_reply $on_reject $on_random)
    (data (i32.const 0) "askawaitraw_rand")
    (data (i32.const 100) "DIDL\00\00")
    (func $on_reply (param i32) (call $tell (i32.const 0)))
    (func $on_reject (param i32) (call $tell (call $msg_reject_code)))
    (func $tell (param i32)
        (i32.store (i32.const 600) (local.get 0))
        (call $msg_cycles_refunded128 (i32.const 604))
        (call $answer (i32.const 600) (i32.const 20)))
    (func $on_random (param i32) (call $reply (i32.const 0)))
    (func $go (param i32 i32)
        (drop (call $argument))
        (call $new_call (local.get 0) (local.get 1) (i32.const 1) (i32.const 2))
        (call $call_cycles_add128 (i64.const 0) (i64.const 1000))
        (if (call $call_perform) (then (unreachable))))
    (func (export "canister_update take") (call $go (i32.const 0) (i32.const 3)))
    (func (export "canister_update wait") (call $go (i32.const 3) (i32.const 5)))
    (func (export "canister_update ask") (call $reply (i32.const 0)))
    (func (export "canister_update await")
        (call $call_new (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 8)
            (i32.const 3) (i32.const 0) (i32.const 3) (i32.const 0))
        (call $call_data_append (i32.const 100) (i32.const 6))
        (if (call $call_perform) (then (unreachable))))
"#;

/// Three subnets, with the program on the second and the third.
fn distant_pair() -> (Net, Principal, Principal) {
    let mut net = Net::with(vec![
        SubnetKind::NNS,
        SubnetKind::Application,
        SubnetKind::Application,
    ]);
    let mut install = |subnet| {
        let id = net.create_on(subnet, 100 * T);
        net.install_as(Install, id, canister(PROGRAM), &[]).unwrap();
        id
    };
    let [caller, callee] = [1, 2].map(&mut install);
    (net, caller, callee)
}

fn delete(net: &mut Net, canister: Principal) -> Result<(), String> {
    let subnet = net.replica.subnet_of(canister).unwrap();
    let result = net.replica.delete_subnet(subnet);
    net.check_accounts();
    result
}

/// Waits for a call; returns its reject code and refund.
fn outcome(net: &mut Net, message: &MessageId) -> (u32, u128) {
    let answer = net.replica.await_ingress(message).unwrap().unwrap();
    net.check_accounts();
    let (code, refund) = answer.split_at(4);
    (
        u32::from_le_bytes(code.try_into().unwrap()),
        u128::from_le_bytes(refund.try_into().unwrap()),
    )
}

#[test]
fn calls_to_a_deleted_subnet_are_rejected() {
    for method in ["take", "wait"] {
        // The subnet is deleted while the call is on its way, while it waits or is under execution,
        // and after it was answered.
        for (rounds, open) in [(0, true), (1, true), (2, method == "wait"), (9, false)] {
            let (mut net, caller, callee) = distant_pair();
            let call = net.ingress(caller, method, callee.as_slice());
            let message = net.replica.submit(call).unwrap();
            for _ in 0..rounds {
                net.replica.tick();
            }
            delete(&mut net, callee).unwrap();
            let expected = if open { (3, 1_000) } else { (0, 1_000) };
            let found = outcome(&mut net, &message);
            assert_eq!(found, expected, "{method} after {rounds} rounds");
        }
    }
}

#[test]
fn messages_that_wait_on_a_deleted_subnet_are_rejected() {
    let (mut net, caller, callee) = distant_pair();
    let call = net.ingress(caller, "take", callee.as_slice());
    let waits = net.replica.submit(call).unwrap();
    let call = net.ingress(caller, "wait", callee.as_slice());
    let calls = net.replica.submit(call).unwrap();
    let status = canister_status(&net, caller);
    let managed = net.replica.submit(status).unwrap();
    net.replica.tick();
    let call = net.ingress(caller, "ask", &[]);
    let late = net.replica.submit(call).unwrap();
    delete(&mut net, caller).unwrap();
    for message in [waits, calls, late] {
        let reject = net.replica.await_ingress(&message).unwrap().unwrap_err();
        assert_eq!(reject.code, RejectCode::DestinationInvalid);
        assert_eq!(reject.message, format!("No route to canister {caller}"));
    }
    // The management call was done before.
    net.replica.await_ingress(&managed).unwrap().unwrap();
    // The callee's answers are dropped.
    for _ in 0..5 {
        net.replica.tick();
        net.check_accounts();
    }
    assert_eq!(net.replica.accounts().in_flight, 0);
}

fn canister_status(net: &Net, id: Principal) -> Ingress {
    let payload = candid::encode_args(record(id)).unwrap();
    net.ingress(
        Principal::management_canister(),
        "canister_status",
        &payload,
    )
}

#[test]
fn nothing_of_a_deleted_subnet_is_left() {
    let (mut net, other, deleted) = distant_pair();
    let subnet = net.replica.subnet_of(deleted).unwrap();
    let mut fork = net.clone();
    let status = canister_status(&net, deleted);
    let managed = net.replica.submit(status).unwrap();
    delete(&mut net, deleted).unwrap();
    let reject = net.replica.await_ingress(&managed).unwrap().unwrap_err();
    assert_eq!(reject.code, RejectCode::DestinationInvalid);
    assert!(!net.replica.canister_exists(deleted));
    assert_eq!(net.replica.subnet_of(deleted), None);
    assert_eq!(net.replica.public_key(subnet), None);
    assert!(net.replica.subnets().iter().all(|info| info.id != subnet));
    let mut create = net.ingress(
        Principal::management_canister(),
        "provisional_create_canister_with_cycles",
        b"DIDL\x01\x6c\x00\x01\x00",
    );
    create.effective = Some(EffectivePrincipal::Subnet(subnet));
    assert_eq!(net.replica.submit(create).unwrap_err().error_code, "IC0404");
    assert_eq!(
        delete_by_id(&mut net, subnet),
        Err(format!("there is no subnet {subnet}"))
    );
    // The other subnets and a fork go on.
    net.update(other, "ask", &[]).unwrap();
    fork.update(deleted, "ask", &[]).unwrap();
    assert_ne!(net.replica.state_hash(), fork.replica.state_hash());
    // The root subnet certifies only the keys of the subnets that are left.
    let nns = net.replica.subnets()[0].id;
    let path = [
        b"subnet".to_vec(),
        subnet.as_slice().to_vec(),
        b"public_key".to_vec(),
    ];
    let read = |net: &Net| {
        let effective = EffectivePrincipal::Subnet(nns);
        let certificate = net
            .replica
            .read_state(net.admin, effective, &[path.to_vec()]);
        let certificate: Certificate = serde_cbor::from_slice(&certificate.unwrap()).unwrap();
        matches!(certificate.tree.lookup_path(&path), LookupResult::Found(_))
    };
    assert!(!read(&net) && read(&fork));
}

fn delete_by_id(net: &mut Net, subnet: Principal) -> Result<(), String> {
    net.replica.delete_subnet(subnet)
}

#[test]
fn named_subnets_and_the_root_subnet_stay() {
    let (mut net, ..) = distant_pair();
    let nns = net.replica.subnets()[0].id;
    let text = "NNS, a named subnet, cannot be deleted";
    assert_eq!(delete_by_id(&mut net, nns), Err(text.into()));
    let mut net = Net::new();
    let only = net.replica.subnets()[0].id;
    let text = format!("subnet {only} cannot be deleted: its key verifies all certificates");
    assert_eq!(delete_by_id(&mut net, only), Err(text));
}
