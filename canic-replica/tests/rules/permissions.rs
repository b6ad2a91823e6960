//! Ingress permissions: the senders and subnets through which the management canister takes calls
//! from outside.

use candid::Principal;
use canic_replica::{EffectivePrincipal, Reject, RejectCode, SubnetKind};
use ic_management_canister_types as types;

use crate::common::{CALLER, Net, T, encode, record};

#[test]
fn calls_of_strangers_are_refused_before_they_cost_anything() {
    let mut net = Net::new();
    let id = net.create(T);
    let stranger = Principal::self_authenticating("stranger");
    for (method, code) in [
        ("stop_canister", "IC0512"),
        ("start_canister", "IC0512"),
        ("canister_status", "IC0542"),
        ("delete_canister", "IC0512"),
        ("uninstall_code", "IC0512"),
    ] {
        let reject = net
            .manage_as::<()>(stranger, method, record(id))
            .unwrap_err();
        assert_eq!(
            (reject.code, reject.error_code.as_str()),
            (RejectCode::CanisterError, code),
            "{method}"
        );
        assert!(!reject.certified, "{method} is refused at ingress");
    }
    assert_eq!(net.replica.cycles(id), Some(T), "the canister pays nothing");
}

#[test]
fn methods_for_canisters_refuse_ingress_messages() {
    let mut net = Net::new();
    for method in [
        "create_canister",
        "deposit_cycles",
        "raw_rand",
        "fetch_canister_logs",
        "node_metrics_history",
        "subnet_info",
        "http_request",
        "ecdsa_public_key",
        "sign_with_ecdsa",
        "schnorr_public_key",
        "sign_with_schnorr",
        "vetkd_public_key",
        "vetkd_derive_key",
    ] {
        let reject = net.manage::<()>(method, ()).unwrap_err();
        let text = format!("ic00 method {method} can not be called via ingress messages");
        assert_eq!(
            (reject.error_code.as_str(), reject.message),
            ("IC0406", text)
        );
        assert!(!reject.certified, "{method} is refused at ingress");
    }
    // Methods that name a canister refuse with another text.
    let id = net.create(T);
    let named = types::CanisterMetadataArgs {
        canister_id: id,
        name: String::new(),
    };
    for method in ["canister_info", "canister_metadata"] {
        let reject = net.manage::<()>(method, (named.clone(),)).unwrap_err();
        let text = format!("Only canisters can call ic00 method {method}");
        assert_eq!(
            (reject.error_code.as_str(), reject.message),
            ("IC0406", text)
        );
    }
    let reject = net.manage::<()>("frobnicate", ()).unwrap_err();
    assert_eq!(
        (reject.error_code.as_str(), reject.message.as_str()),
        ("IC0536", "ic00 interface does not expose method frobnicate")
    );
}

#[test]
fn an_ingress_message_names_a_canister_that_its_sender_controls() {
    let mut net = Net::new();
    let id = net.create(T);
    let nobody = Principal::from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xe0, 0x77, 0, 1, 1]);
    let stranger = Principal::self_authenticating("stranger");
    let reject = net.manage::<()>("canister_status", ()).unwrap_err();
    assert_eq!(reject.error_code, "IC0408");
    let text =
        "Failed to parse payload for ic00 method canister_status: IC0408: Error decoding candid: ";
    assert!(reject.message.starts_with(text), "{}", reject.message);
    let reject = net
        .manage::<()>("canister_status", record(nobody))
        .unwrap_err();
    assert_eq!(
        (reject.error_code.as_str(), reject.message),
        ("IC0301", format!("Canister {nobody} not found"))
    );
    let reject = net.manage_as::<()>(stranger, "stop_canister", record(id));
    let text = format!("Only controllers of canister {id} can call ic00 method stop_canister");
    assert_eq!(reject.unwrap_err().message, text);
}

