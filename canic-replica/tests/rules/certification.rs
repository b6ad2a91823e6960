//! Certified data, certificates, and the keys that sign them.

use candid::Principal;
use canic_replica::{EffectivePrincipal, IngressStatus, ReadStateError, Replica, SubnetKind};
use ic_certification::{Certificate, LookupResult};
use ic_management_canister_types::{
    self as types,
    CanisterInstallMode::{Install, Upgrade},
};
use ic_verify_bls_signature::verify_bls_signature;
use serde_cbor::Value;

use crate::common::{Net, T, canister, record};

/// A canister that certifies its argument. Its queries reply whether there is a certificate, and
/// with the certificate.
const CERTIFIER: &str = r#"
    (func (export "canister_update set")
        (call $certified_data_set (i32.const 1000) (call $argument)) (call $reply (i32.const 0)))
    (func (export "canister_update trapping_set")
        (call $certified_data_set (i32.const 1000) (call $argument))
        (call $trap (i32.const 0) (i32.const 0)))
    (func $present (call $reply (call $data_certificate_present)))
    (func (export "canister_query present") (call $present))
    (func (export "canister_update present_in_update") (call $present))
    (func $certificate (local $size i32)
        (local.set $size (call $data_certificate_size))
        (call $data_certificate_copy (i32.const 2000) (i32.const 0) (local.get $size))
        (call $answer (i32.const 2000) (local.get $size)))
    (func (export "canister_query certificate") (call $certificate))
    (func (export "canister_composite_query composite") (call $certificate))
    (func (export "canister_update certificate_in_update") (call $certificate))
    (func (export "canister_query time")
        (i64.store (i32.const 900) (call $time)) (call $answer (i32.const 900) (i32.const 8)))
"#;

/// Verifies a certificate and looks a value up in it.
pub(crate) fn read(
    replica: &Replica,
    canister: Principal,
    certificate: &[u8],
    path: &[&[u8]],
) -> Vec<u8> {
    let certificate: Certificate = serde_cbor::from_slice(certificate).unwrap();
    let signer = match &certificate.delegation {
        None => replica.root_key(),
        Some(delegation) => {
            let subnet = delegation.subnet_id.as_slice();
            let at = |leaf: &str| {
                let path = [b"subnet", subnet, leaf.as_bytes()];
                read(replica, canister, &delegation.certificate, &path)
            };
            let ranges: Vec<(Principal, Principal)> =
                serde_cbor::from_slice(&at("canister_ranges")).unwrap();
            assert!(ranges.iter().any(|(a, b)| (a..=b).contains(&&canister)));
            at("public_key")
        }
    };
    let mut message = b"\x0dic-state-root".to_vec();
    message.extend(certificate.tree.digest());
    let key = &signer[signer.len() - 96..];
    assert_eq!(
        verify_bls_signature(&certificate.signature, &message, key),
        Ok(())
    );
    match certificate.tree.lookup_path(path) {
        LookupResult::Found(value) => value.to_vec(),
        other => panic!("{other:?}"),
    }
}

/// The certified data of a canister whose query `certificate` replies with a certificate.
pub(crate) fn certified_data(net: &mut Net, canister: Principal) -> Vec<u8> {
    let certificate = net.query(canister, "certificate", &[]).unwrap();
    let path: [&[u8]; 3] = [b"canister", canister.as_slice(), b"certified_data"];
    read(&net.replica, canister, &certificate, &path)
}

/// Decodes a number in LEB128.
fn natural(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 7 | u64::from(byte & 0x7f))
}

#[test]
fn a_query_gets_a_certificate_of_the_certified_data() {
    let mut net = Net::new();
    let id = net.install(CERTIFIER);
    assert_eq!(certified_data(&mut net, id), b"");
    net.update(id, "set", b"the root of a tree").unwrap();
    assert_eq!(certified_data(&mut net, id), b"the root of a tree");
    net.update(id, "trapping_set", b"never").unwrap_err();
    assert_eq!(certified_data(&mut net, id), b"the root of a tree");
}

#[test]
fn a_certificate_reveals_one_canister_and_no_other() {
    let mut net = Net::new();
    let ids: Vec<_> = (0..5).map(|_| net.install(CERTIFIER)).collect();
    for id in &ids {
        net.update(*id, "set", id.as_slice()).unwrap();
    }
    for id in &ids {
        assert_eq!(certified_data(&mut net, *id), id.as_slice());
        let certificate = net.query(*id, "certificate", &[]).unwrap();
        let certificate: Certificate = serde_cbor::from_slice(&certificate).unwrap();
        for other in ids.iter().filter(|other| *other != id) {
            let path: [&[u8]; 3] = [b"canister", other.as_slice(), b"certified_data"];
            assert_eq!(certificate.tree.lookup_path(path), LookupResult::Unknown);
        }
    }
}

