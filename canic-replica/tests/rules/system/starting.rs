//! The canisters at the start, and as canisters among others.

use candid::Principal;
use canic_replica::{Config, Replica, SubnetKind, SystemCanisters};
use ic_management_canister_types as types;

use crate::{
    common::{Net, T, record},
    system::{CYCLES_LEDGER, CYCLES_MINTING, ICP_LEDGER, Interface, System, account, id, user},
};

#[test]
fn the_anonymous_principal_is_rich_from_the_start() {
    let mut system = System::new();
    let anonymous = account(Principal::anonymous());
    let billion = 1_000_000_000 * 100_000_000;
    assert_eq!(system.balance(ICP_LEDGER, &anonymous), billion);
    assert_eq!(system.balance(CYCLES_LEDGER, &anonymous), 1 << 127);
    let supply =
        |system: &mut System, ledger| system.call(user(1), ledger, "icrc1_total_supply", "()");
    assert_eq!(
        supply(&mut system, ICP_LEDGER),
        "(300_000_000_000_000_000 : nat)"
    );
    assert_eq!(
        supply(&mut system, CYCLES_LEDGER).replace('_', ""),
        format!("({} : nat)", 1_u128 << 127)
    );
    assert_eq!(system.net.replica.cycles(id(CYCLES_LEDGER)), Some(1 << 127));
    system.net.check_accounts();
}

#[test]
fn system_canisters_are_canisters_with_the_ids_of_the_mainnet() {
    let mut system = System::new();
    for (text, subnet) in [(ICP_LEDGER, 0), (CYCLES_MINTING, 0), (CYCLES_LEDGER, 1)] {
        let subnet = system.net.replica.subnets()[subnet].id;
        assert_eq!(system.net.replica.subnet_of(id(text)), Some(subnet));
        let root = id("r7inp-6aaaa-aaaaa-aaabq-cai");
        let (status,) = system
            .net
            .manage_as::<(types::CanisterStatusResult,)>(root, "canister_status", record(id(text)))
            .unwrap();
        assert_eq!(status.settings.controllers, [root]);
        assert!(status.module_hash.is_some());
        assert_eq!(status.status, types::CanisterStatusType::Running);
    }
}

#[test]
fn each_method_of_the_interfaces_is_there_and_no_other() {
    let mut system = System::new();
    for text in [ICP_LEDGER, CYCLES_LEDGER, CYCLES_MINTING] {
        let interface = Interface::of(&system.net, id(text));
        for (method, is_query) in interface.names() {
            // Garbage reaches the method, which traps.
            for garbage in [&b""[..], b"DIDL", &[0xff; 40]] {
                let result = match is_query {
                    true => system.net.query(id(text), &method, garbage),
                    false => system.net.update(id(text), &method, garbage),
                };
                let reject = result.unwrap_err();
                assert_eq!(reject.error_code, "IC0503", "{text} {method} {reject:?}");
            }
        }
        for missing in ["send_dfx", "icrc21_canister_call_consent_message"] {
            let reject = system.net.update(id(text), missing, &[]).unwrap_err();
            assert_eq!(reject.error_code, "IC0536");
            assert!(reject.message.contains(missing), "{reject:?}");
        }
    }
}

#[test]
fn a_fork_has_ledgers_of_its_own_and_the_hash_sees_them() {
    let mut system = System::new();
    let mut fork = system.clone();
    assert_eq!(
        system.net.replica.state_hash(),
        fork.net.replica.state_hash()
    );
    let alice = account(user(1));
    fork.give_icp(&alice, 5);
    assert_eq!(fork.balance(ICP_LEDGER, &alice), 5);
    assert_eq!(system.balance(ICP_LEDGER, &alice), 0);
    assert_ne!(
        system.net.replica.state_hash(),
        fork.net.replica.state_hash()
    );
    system.give_icp(&alice, 5);
    assert_eq!(
        system.net.replica.state_hash(),
        fork.net.replica.state_hash()
    );
}

#[test]
fn a_snapshot_of_a_ledger_restores_its_accounts() {
    let mut system = System::new();
    let root = id("r7inp-6aaaa-aaaaa-aaabq-cai");
    let alice = account(user(1));
    system.give_icp(&alice, 5);
    let ledger = id(ICP_LEDGER);
    system
        .net
        .manage_as::<()>(root, "stop_canister", record(ledger))
        .unwrap();
    let args = types::TakeCanisterSnapshotArgs {
        canister_id: ledger,
        replace_snapshot: None,
        uninstall_code: None,
        sender_canister_version: None,
    };
    let (snapshot,) = system
        .net
        .manage_as::<(types::Snapshot,)>(root, "take_canister_snapshot", (args,))
        .unwrap();
    system
        .net
        .manage_as::<()>(root, "start_canister", record(ledger))
        .unwrap();
    system.give_icp(&alice, 7);
    assert_eq!(system.balance(ICP_LEDGER, &alice), 12);
    system
        .net
        .manage_as::<()>(root, "stop_canister", record(ledger))
        .unwrap();
    let args = types::LoadCanisterSnapshotArgs {
        canister_id: ledger,
        snapshot_id: snapshot.id,
        sender_canister_version: None,
    };
    system
        .net
        .manage_as::<()>(root, "load_canister_snapshot", (args,))
        .unwrap();
    system
        .net
        .manage_as::<()>(root, "start_canister", record(ledger))
        .unwrap();
    assert_eq!(system.balance(ICP_LEDGER, &alice), 5);
    system
        .net
        .manage_as::<()>(root, "uninstall_code", record(ledger))
        .unwrap();
    let reject = system.net.query(ledger, "icrc1_fee", &[]).unwrap_err();
    assert_eq!(reject.error_code, "IC0537");
}

#[test]
fn a_system_canister_needs_its_subnet() {
    for (system_canisters, subnet) in [
        (
            SystemCanisters {
                icp_ledger: true,
                ..SystemCanisters::default()
            },
            "NNS",
        ),
        (
            SystemCanisters {
                cycles_ledger: true,
                ..SystemCanisters::default()
            },
            "II",
        ),
        (
            SystemCanisters {
                cycles_minting: true,
                ..SystemCanisters::default()
            },
            "NNS",
        ),
    ] {
        let error = Replica::new(Config {
            system_canisters,
            ..Config::default()
        });
        let error = error.err().unwrap();
        assert!(
            error.contains(&format!("needs the {subnet} subnet")),
            "{error}"
        );
    }
    let mut net = Net::with(vec![SubnetKind::NNS]);
    assert!(net.replica.canisters().is_empty());
    net.create(T);
}
