//! The options of instances and of subnets. Each is one of PocketIC's; the rules are those of
//! `dfinity/ic rs/pocket_ic_server/src/pocket_ic.rs`.

use std::collections::BTreeMap;

use candid::Principal;
use canic_replica::{Config, EffectivePrincipal, SubnetKind, SubnetOptions};
use ic_management_canister_types::CanisterInstallMode::Install;

use crate::{
    certification::read,
    common::{Net, T, canister},
    limits::spender,
};

/// An instance with one subnet that has these options.
fn with_options(kind: SubnetKind, options: SubnetOptions) -> Net {
    Net::of(Config {
        subnets: vec![kind],
        options: BTreeMap::from([(0, options)]),
        ..Config::default()
    })
}

#[test]
fn a_benchmarking_subnet_has_very_high_limits_of_instructions() {
    const LIMIT: u64 = 99_999_999_999_999;
    for kind in [SubnetKind::Application, SubnetKind::System] {
        let options = SubnetOptions {
            is_benchmarking: true,
            ..SubnetOptions::default()
        };
        let mut net = with_options(kind, options);
        for (method, limit) in [
            ("update", LIMIT),
            ("reply", LIMIT - LIMIT / 20),
            ("cleanup", LIMIT / 20),
            ("query", LIMIT),
        ] {
            let mut spend = |instructions: u64| {
                let id = net.create(10_000 * T);
                let module = canister(&spender(instructions));
                net.install_as(Install, id, module, &[]).unwrap();
                let result = match method {
                    "query" => net.query(id, method, &[]),
                    _ => net.update(id, method, id.as_slice()),
                };
                result.unwrap_err().message
            };
            let too_many = format!(
                "Canister exceeded the limit of {limit} instructions for single message execution."
            );
            let message = spend(limit);
            assert!(message.contains(&too_many), "{method}: {message}");
            let message = spend(limit - 2_000);
            let enough = "Canister trapped: stable memory out of bounds.";
            assert!(message.contains(enough), "{method}: {message}");
        }
    }
}

/// A message is paid for in advance, so a canister needs the cycles of the whole limit.
#[test]
fn a_message_on_a_benchmarking_subnet_is_prepaid_in_full() {
    let options = SubnetOptions {
        is_benchmarking: true,
        ..SubnetOptions::default()
    };
    let mut net = with_options(SubnetKind::Application, options);
    let id = net.install(r#"(func (export "canister_update go") (call $reply (i32.const 0)))"#);
    let reject = net.update(id, "go", &[]).unwrap_err();
    assert_eq!(reject.error_code, "IC0207");
    net.replica.add_cycles(id, 100 * T).unwrap();
    net.update(id, "go", &[]).unwrap();
    let left = net.replica.cycles(id).unwrap();
    assert!(left > 190 * T, "{left}");
}

#[test]
fn an_application_subnet_with_a_free_cost_schedule_charges_nothing() {
    for is_free in [true, false] {
        let options = SubnetOptions {
            is_free,
            ..SubnetOptions::default()
        };
        let mut net = with_options(SubnetKind::Application, options);
        let id = net.install(r#"(func (export "canister_update go") (call $reply (i32.const 0)))"#);
        let before = net.replica.cycles(id).unwrap();
        net.update(id, "go", &[]).unwrap();
        net.replica
            .set_time(net.replica.time() + 86_400_000_000_000)
            .unwrap();
        net.replica.tick();
        net.replica.tick();
        assert_eq!(before == net.replica.cycles(id).unwrap(), is_free);
        assert_eq!(before == 100 * T, is_free);
        // It is an application subnet in all other respects.
        assert_eq!(net.replica.subnets()[0].kind, SubnetKind::Application);
        assert_eq!(net.replica.subnets()[0].options.is_free, is_free);
    }
}

#[test]
fn the_limits_of_method_names_can_be_lifted() {
    let many: String = (0..1_001)
        .map(|i| format!(r#"(func (export "canister_query {i}"))"#))
        .collect();
    let long = format!(r#"(func (export "canister_query {}"))"#, "n".repeat(20_001));
    for body in [many, long] {
        for limits_method_names in [true, false] {
            let mut net = Net::of(Config {
                limits_method_names,
                ..Config::default()
            });
            let id = net.create(100 * T);
            let result = net.install_as(Install, id, canister(&body), &[]);
            match limits_method_names {
                true => assert_eq!(result.unwrap_err().error_code, "IC0505"),
                false => result.unwrap(),
            }
        }
    }
}

#[test]
fn the_nns_subnet_can_have_its_mainnet_id() {
    let mainnet = "tdb26-jop6k-aogll-7ltgs-eruif-6kk7m-qpktf-gdiqx-mxtrf-vb5e6-eqe";
    let mainnet = Principal::from_text(mainnet).unwrap();
    for mainnet_nns_id in [true, false] {
        let mut net = Net::of(Config {
            subnets: vec![SubnetKind::NNS, SubnetKind::Application],
            mainnet_nns_id,
            ..Config::default()
        });
        let nns = net.replica.subnets()[0].id;
        assert_eq!(nns == mainnet, mainnet_nns_id);
        assert_eq!(net.replica.public_key(nns), Some(net.replica.root_key()));
        // Certificates of both subnets verify, and list the root subnet under this id.
        for subnet in [0, 1] {
            let id = net.create_on(subnet, T);
            let path = [
                b"subnet".to_vec(),
                nns.as_slice().to_vec(),
                b"public_key".to_vec(),
            ];
            let effective = EffectivePrincipal::Canister(id);
            let certificate = net
                .replica
                .read_state(net.admin, effective, &[path.to_vec()]);
            let path: Vec<&[u8]> = path.iter().map(Vec::as_slice).collect();
            let key = read(&net.replica, id, &certificate.unwrap(), &path);
            assert_eq!(key, net.replica.root_key());
        }
    }
}
