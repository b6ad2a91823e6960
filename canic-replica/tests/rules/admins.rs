//! The admins of subnets, and the list of the canisters of a subnet.
//!
//! The rules are those of the interface specification 0.66 (0.58 and 0.60 brought the admins), and
//! of `dfinity/ic`, `rs/execution_environment/src/execution/common.rs` (`validate_sender`,
//! `list_canisters`).

use std::collections::BTreeSet;

use candid::{Principal, decode_args};
use canic_replica::{EffectivePrincipal, Ingress, Reject, SubnetKind};
use ic_management_canister_types as types;

use crate::common::{CALLER, NO_ARGS, Net, T, canister, encode, record};

/// A cloud engine with one admin.
fn engine() -> (Net, Principal, Principal) {
    let mut net = Net::with(vec![SubnetKind::CloudEngine]);
    let manager = Principal::self_authenticating("manager");
    let subnet = net.replica.subnets()[0].id;
    net.replica
        .set_subnet_admins(subnet, BTreeSet::from([manager]))
        .unwrap();
    (net, manager, subnet)
}

/// A query call to the management canister.
fn query_as(
    net: &mut Net,
    sender: Principal,
    effective: EffectivePrincipal,
    method: &str,
    payload: &[u8],
) -> Result<Vec<u8>, Reject> {
    let query = net.ingress(Principal::management_canister(), method, payload);
    net.replica.query(Ingress {
        sender,
        effective: Some(effective),
        ..query
    })
}

fn list(net: &mut Net, sender: Principal) -> Result<Vec<types::CanisterIdRange>, Reject> {
    let subnet = net.replica.subnets()[0].id;
    let effective = EffectivePrincipal::Subnet(subnet);
    let reply = query_as(net, sender, effective, "list_canisters", NO_ARGS)?;
    let (list,): (types::ListCanistersResult,) = decode_args(&reply).unwrap();
    Ok(list.canisters)
}

#[test]
fn an_admin_manages_all_canisters_of_the_subnet() {
    let (mut net, manager, _) = engine();
    let id = net.install("");
    net.manage_as::<(types::CanisterStatusResult,)>(manager, "canister_status", record(id))
        .unwrap();
    net.manage_as::<(types::CanisterMetricsResult,)>(manager, "canister_metrics", record(id))
        .unwrap();
    for method in [
        "stop_canister",
        "start_canister",
        "uninstall_code",
        "stop_canister",
        "delete_canister",
    ] {
        net.manage_as::<()>(manager, method, record(id))
            .unwrap_or_else(|reject| panic!("{method}: {reject:?}"));
    }
    assert!(!net.replica.canister_exists(id));
}

#[test]
fn an_admin_reads_status_and_metrics_by_query() {
    let (mut net, manager, subnet) = engine();
    let id = net.install("");
    let payload = encode(record(id).0);
    let stranger = Principal::self_authenticating("stranger");
    for method in ["canister_status", "canister_metrics"] {
        let by_canister = EffectivePrincipal::Canister(id);
        let by_subnet = EffectivePrincipal::Subnet(subnet);
        query_as(&mut net, manager, by_canister, method, &payload).unwrap();
        query_as(&mut net, manager, by_subnet, method, &payload).unwrap();
        query_as(&mut net, stranger, by_canister, method, &payload).unwrap_err();
    }
    let by_canister = EffectivePrincipal::Canister(id);
    let reject = query_as(
        &mut net,
        manager,
        by_canister,
        "fetch_canister_logs",
        &payload,
    );
    assert_eq!(reject.unwrap_err().error_code, "IC0406");
}

#[test]
fn an_admin_changes_neither_settings_nor_code() {
    let (mut net, manager, _) = engine();
    let id = net.install("");
    let settings = types::UpdateSettingsArgs {
        canister_id: id,
        settings: types::CanisterSettings::default(),
        sender_canister_version: None,
    };
    let reject = net.manage_as::<()>(manager, "update_settings", (settings,));
    assert_eq!(reject.unwrap_err().error_code, "IC0512");
    let install = types::InstallCodeArgs {
        mode: types::CanisterInstallMode::Reinstall,
        canister_id: id,
        wasm_module: canister(""),
        arg: Vec::new(),
        sender_canister_version: None,
    };
    let reject = net.manage_as::<()>(manager, "install_code", (install,));
    assert_eq!(reject.unwrap_err().error_code, "IC0512");
}

