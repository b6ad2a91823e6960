//! The options of an instance, through the ordinary client.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant, SystemTime},
};

use candid::{CandidType, Deserialize, Nat, Principal, decode_one, encode_one};
use ic_agent::Agent;
use pocket_ic::{
    PocketIc,
    common::rest::{
        CanisterCyclesCostSchedule, ExtendedSubnetConfigSet, IcpConfig, IcpConfigFlag, IcpFeatures,
        IcpFeaturesConfig, RawEffectivePrincipal, RawMessageId, SubnetKind, SubnetSpec,
    },
};
use serde_json::{Value, json};

use crate::{
    agent::ed25519,
    common::{builder, builder_of, counter, counter_wasm, only_ours, query, raw_bytes, update},
    fetched::Folder,
    server::{Server, one_subnet},
};

/// Now, in nanoseconds since 1970.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap().as_nanos() as u64
}

/// The path of an instance's interface for agents, and the port of its server.
fn api(pic: &PocketIc) -> (u16, String) {
    let port = pic.get_server_url().port().unwrap();
    (port, format!("/instances/{}/api", pic.instance_id()))
}

fn post(pic: &PocketIc, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let (port, api) = api(pic);
    let media_type = "content-type: application/cbor\r\n";
    raw_bytes(port, "POST", &format!("{api}/{path}"), media_type, body)
}

/// `dfinity/ic rs/pocket_ic_server/tests/test.rs` tests the same with an unsigned call;
/// `rs/http_endpoints/public/src/common.rs` (`build_validator`) skips all checks of the signature,
/// the expiry, the delegations and the nonce.
#[test]
fn without_ingress_validation_any_clock_and_any_signature_are_taken() {
    let agent = Agent::builder()
        .with_url("http://localhost")
        .with_identity(ed25519(1))
        .build()
        .unwrap();
    for is_validating in [true, false] {
        let instance = builder().with_application_subnet();
        let pic = if is_validating {
            instance
        } else {
            instance.disable_ingress_validation()
        };
        let pic = pic.build();
        let canister = counter(&pic);
        // The instance lives in 2021, and the agent's clock is that of today.
        assert!(pic.get_time().as_nanos_since_unix_epoch() < now() - 1_000_000_000_000_000);
        let call = agent
            .update(&canister, "inc")
            .with_arg(vec![])
            .sign()
            .unwrap();
        let query = agent
            .query(&canister, "get")
            .with_arg(vec![])
            .sign()
            .unwrap();
        let state = agent
            .sign_request_status(canister, call.request_id)
            .unwrap();
        let mut forged = query.signed_query.clone();
        let last = forged.len() - 1;
        forged[last] ^= 1;
        let path = |version: &str, kind: &str| format!("{version}/canister/{canister}/{kind}");
        let sent = post(&pic, &path("v2", "call"), &call.signed_update);
        pic.tick();
        pic.tick();
        let answers = [
            post(&pic, &path("v3", "query"), &query.signed_query),
            post(&pic, &path("v2", "query"), &forged),
            post(
                &pic,
                &path("v3", "read_state"),
                &state.signed_request_status,
            ),
        ];
        if is_validating {
            for (status, text) in [sent].into_iter().chain(answers) {
                let text = String::from_utf8_lossy(&text);
                assert!(
                    status == 400 && text.starts_with("Invalid request expiry"),
                    "{text}"
                );
            }
            assert_eq!(query_count(&pic, canister), 0);
        } else {
            assert_eq!(sent.0, 202);
            for (status, text) in answers {
                assert_eq!(status, 200, "{}", String::from_utf8_lossy(&text));
            }
            assert_eq!(query_count(&pic, canister), 1);
        }
    }
}

fn query_count(pic: &PocketIc, canister: Principal) -> u64 {
    query(pic, canister, "get").unwrap()
}