#[test]
fn the_root_subnet_vouches_for_the_others() {
    let mut net = Net::with(vec![SubnetKind::Application, SubnetKind::NNS]);
    let [application, nns] = [0, 1].map(|index| net.replica.subnets()[index].id);
    let root = net.replica.root_key();
    assert_eq!(net.replica.public_key(nns), Some(root.clone()));
    assert_ne!(net.replica.public_key(application), Some(root.clone()));
    assert_eq!(nns, Principal::self_authenticating(root));
    let id = net.install(CERTIFIER);
    assert_eq!(net.replica.subnet_of(id), Some(application));
    net.update(id, "set", b"data").unwrap();
    assert_eq!(certified_data(&mut net, id), b"data");
    let certificate = net.query(id, "certificate", &[]).unwrap();
    let certificate: Certificate = serde_cbor::from_slice(&certificate).unwrap();
    let delegation = certificate.delegation.unwrap();
    assert_eq!(delegation.subnet_id, application.as_slice());
}

#[test]
fn the_only_subnet_needs_no_delegation() {
    let mut net = Net::new();
    let id = net.install(CERTIFIER);
    let certificate = net.query(id, "certificate", &[]).unwrap();
    let certificate: Certificate = serde_cbor::from_slice(&certificate).unwrap();
    assert_eq!(certificate.delegation, None);
}

#[test]
fn replicated_execution_sees_no_certificate() {
    let mut net = Net::new();
    let id = net.install(CERTIFIER);
    assert_eq!(net.number(id, "present"), 1);
    for method in ["present", "present_in_update"] {
        assert_eq!(net.update(id, method, &[]).unwrap(), 0_u32.to_le_bytes());
    }
    for method in ["certificate", "certificate_in_update"] {
        let reject = net.update(id, method, &[]).unwrap_err();
        assert_eq!(reject.error_code, "IC0504", "{reject:?}");
    }
}

#[test]
fn of_a_composite_query_only_the_first_canister_gets_a_certificate() {
    const CALLER: &str = r#"
        (table 2 funcref) (elem (i32.const 0) $relay $complain)
        (data (i32.const 0) "presentcertificate")
        (func $relay (param i32)
            (call $msg_arg_data_copy (i32.const 2000) (i32.const 0) (call $msg_arg_data_size))
            (call $answer (i32.const 2000) (call $msg_arg_data_size)))
        (func $complain (param i32)
            (call $msg_reject_msg_copy (i32.const 2000) (i32.const 0) (call $msg_reject_msg_size))
            (call $msg_reject (i32.const 2000) (call $msg_reject_msg_size)))
        (func $ask (param i32 i32) (drop (call $argument))
            (call $new_call (local.get 0) (local.get 1) (i32.const 0) (i32.const 1))
            (drop (call $call_perform)))
        (func (export "canister_composite_query is_there") (call $ask (i32.const 0) (i32.const 7)))
        (func (export "canister_composite_query read") (call $ask (i32.const 7) (i32.const 11)))
    "#;
    let mut net = Net::new();
    let callee = net.install(CERTIFIER);
    let caller = net.install(CALLER);
    let answer = net.query(caller, "is_there", callee.as_slice()).unwrap();
    assert_eq!(answer, 0_u32.to_le_bytes());
    let reject = net.query(caller, "read", callee.as_slice()).unwrap_err();
    let why = "\"ic0_data_certificate_size\" cannot be executed in non replicated query mode";
    assert!(reject.message.contains(why), "{reject:?}");
    assert!(net.query(callee, "composite", &[]).is_ok());
}