#[test]
fn the_admin_of_another_subnet_is_a_stranger() {
    let mut net = Net::with(vec![SubnetKind::CloudEngine, SubnetKind::CloudEngine]);
    let manager = Principal::self_authenticating("manager");
    let other = net.replica.subnets()[1].id;
    net.replica
        .set_subnet_admins(other, [manager].into())
        .unwrap();
    let id = net.install("");
    for method in ["stop_canister", "uninstall_code", "canister_metrics"] {
        let reject = net.manage_as::<()>(manager, method, record(id));
        assert_eq!(reject.unwrap_err().error_code, "IC0512", "{method}");
    }
    let reject = net.manage_as::<()>(manager, "canister_status", record(id));
    assert_eq!(reject.unwrap_err().error_code, "IC0542");
    assert_eq!(list(&mut net, manager).unwrap_err().error_code, "IC0512");
}

#[test]
fn a_canister_can_be_the_admin_of_its_subnet() {
    let (mut net, manager, subnet) = engine();
    let (admin, id) = (net.install(CALLER), net.install(""));
    let payload = encode(record(id).0);
    let (_, answer) = net.call_through(admin, "stop_canister", 0, &payload);
    let (_, text) = answer.unwrap_err();
    assert!(
        text.starts_with("IC0512") && text.contains(&manager.to_text()),
        "{text}"
    );
    net.replica
        .set_subnet_admins(subnet, [admin].into())
        .unwrap();
    let (_, answer) = net.call_through(admin, "stop_canister", 0, &payload);
    answer.unwrap();
}

#[test]
fn admins_create_canisters_by_ingress_messages_and_other_users_do_not() {
    let (mut net, manager, subnet) = engine();
    let create = |net: &mut Net, sender| {
        let payload = encode(types::CreateCanisterArgs::default());
        let management = Principal::management_canister();
        let call = net.ingress(management, "create_canister", &payload);
        net.send(Ingress {
            sender,
            effective: Some(EffectivePrincipal::Subnet(subnet)),
            ..call
        })
    };
    let reply = create(&mut net, manager).unwrap();
    let (created,): (types::CanisterIdRecord,) = decode_args(&reply).unwrap();
    let id = created.canister_id;
    assert_eq!(net.replica.subnet_of(id), Some(subnet));
    assert_eq!(net.replica.controllers(id), Some(vec![manager]));
    assert_eq!(net.replica.cycles(id), Some(0));
    let stranger = Principal::self_authenticating("stranger");
    assert_eq!(create(&mut net, stranger).unwrap_err().error_code, "IC0512");
}

#[test]
fn users_create_no_canisters_on_subnets_without_admins() {
    let mut net = Net::new();
    let reject = net
        .manage::<()>("create_canister", (types::CreateCanisterArgs::default(),))
        .unwrap_err();
    assert_eq!(
        reject.message,
        "ic00 method create_canister can not be called via ingress messages"
    );
}

#[test]
fn only_subnets_that_charge_nothing_have_admins() {
    let subnets = vec![
        SubnetKind::NNS,
        SubnetKind::Application,
        SubnetKind::System,
        SubnetKind::CloudEngine,
    ];
    let mut net = Net::with(subnets);
    let ids: Vec<_> = net.replica.subnets().iter().map(|info| info.id).collect();
    let admins = BTreeSet::from([net.admin]);
    for (index, id) in ids.into_iter().enumerate() {
        let set = net.replica.set_subnet_admins(id, admins.clone());
        assert_eq!(set.is_ok(), index == 3, "{set:?}");
    }
    let unknown = net.replica.set_subnet_admins(net.admin, admins);
    assert!(unknown.unwrap_err().starts_with("there is no subnet"));
}