/// `dfinity/ic rs/pocket_ic_server/tests/test.rs` creates a canister of the mainnet likewise.
#[test]
fn a_canister_with_a_mainnet_id_brings_its_subnet_into_the_topology() {
    let pic = builder().with_application_subnet().build();
    for (text, kind) in [
        ("um5iw-rqaaa-aaaaq-qaaba-cai", SubnetKind::II),
        ("mxzaz-hqaaa-aaaar-qaada-cai", SubnetKind::Fiduciary),
        ("5v3p4-iyaaa-aaaaa-qaaaa-cai", SubnetKind::Application),
    ] {
        let id = Principal::from_text(text).unwrap();
        assert_eq!(pic.topology().get_subnet(id), None);
        assert_eq!(pic.create_canister_with_id(None, None, id), Ok(id));
        let topology = pic.topology();
        let subnet = topology.get_subnet(id).unwrap();
        assert_eq!(topology.subnet_configs[&subnet].subnet_kind, kind);
        assert_eq!(pic.get_subnet(id), Some(subnet));
        pic.install_canister(id, counter_wasm(), vec![], None);
        assert_eq!(update(&pic, id, "inc"), Ok(1));
    }
    let nns = Principal::from_text("rrkah-fqaaa-aaaaa-aaaaq-cai").unwrap();
    let refused = catch_unwind(AssertUnwindSafe(|| {
        pic.create_canister_with_id(None, None, nns)
    }));
    let panic = refused.unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(
        message.contains("belongs to the NNS subnet on the IC mainnet"),
        "{message}"
    );
}

/// PocketIC's server answers 400 to a message that goes to no subnet, `route` in `dfinity/ic
/// rs/pocket_ic_server/src/pocket_ic.rs`; its client panics.
#[test]
fn a_message_to_a_canister_of_no_subnet_is_an_error_of_the_request() {
    let pic = builder().with_application_subnet().build();
    let nobody = Principal::from_text("5v3p4-iyaaa-aaaaa-qaaaa-cai").unwrap();
    let update = catch_unwind(AssertUnwindSafe(|| update(&pic, nobody, "inc")));
    let query = catch_unwind(AssertUnwindSafe(|| query(&pic, nobody, "get")));
    for panic in [update.unwrap_err(), query.unwrap_err()] {
        let message = panic.downcast_ref::<String>().unwrap();
        let text = format!("Canister {nobody} does not belong to any subnet.");
        assert!(
            message.contains("BadIngressMessage") && message.contains(&text),
            "{message}"
        );
    }
}

#[test]
fn subnets_have_the_options_of_their_specification() {
    let free = SubnetSpec::default().with_cost_schedule(CanisterCyclesCostSchedule::Free);
    let benchmarking = SubnetSpec::default().with_benchmarking_instruction_config();
    let pic = builder_of(ExtendedSubnetConfigSet {
        system: vec![benchmarking.clone()],
        application: vec![SubnetSpec::default(), free, benchmarking],
        ..Default::default()
    })
    .build();
    let topology = pic.topology();
    assert_eq!(topology.get_app_subnets().len(), 3);
    assert_eq!(topology.get_benchmarking_app_subnets().len(), 1);
    let of = |schedule| {
        let all = topology.subnet_configs.iter();
        all.filter(move |(_, config)| config.cost_schedule == schedule)
            .map(|(id, _)| *id)
            .collect::<Vec<_>>()
    };
    let free = of(CanisterCyclesCostSchedule::Free);
    assert_eq!(free.len(), 1);
    for subnet in topology.get_app_subnets() {
        let canister = pic.create_canister_on_subnet(None, None, subnet);
        pic.add_cycles(canister, 1_000_000_000_000_000);
        pic.install_canister(canister, counter_wasm(), vec![], None);
        let before = pic.cycle_balance(canister);
        assert_eq!(update(&pic, canister, "inc"), Ok(1));
        assert_eq!(
            pic.cycle_balance(canister) == before,
            free.contains(&subnet)
        );
    }
    // A message on the benchmarking subnet is paid for in advance, up to its very high limit.
    let poor =
        pic.create_canister_on_subnet(None, None, topology.get_benchmarking_app_subnets()[0]);
    pic.install_canister(poor, counter_wasm(), vec![], None);
    assert!(update(&pic, poor, "inc").is_err());
}