#[test]
fn a_call_reaches_a_canister_through_its_own_subnet_only() {
    let mut net = Net::with(vec![SubnetKind::Application, SubnetKind::Application]);
    let [here, there] = [0, 1].map(|index| net.replica.subnets()[index].id);
    let id = net.create(10 * T);
    let neighbour = net.create(T);
    assert_eq!(net.replica.subnet_of(id), Some(here));
    let status = |net: &mut Net, effective: Option<EffectivePrincipal>| {
        let payload = candid::encode_args(record(id)).unwrap();
        let management = Principal::management_canister();
        let mut ingress = net.ingress(management, "canister_status", &payload);
        ingress.effective = effective;
        let query = net.replica.query(ingress.clone()).map(|_| ());
        (net.send(ingress).map(|_| ()), query)
    };
    let good = [
        None,
        Some(EffectivePrincipal::Subnet(here)),
        Some(EffectivePrincipal::Canister(id)),
        Some(EffectivePrincipal::Canister(neighbour)),
    ];
    for effective in good {
        assert_eq!(
            status(&mut net, effective),
            (Ok(()), Ok(())),
            "{effective:?}"
        );
    }
    let missing = Err(("IC0301".to_owned(), format!("Canister {id} not found")));
    let parts = |result: Result<(), Reject>| result.map_err(|r| (r.error_code, r.message));
    let before = net.replica.cycles(id);
    let (update, query) = status(&mut net, Some(EffectivePrincipal::Subnet(there)));
    assert_eq!((parts(update), parts(query)), (missing.clone(), missing));
    assert_eq!(net.replica.cycles(id), before, "the canister pays nothing");
}

#[test]
fn snapshots_are_listed_for_the_viewers_in_the_settings() {
    let mut net = Net::new();
    let id = net.install("");
    let viewer = Principal::self_authenticating("viewer");
    let list = |net: &mut Net| {
        let list = "list_canister_snapshots";
        net.manage_as::<(Vec<types::Snapshot>,)>(viewer, list, record(id))
            .map(|(list,)| list.len())
            .map_err(|reject| reject.error_code)
    };
    let show = |net: &mut Net, visibility: types::SnapshotVisibility| {
        let settings = types::CanisterSettings {
            snapshot_visibility: Some(visibility),
            ..Default::default()
        };
        net.update_settings(id, settings).unwrap();
    };
    assert_eq!(list(&mut net), Err("IC0512".into()));
    show(
        &mut net,
        types::SnapshotVisibility::AllowedViewers(vec![viewer]),
    );
    assert_eq!(list(&mut net), Ok(0));
    show(&mut net, types::SnapshotVisibility::AllowedViewers(vec![]));
    assert_eq!(list(&mut net), Err("IC0512".into()));
    show(&mut net, types::SnapshotVisibility::Public);
    assert_eq!(list(&mut net), Ok(0));
    // A viewer may list snapshots and not take one.
    let args = types::TakeCanisterSnapshotArgs {
        canister_id: id,
        replace_snapshot: None,
        uninstall_code: None,
        sender_canister_version: None,
    };
    let reject = net.manage_as::<()>(viewer, "take_canister_snapshot", (args,));
    assert_eq!(reject.unwrap_err().error_code, "IC0512");
}

#[test]
fn a_canister_that_does_not_control_itself_takes_no_snapshot_of_itself() {
    let mut net = Net::new();
    let id = net.install(CALLER);
    let args = types::TakeCanisterSnapshotArgs {
        canister_id: id,
        replace_snapshot: None,
        uninstall_code: None,
        sender_canister_version: None,
    };
    let take = |net: &mut Net| {
        net.call_through(id, "take_canister_snapshot", 0, &encode(args.clone()))
            .1
    };
    let (code, message) = take(&mut net).unwrap_err();
    assert_eq!(code, 5);
    assert!(
        message.starts_with("IC0512: Only the controllers"),
        "{message}"
    );
    let settings = types::CanisterSettings {
        controllers: Some(vec![net.admin, id]),
        ..Default::default()
    };
    net.update_settings(id, settings).unwrap();
    take(&mut net).unwrap();
}

/// `dfinity/ic` rs/execution_environment, `execute_subnet_query`: the same five methods for users
/// and for composite queries, `canister_info` among them.
#[test]
fn few_management_methods_work_as_queries() {
    let mut net = Net::new();
    let id = net.create(T);
    let payload = candid::encode_args(record(id)).unwrap();
    let management = Principal::management_canister();
    for method in ["canister_status", "canister_info", "fetch_canister_logs"] {
        net.query(management, method, &payload).unwrap();
    }
    for method in ["start_canister", "list_canister_snapshots", "frobnicate"] {
        let reject = net.query(management, method, &payload).unwrap_err();
        let text = format!("Query method {method} not found.");
        assert_eq!(
            (reject.error_code.as_str(), reject.message),
            ("IC0536", text)
        );
        assert!(!reject.certified);
    }
}