#[test]
fn admins_list_the_canisters_of_their_subnet_as_ranges() {
    let (mut net, manager, _) = engine();
    assert_eq!(list(&mut net, manager).unwrap(), []);
    let ids: Vec<_> = (0..5).map(|_| net.create(T)).collect();
    let range = |start, end| types::CanisterIdRange { start, end };
    assert_eq!(list(&mut net, manager).unwrap(), [range(ids[0], ids[4])]);
    // A deleted canister leaves a gap.
    net.manage::<()>("stop_canister", record(ids[1])).unwrap();
    net.manage::<()>("delete_canister", record(ids[1])).unwrap();
    assert_eq!(
        list(&mut net, manager).unwrap(),
        [range(ids[0], ids[0]), range(ids[2], ids[4])]
    );
}

#[test]
fn only_admins_list_canisters_and_only_by_query() {
    let (mut net, manager, subnet) = engine();
    let controller = net.admin;
    assert_eq!(list(&mut net, controller).unwrap_err().error_code, "IC0512");
    let by_subnet = EffectivePrincipal::Subnet(subnet);
    let reject = query_as(&mut net, manager, by_subnet, "list_canisters", b"nonsense");
    assert_eq!(reject.unwrap_err().error_code, "IC0408");
    let reject = net.manage_as::<()>(manager, "list_canisters", ());
    assert_eq!(reject.unwrap_err().error_code, "IC0406");
    let admin = net.install(CALLER);
    net.replica
        .set_subnet_admins(subnet, [admin].into())
        .unwrap();
    let (_, answer) = net.call_through(admin, "list_canisters", 0, NO_ARGS);
    assert_eq!(answer.unwrap_err().0, 4);
    // Other subnets have no list.
    let mut net = Net::new();
    let admin = net.admin;
    assert_eq!(
        list(&mut net, admin).unwrap_err().message,
        "list_canisters is only available on subnets with subnet admins"
    );
}

/// `dfinity/ic`, `validate_sender`: the governance canister may uninstall any code.
#[test]
fn the_governance_canister_uninstalls_the_code_of_any_canister() {
    let mut net = Net::with(vec![SubnetKind::NNS, SubnetKind::Application]);
    let governance = Principal::from_text("rrkah-fqaaa-aaaaa-aaaaq-cai").unwrap();
    let args = types::ProvisionalCreateCanisterWithCyclesArgs {
        amount: Some((100 * T).into()),
        settings: None,
        specified_id: Some(governance),
        sender_canister_version: None,
    };
    let call = net.ingress(
        Principal::management_canister(),
        "provisional_create_canister_with_cycles",
        &encode(args),
    );
    net.send(Ingress {
        effective: Some(EffectivePrincipal::Canister(governance)),
        ..call
    })
    .unwrap();
    net.install_as(
        types::CanisterInstallMode::Install,
        governance,
        canister(CALLER),
        &[],
    )
    .unwrap();
    let id = net.create_on(1, 100 * T);
    let install = types::CanisterInstallMode::Install;
    net.install_as(install, id, canister(""), &[]).unwrap();
    let payload = encode(record(id).0);
    let (_, answer) = net.call_through(governance, "stop_canister", 0, &payload);
    assert!(answer.unwrap_err().1.starts_with("IC0512"));
    let (_, answer) = net.call_through(governance, "uninstall_code", 0, &payload);
    answer.unwrap();
    assert_eq!(net.status(id).module_hash, None);
}

/// `dfinity/ic`, `rs/execution_environment/src/ic00_permissions.rs`.
#[test]
fn only_canisters_of_the_nns_rename_canisters() {
    let mut net = Net::with(vec![SubnetKind::NNS, SubnetKind::Application]);
    let caller = net.create_on(1, 100 * T);
    let install = types::CanisterInstallMode::Install;
    net.install_as(install, caller, canister(CALLER), &[])
        .unwrap();
    let text =
        format!("IC0504: rename_canister is called by {caller}. It can only be called by NNS.");
    let (_, answer) = net.call_through(caller, "rename_canister", 0, NO_ARGS);
    assert_eq!(answer, Err((5, text)));
}