#[test]
fn a_certificate_has_the_time_of_the_last_round() {
    let mut net = Net::new();
    let id = net.install(CERTIFIER);
    let times = |net: &mut Net| {
        let seen = net.query(id, "time", &[]).unwrap();
        let certificate = net.query(id, "certificate", &[]).unwrap();
        let certified = natural(&read(&net.replica, id, &certificate, &[b"time"]));
        (u64::from_le_bytes(seen.try_into().unwrap()), certified)
    };
    let start = net.replica.time();
    assert_eq!(times(&mut net), (start, start));

    net.replica.set_time(start + 1000).unwrap();
    assert_eq!(times(&mut net), (start, start));
    net.replica.tick();
    assert_eq!(times(&mut net), (start + 1000, start + 1000));
    net.replica.tick();
    assert_eq!(times(&mut net), (start + 1001, start + 1001));

    net.replica.set_certified_time(start + 5000).unwrap();
    assert_eq!(net.replica.time(), start + 5000);
    assert_eq!(times(&mut net), (start + 5000, start + 5000));
    assert!(net.replica.set_certified_time(start).is_err());
}

#[test]
fn a_fork_certifies_its_own_state() {
    let mut net = Net::new();
    let id = net.install(CERTIFIER);
    net.update(id, "set", b"before").unwrap();
    assert_eq!(certified_data(&mut net, id), b"before");
    let mut fork = net.clone();
    fork.update(id, "set", b"after").unwrap();
    net.update(id, "set", b"instead").unwrap();
    assert_eq!(certified_data(&mut fork, id), b"after");
    assert_eq!(certified_data(&mut net, id), b"instead");
}

#[test]
fn equal_histories_give_equal_certificates() {
    let run = || {
        let mut net = Net::with(vec![SubnetKind::NNS, SubnetKind::Application]);
        let id = net.create(100 * T);
        net.install_as(Install, id, canister(CERTIFIER), &[])
            .unwrap();
        net.update(id, "set", b"data").unwrap();
        net.query(id, "certificate", &[]).unwrap()
    };
    assert_eq!(run(), run());
}

/// The certificate of one path, read by [`Net::admin`].
fn read_state(net: &Net, id: Principal, path: &[&[u8]]) -> Result<Vec<u8>, ReadStateError> {
    let path = path.iter().map(|label| label.to_vec()).collect();
    net.replica
        .read_state(net.admin, EffectivePrincipal::Canister(id), &[path])
}