/// A module with so many methods, whose compilation takes the installations of several rounds.
fn large(methods: usize) -> Vec<u8> {
    let methods: String = (0..methods)
        .map(|i| format!(r#"(func (export "canister_query {i}"))"#))
        .collect();
    let code = format!("(func {})", "nop ".repeat(40_000)).repeat(36);
    wat::parse_str(format!("(module {methods} {code})")).unwrap()
}

#[test]
fn limits_of_the_network_can_be_lifted() {
    for flag in [
        None,
        Some(IcpConfigFlag::Enabled),
        Some(IcpConfigFlag::Disabled),
    ] {
        let is_lifted = flag == Some(IcpConfigFlag::Disabled);
        let pic = builder()
            .with_application_subnet()
            .with_icp_config(IcpConfig {
                function_name_length_limits: flag.clone(),
                canister_execution_rate_limiting: flag,
                ..IcpConfig::default()
            })
            .build();
        let installs = |methods: &[usize]| {
            let canister = pic.create_canister();
            pic.add_cycles(canister, 1_000_000_000_000_000);
            let mut modules = methods.iter().map(|count| large(*count));
            modules.all(|wasm| pic.reinstall_canister(canister, wasm, vec![], None).is_ok())
        };
        assert!(installs(&[1]));
        assert_eq!(installs(&[1_001]), is_lifted);
        // The subnet has not compiled these two yet.
        assert_eq!(installs(&[2, 3]), is_lifted);
    }
}

#[test]
fn a_log_level_is_one_that_the_client_knows() {
    for (level, status) in [
        ("INFO", 201),
        ("debug", 201),
        ("CRITICAL", 201),
        ("loud", 400),
    ] {
        let server = Server::start(&format!("level-{level}"), &[]);
        let mut config = one_subnet();
        config["log_level"] = level.into();
        let created = server.send("POST", "/instances", config.to_string());
        assert_eq!(created.0, status, "{}", created.1);
    }
}

#[test]
fn the_nns_subnet_gets_its_mainnet_id() {
    let mainnet = "tdb26-jop6k-aogll-7ltgs-eruif-6kk7m-qpktf-gdiqx-mxtrf-vb5e6-eqe";
    let mainnet = Principal::from_text(mainnet).unwrap();
    let subnets = || builder().with_nns_subnet().with_application_subnet();
    let pic = subnets().with_mainnet_nns_subnet_id().build();
    assert_eq!(pic.topology().get_nns(), Some(mainnet));
    assert!(pic.root_key().is_some());
    let id = pic.create_canister_on_subnet(None, None, mainnet);
    assert_eq!(pic.get_subnet(id), Some(mainnet));
    assert_ne!(subnets().build().topology().get_nns(), Some(mainnet));
}

#[test]
fn a_message_is_known_on_its_own_subnet() {
    let pic = builder()
        .with_application_subnet()
        .with_application_subnet()
        .build();
    let canister = counter(&pic);
    let own = pic.get_subnet(canister).unwrap();
    let subnets = pic.topology().get_app_subnets();
    let other = *subnets.iter().find(|subnet| **subnet != own).unwrap();
    let message = pic
        .submit_call(canister, Principal::anonymous(), "inc", vec![])
        .unwrap();
    pic.tick();
    pic.tick();
    let on = |subnet: Principal| RawMessageId {
        effective_principal: RawEffectivePrincipal::SubnetId(subnet.as_slice().to_vec()),
        ..message.clone()
    };
    assert!(pic.ingress_status(message.clone()).is_some());
    assert!(pic.ingress_status(on(own)).is_some());
    assert!(pic.ingress_status(on(other)).is_none());
    let by_canister = RawMessageId {
        effective_principal: RawEffectivePrincipal::CanisterId(canister.as_slice().to_vec()),
        ..message.clone()
    };
    assert!(pic.ingress_status(by_canister).is_some());
    let nowhere = Principal::self_authenticating("nowhere");
    let refused = catch_unwind(AssertUnwindSafe(|| pic.ingress_status(on(nowhere))));
    assert!(refused.is_err());
}

#[test]
fn rounds_keep_the_artificial_delay() {
    let server = Server::start("delay", &[]);
    for (delay, goes_on) in [(Some(3_600_000), false), (Some(1), true), (None, true)] {
        let instance = server.instance();
        let config = serde_json::json!({ "artificial_delay_ms": delay });
        let path = format!("{instance}/auto_progress");
        assert_eq!(server.send("POST", &path, config.to_string()).0, 200);
        let time = || {
            server
                .send("GET", &format!("{instance}/read/get_time"), "")
                .1
        };
        let first = time();
        let until = Instant::now() + Duration::from_secs(if goes_on { 10 } else { 1 });
        while time() == first && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(time() != first, goes_on, "{delay:?}");
    }
}

/// The system canisters that this server has.
fn features() -> IcpFeatures {
    let feature = Some(IcpFeaturesConfig::DefaultConfig);
    IcpFeatures {
        cycles_minting: feature.clone(),
        icp_token: feature.clone(),
        cycles_token: feature,
        ..IcpFeatures::default()
    }
}

/// `dfinity/ic rs/pocket_ic_server/tests/icp_features.rs` tests the same.
#[test]
fn icp_features_bring_system_canisters_with_their_subnets() {
    #[derive(CandidType, Deserialize)]
    struct Account {
        owner: Principal,
        subaccount: Option<Vec<u8>>,
    }
    #[derive(CandidType, Deserialize)]
    struct Transfer {
        to: Account,
        amount: Nat,
    }
    #[derive(CandidType, Deserialize)]
    struct Withdrawal {
        to: Principal,
        amount: Nat,
    }
    const T: u64 = 1_000_000_000_000;
    let pic = builder()
        .with_application_subnet()
        .with_icp_features(features())
        .build();
    let start = pic.get_time().as_nanos_since_unix_epoch();
    assert!((1_620_633_601_000_000_000..1_620_633_602_000_000_000).contains(&start));
    let topology = pic.topology();
    let [ledger, minting, cycles] = [
        ("ryjl3-tyaaa-aaaaa-aaaba-cai", topology.get_nns()),
        ("rkp4c-7iaaa-aaaaa-aaaca-cai", topology.get_nns()),
        ("um5iw-rqaaa-aaaaq-qaaba-cai", topology.get_ii()),
    ]
    .map(|(text, subnet)| {
        let id = Principal::from_text(text).unwrap();
        assert!(pic.canister_exists(id));
        assert_eq!(pic.get_subnet(id), subnet);
        id
    });
    let anonymous = Principal::anonymous();
    let account = |owner| Account {
        owner,
        subaccount: None,
    };
    let balance = |ledger, owner| {
        let payload = encode_one(account(owner)).unwrap();
        let reply = pic.query_call(ledger, anonymous, "icrc1_balance_of", payload);
        decode_one::<Nat>(&reply.unwrap()).unwrap()
    };
    assert_eq!(
        balance(ledger, anonymous),
        Nat::from(1_000_000_000 * 100_000_000_u64)
    );
    assert_eq!(balance(cycles, anonymous), Nat::from(1_u128 << 127));
    let tester = Principal::self_authenticating("tester");
    let transfer = Transfer {
        to: account(tester),
        amount: Nat::from(2 * T),
    };
    let transfer = encode_one(transfer).unwrap();
    pic.update_call(cycles, anonymous, "icrc1_transfer", transfer)
        .unwrap();
    assert_eq!(balance(cycles, tester), Nat::from(2 * T));
    let canister = pic.create_canister();
    let before = pic.cycle_balance(canister);
    let withdrawal = Withdrawal {
        to: canister,
        amount: Nat::from(T),
    };
    let withdrawal = encode_one(withdrawal).unwrap();
    pic.update_call(cycles, tester, "withdraw", withdrawal)
        .unwrap();
    assert!(pic.cycle_balance(canister) > before + u128::from(T) / 2);
    let reply = pic.query_call(
        minting,
        anonymous,
        "get_default_subnets",
        encode_one(()).unwrap(),
    );
    let subnets: Vec<Principal> = decode_one(&reply.unwrap()).unwrap();
    assert_eq!(subnets, topology.get_app_subnets());
}

#[test]
fn a_state_directory_that_cannot_be_used_is_refused() {
    if !only_ours("another server has other states") {
        return;
    }
    let server = Server::start("state-dir", &[]);
    let folder = Folder::new("state-dir");
    let mut config = one_subnet();
    config["state_dir"] = folder.0.to_str().unwrap().into();
    let create = |config: &Value, why| {
        server.assert_refuses("POST", "/instances", config.to_string(), (400, why));
    };
    let (status, body) = server.send("POST", "/instances", config.to_string());
    assert_eq!(status, 201, "{body}");
    create(&config, "is used by another network");
    assert_eq!(server.send("DELETE", "/instances/0", "").0, 200);

    let mut timed = config.clone();
    let time = json!({ "nanos_since_epoch": 1_700_000_000_000_000_000_u64 });
    timed["initial_time"] = json!({ "Timestamp": time });
    create(&timed, "has the time of that state");
    let file = folder.0.join("state");
    let mut state = std::fs::read(&file).unwrap();
    *state.last_mut().unwrap() ^= 1;
    std::fs::write(&file, state).unwrap();
    create(&config, "is corrupt");
    std::fs::remove_file(&file).unwrap();
    std::fs::write(folder.0.join("letter"), "").unwrap();
    create(&config, "holds letter, which is no part of a state");
}
