//! The options of an instance, through the ordinary client.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::SystemTime,
};

use candid::Principal;
use ic_agent::Agent;
use pocket_ic::{PocketIc, common::rest::SubnetKind};

use crate::{
    agent::ed25519,
    common::{builder, counter, counter_wasm, query, raw_bytes, update},
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