#[test]
fn the_status_of_a_request_is_certified_from_the_next_round_on() {
    let mut net = Net::new();
    let id = net.install(CERTIFIER);
    let request = net.replica.submit(net.ingress(id, "set", b"data")).unwrap();
    let lookup = |net: &Net, leaf: &[u8]| {
        let path = [b"request_status", request.as_slice(), leaf];
        let certificate = read_state(net, id, &path).unwrap();
        let certificate: Certificate = serde_cbor::from_slice(&certificate).unwrap();
        match certificate.tree.lookup_path(path) {
            LookupResult::Found(value) => Ok(value.to_vec()),
            LookupResult::Absent => Err("absent"),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        net.replica.ingress_status(&request),
        IngressStatus::Received
    );
    assert_eq!(lookup(&net, b"status"), Err("absent"));
    net.replica.tick();
    assert_eq!(lookup(&net, b"status"), Ok(b"replied".to_vec()));
    assert_eq!(lookup(&net, b"reply"), Ok(0_u32.to_le_bytes().to_vec()));
    assert_eq!(lookup(&net, b"reject_code"), Err("absent"));
}

#[test]
fn missing_paths_are_certified_as_absent() {
    let mut net = Net::new();
    // For several numbers of canisters and requests, and several positions of the missing request.
    for _ in 0..9 {
        net.install(CERTIFIER);
        for byte in [0, 0x7f, 0xff] {
            let path: [&[u8]; 2] = [b"request_status", &[byte; 32]];
            let id = net.replica.default_effective_canister();
            let certificate = read_state(&net, id, &path).unwrap();
            read(&net.replica, id, &certificate, &[b"time"]);
            let certificate: Certificate = serde_cbor::from_slice(&certificate).unwrap();
            assert_eq!(certificate.tree.lookup_path(path), LookupResult::Absent);
        }
    }
    let empty = net.create(T);
    let path: [&[u8]; 3] = [b"canister", empty.as_slice(), b"module_hash"];
    let certificate = read_state(&net, empty, &path).unwrap();
    let certificate: Certificate = serde_cbor::from_slice(&certificate).unwrap();
    assert_eq!(certificate.tree.lookup_path(path), LookupResult::Absent);
}

/// Interface specification 0.66, "The system state tree"; dfinity/ic#10785 and #10846.
#[test]
fn the_times_of_creation_and_of_the_last_installation_are_certified() {
    let mut net = Net::new();
    let at = |net: &Net, id: Principal, leaf: &str| {
        let path = [b"canister", id.as_slice(), leaf.as_bytes()];
        let certificate = read_state(net, id, &path).unwrap();
        let certificate: Certificate = serde_cbor::from_slice(&certificate).unwrap();
        match certificate.tree.lookup_path(path) {
            LookupResult::Found(value) => Some(natural(value)),
            LookupResult::Absent => None,
            other => panic!("{other:?}"),
        }
    };
    let (created, installed) = ("canister_creation_timestamp", "last_install_timestamp");
    let id = net.create(100 * T);
    let first = at(&net, id, created);
    assert_eq!(first, Some(net.replica.time()));
    assert_eq!(at(&net, id, installed), None);
    let mut last = first;
    let mut next = |net: &mut Net, step: &dyn Fn(&mut Net)| {
        net.replica.tick();
        step(net);
        assert_eq!(at(net, id, created), first);
        let time = at(net, id, installed);
        assert!(time > last && time <= Some(net.replica.time()), "{time:?}");
        last = time;
    };
    next(&mut net, &|net| {
        net.install_as(Install, id, canister(CERTIFIER), &[])
            .unwrap();
    });
    next(&mut net, &|net| {
        net.install_as(Upgrade(None), id, canister(CERTIFIER), &[])
            .unwrap();
    });
    let args = types::TakeCanisterSnapshotArgs {
        canister_id: id,
        replace_snapshot: None,
        uninstall_code: None,
        sender_canister_version: None,
    };
    let taken = net.manage::<(types::Snapshot,)>("take_canister_snapshot", (args,));
    let snapshot_id = taken.unwrap().0.id;
    next(&mut net, &|net| {
        let args = types::LoadCanisterSnapshotArgs {
            canister_id: id,
            snapshot_id: snapshot_id.clone(),
            sender_canister_version: None,
        };
        net.manage::<()>("load_canister_snapshot", (args,)).unwrap();
    });
    net.manage::<()>("uninstall_code", record(id)).unwrap();
    assert_eq!(at(&net, id, installed), None);
}

/// Interface specification 0.56, "The system state tree".
#[test]
fn the_type_of_each_subnet_is_certified() {
    let kinds = [
        (SubnetKind::Application, "application"),
        (SubnetKind::System, "system"),
        (SubnetKind::VerifiedApplication, "verified_application"),
        (SubnetKind::CloudEngine, "cloud_engine"),
    ];
    let net = Net::with(kinds.map(|(kind, _)| kind).to_vec());
    let own = net.replica.subnets()[0].id;
    for (subnet, (_, name)) in net.replica.subnets().iter().zip(kinds) {
        let path: [&[u8]; 3] = [b"subnet", subnet.id.as_slice(), b"type"];
        let paths = [path.map(<[u8]>::to_vec).to_vec()];
        let at = EffectivePrincipal::Subnet(own);
        let certificate = net.replica.read_state(net.admin, at, &paths).unwrap();
        let certificate: Certificate = serde_cbor::from_slice(&certificate).unwrap();
        let found = certificate.tree.lookup_path(path);
        assert_eq!(found, LookupResult::Found(name.as_bytes()));
    }
}

/// Interface specification 0.50, "Request: Read state".
#[test]
fn ranges_of_canister_ids_are_read_of_one_subnet_at_its_own_path() {
    let net = Net::with(vec![SubnetKind::Application, SubnetKind::NNS]);
    let [application, nns] = [0, 1].map(|index| net.replica.subnets()[index].id);
    let read = |effective, ids: &[Principal]| {
        let paths: Vec<Vec<Vec<u8>>> = ids
            .iter()
            .map(|id| vec![b"canister_ranges".to_vec(), id.as_slice().to_vec()])
            .collect();
        net.replica.read_state(net.admin, effective, &paths)
    };
    let at = EffectivePrincipal::Subnet(application);
    for id in [application, nns] {
        let certificate = read(at, &[id, id]).unwrap();
        let certificate: Certificate = serde_cbor::from_slice(&certificate).unwrap();
        let ranges = net.replica.subnets();
        let subnet = ranges.iter().find(|subnet| subnet.id == id).unwrap();
        let first = subnet.canister_ranges[0].0;
        let path = [b"canister_ranges", id.as_slice(), first.as_slice()];
        assert!(matches!(
            certificate.tree.lookup_path(path),
            LookupResult::Found(_)
        ));
    }
    let canister = EffectivePrincipal::Canister(net.replica.default_effective_canister());
    for result in [
        read(canister, &[application]),
        read(at, &[application, nns]),
    ] {
        assert!(matches!(result, Err(ReadStateError::Invalid(_))));
    }
}

/// Interface specification 0.66, section "Subnet information"; `dfinity/ic`
/// rs/canonical_state/src/encoding.rs (packed CBOR) and rs/http_endpoints/public/src/read_state
/// (a subnet's metrics are read at the path of that subnet).
#[test]
fn the_metrics_of_a_subnet_are_certified_and_read_at_its_own_path() {
    let mut net = Net::with(vec![SubnetKind::Application, SubnetKind::NNS]);
    let [application, nns] = [0, 1].map(|index| net.replica.subnets()[index].id);
    let id = net.install(CERTIFIER);
    net.replica.tick();
    let read = |net: &Net, effective, of: Principal| {
        let path = [b"subnet", of.as_slice(), b"metrics"].map(<[u8]>::to_vec);
        net.replica
            .read_state(net.admin, effective, &[path.to_vec()])
    };
    let at = EffectivePrincipal::Subnet(application);
    let metrics = |net: &Net| {
        let certificate = read(net, at, application).unwrap();
        let certificate: Certificate = serde_cbor::from_slice(&certificate).unwrap();
        let path = [b"subnet", application.as_slice(), b"metrics"];
        let LookupResult::Found(leaf) = certificate.tree.lookup_path(path) else {
            panic!("no metrics");
        };
        let Value::Map(fields) = serde_cbor::from_slice(leaf).unwrap() else {
            panic!("no map");
        };
        let number = |value: &Value| match value {
            Value::Integer(number) => *number,
            Value::Map(halves) => match halves.values().collect::<Vec<_>>()[..] {
                [Value::Integer(low)] => *low,
                _ => panic!("{halves:?}"),
            },
            other => panic!("{other:?}"),
        };
        let keys: Vec<_> = fields.keys().map(number).collect();
        assert_eq!(keys, [0, 1, 2, 3]);
        fields.values().map(number).collect::<Vec<_>>()
    };
    let before = metrics(&net);
    assert_eq!(before[0], 1);
    assert_eq!(net.status(id).memory_size, before[1] as u64);
    let before = metrics(&net);
    net.update(id, "certificate_in_update", &[]).unwrap_err();
    net.replica.tick();
    let after = metrics(&net);
    assert!(after[2] >= before[2] + 5_000_000, "{before:?} {after:?}");
    assert_eq!(after[3], before[3] + 1);
    let canister = EffectivePrincipal::Canister(id);
    assert!(matches!(
        read(&net, canister, application),
        Err(ReadStateError::NotFound(_))
    ));
    assert!(matches!(
        read(&net, at, nns),
        Err(ReadStateError::Invalid(_))
    ));
}

/// The statuses and texts are those of `dfinity/ic
/// rs/http_endpoints/public/src/read_state.rs`.
#[test]
fn invalid_paths_and_requests_of_others_cannot_be_read() {
    let mut net = Net::new();
    let id = net.install(CERTIFIER);
    let other = net.install(CERTIFIER);
    for path in [
        vec![],
        vec![&b"canister"[..]],
        vec![b"canister", id.as_slice()],
        vec![b"canister", id.as_slice(), b"certified_data"],
        vec![b"request_status"],
        vec![b"secrets"],
        vec![b"subnet", id.as_slice(), b"anything"],
    ] {
        let refusal = ReadStateError::NotFound("Invalid path requested.".into());
        assert_eq!(read_state(&net, id, &path), Err(refusal), "{path:?}");
    }
    for path in [
        vec![&b"canister"[..], other.as_slice(), b"module_hash"],
        vec![b"request_status", b"short"],
    ] {
        let result = read_state(&net, id, &path);
        assert!(
            matches!(result, Err(ReadStateError::Invalid(_))),
            "{path:?}"
        );
    }
    let request = net.replica.submit(net.ingress(id, "set", &[])).unwrap();
    let path: [&[u8]; 2] = [b"request_status", &request];
    assert!(read_state(&net, id, &path).is_ok());
    assert!(matches!(
        read_state(&net, other, &path),
        Err(ReadStateError::Forbidden(_))
    ));
    net.admin = Principal::anonymous();
    assert!(matches!(
        read_state(&net, id, &path),
        Err(ReadStateError::Forbidden(_))
    ));
    let nowhere = Principal::from_slice(&[1, 2, 3]);
    assert!(matches!(
        read_state(&net, nowhere, &[b"time"]),
        Err(ReadStateError::NotFound(_))
    ));
}
