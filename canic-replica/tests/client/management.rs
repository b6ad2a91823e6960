//! Query calls to the management canister, through the client and through agents.

use candid::{Encode, Principal, decode_args};
use ic_agent::{
    Agent, AgentError, Identity,
    agent::{CallResponse, EffectiveId},
    identity::BasicIdentity,
};
use ic_management_canister_types as types;
use pocket_ic::{
    PocketIc,
    common::rest::{CanisterCyclesCostSchedule, ExtendedSubnetConfigSet, SubnetSpec},
};
use tokio::runtime::Runtime;

use crate::common::{builder_of, counter_wasm};

/// A live cloud engine, whose admin is this identity, with a counter.
fn engine(admin: &BasicIdentity) -> (PocketIc, Principal, Principal) {
    let spec = SubnetSpec::default()
        .with_cost_schedule(CanisterCyclesCostSchedule::Free)
        .with_subnet_admins(vec![admin.sender().unwrap()]);
    let subnets = ExtendedSubnetConfigSet {
        cloud_engine: vec![spec],
        nns: Some(SubnetSpec::default()),
        ..Default::default()
    };
    let mut pic = builder_of(subnets).build();
    let subnet = pic.topology().get_cloud_engines()[0];
    let counter = pic.create_canister_on_subnet(None, None, subnet);
    pic.install_canister(counter, counter_wasm(), vec![], None);
    pic.make_live(None);
    (pic, counter, subnet)
}

fn agent(pic: &PocketIc, identity: BasicIdentity) -> Agent {
    let agent = Agent::builder()
        .with_url(pic.url().unwrap())
        .with_identity(identity)
        .build()
        .unwrap();
    agent.set_root_key(pic.root_key().unwrap());
    agent
}

fn identity(seed: u8) -> BasicIdentity {
    BasicIdentity::from_raw_key(&[seed; 32])
}

/// `/api/v3/canister/<id>/query`. The agent verifies the node's signature.
fn query(
    agent: &Agent,
    effective: Principal,
    method: &str,
    payload: Vec<u8>,
) -> Result<Vec<u8>, AgentError> {
    let query = agent
        .query(&Principal::management_canister(), method)
        .with_arg(payload)
        .with_effective_canister_id(effective);
    Runtime::new().unwrap().block_on(query.call())
}

/// Interface specification 0.66, "IC method `canister_status`", `canister_metrics`,
/// `fetch_canister_logs`, `list_canisters`.
#[test]
fn an_agent_queries_the_management_canister() {
    let admin = identity(1);
    let (pic, counter, _) = engine(&admin);
    let agent = agent(&pic, admin);
    let named = Encode!(&types::CanisterIdRecord {
        canister_id: counter
    })
    .unwrap();
    for method in ["canister_status", "canister_metrics"] {
        query(&agent, counter, method, named.clone()).unwrap();
    }
    let list = query(&agent, counter, "list_canisters", Encode!().unwrap()).unwrap();
    let (list,): (types::ListCanistersResult,) = decode_args(&list).unwrap();
    let own = types::CanisterIdRange {
        start: counter,
        end: counter,
    };
    assert_eq!(list.canisters, [own]);
    let error = query(&agent, counter, "raw_rand", Encode!().unwrap()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("Query method raw_rand not found."),
        "{error}"
    );
}

/// Interface specification 0.66, "Effective subnet id".
#[test]
fn an_admin_lists_and_creates_canisters_by_the_id_of_the_subnet() {
    let admin = identity(1);
    let (pic, counter, subnet) = engine(&admin);
    let agent = agent(&pic, admin);
    let runtime = Runtime::new().unwrap();
    let create = agent
        .update(&Principal::management_canister(), "create_canister")
        .with_arg(Encode!(&types::CreateCanisterArgs::default()).unwrap())
        .sign()
        .unwrap();
    let created = agent.update_signed(EffectiveId::Subnet(subnet), create.signed_update);
    let CallResponse::Response(created) = runtime.block_on(created).unwrap() else {
        panic!("a live instance answers at once");
    };
    let (created,): (types::CanisterIdRecord,) = decode_args(&created).unwrap();
    let list = agent
        .query(&Principal::management_canister(), "list_canisters")
        .with_arg(Encode!().unwrap())
        .sign()
        .unwrap();
    let list = agent.query_signed(EffectiveId::Subnet(subnet), list.signed_query);
    let list = runtime.block_on(list).unwrap();
    let (list,): (types::ListCanistersResult,) = decode_args(&list).unwrap();
    let both = types::CanisterIdRange {
        start: counter,
        end: created.canister_id,
    };
    assert_eq!(list.canisters, [both]);
}

#[test]
fn an_agent_that_is_no_admin_gets_no_list() {
    let (pic, counter, _) = engine(&identity(1));
    let agent = agent(&pic, identity(2));
    let error = query(&agent, counter, "list_canisters", Encode!().unwrap()).unwrap_err();
    assert!(error.to_string().contains("Only subnet admins"), "{error}");
}

#[test]
fn the_topology_names_the_admins_of_a_subnet() {
    let admin = identity(1);
    let (pic, _, subnet) = engine(&admin);
    let config = pic.topology().subnet_configs[&subnet].clone();
    let admins = config.subnet_admins.unwrap();
    let admins: Vec<Principal> = admins.into_iter().map(Principal::from).collect();
    assert_eq!(admins, [admin.sender().unwrap()]);
}
